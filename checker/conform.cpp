// The design is lowered and not decided; the recording is read as for `check`.
#include "checker/conform.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "checker/input.hpp"
#include "graph/conform.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"

namespace fencecheck {
namespace {

struct Design {
  Scenario scenario;
  System system;
};

std::optional<Design> read_design(const std::string& path, Source& source, Diagnostics& diagnostics) {
  source.name = path;
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) {
    diagnostics.error({}, "cannot be read");
    return std::nullopt;
  }
  source.text = std::move(text).str();
  const auto kind = kind_of(source.text, diagnostics);
  if (kind && *kind != InputKind::scenario) diagnostics.error({1, 0, 1}, "a design is written as a scenario, in YAML");
  if (!diagnostics.ok()) return std::nullopt;
  std::optional<Scenario> scenario = read_yaml(source, diagnostics);
  if (!scenario) return std::nullopt;
  std::optional<System> system = lower(*scenario, diagnostics);
  if (!system) return std::nullopt;
  return Design{std::move(*scenario), std::move(*system)};
}

}  // namespace

ConformChecked conform_files(const std::string& design_path, const std::string& recording, const Budget& budget) {
  ConformChecked checked;
  const std::optional<Design> design = read_design(design_path, checked.design.source, checked.design.diagnostics);
  checked.recording = check_file(recording, budget);
  if (!checked.recording.report) return checked;
  Report& report = *checked.recording.report;
  if (report.kind != "trace" && report.kind != "snapshot") {
    checked.recording.diagnostics.error(
        {}, fmt::format("a {} is no recording: expected a trace or a kernel log", report.kind));
    checked.recording.report.reset();
    return checked;
  }
  if (!design) {
    checked.recording.report.reset();
    return checked;
  }
  const bool complete = std::ranges::none_of(report.losses, &Loss::gap);
  Conformance found = conform(design->scenario, design->system, dependencies(design->system), *report.graph, complete);
  report.kind = "conformance";
  report.title = design->scenario.title;
  report.size = std::move(found.size);
  report.answers = std::move(found.answers);
  report.findings = std::move(found.findings);
  report.assumptions = std::move(found.assumptions);
  report.expect.reset();  // it is about the recording alone
  report.cycles.clear();
  return checked;
}

}  // namespace fencecheck
