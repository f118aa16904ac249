#include "encoders/formula.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <functional>
#include <tuple>

#include "encoders/formula_encoder.hpp"

namespace fencecheck {
namespace formula {

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
  if (stop_()) throw Stopped{};
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
      if (info(thread.kind).kernel_owed ? index != 0
                                        : !here.interruptible && !(system_.userspace_may_stop && here.userspace))
        inside.push_back(at(i, index));
    }
    formula_.owed.emplace_back(Obligation{Obligation::Kind::thread, i}, any(inside));
  }
  std::erase_if(formula_.owed, [](const auto& each) { return each.second.is_false(); });
}

Formula Encoder::run() {
  for (const Thread& thread : system_.threads) flows_.push_back(control_flow(system_, thread));
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

}  // namespace formula

namespace {

// Steps whose meaning depends on where memory is, on fences made anew, or on
// work that is queued again, have no formula.
template <class Action>
concept HasNoFormula = std::same_as<Action, Capture> || std::same_as<Action, Trigger> || std::same_as<Action, Renew> ||
    std::same_as<Action, Detach> || std::same_as<Action, Inherit> || std::same_as<Action, Reserve> ||
    std::same_as<Action, Flush> || std::same_as<Action, Cancel> || std::same_as<Action, Allocate> ||
    std::same_as<Action, PickVictim> || std::same_as<Action, Locate> || std::same_as<Action, Relocate> ||
    std::same_as<Action, Unmap> || std::same_as<Action, Map> || std::same_as<Action, Pin> ||
    std::same_as<Action, Kill> || std::same_as<Action, Deny> || std::same_as<Action, SetLimit> ||
    std::same_as<Action, WriteRanges>;

bool has_formula(const Action& action) {
  if (const auto* attach = std::get_if<Attach>(&action); attach != nullptr && attach->replaces) return false;
  if (const auto* wait = std::get_if<WaitSet>(&action); wait != nullptr && wait->join == Join::any) return false;
  if (const auto* push = std::get_if<Push>(&action); push != nullptr && !push->asks.empty()) return false;
  return std::visit([]<class Each>(const Each&) { return !HasNoFormula<Each>; }, action);
}

std::string object_without_formula(const System& system) {
  for (const Queue& queue : system.queues)
    if (queue.gate) return fmt::format("'{}' can be suspended", queue.name);
  for (const Fence& fence : system.fences)
    if (fence.on_wait) return fmt::format("the first wait for '{}' queues work", fence.name);
  for (const Reservation& reservation : system.reservations)
    if (reservation.counted || !reservation.attached.empty())
      return fmt::format("'{}' counts slots or has fences from the start", reservation.name);
  return {};
}

}  // namespace

std::string not_encodable(const System& system) {
  if (std::string why = object_without_formula(system); !why.empty()) return why;
  for (const Thread& thread : system.threads) {
    for (const Step& step : thread.program)
      if (!has_formula(step.action)) return fmt::format("'{}' {}", thread.name, describe(system, thread, step));
    const ControlFlow flow = control_flow(system, thread);
    if (flow.cyclic) return fmt::format("'{}' contains a loop", thread.name);
    if (!flow.consistent) return fmt::format("'{}' reaches a step with different locks held", thread.name);
  }
  return {};
}

Formula executions(z3::context& context, const System& system, const std::function<bool()>& stop) {
  return formula::Encoder(context, system, stop).run();
}

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
