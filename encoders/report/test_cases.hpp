// A run as the tests that JUnit, KTAP and TAP know: for each input one test of
// every property, and one of its expectation if that is not met; one of the
// baseline where stale entries fail.
#pragma once

#include <string>
#include <vector>

#include "graph/model/run.hpp"

namespace fencecheck {

struct TestCase {
  enum class Status : std::uint8_t { passed, failed, known, unknown, skipped, error };
  std::string name;  // the property
  Status status = Status::passed;
  std::string why{};                       // one line; empty only if it passed
  std::string_view rule{};                 // of issue_rules(), else the property; empty if it passed
  std::vector<const Finding*> findings{};  // of this property; told, whatever the status
  std::string details{};                   // the stories of what fails, as text without colour
};

struct TestSuite {
  std::string name;  // the input, or the baseline, as report_path() says
  Milliseconds took{0};
  std::vector<TestCase> tests;
};

// `skipped` is unknown where that does not count. An input that cannot be used has one test, an error.
[[nodiscard]] std::vector<TestSuite> test_suites(const Run& run);

// Everything but passed, known and skipped.
[[nodiscard]] bool fails(const TestCase& test);

}  // namespace fencecheck
