#include "checker/predict.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "checker/decide.hpp"
#include "graph/dependencies.hpp"
#include "graph/input/lock_names.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_knots = 5;  // that decide() tells of one system

// The numbers in the names are those of one recording, as in what was observed.
std::string fingerprint_of_recording(Finding finding) {
  finding.strength = Strength::observed;
  return fingerprint(finding);
}

bool through_a_lock(const Finding& finding) {
  return std::ranges::any_of(finding.parties, [](const Party& party) { return party.cause == Cause::lock; });
}

// A reason for not knowing, with what lies beyond the bounds of this system: trylocks that fail.
std::string with_bounds(const std::string& reason, const System& system) {
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program)
      if (const auto* cutoff = std::get_if<Cutoff>(&step.action)) return fmt::format("{} ({})", reason, cutoff->bound);
  return reason;
}

// Tickets break such a cycle: one of its threads lets go.
bool of_tickets_alone(const Finding& finding) {
  return std::ranges::all_of(finding.parties, [](const Party& party) {
    return party.cause == Cause::lock && observed::has_tickets(party.waits_for);
  });
}

// An order that is stuck before a fence is made is none: who does not find it does not wait for it.
bool before_a_creation(const Finding& finding) {
  return std::ranges::any_of(finding.parties, [](const Party& party) {
    return party.waits_for.find(observed::creation_of) != std::string::npos;
  });
}

}  // namespace

Predictor::Predictor(Budget budget) : budget_(std::move(budget)) {
  if (budget_.deadline) left_ = (*budget_.deadline - std::chrono::steady_clock::now()) / 2;
}

void Predictor::give_up(const observed::OrderWindow& window, std::string_view why) {
  if (gave_up_.empty()) gave_up_ = fmt::format("lines {} to {}: {}", window.from, window.to, why);
}

// What was observed needs time, too: the search for other orders has half of it.
Decision Predictor::decide_in_time(const System& system) {
  const auto begin = std::chrono::steady_clock::now();
  Budget budget = budget_;
  if (left_) budget.deadline = std::min(*budget_.deadline, begin + *left_);
  Decision decision = decide(system, dependencies(system), budget);
  if (left_) *left_ -= std::chrono::steady_clock::now() - begin;
  return decision;
}

void Predictor::take(const observed::OrderWindow& window) {
  if (!window.unsettled.empty()) give_up(window, window.unsettled);
  if (!window.system) return;
  if (left_ && *left_ <= left_->zero()) return give_up(window, "half of the time limit was used up (--timeout)");
  ++windows_;
  Decision decision = decide_in_time(*window.system);
  for (const Answer& answer : decision.answers)
    if (answer.verdict == Verdict::unknown) give_up(window, with_bounds(answer.reason, *window.system));
  std::size_t dropped = 0;
  for (Finding& finding : decision.findings) {
    if (!info(finding.kind).hang) continue;
    if (before_a_creation(finding)) {
      ++dropped;
      continue;
    }
    if (!through_a_lock(finding)) {  // fences alone hang in every order, and this one went well
      give_up(window, fmt::format("what was recorded does not explain why {} went on",
                                  finding.parties.empty() ? "everybody" : finding.parties[0].name));
      continue;
    }
    if (of_tickets_alone(finding)) {
      give_up(window, "tickets break a cycle of locks, and what its threads do then was not recorded");
      continue;
    }
    finding.message = "in another order of these events " + finding.message;
    finding.property = prediction;
    finding.fingerprint = fingerprint_of_recording(finding);
    if (known_.insert(finding.fingerprint).second) findings_.push_back(std::move(finding));
  }
  if (dropped == decision.findings.size() && dropped >= most_knots)
    give_up(window, "more was found than was looked at, and none of it can be");
}

void Predictor::conclude(Report& report, const Orders& orders) const {
  Answer answer{std::string(prediction), Verdict::unknown, {}};
  const bool lost = std::ranges::any_of(report.losses, &Loss::gap);
  if (!orders.lack.empty()) {  // locks would seem held for ever, or waits would not be there at all
    answer.reason = orders.lack;
  } else if (!findings_.empty()) {
    answer.verdict = Verdict::violated;
    answer.reason = quantity(findings_.size(), "hang") + " in other orders of the recorded events";
  } else if (!gave_up_.empty()) {
    answer.reason = gave_up_;
  } else if (lost) {
    answer.reason = "events are missing, so that other orders of them are not known";
  } else if (!orders.unsettled.empty()) {
    answer.reason = orders.unsettled;
  } else if (orders.cut) {
    answer.reason = fmt::format(
        "locks are held over waits for fences, or taken in both orders, and what is more than {} lock and fence events "
        "apart was not always compared (--window)",
        orders.window / 2);
  } else {
    answer.verdict = Verdict::holds;
    answer.reason = windows_ == 0 ? "no lock that two threads take was held over a wait for a fence, and no two locks "
                                    "were taken in both orders"
                                  : fmt::format("no other order of the recorded events hangs; {} looked at",
                                                quantity(windows_, "window"));
  }
  report.answers.push_back(std::move(answer));
  if (orders.lack.empty()) std::ranges::copy(findings_, std::back_inserter(report.findings));
  report.assumptions.push_back(fmt::format(
      "prediction: every thread would do the same in another order, as far as what it waited for was recorded{}",
      orders.cut
          ? fmt::format("; of the trace {} lock and fence events at a time are compared, windows overlap by half",
                        orders.window)
          : ""));
  report.assumptions.emplace_back(
      "prediction: hardware finishes what it was given, and a wait that ended without a recorded signal would end so "
      "in "
      "any order");
  report.assumptions.emplace_back(
      "prediction: a wait for a fence that had signalled could have come first, unless the signal led to it by a "
      "wake-up "
      "or by what the task itself did; an order that userspace or a wake-up without event imposed is not known");
  report.assumptions.emplace_back(
      "prediction: work items wait for each other only where one queued the other; locks of one "
      "name are not compared with each other, and those of interrupts not at all; a trylock of mmap_lock alone looks "
      "like a lock");
}

}  // namespace fencecheck
