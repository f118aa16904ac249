#include "graph/dependency_graph.hpp"

#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/small_graphs.hpp"

namespace fencecheck {
namespace {

using test::graph_from_code;
using test::power;

constexpr std::size_t never = 1000;

// Lengths of shortest walks of at least one edge (Floyd and Warshall).
std::vector<std::vector<std::size_t>> distances(const DependencyGraph& graph) {
  const std::size_t size = num_vertices(graph);
  std::vector<std::vector<std::size_t>> result(size, std::vector<std::size_t>(size, never));
  test::for_each_edge(graph, [&](EdgeId edge) { result[source(edge, graph)][target(edge, graph)] = 1; });
  for (std::size_t via = 0; via < size; ++via) {
    for (std::size_t from = 0; from < size; ++from) {
      for (std::size_t to = 0; to < size; ++to) {
        result[from][to] = std::min(result[from][to], result[from][via] + result[via][to]);
      }
    }
  }
  return result;
}

bool is_closed_walk(const DependencyGraph& graph, const Cycle& cycle) {
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    if (target(cycle[i], graph) != source(cycle[(i + 1) % cycle.size()], graph)) return false;
  }
  return !cycle.empty();
}

bool same_components(const Components& found, const std::vector<std::vector<std::size_t>>& distance) {
  bool same = true;
  for (std::size_t a = 0; a < distance.size(); ++a) {
    for (std::size_t b = 0; b < distance.size(); ++b) {
      const bool together = a == b || (distance[a][b] < never && distance[b][a] < never);
      same = same && (found.of[a] == found.of[b]) == together;
    }
  }
  return same;
}

std::vector<std::vector<VertexId>> cyclic_components(const std::vector<std::vector<std::size_t>>& distance) {
  std::vector<std::vector<VertexId>> result;
  for (VertexId first = 0; first < distance.size(); ++first) {
    std::vector<VertexId> members;
    for (VertexId each = 0; each < distance.size(); ++each) {
      if (distance[first][each] < never && distance[each][first] < never) members.push_back(each);
    }
    if (!members.empty() && members.front() == first) result.push_back(members);
  }
  return result;
}

bool agrees(const DependencyGraph& graph) {
  const auto distance = distances(graph);
  const Components found = components(graph);
  const std::vector<Cycle> cycles = shortest_cycles(graph);
  bool good = same_components(found, distance) && found.cyclic == cyclic_components(distance);
  good = good && cycles.size() == found.cyclic.size();
  for (std::size_t i = 0; good && i < cycles.size(); ++i) {
    std::size_t shortest = never;
    for (const VertexId member : found.cyclic[i]) shortest = std::min(shortest, distance[member][member]);
    const VertexId start = source(cycles[i].front(), graph);
    good = is_closed_walk(graph, cycles[i]) && cycles[i].size() == shortest;
    for (const EdgeId edge : cycles[i])
      good = good && start <= source(edge, graph) && found.of[start] == found.of[source(edge, graph)];
  }
  return good;
}

TEST_CASE("components and shortest cycles of every graph of up to four vertices", "[dependency_graph]") {
  const std::size_t largest = test::effort() < 100 ? 3 : 4;
  for (std::size_t size = 0; size <= largest; ++size) {
    for (unsigned long code = 0; code < power(2, size * size); ++code) {
      DependencyGraph graph;
      graph_from_code(size, code, 2, graph);
      if (!agrees(graph)) FAIL("graph_from_code(" << size << ", " << code << ", 2)");
    }
  }
}

TEST_CASE("a filter hides edges and keeps vertices", "[dependency_graph]") {
  DependencyGraph graph;  // a -> b -> a, b -> b
  graph_from_code(2, 0b1110, 2, graph);
  const auto no_loop = [&](EdgeId edge) { return source(edge, graph) != target(edge, graph); };
  REQUIRE(shortest_cycles(graph).front().size() == 1);
  REQUIRE(shortest_cycles(graph, no_loop).front().size() == 2);
  REQUIRE(shortest_cycles(graph, [](EdgeId) { return false; }).empty());
  REQUIRE(components(graph, no_loop).cyclic == std::vector<std::vector<VertexId>>{{0, 1}});
}

TEST_CASE("a cycle is rotated to its smallest vertex", "[dependency_graph]") {
  DependencyGraph graph;
  for (int i = 0; i < 3; ++i) add_vertex(graph);
  const EdgeId last = add_edge(1, 0, graph).first;
  const EdgeId first = add_edge(0, 2, graph).first;
  const EdgeId second = add_edge(2, 1, graph).first;
  REQUIRE(canonical(graph, {second, last, first}) == Cycle{first, second, last});
  REQUIRE(canonical(graph, {}).empty());
}

TEST_CASE("one search for each component finds a cycle, if not the shortest", "[dependency_graph]") {
  DependencyGraph graph;
  for (int i = 0; i < 4; ++i) add_vertex(graph);
  for (VertexId i = 0; i < 4; ++i) add_edge(i, (i + 1) % 4, graph);
  add_edge(2, 1, graph);
  REQUIRE(shortest_cycles(graph).front().size() == 2);
  REQUIRE(shortest_cycles(graph, 1).front().size() == 4);
  REQUIRE(shortest_cycles(graph, std::size_t{0}).front().size() == 4);
}

TEST_CASE("a ring of a million vertices needs no deep stack", "[dependency_graph]") {
  const VertexId size = 2'500 * test::effort();
  DependencyGraph graph(size);
  for (VertexId i = 0; i < size; ++i) add_edge(i, (i + 1) % size, graph);
  REQUIRE(shortest_cycles(graph, 1).front().size() == size);
}

}  // namespace
}  // namespace fencecheck
