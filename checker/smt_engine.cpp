#include "checker/smt_engine.hpp"

#include <algorithm>

#include "checker/interrupt.hpp"
#include "encoders/formula.hpp"

namespace fencecheck {
namespace {

unsigned milliseconds_left(const Budget& budget) {
  constexpr unsigned unlimited = 4294967295U;  // Z3's own "no timeout"
  if (!budget.deadline) return unlimited;
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(*budget.deadline - std::chrono::steady_clock::now());
  return static_cast<unsigned>(std::clamp<std::int64_t>(left.count(), 1, unlimited - 1));
}

std::string why(const std::string& reason) {
  if (interrupted()) return "interrupted";
  if (reason == "timeout" || reason == "canceled") return "the time limit was reached (--timeout)";
  if (reason.find("memory") != std::string::npos || reason.find("memout") != std::string::npos)
    return "the memory limit was reached (--memory)";
  return "the solver gave up: " + reason;
}

}  // namespace

struct SmtEngine::Solver {
  Solver(const System& the_system, const Budget& the_budget)
      : system(the_system),
        budget(the_budget),
        formula(executions(context, the_system, [this] { return budget.out_of_time() || interrupted(); })),
        solver(context, "QF_LIA") {
    for (const Assertion& assertion : formula.assertions) solver.add(assertion.holds);
  }

  Search ask(const z3::expr& goal, Causes causes, bool elsewhere = false) {
    if (goal.is_false()) return Exhausted{};
    if (budget.out_of_time() || interrupted()) return GaveUp{why("timeout")};
    z3::expr_vector assumptions(context);
    for (const CauseInfo& row : cause_table) {
      const z3::expr& literal = formula.causes[static_cast<std::size_t>(row.cause)];
      assumptions.push_back(causes.has(row.cause) ? literal : !literal);
    }
    const z3::expr asked = context.bool_const(("goal_" + std::to_string(goals++)).c_str());
    solver.add(z3::implies(asked, goal));
    assumptions.push_back(asked);
    const z3::expr excluding = context.bool_const("elsewhere");
    assumptions.push_back(elsewhere ? excluding : !excluding);
    z3::params params(context);
    params.set("timeout", milliseconds_left(budget));
    params.set("ctrl_c", false);  // Z3's own handler is one for all threads, and outlives the solver it stops
    solver.set(params);
    try {
      switch (solver.check(assumptions)) {
        case z3::sat:
          return schedule(system, formula, solver.get_model());
        case z3::unsat:
          return Exhausted{};
        case z3::unknown:
          break;
      }
      return GaveUp{why(solver.reason_unknown())};
    } catch (const z3::exception& error) {
      return GaveUp{why(error.msg())};
    }
  }

  z3::expr hang(Timeouts timeouts, const std::vector<Obligation>& wanted);
  z3::expr any_of(const z3::expr_vector& parts) { return parts.empty() ? context.bool_val(false) : z3::mk_or(parts); }

  const System& system;
  Budget budget;
  z3::context context;
  Formula formula;
  z3::solver solver;
  unsigned goals = 0;
  Interruptible interruptible{[this] { context.interrupt(); }};
};

SmtEngine::SmtEngine(const System& system, const Budget& budget) {
  if (budget.memory)
    z3::set_param("memory_max_size", static_cast<int>(std::max<std::uint64_t>(1, *budget.memory >> 20U)));
  try {
    solver_ = std::make_unique<Solver>(system, budget);
  } catch (const Stopped&) {
    throw OutOfBudget{why("timeout")};
  } catch (const z3::exception& error) {
    throw OutOfBudget{why(error.msg())};
  }
}

SmtEngine::~SmtEngine() = default;

// The obligations that count, at an end about which everything is known.
z3::expr SmtEngine::Solver::hang(Timeouts timeouts, const std::vector<Obligation>& wanted) {
  z3::expr_vector ways(context);
  for (const auto& [obligation, undischarged] : formula.owed)
    if (std::ranges::find(wanted, obligation) != wanted.end()) ways.push_back(undischarged);
  if (ways.empty()) return context.bool_val(false);
  z3::expr goal = z3::mk_or(ways);
  if (!formula.cut_off.is_false()) goal = goal && !formula.cut_off;
  if (formula.can_time_out.is_false()) return timeouts == Timeouts::some ? formula.can_time_out : goal;
  if (timeouts == Timeouts::none) goal = goal && !formula.can_time_out;
  if (timeouts == Timeouts::some) goal = goal && formula.can_time_out;
  return goal;
}

std::vector<Obligation> SmtEngine::obligations() const {
  std::vector<Obligation> result;
  for (const auto& [obligation, undischarged] : solver_->formula.owed) result.push_back(obligation);
  return result;
}

Search SmtEngine::find_hang(Causes causes, Timeouts timeouts, const std::vector<Obligation>& owed) {
  return solver_->ask(solver_->hang(timeouts, owed), causes);
}

Search SmtEngine::find_other_hang(Timeouts timeouts) {
  return solver_->ask(solver_->hang(timeouts, obligations()), Causes::all(), true);
}

Search SmtEngine::find_timeout() { return solver_->ask(solver_->formula.can_time_out, Causes::all()); }

Search SmtEngine::find_stuck_user() {
  z3::expr_vector ways(solver_->context);
  for (std::uint32_t i = 0; i < solver_->system.threads.size(); ++i) {
    const Thread& thread = solver_->system.threads[i];
    if (thread.kind != ThreadKind::user || thread.program.empty()) continue;
    z3::expr_vector ends(solver_->context);
    for (StepIndex step = 0; step < thread.end(); ++step)
      for (std::size_t branch = 0; branch < thread.program[step].next.size(); ++branch)
        if (thread.program[step].next[branch] == thread.end()) ends.push_back(solver_->formula.taken[i][step][branch]);
    ways.push_back(!solver_->any_of(ends));
  }
  return solver_->ask(solver_->any_of(ways), Causes::all());
}

Search SmtEngine::find_cutoff() { return solver_->ask(solver_->formula.cut_off, Causes::all()); }

void SmtEngine::exclude(const std::vector<std::pair<ThreadId, StepIndex>>& positions) {
  z3::expr_vector elsewhere(solver_->context);
  for (const auto& [thread, step] : positions) {
    // At a step: some way into it was taken, and no way out of it.
    z3::expr_vector in(solver_->context);
    const Thread& who = solver_->system[thread];
    for (StepIndex from = 0; from < who.end(); ++from)
      for (std::size_t branch = 0; branch < who.program[from].next.size(); ++branch)
        if (who.program[from].next[branch] == step) in.push_back(solver_->formula.taken[thread.index][from][branch]);
    if (step != 0) elsewhere.push_back(!solver_->any_of(in));
    if (step != who.end())
      for (const z3::expr& way : solver_->formula.taken[thread.index][step]) elsewhere.push_back(way);
  }
  solver_->solver.add(z3::implies(solver_->context.bool_const("elsewhere"), solver_->any_of(elsewhere)));
}

}  // namespace fencecheck
