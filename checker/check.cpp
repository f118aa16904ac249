#include "checker/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>

#include "checker/check_design.hpp"
#include "checker/decide.hpp"
#include "checker/design.hpp"
#include "checker/input.hpp"
#include "checker/interrupt.hpp"
#include "checker/predict.hpp"
#include "checker/progress_bar.hpp"
#include "checker/prove.hpp"
#include "graph/cycle_findings.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/merged_trace.hpp"
#include "graph/input/observe.hpp"
#include "graph/input/observe_snapshot.hpp"
#include "graph/input/open_input.hpp"
#include "graph/input/read_dot.hpp"
#include "graph/input/read_ftrace.hpp"
#include "graph/input/read_perfetto.hpp"
#include "graph/input/read_snapshot.hpp"
#include "graph/input/read_trace_dat.hpp"
#include "graph/input/read_yaml.hpp"

namespace fencecheck {
namespace {

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
  for (const QueueDeclaration& queue : scenario.queues)
    if (queue.kind == QueueKind::worker && queue.rescuer && scenario.memory_pressure)
      result.push_back(
          fmt::format("'{}' has its rescuer even while memory is short (WQ_MEM_RECLAIM)", queue.name.text));
  return result;
}

// While memory is short a workqueue may be left with its rescuer, which runs one work at a time
// (Documentation/core-api/workqueue.rst; kernel-facts WQ-02). Nothing if that makes no difference.
std::optional<Scenario> with_rescuers_alone(Scenario scenario, const System& system) {
  const auto may_reclaim = [](const Thread& thread) {
    return std::ranges::any_of(thread.program, [](const Step& step) { return step.cause == Cause::memory_management; });
  };
  if (!scenario.memory_pressure || std::ranges::none_of(system.threads, may_reclaim)) return std::nullopt;
  bool differs = false;
  for (QueueDeclaration& queue : scenario.queues) {
    if (queue.kind != QueueKind::worker || !queue.rescuer || queue.width == 1) continue;
    queue.width = 1;
    differs = true;
  }
  return differs ? std::optional(std::move(scenario)) : std::nullopt;
}

// What holds with all workers has to hold with the rescuers alone. If it does not, it is unknown: when memory is short,
// and for how long, is not in the calculus.
void doubt_workers(const Scenario& scenario, const System& system, const Budget& budget, Decision& decision) {
  const auto answer = std::ranges::find(decision.answers, deadlock_freedom, &Answer::property);
  if (answer == decision.answers.end() || answer->verdict != Verdict::holds) return;
  const std::optional<Scenario> alone = with_rescuers_alone(scenario, system);
  if (!alone) return;
  Diagnostics told_before;
  const std::optional<System> left = lower(*alone, told_before);
  const Decision then = decide(*left, dependencies(*left), budget);
  const auto there = std::ranges::find(then.answers, deadlock_freedom, &Answer::property);
  if (there->verdict == Verdict::holds) return;
  const auto hang = std::ranges::find_if(
      then.findings, [](const Finding& each) { return !each.rule && info(each.kind).property == deadlock_freedom; });
  answer->verdict = Verdict::unknown;
  answer->reason = fmt::format(
      "while memory is short a workqueue may be left with its rescuer, and with one work at a "
      "time: {}",
      hang == then.findings.end() ? there->reason : hang->message);
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

// What a decision comes to, whichever way it was reached.
Report report_of(const Scenario& scenario, const Source& source, const System& system, const SystemGraph& graph,
                 Decision decision, std::string_view decided_by) {
  Report report;
  report.title = scenario.title.empty() ? file_title(source.name) : scenario.title;
  report.kind = "scenario";
  report.size = size_of(system);
  report.answers = std::move(decision.answers);
  report.findings = std::move(decision.findings);
  report.assumptions = environment(scenario);
  std::ranges::move(decision.assumptions, std::back_inserter(report.assumptions));
  report.assumptions.push_back(fmt::format("the engine that decided is right: {}", decided_by));
  report.figures = round_trips(system);
  report.expect = scenario.expect;
  report.graph = graph.graph;
  report.cycles = std::move(decision.cycles);
  return report;
}

std::optional<Report> check_scenario(const Source& source, Diagnostics& diagnostics, const Budget& budget) {
  const std::optional<Scenario> scenario = read_yaml(source, diagnostics);
  if (!scenario) return std::nullopt;
  const std::optional<System> system = lower(*scenario, diagnostics);
  if (!system) return std::nullopt;
  if (any_number(*scenario)) {
    DesignDecision design = decide_design(source, budget);
    const std::string_view by = design.proved ? "the checker of certificates" : info(design.decision.engine).id;
    Report report = report_of(*scenario, source, design.system, design.graph, std::move(design.decision), by);
    report.size += fmt::format("; {} of each template", quantity(design.instances, "instance"));
    return report;
  }
  const SystemGraph graph = dependencies(*system);
  Decision decision = decide(*system, graph, budget);
  doubt_workers(*scenario, *system, budget, decision);
  const std::string_view by = info(decision.engine).id;
  return report_of(*scenario, source, *system, graph, std::move(decision), by);
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

// The report of something that happened.
Report observed_report(Observation seen, const Source& source, std::string_view kind,
                       std::optional<Expectation> expect) {
  Report report;
  report.title = file_title(source.name);
  report.kind = kind;
  report.size = seen.size;
  report.answers = std::move(seen.answers);
  report.findings = std::move(seen.findings);
  report.losses = std::move(seen.losses);
  report.assumptions = std::move(seen.assumptions);
  report.summary = std::move(seen.summary);
  report.expect = std::move(expect);
  report.graph = seen.graph;
  report.whole_graph = seen.whole_graph;
  report.cycles = std::move(seen.cycles);
  return report;
}

// Shows how far the reading is, and says when it has to end.
AskToStop reading_within(const Budget& budget, const OpenedInput& input, const std::string& name) {
  return [&](const TraceFacts& facts) -> std::string {
    if (budget.progress) {
      const double part = facts.part_read > 0 ? facts.part_read : input.part_read().value_or(0);
      budget.progress(
          fmt::format("{}: {}{} events read", name, part > 0 ? progress_bar(part) + " " : "", facts.events));
    }
    if (interrupted()) return "interrupted";
    return budget.out_of_time() ? "the time limit was reached (--timeout)" : "";
  };
}

template <class Reader>
TraceStream stream_of(std::shared_ptr<Reader> reader) {
  const TraceFacts* facts = &reader->facts();
  return {[reader = std::move(reader)](TraceRecord& record) { return reader->next(record); }, facts};
}

bool is_trace(InputKind kind) {
  return kind == InputKind::trace || kind == InputKind::trace_dat || kind == InputKind::perfetto;
}

// Requires: is_trace(kind). Keeps references to all of them.
TraceStream open_trace(InputKind kind, OpenedInput& input, Source& source, Diagnostics& diagnostics, AskToStop ask) {
  if (kind == InputKind::trace_dat)
    return stream_of(std::make_shared<TraceDatReader>(input.file(), diagnostics, std::move(ask)));
  if (kind == InputKind::perfetto)
    return stream_of(std::make_shared<PerfettoReader>(input.stream(), diagnostics, std::move(ask)));
  return stream_of(std::make_shared<FtraceReader>(input.stream(), source, diagnostics, std::move(ask)));
}

// Reads one trace, whatever its format, to its end.
std::optional<Report> check_trace(const TraceStream& stream, Source& source, const Diagnostics& diagnostics,
                                  const Budget& budget, const ObserveOptions& options) {
  Predictor predictor(budget);
  ObserveOptions watching = options;
  watching.another_order = [&](const observed::OrderWindow& window) { predictor.take(window); };
  Observation seen = observe(stream, source, watching);
  if (!diagnostics.ok()) return std::nullopt;
  const bool locks = seen.locks_recorded;
  const Orders orders{options.window, seen.orders_cut, seen.orders_lack, seen.orders_unsettled};
  Report report = observed_report(std::move(seen), source, "trace", stream.facts->expect);
  if (locks) predictor.conclude(report, orders);
  return report;
}

std::optional<Report> check_snapshot(const Source& source, Diagnostics& diagnostics) {
  const std::optional<Snapshot> snapshot = read_snapshot(source, diagnostics);
  if (!snapshot) return std::nullopt;
  return observed_report(observe(*snapshot), source, "snapshot", snapshot->expect);
}

// Inputs that are read whole.
std::optional<Report> check_text(InputKind kind, const Source& source, Diagnostics& diagnostics, const Budget& budget) {
  if (kind == InputKind::scenario) return check_scenario(source, diagnostics, budget);
  return kind == InputKind::snapshot ? check_snapshot(source, diagnostics) : check_graph(source, diagnostics);
}

std::optional<Report> check_any(InputKind kind, OpenedInput& input, Checked& checked, const Budget& budget,
                                const ObserveOptions& options) {
  Source& source = checked.source;
  Diagnostics& diagnostics = checked.diagnostics;
  if (is_trace(kind)) {
    const AskToStop ask = reading_within(budget, input, source.name);
    return check_trace(open_trace(kind, input, source, diagnostics, ask), source, diagnostics, budget, options);
  }
  source.text = read_whole(input.stream(), diagnostics);
  input.check(diagnostics);
  return diagnostics.ok() ? check_text(kind, source, diagnostics, budget) : std::nullopt;
}

// One of several traces that are read together.
struct TracePart {
  TracePart(const std::string& path, const Budget& budget, Diagnostics& together)
      : source{path == "-" ? "<stdin>" : path, "", {}}, input(path, diagnostics) {
    std::optional<InputKind> kind;
    if (diagnostics.ok()) kind = kind_of(input.beginning(), diagnostics);
    if (kind && !is_trace(*kind)) diagnostics.error({}, "only traces can be merged");
    if (const std::string wrong = problem(); !wrong.empty())
      together.error({}, wrong);
    else
      stream = open_trace(*kind, input, source, diagnostics, reading_within(budget, input, source.name));
  }
  [[nodiscard]] std::string problem() {
    input.check(diagnostics);
    const std::vector<Diagnostic> all = diagnostics.sorted();
    const auto error = std::ranges::find(all, Severity::error, &Diagnostic::severity);
    return error == all.end() ? "" : fmt::format("{}: {}", position(source, error->at), error->message);
  }

  Source source;
  Diagnostics diagnostics;
  OpenedInput input;
  TraceStream stream;
};

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

// What is left to do with a report when an input has been read.
void conclude(Checked& checked) {
  checked.report->warnings = warnings(checked.diagnostics);
  checked.report->findings = one_of_each(std::move(checked.report->findings));
  checked.outcome = outcome(*checked.report);
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

}  // namespace

Checked check_file(const std::string& path, const Budget& budget, const ObserveOptions& options) {
  Checked checked;
  checked.source.name = path == "-" ? "<stdin>" : path;
  OpenedInput input(path, checked.diagnostics);
  if (!checked.diagnostics.ok()) return checked;
  const std::optional<InputKind> kind = kind_of(input.beginning(), checked.diagnostics);
  if (!kind) {
    checked.source.text = input.beginning();
    return checked;
  }
  checked.report = check_any(*kind, input, checked, budget, options);
  if (checked.diagnostics.ok()) input.check(checked.diagnostics);
  if (!checked.diagnostics.ok()) checked.report.reset();
  if (!checked.report) return checked;
  conclude(checked);
  return checked;
}

Checked check_merged(const std::vector<std::string>& paths, const Budget& budget, const ObserveOptions& options) {
  Checked checked;
  checked.source.name = fmt::format("{}", fmt::join(paths, " + "));
  std::deque<TracePart> opened;
  std::vector<MergedTrace::Part> parts;
  for (const std::string& path : paths) {
    TracePart& part = opened.emplace_back(path, budget, checked.diagnostics);
    parts.push_back({part.source.name, part.stream, [&part] { return part.problem(); }});
  }
  if (!checked.diagnostics.ok()) return checked;
  auto merged = std::make_shared<MergedTrace>(std::move(parts), checked.diagnostics);
  checked.report = check_trace(stream_of(std::move(merged)), checked.source, checked.diagnostics, budget, options);
  if (!checked.report) return checked;
  checked.report->title = "merged";
  checked.report->assumptions.emplace_back(
      "the files are of one machine and one boot, and have one clock where they do not name theirs; lines count the "
      "events of all");
  conclude(checked);
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
