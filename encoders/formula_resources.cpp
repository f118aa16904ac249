// Locks, pools, queues and variables: the resources for which steps exclude or order each other.
#include <algorithm>

#include "encoders/encodable.hpp"
#include "encoders/formula_encoder.hpp"

namespace fencecheck::formula {

// Locks. A critical section reaches from the step that takes the lock to the
// first release on each way; two sections that exclude each other do not overlap.

const Sites& Encoder::releases_after(const Site& acquire) {
  const auto [known, is_new] = releases_of_.try_emplace({acquire.thread, acquire.step});
  if (is_new) known->second = find_releases(acquire);
  return known->second;
}

// The releases that end the section: where the thread holds the lock once more
// than before it took it (an rwsem may be taken shared again inside).
Sites Encoder::find_releases(const Site& acquire) const {
  const Thread& thread = system_.threads[acquire.thread];
  const LockId lock = std::visit(overloaded{
                                     [](const Acquire& a) { return a.lock; },
                                     [](const TryAcquire& a) { return a.lock; },
                                     [](const AcquireWithTicket& a) { return a.lock; },
                                     [](const auto&) { return LockId{}; },
                                 },
                                 step(acquire).action);
  const auto depth = [&](StepIndex index) {
    return std::ranges::count(flows_[acquire.thread].held[index], lock, &HeldLock::lock);
  };
  Sites result;
  std::vector<bool> seen(thread.end() + 1U, false);
  std::vector<StepIndex> worklist{step(acquire).next[0]};
  while (!worklist.empty()) {
    const StepIndex index = worklist.back();
    worklist.pop_back();
    if (seen[index] || index == thread.end()) continue;
    seen[index] = true;
    const auto* release = std::get_if<Release>(&thread.program[index].action);
    if (release != nullptr && release->lock == lock && depth(index) == depth(acquire.step) + 1) {
      result.push_back({acquire.thread, index});
      continue;
    }
    for (const StepIndex next : thread.program[index].next) worklist.push_back(next);
  }
  return result;
}

z3::expr Encoder::released_before(const Site& acquire, const Site& site) {
  std::vector<Expr> ways;
  for (const Site& release : releases_after(acquire)) ways.push_back(done_before(release, site));
  return any(ways);
}

z3::expr Encoder::held_at(const Site& acquire, const Site& site) {
  return both(done_before(acquire, site), negated(released_before(acquire, site)));
}

bool Encoder::holds_statically(const Site& site, LockId lock, bool shared) const {
  return std::ranges::any_of(flows_[site.thread].held[site.step],
                             [&](const HeldLock& held) { return held.lock == lock && !(held.shared && shared); });
}

bool Encoder::holds_with_ticket(const Site& site) const {
  return std::ranges::any_of(flows_[site.thread].held[site.step], &HeldLock::with_ticket);
}

std::optional<Site> Encoder::ticket_of(std::uint32_t thread, StepIndex step) const {
  const auto& ticket = flows_[thread].ticket[step];
  return ticket ? std::optional(Site{thread, *ticket}) : std::nullopt;
}

// Is the transaction that `thread` began at `ticket` older than that of the other step's thread?
z3::expr Encoder::older(std::uint32_t thread, std::optional<StepIndex> ticket, const Site& than) {
  const auto mine = ticket_of(than.thread, than.step);
  if (!ticket || !mine) return no();
  return before({thread, *ticket}, *mine);
}

// Some thread ends up holding the lock, in a way that keeps out whoever wants it shared, or not shared.
z3::expr Encoder::held_at_last(LockId lock, bool shared) {
  const auto known = at_last_.find({lock.index, shared});
  if (known != at_last_.end()) return known->second;
  std::vector<Expr> ways;
  for (const Holder& holder : holders_[lock.index])
    if (!(holder.held.shared && shared)) ways.push_back(at(holder.site.thread, holder.site.step));
  return at_last_.emplace(std::pair{lock.index, shared}, any(ways)).first->second;
}

// The same, of threads from which the transaction that stands at this step does not back off.
z3::expr Encoder::held_for_ever(const Site& site, LockId lock) {
  if (!holds_with_ticket(site)) return held_at_last(lock, false);
  std::vector<Expr> ways;
  for (const auto& [other, held] : holders_[lock.index]) {
    if (other.thread == site.thread) continue;
    Expr here = at(other.thread, other.step);
    if (held.with_ticket)
      here = both(here, negated(older(other.thread, flows_[other.thread].ticket[other.step], site)));
    ways.push_back(here);
  }
  return any(ways);
}

// Of a lock that is not shared there is one last holder at most. Elsewhere it follows from `exclusion`.
void Encoder::encode_last_holders() {
  if (precision_ != Precision::cuts) return;
  for (const std::vector<Holder>& holders : holders_) {
    std::map<std::uint32_t, std::vector<Expr>> by_thread;
    for (const auto& [site, held] : holders)
      if (!held.shared) by_thread[site.thread].push_back(at(site.thread, site.step));
    Expr others = no();
    for (const auto& [thread, ways] : by_thread) {
      const Expr mine = any(ways);
      demand("one-holder", {thread, 0}, all({on(Cause::lock), mine, others}), no());
      others = any({others, mine});
    }
  }
}

void Encoder::exclude(const Site& mine, LockId lock) {
  if (holds_statically(mine, lock, mine.shared)) demand("self-exclusion", mine, both(taken(mine), on(mine)), no());
  if (precision_ == Precision::cuts) return;
  for (const Site& other : acquires_[lock.index]) {
    if (other.thread <= mine.thread || !conflict(mine, other.shared)) continue;
    const Expr together = all({taken(mine), taken(other), on(Cause::lock)});
    demand("exclusion", mine, together, any({released_before(mine, other), released_before(other, mine)}));
  }
}

void Encoder::encode(const Site& site, const Acquire& acquire) {
  exclude({site.thread, site.step, 0, acquire.shared}, acquire.lock);
}

z3::expr Encoder::stuck(const Site& site, const Acquire& acquire) {
  if (holds_statically(site, acquire.lock, acquire.shared)) return on(site);
  return both(on(site), held_at_last(acquire.lock, acquire.shared));
}

void Encoder::encode(const Site& site, const TryAcquire& attempt) {
  exclude({site.thread, site.step, 0, attempt.shared}, attempt.lock);
  const Site busy{site.thread, site.step, 1};
  demand("try-without-locks", site, taken(busy), on(site));
  if (holds_statically(site, attempt.lock, attempt.shared)) return;
  std::vector<Expr> reasons;
  for (const Site& other : acquires_[attempt.lock.index]) {
    if (other.thread == site.thread || !conflict(other, attempt.shared)) continue;
    reasons.push_back(held_at(other, site));
    order(site, other);
    for (const Site& release : releases_after(other)) order(site, release);
  }
  demand("try-busy", site, taken(busy), any(reasons));
}

void Encoder::encode(const Site& site, const AcquireWithTicket& acquire) {
  exclude({site.thread, site.step, 0, false, true}, acquire.lock);
  const Site back_off{site.thread, site.step, 1};
  std::vector<Expr> reasons;
  for (const Site& other : acquires_[acquire.lock.index]) {
    if (other.thread == site.thread || !other.with_ticket || !holds_with_ticket(site)) continue;
    reasons.push_back(both(held_at(other, site), older(other.thread, flows_[other.thread].ticket[other.step], site)));
    order(site, other);
    for (const Site& release : releases_after(other)) order(site, release);
    const auto mine = ticket_of(site.thread, site.step);
    const auto theirs = ticket_of(other.thread, other.step);
    if (mine && theirs) order(*mine, *theirs);
  }
  demand("back-off", site, taken(back_off), both(on(site), any(reasons)));
}

z3::expr Encoder::stuck(const Site& site, const AcquireWithTicket& acquire) {
  if (holds_statically(site, acquire.lock, false)) return on(site);
  return both(on(site), held_for_ever(site, acquire.lock));
}

// Pools.

z3::expr Encoder::amount(const Sites& sites, const std::function<Expr(const Site&)>& counts) {
  z3::expr_vector parts(z3_);
  for (const Site& site : sites) {
    const Expr counted = counts(site);
    if (!counted.is_false()) parts.push_back(z3::ite(counted, z3_.int_val(site.amount), z3_.int_val(0)));
  }
  if (parts.empty()) return z3_.int_val(0);
  return parts.size() == 1 ? parts[0] : z3::sum(parts);
}

void Encoder::encode(const Site& site, const Take& take) {
  if (precision_ == Precision::cuts) return;
  const auto earlier = [&](const Site& other) {
    return other.thread == site.thread && other.step == site.step ? no() : done_before(other, site);
  };
  for (const auto* sites : {&takes_[take.pool.index], &gives_[take.pool.index]})
    for (const Site& other : *sites) order(site, other);
  const Expr used = amount(takes_[take.pool.index], earlier) - amount(gives_[take.pool.index], earlier);
  demand("capacity", site, both(executed(site), on(site)),
         used + z3_.int_val(take.amount) <= z3_.int_val(system_[take.pool].capacity));
}

z3::expr Encoder::stuck(const Site& site, const Take& take) {
  const auto ever = [&](const Site& other) { return taken(other); };
  const Expr used = amount(takes_[take.pool.index], ever) - amount(gives_[take.pool.index], ever);
  return both(on(site), used + z3_.int_val(take.amount) > z3_.int_val(system_[take.pool].capacity));
}

// Queues: jobs start in the order in which they were pushed, at most `width` at a time.

z3::expr Encoder::pushed(std::uint32_t job) {
  std::vector<Expr> ways;
  for (const Site& push : pushes_[job]) ways.push_back(taken(push));
  return any(ways);
}

z3::expr Encoder::pushed_before(std::uint32_t first, std::uint32_t second) {
  std::vector<Expr> ways;
  for (const Site& a : pushes_[first])
    for (const Site& b : pushes_[second]) ways.push_back(both(taken(b), done_before(a, b)));
  return any(ways);
}

// Where the order of the pushes is fixed, each job has to wait for the one in front of it only.
void Encoder::find_chains() {
  if (precision_ == Precision::plain) return;
  for (std::uint32_t queue = 0; queue < system_.queues.size(); ++queue) {
    const Sites& begins = jobs_[queue];
    const auto differs = [&](const Site& begin) { return step(begin).cause != step(begins.front()).cause; };
    if (system_.queues[queue].width != 1 || std::ranges::any_of(begins, differs)) continue;
    std::optional<std::uint32_t> last;
    for (const ThreadId job : push_order(system_, {queue})) {
      in_front_.emplace(job.index, last);
      last = job.index;
    }
  }
}

z3::expr Encoder::finished_before(std::uint32_t job, const Site& site) {
  std::vector<Expr> ways;
  for (const Site& finish : finishes_[job]) ways.push_back(done_before(finish, site));
  return any(ways);
}

z3::expr Encoder::finished(std::uint32_t job) {
  std::vector<Expr> ways;
  for (const Site& finish : finishes_[job]) ways.push_back(taken(finish));
  return any(ways);
}

void Encoder::encode(const Site& site, const Begin&) {
  std::vector<Expr> pushes;
  for (const Site& push : pushes_[site.thread]) pushes.push_back(done_before(push, site));
  demand("begin", site, executed(site), any(pushes));
  if (const auto linked = in_front_.find(site.thread); linked != in_front_.end()) {
    if (linked->second)
      demand("in-order", site, both(executed(site), on(site)), finished_before(*linked->second, site));
    return;
  }
  const QueueId queue = *system_.threads[site.thread].queue;
  Sites running;
  for (const Site& other : jobs_[queue.index]) {
    if (other.thread == site.thread) continue;
    for (const Site& mine : pushes_[site.thread])
      for (const Site& theirs : pushes_[other.thread]) order(mine, theirs);
    order(site, other);
    for (const Site& finish : finishes_[other.thread]) order(site, finish);
    demand("in-order", site, all({executed(site), on(site), pushed_before(other.thread, site.thread)}),
           done_before(other, site));
    running.push_back(other);
    running.back().amount = 1;
  }
  const auto still_runs = [&](const Site& other) {
    return both(done_before(other, site), negated(finished_before(other.thread, site)));
  };
  const std::uint32_t width = system_[queue].width;
  if (width == 1) {
    for (const Site& other : running)
      demand("one-at-a-time", site, both(executed(site), on(site)), negated(still_runs(other)));
  } else if (running.size() >= width) {
    demand("width", site, both(executed(site), on(site)), amount(running, still_runs) < z3_.int_val(width));
  }
}

z3::expr Encoder::stuck(const Site& site, const Begin&) {
  if (const auto linked = in_front_.find(site.thread); linked != in_front_.end())
    return any(
        {negated(pushed(site.thread)), linked->second ? both(on(site), negated(finished(*linked->second))) : no()});
  const QueueId queue = *system_.threads[site.thread].queue;
  std::vector<Expr> reasons;
  Sites running;
  const auto runs = [&](const Site& other) { return both(taken(other), negated(finished(other.thread))); };
  for (const Site& other : jobs_[queue.index]) {
    if (other.thread == site.thread) continue;
    reasons.push_back(both(pushed_before(other.thread, site.thread), negated(taken(other))));
    running.push_back(other);
    running.back().amount = 1;
    if (system_[queue].width == 1) reasons.push_back(runs(other));
  }
  if (system_[queue].width > 1 && running.size() >= system_[queue].width)
    reasons.push_back(amount(running, runs) >= z3_.int_val(system_[queue].width));
  return any({negated(pushed(site.thread)), both(on(site), any(reasons))});
}

// Variables: a guard reads from the latest write before it.

z3::expr Encoder::holds_now(const Test& test, const Site& site) {
  const Sites& writes = assigns_[test.variable.index];
  const auto is_latest = [&](const Site* write) {
    std::vector<Expr> conditions;
    if (write != nullptr) conditions.push_back(done_before(*write, site));
    for (const Site& other : writes) {
      if (write != nullptr && other.thread == write->thread && other.step == write->step) continue;
      const Expr later =
          write == nullptr ? done_before(other, site) : both(done_before(other, site), before(*write, other));
      conditions.push_back(negated(later));
    }
    return all(conditions);
  };
  std::vector<Expr> sources;
  if ((system_[test.variable].initial == test.value) == test.equal) sources.push_back(is_latest(nullptr));
  for (const Site& write : writes)
    if ((std::get<Assign>(step(write).action).value == test.value) == test.equal) sources.push_back(is_latest(&write));
  return any(sources);
}

z3::expr Encoder::holds_at_last(const Test& test) {
  const Sites& writes = assigns_[test.variable.index];
  const auto is_last = [&](const Site* write) {
    std::vector<Expr> conditions;
    if (write != nullptr) conditions.push_back(taken(*write));
    for (const Site& other : writes) {
      if (write != nullptr && other.thread == write->thread && other.step == write->step) continue;
      conditions.push_back(negated(write == nullptr ? taken(other) : both(taken(other), before(*write, other))));
    }
    return all(conditions);
  };
  std::vector<Expr> sources;
  if ((system_[test.variable].initial == test.value) == test.equal) sources.push_back(is_last(nullptr));
  for (const Site& write : writes)
    if ((std::get<Assign>(step(write).action).value == test.value) == test.equal) sources.push_back(is_last(&write));
  return any(sources);
}

void Encoder::encode(const Site& site, const Choose& choose) {
  const Expr counts = never_waits(choose) ? yes() : on(site);
  for (std::uint32_t i = 0; i < choose.branches.size(); ++i) {
    const Branch& branch = choose.branches[i];
    const Site way{site.thread, site.step, i};
    if (branch.cause) demand("branch-cause", way, taken(way), on(*branch.cause));
    for (const Test& test : branch.tests) {
      for (const Site& write : assigns_[test.variable.index]) order(site, write);
      demand("guard", way, both(taken(way), counts), holds_now(test, site));
    }
  }
}

z3::expr Encoder::stuck(const Site& site, const Choose& choose) {
  const Expr counts = never_waits(choose) ? yes() : on(site);
  std::vector<Expr> shut;
  for (const Branch& branch : choose.branches) {
    std::vector<Expr> open;
    if (branch.cause) open.push_back(on(*branch.cause));
    for (const Test& test : branch.tests) open.push_back(any({negated(counts), holds_at_last(test)}));
    shut.push_back(negated(all(open)));
  }
  return all(shut);
}

}  // namespace fencecheck::formula
