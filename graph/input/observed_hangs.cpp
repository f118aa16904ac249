// Cycles are found as they close, chains afterwards from the waits that a timer ended.
#include "graph/input/observed_hangs.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

namespace fencecheck {
namespace {

class HangFinder {
 public:
  HangFinder(const Trace& trace, const WaitHistory& history) : trace_(trace), history_(history) {}
  Hangs find();

 private:
  void close_cycles(NeedId last);
  void take_cycle(std::vector<NeedId> cycle);
  void take_chains();
  void take_chain(const std::vector<NeedId>& chain);
  [[nodiscard]] std::vector<NeedId> chain_from(NeedId need) const;

  [[nodiscard]] std::optional<NeedId> active(Pid pid, Moment now);
  [[nodiscard]] std::optional<NeedId> alongside(Pid pid, const Need& need) const;
  [[nodiscard]] std::optional<Pid> owner_of(NeedId need) const;
  [[nodiscard]] bool by_timer(NeedId need) const;
  [[nodiscard]] std::optional<FindingKind> judge(const ObservedHang& hang);
  [[nodiscard]] FindingKind judge_given_up(const ObservedHang& hang) const;
  [[nodiscard]] bool may_have_ended(const ObservedHang& hang) const;
  [[nodiscard]] std::uint64_t closed_for(const ObservedHang& hang) const;

  const Trace& trace_;
  const WaitHistory& history_;
  Hangs hangs_;
  std::unordered_map<Pid, std::vector<NeedId>> waiting_;  // innermost last; may hold ended ones
  std::unordered_map<Pid, std::vector<NeedId>> needs_of_;
  std::map<NeedId, std::size_t> hang_of_;  // index into hangs_.found
};

Hangs HangFinder::find() {
  for (NeedId need = 0; need < history_.needs.size(); ++need) {
    needs_of_[history_.needs[need].pid].push_back(need);
    waiting_[history_.needs[need].pid].push_back(need);
    close_cycles(need);
  }
  take_chains();
  return std::move(hangs_);
}

// Follows the walk from the need that has just begun: at most one cycle can close here.
void HangFinder::close_cycles(NeedId last) {
  const Moment now = history_.needs[last].begin();
  std::vector<NeedId> walk{last};
  std::set<Pid> seen{history_.needs[last].pid};
  while (true) {
    const std::optional<Pid> next = owner_of(walk.back());
    if (!next) return;
    if (*next == history_.needs[last].pid) return take_cycle(std::move(walk));
    const std::optional<NeedId> need = active(*next, now);
    if (!need || !seen.insert(*next).second) return;
    walk.push_back(*need);
  }
}

void HangFinder::take_cycle(std::vector<NeedId> cycle) {
  ObservedHang hang;
  hang.closing = cycle.front();
  hang.breaking = *std::ranges::min_element(cycle, {}, [&](NeedId need) { return history_.needs[need].end; });
  std::rotate(cycle.begin(), std::ranges::min_element(cycle), cycle.end());  // needs are numbered by their begin
  hang.needs = std::move(cycle);
  const std::optional<FindingKind> kind = judge(hang);
  if (!kind) return;
  hang.kind = *kind;
  for (const NeedId need : hang.needs) hang_of_.emplace(need, hangs_.found.size());
  hangs_.found.push_back(std::move(hang));
}

// What ended the cycle decides: the fallback timer of one of its fences, a task
// that gave up, nothing at all; or a signal, and then it was no hang.
std::optional<FindingKind> HangFinder::judge(const ObservedHang& hang) {
  const Need& broken = history_.needs[hang.breaking];
  if (broken.how == NeedEnd::signal) {
    return by_timer(hang.breaking) ? std::optional(FindingKind::stall) : std::nullopt;
  }
  // A thread that waits for its own fence leaves the signal to another thread.
  if (hang.needs.size() == 1) return std::nullopt;
  if (may_have_ended(hang)) {
    ++hangs_.hidden;
    return std::nullopt;
  }
  if (broken.how == NeedEnd::open) return FindingKind::deadlock;
  if (!trace_.timed || closed_for(hang) < long_wait) {
    ++hangs_.short_lived;
    return std::nullopt;
  }
  return judge_given_up(hang);
}

FindingKind HangFinder::judge_given_up(const ObservedHang& hang) const {
  const bool signalled = std::ranges::any_of(
      hang.needs, [&](NeedId need) { return history_.lives[history_.needs[need].life].signalled != never; });
  return signalled ? FindingKind::stall : FindingKind::deadlock;
}

// Is anything missing from the trace while the hang lasted?
bool HangFinder::may_have_ended(const ObservedHang& hang) const {
  const Moment end = history_.needs[hang.breaking].end;
  const std::uint32_t last = end == never ? trace_.last_line : trace_.events[end].line;
  const std::uint32_t first = trace_.events[history_.needs[hang.needs.front()].begin()].line;
  return std::ranges::any_of(trace_.gaps, [&](TraceGap gap) { return gap.from <= last && gap.to >= first; });
}

std::uint64_t HangFinder::closed_for(const ObservedHang& hang) const {
  const Moment end = history_.needs[hang.breaking].end;
  const std::uint64_t last = end == never ? trace_.last_time : trace_.events[end].time;
  const std::uint64_t first = trace_.events[history_.needs[hang.closing].begin()].time;
  return last > first ? last - first : 0;
}

// Waits outside of every cycle that a timer ended, grouped by where their chain ends.
void HangFinder::take_chains() {
  std::map<LifeId, std::vector<NeedId>> longest;
  std::map<LifeId, std::vector<NeedId>> members;
  for (NeedId need = 0; need < history_.needs.size(); ++need) {
    if (!by_timer(need) || hang_of_.contains(need)) continue;
    if (trace_.timed && waited(trace_, history_.needs[need]) < long_wait) {
      ++hangs_.short_lived;
      continue;
    }
    const std::vector<NeedId> chain = chain_from(need);
    if (const auto hang = hang_of_.find(chain.back()); hang != hang_of_.end()) {
      hangs_.found[hang->second].followers.push_back(need);
      continue;
    }
    const LifeId end = history_.needs[chain.back()].life;
    if (chain.size() > longest[end].size()) longest[end] = chain;
    members[end].push_back(need);
  }
  for (const auto& [end, chain] : longest) {
    take_chain(chain);
    for (const NeedId need : members[end]) {
      if (std::ranges::find(chain, need) == chain.end()) hangs_.found.back().followers.push_back(need);
    }
  }
}

void HangFinder::take_chain(const std::vector<NeedId>& chain) {
  ObservedHang hang;
  hang.closed = false;
  hang.needs = chain;
  hang.idle = owner_of(chain.back());
  // The timer that fired nearest to the end of the chain says most about the cause.
  hang.breaking = *std::find_if(chain.rbegin(), chain.rend(), [&](NeedId need) { return by_timer(need); });
  hang.closing = hang.breaking;
  hangs_.found.push_back(std::move(hang));
}

// The owner of the fence, what it was waiting for meanwhile, and so on; up to a
// need of a known hang, or to an owner that did not wait.
std::vector<NeedId> HangFinder::chain_from(NeedId need) const {
  std::vector<NeedId> chain{need};
  std::set<Pid> seen{history_.needs[need].pid};
  while (!hang_of_.contains(chain.back())) {
    const std::optional<Pid> next = owner_of(chain.back());
    if (!next || !seen.insert(*next).second) break;
    const std::optional<NeedId> meanwhile = alongside(*next, history_.needs[chain.back()]);
    if (!meanwhile) break;
    chain.push_back(*meanwhile);
  }
  return chain;
}

// What the task is waiting for; `now` never goes back from call to call.
std::optional<NeedId> HangFinder::active(Pid pid, Moment now) {
  const auto waits = waiting_.find(pid);
  if (waits == waiting_.end()) return std::nullopt;
  std::vector<NeedId>& stack = waits->second;
  while (!stack.empty() && history_.needs[stack.back()].end <= now) stack.pop_back();
  return stack.empty() ? std::nullopt : std::optional(stack.back());
}

// What the task was waiting for during at least half of the given need.
std::optional<NeedId> HangFinder::alongside(Pid pid, const Need& need) const {
  const auto needs = needs_of_.find(pid);
  if (needs == needs_of_.end()) return std::nullopt;
  const auto last_time = [&](const Need& each) {
    return each.end == never ? trace_.last_time : trace_.events[each.end].time;
  };
  const std::uint64_t begin = trace_.events[need.begin()].time;
  const std::uint64_t end = last_time(need);
  for (const NeedId id : needs->second) {
    const Need& other = history_.needs[id];
    const std::uint64_t from = std::max(begin, trace_.events[other.begin()].time);
    const std::uint64_t to = std::min(end, last_time(other));
    if (to > from && to - from >= (end - begin) / 2) return id;
  }
  return std::nullopt;
}

std::optional<Pid> HangFinder::owner_of(NeedId need) const {
  return owner(trace_, history_, history_.lives[history_.needs[need].life]);
}

bool HangFinder::by_timer(NeedId need) const {
  const Need& each = history_.needs[need];
  return each.how == NeedEnd::signal && signaller(trace_, history_.lives[each.life]) == Signaller::timer;
}

}  // namespace

Hangs find_hangs(const Trace& trace, const WaitHistory& history) { return HangFinder(trace, history).find(); }

std::uint64_t waited(const Trace& trace, const Need& need) {
  if (!trace.timed) return 0;
  const std::uint64_t begin = trace.events[need.begin()].time;
  const std::uint64_t end = need.end == never ? trace.last_time : trace.events[need.end].time;
  return end > begin ? end - begin : 0;
}

}  // namespace fencecheck
