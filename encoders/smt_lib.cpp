#include "encoders/smt_lib.hpp"

#include <fmt/format.h>

#include "encoders/formula.hpp"

namespace fencecheck {

std::string to_smt_lib(const System& system, Precision precision) {
  z3::context context;
  const Formula formula = executions(context, system, precision);
  z3::solver solver(context, "QF_LIA");
  for (const Assertion& assertion : formula.assertions) solver.add(assertion.holds);
  for (const z3::expr& cause : formula.causes) solver.add(cause);
  std::vector<Obligation> all;
  for (const auto& [obligation, undischarged] : formula.owed) all.push_back(obligation);
  solver.add(hang(context, formula, all));
  const std::string means = precision == Precision::cuts ? "unsat: nothing hangs; sat: not known"
                                                         : "sat: there is a hang; unsat: there is none";
  return fmt::format("; Made by fencecheck. {}, where no timeout fires.\n(set-logic QF_LIA)\n{}", means,
                     solver.to_smt2());
}

}  // namespace fencecheck
