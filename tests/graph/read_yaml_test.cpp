#include "graph/input/read_yaml.hpp"

#include <fmt/format.h>

#include <limits>
#include <vector>

#include "tests/support/scenario_text.hpp"

namespace fencecheck {
namespace {

using std::chrono::milliseconds;

// What comes out of the only step of the only thread.
template <class Step>
Step step(std::string_view text) {
  const Scenario scenario = read(with_step(text));
  REQUIRE(scenario.threads.size() == 1);
  REQUIRE(scenario.threads[0].steps.size() == 1);
  const StepDeclaration& first = scenario.threads[0].steps[0];
  CHECK(first.at == Place{5, 9, static_cast<std::uint32_t>(text.find(':'))});
  REQUIRE(std::holds_alternative<Step>(first.what));
  return std::get<Step>(first.what);
}

std::vector<std::string> texts(const std::vector<Name>& names) {
  std::vector<std::string> result;
  for (const Name& name : names) result.push_back(name.text);
  return result;
}

// The verbs of a block, for what nests: "wait signal".
std::string verbs(const Block& block) {
  std::string result;
  for (const StepDeclaration& each : block) {
    const bool is_wait = std::holds_alternative<WaitStep>(each.what);
    const bool is_signal = std::holds_alternative<SignalStep>(each.what);
    result += (result.empty() ? "" : " ") + std::string(is_wait ? "wait" : is_signal ? "signal" : "?");
  }
  return result;
}

using Texts = std::vector<std::string>;

// What is around the objects and threads.

TEST_CASE("the smallest scenario", "[read_yaml]") {
  const Scenario scenario = read("fencecheck: 1\nthreads: {t: {steps: [wait: a]}}\n");
  CHECK(scenario.title == "some.case");
  CHECK(scenario.description.empty());
  CHECK(scenario.source.empty());
  CHECK_FALSE(scenario.expect);
  CHECK(scenario.memory_pressure);
  CHECK_FALSE(scenario.userspace_may_stop);
  REQUIRE(scenario.threads.size() == 1);
  CHECK(scenario.threads[0].name.text == "t");
  CHECK(scenario.threads[0].name.at == Place{2, 11, 1});
  CHECK(scenario.threads[0].kind == ThreadKind::user);
}

TEST_CASE("texts and the environment", "[read_yaml]") {
  const Scenario scenario = read(
      "fencecheck: 1\n"
      "title: 'a: b'\n"
      "description: |\n  one\n  two\n"
      "source: 5.18\n"
      "environment: {memory-pressure: false, userspace-may-stop: true}\n"
      "threads: {t: {kind: reclaim, steps: [wait: a]}}\n");
  CHECK(scenario.title == "a: b");
  CHECK(scenario.description == "one\ntwo");
  CHECK(scenario.source == "5.18");
  CHECK_FALSE(scenario.memory_pressure);
  CHECK(scenario.userspace_may_stop);
  CHECK(scenario.threads[0].kind == ThreadKind::reclaim);
}

TEST_CASE("expectations in all their forms", "[read_yaml]") {
  const auto expect = [](std::string_view text) { return *read(with_line(fmt::format("expect: {}", text))).expect; };
  using Kinds = std::vector<FindingKind>;
  CHECK(expect("holds").verdict == Verdict::holds);
  CHECK(expect("holds").findings.empty());
  CHECK(expect("holds").at == Place{2, 1, 6});
  CHECK(expect("unknown").verdict == Verdict::unknown);
  CHECK(expect("stall").verdict == Verdict::violated);
  CHECK(expect("stall").findings == Kinds{FindingKind::stall});
  CHECK(expect("[contract, deadlock, contract]").findings == Kinds{FindingKind::deadlock, FindingKind::contract});
  CHECK(expect("{verdict: holds}").verdict == Verdict::holds);
  CHECK(expect("{verdict: unknown}").verdict == Verdict::unknown);
  CHECK(expect("{verdict: violated, findings: contract}").findings == Kinds{FindingKind::contract});
  CHECK_FALSE(expect("{findings: deadlock}").needs);
  CHECK(expect("{findings: deadlock, needs: []}").needs == Causes());
  const Expectation full = expect("{findings: [deadlock, contract], needs: [memory-management, userspace]}");
  CHECK(full.verdict == Verdict::violated);
  CHECK(full.findings == Kinds{FindingKind::deadlock, FindingKind::contract});
  CHECK(full.needs == Causes().with(Cause::memory_management).with(Cause::userspace));
}

TEST_CASE("objects in all their forms", "[read_yaml]") {
  const Scenario scenario = read(
      "fencecheck: 1\n"
      "regions: {vram: {}, gtt: }\n"
      "buffers: {front: {region: vram, pinned: true}, back: {}}\n"
      "fences:\n"
      "  release: future\n"
      "  render: {kind: proxy, timeout: 2min}\n"
      "  k: {imports: release}\n"
      "  both: {kind: kernel, array: [render, 'k']}\n"
      "timelines: {frames: {kind: user, points: 3}, more: {points: 10000}}\n"
      "locks: {m: mutex, sem: {kind: rwsem}, obj: }\n"
      "variables: {state: -1, low: {initial: -9223372036854775808}, high: 9223372036854775807, zero: }\n"
      "pools: {slots: 0, more: {capacity: 7}}\n"
      "queues: {gfx: engine, wq: {kind: worker, width: 4}, plain: }\n"
      "procedures: {suspend: [wait: a, signal: b]}\n"
      "shrinkers: {lru: [wait: a]}\n"
      "notifiers: {userptr: [signal: a]}\n"
      "threads: {t: {steps: [wait: a]}}\n");
  REQUIRE(scenario.regions.size() == 2);
  CHECK(scenario.regions[1].name.text == "gtt");
  REQUIRE(scenario.buffers.size() == 2);
  CHECK(scenario.buffers[0].region->text == "vram");
  CHECK(scenario.buffers[0].region->at == Place{3, 27, 4});
  CHECK(scenario.buffers[0].pinned);
  CHECK_FALSE(scenario.buffers[1].region);
  CHECK_FALSE(scenario.buffers[1].pinned);
  REQUIRE(scenario.fences.size() == 4);
  CHECK(scenario.fences[0].kind == FenceKind::future);
  CHECK(scenario.fences[0].name.at == Place{5, 3, 7});
  CHECK(scenario.fences[1].kind == FenceKind::proxy);
  CHECK(scenario.fences[1].timeout == milliseconds(120'000));
  CHECK(scenario.fences[2].kind == FenceKind::kernel);
  CHECK(scenario.fences[2].imports->text == "release");
  CHECK(texts(scenario.fences[3].array) == Texts{"render", "k"});
  CHECK(scenario.timelines.at(0).kind == FenceKind::user);
  CHECK(scenario.timelines.at(0).points == 3);
  CHECK(scenario.timelines.at(1).points == 10'000);
  CHECK(scenario.locks.at(0).kind == LockKind::mutex);
  CHECK(scenario.locks.at(1).kind == LockKind::rwsem);
  CHECK(scenario.locks.at(2).kind == LockKind::mutex);
  CHECK(scenario.variables.at(0).initial == -1);
  CHECK(scenario.variables.at(1).initial == std::numeric_limits<std::int64_t>::min());
  CHECK(scenario.variables.at(2).initial == std::numeric_limits<std::int64_t>::max());
  CHECK(scenario.variables.at(3).initial == 0);
  CHECK(scenario.pools.at(0).capacity == 0);
  CHECK(scenario.pools.at(1).capacity == 7);
  CHECK(scenario.queues.at(0).kind == QueueKind::engine);
  CHECK(scenario.queues.at(0).width == 1);
  CHECK(scenario.queues.at(1).kind == QueueKind::worker);
  CHECK(scenario.queues.at(1).width == 4);
  CHECK(scenario.queues.at(2).kind == QueueKind::engine);
  CHECK(verbs(scenario.procedures.at(0).steps) == "wait signal");
  CHECK(verbs(scenario.shrinkers.at(0).steps) == "wait");
  CHECK(verbs(scenario.notifiers.at(0).steps) == "signal");
}

TEST_CASE("tables may be empty, but not the threads", "[read_yaml]") {
  CHECK(read(with_line("fences:\nlocks: {}")).fences.empty());
  CHECK(wrong("fencecheck: 1\nthreads: {}\n") == "2:10: error: 'threads' needs at least one entry\n");
  CHECK(wrong("fencecheck: 1\nthreads:\n") == "2:1: error: expected a mapping from names to mappings, found nothing\n");
  CHECK(wrong("fencecheck: 1\n") == "1:1: error: a scenario needs a key 'threads' or 'templates'\n");
}

// Steps.

TEST_CASE("submit", "[read_yaml]") {
  const auto small = step<SubmitStep>("submit: {queue: q, job: j}");
  CHECK(small.queue.text == "q");
  CHECK(small.job.text == "j");
  CHECK(small.in.empty());
  CHECK_FALSE(small.out);
  CHECK(small.uses.empty());
  CHECK(small.implicit_sync);
  CHECK(small.runs.empty());
  const auto large = step<SubmitStep>(
      "submit: {queue: q, job: j, in: [a, f:2], out: f:3, uses: {x: write, y: bookkeep}, implicit-sync: false, "
      "runs: [wait: a, signal: b]}");
  CHECK(texts(large.in) == Texts{"a", "f:2"});
  CHECK(large.out->text == "f:3");
  REQUIRE(large.uses.size() == 2);
  CHECK(large.uses[0].buffer.text == "x");
  CHECK(large.uses[0].usage == Usage::write);
  CHECK(large.uses[1].usage == Usage::bookkeep);
  CHECK_FALSE(large.implicit_sync);
  CHECK(verbs(large.runs) == "wait signal");
  CHECK(texts(step<SubmitStep>("submit: {queue: q, job: j, in: a}").in) == Texts{"a"});
}

TEST_CASE("wait", "[read_yaml]") {
  const auto one = step<WaitStep>("wait: frames:3");
  CHECK(texts(one.fences) == Texts{"frames:3"});
  CHECK(one.fences[0].at == Place{5, 15, 8});
  CHECK(one.join == Join::all);
  CHECK_FALSE(one.timeout);
  CHECK_FALSE(one.interruptible);
  CHECK(texts(step<WaitStep>("wait: [a, b]").fences) == Texts{"a", "b"});
  const auto all = step<WaitStep>("wait: {all: [a, b], timeout: 250ms, interruptible: true}");
  CHECK(texts(all.fences) == Texts{"a", "b"});
  CHECK(all.join == Join::all);
  CHECK(all.timeout == milliseconds(250));
  CHECK(all.interruptible == true);
  const auto any = step<WaitStep>("wait: {any: [a, b], interruptible: false, timeout: 10s, on-timeout: [signal: a]}");
  CHECK(texts(any.fences) == Texts{"a", "b"});
  CHECK(any.join == Join::any);
  CHECK(any.timeout == milliseconds(10'000));
  CHECK(any.interruptible == false);
  CHECK(verbs(any.on_timeout) == "signal");
}

TEST_CASE("wait-reservation", "[read_yaml]") {
  const auto small = step<WaitReservationStep>("wait-reservation: front");
  CHECK(small.buffer.text == "front");
  CHECK(small.up_to == Usage::bookkeep);
  CHECK_FALSE(small.timeout);
  CHECK_FALSE(small.interruptible);
  const auto large =
      step<WaitReservationStep>("wait-reservation: {buffer: front, up-to: write, timeout: 1s, interruptible: false}");
  CHECK(large.buffer.text == "front");
  CHECK(large.up_to == Usage::write);
  CHECK(large.timeout == milliseconds(1'000));
  CHECK(large.interruptible == false);
}

TEST_CASE("signal and publish", "[read_yaml]") {
  CHECK(texts(step<SignalStep>("signal: a").fences) == Texts{"a"});
  CHECK(texts(step<SignalStep>("signal: [a, b:1]").fences) == Texts{"a", "b:1"});
  CHECK(texts(step<PublishStep>("publish: a").fences) == Texts{"a"});
  CHECK(texts(step<PublishStep>("publish: [a, b:1]").fences) == Texts{"a", "b:1"});
}

TEST_CASE("lock, unlock, trylock and transaction", "[read_yaml]") {
  CHECK(step<LockStep>("lock: m").lock.text == "m");
  CHECK_FALSE(step<LockStep>("lock: m").shared);
  CHECK(step<LockStep>("lock: {lock: m, shared: true}").shared);
  CHECK(step<UnlockStep>("unlock: m").lock.text == "m");
  const auto small = step<TryLockStep>("trylock: {lock: m, steps: [wait: a]}");
  CHECK(small.lock.text == "m");
  CHECK_FALSE(small.shared);
  CHECK(verbs(small.steps) == "wait");
  CHECK(small.otherwise.empty());
  const auto large = step<TryLockStep>("trylock: {lock: m, shared: true, steps: [wait: a], else: [signal: b]}");
  CHECK(large.shared);
  CHECK(verbs(large.otherwise) == "signal");
  CHECK(step<TryLockStep>("trylock: {lock: m, steps: [], else: []}").steps.empty());
  const auto transaction = step<TransactionStep>("transaction: {locks: [a, b], steps: [wait: c]}");
  CHECK(texts(transaction.locks) == Texts{"a", "b"});
  CHECK(transaction.ticket);
  CHECK(verbs(transaction.steps) == "wait");
  CHECK_FALSE(step<TransactionStep>("transaction: {locks: [a], ticket: false, steps: [wait: c]}").ticket);
}

TEST_CASE("alloc, evict and attach", "[read_yaml]") {
  CHECK(step<AllocStep>("alloc: nofs").gfp == Gfp::nofs);
  const auto region = step<AllocStep>("alloc: {gfp: atomic, region: vram}");
  CHECK(region.gfp == Gfp::atomic);
  CHECK(region.region->text == "vram");
  CHECK_FALSE(region.buffer);
  const auto buffer = step<AllocStep>("alloc: {buffer: back}");
  CHECK(buffer.gfp == Gfp::kernel);
  CHECK(buffer.buffer->text == "back");
  CHECK(step<EvictStep>("evict: front").buffer.text == "front");
  CHECK(step<EvictStep>("evict: front").locking == EvictStep::Locking::trylock);
  CHECK(step<EvictStep>("evict: {buffer: front}").locking == EvictStep::Locking::trylock);
  CHECK(step<EvictStep>("evict: {buffer: front, locking: held}").locking == EvictStep::Locking::held);
  const auto attach = step<AttachStep>("attach: {buffer: front, fence: f:1}");
  CHECK(attach.buffer.text == "front");
  CHECK(attach.fence.text == "f:1");
  CHECK(attach.usage == Usage::write);
  CHECK(step<AttachStep>("attach: {buffer: b, fence: f, usage: kernel}").usage == Usage::kernel);
}

TEST_CASE("take and give", "[read_yaml]") {
  CHECK(step<TakeStep>("take: slots").pool.text == "slots");
  CHECK(step<TakeStep>("take: slots").amount == 1);
  CHECK(step<TakeStep>("take: {pool: slots, amount: 9223372036854775807}").amount ==
        std::numeric_limits<std::int64_t>::max());
  CHECK(step<GiveStep>("give: slots").amount == 1);
  CHECK(step<GiveStep>("give: {pool: slots, amount: 2}").amount == 2);
}

TEST_CASE("set, when, choose and call", "[read_yaml]") {
  CHECK(step<SetStep>("set: {state: -1}").variable.text == "state");
  CHECK(step<SetStep>("set: {state: -1}").value == -1);
  const auto when = step<WhenStep>("when: {state: 1, mode: 0}");
  REQUIRE(when.conditions.size() == 2);
  CHECK(when.conditions[1].variable.text == "mode");
  CHECK(when.conditions[0].value == 1);
  const auto choose = step<ChooseStep>("choose: [[wait: a, signal: b], [], [signal: c]]");
  REQUIRE(choose.branches.size() == 3);
  CHECK(verbs(choose.branches[0]) == "wait signal");
  CHECK(choose.branches[1].empty());
  CHECK(verbs(choose.branches[2]) == "signal");
  CHECK(step<CallStep>("call: suspend").procedure.text == "suspend");
}

TEST_CASE("threads and procedures without steps are worth a warning", "[read_yaml]") {
  const Source source{"a.yaml", "fencecheck: 1\nprocedures: {p: []}\nthreads: {t: {steps: []}}\n"};
  Diagnostics diagnostics;
  CHECK(read_yaml(source, diagnostics));
  CHECK(shown(source, diagnostics) ==
        "a.yaml:2:17: warning: there are no steps here\nprocedures: {p: []}\n                ^\n"
        "a.yaml:3:22: warning: there are no steps here\nthreads: {t: {steps: []}}\n                     ^\n");
}

TEST_CASE("an alias repeats steps", "[read_yaml]") {
  const Scenario scenario =
      read("fencecheck: 1\nthreads: {a: &t {steps: &s [wait: x]}, b: *t, c: {kind: ioctl, steps: *s}}\n");
  REQUIRE(scenario.threads.size() == 3);
  CHECK(scenario.threads[1].name.text == "b");
  CHECK(verbs(scenario.threads[1].steps) == "wait");
  CHECK(scenario.threads[2].steps[0].at == Place{2, 29, 4});
}

}  // namespace
}  // namespace fencecheck
