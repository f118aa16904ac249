// Deciding a system: deadlock-freedom by the SMT engine, the contract by the
// dependency graph; every hang replayed, explained and reduced to its needs.
#pragma once

#include <string>
#include <vector>

#include "checker/budget.hpp"
#include "checker/hang_findings.hpp"
#include "graph/dependencies.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// Throws std::logic_error if an engine's evidence does not stand: a defect of
// this program, never of the input.
[[nodiscard]] Decision decide(const System& system, const SystemGraph& graph, const Budget& budget);

}  // namespace fencecheck
