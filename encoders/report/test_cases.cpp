#include "encoders/report/test_cases.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "encoders/report/issues.hpp"
#include "encoders/report/paths.hpp"
#include "encoders/report/text.hpp"

namespace fencecheck {
namespace {

using Status = TestCase::Status;

// What one answer rests on.
struct Evidence {
  std::vector<const Finding*> findings;
  std::vector<const CutFindings*> cut;
  std::uint64_t count = 0;  // of both
};

Evidence evidence(const Report& report, const Answer& answer) {
  Evidence result;
  for (const Finding& each : report.findings)
    if (&answer_to(report, each.kind, each.rule, each.property) == &answer) result.findings.push_back(&each);
  result.count = result.findings.size();
  for (const CutFindings& each : report.cut)
    if (&answer_to(report, each.kind, each.rule, each.property) == &answer) {
      result.cut.push_back(&each);
      result.count += each.count;
    }
  return result;
}

void fail(TestCase& test, Status status, std::string_view rule, std::string why) {
  test.status = status;
  test.rule = rule;
  test.why = std::move(why);
}

void tell(TestCase& test, Status status, std::string_view rule, const std::string& message, std::uint64_t count) {
  fail(test, status, rule, count == 1 ? message : fmt::format("{} (and {} more)", message, count - 1));
}

// What is new fails, whether it is shown or not; else what is known is known.
void judge(const Checked& input, const Evidence& found, TestCase& test) {
  for (const Finding* each : found.findings)
    if (excuse(input, *each) == Excuse::none)
      return tell(test, Status::failed, id_of(*each), each->message, found.count);
  for (const CutFindings* each : found.cut)
    if (!each->known)
      return fail(test, Status::failed, id_of(*each),
                  fmt::format("{} not shown; --findings raises the limit", quantity(each->count, "finding")));
  if (!found.findings.empty())
    return tell(test, Status::known, id_of(*found.findings.front()), found.findings.front()->message, found.count);
  fail(test, Status::known, id_of(*found.cut.front()),
       fmt::format("{} not shown", quantity(found.count, "known finding")));
}

TestCase of_answer(const Run& run, const Checked& input, const Answer& answer) {
  TestCase test;
  test.name = answer.property;
  const Evidence found = evidence(*input.report, answer);
  test.findings = found.findings;
  if (!is_expected(input)) {
    if (found.count > 0)
      judge(input, found, test);
    else if (answer.verdict == Verdict::violated)
      fail(test, Status::failed, test.name, answer.reason.empty() ? "violated" : answer.reason);
  }
  const bool open = test.status == Status::passed || test.status == Status::known;
  if (answer.verdict == Verdict::unknown && open && !input.outcome.expected)
    fail(test, unknown_counts(run, input) ? Status::unknown : Status::skipped, unknown_answer, answer.reason);
  for (const Finding* finding : test.findings) test.details += to_text(input, *finding, {});
  return test;
}

std::vector<TestCase> of_input(const Run& run, const Checked& input) {
  if (!input.report) {
    const std::vector<Diagnostic> mistakes = input.diagnostics.sorted();
    const Diagnostic& first = mistakes.front();
    TestCase test{"input"};
    fail(test, Status::error, unusable_input, fmt::format("{}: {}", position(input.source, first.at), first.message));
    test.details = to_text(input, {});
    return {std::move(test)};
  }
  std::vector<TestCase> result;
  for (const Answer& answer : input.report->answers) result.push_back(of_answer(run, input, answer));
  if (!input.outcome.complaint.empty())
    fail(result.emplace_back(TestCase{"expectation"}), Status::failed, unmet_expectation, input.outcome.complaint);
  return result;
}

TestSuite of_baseline(const Run& run) {
  TestCase test{"baseline"};
  if (baseline_fails(run)) {
    const StaleEntry& first = run.stale.front();
    tell(test, Status::failed, stale_entry, fmt::format("{}: {}", position(run.baseline, first.at), first.message()),
         run.stale.size());
    test.details = stale_lines(run);
  }
  return {report_path(run, run.baseline), Milliseconds{0}, {std::move(test)}};
}

}  // namespace

std::vector<TestSuite> test_suites(const Run& run) {
  std::vector<TestSuite> result;
  for (const Checked& input : run.inputs)
    result.push_back({report_path(run, input.source), input.took.value_or(Milliseconds{0}), of_input(run, input)});
  if (run.stale_fails) result.push_back(of_baseline(run));
  return result;
}

bool fails(const TestCase& test) {
  return test.status == Status::failed || test.status == Status::unknown || test.status == Status::error;
}

}  // namespace fencecheck
