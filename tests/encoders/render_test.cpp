#include "encoders/render.hpp"

#include "graph/input/read_dot.hpp"
#include "tests/catch.hpp"
#include "tests/support/drawn.hpp"
#include "tests/support/golden.hpp"

namespace fencecheck {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

std::string documented() { return test::read_file("cases/indefinite/documented-diagram.dot"); }

TEST_CASE("the documented diagram becomes pictures, the same each time", "[render]") {
  const std::string svg = render(documented(), Picture::svg);
  REQUIRE_THAT(svg, StartsWith("<?xml") && Contains("Kernel DMA Fences") && Contains("memory management"));
  REQUIRE(render(documented(), Picture::svg) == svg);
  const std::string png = render(documented(), Picture::png);
  REQUIRE(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  REQUIRE(png.size() > 1000);
  REQUIRE(render(documented(), Picture::png) == png);
}

TEST_CASE("every view can be laid out, and drawing does not change what is written", "[render]") {
  Diagnostics diagnostics;
  const std::optional<DotGraph> input = read_dot({"x.dot", documented()}, diagnostics);
  for (const ViewInfo& row : graph_views) {
    const std::string text = dot(*input->graph, {row.view, "t", {}, true});
    REQUIRE_THAT(render(text, Picture::svg), Contains("</svg>"));
    REQUIRE(dot(*input->graph, {row.view, "t", {}, true}) == text);
  }
}

TEST_CASE("ids in pictures are ours", "[render]") {
  DependencyGraph graph;
  add_vertex(Vertex{"a < \"b\"", VertexKind::fence, false, {}, {}}, graph);
  add_edge(0, 0, graph);
  const std::string svg = render(dot(graph), Picture::svg);
  REQUIRE_THAT(svg, Contains("id=\"n0\"") && Contains("id=\"e0\"") && Contains("a &lt; &quot;b&quot;"));
}

TEST_CASE("what cannot be drawn is said in words", "[render]") {
  REQUIRE_THROWS_WITH(render("digraph {", Picture::svg), StartsWith("Graphviz cannot read the graph: syntax error"));
  REQUIRE_THROWS_WITH(render("", Picture::svg), StartsWith("Graphviz cannot read the graph"));
  REQUIRE_THAT(render("digraph { a }", Picture::svg), Contains("</svg>"));
}

}  // namespace
}  // namespace fencecheck
