// Components and shortest cycles of the dependency graph.
#include "graph/dependency_graph.hpp"

#include <algorithm>
#include <boost/graph/filtered_graph.hpp>
#include <boost/graph/strong_components.hpp>
#include <cassert>

namespace fencecheck {
namespace {

bool has_self_loop(const DependencyGraph& graph, const EdgeFilter& keep, VertexId vertex) {
  const auto [begin, end] = out_edges(vertex, graph);
  return std::any_of(begin, end, [&](EdgeId edge) { return target(edge, graph) == vertex && keep(edge); });
}

bool every_edge(EdgeId) { return true; }

// Breadth-first searches inside one component after another; the arrays are
// allocated once and stamped instead of cleared, so a search costs only what it visits.
class CycleSearch {
 public:
  CycleSearch(const DependencyGraph& graph, const EdgeFilter& keep, const Components& in)
      : graph_(graph),
        keep_(keep),
        component_(in.of),
        reached_by_(num_vertices(graph)),
        stamp_(num_vertices(graph), 0) {}

  // A shortest cycle through `start` that is shorter than `limit` edges; empty if there is none.
  Cycle through(VertexId start, std::size_t limit) {
    ++search_;
    queue_.assign(1, start);
    stamp_[start] = search_;
    std::size_t level_end = 1;
    std::size_t depth = 1;  // edges in a cycle that closes from the current level
    for (std::size_t next = 0; next < queue_.size() && depth < limit; ++next) {
      const auto [begin, end] = out_edges(queue_[next], graph_);
      for (auto edge = begin; edge != end; ++edge) {
        if (!keep_(*edge)) continue;
        if (target(*edge, graph_) == start) return walk_back(start, *edge);
        reach(*edge);
      }
      if (next + 1 == level_end) {
        level_end = queue_.size();
        ++depth;
      }
    }
    return {};
  }

 private:
  void reach(EdgeId edge) {
    const VertexId to = target(edge, graph_);
    if (stamp_[to] == search_ || component_[to] != component_[source(edge, graph_)]) return;
    stamp_[to] = search_;
    reached_by_[to] = edge;
    queue_.push_back(to);
  }

  [[nodiscard]] Cycle walk_back(VertexId start, EdgeId last) const {
    Cycle cycle{last};
    for (VertexId at = source(last, graph_); at != start; at = source(cycle.back(), graph_)) {
      cycle.push_back(reached_by_[at]);
    }
    std::ranges::reverse(cycle);
    return cycle;
  }

  const DependencyGraph& graph_;
  const EdgeFilter& keep_;
  const std::vector<std::uint32_t>& component_;
  std::vector<EdgeId> reached_by_;
  std::vector<std::size_t> stamp_;
  std::size_t search_ = 0;
  std::vector<VertexId> queue_;
};

Cycle shortest_cycle(CycleSearch& search, const std::vector<VertexId>& members, std::size_t starts) {
  Cycle best;
  std::size_t limit = members.size() + 1;
  for (std::size_t i = 0; i < members.size() && i < std::max<std::size_t>(starts, 1) && limit > 1; ++i) {
    Cycle found = search.through(members[i], limit);
    if (found.empty()) continue;
    limit = found.size();
    best = std::move(found);
  }
  assert(!best.empty());  // every vertex of a cyclic component is on a cycle
  return best;
}

}  // namespace

Components components(const DependencyGraph& graph) { return components(graph, every_edge); }

Components components(const DependencyGraph& graph, const EdgeFilter& keep) {
  const std::size_t size = num_vertices(graph);
  const boost::filtered_graph<DependencyGraph, EdgeFilter> kept(graph, keep);
  Components result;
  result.of.resize(size);
  const auto index = get(boost::vertex_index, graph);
  const std::size_t count = boost::strong_components(kept, boost::make_iterator_property_map(result.of.begin(), index));
  std::vector<std::vector<VertexId>> members(count);
  for (VertexId vertex = 0; vertex < size; ++vertex) members[result.of[vertex]].push_back(vertex);
  for (VertexId vertex = 0; vertex < size; ++vertex) {
    std::vector<VertexId>& mine = members[result.of[vertex]];
    if (mine.empty() || mine.front() != vertex) continue;  // each component once, at its smallest vertex
    if (mine.size() > 1 || has_self_loop(graph, keep, vertex)) result.cyclic.push_back(std::move(mine));
  }
  return result;
}

std::vector<Cycle> shortest_cycles(const DependencyGraph& graph, std::size_t starts) {
  return shortest_cycles(graph, every_edge, starts);
}

std::vector<Cycle> shortest_cycles(const DependencyGraph& graph, const EdgeFilter& keep, std::size_t starts) {
  const Components found = components(graph, keep);
  CycleSearch search(graph, keep, found);
  std::vector<Cycle> cycles;
  cycles.reserve(found.cyclic.size());
  for (const std::vector<VertexId>& members : found.cyclic) {
    cycles.push_back(canonical(graph, shortest_cycle(search, members, starts)));
  }
  return cycles;
}

Cycle canonical(const DependencyGraph& graph, Cycle cycle) {
  const auto first = std::ranges::min_element(cycle, {}, [&](EdgeId edge) { return source(edge, graph); });
  std::rotate(cycle.begin(), first, cycle.end());
  return cycle;
}

}  // namespace fencecheck
