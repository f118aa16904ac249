#include "encoders/report/test_cases.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "encoders/report/issues.hpp"
#include "encoders/report/text.hpp"

namespace fencecheck {
namespace {

using Status = TestCase::Status;

// The findings decide: what the input expects passes, what is new fails, what is known is known.
void judge_findings(const Checked& input, TestCase& test) {
  if (input.outcome.expected) return;
  const auto news =
      std::ranges::find_if(test.findings, [&](const Finding* each) { return excuse(input, *each) == Excuse::none; });
  const bool known = news == test.findings.end();
  const Finding& told = known ? *test.findings.front() : **news;
  test.status = known ? Status::known : Status::failed;
  test.rule = id_of(told);
  test.why = test.findings.size() == 1 ? told.message
                                       : fmt::format("{} (and {} more)", told.message, test.findings.size() - 1);
}

TestCase of_answer(const Run& run, const Checked& input, const Answer& answer) {
  TestCase test;
  test.name = answer.property;
  for (const Finding& finding : input.report->findings)
    if (&answer_to(*input.report, finding) == &answer) test.findings.push_back(&finding);
  if (!test.findings.empty()) {
    judge_findings(input, test);
  } else if (answer.verdict == Verdict::unknown && !input.outcome.expected) {
    test.status = run.unknown_fails ? Status::unknown : Status::skipped;
    test.rule = unknown_answer;
    test.why = answer.reason;
  }
  return test;
}

}  // namespace

std::vector<TestCase> test_cases(const Run& run, const Checked& input) {
  if (!input.report) {
    const std::vector<Diagnostic> mistakes = input.diagnostics.sorted();
    const Diagnostic& first = mistakes.front();
    return {{"input",
             Status::error,
             fmt::format("{}: {}", position(input.source, first.at), first.message),
             unusable_input,
             {}}};
  }
  std::vector<TestCase> result;
  for (const Answer& answer : input.report->answers) result.push_back(of_answer(run, input, answer));
  if (!input.outcome.complaint.empty())
    result.push_back({"expectation", Status::failed, input.outcome.complaint, unmet_expectation, {}});
  return result;
}

bool fails(const TestCase& test) {
  return test.status == Status::failed || test.status == Status::unknown || test.status == Status::error;
}

std::string details(const Checked& input, const TestCase& test) {
  if (!input.report) return to_text(input, {});
  std::string text;
  for (const Finding* finding : test.findings) text += to_text(input, *finding, {});
  return text;
}

}  // namespace fencecheck
