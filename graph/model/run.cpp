#include "graph/model/run.hpp"

#include <algorithm>

namespace fencecheck {

Excuse excuse(const Checked& input, const Finding& finding) {
  if (input.outcome.expected) return Excuse::expected;
  return finding.known ? Excuse::known : Excuse::none;
}

std::string_view id_of(const Finding& finding) { return finding.rule ? info(*finding.rule).id : info(finding.kind).id; }

std::string_view fix_of(const Finding& finding) {
  if (!finding.fix.empty()) return finding.fix;
  return finding.rule ? info(*finding.rule).fix : info(finding.kind).fix;
}

const Answer& answer_to(const Report& report, const Finding& finding) {
  const auto own = std::ranges::find(report.answers, info(finding.kind).id, &Answer::property);
  return own == report.answers.end() ? report.answers.front() : *own;
}

}  // namespace fencecheck
