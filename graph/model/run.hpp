// Everything there is to say about all inputs of one check: the one form that
// every writer of reports reads (encoders/report). Plain data, made by
// checker/run; writers only choose words.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/model/report.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Does the report have what its input expects (or, without an expectation, nothing to say)?
struct Outcome {
  Verdict verdict = Verdict::holds;  // of all answers together: violated before unknown before holds
  bool expected = false;             // there is an expectation and it is met
  std::string complaint;             // what differs from the expectation; empty if nothing
};

// What an input means for a gate. `passed`: nothing found, or only what it
// expects or a baseline knows.
enum class Result : std::uint8_t { passed, unknown, failed, unusable, last_ = unusable };

struct ResultInfo {
  Result result;
  std::string_view id;
  std::string_view says;
};
inline constexpr auto result_table = std::to_array<ResultInfo>({
    {Result::passed, "passed", "nothing found, or only what the input expects or the baseline knows"},
    {Result::unknown, "unknown", "no finding, but some answer is unknown"},
    {Result::failed, "failed", "findings, or an expectation that is not met"},
    {Result::unusable, "unusable", "the input is missing or makes no sense"},
});
static_assert(covers(result_table, &ResultInfo::result, Result::last_));
constexpr const ResultInfo& info(Result result) { return result_table[static_cast<std::size_t>(result)]; }

// One input.
struct Checked {
  Source source;                     // its name as the user gave it
  Diagnostics diagnostics;           // why it is not usable, or warnings
  std::optional<Report> report;      // nothing if it is not usable
  Outcome outcome;                   // of the report
  Result result = Result::unusable;  // of everything above and the baseline
  bool from_folder = false;          // found in a folder that the user named
  bool interrupted = false;          // before it was decided, or even read: then its answers say so
  std::optional<Milliseconds> took;  // only if the user asked for times: they differ from run to run
};

// An entry of the baseline that no finding of this run has.
struct StaleEntry {
  std::string fingerprint;
  std::string rule;
  std::string comment;
  Place at{};  // in the baseline
  [[nodiscard]] std::string message() const;
};

struct Run {
  std::string version;          // of fencecheck
  std::string folder;           // the working folder, absolute, without a slash at the end
  std::vector<Checked> inputs;  // in the order of the command line, folders in the order of their names
  Source baseline;              // its name is empty: none
  std::vector<StaleEntry> stale;
  bool stale_fails = false;   // --baseline-strict
  bool unknown_fails = true;  // --unknown=fail
  bool interrupted = false;   // some inputs were
};

// Does an unknown answer of this input fail the check? That of an interrupted one always does.
[[nodiscard]] bool unknown_counts(const Run& run, const Checked& input);

// Do entries of the baseline that nothing has fail the check?
[[nodiscard]] bool baseline_fails(const Run& run);

// Why a finding does not fail the check: the input expects it, or the baseline knows it.
enum class Excuse : std::uint8_t { none, expected, known, last_ = known };

struct ExcuseInfo {
  Excuse excuse;
  std::string_view id;
};
inline constexpr auto excuse_table =
    std::to_array<ExcuseInfo>({{Excuse::none, "none"}, {Excuse::expected, "expected"}, {Excuse::known, "known"}});
static_assert(covers(excuse_table, &ExcuseInfo::excuse, Excuse::last_));
constexpr const ExcuseInfo& info(Excuse excuse) { return excuse_table[static_cast<std::size_t>(excuse)]; }
[[nodiscard]] Excuse excuse(const Checked& input, const Finding& finding);

// Does the input expect what it has, or is that open because it was interrupted before its expectation was met?
[[nodiscard]] bool is_expected(const Checked& input);

// The rule's id, else the kind's: what stands in brackets behind a message.
[[nodiscard]] std::string_view id_of(const Finding& finding);
[[nodiscard]] std::string_view id_of(const CutFindings& findings);

// What would remove the finding: its own fix, else that of its rule or kind.
[[nodiscard]] std::string_view fix_of(const Finding& finding);

// The answer that a finding of this kind and rule belongs to: its own property if
// it names one, else the contract's if there is a rule, else that of the kind's
// property; where the report answers under another name, the first answer that is
// violated. Throws std::logic_error if there is none.
[[nodiscard]] const Answer& answer_to(const Report& report, FindingKind kind, std::optional<Rule> rule,
                                      std::string_view own_property = {});

// The number of findings that are not in the report; and of those that the baseline knows.
[[nodiscard]] std::uint64_t left_out(const Report& report);
[[nodiscard]] std::uint64_t known_left_out(const Report& report);

// Are there findings, and does the baseline know every one of them?
[[nodiscard]] bool all_known(const Report& report);

}  // namespace fencecheck
