#include "checker/gate.hpp"

#include <algorithm>

namespace fencecheck {
namespace {

// By result.
constexpr std::array statuses{ExitStatus::nothing_found, ExitStatus::unknown, ExitStatus::findings,
                              ExitStatus::bad_input};
static_assert(statuses.size() == result_table.size());

bool unanswered(const Report& report) {
  return std::ranges::any_of(report.answers, [](const Answer& each) { return each.verdict == Verdict::unknown; });
}

}  // namespace

Result result_of(const Checked& input, bool unknown_fails) {
  if (!input.report) return Result::unusable;
  if (input.outcome.expected) return Result::passed;
  if (input.interrupted && input.report->expect) return Result::unknown;  // nobody knows yet whether it is met
  if (!input.outcome.complaint.empty()) return Result::failed;
  const bool news = std::ranges::any_of(input.report->findings,
                                        [&](const Finding& finding) { return excuse(input, finding) == Excuse::none; });
  if (news) return Result::failed;
  return (unknown_fails || input.interrupted) && unanswered(*input.report) ? Result::unknown : Result::passed;
}

ExitStatus exit_status(const Run& run) {
  Result worst = baseline_fails(run) ? Result::failed : Result::passed;
  for (const Checked& input : run.inputs) worst = std::max(worst, input.result);
  return statuses.at(static_cast<std::size_t>(worst));
}

}  // namespace fencecheck
