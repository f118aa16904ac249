// Deciding a system that the formula does not cover: loops, memory, fences that
// are made anew. Exploration sees every state that has to be seen.
#pragma once

#include "checker/budget.hpp"
#include "checker/hang_findings.hpp"
#include "graph/dependencies.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// Deadlock-freedom, and for systems that track memory what incidents() knows.
// Throws std::logic_error if the engine's evidence does not stand.
[[nodiscard]] Decision decide_by_exploration(const System& system, const SystemGraph& graph, const Budget& budget);

}  // namespace fencecheck
