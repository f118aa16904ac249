// Schedules as pictures, and every view in every language.
#include "encoders/diagram.hpp"

#include <sstream>

#include "checker/check.hpp"
#include "encoders/mermaid.hpp"
#include "graph/input/read_dot.hpp"
#include "tests/catch.hpp"
#include "tests/support/drawn.hpp"
#include "tests/support/golden.hpp"

namespace fencecheck {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

Report checked(const std::string& name) {
  const Checked result = check_file(FENCECHECK_SOURCE_DIR "/cases/" + name, {});
  REQUIRE(result.report);
  return *result.report;
}

// Two threads: one waits and goes on, then both wait for ever.
Finding small_finding() {
  Finding finding;
  finding.message = "2 parties wait for each other";
  finding.fingerprint = "0123456789abcdef";
  finding.objects = {{"lock", "m", "free"}};
  const auto step = [&](const char* thread, const char* action, bool blocks = false) {
    ScheduleStep each{thread, action, "", blocks, false, {3, 1, 1}, Cause::lock};
    finding.schedule.push_back(each);
  };
  step("worker 'one'", "takes lock 'm'");
  step("worker 'one'", "releases lock 'm'; & \"quotes\" #1");
  step("worker 'two'", "takes lock 'm'");
  finding.schedule[2].released_by = 1;
  step("worker 'one'", "waits for fence 'a'", true);
  step("worker 'two'", "waits for fence 'b'", true);
  for (const char* name : {"worker 'one'", "worker 'two'"}) {
    Party party;
    party.name = name;
    party.cause = Cause::explicit_sync;
    finding.parties.push_back(party);
  }
  return finding;
}

TEST_CASE("a schedule is lanes, rows, and arrows from what releases to what goes on", "[diagram]") {
  const Sequence drawn = sequence(small_finding(), "t");
  CHECK(drawn.lanes == std::vector<std::string>{"worker 'one'", "worker 'two'"});
  CHECK(drawn.rows == std::vector<std::vector<std::size_t>>{{0}, {1}, {2}, {3, 4}});
  REQUIRE(drawn.arrows.size() == 3);
  CHECK(drawn.arrows[0].from == 1);
  CHECK(drawn.arrows[0].to == 2);
  CHECK_FALSE(drawn.arrows[0].waits);
  CHECK(drawn.arrows[1].waits);
  CHECK(drawn.arrows[1].from == 3);
  CHECK(drawn.arrows[1].to == 4);
  CHECK(drawn.arrows[2].to == 3);
  CHECK(drawn.left_out.empty());
}

TEST_CASE("of a long schedule the end is drawn", "[diagram]") {
  const Sequence drawn = sequence(small_finding(), "t", 3);
  CHECK(drawn.left_out == "the first 2 of 5 steps are not drawn");
  CHECK(drawn.steps.front().number == "3");
  CHECK(drawn.arrows.size() == 2);  // what released step 3 is not there
  CHECK_THAT(unbroken(to_dot(drawn)), Contains(drawn.left_out));
  CHECK_THAT(to_mermaid(drawn), Contains(drawn.left_out));
}

TEST_CASE("a chain that is not closed has no arrow back", "[diagram]") {
  Finding finding = small_finding();
  finding.closed = false;
  CHECK(sequence(finding, "t").arrows.size() == 2);
}

TEST_CASE("schedules are as they were blessed", "[diagram]") {
  const Sequence drawn = sequence(small_finding(), "a small one");
  CHECK(to_dot(drawn) == test::golden("small.schedule.dot", to_dot(drawn)));
  CHECK(to_mermaid(drawn) == test::golden("small.schedule.mmd", to_mermaid(drawn)));
  CHECK_THAT(to_mermaid(drawn), Contains("#38; #34;quotes#34; #35;1"));
}

TEST_CASE("graphs in Mermaid are as they were blessed", "[diagram]") {
  const Report report = checked("indefinite/future-fence.yaml");
  for (const ViewInfo& row : graph_views) {
    const std::string text = diagram(report, DiagramFormat::mermaid, {row.view, 60, "", true}).content;
    CHECK(text == test::golden("future-fence." + std::string(row.id) + ".mmd", text));
  }
}

TEST_CASE("every view of a case is written in every format, the same each time", "[diagram]") {
  const Report report = checked("indefinite/future-fence.yaml");
  for (const ViewInfo& view : view_table) {
    for (const DiagramFormatInfo& format : diagram_format_table) {
      INFO(view.id << " as " << format.id);
      const Diagram once = diagram(report, format.format, {view.view, 60, "", true});
      CHECK(once.problem.empty());
      CHECK_FALSE(once.content.empty());
      CHECK(diagram(report, format.format, {view.view, 60, "", true}).content == once.content);
    }
  }
}

TEST_CASE("a picture of a schedule has stable ids and tooltips", "[diagram]") {
  const std::string svg =
      diagram(checked("indefinite/future-fence.yaml"), DiagramFormat::svg, {.view = View::schedule}).content;
  CHECK_THAT(svg, Contains("id=\"s1\"") && Contains("id=\"lane0\"") && Contains("xlink:title=\"1: "));
}

TEST_CASE("the block for the kernel's documentation has words for who cannot see it", "[diagram]") {
  const std::string text =
      diagram(checked("indefinite/future-fence.yaml"), DiagramFormat::rst, {.view = View::cycle}).content;
  CHECK_THAT(text, StartsWith(".. kernel-render:: DOT\n   :alt: a future fence meets memory management: ") &&
                       Contains("\n   :caption: a future fence meets memory management\n\n   digraph ") &&
                       Contains(" waits for "));
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) CHECK((line.empty() || line.starts_with("   ")));
}

TEST_CASE("without a schedule there is nothing to draw", "[diagram]") {
  const Report graph = checked("indefinite/documented-diagram.dot");
  CHECK(diagram(graph, DiagramFormat::dot, {.view = View::schedule}).problem ==
        "there is no schedule to draw: no finding is confirmed");
  const Report scenario = checked("indefinite/future-fence.yaml");
  CHECK(diagram(scenario, DiagramFormat::dot, {View::schedule, 60, "ffff", true}).problem ==
        "no finding with a schedule has the fingerprint 'ffff'");
  const std::string& own = scenario.findings.front().fingerprint;
  CHECK(diagram(scenario, DiagramFormat::dot, {View::schedule, 60, own, true}).problem.empty());
}

TEST_CASE("the drawing of a schedule is not taken for a dependency graph", "[diagram]") {
  Diagnostics diagnostics;
  CHECK_FALSE(read_dot({"x.dot", to_dot(sequence(small_finding(), "t")), {}}, diagnostics));
  CHECK(diagnostics.sorted().front().message == "this is the drawing of a schedule, not a dependency graph");
}

}  // namespace
}  // namespace fencecheck
