// Pieces of the readers of snapshots; whole reports are cases and tests of the command line.
#include "graph/input/read_snapshot.hpp"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "graph/conform.hpp"
#include "graph/input/kernel_log.hpp"
#include "graph/input/observe_snapshot.hpp"
#include "graph/input/read_blocked.hpp"
#include "graph/input/read_splat.hpp"
#include "tests/catch.hpp"

namespace fencecheck {
namespace {

std::vector<std::string> texts(std::string_view log) {
  std::vector<std::string> result;
  for (const LogLine& line : kernel_log_lines(log)) result.push_back(line.text);
  return result;
}

TEST_CASE("prefixes of a log are taken off") {
  for (const char* line :
       {"x y", "[    1.234567] x y", "[  +0.074543] x y", "<6>[    1.234567] x y", "[    1.234567][  T158] x y",
        "[    1.234567] [ T1234] x y", "[Thu Nov  1 10:00:00 2018] x y", "Aug 10 07:01:29 host kernel: x y",
        "Dec 16 19:28:44 host kernel: [    1.234567] x y", "2023-08-10T07:01:29+02:00 host kernel: x y",
        "> > [    1.234567] x y"}) {
    INFO(line);
    CHECK(texts(line) == std::vector<std::string>{"x y"});
  }
  CHECK(texts("[drm:f [amdgpu]] *ERROR* x") == std::vector<std::string>{"[drm:f [amdgpu]] *ERROR* x"});
  CHECK(texts("[ BUG: Invalid wait context ]") == std::vector<std::string>{"[ BUG: Invalid wait context ]"});
}

TEST_CASE("lines that a mailer broke are one again, and those that printk continues are not") {
  CHECK(texts("[ 1.0] a lock, at:\nf+0x1/0x2\n[ 1.1] b\n") == std::vector<std::string>{"a lock, at: f+0x1/0x2", "b"});
  CHECK(texts("[ 1.0] a \n   2 flags\n[ 1.1] b\n") == std::vector<std::string>{"a 2 flags", "b"});
  CHECK(texts("[ 1.0]\n               but task\n") == std::vector<std::string>{"", "but task"});
  CHECK(texts("ffff888100000010\n(m){+.+.}, at: f\n") == std::vector<std::string>{"ffff888100000010 (m){+.+.}, at: f"});
  CHECK(texts("(m){+.+.}-{4:4},\n    at: f+0x1\n") == std::vector<std::string>{"(m){+.+.}-{4:4}, at: f+0x1"});
  CHECK(texts("").empty());
}

TEST_CASE("frames of all architectures") {
  CHECK(parse_stack_frame("dma_fence_wait_timeout+0x108/0x130 [amdgpu]", false).function == "dma_fence_wait_timeout");
  CHECK(parse_stack_frame("[<c0112e18>] (unwind_backtrace) from [<c010cda0>] (show_stack+0x10/0x14)", false).function ==
        "unwind_backtrace");
  CHECK_FALSE(parse_stack_frame("? kthread+0x1/0x2", false).certain);
  CHECK(parse_stack_frame("kthread", false).function.empty());
  CHECK(parse_stack_frame("kthread", true).function == "kthread");
  CHECK(parse_stack_frame("which is owned by recover worker", true).function.empty());
  CHECK(parse_stack_frame("0xbea6f8d8", true).function.empty());
}

TEST_CASE("a lock of lockdep, with parentheses in its name") {
  const auto use =
      parse_lock_use({"#1: ffff888100000010 ((work_completion)(&(&s->work)->work)){+.+.}-{0:0}, at: f+0x1/0x2", 7});
  REQUIRE(use);
  CHECK(use->lock == "(work_completion)(&(&s->work)->work)");
  CHECK(use->address == "ffff888100000010");
  CHECK(use->usage == "+.+.");
  CHECK(use->site == "f");
  CHECK(use->at.line == 7);
  CHECK(parse_lock_use({"(ptrval) (&(&g->lock)->rlock){-...}, at: f", 1})->lock == "&(&g->lock)->rlock");
  CHECK_FALSE(parse_lock_use({"lock(&gpu->active_lock);", 1}));
}

TEST_CASE("tasks whose names hold separators") {
  CHECK(parse_task("game.exe:cs0:123", ':') == TaskId{"game.exe:cs0", 123});
  CHECK(parse_task("kworker/6:0/9999", '/') == TaskId{"kworker/6:0", 9999});
  CHECK_FALSE(parse_task("nobody", ':'));
  CHECK_FALSE(parse_task("x:99999999999", ':'));
}

TEST_CASE("lists of held locks in the words of three kernels") {
  for (const char* headline : {"1 lock held by a/1:", "2 locks held by a/1:", "locks held by a/1: 1, last CPU#0:"}) {
    INFO(headline);
    const std::vector<LogLine> lines{{headline, 1}, {"#0: ffff888100000010 (m){+.+.}, at: f", 2}, {"other", 3}};
    std::size_t used = 0;
    const auto held = read_held_locks(lines, used);
    REQUIRE(held);
    CHECK(held->task == TaskId{"a", 1});
    CHECK(held->locks.size() == 1);
    CHECK(used == 2);
  }
}

TEST_CASE("who is blocked, in the words of all kernels") {
  const auto pid = [](const char* text) {
    const auto headline = parse_blocked_headline({text, 1});
    return headline ? headline->task.task.pid : 0;
  };
  CHECK(pid("INFO: task game.exe:cs0:123 blocked for more than 10 seconds.") == 123);
  CHECK(pid("INFO: task a:5 blocked in I/O wait for more than 10 seconds.") == 5);
  CHECK(pid("INFO: task a:5 is blocked on a mutex likely owned by task b:6.") == 5);
  CHECK(pid("INFO: task a:5 <writer> blocked on an rw-semaphore likely owned by task b:6 <reader>") == 5);
  CHECK(pid("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:88]") == 88);
  CHECK(pid("task:kworker/6:0     state:D stack:    0 pid: 9999 ppid:     2 flags:0x00004000") == 9999);
  CHECK(pid("kodi-gbm        D    0   464    460 0x0000022c") == 464);
  CHECK(pid("INFO: lockdep is turned off.") == 0);
  CHECK(parse_blocked_headline({"INFO: task a:5 is blocked on a mutex likely owned by task b:6.", 1})->owner ==
        TaskId{"b", 6});
}

TEST_CASE("two tasks that take each other's locks are seen, and named by their locks") {
  const Source source{"t.dmesg",
                      "INFO: task a:1 blocked for more than 120 seconds.\ntask:a state:D stack:0 pid:1\nCall Trace:\n"
                      " mutex_lock+0x1/0x2\n f+0x1/0x2\n\n"
                      "INFO: task b:2 blocked for more than 120 seconds.\ntask:b state:D stack:0 pid:2\nCall Trace:\n"
                      " mutex_lock+0x1/0x2\n g+0x1/0x2\n\n"
                      "Showing all locks held in the system:\n2 locks held by a/1:\n"
                      " #0: ffff000000000001 (x){+.+.}, at: f\n #1: ffff000000000002 (y){+.+.}, at: f\n"
                      "2 locks held by b/2:\n"
                      " #0: ffff000000000002 (y){+.+.}, at: g\n #1: ffff000000000001 (x){+.+.}, at: g\n",
                      {}};
  Diagnostics diagnostics;
  const auto snapshot = read_snapshot(source, diagnostics);
  REQUIRE(snapshot);
  const Observation seen = observe(*snapshot);
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].kind == FindingKind::deadlock);
  CHECK(seen.findings[0].strength == Strength::observed);
  REQUIRE(seen.findings[0].parties.size() == 2);
  CHECK(seen.findings[0].parties[0].waits_for == "y");
  CHECK(seen.findings[0].parties[0].holds == std::vector<std::string>{"holds x"});
}

Observation seen_in(const std::string& log) {
  Diagnostics diagnostics;
  const auto snapshot = read_snapshot({"t.dmesg", log, {}}, diagnostics);
  REQUIRE(snapshot);
  return observe(*snapshot);
}

TEST_CASE("a lock that the kernel guesses to be held is told with the guess") {
  const Observation seen = seen_in(
      "INFO: task a:1 blocked for more than 120 seconds.\ntask:a state:D stack:0 pid:1\nCall Trace:\n"
      " mutex_lock+0x1/0x2\n f+0x1/0x2\nINFO: task a:1 is blocked on a mutex likely owned by task b:2.\n"
      "INFO: task b:2 blocked for more than 120 seconds.\ntask:b state:D stack:0 pid:2\nCall Trace:\n"
      " dma_fence_wait_timeout+0x1/0x2\n g+0x1/0x2\n");
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].message == "b:2 has been waiting for a fence for more than 120 s, in g()");
  CHECK(std::ranges::count(seen.findings[0].notes,
                           "the mutex that a:1 waits for is likely held by b:2, says the kernel") == 1);
}

TEST_CASE("the prefixes of dmesg -x and of times in ISO format") {
  const std::string report =
      "INFO: task a:1 blocked for more than 120 seconds.\ntask:a state:D stack:0 pid:1\nCall Trace:\n"
      " <TASK>\n dma_fence_wait_timeout+0x1/0x2\n g+0x1/0x2\n";
  for (const std::string prefix : {"kern  :err   : [   84.873606] ", "2026-11-22T01:02:03,000000+00:00 "}) {
    INFO(prefix);
    std::istringstream lines(report);
    std::string log;
    for (std::string each; std::getline(lines, each);) log += prefix + each + "\n";
    const Observation seen = seen_in(log);
    REQUIRE(seen.findings.size() == 1);
    CHECK(seen.findings[0].message == "a:1 has been waiting for a fence for more than 120 s, in g()");
    CHECK(seen.losses.empty());
  }
}

TEST_CASE("what a driver said when a job timed out is its last sign of life") {
  const auto said = [](const std::string& line) {
    const Observation seen = seen_in("[   84.873606] " + line + "\n");
    REQUIRE(seen.findings.size() == 1);
    return seen.findings[0].notes.front();
  };
  const std::string told = "last sign of life, as the driver tells it: ";
  CHECK(said("fencelab: ring gfx timeout, signaled seq=88, emitted seq=89") ==
        told + "signaled seq=88, emitted seq=89");
  CHECK(said("panfrost 1.gpu: gpu sched timeout, js=1, config=0x7b00, status=0x8") ==
        told + "config=0x7b00, status=0x8");
}

TEST_CASE("of a cycle that was cut off, what is missing is named as missing") {
  const Observation seen = seen_in(
      "WARNING: possible circular locking dependency detected\nkworker/2:3/682 is trying to acquire lock:\n"
      "ffffffff8226f140 (c){+.+.}-{0:0}, at: f+0x7b/0xa0\n\nbut task is already holding lock:\n"
      "ffffffff82318c80 (d){++++}-{0:0}, at: g+0x25/0xf0\n\nthe existing dependency chain (in reverse order) is:\n"
      "-> #3 (d){++++}-{0:0}:\n       h+0x41/0xb0\n       i+0x171/0x202\n"
      "-> #1 (r){+.+.}-{0:0}:\n       j+0x25/0x30\n       k+0x171/0x202\n");
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings[0].message == "dependency cycle: c -> r -> #2 (not in the log) -> d -> c");
  CHECK_FALSE(seen.losses.empty());
}

TEST_CASE("patterns") {
  CHECK(matches("", ""));
  CHECK(matches("*", ""));
  CHECK(matches("a*b?", "axxbbc"));
  CHECK(matches("*/gfx_*", "amdgpu/gfx_0.0.0"));
  CHECK_FALSE(matches("a*b", "acbd"));
  CHECK_FALSE(matches("?", ""));
}

}  // namespace
}  // namespace fencecheck
