// The dependency graph: who has to wait for whom.
//
// A vertex is an obligation or a party: a fence, a lock, a pool, a job, a task,
// or (at class grain) a class of them. An edge u -> v says that whatever
// discharges u may have to wait for v after u became visible; it carries the
// cause and the place of the wait. See docs/semantics.md, "Dependency graph".
//
// Invariant: vertices are numbered in the order of the input, edges are added
// in the order of the input, so every walk over them is deterministic.
// The graph is built in place and passed by const reference: Boost 1.74's
// adjacency_list silently copies when moved from.
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/source.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

enum class VertexKind : std::uint8_t { fence, lock, pool, job, task, group };

struct VertexKindInfo {
  VertexKind kind;
  std::string_view id;
  std::string_view shape;  // in DOT, written and read
  std::string_view style;  // the same
};

inline constexpr auto vertex_kind_table = std::to_array<VertexKindInfo>({
    {VertexKind::fence, "fence", "box", "filled"},
    {VertexKind::lock, "lock", "octagon", "filled"},
    {VertexKind::pool, "pool", "cylinder", "filled"},
    {VertexKind::job, "job", "component", "filled"},
    {VertexKind::task, "task", "ellipse", "filled"},
    {VertexKind::group, "group", "box", "filled"},
});
static_assert(covers(vertex_kind_table, &VertexKindInfo::kind, VertexKind::group));
constexpr const VertexKindInfo& info(VertexKind kind) { return vertex_kind_table[static_cast<std::size_t>(kind)]; }

struct Vertex {
  std::string name;
  VertexKind kind = VertexKind::fence;
  bool user_controlled = false;  // drawn in the userspace cluster
  Place at;
  std::string detail;  // a second line for diagrams; may be empty
  // What it is on the machine that was observed: "task 104", "fence 4:1", "lock
  // &m->mutex"; empty if nothing else can be the same. Graphs are joined by it.
  std::string identity{};
};

struct Edge {
  Cause cause = Cause::explicit_sync;
  bool any = false;   // one of several alternatives (drawn dashed)
  std::string label;  // what waits for what, for messages and tooltips
  Place at;
  Place until{};  // of what was observed: where it was over; nowhere: it was not over at the end
};

using DependencyGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, Vertex, Edge>;
using VertexId = DependencyGraph::vertex_descriptor;
using EdgeId = DependencyGraph::edge_descriptor;

// A closed walk: edges[i] leads to the source of edges[i + 1], the last one
// back to the source of the first.
using Cycle = std::vector<EdgeId>;

struct Components {
  std::vector<std::uint32_t> of;              // component of each vertex
  std::vector<std::vector<VertexId>> cyclic;  // members of each component that holds a cycle, in vertex order
};

// Strongly connected components (Tarjan, by Boost with an explicit stack); O(V + E).
[[nodiscard]] Components components(const DependencyGraph& graph);

// Says whether an edge counts; the vertices all stay.
using EdgeFilter = std::function<bool(EdgeId)>;

// The same of the subgraph that has only the edges that `keep` accepts.
[[nodiscard]] Components components(const DependencyGraph& graph, const EdgeFilter& keep);

// A shortest cycle inside each cyclic component, starting at its smallest
// vertex; the first found by breadth-first search in vertex and edge order.
// O(V' * (V' + E')) for a component of V' vertices and E' edges, at most
// `starts` breadth-first searches for each.
[[nodiscard]] std::vector<Cycle> shortest_cycles(const DependencyGraph& graph, std::size_t starts = 1000);
[[nodiscard]] std::vector<Cycle> shortest_cycles(const DependencyGraph& graph, const EdgeFilter& keep,
                                                 std::size_t starts = 1000);

// The same walk, rotated to begin at its smallest vertex.
[[nodiscard]] Cycle canonical(const DependencyGraph& graph, Cycle cycle);

}  // namespace fencecheck
