// One head for each part; the earliest goes next.
#include "graph/input/merged_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace fencecheck {

MergedTrace::MergedTrace(std::vector<Part> parts, Diagnostics& diagnostics) : diagnostics_(diagnostics) {
  for (Part& part : parts) parts_.emplace_back().part = std::move(part);
}

bool MergedTrace::next(TraceRecord& record) {
  if (!started_) {
    started_ = true;
    for (State& state : parts_) advance(state);
  } else if (last_ != nullptr && !done_) {
    advance(*last_);
  }
  while (!done_) {
    State* const state = earliest();
    if (state == nullptr) {
      finish();
    } else if (comparable(*state)) {
      if (!is_repeated(*state)) {
        hand_on(*state, record);
        return true;
      }
      losses_.add(LossKind::repeated, 1, {}, {}, facts_);
      advance(*state);
    }
  }
  return false;
}

void MergedTrace::advance(State& state) {
  const TraceFacts& facts = *state.part.stream.facts;
  state.ended = !state.part.stream.next(state.head);
  const std::uint32_t gap_end = facts.gaps.empty() ? 0 : std::max(1U, facts.gaps.back().to);
  const bool goes_on = gap_end > state.head.line;
  if (gap_end != state.gap_end || goes_on) {
    state.gap = true;
    state.gap_begin = !facts.gaps.empty() && facts.gaps.back().from == 0 ? 0 : state.last;
  }
  state.gap_end = gap_end;
  if (!state.ended) return;
  if (state.gap) add_gap(state, facts_.last_line + 1);
  if (const std::string problem = state.part.problem ? state.part.problem() : ""; !problem.empty()) {
    diagnostics_.error({}, problem);
    done_ = true;
  }
  if (facts_.stopped.empty()) facts_.stopped = facts.stopped;
}

// Of what is missing there, the part's own losses tell.
void MergedTrace::add_gap(State& state, std::uint32_t until) {
  losses_.add(LossKind::lost_events, 0, {}, {state.gap_begin, until}, facts_);
  state.gap = false;
}

// Nothing when all parts have ended.
MergedTrace::State* MergedTrace::earliest() {
  State* best = last_ != nullptr && !last_->ended ? last_ : nullptr;
  for (State& state : parts_)
    if (!state.ended && (best == nullptr || state.head.time < best->head.time)) best = &state;
  return best;
}

// Has the event the same clock as those before it? If not, it is an error.
bool MergedTrace::comparable(const State& state) {
  if (last_ == nullptr || last_ == &state) return true;
  const TraceFacts& one = *last_->part.stream.facts;
  const TraceFacts& other = *state.part.stream.facts;
  std::string problem;
  if (one.timed != other.timed) {
    problem = "one of them counts, the other one has times";
  } else if (!one.clock.empty() && !other.clock.empty() && one.clock != other.clock) {
    problem = fmt::format("'{}' and '{}'", one.clock, other.clock);
  } else if (one.timed && state.head.time > facts_.last_time && state.head.time - facts_.last_time > longest_pause) {
    problem = fmt::format("{} seconds lie between them", (state.head.time - facts_.last_time) / 1'000'000'000U);
  } else {
    facts_.clock_assumed = facts_.clock_assumed || one.clock.empty() || other.clock.empty();
    return true;
  }
  diagnostics_.error({}, fmt::format("{} and {} do not have the same clock ({}): their events have no common order; "
                                     "record with the same trace_clock in one boot",
                                     last_->part.name, state.part.name, problem));
  done_ = true;
  return false;
}

bool MergedTrace::is_repeated(const State& state) {
  const TraceRecord& head = state.head;
  if (head.kind == TraceEventKind::stack || head.time != facts_.last_time) return false;
  const auto part = static_cast<std::size_t>(&state - parts_.data());
  return std::ranges::any_of(seen_, [&](const Seen& each) {
    return each.part != part && each.row == head.row && each.pid == head.pid && each.numbers == head.numbers;
  });
}

void MergedTrace::hand_on(State& state, TraceRecord& record) {
  const auto line = ++facts_.last_line;
  const bool pause = !state.begun && last_ != nullptr &&
                     std::ranges::all_of(parts_, [](const State& each) { return !each.begun || each.ended; });
  if (pause) losses_.add(LossKind::between_files, 1, {line, 0, 1}, {line - 1, line}, facts_);
  if (state.gap) add_gap(state, line);
  state.begun = true;
  state.last = line;
  last_ = &state;

  const TraceFacts& facts = *state.part.stream.facts;
  if (line == 1) facts_.first_time = state.head.time;
  if (state.head.time != facts_.last_time) seen_.clear();
  seen_.push_back(
      {static_cast<std::size_t>(&state - parts_.data()), state.head.row, state.head.pid, state.head.numbers});
  facts_.last_time = state.head.time;
  facts_.timed = facts_.timed && facts.timed;
  facts_.marked = facts_.marked && facts.marked;
  ++facts_.events;
  record = state.head;
  record.file = state.part.name;
  record.file_line = record.line;
  record.line = line;
}

void MergedTrace::finish() {
  done_ = true;
  TraceFacts known;  // the gaps are in ours already
  for (const State& state : parts_)
    for (const Loss& loss : state.part.stream.facts->losses) {
      const auto* row = std::ranges::find(loss_table, loss.what, &LossInfo::id);
      losses_.add(row->kind, loss.count, {}, {}, known);
    }
  facts_.losses = losses_.all();
}

}  // namespace fencecheck
