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
  if (precision_ == Precision::cuts || a.thread == b.thread) return;  // left open, or ordered by the program
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
  if (goes_on({thread, step})) return no();
  return both(reached(thread, step), negated(executed({thread, step})));
}

z3::expr Encoder::before(const Site& a, const Site& b) {
  if (a.thread == b.thread && a.step == b.step) return no();
  if (precision_ != Precision::plain && a.thread == b.thread)
    return place_[a.thread][a.step] < place_[b.thread][b.step] ? yes() : no();
  if (precision_ != Precision::cuts) return position(a) < position(b);
  if (b.thread < a.thread) return negated(before(b, a));
  const std::tuple key{a.thread, a.step, b.thread, b.step};
  auto known = orders_.find(key);
  if (known == orders_.end()) {
    const std::string name = fmt::format("before_{}.{}_{}.{}", a.thread, a.step, b.thread, b.step);
    known = orders_.emplace(key, z3_.bool_const(name.c_str())).first;
  }
  return known->second;
}

z3::expr Encoder::done_before(const Site& a, const Site& b) { return both(taken(a), before(a, b)); }

// Nothing ever keeps a thread before this step, and it has one way on.
bool Encoder::goes_on(const Site& site) const {
  const Step& what = step(site);
  if (precision_ == Precision::plain || (system_.userspace_may_stop && what.userspace)) return false;
  return std::visit(
      []<class Kind>(const Kind&) {
        return std::same_as<Kind, Publish> || std::same_as<Kind, Signal> || std::same_as<Kind, Release> ||
               std::same_as<Kind, Give> || std::same_as<Kind, Push> || std::same_as<Kind, Finish> ||
               std::same_as<Kind, Attach> || std::same_as<Kind, Collect> || std::same_as<Kind, Assign> ||
               std::same_as<Kind, TakeTicket>;
      },
      what.action);
}

// A step that always goes on is executed where it is reached: it needs no variable of its own.
void Encoder::declare_steps() {
  for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread) {
    const std::vector<Step>& program = system_.threads[thread].program;
    formula_.taken.emplace_back(program.size());
    for (StepIndex index = 0; index < program.size(); ++index) {
      auto& branches = formula_.taken[thread][index];
      for (std::size_t branch = 0; branch < program[index].next.size() && !goes_on({thread, index}); ++branch)
        branches.push_back(z3_.bool_const(fmt::format("do_{}.{}.{}", thread, index, branch).c_str()));
    }
    place_.emplace_back(program.size() + 1);
    for (std::size_t i = 0; i < flows_[thread].topological.size(); ++i) {
      const StepIndex index = flows_[thread].topological[i];
      place_[thread][index] = i;
      if (index != program.size() && goes_on({thread, index}))
        formula_.taken[thread][index].push_back(reached(thread, index));
    }
    for (auto& branches : formula_.taken[thread])
      if (branches.empty()) branches.push_back(no());  // nothing leads there
    if (precision_ == Precision::cuts) continue;
    auto& position = formula_.position.emplace_back();
    for (StepIndex index = 0; index < program.size(); ++index)
      position.push_back(z3_.int_const(fmt::format("at_{}.{}", thread, index).c_str()));
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
  holders_.resize(system_.locks.size());
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
      for (const HeldLock& held : flows_[thread].held[index]) holders_[held.lock.index].push_back({site, held});
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
    if (!goes_on(site)) demand("program", site, executed(site), reached(thread, index));
    for (std::size_t i = 0; i < branches.size(); ++i)
      for (std::size_t j = i + 1; j < branches.size(); ++j) demand("one-branch", site, branches[i], !branches[j]);
    for (const auto& [from, branch] : flows_[thread].predecessors[index])
      if (precision_ != Precision::cuts)
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
    for (const Holder& holder : holders_[lock]) held.push_back(at(holder.site.thread, holder.site.step));
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
  find_chains();
  encode_orders(assigns_);
  for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread) {
    encode_flow(thread);
    for (const StepIndex index : flows_[thread].topological)
      if (index != system_.threads[thread].end()) encode_step({thread, index});
  }
  encode_last_holders();
  encode_owed();
  return std::move(formula_);
}

}  // namespace formula

Formula executions(z3::context& context, const System& system, Precision precision, const std::function<bool()>& stop) {
  return formula::Encoder(context, system, precision, stop).run();
}

z3::expr hang(z3::context& context, const Formula& formula, const std::vector<Obligation>& wanted) {
  z3::expr_vector ways(context);
  for (const auto& [obligation, undischarged] : formula.owed)
    if (std::ranges::find(wanted, obligation) != wanted.end()) ways.push_back(undischarged);
  if (ways.empty()) return context.bool_val(false);
  const z3::expr goal = z3::mk_or(ways);
  return formula.cut_off.is_false() ? goal : goal && !formula.cut_off;
}

std::vector<std::vector<Move>> plan(const System& system, const Formula& formula, const z3::model& model) {
  std::vector<std::vector<Move>> result(system.threads.size());
  for (std::uint32_t thread = 0; thread < system.threads.size(); ++thread) {
    const std::vector<Step>& program = system.threads[thread].program;
    for (StepIndex index = 0; index < program.size();) {
      const std::vector<z3::expr>& branches = formula.taken[thread][index];
      const auto way =
          std::ranges::find_if(branches, [&](const z3::expr& branch) { return model.eval(branch, false).is_true(); });
      if (way == branches.end()) break;
      const auto branch = static_cast<std::uint32_t>(way - branches.begin());
      result[thread].push_back({ThreadId{thread}, branch, false});
      index = program[index].next[branch];
    }
  }
  return result;
}

std::vector<Move> schedule(const System& system, const Formula& formula, const z3::model& model) {
  std::vector<std::tuple<std::int64_t, Move>> steps;
  for (const std::vector<Move>& moves : plan(system, formula, model)) {
    StepIndex index = 0;
    for (const Move& move : moves) {
      const z3::expr& position = formula.position[move.thread.index][index];
      steps.emplace_back(model.eval(position, true).get_numeral_int64(), move);
      index = system[move.thread].program[index].next[move.branch];
    }
  }
  std::ranges::stable_sort(steps, {}, [](const auto& each) { return std::get<0>(each); });
  std::vector<Move> moves;
  for (const auto& [position, move] : steps) moves.push_back(move);
  return moves;
}

}  // namespace fencecheck
