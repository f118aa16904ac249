#include "graph/input/read_dot.hpp"

#include <unistd.h>

#include <cstdio>

#include "graph/cycle_findings.hpp"
#include "graph/input/dot_outline.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/small_graphs.hpp"

namespace fencecheck {
namespace {

struct Outcome {
  std::optional<DotGraph> graph;
  std::string said;  // every diagnostic as "line:column: message; "
};

Outcome read(const std::string& text) {
  Outcome outcome;
  Diagnostics diagnostics;
  outcome.graph = read_dot({"x.dot", text}, diagnostics);
  for (const Diagnostic& each : diagnostics.sorted()) {
    outcome.said += std::to_string(each.at.line) + ":" + std::to_string(each.at.column) + ": " + each.message + "; ";
  }
  return outcome;
}

std::string said_about(const std::string& text) {
  const Outcome outcome = read(text);
  return (outcome.graph ? "accepted; " : "") + outcome.said;
}

// "a -explicit-> b, ..." in the order of the edges; dashed ones with "?".
std::string edges_of(const std::string& text) {
  const Outcome outcome = read(text);
  if (!outcome.graph) return outcome.said;
  const DependencyGraph& graph = *outcome.graph->graph;
  std::string result;
  test::for_each_edge(graph, [&](EdgeId edge) {
    result += (result.empty() ? "" : ", ") + graph[source(edge, graph)].name + " -" +
              std::string(info(graph[edge].cause).id) + (graph[edge].any ? "?" : "") + "-> " +
              graph[target(edge, graph)].name;
  });
  return result;
}

std::string vertices_of(const std::string& text) {
  const Outcome outcome = read(text);
  if (!outcome.graph) return outcome.said;
  const DependencyGraph& graph = *outcome.graph->graph;
  std::string result;
  for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
    result += (vertex == 0 ? "" : ", ") + std::string(info(graph[vertex].kind).id) + " " + graph[vertex].name +
              (graph[vertex].user_controlled ? " (user)" : "");
  }
  return result;
}

TEST_CASE("the documented diagram is read and its cycle found", "[read_dot]") {
  const Outcome outcome = read(test::read_file("cases/indefinite/documented-diagram.dot"));
  REQUIRE(outcome.said.empty());
  REQUIRE(outcome.graph->title == "Fencing Cycle");
  REQUIRE(outcome.graph->arrows_hold_up);
  REQUIRE(outcome.graph->expect->verdict == Verdict::violated);
  REQUIRE(outcome.graph->expect->findings == std::vector<FindingKind>{FindingKind::deadlock});
  const std::vector<Finding> findings = graph_findings(*outcome.graph->graph);
  REQUIRE(findings.size() == 1);
  const Finding& finding = findings.front();
  REQUIRE(finding.message == "dependency cycle: Kernel DMA Fences -> userspace controlled fences -> Kernel DMA Fences");
  REQUIRE(finding.needs == Causes().with(Cause::userspace).with(Cause::memory_management));
  REQUIRE(finding.parties.at(0).cause == Cause::userspace);  // a future fence holds the kernel up
  REQUIRE(finding.parties.at(0).at == Place{9, 4, 19});
  REQUIRE(finding.at == Place{8, 4, 19});
}

TEST_CASE("without the import the documented diagram has no cycle", "[read_dot]") {
  const Outcome outcome = read(test::read_file("cases/indefinite/documented-diagram+no-import.dot"));
  REQUIRE(outcome.said.empty());
  REQUIRE(outcome.graph->expect->verdict == Verdict::holds);
  REQUIRE(outcome.graph->expect->findings.empty());
  REQUIRE(graph_findings(*outcome.graph->graph).empty());
}

TEST_CASE("vertices have a name, a kind and an owner", "[read_dot]") {
  REQUIRE(vertices_of("digraph { a -> b; c }") == "fence a, fence b, fence c");
  REQUIRE(vertices_of(R"(digraph { a [label="one\ntwo"] b [label=""] c [label="\N \\ &amp;"] })") ==
          "fence one two, fence b, fence c \\ &");
  REQUIRE(vertices_of("digraph { a [label=<<b>x</b>>] }") == "fence a");
  REQUIRE(vertices_of("digraph { a [label=x] b [label=x] c }") == "fence x (a), fence x (b), fence c");
  REQUIRE(vertices_of("digraph { a [shape=octagon] b [shape=cylinder] c [shape=component] d [shape=ellipse] }") ==
          "lock a, pool b, job c, task d");
  REQUIRE(vertices_of("digraph { userspace; b [label=\"User fence\"]; userptr; superuser }") ==
          "fence userspace (user), fence User fence (user), fence userptr, fence superuser");
  REQUIRE(vertices_of("digraph { \"\xff\x01\" }") == "fence ??");
}

TEST_CASE("the innermost cluster that says so decides who controls a vertex", "[read_dot]") {
  REQUIRE(vertices_of("digraph { subgraph cluster_u { label=\"userspace controlled fences\"; a } b }") ==
          "fence a (user), fence b");
  REQUIRE(
      vertices_of("digraph { subgraph cluster_user { a subgraph cluster_kernel { b subgraph cluster_x { c } } } }") ==
      "fence a (user), fence b, fence c");
  REQUIRE(vertices_of("digraph { subgraph user { a } label=\"user fences\"; subgraph cluster_x { b } }") ==
          "fence a, fence b");
  REQUIRE(vertices_of("digraph { subgraph cluster_kernel { user } }") == "fence user");
}

TEST_CASE("edges have a cause, alternatives and a direction", "[read_dot]") {
  REQUIRE(edges_of(R"(digraph { a -> b -> c [label="memory-management"]; c -> a [label=lock style="bold,dashed"] })") ==
          "a -memory-management-> b, b -memory-management-> c, c -lock?-> a");
  REQUIRE(edges_of(R"(digraph { edge [style=dashed]; a -> {b c} })") == "a -explicit?-> b, a -explicit?-> c");
  REQUIRE(edges_of(R"(digraph { a -> b [label="Implicit sync\nby a reservation"] })") == "a -implicit-sync-> b");
  REQUIRE(edges_of(R"(digraph { a -> b [label="clock"]; b -> a [label="a lock."] })") ==
          "a -explicit-> b, b -lock-> a");
  REQUIRE(edges_of(R"(digraph { a -> b [label="Future fence, fence proxy, ..."] })") == "a -userspace-> b");
  REQUIRE(edges_of("digraph { a -> b [dir=back]; c -> d [dir=both]; a -> a }") ==
          "a -explicit-> a, b -explicit-> a, c -explicit-> d, d -explicit-> c");
  REQUIRE(edges_of("strict digraph { a -> b; a -> b }") == "a -explicit-> b");
  REQUIRE(edges_of("digraph { a -> b; a -> b }") == "a -explicit-> b, a -explicit-> b");
}

TEST_CASE("what an arrow means can be said", "[read_dot]") {
  REQUIRE(edges_of("// fencecheck arrows: holds-up\ndigraph { a -> b }") == "b -explicit-> a");
  REQUIRE(edges_of("digraph { fencecheck=\"holds-up\"; a -> b }") == "b -explicit-> a");
  const std::string documented = "digraph { kernel -> user [label=\"memory management\"] }";
  REQUIRE(edges_of(documented) == "user -memory-management-> kernel");
  REQUIRE(edges_of("// fencecheck arrows: waits-for\n" + documented) == "kernel -memory-management-> user");
  REQUIRE(edges_of("digraph { kernel -> user [label=userspace]; kernel -> user [label=\"memory management\"] }") ==
          "kernel -userspace-> user, kernel -memory-management-> user");
}

TEST_CASE("places are those of the first mention and of the arrow", "[read_dot]") {
  const Outcome outcome = read("digraph {\n  a [label=x]; \"b c\"\n  a -> \"b c\" a -> \"b c\"\n  {a} -> \"b c\"\n}");
  const DependencyGraph& graph = *outcome.graph->graph;
  REQUIRE(graph[0].at == Place{2, 3, 1});
  REQUIRE(graph[1].at == Place{2, 16, 5});
  std::vector<Place> places;
  test::for_each_edge(graph, [&](EdgeId edge) { places.push_back(graph[edge].at); });
  REQUIRE(places == std::vector<Place>{{3, 3, 10}, {3, 14, 10}, {3, 14, 10}});
}

TEST_CASE("comments above the graph say what to expect", "[read_dot]") {
  const Outcome outcome =
      read("# fencecheck expect: stall, deadlock\n// fencecheck needs: lock, reset\ndigraph t { a -> a }");
  REQUIRE(outcome.said.empty());
  const Expectation& expect = outcome.graph->expect.value();
  REQUIRE(expect.findings == std::vector<FindingKind>{FindingKind::deadlock, FindingKind::stall});
  REQUIRE(expect.needs == Causes().with(Cause::lock).with(Cause::reset));
  REQUIRE(expect.at.line == 1);
  REQUIRE(read("// fencecheck expect: unknown\ndigraph {a->a}").graph->expect->verdict == Verdict::unknown);
  REQUIRE_FALSE(read("digraph {a->a}\n// fencecheck expect: holds").graph->expect);
  REQUIRE_FALSE(read("// fencechecker expects nothing\ndigraph {a->a}").graph->expect);
}

TEST_CASE("a wrong word in a comment is an error at its place", "[read_dot]") {
  REQUIRE(said_about("// fencecheck expect: deadlok\ndigraph {a->a}") ==
          "1:23: no verdict and no finding is called 'deadlok'; did you mean 'deadlock'?; ");
  REQUIRE(said_about("// fencecheck expct: deadlock\ndigraph {a->a}") ==
          "1:15: no setting is called 'expct'; did you mean 'expect'?; ");
  REQUIRE(said_about("// fencecheck needs: lock, lokc\ndigraph {a->a}") ==
          "1:28: no cause is called 'lokc'; did you mean 'lock'?; ");
  REQUIRE(said_about("// fencecheck arrows: up\ndigraph {a->a}") ==
          "1:23: no meaning of arrows is called 'up'; there are waits-for, holds-up; ");
  REQUIRE(said_about("// fencecheck arrows:\ndigraph {a->a}") == "1:15: 'arrows' has no value; ");
  REQUIRE(said_about("// fencecheck please\ndigraph {a->a}") == "1:4: expected 'fencecheck KEY: VALUE'; ");
}

TEST_CASE("a graph has a title", "[read_dot]") {
  REQUIRE(read("digraph \"A title\" {a->a}").graph->title == "A title");
  REQUIRE(read("digraph {label=\"A label\"; a->a}").graph->title == "A label");
  REQUIRE(read("digraph {a->a}").graph->title == "x.dot");
}

TEST_CASE("each kind of bad input has its message", "[read_dot]") {
  REQUIRE(said_about("") == "1:1: there is no graph in this file; ");
  REQUIRE(said_about(" // nothing\n") == "1:1: there is no graph in this file; ");
  REQUIRE(said_about("graph { a -- b }") == "1:1: a dependency graph needs arrows: 'digraph' instead of 'graph'; ");
  REQUIRE(said_about("name: x\n") == "1:1: expected 'digraph'; ");
  REQUIRE(said_about("digraph x y {") == "1:11: expected '{'; ");
  REQUIRE(said_about("digraph {\n a -> b\n") == "1:9: this brace is never closed; ");
  REQUIRE(said_about("digraph {\n a [label=x\n") == "2:4: this bracket is never closed; ");
  REQUIRE(said_about("digraph {\n a [label=\"x]\n}\n") == "2:11: this string is never closed; ");
  REQUIRE(said_about("digraph {\n a [label=<x]\n}\n") == "2:11: this HTML text is never closed; ");
  REQUIRE(said_about("digraph {\n /* a\n}\n") == "2:2: this comment is never closed; ");
  REQUIRE(said_about("digraph { a -> b }\ndigraph { c }") == "2:1: text behind the end of the graph; ");
  REQUIRE(said_about(std::string("digraph { a\0 }", 14)) == "1:12: this is not a text: it holds a NUL byte; ");
  REQUIRE(said_about("digraph {\n a -> -> b\n}") == "2:4: syntax error near '->'; ");
  REQUIRE(said_about("digraph {\n a -- b\n}") == "2:4: syntax error near '--'; ");
  REQUIRE(said_about("digraph { a }") == "accepted; 0:0: the graph has no arrows, so nothing in it waits; ");
}

TEST_CASE("what libcgraph cannot bear is refused", "[read_dot]") {
  std::string chain = "digraph { a";
  for (int i = 0; i < 1000; ++i) chain += " -> a";
  REQUIRE(said_about(chain + " }") == "accepted; ");
  REQUIRE(said_about(chain + " -> a }") == "1:5013: a chain of more than 1000 arrows; split it; ");
  const std::string opened(99, '{');
  const std::string closed(99, '}');
  REQUIRE(said_about("digraph { a -> a" + opened + closed + "}") == "accepted; ");
  REQUIRE(said_about("digraph { a -> a{" + opened + closed + "}}") == "1:116: braces are nested deeper than 100; ");
  std::string group = "{";
  for (int i = 0; i < 1001; ++i) group += " n" + std::to_string(i);
  group += " }";
  REQUIRE(said_about("digraph { " + group + " -> " + group + " }") ==
          "1:9: arrows between groups stand for more than 1000000 edges; ");
}

TEST_CASE("a graph of two hundred thousand lines is read", "[read_dot]") {
  std::string text = "digraph {\n";
  const std::uint64_t lines = 500 * test::effort();
  for (std::uint64_t i = 0; i < lines; ++i) text += "n" + std::to_string(i) + " -> n" + std::to_string(i + 1) + "\n";
  const Outcome outcome = read(text + "}");
  REQUIRE(outcome.said.empty());
  REQUIRE(num_vertices(*outcome.graph->graph) == lines + 1);
  REQUIRE((*outcome.graph->graph)[lines].at.line == lines + 1);
}

// What the calls in between write to standard error.
class StandardError {
 public:
  StandardError() : kept_(dup(STDERR_FILENO)) { dup2(fileno(file_), STDERR_FILENO); }
  ~StandardError() {
    dup2(kept_, STDERR_FILENO);
    close(kept_);
    std::fclose(file_);
  }
  StandardError(const StandardError&) = delete;
  StandardError& operator=(const StandardError&) = delete;
  [[nodiscard]] long bytes() const { return lseek(fileno(file_), 0, SEEK_END); }

 private:
  std::FILE* file_ = std::tmpfile();
  int kept_;
};

TEST_CASE("a text cut or changed anywhere does no harm and leaves no trace", "[read_dot]") {
  const std::string good =
      "/* c */ strict digraph \"t\" { // x\n node [shape=box]; a:p -> {b c} -> \"d\\\"e\" [label=<<i>l</i>>]\n"
      "subgraph cluster_u { label=user; -1.5; x=y }\n# z\n subgraph cluster_u -> a, b; }\n";
  const StandardError standard_error;
  for (std::size_t at = 0; at <= good.size(); ++at) {
    (void)read(good.substr(0, at));
    for (const char byte :
         {'"', '{', '}', '<', '>', '[', '-', '/', '*', '\\', '\n', '\0', '\xff', ';', '=', ':', 'a', '1'}) {
      std::string bad = good;
      bad.insert(at, 1, byte);
      (void)read(bad);
      if (at < good.size()) bad.erase(at + 1, 1);
      (void)read(bad);
    }
    if (edges_of("digraph { a -> b }") != "a -explicit-> b") FAIL("after the text cut or changed at " << at);
  }
  REQUIRE(standard_error.bytes() == 0);
}

}  // namespace
}  // namespace fencecheck
