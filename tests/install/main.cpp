// Two jobs that wait for each other, found through the installed library.
#include <cstdlib>

#include "graph/dependency_graph.hpp"

int main() {
  fencecheck::DependencyGraph graph;
  const auto first = add_vertex({.name = "first"}, graph);
  const auto second = add_vertex({.name = "second"}, graph);
  add_edge(first, second, graph);
  if (!fencecheck::components(graph).cyclic.empty()) return EXIT_FAILURE;
  add_edge(second, first, graph);
  return fencecheck::components(graph).cyclic.size() == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
