#include "encoders/dot.hpp"

#include <set>

#include "encoders/class_graph.hpp"
#include "graph/cycle_findings.hpp"
#include "graph/input/read_dot.hpp"
#include "tests/catch.hpp"
#include "tests/support/drawn.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/small_graphs.hpp"

namespace fencecheck {
namespace {

using Catch::Matchers::Contains;

DotGraph read(const std::string& text) {
  Diagnostics diagnostics;
  std::optional<DotGraph> graph = read_dot({"x.dot", text}, diagnostics);
  for (const Diagnostic& each : diagnostics.sorted()) UNSCOPED_INFO(each.message);
  REQUIRE(graph);
  return *graph;
}

DotGraph documented() { return read(test::read_file("cases/indefinite/documented-diagram.dot")); }

// One of everything: a future fence that a job waits for, and an eviction that waits for the job under a lock.
void build_everything(DependencyGraph& graph) {
  const auto add = [&](const char* name, VertexKind kind, bool user = false, const char* detail = "") {
    return add_vertex(Vertex{name, kind, user, {}, detail}, graph);
  };
  const VertexId render = add("render", VertexKind::fence, false, "ring 0, seqno 7");
  const VertexId release = add("release \"front\"", VertexKind::fence, true);
  const VertexId job = add("job\\1", VertexKind::job);
  const VertexId app = add("app & co", VertexKind::task, true);
  const VertexId lock = add("front.resv", VertexKind::lock);
  const VertexId pool = add("vram", VertexKind::pool);
  const VertexId worker = add("worker", VertexKind::task);
  add_edge(render, job, Edge{Cause::scheduling, false, "", {}}, graph);
  add_edge(job, release, Edge{Cause::explicit_sync, false, "in-fence of job 1", {}}, graph);
  add_edge(release, app, Edge{Cause::userspace, false, "", {}}, graph);
  add_edge(app, lock, Edge{Cause::lock, false, "", {}}, graph);
  add_edge(app, render, Edge{Cause::implicit_sync, true, "", {}}, graph);
  add_edge(app, render, Edge{Cause::memory_management, false, "", {}}, graph);
  add_edge(lock, worker, Edge{Cause::lock, false, "", {}}, graph);
  add_edge(worker, pool, Edge{Cause::memory_management, true, "", {}}, graph);
  add_edge(worker, render, Edge{Cause::reset, true, "", {}}, graph);
}

TEST_CASE("the documented diagram is drawn as it was documented", "[dot]") {
  const DotGraph input = documented();
  const std::string text = dot(*input.graph, {View::classes, input.title, {}, true});
  REQUIRE(text == test::golden("documented-diagram.classes.dot", text));
  REQUIRE_THAT(text, Contains("kernel -> userspace"));
  const std::string again = dot(*read(text).graph, {View::classes, input.title, {}, true});
  REQUIRE(again == text);
}

TEST_CASE("every view of everything is as it was blessed", "[dot]") {
  DependencyGraph graph;
  build_everything(graph);
  for (const ViewInfo& row : graph_views) {
    const std::string text = dot(graph, {row.view, "everything", deadlock_cycles(graph), true});
    INFO(row.id);
    REQUIRE(text == test::golden("everything." + std::string(row.id) + ".dot", text));
    REQUIRE(dot(graph, {row.view, "everything", deadlock_cycles(graph), true}) == text);
  }
}

// Everything that reading must bring back; sorted, because clusters are written before the rest.
std::set<std::string> facts(const DependencyGraph& graph) {
  std::set<std::string> result;
  const auto full_name = [&](VertexId vertex) {
    const Vertex& says = graph[vertex];
    return says.name + (says.detail.empty() ? "" : " " + says.detail);
  };
  for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
    const std::string owner = graph[vertex].user_controlled ? "user " : "kernel ";
    result.insert(owner + std::string(info(graph[vertex].kind).id) + " " + full_name(vertex));
  }
  test::for_each_edge(graph, [&](EdgeId edge) {
    result.insert(full_name(source(edge, graph)) + " -> " + full_name(target(edge, graph)) + " " +
                  std::string(info(graph[edge].cause).id) + (graph[edge].any ? "?" : ""));
  });
  return result;
}

TEST_CASE("what is drawn as instances is read back", "[dot]") {
  DependencyGraph graph;
  build_everything(graph);
  const DotGraph back = read(dot(graph, {View::instances, "A \"title\"", {}, true}));
  REQUIRE(back.title == "A \"title\"");
  REQUIRE_FALSE(back.arrows_hold_up);
  REQUIRE(facts(*back.graph) == facts(graph));
}

TEST_CASE("the cycle view holds the cycles and nothing else", "[dot]") {
  DependencyGraph graph;
  build_everything(graph);
  const std::vector<Cycle> cycles = deadlock_cycles(graph);
  REQUIRE(cycles.size() == 1);
  const DotGraph back = read(dot(graph, {View::cycle, "", cycles, true}));
  REQUIRE(num_edges(*back.graph) == cycles.front().size());
  REQUIRE(num_vertices(*back.graph) == cycles.front().size());
  REQUIRE(num_vertices(*read(dot(graph, {View::cycle, "", {}, true})).graph) == 0);
}

TEST_CASE("classes are the two kinds of fences and what has a name of its own", "[dot]") {
  DependencyGraph graph;
  build_everything(graph);
  const auto classes = group_by_class(graph);
  std::string names;
  for (VertexId vertex = 0; vertex < num_vertices(*classes); ++vertex) names += (*classes)[vertex].name + "; ";
  REQUIRE(names == "Kernel DMA Fences; userspace controlled fences; front.resv; vram; ");
  std::string edges;
  test::for_each_edge(*classes, [&](EdgeId edge) {
    edges += std::to_string(source(edge, *classes)) + "->" + std::to_string(target(edge, *classes)) + " " +
             std::string(info((*classes)[edge].cause).id) + ((*classes)[edge].any ? "?" : "") + "; ";
  });
  REQUIRE(
      edges ==
      "0->1 userspace; 0->3 memory-management?; 1->2 lock; 1->0 implicit-sync?; 1->0 memory-management; 2->0 lock; ");
  REQUIRE(num_edges(*group_by_class(*classes)) == num_edges(*classes));
}

TEST_CASE("a class arrow is dashed only if every wait it stands for is", "[dot]") {
  DependencyGraph graph;
  for (const bool user : {false, false, true}) add_vertex(Vertex{"x", VertexKind::fence, user, {}, {}}, graph);
  add_edge(0, 2, Edge{Cause::userspace, true, {}, {}}, graph);
  add_edge(1, 2, Edge{Cause::userspace, true, {}, {}}, graph);
  REQUIRE_THAT(dot(graph, {View::classes, "", {}, true}), Contains("dashed"));
  add_edge(1, 2, Edge{Cause::explicit_sync, false, {}, {}}, graph);  // the same cause, seen from the classes
  REQUIRE_THAT(dot(graph, {View::classes, "", {}, true}), !Contains("dashed"));
}

TEST_CASE("labels can be left out", "[dot]") {
  const DotGraph input = documented();
  REQUIRE_THAT(dot(*input.graph, {View::classes, "", {}, false}), !Contains("label=\"memory management\""));
  REQUIRE_THAT(dot(*input.graph, {View::instances, "", {}, false}), !Contains("label=\"memory-management\""));
}

// A ring of vertices with a long tail, so that the shortest cycle is known.
void build_large(std::size_t ring, std::size_t tail, DependencyGraph& graph) {
  for (std::size_t i = 0; i < ring + tail; ++i)
    add_vertex(Vertex{"f" + std::to_string(i), VertexKind::fence, false, {}, {}}, graph);
  for (std::size_t i = 0; i < ring; ++i) add_edge(i, (i + 1) % ring, Edge{Cause::lock, false, {}, {}}, graph);
  for (std::size_t i = 0; i < tail; ++i) add_edge(i % ring, ring + i, Edge{Cause::scheduling, false, {}, {}}, graph);
}

TEST_CASE("a large graph is cut to its shortest cycle, and says what is missing", "[dot]") {
  DependencyGraph graph;
  build_large(5, 200, graph);
  const Drawing cut = draw(graph, {View::instances, "", {}, true, 20});
  REQUIRE(cut.nodes.size() == 20);
  REQUIRE(cut.left_out == "185 more vertices and 185 more arrows are not drawn");
  REQUIRE_THAT(unbroken(to_dot(cut)), Contains(cut.left_out));
  for (std::size_t i = 0; i < 5; ++i) REQUIRE(cut.nodes[i].id == "n" + std::to_string(i));
  REQUIRE(draw(graph, {View::instances, "", {}, true, 0}).nodes.size() == 205);
  REQUIRE(draw(graph, {View::instances, "", {}, true, 205}).left_out.empty());
}

TEST_CASE("a cycle is drawn whole even if it is longer than what fits", "[dot]") {
  DependencyGraph graph;
  build_large(30, 3, graph);
  const std::vector<Cycle> cycles = deadlock_cycles(graph);
  const Drawing cut = draw(graph, {View::instances, "", cycles, true, 10});
  REQUIRE(cut.nodes.size() == 30);
  REQUIRE(cut.arrows.size() == 30);
  REQUIRE(cut.left_out == "3 more vertices and 3 more arrows are not drawn");
}

TEST_CASE("the legend says what the drawing uses, and is not read back", "[dot]") {
  DependencyGraph graph;
  build_large(2, 1, graph);
  const Drawing drawing = draw(graph, {View::instances, "", deadlock_cycles(graph), true});
  std::string legend;
  for (const LegendRow& row : drawing.legend) legend += row.says.substr(0, row.says.find(':')) + "; ";
  REQUIRE(legend == "scheduling; lock; bold; ");
  const std::string text = to_dot(drawing);
  REQUIRE_THAT(text, Contains("cluster_legend") && Contains("lock: a lock that somebody else holds"));
  REQUIRE(num_vertices(*read(text).graph) == 3);
  REQUIRE(draw(graph, {.view = View::classes}).legend.empty());
}

TEST_CASE("an empty graph is drawn", "[dot]") {
  for (const ViewInfo& row : graph_views) {
    REQUIRE(num_vertices(*read(dot({}, {row.view, "", {}, true})).graph) == 0);
  }
}

}  // namespace
}  // namespace fencecheck
