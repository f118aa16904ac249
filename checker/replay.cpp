#include "checker/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace fencecheck {

namespace {

Refuted impossible(const System& system, const std::vector<Move>& schedule, std::size_t i) {
  return {fmt::format("step {} of the schedule, by '{}', is not possible", i + 1, system[schedule[i].thread].name)};
}

bool is_among(const Incident& incident, const std::vector<Incident>& incidents) {
  return std::ranges::any_of(incidents, [&](const Incident& each) {
    return each.kind == incident.kind && each.subject == incident.subject && each.what == incident.what;
  });
}

}  // namespace

std::optional<Refuted> replay_incident(const System& system, const std::vector<Move>& schedule,
                                       const Incident& incident) {
  State before = initial_state(system);
  State state = before;
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    if (!possible(system, state, schedule[i])) return impossible(system, schedule, i);
    before = state;
    state = after(system, std::move(state), schedule[i]);
  }
  if (!schedule.empty() && is_among(incident, incidents(system, before, schedule.back(), state))) return std::nullopt;
  const bool over = at_rest(system, state) && timeouts(system, state).empty() && !cut_off(system, state) &&
                    owed(system, state).empty();
  if (over && is_among(incident, incidents_at_rest(system, state))) return std::nullopt;
  return Refuted{fmt::format("the schedule does not end in this: {}", incident.what)};
}

std::variant<Replayed, Refuted> replay(const System& system, const std::vector<Move>& schedule, Causes causes) {
  State state = initial_state(system);
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    if (!possible(system, state, schedule[i], causes)) return impossible(system, schedule, i);
    state = after(system, std::move(state), schedule[i], causes);
  }
  if (!at_rest(system, state, causes)) return Refuted{"the schedule ends while something can still move"};
  if (cut_off(system, state)) return Refuted{"the schedule ends at a bound, beyond which nothing is known"};
  std::vector<Obligation> obligations = owed(system, state);
  if (obligations.empty()) return Refuted{"the schedule ends with nothing owed"};
  return Replayed{std::move(state), std::move(obligations)};
}

namespace {

// What a cycle that is gone through again and again does to those who are promised fairness.
class Justice {
 public:
  Justice(const System& system, const Lasso& lasso, Causes causes)
      : system_(system),
        debt_(std::holds_alternative<Debt>(lasso.harm) ? std::optional(std::get<Debt>(lasso.harm)) : std::nullopt),
        everybody_(std::holds_alternative<HardwareUseId>(lasso.harm)),
        causes_(causes),
        moved_(system.threads.size(), false),
        kept_waiting_(system.threads.size(), false),
        could_not_(system.threads.size(), false) {
    for (const Move& move : lasso.cycle) moved_[move.thread.index] = true;
  }

  void see(const State& state, const Move& move) {
    const std::vector<Move> able = moves(system_, state, causes_);
    for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
      const bool can = std::ranges::any_of(able, [&](const Move& each) { return each.thread.index == i; });
      if (!can || !(everybody_ || fair(system_, state, {i}, debt_))) {
        could_not_[i] = true;
      } else if (waits_in_line(system_, state, {i})) {
        kept_waiting_[i] = true;
      }
    }
    for (std::uint32_t i = 0; i < system_.threads.size() && unseen_.empty(); ++i)
      unseen_ = passes_unseen(system_, state, {i}, moved_);
    std::ranges::copy(passed_over(system_, state, move), std::inserter(passed_over_, passed_over_.end()));
    std::ranges::copy(used_anew(system_, state, move), std::inserter(used_, used_.end()));
    if (!debt_ || move.timeout || !chooses_by_itself(system_, *debt_, move.thread)) return;
    taken_.emplace(key(state), move.branch);
    for (const Move& each : able)
      if (each.thread == move.thread) open_.emplace(key(state), each.branch);
  }

  // Who is treated unfairly; empty: nobody.
  [[nodiscard]] std::string complaint() const {
    for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
      const std::string& name = system_.threads[i].name;
      if (moved_[i]) continue;
      if (!could_not_[i]) return fmt::format("'{}' can move all the time and never does", name);
      if (kept_waiting_[i]) return fmt::format("'{}' is first in line again and again and never gets it", name);
    }
    if (!unseen_.empty()) return unseen_;
    for (const BufferId each : passed_over_)
      if (!used_.contains(each)) return fmt::format("'{}' is never used and never evicted", system_[each].name);
    if (!std::ranges::includes(taken_, open_)) return "a task always chooses the same";
    return {};
  }

 private:
  const System& system_;
  std::optional<Debt> debt_;
  bool everybody_;  // is promised fairness
  Causes causes_;
  std::string unseen_;
  std::vector<bool> moved_;
  std::vector<bool> kept_waiting_;  // in line for what is free
  std::vector<bool> could_not_;     // or was promised nothing
  std::set<BufferId> passed_over_;
  std::set<BufferId> used_;
  std::set<std::pair<std::string, std::uint32_t>> open_;  // state and branch: choices of who owes
  std::set<std::pair<std::string, std::uint32_t>> taken_;
};

}  // namespace

std::string refute(const System& system, const Lasso& lasso, Causes causes) {
  State state = initial_state(system);
  const auto go = [&](const Move& move) {
    if (!possible(system, state, move, causes)) return false;
    state = after(system, std::move(state), move, causes);
    return true;
  };
  if (!std::ranges::all_of(lasso.stem, go)) return "a move of the stem is not possible";
  const std::string start = key(state);
  const auto* debt = std::get_if<Debt>(&lasso.harm);
  const auto* queue = std::get_if<HardwareUseId>(&lasso.harm);
  Justice justice(system, lasso, causes);
  bool evicted = false;
  for (const Move& move : lasso.cycle) {
    if (cut_off(system, state)) return "the cycle stands at a bound, beyond which nothing is known";
    const std::vector<Debt> open = debts(system, state);
    if (debt != nullptr && std::ranges::find(open, *debt) == open.end())
      return "what is owed is discharged on the cycle";
    if (queue != nullptr && !is_left_suspended(system, state, *queue)) return "the queue runs on the cycle";
    if (debt == nullptr && queue == nullptr && acts_for_userspace(system[move.thread]))
      return "userspace takes part in the cycle";
    evicted = evicted || evicts_by_itself(system, state, move).has_value();
    if (!possible(system, state, move, causes)) return "a move of the cycle is not possible";
    justice.see(state, move);
    go(move);
  }
  if (lasso.cycle.empty() || key(state) != start) return "the cycle does not return to where it began";
  if (debt == nullptr && queue == nullptr && !evicted) return "nothing is evicted on the cycle";
  return justice.complaint();
}

std::vector<Move> with_fewer_switches(const System& system, const std::vector<Move>& schedule) {
  std::vector<std::vector<Move>> left(system.threads.size());
  for (const Move& move : schedule) left[move.thread.index].push_back(move);
  for (auto& moves : left) std::ranges::reverse(moves);
  std::vector<Move> result;
  State state = initial_state(system);
  std::size_t current = schedule.empty() ? 0 : schedule.front().thread.index;
  while (result.size() < schedule.size()) {
    const auto can_go = [&](std::size_t thread) {
      return !left[thread].empty() && possible(system, state, left[thread].back());
    };
    if (!can_go(current)) {
      const auto next = std::ranges::find_if(schedule, [&](const Move& move) { return can_go(move.thread.index); });
      if (next == schedule.end()) return schedule;  // the order did matter
      current = next->thread.index;
    }
    state = after(system, std::move(state), left[current].back());
    result.push_back(left[current].back());
    left[current].pop_back();
  }
  const auto before = replay(system, schedule);
  const auto now = replay(system, result);
  const bool same = std::holds_alternative<Replayed>(now) && std::holds_alternative<Replayed>(before) &&
                    key(std::get<Replayed>(now).last) == key(std::get<Replayed>(before).last);
  return same ? result : schedule;
}

}  // namespace fencecheck
