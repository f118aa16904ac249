// The design is lowered and not decided; the recording is read as for `check`.
#include "checker/conform.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "checker/combine.hpp"
#include "checker/design.hpp"
#include "graph/conform.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t compared_waits = 1'000'000;  // of a trace; beyond it nothing can be said to conform

// Puts what the comparison says in the place of the recording's own report.
void compare(const Design& design, Checked& recording) {
  Report& report = *recording.report;
  const bool complete = report.whole_graph && std::ranges::none_of(report.losses, &Loss::gap);
  Conformance found = conform(design.scenario, design.system, dependencies(design.system), *report.graph, complete);
  report.kind = "conformance";
  report.title = design.scenario.title;
  report.size = std::move(found.size);
  report.answers = std::move(found.answers);
  report.findings = std::move(found.findings);
  report.assumptions = std::move(found.assumptions);
  report.summary.clear();
  report.expect.reset();  // it is about the recording alone
  report.cycles.clear();
  recording.outcome = outcome(report);
}

}  // namespace

std::vector<Checked> conform_files(const std::string& design_path, const std::string& recording_path,
                                   const Budget& budget, const ObserveOptions& options) {
  Checked unusable;
  const std::optional<Design> design = read_design(design_path, unusable.source, unusable.diagnostics);
  ObserveOptions all = options;
  all.drawn = compared_waits;
  Checked recording = check_file(recording_path, budget, all);
  if (recording.report && !is_recording(recording)) {
    recording.diagnostics.error(
        {}, fmt::format("a {} is no recording: expected a trace or a kernel log", recording.report->kind));
    recording.report.reset();
  }
  std::vector<Checked> result;
  if (!design) result.push_back(std::move(unusable));
  if (design && recording.report) compare(*design, recording);
  if (design || !recording.report) result.push_back(std::move(recording));
  return result;
}

}  // namespace fencecheck
