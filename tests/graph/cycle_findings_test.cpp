#include "graph/cycle_findings.hpp"

#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/small_graphs.hpp"

namespace fencecheck {
namespace {

using test::graph_from_code;
using test::power;

// By the definition: the union of all sets none of whose members can be the first to finish.
std::vector<bool> stuck_by_definition(const DependencyGraph& graph) {
  const std::size_t size = num_vertices(graph);
  std::vector<bool> stuck(size, false);
  for (std::size_t set = 0; set < (std::size_t{1} << size); ++set) {
    std::vector<bool> blocked(size, false);      // an edge of its that is not `any` leads into the set
    std::vector<bool> any(size, false);          // it has alternatives
    std::vector<bool> alternative(size, false);  // one of them leads out of the set
    test::for_each_edge(graph, [&](EdgeId edge) {
      const VertexId from = source(edge, graph);
      const bool inside = (set >> target(edge, graph) & 1) != 0;
      if (graph[edge].any) any[from] = true;
      if (graph[edge].any && !inside) alternative[from] = true;
      if (!graph[edge].any && inside) blocked[from] = true;
    });
    bool closed = true;
    for (std::size_t i = 0; i < size; ++i)
      closed = closed && ((set >> i & 1) == 0 || blocked[i] || (any[i] && !alternative[i]));
    for (std::size_t i = 0; closed && i < size; ++i) stuck[i] = stuck[i] || (set >> i & 1) != 0;
  }
  return stuck;
}

bool agrees(const DependencyGraph& graph) {
  const std::vector<bool> stuck = stuck_by_definition(graph);
  const bool expected = std::find(stuck.begin(), stuck.end(), true) != stuck.end();
  const std::vector<Cycle> cycles = deadlock_cycles(graph);
  bool good = stuck_vertices(graph) == stuck && cycles.empty() != expected;
  for (const Cycle& cycle : cycles) {
    for (const EdgeId edge : cycle) good = good && stuck[source(edge, graph)];
  }
  return good;
}

TEST_CASE("what is stuck in every graph of up to three vertices, with and without alternatives", "[cycle_findings]") {
  for (std::size_t size = 0; size <= 3; ++size) {
    for (unsigned long code = 0; code < power(3, size * size); ++code) {
      DependencyGraph graph;
      graph_from_code(size, code, 3, graph);
      if (!agrees(graph)) FAIL("graph_from_code(" << size << ", " << code << ", 3)");
    }
  }
}

struct Arrow {
  VertexId from;
  VertexId to;
  bool any = false;
  Cause cause = Cause::explicit_sync;
};

void build(std::size_t size, const std::vector<Arrow>& arrows, DependencyGraph& graph) {
  graph_from_code(size, 0, 2, graph);
  for (const Arrow& arrow : arrows) {
    Edge edge;
    edge.any = arrow.any;
    edge.cause = arrow.cause;
    edge.at = {static_cast<std::uint32_t>(10 + arrow.from), 1, 1};
    add_edge(arrow.from, arrow.to, edge, graph);
  }
}

TEST_CASE("a cycle becomes a potential deadlock with its parties", "[cycle_findings]") {
  DependencyGraph graph;
  build(3, {{0, 1, false, Cause::userspace}, {1, 2, false, Cause::lock}, {2, 0, false, Cause::memory_management}},
        graph);
  const std::vector<Finding> findings = graph_findings(graph);
  REQUIRE(findings.size() == 1);
  const Finding& finding = findings.front();
  REQUIRE(finding.message == "dependency cycle: a -> b -> c -> a");
  REQUIRE(finding.kind == FindingKind::deadlock);
  REQUIRE(finding.strength == Strength::potential);
  REQUIRE(finding.needs == Causes().with(Cause::userspace).with(Cause::lock).with(Cause::memory_management));
  REQUIRE(finding.at == Place{12, 1, 1});
  REQUIRE(finding.fingerprint == fingerprint(finding));
  REQUIRE(finding.closed);
  REQUIRE(finding.notes.empty());
  REQUIRE(finding.parties.size() == 3);
  REQUIRE(finding.parties[1].name == "b");
  REQUIRE(finding.parties[1].waits_for == "c");
  REQUIRE(finding.parties[1].cause == Cause::lock);
  REQUIRE(finding.parties[1].at == Place{11, 1, 1});
}

TEST_CASE("an alternative that leads out of the knot is a way out", "[cycle_findings]") {
  DependencyGraph graph;  // a waits for b or c, b for a; c finishes
  build(3, {{0, 1, true}, {0, 2, true}, {1, 0}}, graph);
  REQUIRE(graph_findings(graph).empty());
}

TEST_CASE("alternatives that are all stuck are none, and the finding says so", "[cycle_findings]") {
  DependencyGraph graph;  // a waits for b or c, both of which wait for a
  build(3, {{0, 1, true}, {0, 2, true}, {1, 0}, {2, 0}}, graph);
  const std::vector<Finding> findings = graph_findings(graph);
  REQUIRE(findings.size() == 1);
  REQUIRE(findings.front().notes ==
          std::vector<std::string>{"'a' waits for any of 'b', 'c', none of which can finish"});
}

TEST_CASE("an alternative is no reason if another one finishes", "[cycle_findings]") {
  DependencyGraph graph;  // a is stuck behind b's loop; its alternatives c (stuck behind a) and d do not matter
  build(4, {{0, 1}, {1, 1}, {0, 2, true}, {0, 3, true}, {2, 0}}, graph);
  const std::vector<Finding> findings = graph_findings(graph);
  REQUIRE(findings.size() == 1);
  REQUIRE(findings.front().message == "dependency cycle: b -> b");
}

TEST_CASE("what only the application can break is its own", "[cycle_findings]") {
  DependencyGraph graph;
  build(2, {{0, 1}, {1, 0}}, graph);
  graph[0].user_controlled = graph[1].user_controlled = true;
  REQUIRE(graph_findings(graph).front().notes ==
          std::vector<std::string>{"userspace controls every party: the application's own deadlock"});
}

TEST_CASE("a long cycle is shortened in the message only", "[cycle_findings]") {
  DependencyGraph graph;
  graph_from_code(20, 0, 2, graph);
  for (VertexId i = 0; i < 20; ++i) add_edge(i, (i + 1) % 20, graph);
  const Finding finding = graph_findings(graph).front();
  REQUIRE(finding.message ==
          "dependency cycle: a -> b -> c -> d -> e -> f -> (8 more) -> o -> p -> q -> r -> s -> t -> a");
  REQUIRE(finding.parties.size() == 20);
}

TEST_CASE("a chain of a million vertices finishes without a deep stack", "[cycle_findings]") {
  const VertexId size = 2'500 * test::effort();
  DependencyGraph graph(size);
  for (VertexId i = 0; i + 1 < size; ++i) add_edge(i, i + 1, graph);
  REQUIRE(deadlock_cycles(graph).empty());
}

}  // namespace
}  // namespace fencecheck
