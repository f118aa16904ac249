// A run as the tests that JUnit, KTAP and TAP know: for each input one test of
// every property, and one of its expectation if that is not met.
#pragma once

#include <string>
#include <vector>

#include "graph/model/run.hpp"

namespace fencecheck {

struct TestCase {
  enum class Status : std::uint8_t { passed, failed, known, unknown, skipped, error };
  std::string name;  // the property
  Status status = Status::passed;
  std::string why;                       // one line; empty only if it passed
  std::string_view rule;                 // of issue_rules(); empty if it passed
  std::vector<const Finding*> findings;  // of this property; told, whatever the status
};

// `skipped` is unknown where that does not count. An input that cannot be used has one test, an error.
[[nodiscard]] std::vector<TestCase> test_cases(const Run& run, const Checked& input);

// Everything but passed, known and skipped.
[[nodiscard]] bool fails(const TestCase& test);

// The stories of its findings, or the mistakes of its input, as text without colour.
[[nodiscard]] std::string details(const Checked& input, const TestCase& test);

}  // namespace fencecheck
