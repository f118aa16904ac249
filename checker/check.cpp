#include "checker/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

#include "checker/decide.hpp"
#include "checker/input.hpp"
#include "graph/cycle_findings.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/observe.hpp"
#include "graph/input/read_dot.hpp"
#include "graph/input/read_ftrace.hpp"
#include "graph/input/read_yaml.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t sniffed = 64 * 1024;
constexpr std::uintmax_t largest_text = std::uintmax_t{64} << 20U;  // scenarios and graphs are read whole

std::string file_title(const std::string& path) { return std::filesystem::path(path).stem().string(); }

std::vector<Diagnostic> warnings(const Diagnostics& diagnostics) {
  std::vector<Diagnostic> result = diagnostics.sorted();
  std::erase_if(result, [](const Diagnostic& each) { return each.severity == Severity::error; });
  return result;
}

std::string size_of(const System& system) {
  std::size_t steps = 0;
  for (const Thread& thread : system.threads) steps += thread.program.size();
  return fmt::format("{}, {}, {}", quantity(system.threads.size(), "thread"), quantity(steps, "step"),
                     quantity(system.fences.size(), "fence"));
}

std::vector<std::string> environment(const Scenario& scenario) {
  std::vector<std::string> result;
  result.emplace_back(scenario.memory_pressure ? "memory may be short at every allocation" : "memory is never short");
  result.emplace_back(scenario.userspace_may_stop ? "userspace may stop at any step"
                                                  : "userspace runs its programs as far as it can");
  for (const AddressSpaceDeclaration& space : scenario.address_spaces)
    if (space.mode == AddressSpaceMode::fault)
      result.push_back(
          fmt::format("every page fault in '{}' is repaired: what runs there never waits for one, "
                      "unless its steps say so",
                      space.name.text));
  return result;
}

// What designs of user queues are weighed by.
std::vector<std::string> round_trips(const System& system) {
  std::vector<std::string> result;
  const auto range = [](std::uint32_t fewest, std::uint32_t most) {
    return fewest == most ? fmt::format("{}", most) : fmt::format("{} to {}", fewest, most);
  };
  for (const RoundTrips& trips : system.round_trips)
    result.push_back(fmt::format("'{}' makes {} call{} into the kernel for {} submission{}", system[trips.thread].name,
                                 range(trips.fewest, trips.most), trips.most == 1 ? "" : "s",
                                 range(trips.fewest_submissions, trips.most_submissions),
                                 trips.most_submissions == 1 ? "" : "s"));
  return result;
}

std::optional<Report> check_scenario(const Source& source, Diagnostics& diagnostics, const Budget& budget) {
  const std::optional<Scenario> scenario = read_yaml(source, diagnostics);
  if (!scenario) return std::nullopt;
  const std::optional<System> system = lower(*scenario, diagnostics);
  if (!system) return std::nullopt;
  const SystemGraph graph = dependencies(*system);
  Decision decision = decide(*system, graph, budget);
  Report report;
  report.title = scenario->title.empty() ? file_title(source.name) : scenario->title;
  report.kind = "scenario";
  report.size = size_of(*system);
  report.answers = std::move(decision.answers);
  report.findings = std::move(decision.findings);
  report.assumptions = environment(*scenario);
  std::ranges::move(decision.assumptions, std::back_inserter(report.assumptions));
  report.figures = round_trips(*system);
  report.expect = scenario->expect;
  report.graph = graph.graph;
  report.cycles = std::move(decision.cycles);
  return report;
}

std::optional<Report> check_graph(const Source& source, Diagnostics& diagnostics) {
  static std::mutex one_reader;  // libcgraph has global state
  const std::unique_lock alone(one_reader);
  const std::optional<DotGraph> drawn = read_dot(source, diagnostics);
  if (!drawn) return std::nullopt;
  Report report;
  report.title = drawn->title;
  report.kind = "graph";
  report.size = fmt::format("{}, {}", quantity(boost::num_vertices(*drawn->graph), "vertex", "vertices"),
                            quantity(boost::num_edges(*drawn->graph), "edge"));
  report.findings = graph_findings(*drawn->graph);
  report.cycles = deadlock_cycles(*drawn->graph);
  report.answers.push_back({"no-dependency-cycle", report.findings.empty() ? Verdict::holds : Verdict::violated,
                            "every dependency that is drawn"});
  report.assumptions.emplace_back("the graph shows every dependency");
  report.expect = drawn->expect;
  report.graph = drawn->graph;
  return report;
}

std::optional<Report> check_trace(std::istream& in, Source& source, Diagnostics& diagnostics) {
  std::optional<Trace> trace = read_ftrace(in, source, diagnostics);
  if (!trace) return std::nullopt;
  Observation seen = observe(*trace);
  Report report;
  report.title = file_title(source.name);
  report.kind = "trace";
  report.size = seen.size;
  report.answers = std::move(seen.answers);
  report.findings = std::move(seen.findings);
  report.losses = std::move(seen.losses);
  report.assumptions = std::move(seen.assumptions);
  report.expect = trace->expect;
  report.graph = seen.graph;
  report.cycles = std::move(seen.cycles);
  return report;
}

std::string read_whole(std::istream& in, Diagnostics& diagnostics) {
  std::ostringstream text;
  std::string block(sniffed, '\0');
  std::uintmax_t size = 0;
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    size += static_cast<std::uintmax_t>(in.gcount());
    if (size > largest_text) {
      diagnostics.error({}, fmt::format("larger than {} MiB", largest_text >> 20U));
      return {};
    }
    text.write(block.data(), in.gcount());
  }
  return std::move(text).str();
}

std::string words(const std::vector<FindingKind>& kinds) {
  std::vector<std::string_view> ids;
  for (const FindingKind kind : kinds) ids.push_back(info(kind).id);
  return fmt::format("{}", fmt::join(ids, ", "));
}

std::string words(Causes causes) {
  std::vector<std::string_view> ids;
  for (const CauseInfo& row : cause_table)
    if (causes.has(row.cause)) ids.push_back(row.id);
  return fmt::format("{}", fmt::join(ids, " + "));
}

std::vector<FindingKind> kinds_of(const Report& report) {
  std::vector<FindingKind> kinds;
  for (const Finding& finding : report.findings) kinds.push_back(finding.kind);
  std::ranges::sort(kinds);
  kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
  return kinds;
}

std::string complaint(const Report& report, const Expectation& expect, Verdict verdict) {
  if (verdict != expect.verdict)
    return fmt::format("expected {}, but the answer is {}", name(expect.verdict), name(verdict));
  if (const auto kinds = kinds_of(report); expect.verdict == Verdict::violated && kinds != expect.findings)
    return fmt::format("expected {}, but found {}", words(expect.findings), words(kinds));
  const auto hang = std::ranges::find_if(report.findings, [](const Finding& f) { return info(f.kind).hang; });
  if (expect.needs && hang != report.findings.end() && hang->needs != *expect.needs)
    return fmt::format("expected that it needs {}, but it needs {}", words(*expect.needs), words(hang->needs));
  return {};
}

// Findings that are the same problem, as their fingerprints say, become one, which counts them.
std::vector<Finding> one_of_each(std::vector<Finding> findings) {
  std::vector<Finding> result;
  std::map<std::string, std::size_t, std::less<>> seen;
  for (Finding& finding : findings) {
    const auto [entry, fresh] = seen.try_emplace(finding.fingerprint, result.size());
    if (fresh)
      result.push_back(std::move(finding));
    else
      result[entry->second].count += finding.count;
  }
  return result;
}

}  // namespace

Checked check_file(const std::string& path, const Budget& budget) {
  Checked checked;
  checked.source.name = path;
  std::ifstream in(path, std::ios::binary);
  std::string beginning(sniffed, '\0');
  if (in) in.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  if (!in && in.gcount() == 0 && !in.eof()) {
    checked.diagnostics.error({}, "cannot be read");
    return checked;
  }
  beginning.resize(static_cast<std::size_t>(in.gcount()));
  const std::optional<InputKind> kind = kind_of(beginning, checked.diagnostics);
  if (!kind) {
    checked.source.text = beginning;
    return checked;
  }
  in.clear();
  const bool seekable = static_cast<bool>(in.seekg(0));
  in.clear();
  if (*kind == InputKind::trace && seekable) {
    checked.report = check_trace(in, checked.source, checked.diagnostics);
  } else if (*kind == InputKind::trace) {  // a pipe: what was read to tell its kind cannot be read again
    std::istringstream whole(beginning + read_whole(in, checked.diagnostics));
    if (checked.diagnostics.ok()) checked.report = check_trace(whole, checked.source, checked.diagnostics);
  } else {
    checked.source.text = (seekable ? std::string() : beginning) + read_whole(in, checked.diagnostics);
    if (checked.diagnostics.ok())
      checked.report = *kind == InputKind::scenario ? check_scenario(checked.source, checked.diagnostics, budget)
                                                    : check_graph(checked.source, checked.diagnostics);
  }
  if (!checked.report) return checked;
  checked.report->warnings = warnings(checked.diagnostics);
  checked.report->findings = one_of_each(std::move(checked.report->findings));
  checked.outcome = outcome(*checked.report);
  return checked;
}

Outcome outcome(const Report& report) {
  Outcome result;
  for (const Answer& answer : report.answers) {
    if (answer.verdict == Verdict::violated) result.verdict = Verdict::violated;
    if (answer.verdict == Verdict::unknown && result.verdict == Verdict::holds) result.verdict = Verdict::unknown;
  }
  if (!report.expect) return result;
  result.complaint = complaint(report, *report.expect, result.verdict);
  result.expected = result.complaint.empty();
  return result;
}

}  // namespace fencecheck
