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

// See group_by_class.
[[nodiscard]] ClassGraph class_graph(const DependencyGraph& graph);

// The edge of the class graph that stands for an edge; nothing for one inside a class.
[[nodiscard]] std::optional<EdgeId> class_edge(const ClassGraph& classes, const DependencyGraph& graph, EdgeId edge);

// The names of the two classes of fences; also of the two clusters.
inline constexpr std::string_view kernel_fences = "Kernel DMA Fences";
inline constexpr std::string_view user_fences = "userspace controlled fences";

}  // namespace fencecheck
