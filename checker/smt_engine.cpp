#include "checker/smt_engine.hpp"

#include <algorithm>

#include "checker/interrupt.hpp"
#include "checker/linearize.hpp"
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

namespace {

constexpr int most_cuts = 8;  // put in order, or tried to be, for one question

bool contains_any(const std::vector<Obligation>& some, const std::vector<Obligation>& wanted) {
  return std::ranges::any_of(some,
                             [&](const Obligation& each) { return std::ranges::find(wanted, each) != wanted.end(); });
}

using Positions = std::vector<std::pair<ThreadId, StepIndex>>;

// Where the threads stand that do not come to their end.
Positions stuck_in(const System& system, const std::vector<std::vector<Move>>& plan) {
  Positions result;
  for (std::uint32_t i = 0; i < plan.size(); ++i) {
    StepIndex at = 0;
    for (const Move& move : plan[i]) at = system.threads[i].program[at].next[move.branch];
    if (at != system.threads[i].end()) result.emplace_back(ThreadId{i}, at);
  }
  return result;
}

}  // namespace

// A question, as a formula and, for the last state of an execution, as the operational semantics put it.
struct SmtEngine::Question {
  z3::expr goal;
  Causes causes = Causes::all();
  std::function<bool(const State&)> met;
  bool elsewhere = false;
};

struct SmtEngine::Solver {
  Solver(const System& the_system, const Budget& the_budget, Precision the_precision)
      : system(the_system),
        budget(the_budget),
        precision(the_precision),
        formula(executions(context, the_system, the_precision, [this] { return stop(); })),
        solver(context, "QF_LIA") {
    for (const Assertion& assertion : formula.assertions) solver.add(assertion.holds);
  }

  [[nodiscard]] bool stop() const { return budget.out_of_time() || interrupted(); }

  Search ask(const Question& question) {
    if (question.goal.is_false()) return Exhausted{};
    const z3::expr asked = context.bool_const(("goal_" + std::to_string(goals++)).c_str());
    solver.add(z3::implies(asked, question.goal));
    if (precision == Precision::cuts) return ask_for_cuts(question, asked);
    const Solution found = solve(question, asked);
    if (found.model) return schedule(system, formula, *found.model);
    return found.nothing;
  }

  // A cut that cannot be put in order proves nothing, so that what excludes it proves nothing either.
  Search ask_for_cuts(const Question& question, const z3::expr& asked) {
    for (int tried = 0; tried < most_cuts; ++tried) {
      const Solution found = solve(question, asked);
      if (!found.model && (tried == 0 || std::holds_alternative<GaveUp>(found.nothing))) return found.nothing;
      if (!found.model) break;
      const std::vector<std::vector<Move>> wanted = plan(system, formula, *found.model);
      auto ordered = linearize(system, wanted, question.causes, [this] { return stop(); });
      if (ordered && at_rest(system, ordered->last, question.causes) && question.met(ordered->last))
        return std::move(ordered->schedule);
      solver.add(z3::implies(asked, elsewhere_than(stuck_in(system, wanted))));
    }
    return GaveUp{"no order was found in which the threads come to where they would be stuck"};
  }

  struct Solution {
    std::optional<z3::model> model;
    Search nothing = Exhausted{};  // why there is none
  };

  Solution solve(const Question& question, const z3::expr& asked) {
    if (stop()) return {{}, GaveUp{why("timeout")}};
    z3::expr_vector assumptions(context);
    for (const CauseInfo& row : cause_table) {
      const z3::expr& literal = formula.causes[static_cast<std::size_t>(row.cause)];
      assumptions.push_back(question.causes.has(row.cause) ? literal : !literal);
    }
    assumptions.push_back(asked);
    const z3::expr excluding = context.bool_const("elsewhere");
    assumptions.push_back(question.elsewhere ? excluding : !excluding);
    z3::params params(context);
    params.set("timeout", milliseconds_left(budget));
    params.set("ctrl_c", false);  // Z3's own handler is one for all threads, and outlives the solver it stops
    solver.set(params);
    try {
      switch (solver.check(assumptions)) {
        case z3::sat:
          return {solver.get_model(), {}};
        case z3::unsat:
          return {};
        case z3::unknown:
          break;
      }
      return {{}, GaveUp{why(solver.reason_unknown())}};
    } catch (const z3::exception& error) {
      return {{}, GaveUp{why(error.msg())}};
    }
  }

  z3::expr hang(Timeouts timeouts, const std::vector<Obligation>& wanted);
  Question hang_question(Causes causes, Timeouts timeouts, const std::vector<Obligation>& wanted);
  z3::expr elsewhere_than(const Positions& positions);
  z3::expr any_of(const z3::expr_vector& parts) { return parts.empty() ? context.bool_val(false) : z3::mk_or(parts); }

  const System& system;
  Budget budget;
  Precision precision;
  z3::context context;
  Formula formula;
  z3::solver solver;
  unsigned goals = 0;
  Interruptible interruptible{[this] { context.interrupt(); }};
};

SmtEngine::SmtEngine(const System& system, const Budget& budget, Precision precision) {
  if (budget.memory)
    z3::set_param("memory_max_size", static_cast<int>(std::max<std::uint64_t>(1, *budget.memory >> 20U)));
  try {
    solver_ = std::make_unique<Solver>(system, budget, precision);
  } catch (const Stopped&) {
    throw OutOfBudget{why("timeout")};
  } catch (const z3::exception& error) {
    throw OutOfBudget{why(error.msg())};
  }
}

SmtEngine::~SmtEngine() = default;

z3::expr SmtEngine::Solver::hang(Timeouts timeouts, const std::vector<Obligation>& wanted) {
  z3::expr goal = fencecheck::hang(context, formula, wanted);
  if (goal.is_false()) return goal;
  if (formula.can_time_out.is_false()) return timeouts == Timeouts::some ? formula.can_time_out : goal;
  if (timeouts == Timeouts::none) goal = goal && !formula.can_time_out;
  if (timeouts == Timeouts::some) goal = goal && formula.can_time_out;
  return goal;
}

SmtEngine::Question SmtEngine::Solver::hang_question(Causes causes, Timeouts timeouts,
                                                     const std::vector<Obligation>& wanted) {
  const auto met = [this, causes, timeouts, wanted](const State& last) {
    if (fencecheck::cut_off(system, last) || !contains_any(owed(system, last), wanted)) return false;
    return timeouts == Timeouts::any ||
           (timeouts == Timeouts::some) != fencecheck::timeouts(system, last, causes).empty();
  };
  return {hang(timeouts, wanted), causes, met};
}

std::vector<Obligation> SmtEngine::obligations() const {
  std::vector<Obligation> result;
  for (const auto& [obligation, undischarged] : solver_->formula.owed) result.push_back(obligation);
  return result;
}

Search SmtEngine::find_hang(Causes causes, Timeouts timeouts, const std::vector<Obligation>& owed) {
  return solver_->ask(solver_->hang_question(causes, timeouts, owed));
}

Search SmtEngine::find_other_hang(Timeouts timeouts) {
  Question question = solver_->hang_question(Causes::all(), timeouts, obligations());
  question.elsewhere = true;
  return solver_->ask(question);
}

Search SmtEngine::find_timeout() {
  const auto met = [this](const State& last) { return !timeouts(solver_->system, last).empty(); };
  return solver_->ask({solver_->formula.can_time_out, Causes::all(), met});
}

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
  const auto met = [this](const State& last) {
    for (std::uint32_t i = 0; i < last.at.size(); ++i)
      if (const Thread& who = solver_->system.threads[i]; who.kind == ThreadKind::user && last.at[i] != who.end())
        return true;
    return false;
  };
  return solver_->ask({solver_->any_of(ways), Causes::all(), met});
}

Search SmtEngine::find_cutoff() {
  const auto met = [this](const State& last) { return cut_off(solver_->system, last); };
  return solver_->ask({solver_->formula.cut_off, Causes::all(), met});
}

// At least one of these threads ends elsewhere.
z3::expr SmtEngine::Solver::elsewhere_than(const Positions& positions) {
  z3::expr_vector elsewhere(context);
  for (const auto& [thread, step] : positions) {
    // At a step: some way into it was taken, and no way out of it.
    z3::expr_vector in(context);
    const Thread& who = system[thread];
    for (StepIndex from = 0; from < who.end(); ++from)
      for (std::size_t branch = 0; branch < who.program[from].next.size(); ++branch)
        if (who.program[from].next[branch] == step) in.push_back(formula.taken[thread.index][from][branch]);
    if (step != 0) elsewhere.push_back(!any_of(in));
    if (step != who.end())
      for (const z3::expr& way : formula.taken[thread.index][step]) elsewhere.push_back(way);
  }
  return any_of(elsewhere);
}

void SmtEngine::exclude(const std::vector<std::pair<ThreadId, StepIndex>>& positions) {
  const z3::expr excluding = solver_->context.bool_const("elsewhere");
  solver_->solver.add(z3::implies(excluding, solver_->elsewhere_than(positions)));
}

}  // namespace fencecheck
