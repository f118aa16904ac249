// What traces prove: every case of ours by its expectation, and recorded traces.
#include "graph/input/observe.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "graph/input/open_input.hpp"
#include "graph/input/read_ftrace.hpp"
#include "graph/input/read_perfetto.hpp"
#include "graph/input/read_trace_dat.hpp"
#include "tests/catch.hpp"

using namespace fencecheck;
namespace fs = std::filesystem;

namespace {

struct Seen {
  TraceFacts facts;
  Source source;
  Observation observation;
};

template <class Reader>
void watch(Reader& reader, Seen& seen, const Diagnostics& diagnostics, const ObserveOptions& options) {
  const TraceStream stream{[&](TraceRecord& record) { return reader.next(record); }, &reader.facts()};
  seen.observation = observe(stream, seen.source, options);
  seen.facts = reader.facts();
  for (const Diagnostic& each : diagnostics.sorted())
    FAIL_CHECK(position(seen.source, each.at) << ": " << each.message);
}

Seen see(std::istream& in, const std::string& name, const ObserveOptions& options = {}) {
  Seen seen{{}, {name, "", {}}, {}};
  Diagnostics diagnostics;
  FtraceReader reader(in, seen.source, diagnostics);
  watch(reader, seen, diagnostics, options);
  return seen;
}

// Of any format, compressed or not.
Seen see_file(const fs::path& path, const ObserveOptions& options = {}) {
  Diagnostics diagnostics;
  OpenedInput input(path.string(), diagnostics);
  REQUIRE(diagnostics.ok());
  Seen seen{{}, {path.filename().string(), "", {}}, {}};
  if (is_trace_dat(input.beginning())) {
    TraceDatReader reader(input.file(), diagnostics);
    watch(reader, seen, diagnostics, options);
    return seen;
  }
  if (is_perfetto(input.beginning())) {
    PerfettoReader reader(input.stream(), diagnostics);
    watch(reader, seen, diagnostics, options);
    return seen;
  }
  return see(input.stream(), path.filename().string(), options);
}

Seen see_case(const std::string& name) { return see_file(fs::path(FENCECHECK_SOURCE_DIR) / "cases/traces" / name); }

Seen see_text(const std::string& text, const ObserveOptions& options = {}) {
  std::istringstream in(text);
  return see(in, "t.trace", options);
}

ObserveOptions later_than(std::uint64_t nanoseconds) {
  ObserveOptions options;
  options.late = nanoseconds;
  return options;
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

TEST_CASE("where only signals were recorded, finding no hang says nothing") {
  const Seen seen = see_text(event(1, "a-1", "signaled", "4") + event(2, "a-1", "destroy", "4"));
  CHECK(seen.observation.answers.front().verdict == Verdict::unknown);
  CHECK(seen.observation.answers.front().reason ==
        "the recording holds no wait event and no creation of a fence: record dma_fence_wait_start, dma_fence_init too "
        "('fencecheck record' prints the command)");
}

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
    REQUIRE(seen.facts.expect);
    CHECK(seen.observation.answers.at(0).verdict == seen.facts.expect->verdict);
    CHECK(kinds(seen.observation) == seen.facts.expect->findings);
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
  CHECK(party.released_by == "released when ring-2-73 signals 5:1, which it does only after its own wait");
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
  const std::string later = event(3.0, "d-4", "init", "7");  // a cycle counts once it has lasted a second
  CHECK(kinds(see_text(cycle + later).observation) == std::vector{FindingKind::deadlock});
  const Observation seen = see_text(helper + cycle + later).observation;
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
  CHECK(seen.answers.at(0).verdict == Verdict::unknown);  // nor does anything say that it signals
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
  const std::string cycle = event(1.0, "a-1", "init", "1", "vgem") + event(1.1, "b-2", "init", "2", "vgem") +
                            event(1.2, "a-1", "wait_start", "2", "vgem") + event(1.5, "b-2", "wait_start", "1", "vgem");
  const Observation seen = see_text(cycle + event(3.0, "c-3", "init", "3", "vgem")).observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].kind == FindingKind::deadlock);
  CHECK(seen.findings[0].message ==
        "2 tasks wait for each other: a-1 -> b-2 -> a-1; still waiting at the end of the trace, after 1.8 s");
  CHECK(says(seen.findings[0].notes, "vgem's 10 s timer had not fired when the recording ended"));
}

TEST_CASE("a cycle that closed just before the end of the recording is neither a hang nor nothing") {
  const Observation seen = see_text(event(1.0, "a-1", "init", "1") + event(1.1, "b-2", "init", "2") +
                                    event(1.2, "a-1", "wait_start", "2") + event(1.5, "b-2", "wait_start", "1"))
                               .observation;
  CHECK(seen.findings.empty());
  CHECK(seen.answers.at(0).verdict == Verdict::unknown);
  CHECK(seen.answers.at(0).reason.find("closed less than 1.0 s before the recording ended") != std::string::npos);
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
  const std::string name =
      GENERATE(as<std::string>{}, "vgem-qemu/vgem-pass.report.txt", "vgem-qemu/vgem-chain.report.txt",
               "lab-6.1/kprobe-membership.trace.txt", "lab-6.1/s1-pipeline.trace.txt", "lab-6.1/s1-v7.dat.report.txt",
               "lab-6.1/s4-direct-reclaim.trace.txt", "lab-6.1/s4-shrinker-wait.trace.txt",
               "lab-6.1/s6-array-chain.trace.txt", "lab-7.3/s1-inst.dat.report.txt", "lab-7.3/s1-pipeline.trace.txt",
               "lab-7.3/s4-direct-reclaim.trace.txt", "lab-7.3/s6-array-chain.trace.txt",
               "lab-7.3/s6-clock-counter.trace.txt", "lab-7.3/s6-stacktrace.trace.txt", "lab-7.3/s6-tgid.trace.txt",
               "lab-7.3/u-kms-virtio.trace.txt", "lab-7.3/u-sync.trace.txt", "lab-7.3/u-vgem.trace.txt");
  INFO(name);
  const auto seen = recorded(name);
  if (!seen) return;
  CHECK(seen->observation.findings.empty());
  CHECK(seen->observation.answers.at(0).verdict == Verdict::holds);
}

TEST_CASE("recorded: traces that prove nothing say so") {
  const std::string name =
      GENERATE(as<std::string>{}, "lab-7.3/s1-lost-events.trace.txt", "perfetto/k61-s2-deadlock.pftrace",
               "lab-6.1/u-vgem-timeout.trace.txt", "i915/log.txt", "i915/trace.txt", "gpuvis/amdgpu.report.txt.gz");
  INFO(name);
  const auto seen = recorded(name);
  if (!seen) return;
  CHECK(seen->observation.findings.empty());
  CHECK(seen->observation.answers.at(0).verdict == Verdict::unknown);
}

TEST_CASE("recorded: a kernel fence waits for a user fence, whose task waits for the kernel fence") {
  const auto seen = recorded("lab-6.1/s2-userfence-deadlock.trace.txt");
  if (!seen) return;
  REQUIRE(seen->observation.findings.size() == 1);
  const Finding& finding = seen->observation.findings[0];
  CHECK(finding.kind == FindingKind::stall);
  REQUIRE(finding.parties.size() == 2);
  CHECK(finding.parties[0].name == "game.exe:cs0-178");
  CHECK(finding.parties[0].waits_for == "fence drm_sched/gfx_0.0.0 7:49");
  CHECK(finding.parties[1].name == "job 7:49 of ring gfx_0.0.0");
  CHECK(finding.parties[1].waits_for == "fence fencelab-user/user proxy 31:1");
}

TEST_CASE("recorded: run_job waits for a mutex that is held over a wait for its fence") {
  const auto seen = recorded("lab-6.1/s3-mutex-deadlock.trace.txt");
  if (!seen) return;
  REQUIRE(seen->observation.findings.size() == 1);
  const Finding& finding = seen->observation.findings[0];
  REQUIRE(finding.parties.size() == 3);
  CHECK(finding.parties[0].name == "gem_close-185");
  CHECK(finding.parties[0].waits_for == "fence drm_sched/gfx_0.0.0 13:42");
  CHECK(finding.parties[0].holds.at(0).starts_with("holds lock 871d201e: it woke gfx_0.0.0-115"));
  CHECK(finding.parties[2].name == "gfx_0.0.0-115");
}

TEST_CASE("recorded: a job that hangs until the scheduler's timeout") {
  const std::string name = GENERATE(as<std::string>{}, "lab-6.1/s7-timeout.trace.txt", "lab-7.3/s7-timeout.trace.txt");
  INFO(name);
  const auto seen = recorded(name);
  if (!seen) return;
  REQUIRE(seen->observation.findings.size() == 1);
  CHECK(seen->observation.findings[0].kind == FindingKind::stall);
  CHECK(seen->observation.findings[0].message.find("by recovery: kworker/0:1") != std::string::npos);
}

TEST_CASE("recorded: what another order would have done") {
  const auto seen = recorded("lab-7.3/s3-latent-mutex.trace.txt");
  if (seen) {
    REQUIRE(seen->observation.findings.size() == 1);
    CHECK(seen->observation.findings[0].rule == Rule::lock_held_across_wait);
    CHECK(seen->observation.answers.at(0).verdict == Verdict::holds);
  }
  const auto without = recorded("lab-6.1/s3-latent-mutex.trace.txt");
  if (without) CHECK(says(without->observation.assumptions, "no lock events"));
}

// A job of entity context 8 (and 7), pushed by `task`.
std::string job(double time, const std::string& task, int seqno) {
  const auto pid = task.substr(task.rfind('-') + 1);
  const std::string begin = "  " + task + " [" + pid + "] ..... " + std::to_string(time) + ": ";
  const std::string number = std::to_string(seqno);
  return begin + "dma_fence_init: driver=drm_sched timeline=gfx context=7 seqno=" + number + "\n" + begin +
         "dma_fence_init: driver=drm_sched timeline=gfx context=8 seqno=" + number + "\n" + begin +
         "drm_sched_job_queue: dev=gpu, fence=8:" + number + ", ring=gfx, job count:0, hw job count:0, client_id:1\n";
}

std::string line(double time, const std::string& task, const std::string& event) {
  const auto pid = task.substr(task.rfind('-') + 1);
  return "  " + task + " [" + pid + "] ..... " + std::to_string(time) + ": " + event + "\n";
}

TEST_CASE("a job depends on the fence of a task that waits for the next job of the same entity") {
  const std::string text =
      event(1.0, "user-1", "init", "1") + job(1.1, "app-2", 1) +
      line(1.2, "app-2", "drm_sched_job_add_dep: fence=8:1 depends on fence=1:1") + job(1.3, "app-2", 2) +
      line(1.4, "user-1", "dma_fence_wait_start: driver=drm_sched timeline=gfx context=8 seqno=2") +
      event(5.0, "c-3", "init", "99");
  const Observation seen = see_text(text).observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].kind == FindingKind::deadlock);
  CHECK(seen.findings[0].message ==
        "3 parties wait for each other: user-1 -> job 8:2 of ring gpu gfx -> job 8:1 of ring gpu gfx -> user-1; still "
        "waiting at the end of the trace, after 3.6 s");
  CHECK(seen.cycles.size() == 1);
}

TEST_CASE("the same jobs without the dependency wait for hardware, and nothing is concluded") {
  const std::string text =
      event(1.0, "user-1", "init", "1") + job(1.1, "app-2", 1) + job(1.3, "app-2", 2) +
      line(1.4, "user-1", "dma_fence_wait_start: driver=drm_sched timeline=gfx context=8 seqno=2") +
      event(5.0, "c-3", "init", "99");
  CHECK(see_text(text).observation.findings.empty());
}

TEST_CASE("a lock that run_job takes is held over a wait for a fence of the same ring") {
  const auto text = [](const std::string& other_lock) {
    return job(1.1, "app-2", 1) +
           line(1.2, "work-3",
                "drm_sched_job_run: dev=gpu, fence=8:1, ring=gfx, job count:0, hw job count:1, client_id:1") +
           line(1.21, "work-3", "lock_acquire: 00000000aaaa0001 gpu_lock") +
           line(1.22, "work-3", "lock_release: 00000000aaaa0001 gpu_lock") +
           line(1.23, "work-3", "dma_fence_signaled: driver=drm_sched timeline=gfx context=7 seqno=1") +
           line(1.3, "app-2", "lock_acquire: 00000000" + other_lock + " gpu_lock") +
           line(1.4, "app-2", "dma_fence_wait_start: driver=drm_sched timeline=gfx context=8 seqno=1") +
           line(1.5, "work-3", "dma_fence_signaled: driver=drm_sched timeline=gfx context=8 seqno=1") +
           line(1.6, "app-2", "dma_fence_wait_end: driver=drm_sched timeline=gfx context=8 seqno=1");
  };
  const Observation seen = see_text(text("aaaa0001")).observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].rule == Rule::lock_held_across_wait);
  CHECK(see_text(text("bbbb0002")).observation.findings.empty());
}

TEST_CASE("reclaim, mmap_lock and waits inside run_job are findings, and outside they are none") {
  const std::string run = "drm_sched_job_run: dev=gpu, fence=8:1, ring=gfx, job count:0, hw job count:1, client_id:1";
  const std::string end = "dma_fence_signaled: driver=drm_sched timeline=gfx context=7 seqno=1";
  const auto rules = [&](const std::string& what, bool inside) {
    const std::string happens = line(1.3, "work-3", what);
    const std::string text = job(1.1, "app-2", 1) + (inside ? "" : happens) + line(1.2, "work-3", run) +
                             (inside ? happens : "") + line(1.4, "work-3", end);
    std::vector<Rule> found;
    for (const Finding& finding : see_text(text).observation.findings) found.push_back(finding.rule.value());
    return found;
  };
  const auto [what, rule] = GENERATE(table<std::string, Rule>({
      {"mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL", Rule::reclaim_in_signalling},
      {"lock_acquire: 0000000000000001 fs_reclaim", Rule::reclaim_in_signalling},
      {"mmap_lock_start_locking: mm=0000000000000001 memcg_id=1 write=false", Rule::mmap_lock_in_signalling},
      {"lock_acquire: 0000000000000001 reservation_ww_class_mutex", Rule::reservation_in_signalling},
      {"dma_fence_wait_start: driver=x timeline=y context=40 seqno=1", Rule::wait_in_run_job},
  }));
  INFO(what);
  CHECK(rules(what, true) == std::vector{rule});
  CHECK(rules(what, false).empty());
}

TEST_CASE("a fence that is freed under a waiter is a finding") {
  const std::string text = event(1.0, "a-1", "init", "1", "x") + event(1.1, "b-2", "wait_start", "1", "x");
  const Observation seen = see_text(text + event(1.2, "a-1", "destroy", "1", "x")).observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].rule == Rule::destroyed_unsignalled);
  CHECK(see_text(text + event(1.2, "a-1", "signaled", "1", "x") + event(1.3, "a-1", "destroy", "1", "x"))
            .observation.findings.empty());
}

TEST_CASE("longer waits than --late are findings") {
  const std::string text = event(1.0, "a-1", "wait_start", "2", "drm_sched") + event(3.5, "b-2", "init", "3", "x");
  CHECK(see_text(text).observation.findings.empty());
  const Observation seen = see_text(text, later_than(2'000'000'000U)).observation;
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].rule == Rule::late_fence);
  CHECK(see_text(text, later_than(3'000'000'000U)).observation.findings.empty());
}

TEST_CASE("each timeline is summed up") {
  const Observation seen = see_text(event(1.0, "a-1", "init", "1", "x") + event(1.5, "a-1", "signaled", "1", "x") +
                                    event(2.0, "a-1", "init", "2", "x"))
                               .observation;
  REQUIRE(seen.summary.size() == 1);
  CHECK(seen.summary[0] == "x/t: 2 fences, 1 signalled, after 500.0 ms on average and 500.0 ms at most (line 2)");
}

TEST_CASE("a job that is done and a fence that signals for it are one signal") {
  const std::string fence = "driver=drm_sched timeline=gfx context=8 seqno=1";
  const Seen seen = see_text(job(1.1, "app-2", 1) + line(1.5, "work-3", "drm_sched_job_done: fence=8:1 signaled") +
                             line(1.5, "work-3", "dma_fence_signaled: " + fence) +
                             line(1.6, "work-3", "dma_fence_signaled: " + fence));
  REQUIRE(seen.observation.summary.size() == 1);
  CHECK(seen.observation.summary[0].find(" 1 signalled, after 400.0 ms") != std::string::npos);
}

TEST_CASE("contended locks alone do not show that the contract is kept") {
  const Seen seen = see_text(job(1.1, "app-2", 1) + line(1.2, "app-2", "contention_begin: 00000000aaaa0001 (flags=)") +
                             line(1.3, "app-2", "contention_end: 00000000aaaa0001 (ret=0)"));
  CHECK(std::ranges::none_of(seen.observation.answers,
                             [](const Answer& answer) { return answer.property == "contract"; }));
}

TEST_CASE("recorded: binary traces say what their text says") {
  const auto [binary, text] = GENERATE(table<std::string, std::string>({
      {"vgem-qemu/vgem-cycle.dat", "vgem-qemu/vgem-cycle.report.txt"},
      {"vgem-qemu/vgem-chain.dat", "vgem-qemu/vgem-chain.report.txt"},
      {"lab-6.1/s1-v7.dat", "lab-6.1/s1-v7.dat.report.txt"},
      {"lab-7.3/s1-v7.dat", "lab-7.3/s1-v7.dat.report.txt"},
      {"lab-7.3/s1-inst.dat", "lab-7.3/s1-inst.dat.report.txt"},
  }));
  INFO(binary);
  const auto one = recorded(binary);
  const auto other = recorded(text);
  if (!one || !other) return;
  CHECK(one->observation.size == other->observation.size);
  CHECK(kinds(one->observation) == kinds(other->observation));
  CHECK(one->observation.answers.at(0).verdict == other->observation.answers.at(0).verdict);
}

TEST_CASE("recorded: nothing hangs in healthy traces of every format") {
  const std::string name =
      GENERATE(as<std::string>{}, "lab-6.1/s1-v6.dat", "lab-6.1/kprobe.dat", "lab-7.3/s1-v6.dat", "lab-7.3/s1-v7z.dat",
               "lab-7.3/u-kms-v7.dat", "perfetto/k61-s1.pftrace", "perfetto/k61-s3-generic.pftrace",
               "perfetto/k73-s1.pftrace.gz", "gpuvis/amdgpu.report.txt.gz", "android/xiaomi_launcher.ftrace.txt.gz",
               "lab-7.3/kunit-dmabuf.trace.txt.gz", "lab-7.3/kunit-drm-sched.trace.txt.gz", "i915/avcenc.log",
               "i915/h264enc.log", "i915/log.txt", "i915/trace.txt", "lab-6.1/s6-latency-format.trace.txt",
               "lab-7.3/s6-latency-format.trace.txt");
  INFO(name);
  const auto seen = recorded(name);
  if (!seen) return;
  for (const Finding& finding : seen->observation.findings) FAIL_CHECK(finding.message);
}
