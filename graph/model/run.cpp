#include "graph/model/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace fencecheck {

std::string StaleEntry::message() const {
  return fmt::format("stale: {} {}{}{}", fingerprint, rule, comment.empty() ? "" : "  # ", comment);
}

bool is_expected(const Checked& input) {
  return input.outcome.expected || (input.interrupted && input.report && input.report->expect);
}

Excuse excuse(const Checked& input, const Finding& finding) {
  if (is_expected(input)) return Excuse::expected;
  return finding.known ? Excuse::known : Excuse::none;
}

std::string_view id_of(const Finding& finding) { return finding.rule ? info(*finding.rule).id : info(finding.kind).id; }

std::string_view id_of(const CutFindings& findings) {
  return findings.rule ? info(*findings.rule).id : info(findings.kind).id;
}

std::string_view fix_of(const Finding& finding) {
  // Where the last waits for nobody there is no cycle to break.
  constexpr std::string_view of_chain =
      "find out why what the chain ends at does not happen: whoever has to signal must do so on every path, or a "
      "timeout "
      "has to signal for them before others hang";
  if (!finding.fix.empty()) return finding.fix;
  if (!finding.closed && !finding.rule && info(finding.kind).hang) return of_chain;
  return finding.rule ? info(*finding.rule).fix : info(finding.kind).fix;
}

bool unknown_counts(const Run& run, const Checked& input) {
  return (run.unknown_fails || input.interrupted) && !input.outcome.expected;
}

bool baseline_fails(const Run& run) { return run.stale_fails && !run.stale.empty(); }

const Answer& answer_to(const Report& report, FindingKind kind, std::optional<Rule> rule,
                        std::string_view own_property) {
  const std::string_view usual = rule ? contract_kept : info(kind).property;
  const std::string_view property = own_property.empty() ? usual : own_property;
  const auto own = std::ranges::find(report.answers, property, &Answer::property);
  if (own != report.answers.end()) return *own;
  const auto violated = std::ranges::find(report.answers, Verdict::violated, &Answer::verdict);
  if (violated == report.answers.end())
    throw std::logic_error(fmt::format("a finding of kind {}, and no answer is violated", info(kind).id));
  return *violated;
}

std::uint64_t left_out(const Report& report) {
  std::uint64_t result = 0;
  for (const CutFindings& each : report.cut) result += each.count;
  return result;
}

std::uint64_t known_left_out(const Report& report) {
  std::uint64_t result = 0;
  for (const CutFindings& each : report.cut) result += each.known ? each.count : 0;
  return result;
}

bool all_known(const Report& report) {
  return (!report.findings.empty() || !report.cut.empty()) &&
         std::ranges::all_of(report.findings, [](const Finding& each) { return each.known.has_value(); }) &&
         std::ranges::all_of(report.cut, &CutFindings::known);
}

}  // namespace fencecheck
