// The dependency graph of a system, at instance grain.
//
// Vertices: fences, locks, pools, variables and jobs. X -> Y if whoever
// discharges X may have to wait for Y after X became visible: a fence needs what
// its signaller waits for between publishing and signalling it, a lock what its
// holders wait for before they release it, a job its waits and the jobs in front
// of it. It over-approximates: a cycle is a suspicion, which the engines confirm
// or refute. docs/semantics.md, "Dependency graph".
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "graph/dependency_graph.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct SystemGraph {
  std::shared_ptr<const DependencyGraph> graph;
  std::vector<VertexId> fences, locks, pools, variables, threads;  // of each object; threads: jobs only
  std::vector<std::vector<VertexId>> waits;                        // of each thread: what one of its steps may wait for

  [[nodiscard]] std::optional<VertexId> vertex(const Blocker& blocker) const;
};

// O(steps^2) for programs of that many steps in one thread, else linear.
[[nodiscard]] SystemGraph dependencies(const System& system);

// The first edge from one vertex to another, if there is one.
[[nodiscard]] std::optional<EdgeId> find_edge(const DependencyGraph& graph, VertexId from, VertexId to);

}  // namespace fencecheck
