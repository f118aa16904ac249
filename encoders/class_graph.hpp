// The graph of classes, and which class each vertex and each edge went to.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "graph/dependency_graph.hpp"

namespace fencecheck {

struct ClassGraph {
  std::shared_ptr<const DependencyGraph> graph;
  std::vector<VertexId> of;  // the class of each vertex
};

// As group_by_class.
[[nodiscard]] ClassGraph class_graph(const DependencyGraph& graph);

// The edge of the class graph that stands for an edge; nothing for one inside a class.
[[nodiscard]] std::optional<EdgeId> class_edge(const ClassGraph& classes, const DependencyGraph& graph, EdgeId edge);

// The names of the two classes of fences; also of the two clusters.
inline constexpr std::string_view kernel_fences = "Kernel DMA Fences";
inline constexpr std::string_view user_fences = "userspace controlled fences";

// The graph of classes: kernel fences, jobs and tasks are one vertex, "Kernel DMA
// Fences"; whatever of these userspace controls is another, "userspace
// controlled fences"; locks and pools stay, by name. Parallel edges of one cause
// are one, dashed if all are; edges inside one of the two classes are left out.
// A kernel fence that waits for a user-controlled one because it was asked
// to has the cause userspace, whatever it was called: the document's "future
// fence, fence proxy, ...". Edges say "waits for", as everywhere. O(E log E).
[[nodiscard]] std::shared_ptr<const DependencyGraph> group_by_class(const DependencyGraph& graph);

}  // namespace fencecheck
