#include "checker/watch.hpp"

#include "tests/catch.hpp"

namespace fencecheck {
namespace {

// A graph with the edges "ab", "ba"…, and the given cycle as its only finding.
Checked graph(const std::vector<std::string>& edges, const std::string& cycle) {
  Checked checked;
  checked.source.name = "a.dot";
  Report report;
  auto made = std::make_shared<DependencyGraph>(4);
  for (VertexId vertex = 0; vertex < 4; ++vertex)
    (*made)[vertex].name = std::string(1, static_cast<char>('a' + vertex));
  std::uint32_t line = 0;
  Cycle found;
  for (const std::string& edge : edges) {
    Edge label;
    label.at = {++line, 1, 1};
    const auto added =
        boost::add_edge(static_cast<VertexId>(edge[0] - 'a'), static_cast<VertexId>(edge[1] - 'a'), label, *made);
    if (cycle.find(edge) != std::string::npos) found.push_back(added.first);
  }
  if (!found.empty()) {
    Finding& finding = report.findings.emplace_back();
    finding.message = cycle;
    finding.fingerprint = cycle;
    finding.at = {1, 0, 1};
    report.cycles.push_back(found);
  }
  report.graph = made;
  checked.report = std::move(report);
  return checked;
}

TEST_CASE("nothing is said where nothing changed", "[watch]") {
  CHECK(difference(graph({"ab"}, ""), graph({"cd", "ab"}, "")).empty());
  CHECK(difference(graph({"ab", "ba"}, "aba"), graph({"ab", "ba"}, "aba")).empty());
  CHECK(difference({}, graph({"ab", "ba"}, "aba")).empty());
}

TEST_CASE("the new edge of a new cycle closed it", "[watch]") {
  CHECK(difference(graph({"ab"}, ""), graph({"cd", "ab", "ba"}, "aba")) ==
        "a.dot:1: new: aba [deadlock]\na.dot:3:1: closed the cycle: 'b' now waits for 'a' [explicit]\n");
}

TEST_CASE("of a cycle of old edges nothing more is known", "[watch]") {
  CHECK(difference(graph({"ab", "ba"}, ""), graph({"ab", "ba"}, "aba")) ==
        "a.dot:1: new: aba [deadlock]\n"
        "a.dot: no new edge of the dependency graph is on a cycle that was found\n");
}

TEST_CASE("findings that are gone are said", "[watch]") {
  CHECK(difference(graph({"ab", "ba"}, "aba"), graph({"ab"}, "")) == "a.dot: gone: aba [deadlock]\n");
}

}  // namespace
}  // namespace fencecheck
