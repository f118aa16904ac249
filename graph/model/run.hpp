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
  std::optional<Milliseconds> took;  // only if the user asked for times: they differ from run to run
};

// An entry of the baseline that no finding of this run has.
struct StaleEntry {
  std::string fingerprint;
  std::string rule;
  std::string comment;
};

struct Run {
  std::string version;          // of fencecheck
  std::string folder;           // the working folder, absolute, without a slash at the end
  std::vector<Checked> inputs;  // in the order of the command line, folders in the order of their names
  std::string baseline;         // the file's name as the user gave it; empty: none
  std::vector<StaleEntry> stale;
  bool stale_fails = false;   // --baseline-strict
  bool unknown_fails = true;  // --unknown=fail
  bool interrupted = false;   // some inputs were not checked; their answers say so
};

// Why a finding does not fail the check: the input expects it, or the baseline knows it.
enum class Excuse : std::uint8_t { none, expected, known };
[[nodiscard]] Excuse excuse(const Checked& input, const Finding& finding);

// The rule's id, else the kind's: what stands in brackets behind a message.
[[nodiscard]] std::string_view id_of(const Finding& finding);

// What would remove the finding: its own fix, else that of its rule or kind.
[[nodiscard]] std::string_view fix_of(const Finding& finding);

// The answer that a finding belongs to: that of the property named as its kind,
// else the first. Requires: the report has answers.
[[nodiscard]] const Answer& answer_to(const Report& report, const Finding& finding);

}  // namespace fencecheck
