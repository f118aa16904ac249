// Graphs from numbers, so that a failure is one line: the number.
#pragma once

#include <cstddef>

#include "graph/dependency_graph.hpp"

namespace fencecheck::test {

inline constexpr unsigned long power(unsigned long base, std::size_t exponent) {
  unsigned long result = 1;
  for (std::size_t i = 0; i < exponent; ++i) result *= base;
  return result;
}

// The digraph of `size` vertices a, b, c… whose adjacency matrix are the digits
// of `code` to the base `kinds`: 0 no edge, 1 an edge, 2 an `any` edge.
inline void graph_from_code(std::size_t size, unsigned long code, unsigned long kinds, DependencyGraph& graph) {
  for (std::size_t i = 0; i < size; ++i) {
    Vertex vertex;
    vertex.name = std::string(1, static_cast<char>('a' + i));
    add_vertex(vertex, graph);
  }
  for (std::size_t from = 0; from < size; ++from) {
    for (std::size_t to = 0; to < size; ++to, code /= kinds) {
      if (code % kinds == 0) continue;
      Edge edge;
      edge.any = code % kinds == 2;
      add_edge(from, to, edge, graph);
    }
  }
}

// Calls a function with each edge of the graph, in order.
template <class Function>
void for_each_edge(const DependencyGraph& graph, Function function) {
  for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
    const auto [begin, end] = out_edges(vertex, graph);
    for (auto edge = begin; edge != end; ++edge) function(*edge);
  }
}

}  // namespace fencecheck::test
