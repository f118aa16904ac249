// Graphs as DOT, and the views that graphs have.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "encoders/dot.hpp"

namespace fencecheck {

// Every view but the schedule, which needs a finding.
inline constexpr std::span<const ViewInfo> graph_views(view_table.data(), view_table.size() - 1);

inline std::string dot(const DependencyGraph& graph, const DrawingOptions& options = {}) {
  return to_dot(draw(graph, options));
}

// DOT without the breaks that libcgraph puts into long strings.
inline std::string unbroken(std::string dot) {
  constexpr std::string_view mark = "\\\n";
  for (auto at = dot.find(mark); at != std::string::npos; at = dot.find(mark, at)) dot.erase(at, mark.size());
  return dot;
}

}  // namespace fencecheck
