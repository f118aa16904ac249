// Scenarios as text, and what read_yaml() makes of them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"
#include "tests/catch.hpp"
#include "tests/support/said.hpp"

namespace fencecheck {

// The scenario, which must be read without a word.
inline Scenario read(std::string text) {
  Diagnostics diagnostics;
  auto scenario = read_yaml({.name = "cases/some.case.yaml", .text = std::move(text)}, diagnostics);
  INFO(said(diagnostics));
  REQUIRE(scenario);
  REQUIRE(diagnostics.sorted().empty());
  return *std::move(scenario);
}

// The core calculus of a text that follows the first line.
inline System lowered(const std::string& text) {
  Diagnostics diagnostics;
  const auto scenario = read_yaml({.name = "test.yaml", .text = "fencecheck: 1\n" + text}, diagnostics);
  INFO(said(diagnostics));
  REQUIRE(scenario);
  auto system = lower(*scenario, diagnostics);
  INFO(said(diagnostics));
  REQUIRE(system);
  return *std::move(system);
}

// What lowering says about it.
inline std::string lowering_says(const std::string& text) {
  Diagnostics diagnostics;
  const auto scenario = read_yaml({.name = "test.yaml", .text = "fencecheck: 1\n" + text}, diagnostics);
  REQUIRE(scenario);
  (void)lower(*scenario, diagnostics);
  return said(diagnostics);
}

// What is wrong with a text that is no scenario.
inline std::string wrong(std::string text) {
  Diagnostics diagnostics;
  const auto scenario = read_yaml({.name = "a.yaml", .text = std::move(text)}, diagnostics);
  CHECK_FALSE(scenario);
  CHECK_FALSE(diagnostics.ok());
  return said(diagnostics);
}

// A scenario with one line before its threads, or with one step.
inline std::string with_line(std::string_view line) {
  return fmt::format("fencecheck: 1\n{}\nthreads: {{t: {{steps: [wait: a]}}}}\n", line);
}
inline std::string with_step(std::string_view step) {
  return fmt::format("fencecheck: 1\nthreads:\n  t:\n    steps:\n      - {}\n", step);
}

}  // namespace fencecheck
