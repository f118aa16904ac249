#include "encoders/report/issues.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fencecheck {
namespace {

constexpr std::size_t most_mistakes = 100;  // of one input; a file that has more is something else altogether

Issue of_finding(const Checked& input, const Finding& finding) {
  Issue issue;
  issue.source = &input.source;
  issue.excuse = excuse(input, finding);
  issue.severity = issue.excuse == Excuse::none ? Severity::error : Severity::note;
  issue.rule = id_of(finding);
  issue.at = finding.at;
  issue.message = finding.count == 1 ? finding.message : fmt::format("{} ({} times)", finding.message, finding.count);
  issue.fingerprint = finding.fingerprint;
  issue.finding = &finding;
  return issue;
}

// What is no finding has the fingerprint of its rule, its input's title and what it says.
Issue of_input(const Checked& input, Severity severity, std::string_view rule, Place at, std::string message) {
  Issue issue;
  issue.source = &input.source;
  issue.severity = severity;
  issue.rule = rule;
  issue.at = at;
  if (is_expected(input)) issue.excuse = Excuse::expected;
  issue.fingerprint = fingerprint({rule, input.report ? input.report->title : input.source.name, message});
  issue.message = std::move(message);
  return issue;
}

void add_mistakes(const Checked& input, std::vector<Issue>& result) {
  const std::vector<Diagnostic> all = input.diagnostics.sorted();
  for (std::size_t i = 0; i < std::min(all.size(), most_mistakes); ++i)
    result.push_back(of_input(input, all[i].severity, unusable_input, all[i].at, all[i].message));
  if (all.size() > most_mistakes)
    result.push_back(
        of_input(input, Severity::error, unusable_input, {}, fmt::format("and {} more", all.size() - most_mistakes)));
}

// Their number is no part of the fingerprint: it changes with every commit.
Issue of_cut(const Checked& input) {
  const bool known = all_known(*input.report);
  Issue issue = of_input(input, known ? Severity::note : Severity::warning, findings_cut, {}, {});
  if (issue.excuse == Excuse::none && known) issue.excuse = Excuse::known;
  const std::uint64_t count = left_out(*input.report);
  issue.message = fmt::format("{} {} not shown; --findings raises the limit", quantity(count, "more finding"),
                              count == 1 ? "is" : "are");
  return issue;
}

Issue of_entry(const Run& run, const StaleEntry& entry) {
  Issue issue;
  issue.source = &run.baseline;
  issue.rule = stale_entry;
  issue.at = entry.at;
  issue.message = entry.message();
  issue.fingerprint = fingerprint({stale_entry, entry.fingerprint, entry.rule});
  return issue;
}

}  // namespace

std::vector<IssueRule> issue_rules() {
  std::vector<IssueRule> rules;
  for (const FindingInfo& row : finding_table) rules.push_back({row.id, row.says, row.fix, row.reference});
  for (const RuleInfo& row : rule_table) rules.push_back({row.id, row.says, row.fix, row.reference});
  rules.push_back({unmet_expectation, "the input's expect: is not what came out",
                   "repair the design, or the expectation if it is wrong", "docs/input.md"});
  rules.push_back(
      {unknown_answer, "an answer could not be decided", "see the reason; a limit can be raised", "docs/semantics.md"});
  rules.push_back({unusable_input, "an input is missing or makes no sense", "see the message", "docs/input.md"});
  rules.push_back(
      {findings_cut, "an input has more findings than are reported", "raise --findings", "docs/reports.md"});
  rules.push_back({stale_entry, "an entry of the baseline that nothing has any more",
                   "remove the entry, or write the baseline anew with --update-baseline", "docs/reports.md"});
  return rules;
}

std::vector<Issue> issues(const Run& run) {
  std::vector<Issue> result;
  for (const Checked& input : run.inputs) {
    if (!input.report) {
      add_mistakes(input, result);
      continue;
    }
    for (const Diagnostic& warning : input.report->warnings)
      result.push_back(of_input(input, warning.severity, unusable_input, warning.at, warning.message));
    for (const Finding& finding : input.report->findings) result.push_back(of_finding(input, finding));
    for (const Answer& answer : input.report->answers)
      if (answer.verdict == Verdict::unknown)
        result.push_back(of_input(input, unknown_counts(run, input) ? Severity::warning : Severity::note,
                                  unknown_answer, {},
                                  fmt::format("{} is unknown: {}", answer.property, answer.reason)));
    if (!input.outcome.complaint.empty())
      result.push_back(
          of_input(input, Severity::error, unmet_expectation, input.report->expect->at, input.outcome.complaint));
    if (left_out(*input.report) > 0) result.push_back(of_cut(input));
  }
  if (run.stale_fails)
    for (const StaleEntry& entry : run.stale) result.push_back(of_entry(run, entry));
  return result;
}

}  // namespace fencecheck
