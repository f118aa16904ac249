#include "encoders/formula.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "graph/model/control_flow.hpp"

namespace fencecheck {
namespace {

template <class... Ts>
struct overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
overloaded(Ts...) -> overloaded<Ts...>;

// A step of a thread; for branching steps, with the branch that matters.
struct Site {
  std::uint32_t thread = 0;
  StepIndex step = 0;
  std::uint32_t branch = 0;
  bool shared = false;
  bool with_ticket = false;
  std::int64_t amount = 0;
};
using Sites = std::vector<Site>;

class Encoder {
 public:
  Encoder(z3::context& context, const System& system) : z3_(context), system_(system), formula_(empty()) {}
  Formula run();

 private:
  using Expr = z3::expr;
  Formula empty() { return {{}, {}, {}, {}, {}, z3_.bool_val(false), z3_.bool_val(false)}; }

  // Boolean algebra with the constants folded, so that what is decided statically never reaches the solver.
  Expr no() { return z3_.bool_val(false); }
  Expr yes() { return z3_.bool_val(true); }
  Expr any(const std::vector<Expr>& parts);
  Expr all(const std::vector<Expr>& parts);
  Expr both(const Expr& a, const Expr& b) { return all({a, b}); }
  Expr negated(const Expr& a) { return a.is_true() ? no() : a.is_false() ? yes() : !a; }

  const Step& step(const Site& site) const { return system_.threads[site.thread].program[site.step]; }
  Expr taken(const Site& site) const { return formula_.taken[site.thread][site.step][site.branch]; }
  Expr executed(const Site& site);
  Expr position(const Site& site) const { return formula_.position[site.thread][site.step]; }
  Expr reached(std::uint32_t thread, StepIndex step);
  Expr at(std::uint32_t thread, StepIndex step);
  Expr before(const Site& a, const Site& b);       // order of two executed steps
  Expr done_before(const Site& a, const Site& b);  // `a` executed, and before `b`
  Expr on(Cause cause) const { return formula_.causes[static_cast<std::size_t>(cause)]; }
  Expr on(const Site& site) const { return on(step(site).cause); }
  void demand(std::string_view rule, const Site& site, const Expr& condition, const Expr& then);
  void order(const Site& a, const Site& b);  // if both execute, one comes first

  void collect_sites();
  void collect_lock_sites(std::uint32_t thread, StepIndex index);
  void declare_steps();
  void encode_flow(std::uint32_t thread);
  void encode_step(const Site& site);

  // What a step needs in order to execute, by kind; and when it is stuck for ever.
  void encode(const Site& site, const Wait& wait);
  void encode(const Site& site, const WaitSet& wait);
  void encode(const Site& site, const Acquire& acquire);
  void encode(const Site& site, const TryAcquire& attempt);
  void encode(const Site& site, const AcquireWithTicket& acquire);
  void encode(const Site& site, const Take& take);
  void encode(const Site& site, const Begin&);
  void encode(const Site& site, const Choose& choose);
  void encode(const Site& site, const Collect& collect);
  void encode(const Site& site, const Expire&) { demand("expire", site, executed(site), no()); }
  void encode(const Site& site, const Cutoff&) { (void)site; }
  template <class Unconditional>
  void encode(const Site&, const Unconditional&) {}

  Expr stuck(const Site& site, const Wait& wait);
  Expr stuck(const Site& site, const WaitSet& wait);
  Expr stuck(const Site& site, const Acquire& acquire);
  Expr stuck(const Site& site, const AcquireWithTicket& acquire);
  Expr stuck(const Site& site, const Take& take);
  Expr stuck(const Site& site, const Begin&);
  Expr stuck(const Site& site, const Choose& choose);
  Expr stuck(const Site&, const Expire&) { return yes(); }
  Expr stuck(const Site&, const Cutoff&) { return yes(); }
  template <class Unconditional>
  Expr stuck(const Site&, const Unconditional&) {
    return no();
  }
  Expr stuck(const Site& site);

  // Fences.
  Expr signalled(FenceId fence);
  Expr published(FenceId fence);
  Expr signalled_before(FenceId fence, const Site& site);
  struct Membership {  // fence in a dependency set, by one Attach seen by one Collect
    Site collect;
    FenceId fence;
    Expr holds;
  };
  std::vector<Membership> members(DependencySetId set);

  // Locks.
  static bool conflict(const Site& a, bool shared) { return !(a.shared && shared); }
  Sites releases_after(const Site& acquire);
  Expr released_before(const Site& acquire, const Site& site);
  Expr held_at(const Site& acquire, const Site& site);  // taken and not yet released
  bool holds_statically(const Site& site, LockId lock, bool shared) const;
  bool holds_with_ticket(const Site& site) const;
  Expr held_for_ever(const Site& site, LockId lock, bool shared);
  void exclude(const Site& mine, LockId lock);
  Expr older(std::uint32_t thread, std::optional<StepIndex> ticket, const Site& than);
  std::optional<Site> ticket_of(std::uint32_t thread, StepIndex step) const;

  // Queues, pools, variables.
  Expr pushed(std::uint32_t job);
  Expr pushed_before(std::uint32_t first, std::uint32_t second);
  Expr holds_now(const Test& test, const Site& site);  // as read by an executed step
  Expr holds_at_last(const Test& test);
  Expr amount(const Sites& sites, const std::function<Expr(const Site&)>& counts);

  void encode_queue_order();
  void encode_orders(const std::vector<Sites>& groups);
  void encode_owed();

  z3::context& z3_;
  const System& system_;
  Formula formula_;
  std::vector<ControlFlow> flows_;
  std::vector<Sites> signals_, publishes_;         // of each fence
  std::vector<Sites> acquires_, releases_;         // of each lock
  std::vector<Sites> attaches_;                    // of each reservation
  std::vector<Sites> collects_;                    // of each set
  std::vector<Sites> takes_, gives_;               // of each pool
  std::vector<Sites> assigns_;                     // of each variable
  std::vector<Sites> pushes_, begins_, finishes_;  // of each thread
  std::vector<Sites> jobs_;                        // of each queue: the Begin steps
};

z3::expr Encoder::any(const std::vector<Expr>& parts) {
  z3::expr_vector open(z3_);
  for (const Expr& part : parts) {
    if (part.is_true()) return yes();
    if (!part.is_false()) open.push_back(part);
  }
  if (open.empty()) return no();
  return open.size() == 1 ? open[0] : z3::mk_or(open);
}

z3::expr Encoder::all(const std::vector<Expr>& parts) {
  z3::expr_vector open(z3_);
  for (const Expr& part : parts) {
    if (part.is_false()) return no();
    if (!part.is_true()) open.push_back(part);
  }
  if (open.empty()) return yes();
  return open.size() == 1 ? open[0] : z3::mk_and(open);
}

void Encoder::demand(std::string_view rule, const Site& site, const Expr& condition, const Expr& then) {
  if (condition.is_false() || then.is_true()) return;
  const Expr holds = condition.is_true() ? then : then.is_false() ? !condition : z3::implies(condition, then);
  formula_.assertions.push_back({fmt::format("{} {}.{}", rule, system_.threads[site.thread].name, site.step), holds});
}

void Encoder::order(const Site& a, const Site& b) {
  if (a.thread == b.thread) return;  // ordered by the program
  demand("order", a, both(executed(a), executed(b)), position(a) != position(b));
}

z3::expr Encoder::executed(const Site& site) {
  const std::vector<Expr>& branches = formula_.taken[site.thread][site.step];
  return any(branches);
}

z3::expr Encoder::reached(std::uint32_t thread, StepIndex step) {
  if (step == 0) return yes();
  std::vector<Expr> ways;
  for (const auto& [from, branch] : flows_[thread].predecessors[step])
    ways.push_back(formula_.taken[thread][from][branch]);
  return any(ways);
}

z3::expr Encoder::at(std::uint32_t thread, StepIndex step) {
  if (step == system_.threads[thread].end()) return reached(thread, step);
  return both(reached(thread, step), negated(executed({thread, step})));
}

z3::expr Encoder::before(const Site& a, const Site& b) {
  if (a.thread == b.thread && a.step == b.step) return no();
  return position(a) < position(b);
}

z3::expr Encoder::done_before(const Site& a, const Site& b) { return both(taken(a), before(a, b)); }

void Encoder::declare_steps() {
  for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread) {
    auto& taken = formula_.taken.emplace_back();
    auto& position = formula_.position.emplace_back();
    for (StepIndex index = 0; index < system_.threads[thread].end(); ++index) {
      const std::string name = fmt::format("{}.{}", thread, index);
      auto& branches = taken.emplace_back();
      for (std::size_t branch = 0; branch < system_.threads[thread].program[index].next.size(); ++branch)
        branches.push_back(z3_.bool_const(fmt::format("do_{}.{}", name, branch).c_str()));
      position.push_back(z3_.int_const(fmt::format("at_{}", name).c_str()));
    }
  }
  for (const CauseInfo& cause : cause_table)
    formula_.causes.push_back(z3_.bool_const(fmt::format("cause_{}", cause.id).c_str()));
}

void Encoder::collect_lock_sites(std::uint32_t thread, StepIndex index) {
  std::visit(overloaded{
                 [&](const Acquire& acquire) {
                   acquires_[acquire.lock.index].push_back({thread, index, 0, acquire.shared, false, 0});
                 },
                 [&](const TryAcquire& attempt) {
                   acquires_[attempt.lock.index].push_back({thread, index, 0, attempt.shared, false, 0});
                 },
                 [&](const AcquireWithTicket& acquire) {
                   acquires_[acquire.lock.index].push_back({thread, index, 0, false, true, 0});
                 },
                 [&](const Release& release) {
                   releases_[release.lock.index].push_back({thread, index});
                 },
                 [](const auto&) {},
             },
             system_.threads[thread].program[index].action);
}

void Encoder::collect_sites() {
  signals_.resize(system_.fences.size());
  publishes_.resize(system_.fences.size());
  acquires_.resize(system_.locks.size());
  releases_.resize(system_.locks.size());
  attaches_.resize(system_.reservations.size());
  collects_.resize(system_.sets.size());
  takes_.resize(system_.pools.size());
  gives_.resize(system_.pools.size());
  assigns_.resize(system_.variables.size());
  pushes_.resize(system_.threads.size());
  begins_.resize(system_.threads.size());
  finishes_.resize(system_.threads.size());
  jobs_.resize(system_.queues.size());
  for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread)
    for (const StepIndex index : flows_[thread].topological) {
      if (index == system_.threads[thread].end()) continue;
      const Site site{thread, index};
      collect_lock_sites(thread, index);
      std::visit(overloaded{
                     [&](const Signal& signal) {
                       for (const FenceId fence : signal.fences) signals_[fence.index].push_back(site);
                     },
                     [&](const Publish& publish) { publishes_[publish.fence.index].push_back(site); },
                     [&](const Attach& attach) { attaches_[attach.reservation.index].push_back(site); },
                     [&](const Collect& collect) { collects_[collect.into.index].push_back(site); },
                     [&](const Take& take) {
                       takes_[take.pool.index].push_back({thread, index, 0, false, false, take.amount});
                     },
                     [&](const Give& give) {
                       gives_[give.pool.index].push_back({thread, index, 0, false, false, give.amount});
                     },
                     [&](const Assign& assign) { assigns_[assign.variable.index].push_back(site); },
                     [&](const Push& push) { pushes_[push.job.index].push_back(site); },
                     [&](const Begin&) {
                       begins_[thread].push_back(site);
                       jobs_[system_.threads[thread].queue->index].push_back(site);
                     },
                     [&](const Finish&) { finishes_[thread].push_back(site); },
                     [](const auto&) {},
                 },
                 step(site).action);
    }
}

// Program order: a step executes only if some way leads to it, along one branch at most.
void Encoder::encode_flow(std::uint32_t thread) {
  for (const StepIndex index : flows_[thread].topological) {
    if (index == system_.threads[thread].end()) continue;
    const Site site{thread, index};
    const auto& branches = formula_.taken[thread][index];
    demand("program", site, executed(site), reached(thread, index));
    for (std::size_t i = 0; i < branches.size(); ++i)
      for (std::size_t j = i + 1; j < branches.size(); ++j) demand("one-branch", site, branches[i], !branches[j]);
    for (const auto& [from, branch] : flows_[thread].predecessors[index])
      demand("program-order", site, both(formula_.taken[thread][from][branch], executed(site)),
             formula_.position[thread][from] < position(site));
  }
}

void Encoder::encode_step(const Site& site) {
  const Step& what = step(site);
  std::visit([&](const auto& action) { encode(site, action); }, what.action);
  Expr rest = stuck(site);
  if (system_.userspace_may_stop && what.userspace) rest = any({rest, on(Cause::userspace)});
  demand("maximal", site, at(site.thread, site.step), rest);
  if (what.timeout) formula_.can_time_out = any({formula_.can_time_out, at(site.thread, site.step)});
  if (const auto* expire = std::get_if<Expire>(&what.action))
    formula_.can_time_out =
        any({formula_.can_time_out, both(published(expire->fence), negated(signalled(expire->fence)))});
  if (std::holds_alternative<Cutoff>(what.action))
    formula_.cut_off = any({formula_.cut_off, at(site.thread, site.step)});
}

z3::expr Encoder::stuck(const Site& site) {
  return std::visit([&](const auto& action) { return stuck(site, action); }, step(site).action);
}

// Fences.

z3::expr Encoder::signalled(FenceId fence) {
  std::vector<Expr> ways;
  for (const Site& site : signals_[fence.index]) ways.push_back(taken(site));
  return any(ways);
}

z3::expr Encoder::published(FenceId fence) {
  if (system_[fence].published) return yes();
  std::vector<Expr> ways;
  for (const Site& site : publishes_[fence.index]) ways.push_back(taken(site));
  return any(ways);
}

z3::expr Encoder::signalled_before(FenceId fence, const Site& site) {
  std::vector<Expr> ways;
  for (const Site& signal : signals_[fence.index]) ways.push_back(done_before(signal, site));
  return any(ways);
}

void Encoder::encode(const Site& site, const Wait& wait) {
  std::vector<Expr> signals;
  for (const FenceId fence : wait.fences) signals.push_back(signalled_before(fence, site));
  demand("wait", site, both(executed(site), on(site)), wait.join == Join::all ? all(signals) : any(signals));
}

z3::expr Encoder::stuck(const Site& site, const Wait& wait) {
  std::vector<Expr> missing;
  for (const FenceId fence : wait.fences) missing.push_back(negated(signalled(fence)));
  return both(on(site), wait.join == Join::all ? any(missing) : all(missing));
}

// What is attached at the moment of a Collect is in the set from then on.
std::vector<Encoder::Membership> Encoder::members(DependencySetId set) {
  std::vector<Membership> result;
  for (const Site& site : collects_[set.index]) {
    const auto& collect = std::get<Collect>(step(site).action);
    for (const Site& attached : attaches_[collect.reservation.index]) {
      const auto& attach = std::get<Attach>(step(attached).action);
      if (attach.usage <= collect.up_to)
        result.push_back({site, attach.fence, both(taken(site), done_before(attached, site))});
    }
  }
  return result;
}

void Encoder::encode(const Site& site, const Collect& collect) {
  for (const Site& attached : attaches_[collect.reservation.index]) order(site, attached);
}

void Encoder::encode(const Site& site, const WaitSet& wait) {
  for (const Membership& member : members(wait.set)) {
    const Expr in_set = both(member.holds, before(member.collect, site));
    demand("wait-set", site, all({executed(site), on(site), in_set}), signalled_before(member.fence, site));
  }
}

z3::expr Encoder::stuck(const Site& site, const WaitSet& wait) {
  std::vector<Expr> missing;
  for (const Membership& member : members(wait.set))
    missing.push_back(both(member.holds, negated(signalled(member.fence))));
  return both(on(site), any(missing));
}

// Locks. A critical section reaches from the step that takes the lock to the
// first release on each way; two sections that exclude each other do not overlap.

Sites Encoder::releases_after(const Site& acquire) {
  const Thread& thread = system_.threads[acquire.thread];
  const LockId lock = std::visit(overloaded{
                                     [](const Acquire& a) { return a.lock; },
                                     [](const TryAcquire& a) { return a.lock; },
                                     [](const AcquireWithTicket& a) { return a.lock; },
                                     [](const auto&) { return LockId{}; },
                                 },
                                 step(acquire).action);
  Sites result;
  std::vector<bool> seen(thread.end() + 1U, false);
  std::vector<StepIndex> todo{step(acquire).next[0]};
  while (!todo.empty()) {
    const StepIndex index = todo.back();
    todo.pop_back();
    if (seen[index] || index == thread.end()) continue;
    seen[index] = true;
    const auto* release = std::get_if<Release>(&thread.program[index].action);
    if (release != nullptr && release->lock == lock) {
      result.push_back({acquire.thread, index});
      continue;
    }
    for (const StepIndex next : thread.program[index].next) todo.push_back(next);
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

// Some other thread ends up holding the lock in a way that keeps this step waiting.
z3::expr Encoder::held_for_ever(const Site& site, LockId lock, bool shared) {
  std::vector<Expr> ways;
  for (std::uint32_t other = 0; other < system_.threads.size(); ++other) {
    if (other == site.thread) continue;
    const ControlFlow& flow = flows_[other];
    for (const StepIndex index : flow.topological)
      for (const HeldLock& held : flow.held[index]) {
        if (held.lock != lock || (held.shared && shared)) continue;
        Expr here = at(other, index);
        if (std::holds_alternative<AcquireWithTicket>(step(site).action) && held.with_ticket && holds_with_ticket(site))
          here = both(here, negated(older(other, flow.ticket[index], site)));  // else this one backs off
        ways.push_back(here);
      }
  }
  return any(ways);
}

void Encoder::exclude(const Site& mine, LockId lock) {
  if (holds_statically(mine, lock, mine.shared)) demand("self-exclusion", mine, both(taken(mine), on(mine)), no());
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
  return both(on(site), held_for_ever(site, acquire.lock, acquire.shared));
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
  return both(on(site), held_for_ever(site, acquire.lock, false));
}

// Pools.

z3::expr Encoder::amount(const Sites& sites, const std::function<Expr(const Site&)>& counts) {
  z3::expr_vector parts(z3_);
  for (const Site& site : sites) {
    const Expr counted = counts(site);
    if (!counted.is_false()) parts.push_back(z3::ite(counted, z3_.int_val(site.amount), z3_.int_val(0)));
  }
  return parts.empty() ? z3_.int_val(0) : z3::sum(parts);
}

void Encoder::encode(const Site& site, const Take& take) {
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

void Encoder::encode(const Site& site, const Begin&) {
  std::vector<Expr> pushes;
  for (const Site& push : pushes_[site.thread]) pushes.push_back(done_before(push, site));
  demand("begin", site, executed(site), any(pushes));
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
    std::vector<Expr> finished;
    for (const Site& finish : finishes_[other.thread]) finished.push_back(done_before(finish, site));
    return both(done_before(other, site), negated(any(finished)));
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
  const QueueId queue = *system_.threads[site.thread].queue;
  std::vector<Expr> reasons;
  Sites running;
  const auto runs = [&](const Site& other) {
    std::vector<Expr> finished;
    for (const Site& finish : finishes_[other.thread]) finished.push_back(taken(finish));
    return both(taken(other), negated(any(finished)));
  };
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
  for (std::uint32_t i = 0; i < choose.branches.size(); ++i) {
    const Branch& branch = choose.branches[i];
    const Site way{site.thread, site.step, i};
    if (branch.cause) demand("branch-cause", way, taken(way), on(*branch.cause));
    for (const Test& test : branch.tests) {
      for (const Site& write : assigns_[test.variable.index]) order(site, write);
      demand("guard", way, taken(way), holds_now(test, site));
    }
  }
}

z3::expr Encoder::stuck(const Site&, const Choose& choose) {
  std::vector<Expr> shut;
  for (const Branch& branch : choose.branches) {
    std::vector<Expr> open;
    if (branch.cause) open.push_back(on(*branch.cause));
    for (const Test& test : branch.tests) open.push_back(holds_at_last(test));
    shut.push_back(negated(all(open)));
  }
  return all(shut);
}

// Total orders among the steps whose order changes a state.
void Encoder::encode_orders(const std::vector<Sites>& groups) {
  for (const Sites& group : groups)
    for (std::size_t i = 0; i < group.size(); ++i)
      for (std::size_t j = i + 1; j < group.size(); ++j) order(group[i], group[j]);
}

// Obligations, as owed() in state.cpp defines them.
void Encoder::encode_owed() {
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i)
    if (!info(system_.fences[i].kind).user_controlled)
      formula_.owed.emplace_back(Obligation{Obligation::Kind::fence, i},
                                 both(published(FenceId{i}), negated(signalled(FenceId{i}))));
  for (std::uint32_t lock = 0; lock < system_.locks.size(); ++lock) {
    std::vector<Expr> held;
    for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread)
      for (const StepIndex index : flows_[thread].topological)
        if (std::ranges::find(flows_[thread].held[index], LockId{lock}, &HeldLock::lock) !=
            flows_[thread].held[index].end())
          held.push_back(at(thread, index));
    formula_.owed.emplace_back(Obligation{Obligation::Kind::lock, lock}, both(on(Cause::lock), any(held)));
  }
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
    const Thread& thread = system_.threads[i];
    if (thread.queue) {
      if (thread.kind == ThreadKind::worker)
        formula_.owed.emplace_back(Obligation{Obligation::Kind::job, i},
                                   both(pushed(i), negated(reached(i, thread.end()))));
      continue;
    }
    std::vector<Expr> inside;
    for (const StepIndex index : flows_[i].topological) {
      if (index == thread.end()) continue;
      const Step& here = thread.program[index];
      if (info(thread.kind).kernel_owed ? index != 0 : !here.interruptible && !here.userspace)
        inside.push_back(at(i, index));
    }
    formula_.owed.emplace_back(Obligation{Obligation::Kind::thread, i}, any(inside));
  }
  std::erase_if(formula_.owed, [](const auto& each) { return each.second.is_false(); });
}

Formula Encoder::run() {
  for (const Thread& thread : system_.threads) flows_.push_back(control_flow(thread));
  declare_steps();
  collect_sites();
  encode_orders(assigns_);
  for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread) {
    encode_flow(thread);
    for (const StepIndex index : flows_[thread].topological)
      if (index != system_.threads[thread].end()) encode_step({thread, index});
  }
  encode_owed();
  return std::move(formula_);
}

}  // namespace

std::string not_encodable(const System& system) {
  for (const Thread& thread : system.threads) {
    const ControlFlow flow = control_flow(thread);
    if (flow.cyclic) return fmt::format("'{}' contains a loop", thread.name);
    if (!flow.consistent) return fmt::format("'{}' reaches a step with different locks held", thread.name);
  }
  return {};
}

Formula executions(z3::context& context, const System& system) { return Encoder(context, system).run(); }

std::vector<Move> schedule(const System& system, const Formula& formula, const z3::model& model) {
  std::vector<std::tuple<std::int64_t, Move>> steps;
  for (std::uint32_t thread = 0; thread < system.threads.size(); ++thread)
    for (StepIndex index = 0; index < system.threads[thread].end(); ++index)
      for (std::uint32_t branch = 0; branch < formula.taken[thread][index].size(); ++branch)
        if (model.eval(formula.taken[thread][index][branch], false).is_true())
          steps.emplace_back(model.eval(formula.position[thread][index], true).get_numeral_int64(),
                             Move{ThreadId{thread}, branch, false});
  std::ranges::stable_sort(steps, {}, [](const auto& each) { return std::get<0>(each); });
  std::vector<Move> moves;
  for (const auto& [position, move] : steps) moves.push_back(move);
  return moves;
}

}  // namespace fencecheck
