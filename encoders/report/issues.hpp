// A run as the flat list that CI formats want: one issue for each thing that
// somebody should look at, each with a rule, a place and a fingerprint.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/model/run.hpp"

namespace fencecheck {

// The rules of issues that are no findings.
inline constexpr std::string_view unmet_expectation = "expectation";
inline constexpr std::string_view unknown_answer = "unknown";
inline constexpr std::string_view unusable_input = "input";
inline constexpr std::string_view findings_cut = "cut";
inline constexpr std::string_view stale_entry = "baseline";

struct IssueRule {
  std::string_view id;
  std::string_view says;
  std::string_view fix;
  std::string_view reference;  // may be empty
};

// Every rule that an issue may have: findings, rules of the contract, and those above.
[[nodiscard]] std::vector<IssueRule> issue_rules();

struct Issue {
  const Source* source = nullptr;       // an input, or the baseline
  Severity severity = Severity::error;  // note: told, but nothing fails for it
  std::string_view rule;                // of issue_rules()
  Place at;
  std::string message;  // one line
  std::string fingerprint;
  const Finding* finding = nullptr;  // none if it is no finding
  Excuse excuse = Excuse::none;
};

// By input, entries of the baseline last; unusable inputs by their mistakes, at most 100 each. Findings that
// are excused are in the list; what fails nothing is a note. O(size of the run).
[[nodiscard]] std::vector<Issue> issues(const Run& run);

}  // namespace fencecheck
