#include "checker/predict.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "checker/decide.hpp"
#include "graph/dependencies.hpp"

namespace fencecheck {
namespace {

// The numbers in the names are those of one recording, as in what was observed.
std::string fingerprint_of_recording(Finding finding) {
  finding.strength = Strength::observed;
  return fingerprint(finding);
}

bool through_a_lock(const Finding& finding) {
  return std::ranges::any_of(finding.parties, [](const Party& party) { return party.cause == Cause::lock; });
}

}  // namespace

void Predictor::take(const observed::OrderWindow& window) {
  ++windows_;
  const std::string where = fmt::format("lines {} to {}", window.from, window.to);
  Decision decision = decide(window.system, dependencies(window.system), budget_);
  for (const Answer& answer : decision.answers)
    if (answer.verdict == Verdict::unknown && gave_up_.empty()) gave_up_ = fmt::format("{}: {}", where, answer.reason);
  for (Finding& finding : decision.findings) {
    if (!info(finding.kind).hang) continue;
    if (!through_a_lock(finding)) {  // fences alone hang in every order, and this one went well
      gave_up_ = fmt::format("{}: what was recorded does not explain why {} went on", where,
                             finding.parties.empty() ? "everybody" : finding.parties[0].name);
      continue;
    }
    finding.message = "in another order of these events " + finding.message;
    finding.property = prediction;
    finding.fingerprint = fingerprint_of_recording(finding);
    if (known_.insert(finding.fingerprint).second) findings_.push_back(std::move(finding));
  }
}

void Predictor::conclude(Report& report, std::size_t window, const std::string& lack, bool cut) const {
  Answer answer{std::string(prediction), Verdict::unknown, {}};
  const bool lost = std::ranges::any_of(report.losses, &Loss::gap);
  if (!lack.empty()) {  // locks would seem held for ever, or waits would not be there at all
    answer.reason = lack;
  } else if (!findings_.empty()) {
    answer.verdict = Verdict::violated;
    answer.reason = quantity(findings_.size(), "hang") + " in other orders of the recorded events";
  } else if (!gave_up_.empty()) {
    answer.reason = gave_up_;
  } else if (lost) {
    answer.reason = "events are missing, so that other orders of them are not known";
  } else if (cut) {
    answer.reason = fmt::format(
        "locks are held over waits for fences, and what is more than {} lock and fence events apart was not always "
        "compared (--window)",
        window / 2);
  } else {
    answer.verdict = Verdict::holds;
    answer.reason =
        windows_ == 0
            ? "no lock that two threads take was held over a wait for a fence, and nothing else depends on the order"
            : fmt::format("no other order of the recorded events hangs; {} looked at", quantity(windows_, "window"));
  }
  report.answers.push_back(std::move(answer));
  if (lack.empty()) std::ranges::copy(findings_, std::back_inserter(report.findings));
  report.assumptions.push_back(fmt::format(
      "prediction: every thread would do the same in another order, as far as what it waited for was recorded{}",
      cut ? fmt::format("; of the trace {} lock and fence events at a time are compared, windows overlap by half",
                        window)
          : ""));
  report.assumptions.emplace_back(
      "prediction: hardware finishes what it was given; locks taken by trylock and locks with tickets are left out; an "
      "order that userspace or a wake-up without event imposed is not known");
}

}  // namespace fencecheck
