#include "encoders/sequence.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace fencecheck {
namespace {

constexpr std::size_t most_sentences = 12;  // of an alternative text

std::size_t lane_of(std::vector<std::string>& lanes, const std::string& thread) {
  const auto found = std::ranges::find(lanes, thread);
  if (found != lanes.end()) return static_cast<std::size_t>(found - lanes.begin());
  lanes.push_back(thread);
  return lanes.size() - 1;
}

SequenceStep drawn(const Finding& finding, const ScheduleStep& step, std::size_t number) {
  SequenceStep result;
  result.id = fmt::format("s{}", number);
  result.number = step.blocks ? "*" : fmt::format("{}", number);
  result.action = step.action;
  result.context = step.context;
  result.cause = step.cause;
  result.blocks = step.blocks;
  result.how_long = how_long(finding, step);
  result.timeout = step.timeout;
  return result;
}

// Each party of the finding waits for the next; their last steps are in the last row.
void add_waits(Sequence& result, const Finding& finding) {
  const auto last_step = [&](const Party& party) {
    return std::ranges::find_if(
        result.steps, [&](const SequenceStep& step) { return step.blocks && result.lanes[step.lane] == party.name; });
  };
  const std::size_t count = finding.parties.size();
  for (std::size_t i = 0; i + (finding.closed ? 0 : 1) < count; ++i) {
    const auto from = last_step(finding.parties[i]);
    const auto to = last_step(finding.parties[(i + 1) % count]);
    if (from == result.steps.end() || to == result.steps.end() || from == to) continue;
    result.arrows.push_back({fmt::format("w{}", i + 1), static_cast<std::size_t>(from - result.steps.begin()),
                             static_cast<std::size_t>(to - result.steps.begin()), finding.parties[i].cause, true,
                             "waits for"});
  }
}

}  // namespace

Sequence sequence(const Finding& finding, const std::string& title, std::size_t most) {
  Sequence result;
  result.title = title;
  const std::size_t size = finding.schedule.size();
  const std::size_t first = most == 0 || size <= most ? 0 : size - most;
  if (first > 0) result.left_out = fmt::format("the first {} of {} steps are not drawn", first, size);
  std::vector<std::size_t> blocked;
  for (std::size_t i = first; i < size; ++i) {
    const ScheduleStep& step = finding.schedule[i];
    SequenceStep shown = drawn(finding, step, i + 1);
    shown.lane = lane_of(result.lanes, step.thread);
    if (step.released_by && *step.released_by >= first)
      result.arrows.push_back(
          {fmt::format("r{}", i + 1), *step.released_by - first, i - first, step.cause, false, "lets go on"});
    if (step.blocks) {
      blocked.push_back(i - first);
      result.end = fmt::format("waits {}", shown.how_long);
    } else {
      result.rows.push_back({i - first});
    }
    result.steps.push_back(std::move(shown));
  }
  if (!blocked.empty()) result.rows.push_back(std::move(blocked));
  add_waits(result, finding);
  return result;
}

std::string in_words(const Sequence& sequence) {
  std::vector<std::string> sentences;
  for (const SequenceStep& step : sequence.steps)
    sentences.push_back(
        fmt::format("{} {}{}{}", sequence.lanes[step.lane], step.action, step.blocks ? " " : "", step.how_long));
  // The end is what matters.
  if (sentences.size() > most_sentences) {
    const std::size_t left_out = sentences.size() - most_sentences;
    sentences.erase(sentences.begin(), sentences.end() - most_sentences);
    sentences.insert(sentences.begin(), fmt::format("after {} steps", left_out));
  }
  return fmt::format("{}", fmt::join(sentences, "; "));
}

}  // namespace fencecheck
