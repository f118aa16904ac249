// Graphs as DOT, and the views that graphs have.
#pragma once

#include <span>
#include <string>

#include "encoders/dot.hpp"

namespace fencecheck {

// Every view but the schedule, which needs a finding.
inline constexpr std::span<const ViewInfo> graph_views(view_table.data(), view_table.size() - 1);

inline std::string dot(const DependencyGraph& graph, const DrawingOptions& options = {}) {
  return to_dot(draw(graph, options));
}

}  // namespace fencecheck
