#include "graph/input/read_yaml.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "graph/input/lower.hpp"
#include "tests/catch.hpp"
#include "tests/support/said.hpp"

namespace fencecheck {
namespace {

using std::chrono::milliseconds;

// The scenario, which must be read without a word.
Scenario read(std::string text) {
  Diagnostics diagnostics;
  auto scenario = read_yaml({.name = "cases/some.case.yaml", .text = std::move(text)}, diagnostics);
  INFO(said(diagnostics));
  REQUIRE(scenario);
  REQUIRE(diagnostics.sorted().empty());
  return *std::move(scenario);
}

// What is wrong with a text that is no scenario.
std::string wrong(std::string text) {
  Diagnostics diagnostics;
  const auto scenario = read_yaml({.name = "a.yaml", .text = std::move(text)}, diagnostics);
  CHECK_FALSE(scenario);
  CHECK_FALSE(diagnostics.ok());
  return said(diagnostics);
}

// A scenario with one line before its threads, or with one step.
std::string with_line(std::string_view line) {
  return fmt::format("fencecheck: 1\n{}\nthreads: {{t: {{steps: [wait: a]}}}}\n", line);
}
std::string with_step(std::string_view step) {
  return fmt::format("fencecheck: 1\nthreads:\n  t:\n    steps:\n      - {}\n", step);
}

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

TEST_CASE("expectations that contradict themselves", "[read_yaml]") {
  const auto expect = [](std::string_view text) { return wrong(with_line(fmt::format("expect: {}", text))); };
  CHECK(expect("[holds, deadlock]") == "2:10: error: 'holds' stands alone\n");
  CHECK(expect("[]") == "2:9: error: 'expect' needs at least 1 element\n");
  CHECK(expect("violated") ==
        "2:9: error: no outcome is called 'violated'; expected holds, unknown, deadlock, stall, contract\n");
  CHECK(expect("{verdict: violated}") == "2:10: error: the verdict 'violated' needs a key 'findings'\n");
  CHECK(expect("{verdict: holds, findings: stall}") == "2:10: error: the verdict 'holds' has no findings\n");
  CHECK(expect("{findings: contract, needs: [lock]}") ==
        "2:30: error: 'needs' belongs to a deadlock or a stall, and none is expected\n");
  CHECK(expect("{findings: deadlock, needs: [locks]}") ==
        "2:38: error: no cause is called 'locks'; did you mean 'lock'?\n");
  CHECK(expect("{findings: deadlock, needs: lock}") == "2:37: error: expected a list of causes, found 'lock'\n");
  CHECK(expect("{}") == "2:1: error: 'expect' needs a key 'verdict' or 'findings'\n");
  CHECK(expect("") == "2:1: error: expected an outcome, a list of them or a mapping, found nothing\n");
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
  CHECK(scenario.queues.at(0).runs_on == ThreadKind::engine);
  CHECK(scenario.queues.at(0).width == 1);
  CHECK(scenario.queues.at(1).runs_on == ThreadKind::worker);
  CHECK(scenario.queues.at(1).width == 4);
  CHECK(scenario.queues.at(2).runs_on == ThreadKind::engine);
  CHECK(verbs(scenario.procedures.at(0).steps) == "wait signal");
  CHECK(verbs(scenario.shrinkers.at(0).steps) == "wait");
  CHECK(verbs(scenario.notifiers.at(0).steps) == "signal");
}

TEST_CASE("tables may be empty, but not the threads", "[read_yaml]") {
  CHECK(read(with_line("fences:\nlocks: {}")).fences.empty());
  CHECK(wrong("fencecheck: 1\nthreads: {}\n") == "2:10: error: 'threads' needs at least one entry\n");
  CHECK(wrong("fencecheck: 1\nthreads:\n") == "2:1: error: expected a mapping from names to mappings, found nothing\n");
  CHECK(wrong("fencecheck: 1\n") == "1:1: error: a scenario needs a key 'threads'\n");
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

// Mistakes.

TEST_CASE("the version comes first", "[read_yaml]") {
  CHECK(wrong("fencecheck: 2\nthreads: 3\n") == "1:13: error: unknown version 2; this program reads version 1\n");
  CHECK(wrong("fencecheck: {}\n") == "1:13: error: unknown version; this program reads version 1\n");
  CHECK(wrong("fencecheck:\n") == "1:1: error: unknown version; this program reads version 1\n");
  CHECK(wrong("threads: {t: {steps: [wait: a]}}\nfencecheck: 1\n") ==
        "1:1: error: the first key must be 'fencecheck: 1'\n");
  CHECK(wrong("title: x\n") ==
        "1:1: error: the first key must be 'fencecheck: 1'\n1:1: error: a scenario needs a key 'threads'\n");
  CHECK(wrong("- a\n") == "1:1: error: expected a scenario, which begins with 'fencecheck: 1'\n");
  CHECK(wrong("fencecheck 1\n") == "1:1: error: expected a scenario, which begins with 'fencecheck: 1'\n");
  CHECK(wrong("{}") ==
        "1:1: error: the first key must be 'fencecheck: 1'\n1:1: error: a scenario needs a key 'threads'\n");
  CHECK(wrong("") == "error: empty: expected a scenario, which begins with 'fencecheck: 1'\n");
}

TEST_CASE("every mistake is reported, in the order of the text, with line and caret", "[read_yaml]") {
  const Source source{"a.yaml",
                      "fencecheck: 1\n"
                      "titel: x\n"
                      "fences: {a: kernl, a: user}\n"
                      "threads:\n"
                      "  t:\n"
                      "    steps:\n"
                      "      - wiat: a\n"
                      "      - lock: {lock: 7, shared: yes}\n"};
  Diagnostics diagnostics;
  CHECK_FALSE(read_yaml(source, diagnostics));
  CHECK(shown(source, diagnostics) ==
        "a.yaml:2:1: error: no key is called 'titel'; did you mean 'title'?\n"
        "titel: x\n"
        "^~~~~\n"
        "a.yaml:3:10: note: the key 'a' is first given here\n"
        "fences: {a: kernl, a: user}\n"
        "         ^\n"
        "a.yaml:3:13: error: no kind of fence is called 'kernl'; did you mean 'kernel'?\n"
        "fences: {a: kernl, a: user}\n"
        "            ^~~~~\n"
        "a.yaml:3:20: error: the key 'a' is given twice\n"
        "fences: {a: kernl, a: user}\n"
        "                   ^\n"
        "a.yaml:7:9: error: no key is called 'wiat'; did you mean 'wait'?\n"
        "      - wiat: a\n"
        "        ^~~~\n"
        "a.yaml:8:22: error: '7' is not a name: a name has letters, digits and '_.+-', and begins with a letter or "
        "'_'\n"
        "      - lock: {lock: 7, shared: yes}\n"
        "                     ^\n"
        "a.yaml:8:33: error: expected true or false, found 'yes'; did you mean 'true'?\n"
        "      - lock: {lock: 7, shared: yes}\n"
        "                                ^~~\n");
}

TEST_CASE("a mistake behind two aliases is reported once", "[read_yaml]") {
  CHECK(wrong("fencecheck: 1\nthreads: {a: &t {steps: [wiat: x]}, b: *t, c: *t}\n") ==
        "2:26: error: no key is called 'wiat'; did you mean 'wait'?\n");
}

TEST_CASE("a step has one key", "[read_yaml]") {
  const auto step = [](std::string_view text) { return wrong(with_step(text)); };
  CHECK(step("wait") == "5:9: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("lock") == "5:9: error: a step is a mapping with one key, such as 'lock: m'\n");
  CHECK(step("{}") == "5:9: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("[wait: a]") == "5:9: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("") == "5:7: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("{wait: a, signal: b}") == "5:19: error: a step has exactly one key, and 'signal' is one more\n");
  CHECK(step("wait: a\n        timeout: 1s") ==
        "6:9: error: a step has exactly one key, and 'timeout' is one more; it belongs inside of 'wait'\n");
  CHECK(step("{wait: a b, signal: }") ==
        "5:16: error: 'a b' is not a name: a name has letters, digits and '_.+-', and begins with a letter or '_'\n"
        "5:21: error: a step has exactly one key, and 'signal' is one more\n"
        "5:21: error: expected the name of a fence or a list of them, found nothing\n");
}

TEST_CASE("steps are lists", "[read_yaml]") {
  CHECK(wrong("fencecheck: 1\nthreads: {t: {steps: {wait: a}}}\n") ==
        "2:22: error: 'steps' needs a list of steps; a step begins with '- '\n");
  CHECK(wrong("fencecheck: 1\nthreads: {t: {steps: }}\n") == "2:15: error: 'steps' needs a list of steps\n");
  CHECK(wrong("fencecheck: 1\nthreads: {t: [wait: a]}\n") == "2:14: error: expected a mapping, found a list\n");
  CHECK(wrong("fencecheck: 1\nthreads: {t: }\n") == "2:11: error: a thread needs a key 'steps'\n");
  CHECK(wrong("fencecheck: 1\nthreads: [t]\n") ==
        "2:10: error: expected a mapping from names to mappings, found a list\n");
}

TEST_CASE("keys that are missing or too many", "[read_yaml]") {
  const auto step = [](std::string_view text) { return wrong(with_step(text)); };
  CHECK(step("submit: {}") == "5:9: error: 'submit' needs a key 'queue'\n5:9: error: 'submit' needs a key 'job'\n");
  CHECK(step("attach: front") == "5:17: error: expected a mapping, found 'front'\n");
  CHECK(step("attach:") == "5:9: error: 'attach' needs a key 'buffer'\n5:9: error: 'attach' needs a key 'fence'\n");
  CHECK(step("wait: {timeout: 1s}") == "5:9: error: 'wait' needs a key 'all' or 'any'\n");
  CHECK(step("wait: {all: [a], any: [b]}") == "5:26: error: 'wait' takes only one of 'all' and 'any'\n");
  CHECK(step("alloc: {region: a, buffer: b}") == "5:28: error: 'alloc' takes only one of 'region' and 'buffer'\n");
  CHECK(step("wait: {all: [a], on-timeout: [signal: a]}") ==
        "5:26: error: 'on-timeout' without a key 'timeout' never runs\n");
  CHECK(step("set: {a: 1, b: 2}") == "5:21: error: 'set' takes one entry only\n");
  CHECK(step("set: {}") == "5:14: error: 'set' needs at least one entry\n");
  CHECK(step("when: {}") == "5:15: error: 'when' needs at least one entry\n");
  CHECK(step("wait: []") == "5:15: error: 'wait' needs at least 1 element\n");
  CHECK(step("transaction: {locks: [], steps: [wait: a]}") == "5:30: error: 'locks' needs at least 1 element\n");
  CHECK(step("choose: [[wait: a]]") == "5:17: error: 'choose' needs at least 2 elements\n");
  CHECK(wrong(with_line("fences: {a: {imports: u, array: [b]}}")) ==
        "2:26: error: a fence takes only one of 'imports' and 'array'\n");
  CHECK(wrong(with_line("timelines: {a: {}}")) == "2:13: error: a timeline needs a key 'points'\n");
  CHECK(wrong(with_line("regions: {a: {size: 1}}")) == "2:15: error: no key is called 'size'; there are none here\n");
}

TEST_CASE("values of another form", "[read_yaml]") {
  const auto step = [](std::string_view text) { return wrong(with_step(text)); };
  CHECK(step("wait: {a: b}") ==
        "5:9: error: 'wait' needs a key 'all' or 'any'\n"
        "5:16: error: no key is called 'a'; expected all, any, timeout, interruptible, on-timeout\n");
  CHECK(step("wait: [[a]]") == "5:16: error: expected the name of a fence or a mapping, found a list\n");
  CHECK(step("signal: {a: b}") == "5:17: error: expected the name of a fence or a list of them, found a mapping\n");
  CHECK(step("lock: [a]") == "5:15: error: expected the name of a lock or buffer or a mapping, found a list\n");
  CHECK(step("call: ~") == "5:15: error: expected the name of a procedure, found nothing\n");
  CHECK(step("choose: a") == "5:17: error: expected a list of lists of steps, found 'a'\n");
  CHECK(step("choose: [a, [wait: b]]") == "5:18: error: 'choose' needs a list of steps\n");
  CHECK(step("set: state") == "5:14: error: expected a mapping from names to integers, found 'state'\n");
  CHECK(step("alloc: kernl") == "5:16: error: no allocation class is called 'kernl'; did you mean 'kernel'?\n");
  CHECK(step("evict: {buffer: a, locking: spin}") ==
        "5:37: error: no way of locking is called 'spin'; expected trylock, lock, held\n");
  CHECK(step("submit: {queue: q, job: j, uses: [a]}") ==
        "5:42: error: expected a mapping from names to usages, found a list\n");
  CHECK(step("submit: {queue: q, job: j, uses: {a: rd}}") ==
        "5:46: error: no usage is called 'rd'; expected kernel, write, read, bookkeep\n");
  CHECK(wrong(with_line("title: [a]")) == "2:8: error: expected one line of text, found a list\n");
  CHECK(wrong(with_line("title: |\n  a\n  b")) ==
        "2:8: error: 'title' has one line only; there is 'description' for more\n");
  CHECK(wrong(with_line("queues: {q: user}")) ==
        "2:13: error: no kind of queue is called 'user'; expected engine, worker\n");
  CHECK(wrong(with_line("environment: on")) == "2:14: error: expected a mapping, found 'on'\n");
}

TEST_CASE("truth values are true and false", "[read_yaml]") {
  const auto pinned = [](std::string_view text) {
    return wrong(with_line(fmt::format("buffers: {{a: {{pinned: {}}}}}", text)));
  };
  CHECK(pinned("yes") == "2:23: error: expected true or false, found 'yes'; did you mean 'true'?\n");
  CHECK(pinned("off") == "2:23: error: expected true or false, found 'off'; did you mean 'false'?\n");
  CHECK(pinned("True") == "2:23: error: expected true or false, found 'True'; did you mean 'true'?\n");
  CHECK(pinned("0") == "2:23: error: expected true or false, found '0'; did you mean 'false'?\n");
  CHECK(pinned("2") == "2:23: error: expected true or false, found '2'\n");
  CHECK(pinned("'true'") == "2:23: error: expected true or false, found 'true' in quotes\n");
  CHECK(pinned("[]") == "2:23: error: expected true or false, found a list\n");
}

TEST_CASE("integers are exact", "[read_yaml]") {
  const auto initial = [](std::string_view text) {
    return wrong(with_line(fmt::format("variables: {{a: {{initial: {}}}}}", text)));
  };
  const std::string range = "is out of range: expected an integer from -9223372036854775808 to 9223372036854775807\n";
  CHECK(initial("9223372036854775808") == "2:26: error: '9223372036854775808' " + range);
  CHECK(initial("-9223372036854775809") == "2:26: error: '-9223372036854775809' " + range);
  CHECK(initial("1.5") == "2:26: error: expected an integer, found '1.5'\n");
  CHECK(initial("1e3") == "2:26: error: expected an integer, found '1e3'\n");
  CHECK(initial("0x10") == "2:26: error: expected an integer, found '0x10'\n");
  CHECK(initial("010") == "2:26: error: expected an integer, found '010'\n");
  CHECK(initial("+1") == "2:26: error: expected an integer, found '+1'\n");
  CHECK(initial("-") == "2:26: error: expected an integer, found '-'\n");
  CHECK(initial("'1'") == "2:26: error: expected an integer, found '1' in quotes\n");
  CHECK(wrong(with_line("pools: {a: -1}")) ==
        "2:12: error: '-1' is out of range: expected an integer from 0 to 9223372036854775807\n");
  CHECK(wrong(with_line("pools: {a: many}")) ==
        "2:12: error: expected an integer of at least 0 or a mapping, found 'many'\n");
  CHECK(wrong(with_line("timelines: {a: {points: 10001}}")) ==
        "2:25: error: '10001' is out of range: expected an integer from 1 to 10000\n");
  CHECK(wrong(with_step("take: {pool: a, amount: 0}")) ==
        "5:33: error: '0' is out of range: expected an integer from 1 to 9223372036854775807\n");
}

TEST_CASE("durations have a unit", "[read_yaml]") {
  const auto timeout = [](std::string_view text) {
    return wrong(with_line(fmt::format("fences: {{a: {{timeout: {}}}}}", text)));
  };
  const std::string expected = "2:23: error: expected a duration such as 10s, 250ms or 2min, found ";
  CHECK(timeout("10") == "2:23: error: '10' has no unit; did you mean '10s' or '10ms'?\n");
  CHECK(timeout("0s") == "2:23: error: a duration must be longer than 0\n");
  CHECK(timeout("10 sec") == expected + "'10 sec'\n");
  CHECK(timeout("-1s") == expected + "'-1s'\n");
  CHECK(timeout("1.5s") == expected + "'1.5s'\n");
  CHECK(timeout("soon") == expected + "'soon'\n");
  CHECK(timeout("{}") == expected + "a mapping\n");
  CHECK(timeout("9223372036854775808ms") == "2:23: error: '9223372036854775808ms' is too long\n");
  CHECK(timeout("153722867280913min") == "2:23: error: '153722867280913min' is too long\n");
  CHECK(read(with_line("fences: {a: {timeout: 153722867280912min}}")).fences[0].timeout ==
        milliseconds(153'722'867'280'912 * 60'000));
}

TEST_CASE("names", "[read_yaml]") {
  const std::string rule = " is not a name: a name has letters, digits and '_.+-', and begins with a letter or '_'\n";
  CHECK(wrong(with_line("fences: {1a: user}")) == "2:10: error: '1a'" + rule);
  CHECK(wrong(with_line("fences: {\"a:1\": user}")) == "2:10: error: 'a:1'" + rule);
  CHECK(wrong(with_line("fences: {\"\": user}")) == "2:10: error: ''" + rule);
  CHECK(wrong(with_step("lock: a:1")) == "5:15: error: 'a:1'" + rule);
  CHECK(wrong(with_step("wait: \"a\\u20ac\"")) == "5:15: error: 'a\xE2\x82\xAC'" + rule);
  CHECK(wrong(with_step("wait: " + std::string(50, 'x') + std::string(50, '!'))) ==
        "5:15: error: '" + std::string(50, 'x') + std::string(10, '!') + "...'" + rule);
  CHECK(wrong(with_step("wait: a:0")) == "5:15: error: 'a:0' is not a point of a timeline, such as 'a:1'\n");
  CHECK(wrong(with_step("wait: a:b")) == "5:15: error: 'a:b' is not a point of a timeline, such as 'a:1'\n");
  CHECK(wrong(with_step("wait: 'a:'")) == "5:15: error: 'a:' is not a point of a timeline, such as 'a:1'\n");
  CHECK(read(with_line("fences: {a.b+c-d_1: user, _: user}")).fences.size() == 2);
}

TEST_CASE("what is not YAML is no scenario", "[read_yaml]") {
  CHECK(wrong("fencecheck: 1\nthreads: {\n") ==
        "3:1: error: not valid YAML: end of map flow not found: a '{' without its '}'\n");
  CHECK(wrong(std::string("fencecheck: 1\0\n", 15)) == "1:14: error: not a text: control character 0x00\n");
}

// Whole files.

std::string file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The comments at the beginning of a rejected case: "# error: 4:23: no key …".
std::string announced(std::string_view text) {
  std::string result;
  for (; text.starts_with("# "); text.remove_prefix(text.find('\n') + 1)) {
    const std::string_view line = text.substr(2, text.find('\n') - 2);
    if (line.starts_with("error: ") || line.starts_with("note: ") || line.starts_with("warning: "))
      result += std::string(line) + "\n";
  }
  return result;
}

// The messages in the same form: "error: 4:23: …".
std::string messages(const Diagnostics& diagnostics) {
  std::string result;
  for (const Diagnostic& each : diagnostics.sorted()) {
    const std::string place = each.at.line == 0 ? "" : fmt::format("{}:{}: ", each.at.line, each.at.column);
    result += fmt::format("{}: {}{}\n", name(each.severity), place, each.message);
  }
  return result;
}

TEST_CASE("every rejected case is rejected with the messages that it announces", "[read_yaml]") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FENCECHECK_SOURCE_DIR "/tests/rejected")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path().filename().string());
    const Source source{entry.path().filename().string(), file(entry.path())};
    Diagnostics diagnostics;
    const auto scenario = read_yaml(source, diagnostics);
    const bool lowered = scenario && lower(*scenario, diagnostics);
    CHECK_FALSE(lowered);
    CHECK_FALSE(announced(source.text).empty());
    CHECK(messages(diagnostics) == announced(source.text));
    ++files;
  }
  CHECK(files >= 20);
}

}  // namespace
}  // namespace fencecheck
