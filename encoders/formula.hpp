// The partial-order formula: all maximal executions of a system, without time.
//
// Every step e has a Boolean "executed" and an integer position; what a step
// needs and what excludes it are constraints between positions of the few steps
// it depends on. A model is a maximal execution: every thread is at a step that
// is stuck, or at its end. Because fences are monotone, no interleaving is
// enumerated; sorting the executed steps of a model by position is a schedule.
// docs/semantics.md, "The formula", has each constraint beside the rule that it
// encodes and the proof that models and maximal executions correspond.
//
// One formula, several readers: the engine solves it; what is exported is what
// was decided. Z3's header is included here and nowhere above.
#pragma once

#include <z3++.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "encoders/precision.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Assertion {
  std::string name;  // the rule it encodes and the step, for reading and for cores
  z3::expr holds;
};

struct Formula {
  std::vector<Assertion> assertions;
  std::vector<z3::expr> causes;                           // of each Cause: is it switched on?
  std::vector<std::vector<std::vector<z3::expr>>> taken;  // of each thread, step, branch: taken?
  std::vector<std::vector<z3::expr>> position;            // of each thread, step; none for cuts
  std::vector<std::pair<Obligation, z3::expr>> owed;      // never discharged in this execution
  z3::expr cut_off;                                       // the execution reaches a Cutoff
  z3::expr can_time_out;                                  // something stuck has a timeout
};

// Thrown by executions() when it is asked to stop.
struct Stopped {};

// Requires: encodable. O(steps^2) constraints in the worst case, linear where
// threads share little; for cuts, linear but for tries, guards and tickets. Asks
// now and then whether to stop.
[[nodiscard]] Formula executions(
    z3::context& context, const System& system, Precision precision,
    const std::function<bool()>& stop = [] { return false; });

// Ends about which everything is known, at which one of these obligations stays undischarged.
[[nodiscard]] z3::expr hang(z3::context& context, const Formula& formula, const std::vector<Obligation>& wanted);

// What each thread does in a model, in the order of its program.
[[nodiscard]] std::vector<std::vector<Move>> plan(const System& system, const Formula& formula, const z3::model& model);

// The schedule that a model describes. Requires: the formula is not one of cuts.
[[nodiscard]] std::vector<Move> schedule(const System& system, const Formula& formula, const z3::model& model);

}  // namespace fencecheck
