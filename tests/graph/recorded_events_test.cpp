// What is not in a trace proves nothing: every answer that holds needs the events that could have shown the opposite.
#include <algorithm>
#include <sstream>
#include <string>

#include "graph/input/observe.hpp"
#include "graph/input/read_ftrace.hpp"
#include "tests/catch.hpp"

using namespace fencecheck;

namespace {

Observation seen_in(const std::string& text, const ObserveOptions& options = {}) {
  std::istringstream in(text);
  Source source{"t.trace", "", {}};
  Diagnostics diagnostics;
  FtraceReader reader(in, source, diagnostics);
  Observation seen =
      observe({[&](TraceRecord& record) { return reader.next(record); }, &reader.facts()}, source, options);
  for (const Diagnostic& each : diagnostics.sorted()) FAIL_CHECK(position(source, each.at) << ": " << each.message);
  return seen;
}

// One event of a task on a CPU of its own: "1.5 app-2 dma_fence_init: …".
std::string line(double time, const std::string& task, const std::string& event) {
  std::ostringstream text;
  text << "  " << task << " [" << task.substr(task.rfind('-') + 1) << "] ..... " << std::fixed << time << ": " << event
       << "\n";
  return text.str();
}

std::string fence(double time, const std::string& task, const std::string& event, const std::string& key,
                  const std::string& driver = "x") {
  return line(time, task, "dma_fence_" + event + ": driver=" + driver + " timeline=t context=" + key + " seqno=1");
}

// The job 8:1, which may have run and be done.
std::string pushed(double time, const std::string& task) {
  return fence(time, task, "init", "7", "drm_sched") + fence(time, task, "init", "8", "drm_sched") +
         line(time, task,
              "drm_sched_job_queue: dev=gpu, fence=8:1, ring=gfx, job count:0, hw job count:0, client_id:1");
}
const std::string run = "drm_sched_job_run: dev=gpu, fence=8:1, ring=gfx, job count:0, hw job count:1, client_id:1";

const Answer* answer(const Observation& seen, std::string_view property) {
  const auto found = std::ranges::find(seen.answers, property, &Answer::property);
  return found == seen.answers.end() ? nullptr : &*found;
}

std::string without(const std::string& text, const std::string& event) {
  std::istringstream lines(text);
  std::string rest;
  for (std::string each; std::getline(lines, each);)
    if (each.find(event) == std::string::npos) rest += each + "\n";
  return rest;
}

}  // namespace

TEST_CASE("without waits only fences that all signalled soon say that nobody hung") {
  const std::string soon = fence(1.0, "a-1", "init", "1") + fence(1.2, "a-1", "signaled", "1");
  CHECK(answer(seen_in(soon), observed_hangs)->verdict == Verdict::holds);
  const std::string long_ago = fence(1.0, "a-1", "init", "1") + fence(2.5, "a-1", "signaled", "1");
  CHECK(answer(seen_in(long_ago), observed_hangs)->verdict == Verdict::unknown);
  CHECK(answer(seen_in(long_ago), observed_hangs)->reason.find("no wait event") != std::string::npos);
  const std::string never = soon + fence(1.3, "a-1", "init", "2") + fence(3.0, "a-1", "init", "3");
  CHECK(answer(seen_in(never), observed_hangs)->verdict == Verdict::unknown);
  const std::string freed = soon + fence(1.3, "a-1", "init", "2") + fence(3.0, "a-1", "destroy", "2");
  CHECK(answer(seen_in(freed), observed_hangs)->verdict == Verdict::unknown);
  const std::string before = soon + fence(3.0, "a-1", "signaled", "2");  // it may have begun long before
  CHECK(answer(seen_in(before), observed_hangs)->verdict == Verdict::unknown);
}

TEST_CASE("a wait needs creations and signals beside it") {
  const std::string whole = fence(1.0, "a-1", "init", "1") + fence(1.1, "b-2", "wait_start", "1") +
                            fence(1.2, "a-1", "signaled", "1") + fence(1.3, "b-2", "wait_end", "1");
  CHECK(answer(seen_in(whole), observed_hangs)->verdict == Verdict::holds);
  for (const std::string missing : {"dma_fence_init", "dma_fence_signaled"}) {
    INFO(missing);
    const Observation seen = seen_in(without(whole, missing));
    CHECK(answer(seen, observed_hangs)->verdict == Verdict::unknown);
    CHECK(answer(seen, observed_hangs)->reason.find("record " + missing) != std::string::npos);
  }
}

TEST_CASE("a long wait whose job was not recorded is not explained") {
  const auto waited = [](const std::string& before) {
    return answer(seen_in(before + fence(1.2, "app-2", "wait_start", "8", "drm_sched") +
                          fence(4.2, "work-3", "signaled", "8", "drm_sched") +
                          fence(4.3, "app-2", "wait_end", "8", "drm_sched")),
                  observed_hangs)
        ->verdict;
  };
  const std::string ran = line(1.1, "work-3", run) + fence(1.15, "work-3", "signaled", "7", "drm_sched");
  CHECK(waited(pushed(1.0, "app-2") + ran) == Verdict::holds);
  CHECK(waited(without(pushed(1.0, "app-2") + ran, "job_queue")) == Verdict::unknown);
  CHECK(waited(without(pushed(1.0, "app-2") + ran, "job_run")) == Verdict::unknown);
}

TEST_CASE("a job that hangs is told, whether or not anybody waits for it") {
  const std::string begun = pushed(1.0, "app-2") + line(1.1, "work-3", run) + fence(1.2, "work-3", "init", "30", "hw") +
                            fence(1.3, "work-3", "signaled", "7", "drm_sched");
  const Observation stuck = seen_in(begun + fence(31.0, "c-4", "init", "9"));
  CHECK(answer(stuck, observed_hangs)->verdict == Verdict::unknown);
  CHECK(answer(stuck, observed_hangs)->reason ==
        "job 8:1 of ring gpu gfx, queued at line 3, had not finished when the recording ended, 30.0 s later; it waits "
        "for fence hw/t 30:1; the hardware has it since line 4");
  const std::string done =
      fence(31.0, "c-4", "signaled", "30", "hw") + fence(31.0, "c-4", "signaled", "8", "drm_sched");
  CHECK(answer(seen_in(begun + done), observed_hangs)->reason ==
        "job 8:1 of ring gpu gfx, queued at line 3, took 30.0 s until its fence signalled (line 8)");
  ObserveOptions options;
  options.late = 20'000'000'000U;
  const Observation late = seen_in(begun + done, options);
  REQUIRE(late.findings.size() == 1);
  CHECK(late.findings[0].rule == Rule::late_fence);
  options.late = 40'000'000'000U;
  CHECK(seen_in(begun + done, options).findings.empty());
}

TEST_CASE("a wait that is open for seconds when the recording ends is no hang, and not nothing") {
  const std::string text = fence(0.5, "a-1", "init", "5") + fence(0.6, "a-1", "signaled", "5") +
                           fence(1.0, "a-1", "init", "1") + fence(1.1, "b-2", "wait_start", "1");
  const Observation seen = seen_in(text + fence(4.1, "c-3", "init", "2"));
  CHECK(answer(seen, observed_hangs)->verdict == Verdict::unknown);
  CHECK(answer(seen, observed_hangs)->reason.starts_with("b-2 had been waiting 3.0 s for fence x/t 1:1"));
  CHECK(answer(seen_in(text + fence(1.5, "c-3", "init", "2")), observed_hangs)->verdict == Verdict::holds);
}

TEST_CASE("who owes the fence of a late wait is told") {
  const std::string text = fence(1.0, "a-1", "init", "1", "sw_sync") + fence(1.1, "b-2", "wait_start", "1", "sw_sync");
  const std::string end = fence(20.0, "c-3", "init", "2");
  const std::string gone =
      line(1.2, "a-1",
           "sched_switch: prev_comm=a prev_pid=1 prev_prio=1 prev_state=X ==> next_comm=s next_pid=0 next_prio=1");
  CHECK(answer(seen_in(text + gone + end), observed_hangs)
            ->reason.ends_with("; a-1 has to signal it, and exited at line 3"));
}

TEST_CASE("locks that are never seen to be released are not held for ever") {
  const std::string text =
      pushed(1.0, "app-2") + line(1.1, "work-3", run) + line(1.2, "work-3", "lock_acquire: 00000000aaaa0001 gpu_lock") +
      line(1.3, "work-3", "lock_release: 00000000aaaa0001 gpu_lock") +
      fence(1.4, "work-3", "signaled", "7", "drm_sched") +
      line(1.5, "app-2", "lock_acquire: 00000000aaaa0001 gpu_lock") +
      line(1.6, "app-2", "lock_release: 00000000aaaa0001 gpu_lock") +
      fence(1.7, "app-2", "wait_start", "8", "drm_sched") + fence(1.8, "work-3", "signaled", "8", "drm_sched");
  const Observation whole = seen_in(text);
  CHECK(whole.findings.empty());
  CHECK(answer(whole, contract_kept)->verdict == Verdict::holds);
  CHECK(whole.orders_lack.empty());
  const Observation unreleased = seen_in(without(text, "lock_release"));
  CHECK(unreleased.findings.empty());
  CHECK(answer(unreleased, contract_kept) == nullptr);
  CHECK(unreleased.orders_lack.find("no lock that is released") != std::string::npos);
  // The release is among the events that were lost.
  const std::string lost = without(text, "1.600000");
  const std::size_t at = lost.find("  app-2 [2] ..... 1.700000");
  CHECK_FALSE(seen_in(lost).findings.empty());
  CHECK(seen_in(lost.substr(0, at) + "CPU:2 [LOST 3 EVENTS]\n" + lost.substr(at)).findings.empty());
}

TEST_CASE("prediction needs what it is made of") {
  const std::string text =
      pushed(1.0, "app-2") + line(1.1, "work-3", run) + line(1.2, "work-3", "lock_acquire: 00000000aaaa0001 gpu_lock") +
      line(1.3, "work-3", "lock_release: 00000000aaaa0001 gpu_lock") +
      fence(1.4, "work-3", "signaled", "7", "drm_sched") + fence(1.7, "app-2", "wait_start", "8", "drm_sched") +
      fence(1.8, "work-3", "signaled", "8", "drm_sched");
  CHECK(seen_in(text).orders_lack.empty());
  for (const std::string event : {"dma_fence_init", "dma_fence_signaled", "wait_start", "job_queue", "job_run"}) {
    INFO(event);
    CHECK_FALSE(seen_in(without(text, event)).orders_lack.empty());
  }
}

TEST_CASE("a task that lockdep shows to be blocked in a lock waits for it") {
  const std::string text =
      line(1.0, "a-1", "lock_acquire: 00000000aaaa0001 A") + line(1.1, "b-2", "lock_acquire: 00000000bbbb0002 B") +
      line(1.2, "a-1", "lock_acquire: 00000000bbbb0002 B") + line(1.2, "a-1", "lock_contended: 00000000bbbb0002 B") +
      line(1.3, "b-2", "lock_acquire: 00000000aaaa0001 A") + line(1.3, "b-2", "lock_contended: 00000000aaaa0001 A") +
      fence(5.0, "c-3", "init", "1");
  const Observation seen = seen_in(text);
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].message ==
        "2 tasks wait for each other: a-1 -> b-2 -> a-1; still waiting at the end of the trace, after 3.8 s");
}

TEST_CASE("a signal by the owner of a user fence is no recovery, whatever resets at that time") {
  const auto text = [](const std::string& work) {
    return fence(1.0, "a-1", "init", "1", "sw_sync") + fence(1.1, "b-2", "wait_start", "1", "sw_sync") +
           line(3.0, "kworker/0:1-7", "workqueue_execute_start: work struct 00000000aaaa0001: function " + work) +
           fence(3.1, "a-1", "signaled", "1", "sw_sync") + fence(3.2, "b-2", "wait_end", "1", "sw_sync");
  };
  CHECK(seen_in(text("panfrost_reset_work")).findings.empty());
  CHECK(seen_in(text("nvme_reset_work")).findings.empty());
}

TEST_CASE("what a user queue was told to wait for, its next fence waits for") {
  const auto fence_of = [](const std::string& event) {
    return event + ": dev=0000:03:00.0, client_id=5, type=0, doorbell=100, ";
  };
  const std::string text = fence(1.0, "u1-1", "init", "1", "sw_sync") +
                           line(1.1, "app-2", fence_of("amdgpu_userq_wait_deps") + "context=50 depends on fence=1:1") +
                           fence(1.2, "app-2", "init", "50", "amdgpu_userq_fence") +
                           line(1.3, "app-2", fence_of("amdgpu_userq_emit_fence") + "fence=50:1") +
                           fence(1.4, "u1-1", "wait_start", "50", "amdgpu_userq_fence") +
                           fence(5.0, "c-3", "init", "9");
  const Observation seen = seen_in(text);
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].message ==
        "2 parties wait for each other: u1-1 -> job 50:1 of ring doorbell 100 -> u1-1; still waiting at the end of the "
        "trace, after 3.6 s");
}

TEST_CASE("two schedulers of one name are told apart, or nothing is concluded") {
  const auto job = [](const std::string& context, const std::string& next, const std::string& pointer) {
    return fence(1.0, "app-2", "init", context, "drm_sched") + fence(1.0, "app-2", "init", next, "drm_sched") +
           line(1.0, "app-2",
                "drm_sched_job: entity=00000000aaaa0001, id=1, fence=00000000" + pointer +
                    ", ring=gfx, job count:0, hw job count:0");
  };
  const std::string depends =
      fence(0.5, "a-5", "init", "1", "sw_sync") + job("7", "8", "bbbb0001") + job("19", "20", "bbbb0002") +
      line(1.1, "w-3", "drm_sched_job_wait_dep: job ring=gfx, id=1, depends fence=00000000cccc0001, context=1, seq=1") +
      fence(1.2, "a-5", "wait_start", "20", "drm_sched") + fence(5.0, "c-3", "init", "9");
  const Observation seen = seen_in(depends);
  CHECK(seen.findings.empty());
  CHECK(answer(seen, observed_hangs)->verdict == Verdict::unknown);
}

TEST_CASE("members of a container are those that are asked at once") {
  const auto text = [](double later) {
    return fence(1.0, "a-1", "init", "5", "sw_sync") + fence(1.1, "b-2", "init", "40", "dma_fence_array") +
           fence(2.0, "c-3", "enable_signal", "40", "dma_fence_array") +
           fence(2.0 + later, "c-3", "enable_signal", "5", "sw_sync") +
           fence(4.5, "a-1", "wait_start", "40", "dma_fence_array") + fence(9.0, "d-4", "init", "9");
  };
  const Observation member = seen_in(text(0.00001));
  REQUIRE(member.findings.size() == 1);
  CHECK(member.findings[0].strength == Strength::potential);  // inferred
  CHECK(seen_in(text(2.0)).findings.empty());
}

TEST_CASE("a writer waits for every reader of a lock") {
  const auto mm = [](double time, const std::string& task, const std::string& event, const std::string& rest) {
    return line(time, task, "mmap_lock_" + event + ": mm=00000000aaaa0001 memcg_id=1 write=" + rest);
  };
  const std::string text =
      fence(1.0, "w-3", "init", "1", "sw_sync") + mm(1.1, "idle-1", "acquire_returned", "false success=true") +
      mm(1.2, "r-2", "acquire_returned", "false success=true") + fence(1.3, "r-2", "wait_start", "1", "sw_sync") +
      mm(1.4, "w-3", "start_locking", "true") + fence(9.0, "d-4", "init", "9");
  const Observation seen = seen_in(text);
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].message.find("2 tasks wait for each other: r-2 -> w-3 -> r-2") == 0);
}

TEST_CASE("the limit of --late holds for short waits, and for fences that a user task signals") {
  const std::string text = fence(1.0, "a-1", "init", "1", "sw_sync") + fence(1.1, "b-2", "wait_start", "1", "sw_sync") +
                           fence(1.6, "a-1", "signaled", "1", "sw_sync") +
                           fence(1.7, "b-2", "wait_end", "1", "sw_sync");
  ObserveOptions options;
  options.late = 100'000'000U;
  CHECK(seen_in(text, options).findings.size() == 1);
  options.late = 600'000'000U;
  CHECK(seen_in(text, options).findings.empty());
  CHECK(answer(seen_in(text), observed_hangs)->verdict == Verdict::holds);
}

TEST_CASE("jobs that are armed together get their own fences") {
  const auto armed = [](const std::string& context, const std::string& next, const std::string& ring) {
    const std::string init = "dma_fence_init: driver=drm_sched timeline=" + ring + " context=";
    return line(1.0, "app-2", init + context + " seqno=1") + line(1.0, "app-2", init + next + " seqno=1");
  };
  const auto push = [](const std::string& ring, const std::string& id) {
    return line(1.1, "app-2",
                "drm_sched_job: entity=00000000aaaa000" + id + ", id=" + id + ", fence=00000000bbbb000" + id +
                    ", ring=" + ring + ", job count:0, hw job count:0");
  };
  const std::string text =
      fence(0.5, "a-5", "init", "1", "sw_sync") + armed("7", "8", "gfx") + armed("17", "18", "sdma") +
      push("gfx", "1") + push("sdma", "2") +
      line(1.2, "w-3", "drm_sched_job_wait_dep: job ring=gfx, id=1, depends fence=00000000cccc0001, context=1, seq=1");
  const std::string end = fence(9.0, "d-4", "init", "9");
  CHECK(seen_in(text + fence(1.3, "a-5", "wait_start", "18", "drm_sched") + end).findings.empty());
  CHECK(seen_in(text + fence(1.3, "a-5", "wait_start", "8", "drm_sched") + end).findings.size() == 1);
}

TEST_CASE("a wait that was recorded just before the creation of its fence is for that fence") {
  const std::string text = fence(1.0, "b-2", "init", "6", "sw_sync") + fence(1.1, "b-2", "wait_start", "5", "sw_sync") +
                           fence(1.10001, "a-1", "init", "5", "sw_sync") +
                           fence(1.2, "a-1", "wait_start", "6", "sw_sync") + fence(9.0, "d-4", "init", "9");
  CHECK(seen_in(text).findings.size() == 1);
}

TEST_CASE("what may have hung beside lost events is told") {
  const std::string begin = fence(1.0, "a-1", "init", "1", "sw_sync") + fence(1.0, "b-2", "init", "2", "sw_sync") +
                            fence(1.1, "a-1", "wait_start", "2", "sw_sync") +
                            fence(1.2, "b-2", "wait_start", "1", "sw_sync");
  const Observation seen = seen_in(begin + "CPU:3 [LOST 3 EVENTS]\n" + fence(9.0, "d-4", "init", "9"));
  CHECK(seen.findings.empty());
  CHECK(answer(seen, observed_hangs)->reason.find("perhaps it hung: 2 tasks wait for each other: a-1 -> b-2 -> a-1") !=
        std::string::npos);
  const std::string freed = fence(1.0, "a-1", "init", "1") + fence(1.1, "b-2", "wait_start", "1") +
                            "CPU:2 [LOST 3 EVENTS]\n" + fence(1.3, "a-1", "destroy", "1");
  CHECK(seen_in(freed).findings.empty());  // its signal, and the end of the wait, may be what was lost
}
