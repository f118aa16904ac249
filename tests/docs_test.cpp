// Generated pages are what the tables make. To renew them: FENCECHECK_BLESS=1 and run these tests.
#include <filesystem>
#include <sstream>

#include "checker/check.hpp"
#include "checker/input.hpp"
#include "checker/option_pages.hpp"
#include "encoders/diagram.hpp"
#include "encoders/pages.hpp"
#include "encoders/report/text.hpp"
#include "graph/input/keys.hpp"
#include "graph/input/trace_page.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/golden.hpp"

namespace fencecheck {
namespace {

TEST_CASE("docs/rules.md is the page that the tables make") {
  const std::string page = rules_page();
  CHECK(test::golden("../../docs/rules.md", page) == page);
}

TEST_CASE("docs/keys.md is the page that the key table makes") {
  const std::string page = input_keys_page();
  CHECK(test::golden("../../docs/keys.md", page) == page);
}

TEST_CASE("docs/fencecheck.1 and the completions are what the option table makes") {
  for (const auto& [path, text] : {std::pair<std::string, std::string>("fencecheck.1", manual_page()),
                                   {"completions/fencecheck.bash", bash_completion()},
                                   {"completions/fencecheck.zsh", zsh_completion()},
                                   {"completions/fencecheck.fish", fish_completion()}}) {
    INFO(path);
    CHECK(test::golden("../../docs/" + path, text) == text);
  }
}

TEST_CASE("docs/reports.md has the table of formats") {
  CHECK(test::read_file("docs/reports.md").find(reports_table()) != std::string::npos);
}

// One line for each case: its title and what it expects, by folder.
std::string cases_page() {
  std::string page =
      "<!-- made from the cases themselves by tests/docs_test.cpp; do not edit -->\n# Cases\n\n"
      "A case named `shape+fix` is the twin of `shape` that differs in one place and holds.\n\n"
      "| case | what it shows | expected |\n|---|---|---|\n";
  Budget no_time;  // only the title and what it expects are looked at
  no_time.deadline = std::chrono::steady_clock::now();
  for (const InputFile& file : input_files({FENCECHECK_SOURCE_DIR "/cases"})) {
    const Checked checked = check_file(file.path, no_time);
    REQUIRE(checked.report.has_value());
    std::string expected;
    if (const auto& expect = checked.report->expect) {
      for (const FindingKind kind : expect->findings)
        expected += (expected.empty() ? "" : ", ") + std::string(info(kind).id);
      if (expected.empty()) expected = name(expect->verdict);
      if (expect->needs) expected += "; needs " + to_text(*expect->needs);
    }
    const std::string path = std::filesystem::relative(file.path, FENCECHECK_SOURCE_DIR).string();
    page += "| [" + path + "](../" + path + ") | " + checked.report->title + " | " + expected + " |\n";
  }
  return page;
}

// The page with a drawing behind each line "<!-- draw CASE VIEW -->", in place of the one that is there.
std::string with_drawings(const std::string& page) {
  constexpr std::string_view marker = "<!-- draw ";
  constexpr std::string_view fence = "```mermaid\n";
  std::string result;
  std::size_t at = 0;
  for (std::size_t found = page.find(marker); found != std::string::npos; found = page.find(marker, at)) {
    const std::size_t line = page.find('\n', found) + 1;
    std::istringstream words(page.substr(found + marker.size(), line - found - marker.size()));
    std::string path;
    std::string view;
    words >> path >> view;
    const ViewInfo* row = find_row(view_table, view);
    REQUIRE(row != nullptr);
    const Checked checked = check_file(FENCECHECK_SOURCE_DIR "/" + path, {});
    REQUIRE(checked.report.has_value());
    DiagramOptions options;
    options.view = row->view;
    const Diagram drawn = diagram(*checked.report, DiagramFormat::mermaid, options);
    REQUIRE(drawn.problem.empty());
    result += page.substr(at, line - at) + std::string(fence) + drawn.content + "```\n";
    at = line;
    if (page.compare(at, fence.size(), fence) == 0) at = page.find("\n```\n", at) + 5;
  }
  return result + page.substr(at);
}

TEST_CASE("the drawings in docs/vm-bind.md are those of the cases") {
  const std::string page = with_drawings(test::read_file("docs/vm-bind.md"));
  CHECK(page.find("```mermaid") != std::string::npos);
  CHECK(test::golden("../../docs/vm-bind.md", page) == page);
}

TEST_CASE("docs/traces.md is the page that the tables of events make") {
  const std::string page = traces_page();
  CHECK(test::golden("../../docs/traces.md", page) == page);
}

TEST_CASE("docs/cases.md lists the cases") {
  if (test::effort() < 100) {
    WARN("skipped: with little effort the cases are not all read");
    return;
  }
  const std::string page = cases_page();
  CHECK(test::golden("../../docs/cases.md", page) == page);
}

}  // namespace
}  // namespace fencecheck
