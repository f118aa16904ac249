// From exploration to findings: how hangs around work items, suspended queues and fences made anew are told.
#include "checker/hang_findings.hpp"

#include <algorithm>
#include <string>

#include "checker/decide_by_exploration.hpp"
#include "graph/dependencies.hpp"
#include "tests/catch.hpp"
#include "tests/support/small_systems.hpp"

namespace fencecheck {
namespace {

using namespace test;

Decision decided(const System& system) {
  if (const auto wrong = check_system(system)) FAIL(*wrong);
  return decide_by_exploration(system, dependencies(system), {});
}

Finding only_finding(const System& system) {
  const Decision decision = decided(system);
  REQUIRE(decision.findings.size() == 1);
  return decision.findings.front();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Somebody waits for an eviction fence, whose work signals it or, if it may fail, gives up.
System eviction(bool may_fail) {
  System system;
  system.fences = {{"ev", FenceKind::kernel, true, {}}};
  system.fences[0].on_wait = ThreadId{1};
  system.queues = {{"wq", 1, {}}};
  system.sets = {{"set", {}}};
  Choose choose;
  choose.branches.resize(2);
  system.threads = {thread({step(Capture{{FenceId{0}}, DependencySetId{0}}), step(Trigger{DependencySetId{0}}),
                            step(WaitSet{DependencySetId{0}}, Cause::memory_management)},
                           ThreadKind::ioctl),
                    work("evict", QueueId{0}, {step(choose), step(Signal{{FenceId{0}}})})};
  if (may_fail) system.threads[1].program[1].next[1] = 3;
  return system;
}

TEST_CASE("a fence is lost if its work has run and nobody can queue it again") {
  const Finding lost = only_finding(eviction(true));
  CHECK(lost.kind == FindingKind::lost_fence);
  CHECK(lost.message == "kernel fence 'ev' is published and nobody signals it");
  CHECK(decided(eviction(false)).findings.empty());
}

TEST_CASE("a fence whose work somebody could still queue is not lost: who is stuck is to blame") {
  System system = eviction(true);
  system.locks = {{"m", LockKind::mutex, {}}};
  system.threads.push_back(thread({step(Acquire{LockId{0}}, Cause::lock), step(Acquire{LockId{0}}, Cause::lock),
                                   step(Push{ThreadId{1}}), step(Release{LockId{0}})},
                                  ThreadKind::ioctl));
  const Decision decision = decided(system);
  REQUIRE_FALSE(decision.findings.empty());
  for (const Finding& finding : decision.findings) CHECK(finding.kind == FindingKind::deadlock);
}

TEST_CASE("a job on a queue that nobody resumes waits for the sake of memory, and needs nothing else") {
  System system;
  system.fences = {{"done", FenceKind::kernel, false, {}}};
  system.variables = {{"ring", 1, {}}};
  system.queues = {{"ring", 1, {}, VariableId{0}}};
  system.threads = {
      thread({step(Publish{FenceId{0}}), step(Push{ThreadId{1}}), step(Assign{VariableId{0}, 0})}, ThreadKind::ioctl),
      work("job", QueueId{0}, {step(Signal{{FenceId{0}}})})};
  system.threads[1].kind = ThreadKind::engine;
  const Finding finding = only_finding(system);
  REQUIRE(finding.parties.size() == 1);
  CHECK(finding.parties[0].cause == Cause::memory_management);
  CHECK(contains(finding.parties[0].waits_for, "queue 'ring', which is suspended"));
  CHECK(finding.needs == Causes{}.with(Cause::memory_management));
}

TEST_CASE("a suspended queue waits for whoever resumes it, not for whoever suspends it again") {
  System system;
  system.fences = {{"done", FenceKind::kernel, false, {}}, {"never", FenceKind::user, false, {}}};
  system.variables = {{"ring", 0, {}}};
  system.queues = {{"ring", 1, {}, VariableId{0}}, {"wq", 1, {}, {}}};
  system.threads = {
      thread({step(Publish{FenceId{0}}), step(Push{ThreadId{1}}), step(Wait{{FenceId{0}}}), step(Push{ThreadId{2}})},
             ThreadKind::ioctl),
      work("job", QueueId{0}, {step(Signal{{FenceId{0}}})}),
      work("suspend", QueueId{1}, {step(Assign{VariableId{0}, 0})}),
      thread({step(Wait{{FenceId{0}}}), step(Assign{VariableId{0}, 1})}, ThreadKind::ioctl)};
  system.threads[1].kind = ThreadKind::engine;
  system.threads[3].name = "resume";
  const Finding finding = only_finding(system);
  CHECK(finding.closed);
  REQUIRE(finding.parties.size() == 2);
  for (const Party& party : finding.parties) CHECK_FALSE(contains(party.name, "suspend"));
}

TEST_CASE("what is short is given back by who took it, not by who might take it") {
  System system;
  system.fences = {{"done", FenceKind::kernel, false, {}}};
  system.pools = {{"workers", 1, {}}};
  system.threads = {
      thread(
          {step(Publish{FenceId{0}}), step(Take{PoolId{0}, 1}), step(Signal{{FenceId{0}}}), step(Give{PoolId{0}, 1})},
          ThreadKind::ioctl),
      thread({step(Take{PoolId{0}, 1}), step(Wait{{FenceId{0}}}), step(Give{PoolId{0}, 1})}, ThreadKind::ioctl),
      thread({step(Take{PoolId{0}, 1}), step(Give{PoolId{0}, 1})}, ThreadKind::ioctl)};
  for (std::size_t i = 0; i < 3; ++i) system.threads[i].name = std::string("abc").substr(i, 1);
  const Finding finding = only_finding(system);
  REQUIRE(finding.parties.size() == 2);
  for (const Party& party : finding.parties) CHECK_FALSE(contains(party.name, "'c'"));
}

TEST_CASE("the tests of an if count although nothing is waited for") {
  System system;
  system.variables = {{"x", 0, {}}};
  const Choose decides{{{{{VariableId{0}, 1, true}}, {}}, {{{VariableId{0}, 1, false}}, {}}}};
  const Choose waits{{{{{VariableId{0}, 1, true}}, {}}, {{{VariableId{0}, 2, false}}, {}}}};
  CHECK(never_waits(decides));
  CHECK_FALSE(never_waits(waits));
  Choose bound_to_a_cause = decides;
  bound_to_a_cause.branches.back().cause = Cause::lock;
  CHECK_FALSE(never_waits(bound_to_a_cause));
  Step look = step(decides);
  look.next = {2, 1};
  system.threads = {thread({look, step(TakeTicket{})}, ThreadKind::ioctl)};
  const std::vector<Move> only = moves(system, initial_state(system), Causes{});
  REQUIRE(only.size() == 1);
  CHECK(only.front().branch == 1);
}

// `task` waits for a fence, under a lock that who signals it needs, and gives up after a second.
System impatient(StepIndex then) {
  System system;
  system.fences = {{"f", FenceKind::kernel, true, {}}};
  system.locks = {{"m", LockKind::mutex, {}}};
  Step first = step(Wait{{FenceId{0}}, Join::all});
  first.timeout = Timeout{Milliseconds{1000}, then};
  Step second = step(Wait{{FenceId{0}}, Join::all});
  second.timeout = Timeout{Milliseconds{10000}, 3};
  first.next = {3};
  second.next = {3};
  system.threads = {
      thread({step(Acquire{LockId{0}}, Cause::lock), first, second, step(Release{LockId{0}})}, ThreadKind::ioctl),
      thread({step(Acquire{LockId{0}}, Cause::lock), step(Release{LockId{0}}), step(Signal{{FenceId{0}}})})};
  return system;
}

TEST_CASE("a hang that only the calculus has leaves the answer unknown") {
  System system;
  system.locks = {{"m", LockKind::mutex, {}}};
  system.queues = {{"wq", 1, {}}};
  const auto with = [&](bool stands_in) {
    system.threads = {thread({step(Acquire{LockId{0}}, Cause::lock), step(Push{ThreadId{1}}),
                              step(Flush{ThreadId{1}, false, stands_in}, Cause::scheduling), step(Release{LockId{0}})},
                             ThreadKind::ioctl),
                      work("w", QueueId{0}, {step(Acquire{LockId{0}}, Cause::lock), step(Release{LockId{0}})})};
    return decided(system);
  };
  CHECK(with(false).findings.size() == 1);
  CHECK(with(true).findings.empty());
  CHECK(with(true).answers.front().verdict == Verdict::unknown);
}

TEST_CASE("a stall lasts until what is owed is discharged, not until the first timeout") {
  const Finding once = only_finding(impatient(3));
  CHECK(once.kind == FindingKind::stall);
  CHECK(once.lasts == Milliseconds{1000});
  const Finding twice = only_finding(impatient(2));
  CHECK(twice.kind == FindingKind::stall);
  CHECK(twice.lasts == Milliseconds{11000});
}

TEST_CASE("who gives up and tries again for ever is in a deadlock") {
  const Finding finding = only_finding(impatient(1));
  CHECK(finding.kind == FindingKind::deadlock);
  CHECK(std::ranges::any_of(finding.notes, [](const std::string& note) { return contains(note, "do not help"); }));
}

TEST_CASE("a flush under the lock that the work needs") {
  System system;
  system.locks = {{"m", LockKind::mutex, {}}};
  system.queues = {{"wq", 1, {}}};
  system.threads = {thread({step(Acquire{LockId{0}}, Cause::lock), step(Push{ThreadId{1}}),
                            step(Flush{ThreadId{1}}, Cause::scheduling), step(Release{LockId{0}})},
                           ThreadKind::ioctl),
                    work("w", QueueId{0}, {step(Acquire{LockId{0}}, Cause::lock), step(Release{LockId{0}})})};
  const Finding finding = only_finding(system);
  CHECK(finding.kind == FindingKind::deadlock);
  CHECK(finding.closed);
  CHECK(std::ranges::any_of(finding.parties,
                            [](const Party& party) { return contains(party.waits_for, "the end of work 'w'"); }));
  CHECK(finding.needs == Causes{}.with(Cause::lock).with(Cause::scheduling));
  std::swap(system.threads[0].program[2], system.threads[0].program[3]);  // flushes after it has released the lock
  system.threads[0].program[2].next = {3};
  system.threads[0].program[3].next = {4};
  CHECK(decided(system).findings.empty());
}

TEST_CASE("a fence that is asked for pushes its work: the chain goes on to whoever would ask") {
  System system = eviction(false);
  system.locks = {{"m", LockKind::mutex, {}}};
  system.fences.push_back({"other", FenceKind::kernel, true, {}});
  // The work signals another fence too, and whoever would ask for the first one is stuck.
  system.threads[1].program[2] = step(Signal{{FenceId{0}, FenceId{1}}});
  system.threads[1].program[2].next = {3};
  system.threads[0] = thread(
      {step(Acquire{LockId{0}}, Cause::lock), step(Acquire{LockId{0}}, Cause::lock),
       step(Capture{{FenceId{0}}, DependencySetId{0}}), step(Trigger{DependencySetId{0}}), step(Release{LockId{0}})},
      ThreadKind::ioctl);
  const Decision decision = decided(system);
  REQUIRE_FALSE(decision.findings.empty());
  CHECK(decision.findings.front().kind == FindingKind::deadlock);
  CHECK(decision.findings.front().message == "'t' waits for itself");
}

TEST_CASE("in a program that loops a fence depends on what can follow its publication") {
  for (const bool inside : {false, true}) {
    System system;
    system.fences = {{"k", FenceKind::kernel, false, {}}, {"u", FenceKind::user, true, {}}};
    Choose again;
    again.branches.resize(2);
    std::vector<Step> steps{step(Wait{{FenceId{1}}, Join::all}, Cause::userspace), step(TakeTicket{}),
                            step(Publish{FenceId{0}}), step(again), step(Signal{{FenceId{0}}})};
    if (inside) std::swap(steps[0], steps[1]);
    system.threads = {thread(std::move(steps), ThreadKind::ioctl)};
    system.threads[0].program[3].next[1] = 1;
    const SystemGraph graph = dependencies(system);
    CHECK(find_edge(*graph.graph, graph.fences[0], graph.fences[1]).has_value() == inside);
  }
}

TEST_CASE("the story says who was picked, and whether memory was to be had") {
  System system;
  const RegionId vram = add_region(system, "vram", 4 * GiB);
  const BufferId victim = add_buffer(system, "victim", 4 * GiB, {vram});
  const BufferId wanted = add_buffer(system, "wanted", 1 * GiB, {vram}, false);
  system.buffers[victim.index].keep = true;
  PickVictim pick;
  pick.region = vram;
  pick.for_buffer = wanted;
  pick.force = true;
  system.threads = {thread({step(Allocate{wanted, vram, true}), step(pick), step(Relocate{victim, {}}),
                            step(Allocate{wanted, vram, true}), step(Release{system[victim].lock})},
                           ThreadKind::ioctl, system)};
  const Finding finding = only_finding(system);
  CHECK(finding.kind == FindingKind::isolation);
  REQUIRE(finding.schedule.size() == 3);
  CHECK(contains(finding.schedule[0].action, "has to evict first"));
  CHECK(contains(finding.schedule[1].action, ": 'victim'"));
}

}  // namespace
}  // namespace fencecheck
