// Two dialects of the Test Anything Protocol. KTAP 1
// (Documentation/dev-tools/ktap.rst): nested, diagnostics in front of the line
// they belong to, directives SKIP, XFAIL, TIMEOUT and ERROR. TAP 13
// (testanything.org): flat, with YAML blocks behind the line, SKIP and "to do".
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "encoders/report/report_formats.hpp"
#include "encoders/report/test_cases.hpp"

namespace fencecheck {
namespace {

using Status = TestCase::Status;

struct StatusInfo {
  Status status;
  std::string_view ktap;  // the directive; empty: none
  std::string_view tap;
  bool tap_ok;
};
constexpr std::string_view may_fail = "TODO";  // TAP's directive for what may fail

constexpr auto status_table = std::to_array<StatusInfo>({
    {Status::passed, "", "", true},
    {Status::failed, "", "", false},
    {Status::known, "XFAIL", may_fail, false},
    {Status::unknown, "TIMEOUT", "", false},
    {Status::skipped, "SKIP", "SKIP", true},
    {Status::error, "ERROR", "", false},
});
static_assert(covers(status_table, &StatusInfo::status, Status::error));
const StatusInfo& info(Status status) { return status_table.at(static_cast<std::size_t>(status)); }

// A '#' would begin a directive, and a '\' an escape.
std::string description(std::string_view text) {
  std::string result = printable(text);
  std::ranges::replace(result, '#', '_');
  std::ranges::replace(result, '\\', '/');
  return result;
}

std::string directive(std::string_view word, const TestCase& test) {
  return word.empty() ? "" : fmt::format(" # {} {}", word, description(test.why));
}

// Every line of a text as a diagnostic line.
std::string diagnostics(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    result += fmt::format("  # {}\n", printable(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string ktap_block(const std::vector<TestCase>& tests) {
  std::string text = fmt::format("  KTAP version 1\n  1..{}\n", tests.size());
  for (std::size_t i = 0; i < tests.size(); ++i) {
    const TestCase& test = tests[i];
    if (test.status == Status::failed || test.status == Status::error)
      text += diagnostics(test.details.empty() ? test.why : test.details);
    text += fmt::format("  {} {} {}{}\n", fails(test) ? "not ok" : "ok", i + 1, description(test.name),
                        directive(info(test.status).ktap, test));
  }
  return text;
}

std::string tap_line(const std::string& path, const TestCase& test, std::size_t number) {
  const StatusInfo& row = info(test.status);
  std::string text = fmt::format("{} {} - {} {}{}\n", row.tap_ok ? "ok" : "not ok", number, description(path),
                                 description(test.name), directive(row.tap, test));
  if (!fails(test)) return text;
  const auto quoted = [](std::string_view words) { return nlohmann::json(printable(words)).dump(); };
  text += fmt::format("  ---\n  message: {}\n  rule: {}\n", quoted(test.why), quoted(test.rule));
  if (!test.findings.empty()) text += "  findings:\n";
  for (const Finding* finding : test.findings)
    text += fmt::format("    - fingerprint: {}\n      line: {}\n      count: {}\n      message: {}\n",
                        quoted(finding->fingerprint), finding->at.line, finding->count, quoted(finding->message));
  return text + "  ...\n";
}

}  // namespace

std::string write_ktap(const Run& run, const Style&) {
  const std::vector<TestSuite> suites = test_suites(run);
  std::string text = fmt::format("KTAP version 1\n1..{}\n", suites.size());
  for (std::size_t i = 0; i < suites.size(); ++i) {
    text += ktap_block(suites[i].tests);
    text += fmt::format("{} {} {}\n", std::ranges::any_of(suites[i].tests, fails) ? "not ok" : "ok", i + 1,
                        description(suites[i].name));
  }
  return text;
}

std::string write_tap(const Run& run, const Style&) {
  std::string text;
  std::size_t number = 0;
  for (const TestSuite& suite : test_suites(run))
    for (const TestCase& test : suite.tests) text += tap_line(suite.name, test, ++number);
  return fmt::format("TAP version 13\n1..{}\n{}", number, text);
}

}  // namespace fencecheck
