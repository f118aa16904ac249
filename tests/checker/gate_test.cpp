#include "checker/gate.hpp"

#include "tests/catch.hpp"

namespace fencecheck {
namespace {

// An input with one answer and, for every word, one finding with that comment in the baseline; "" is a new one.
Checked input(Verdict verdict, const std::vector<std::string>& known = {}) {
  Checked checked;
  checked.report.emplace();
  checked.report->answers.push_back({"deadlock-freedom", verdict, "why"});
  for (const std::string& comment : known) {
    Finding& finding = checked.report->findings.emplace_back();
    if (!comment.empty()) finding.known = comment;
  }
  checked.outcome.verdict = verdict;
  return checked;
}

Run run_of(std::initializer_list<Result> results) {
  Run run;
  for (const Result result : results) run.inputs.emplace_back().result = result;
  return run;
}

TEST_CASE("what an input means for a gate", "[gate]") {
  CHECK(result_of({}, true) == Result::unusable);
  CHECK(result_of(input(Verdict::holds), true) == Result::passed);
  CHECK(result_of(input(Verdict::violated, {""}), true) == Result::failed);
  CHECK(result_of(input(Verdict::violated, {"a bug", "", "another"}), true) == Result::failed);
  CHECK(result_of(input(Verdict::violated, {"a bug", "another"}), true) == Result::passed);
  CHECK(result_of(input(Verdict::unknown), true) == Result::unknown);
  CHECK(result_of(input(Verdict::unknown), false) == Result::passed);
  CHECK(result_of(input(Verdict::unknown, {""}), false) == Result::failed);
}

TEST_CASE("known findings do not hide that another answer is unknown", "[gate]") {
  Checked both = input(Verdict::violated, {"a bug"});
  both.report->answers.push_back({"contract", Verdict::unknown, "why"});
  CHECK(result_of(both, true) == Result::unknown);
  CHECK(result_of(both, false) == Result::passed);
}

TEST_CASE("an expectation decides alone", "[gate]") {
  Checked met = input(Verdict::violated, {""});
  met.outcome.expected = true;
  CHECK(result_of(met, true) == Result::passed);
  CHECK(excuse(met, met.report->findings.front()) == Excuse::expected);
  Checked unmet = input(Verdict::holds);
  unmet.outcome.complaint = "expected deadlock";
  CHECK(result_of(unmet, true) == Result::failed);
}

TEST_CASE("what was interrupted never passes, and fails only for what is new", "[gate]") {
  Checked open = input(Verdict::unknown);
  open.interrupted = true;
  CHECK(result_of(open, false) == Result::unknown);
  open.report->expect.emplace();
  open.outcome.complaint = "expected holds, but the answer is unknown";
  CHECK(result_of(open, false) == Result::unknown);
  Checked found = input(Verdict::violated, {""});
  found.interrupted = true;
  found.report->answers.push_back({"checked", Verdict::unknown, "interrupted"});
  CHECK(result_of(found, false) == Result::failed);
}

TEST_CASE("a finding belongs to the answer of its property, or of its rule", "[gate]") {
  Report report;
  report.answers = {{"deadlock-freedom", Verdict::violated, ""},
                    {"memory-management", Verdict::violated, ""},
                    {"contract", Verdict::violated, ""}};
  CHECK(answer_to(report, FindingKind::stall, {}).property == "deadlock-freedom");
  CHECK(answer_to(report, FindingKind::livelock, {}).property == "deadlock-freedom");
  CHECK(answer_to(report, FindingKind::use_after_evict, {}).property == "memory-management");
  CHECK(answer_to(report, FindingKind::contract, Rule::reserved_slot).property == "contract");
  report.answers = {{"contract", Verdict::holds, ""}, {"observed-hangs", Verdict::violated, ""}};
  CHECK(answer_to(report, FindingKind::deadlock, {}).property == "observed-hangs");
  report.answers.push_back({"prediction", Verdict::violated, ""});
  CHECK(answer_to(report, FindingKind::deadlock, {}, prediction).property == "prediction");
  report.answers.pop_back();
  report.answers.pop_back();
  CHECK_THROWS_AS(answer_to(report, FindingKind::deadlock, {}), std::logic_error);
}

TEST_CASE("of several inputs the worst counts", "[gate]") {
  CHECK(exit_status(run_of({})) == ExitStatus::nothing_found);
  CHECK(exit_status(run_of({Result::passed, Result::passed})) == ExitStatus::nothing_found);
  CHECK(exit_status(run_of({Result::unknown, Result::passed})) == ExitStatus::unknown);
  CHECK(exit_status(run_of({Result::failed, Result::unknown})) == ExitStatus::findings);
  CHECK(exit_status(run_of({Result::failed, Result::unusable, Result::passed})) == ExitStatus::bad_input);
  Run stale = run_of({Result::passed});
  stale.stale.push_back({"0123456789abcdef", "deadlock", ""});
  CHECK(exit_status(stale) == ExitStatus::nothing_found);
  stale.stale_fails = true;
  CHECK(exit_status(stale) == ExitStatus::findings);
}

}  // namespace
}  // namespace fencecheck
