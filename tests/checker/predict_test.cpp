// Other orders of a trace's events: what must be found, and what must not.
#include "checker/predict.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

#include "checker/check.hpp"
#include "graph/input/observe.hpp"
#include "graph/input/read_ftrace.hpp"
#include "tests/catch.hpp"

using namespace fencecheck;

namespace {

Report predicted(const std::string& events, std::size_t window = 1000) {
  std::istringstream in("# tracer: nop\n" + events);
  Source source{"t.trace", "", {}};
  Diagnostics diagnostics;
  FtraceReader reader(in, source, diagnostics);
  Predictor predictor({});
  ObserveOptions options;
  options.window = window;
  options.another_order = [&](const observed::OrderWindow& each) { predictor.take(each); };
  const Observation seen =
      observe({[&](TraceRecord& record) { return reader.next(record); }, &reader.facts()}, source, options);
  REQUIRE(diagnostics.ok());
  Report report;
  report.losses = seen.losses;
  predictor.conclude(report, {window, seen.orders_cut, seen.orders_unsettled});
  return report;
}

// Events of tasks a (pid 1) and b (pid 2), one a line: "a lock L", "b wait F", "a wake b", "irq signal F".
std::string trace(const std::string& script) {
  std::istringstream lines(script);
  std::string text;
  std::string who, what, object;
  for (int time = 100; lines >> who >> what >> object; ++time) {
    const std::string head = "  " +
                             (who == "irq" ? std::string("<idle>-0 [002] d.h1.")
                              : who == "a" ? std::string("a-1 [000] .....")
                                           : std::string("b-2 [001] .....")) +
                             " 1.000" + std::to_string(time) + ": ";
    const std::string fence = "driver=gpu timeline=t context=1 seqno=" + std::to_string(object.front());
    const std::string lock = "00000000aaaa00" + std::to_string(object.front());
    if (what == "lock") text += head + "lock_acquire: " + lock + " " + object + "\n";
    if (what == "try") text += head + "lock_acquire: " + lock + " try " + object + "\n";
    if (what == "read") text += head + "lock_acquire: " + lock + " read " + object + "\n";
    if (what == "unlock") text += head + "lock_release: " + lock + " " + object + "\n";
    if (what == "init") text += head + "dma_fence_init: " + fence + "\n";
    if (what == "signal") text += head + "dma_fence_signaled: " + fence + "\n";
    if (what == "wait") text += head + "dma_fence_wait_start: " + fence + "\n";
    if (what == "waited") text += head + "dma_fence_wait_end: " + fence + "\n";
    if (what == "wake")
      text += head + "sched_waking: comm=" + object + " pid=" + (object == "a" ? "1" : "2") + " prio=120\n";
  }
  return text;
}

const std::string latent = "a init F  a lock L  a unlock L  b lock L  b wait F  a signal F  b waited F  b unlock L";

}  // namespace

TEST_CASE("a lock held over a wait, and taken before the signal, hangs in another order") {
  const Report report = predicted(trace(latent));
  REQUIRE(report.findings.size() == 1);
  const Finding& finding = report.findings.front();
  CHECK(finding.kind == FindingKind::deadlock);
  CHECK(finding.strength == Strength::confirmed);
  CHECK_FALSE(finding.schedule.empty());
  CHECK(finding.parties.size() == 2);
  CHECK(report.answers.front().property == "prediction");
  CHECK(report.answers.front().verdict == Verdict::violated);
}

TEST_CASE("an order that the recorded causes exclude is none") {
  // b knows the fence because a published it under the lock.
  CHECK(predicted(trace("a lock L  a init F  a unlock L  b lock L  b wait F  a signal F  b waited F  b unlock L"))
            .findings.empty());
  // b began because a woke it, after its own section.
  CHECK(predicted(
            trace("a init F  a lock L  a unlock L  a wake b  b lock L  b wait F  a signal F  b waited F  b unlock L"))
            .findings.empty());
}

TEST_CASE("locks that cannot be in the way") {
  for (const char* script :
       {"a init F  a try L  a unlock L  b lock L  b wait F  a signal F  b waited F  b unlock L",
        "a init F  a read L  a unlock L  b read L  b wait F  a signal F  b waited F  b unlock L",
        "a init F  a lock L  a unlock L  b lock M  b wait F  a signal F  b waited F  b unlock M",
        "a init F  a lock L  a unlock L  b lock L  b unlock L  b wait F  a signal F  b waited F",
        "a init F  a lock L  a unlock L  b lock L  b wait F  irq signal F  b waited F  b unlock L"}) {
    INFO(script);
    const Report report = predicted(trace(script));
    CHECK(report.findings.empty());
    CHECK(report.answers.front().verdict == Verdict::holds);
  }
}

TEST_CASE("through a second lock, and with a reader") {
  CHECK(
      predicted(trace("a init F  a lock M  a lock L  a unlock L  a unlock M  b lock L  b wait F  a lock M  a unlock M  "
                      "a signal F  b waited F  b unlock L"))
          .findings.size() == 1);
  CHECK(predicted(trace("a init F  a lock L  a unlock L  b read L  b wait F  a signal F  b waited F  b unlock L"))
            .findings.size() == 1);
}

TEST_CASE("what is more than a window apart is not compared") {
  const Report cut = predicted(trace(latent), 2);
  CHECK(cut.findings.empty());
  CHECK(cut.answers.front().verdict == Verdict::unknown);  // the lock is held over a wait
  CHECK(predicted(trace("a lock L  a unlock L  b lock L  b unlock L"), 2).answers.front().verdict == Verdict::holds);
  CHECK(predicted(trace(latent), 8).findings.size() == 1);
}

TEST_CASE("losses make it unknown") {
  const Report report = predicted(trace("a init F  a lock L  a unlock L") + "CPU:1 [LOST 3 EVENTS]\n");
  CHECK(report.answers.front().verdict == Verdict::unknown);
}

TEST_CASE("recorded: the lock that run_job and a waiter share") {
  const std::string traces = FENCECHECK_TRACES;
  if (!std::filesystem::exists(traces + "/lab-7.3")) {
    WARN("no recorded traces: not looked at");
    return;
  }
  const Checked latent_mutex = check_file(traces + "/lab-7.3/s3-latent-mutex.trace.txt", {});
  REQUIRE(latent_mutex.report);
  std::vector<std::string> waits;
  for (const Finding& finding : latent_mutex.report->findings)
    for (const Party& party : finding.parties)
      if (finding.kind == FindingKind::deadlock) waits.push_back(party.waits_for);
  CHECK(std::ranges::count(waits, "lock 'lab_gpu_lock'") == 1);
  CHECK(std::ranges::count(waits, "kernel fence 'drm_sched/gfx_0.0.0 14:41'") == 1);
  const Checked without_locks = check_file(traces + "/lab-6.1/s3-latent-mutex.trace.txt", {});
  REQUIRE(without_locks.report);
  CHECK(without_locks.report->findings.empty());
  bool said = false;
  for (const std::string& each : without_locks.report->assumptions)
    said = said || each.find("no lock events") != std::string::npos;
  CHECK(said);
}
