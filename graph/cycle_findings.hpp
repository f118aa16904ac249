// What a dependency graph says by itself: cycles that nothing leads out of.
//
// A vertex finishes if every edge of its that is not `any` leads to a vertex
// that finishes and, if it has `any` edges, one of them does. "Finishes" is the
// least such set; the rest is stuck. An edge *holds* if both ends are stuck and
// it is no alternative, or all alternatives of its source are stuck too. Every
// stuck vertex has an edge that holds, so there is a cycle of such edges
// if and only if something is stuck (docs/semantics.md, "Dependency graph").
//
// A cycle is a suspicion, not a schedule: the findings are *potential*.
#pragma once

#include <vector>

#include "graph/dependency_graph.hpp"
#include "graph/model/finding.hpp"

namespace fencecheck {

// For each vertex whether it is stuck; O(V + E), iterative.
[[nodiscard]] std::vector<bool> stuck_vertices(const DependencyGraph& graph);

// A shortest cycle in each component of the edges that hold; as shortest_cycles.
[[nodiscard]] std::vector<Cycle> deadlock_cycles(const DependencyGraph& graph);

// The potential deadlock that a cycle of the graph is: "dependency cycle: a -> b
// -> a", read "a waits for b"; its parties, the causes it needs, and a note
// for each party that waits for several alternatives.
[[nodiscard]] Finding cycle_finding(const DependencyGraph& graph, const Cycle& cycle);

// One finding for each of deadlock_cycles, in that order.
[[nodiscard]] std::vector<Finding> graph_findings(const DependencyGraph& graph);

}  // namespace fencecheck
