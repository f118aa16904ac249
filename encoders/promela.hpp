// A system as Promela, the language of the model checker SPIN.
//
// One process for each thread, one step of Promela for each step of the calculus,
// and a monitor: once nothing can move, it asserts that nothing is owed. Every
// state is a valid end state, so that the assertion is all that pan looks for:
//
//   spin -a model.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan
//
// pan reports an error exactly if there is a hang (docs/semantics.md), a stall
// included, in which no thread is at a Cutoff.
#pragma once

#include <string>

#include "graph/model/system.hpp"

namespace fencecheck {

// Why Promela, or this encoder, cannot say it; empty if it can.
[[nodiscard]] std::string not_in_promela(const System& system);

// Requires: not_in_promela(system) is empty. O(steps + attachments * collections).
[[nodiscard]] std::string to_promela(const System& system);

}  // namespace fencecheck
