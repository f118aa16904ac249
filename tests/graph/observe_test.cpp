// What traces prove: every case of ours by its expectation, and recorded traces.
#include "graph/input/observe.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "graph/input/read_ftrace.hpp"
#include "tests/catch.hpp"

using namespace fencecheck;
namespace fs = std::filesystem;

namespace {

struct Seen {
  Trace trace;
  Source source;
  Observation observation;
};

Seen see(std::istream& in, const std::string& name) {
  Seen seen{{}, {name, "", {}}, {}};
  Diagnostics diagnostics;
  auto trace = read_ftrace(in, seen.source, diagnostics);
  for (const Diagnostic& each : diagnostics.sorted())
    FAIL_CHECK(position(seen.source, each.at) << ": " << each.message);
  REQUIRE(trace);
  seen.trace = std::move(*trace);
  seen.observation = observe(seen.trace);
  return seen;
}

Seen see_file(const fs::path& path) {
  std::ifstream in(path);
  REQUIRE(in);
  return see(in, path.filename().string());
}

Seen see_case(const std::string& name) { return see_file(fs::path(FENCECHECK_SOURCE_DIR) / "cases/traces" / name); }

Seen see_text(const std::string& text) {
  std::istringstream in(text);
  return see(in, "t.trace");
}

// One line for the `index`th event of a task: a CPU of its own, so that any order of times is fine.
std::string event(double time, const std::string& task, const std::string& name, const std::string& fence,
                  const std::string& driver = "sw_sync") {
  const auto pid = std::stoul(task.substr(task.rfind('-') + 1));
  std::ostringstream line;
  line << "  " << task << " [" << pid << "] ..... " << std::fixed << time << ": dma_fence_" << name
       << ": driver=" << driver << " timeline=t context=" << fence << " seqno=1\n";
  return line.str();
}

std::vector<FindingKind> kinds(const Observation& observation) {
  std::vector<FindingKind> all;
  for (const Finding& finding : observation.findings) all.push_back(finding.kind);
  std::ranges::sort(all);
  return all;
}

bool says(const std::vector<std::string>& sentences, const std::string& part) {
  return std::ranges::any_of(sentences, [&](const std::string& each) { return each.find(part) != std::string::npos; });
}

// A recorded trace, if there are any on this machine.
std::optional<Seen> recorded(const std::string& name) {
  const fs::path path = fs::path(FENCECHECK_TRACES) / name;
  if (fs::exists(path)) return see_file(path);
  WARN("skipped: there is no " << name);
  return std::nullopt;
}

}  // namespace

TEST_CASE("every trace among the cases shows what it says") {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(fs::path(FENCECHECK_SOURCE_DIR) / "cases/traces")) {
    if (entry.path().extension() == ".trace") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  REQUIRE(paths.size() >= 15);
  for (const fs::path& path : paths) {
    INFO(path.filename());
    const Seen seen = see_file(path);
    REQUIRE(seen.trace.expect);
    CHECK(seen.observation.answers.at(0).verdict == seen.trace.expect->verdict);
    CHECK(kinds(seen.observation) == seen.trace.expect->findings);
    CHECK_FALSE(seen.observation.answers.at(0).reason.empty());
    for (const Finding& finding : seen.observation.findings) {
      CHECK(seen.source.kept.contains(finding.at.line));
      for (const Party& party : finding.parties) CHECK(seen.source.kept.contains(party.at.line));
    }
  }
}

TEST_CASE("every repaired twin holds, and its stem does not") {
  for (const auto& entry : fs::directory_iterator(fs::path(FENCECHECK_SOURCE_DIR) / "cases/traces")) {
    const std::string name = entry.path().stem().string();
    const auto plus = name.find('+');
    if (plus == std::string::npos) continue;
    INFO(name);
    CHECK(see_case(name + ".trace").observation.answers.at(0).verdict == Verdict::holds);
    CHECK(see_case(name.substr(0, plus) + ".trace").observation.answers.at(0).verdict == Verdict::violated);
  }
}

TEST_CASE("the report of a ring names everything") {
  const Seen seen = see_case("report.trace");
  REQUIRE(seen.observation.findings.size() == 1);
  const Finding& finding = seen.observation.findings[0];
  CHECK(finding.message ==
        "3 tasks wait for each other: ring-0-71 -> ring-1-72 -> ring-2-73 -> ring-0-71; ended after 10.0 s by vgem's "
        "10 s timer");
  CHECK(finding.strength == Strength::observed);
  CHECK(finding.closed);
  CHECK(finding.lasts == Microseconds(9'980'010));
  CHECK(finding.needs == Causes().with(Cause::userspace));
  CHECK(finding.at.line == 13);
  REQUIRE(finding.parties.size() == 3);
  const Party& party = finding.parties[1];
  CHECK(party.name == "ring-1-72");
  CHECK(party.holds == std::vector<std::string>{"owes fence vgem/unbound 4:1, created at line 8"});
  CHECK(party.waits_for == "fence vgem/unbound 5:1");
  CHECK(party.released_by == "ring-2-73 signalling 5:1, which it would do only after its own wait");
  REQUIRE(party.waits.size() == 2);
  CHECK(party.waits[0].begin == Microseconds(12'100'100));
  CHECK(party.waits[0].length == Microseconds(1'900'000));
  CHECK(party.waits[0].ended_by == "interrupted or timed out, then restarted");
  CHECK(party.waits[1].ended_by == "signal by vgem's 10 s timer");
  CHECK(party.waits[1].at.line == 16);
  CHECK(seen.observation.size == "3 tasks, 3 fences, 3 waits");
}

TEST_CASE("the cycle to highlight is a closed walk of the graph") {
  const Observation seen = see_case("report.trace").observation;
  REQUIRE(seen.cycles.size() == 1);
  const Cycle& cycle = seen.cycles[0];
  REQUIRE(cycle.size() == 6);
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    CHECK(boost::target(cycle[i], *seen.graph) == boost::source(cycle[(i + 1) % cycle.size()], *seen.graph));
  }
  CHECK((*seen.graph)[boost::source(cycle[0], *seen.graph)].name == "ring-0-71");
}

TEST_CASE("a chain ends at the task that did not signal") {
  const Seen seen = see_case("only-the-timer.trace");
  REQUIRE(seen.observation.findings.size() == 1);
  const Finding& finding = seen.observation.findings[0];
  CHECK_FALSE(finding.closed);
  CHECK(finding.message ==
        "display-12 waits for fence vgem/unbound 9:1, which renderer-11 does not signal; ended after 9.7 s by vgem's "
        "10 s timer");
  REQUIRE(finding.parties.size() == 2);
  CHECK(finding.parties[1].name == "renderer-11");
  CHECK(finding.parties[1].released_by == "nothing: it exited at line 8");
  CHECK(says(finding.notes, "recorder-13 waited for fence vgem/unbound 9:1 too, 9.2 s"));
}

TEST_CASE("a cycle of dependencies whose waits never overlap is no hang") {
  const Observation seen = see_text(event(1.0, "a-1", "init", "1") + event(1.1, "b-2", "init", "2") +
                                    event(1.2, "a-1", "wait_start", "2") + event(1.3, "b-2", "signaled", "2") +
                                    event(1.4, "a-1", "wait_end", "2") + event(1.5, "b-2", "wait_start", "1") +
                                    event(1.6, "a-1", "signaled", "1") + event(1.7, "b-2", "wait_end", "1"))
                               .observation;
  CHECK(seen.findings.empty());
  CHECK(seen.answers.at(0).verdict == Verdict::holds);
  CHECK(components(*seen.graph).cyclic.size() == 1);  // the graph forgets time, the findings do not
}

TEST_CASE("the creator of a fence owes nothing once others have signalled for it") {
  const std::string helper = event(0.1, "a-1", "init", "9") + event(0.2, "c-3", "signaled", "9");
  const std::string cycle = event(1.0, "a-1", "init", "1") + event(1.1, "b-2", "init", "2") +
                            event(1.2, "a-1", "wait_start", "2") + event(1.3, "b-2", "wait_start", "1");
  CHECK(kinds(see_text(cycle).observation) == std::vector{FindingKind::deadlock});
  const Observation seen = see_text(helper + cycle).observation;
  CHECK(seen.findings.empty());
  CHECK(says(seen.assumptions, "nobody is taken to owe the fences of a-1"));
  CHECK(says(seen.assumptions, "2 waits were still open when the recording ended"));
}

TEST_CASE("who submitted work to hardware does not owe its fence") {
  const Observation seen =
      see_text(event(1.0, "a-1", "init", "1", "drm_sched") + event(1.1, "b-2", "init", "2", "drm_sched") +
               event(1.2, "a-1", "wait_start", "2", "drm_sched") + event(1.3, "b-2", "wait_start", "1", "drm_sched"))
          .observation;
  CHECK(seen.findings.empty());
  CHECK(seen.answers.at(0).verdict == Verdict::holds);
}

TEST_CASE("a wait that has lasted ten seconds for hardware makes the answer unknown") {
  const Observation seen =
      see_text(event(1.0, "a-1", "wait_start", "2", "drm_sched") + event(11.5, "b-2", "init", "3", "drm_sched"))
          .observation;
  CHECK(seen.answers.at(0).verdict == Verdict::unknown);
  CHECK(seen.answers.at(0).reason ==
        "a-1 had been waiting 10.5 s for fence drm_sched/t 2:1 (line 1) when the recording ended");
}

TEST_CASE("a thread that waits for its own fence leaves the signal to another, unless the timer had to come") {
  const std::string open = event(1.0, "a-1", "init", "1") + event(1.2, "a-1", "wait_start", "1");
  CHECK(see_text(open).observation.findings.empty());
  const std::string timed = event(1.0, "a-1", "init", "1", "vgem") + event(1.2, "a-1", "wait_start", "1", "vgem") +
                            event(11.1, "<idle>-0", "signaled", "1", "vgem");
  const Observation seen = see_text(timed).observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].message == "a-1 waits for its own fence vgem/t 1:1; ended after 9.9 s by vgem's 10 s timer");
}

TEST_CASE("a tail that hangs on a cycle is a note of its finding") {
  const std::string text = event(1.0, "a-1", "init", "1", "vgem") + event(1.1, "b-2", "init", "2", "vgem") +
                           event(1.2, "a-1", "wait_start", "2", "vgem") + event(1.3, "b-2", "wait_start", "1", "vgem") +
                           event(1.4, "c-3", "wait_start", "1", "vgem") +
                           event(11.1, "<idle>-0", "signaled", "1", "vgem") +
                           event(11.2, "<idle>-0", "signaled", "2", "vgem");
  const Observation seen = see_text(text).observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(says(seen.findings[0].notes, "c-3 waited for fence vgem/t 1:1 too, 9.7 s"));
}

TEST_CASE("a vgem cycle that is open at the end says that its timer had not fired") {
  const Observation seen =
      see_text(event(1.0, "a-1", "init", "1", "vgem") + event(1.1, "b-2", "init", "2", "vgem") +
               event(1.2, "a-1", "wait_start", "2", "vgem") + event(1.5, "b-2", "wait_start", "1", "vgem"))
          .observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].kind == FindingKind::deadlock);
  CHECK(seen.findings[0].message ==
        "2 tasks wait for each other: a-1 -> b-2 -> a-1; still waiting at the end of the trace, after 300.0 ms");
  CHECK(says(seen.findings[0].notes, "vgem's 10 s timer had not fired when the recording ended"));
}

TEST_CASE("a trace without fence events says how to record some") {
  const Observation seen = see_text("  a-1 [000] ..... 1.0: sched_waking: comm=x pid=1\n").observation;
  CHECK(seen.answers.at(0).verdict == Verdict::unknown);
  CHECK(seen.answers.at(0).reason ==
        "the trace holds no dma_fence events: record with 'trace-cmd record -e dma_fence'");
}

TEST_CASE("recorded: three clients in a ring") {
  const auto seen = recorded("vgem-qemu/vgem-cycle.report.txt");
  if (!seen) return;
  REQUIRE(seen->observation.findings.size() == 1);
  const Finding& finding = seen->observation.findings[0];
  CHECK(finding.kind == FindingKind::stall);
  CHECK(finding.message ==
        "3 tasks wait for each other: client-0-104 -> client-1-105 -> client-2-106 -> client-0-104; ended after 10.1 s "
        "by vgem's 10 s timer");
  REQUIRE(finding.parties.size() == 3);
  REQUIRE(finding.parties[0].waits.size() == 2);
  CHECK(finding.parties[0].waits[0].length == Microseconds(509'331));
  CHECK(finding.parties[0].waits[1].length == Microseconds(9'599'299));
  CHECK(finding.parties[0].holds[0].starts_with("owes fence vgem/unbound 4:1"));
  CHECK(finding.parties[2].waits_for == "fence vgem/unbound 4:1");
}

TEST_CASE("recorded: two clients, with the places of their waits") {
  const auto seen = recorded("vgem-qemu/vgem-cycle-stacktrace.trace");
  if (!seen) return;
  REQUIRE(seen->observation.findings.size() == 1);
  const Finding& finding = seen->observation.findings[0];
  CHECK(finding.kind == FindingKind::stall);
  CHECK(finding.parties.at(0).cause == Cause::implicit_sync);
  CHECK(says(finding.notes,
             "client-0-126 waits in dma_resv_wait_timeout <- dma_buf_begin_cpu_access <- dma_buf_ioctl (line 16)"));
}

TEST_CASE("recorded: traces in which nothing hangs") {
  const std::string name = GENERATE(
      as<std::string>{}, "vgem-qemu/vgem-pass.report.txt", "vgem-qemu/vgem-chain.report.txt",
      "lab-6.1/kprobe-membership.trace.txt", "lab-6.1/s1-pipeline.trace.txt", "lab-6.1/s1-v7.dat.report.txt",
      "lab-6.1/s4-direct-reclaim.trace.txt", "lab-6.1/s4-shrinker-wait.trace.txt", "lab-6.1/s6-array-chain.trace.txt",
      "lab-6.1/u-vgem-timeout.trace.txt", "lab-7.3/s1-inst.dat.report.txt", "lab-7.3/s1-pipeline.trace.txt",
      "lab-7.3/s4-direct-reclaim.trace.txt", "lab-7.3/s6-array-chain.trace.txt", "lab-7.3/s6-clock-counter.trace.txt",
      "lab-7.3/s6-stacktrace.trace.txt", "lab-7.3/s6-tgid.trace.txt", "lab-7.3/u-kms-virtio.trace.txt",
      "lab-7.3/u-sync.trace.txt", "lab-7.3/u-vgem.trace.txt");
  INFO(name);
  const auto seen = recorded(name);
  if (!seen) return;
  CHECK(seen->observation.findings.empty());
  CHECK(seen->observation.answers.at(0).verdict == Verdict::holds);
}

TEST_CASE("recorded: traces that prove nothing say so") {
  const std::string name =
      GENERATE(as<std::string>{}, "lab-6.1/s2-userfence-deadlock.trace.txt", "lab-6.1/s3-mutex-deadlock.trace.txt",
               "lab-7.3/s1-lost-events.trace.txt", "i915/trace.txt");
  INFO(name);
  const auto seen = recorded(name);
  if (!seen) return;
  CHECK(seen->observation.findings.empty());
  CHECK(seen->observation.answers.at(0).verdict == Verdict::unknown);
}
