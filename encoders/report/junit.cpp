// JUnit XML as GitLab and Jenkins read it and the schema of Ant's reports
// describes it: one suite for each input. GitLab shows the body of a failure and
// not its message, so that the body says everything.
#include <fmt/format.h>

#include <algorithm>

#include "encoders/report/report_formats.hpp"
#include "encoders/report/test_cases.hpp"
#include "encoders/xml.hpp"

namespace fencecheck {
namespace {

using Status = TestCase::Status;

// Lines stay lines; everything else that XML cannot hold goes.
std::string body(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    result += xml_escaped(printable(text.substr(0, end))) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string attribute(std::string_view text) { return xml_escaped(printable(text)); }

std::string seconds(Milliseconds took) { return fmt::format("{}.{:03}", took.count() / 1000, took.count() % 1000); }

std::string element(const TestCase& test) {
  const std::string inside = body(test.details.empty() ? test.why : test.details);
  switch (test.status) {
    case Status::passed:
      return {};
    case Status::failed:
    case Status::unknown:
      return fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", attribute(test.rule),
                         attribute(test.why), inside);
    case Status::known:
    case Status::skipped:
      return fmt::format("      <skipped message=\"{}: {}\"/>\n", test.status == Status::known ? "known" : "unknown",
                         attribute(test.why));
    case Status::error:
      return fmt::format("      <error type=\"{}\" message=\"{}\">{}</error>\n", attribute(test.rule),
                         attribute(test.why), inside);
  }
  return {};
}

// Times are those of the whole input; its properties are not timed one by one.
std::string suite(const TestSuite& says, std::size_t id) {
  const std::vector<TestCase>& tests = says.tests;
  const auto errors = std::ranges::count(tests, Status::error, &TestCase::status);
  const auto skipped = std::ranges::count_if(
      tests, [](const TestCase& each) { return each.status == Status::known || each.status == Status::skipped; });
  const auto failures = std::ranges::count_if(tests, fails) - errors;
  const std::string path = attribute(says.name);
  std::string text = fmt::format(
      "  <testsuite name=\"{}\" package=\"fencecheck\" id=\"{}\" hostname=\"localhost\" "
      "timestamp=\"1970-01-01T00:00:00\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">\n"
      "    <properties/>\n",
      path, id, tests.size(), failures, errors, skipped, seconds(says.took));
  for (const TestCase& test : tests) {
    const std::string inside = element(test);
    text += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"0\"{}", path, attribute(test.name),
                        inside.empty() ? "/>\n" : ">\n" + inside + "    </testcase>\n");
  }
  return text + "    <system-out/>\n    <system-err/>\n  </testsuite>\n";
}

}  // namespace

std::string write_junit(const Run& run, const Style&) {
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  const std::vector<TestSuite> suites = test_suites(run);
  for (std::size_t i = 0; i < suites.size(); ++i) text += suite(suites[i], i);
  return text + "</testsuites>\n";
}

}  // namespace fencecheck
