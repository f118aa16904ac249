// The rules of the calculus, one by one, on systems of a few steps.
#include "graph/model/state.hpp"

#include "tests/catch.hpp"
#include "tests/support/small_systems.hpp"

namespace fencecheck {
namespace {

using namespace test;

System with_fences(std::size_t count) {
  System system;
  for (std::size_t i = 0; i < count; ++i)
    system.fences.push_back({"f" + std::to_string(i), FenceKind::kernel, false, {}});
  return system;
}

TEST_CASE("a wait for all needs every fence, a wait for any needs one") {
  System system = with_fences(2);
  system.threads = {thread({step(Wait{{FenceId{0}, FenceId{1}}, Join::all})}),
                    thread({step(Wait{{FenceId{0}, FenceId{1}}, Join::any})}),
                    thread({step(Signal{{FenceId{0}}}), step(Signal{{FenceId{1}}})})};
  State state = initial_state(system);
  CHECK_FALSE(can(system, state, 0));
  CHECK_FALSE(can(system, state, 1));
  state = go(system, state, 2);
  CHECK_FALSE(can(system, state, 0));
  CHECK(can(system, state, 1));
  state = go(system, state, 2);
  CHECK(can(system, state, 0));
}

TEST_CASE("a published kernel fence is owed until it signals, a user fence never") {
  System system = with_fences(1);
  system.fences.push_back({"u", FenceKind::user, true, {}});
  system.threads = {thread({step(Publish{FenceId{0}}), step(Signal{{FenceId{0}}})}, ThreadKind::ioctl)};
  system.threads[0].program[1].interruptible = true;
  State state = initial_state(system);
  system.threads[0].program[0].interruptible = true;
  CHECK(owed(system, state).empty());
  state = go(system, state, 0);
  CHECK(owed(system, state) == std::vector<Obligation>{{Obligation::Kind::fence, 0}});
  state = go(system, state, 0);
  CHECK(owed(system, state).empty());
}

TEST_CASE("exclusive locks exclude, shared ones exclude only writers") {
  System system;
  system.locks = {{"sem", LockKind::rwsem, {}}};
  const LockId sem{0};
  system.threads = {thread({step(Acquire{sem, true}, Cause::lock), step(Release{sem}, Cause::lock)}),
                    thread({step(Acquire{sem, true}, Cause::lock), step(Release{sem}, Cause::lock)}),
                    thread({step(Acquire{sem, false}, Cause::lock), step(Release{sem}, Cause::lock)})};
  State state = initial_state(system);
  state = go(system, state, 0);
  CHECK(can(system, state, 1));
  CHECK_FALSE(can(system, state, 2));
  state = go(system, state, 1);
  state = go(system, state, 0);
  CHECK_FALSE(can(system, state, 2));
  state = go(system, state, 1);
  state = go(system, state, 2);
  CHECK(owed(system, state).front() == Obligation{Obligation::Kind::lock, 0});
}

TEST_CASE("a trylock goes one way or the other, never waits") {
  System system;
  system.locks = {{"m", LockKind::mutex, {}}};
  system.threads = {thread({step(Acquire{LockId{0}}, Cause::lock), step(Release{LockId{0}}, Cause::lock)}),
                    thread({step(TryAcquire{LockId{0}}, Cause::lock)})};
  State state = initial_state(system);
  CHECK(can(system, state, 1, 0));
  CHECK_FALSE(can(system, state, 1, 1));
  state = go(system, state, 0);
  CHECK_FALSE(can(system, state, 1, 0));
  CHECK(can(system, state, 1, 1));
}

TEST_CASE("wait-die: the younger backs off if it holds something, the older waits") {
  System system;
  system.locks = {{"a", LockKind::ww, {}}, {"b", LockKind::ww, {}}};
  const auto transaction = [](std::uint32_t first, std::uint32_t second) {
    return thread({step(TakeTicket{}), step(AcquireWithTicket{LockId{first}}, Cause::lock),
                   step(AcquireWithTicket{LockId{second}}, Cause::lock)});
  };
  system.threads = {transaction(0, 1), transaction(1, 0)};
  State state = initial_state(system);
  state = go(system, state, 0);  // the older
  state = go(system, state, 1);
  CHECK_FALSE(can(system, go(system, state, 0), 0, 1));
  state = go(system, state, 0);
  state = go(system, state, 1);
  CHECK_FALSE(can(system, state, 0, 0));
  CHECK_FALSE(can(system, state, 0, 1));
  CHECK_FALSE(can(system, state, 1, 0));
  CHECK(can(system, state, 1, 1));
}

TEST_CASE("wait-die: nobody backs off from a holder without a ticket, or while holding nothing") {
  System system;
  system.locks = {{"a", LockKind::ww, {}}, {"b", LockKind::ww, {}}};
  system.threads = {thread({step(Acquire{LockId{0}}, Cause::lock)}),
                    thread({step(TakeTicket{}), step(AcquireWithTicket{LockId{1}}, Cause::lock),
                            step(AcquireWithTicket{LockId{0}}, Cause::lock)})};
  State state = initial_state(system);
  state = go(system, state, 0);
  state = go(system, go(system, state, 1), 1);
  CHECK_FALSE(can(system, state, 1, 0));
  CHECK_FALSE(can(system, state, 1, 1));
}

TEST_CASE("jobs start in the order in which they were pushed, at most width at a time") {
  for (const std::uint32_t width : {1U, 2U}) {
    System system;
    system.queues = {{"q", width, {}}};
    system.threads = {thread({step(Push{ThreadId{2}}), step(Push{ThreadId{1}}), step(Push{ThreadId{3}})})};
    for (int i = 0; i < 3; ++i) {
      system.threads.push_back(thread({step(Begin{}, Cause::scheduling), step(Finish{})}, ThreadKind::engine));
      system.threads.back().queue = QueueId{0};
    }
    State state = initial_state(system);
    CHECK_FALSE(can(system, state, 1));
    for (int i = 0; i < 3; ++i) state = go(system, state, 0);
    CHECK_FALSE(can(system, state, 1));
    CHECK(can(system, state, 2));
    state = go(system, state, 2);
    CHECK(can(system, state, 1) == (width == 2));
    CHECK_FALSE(can(system, state, 3));
    state = go(system, state, 2);
    CHECK(can(system, state, 1));
  }
}

TEST_CASE("a collected set holds what was attached at that moment, of the usages asked for") {
  System system = with_fences(3);
  system.reservations = {{"bo", {}}};
  system.sets = {{"set", {}}};
  const ReservationId bo{0};
  system.threads = {
      thread({step(Attach{bo, FenceId{0}, Usage::write}), step(Attach{bo, FenceId{1}, Usage::bookkeep}),
              step(Collect{bo, Usage::read, DependencySetId{0}}), step(Attach{bo, FenceId{2}, Usage::kernel}),
              step(WaitSet{DependencySetId{0}}, Cause::implicit_sync)}),
      thread({step(Signal{{FenceId{0}}})})};
  State state = initial_state(system);
  for (int i = 0; i < 4; ++i) state = go(system, state, 0);
  CHECK_FALSE(can(system, state, 0));
  state = go(system, state, 1);
  CHECK(can(system, state, 0));
}

TEST_CASE("pools count, guards read variables") {
  System system;
  system.pools = {{"p", 3, {}}};
  system.variables = {{"v", 0, {}}};
  Choose guard;
  guard.branches = {{{{VariableId{0}, 1, true}}, {}}, {{{VariableId{0}, 0, false}}, {}}};
  system.threads = {thread({step(Take{PoolId{0}, 2}, Cause::scheduling), step(Give{PoolId{0}, 2}, Cause::scheduling)}),
                    thread({step(Take{PoolId{0}, 2}, Cause::scheduling)}), thread({step(guard)}),
                    thread({step(Assign{VariableId{0}, 1})})};
  State state = initial_state(system);
  state = go(system, state, 0);
  CHECK_FALSE(can(system, state, 1));
  state = go(system, state, 0);
  CHECK(can(system, state, 1));
  CHECK_FALSE(can(system, state, 2, 0));
  state = go(system, state, 3);
  CHECK(can(system, state, 2, 0));
  CHECK(can(system, state, 2, 1));
}

TEST_CASE("a timeout fires only when nothing else can move") {
  System system = with_fences(1);
  system.fences[0].published = true;
  Step wait = step(Wait{{FenceId{0}}, Join::all});
  wait.timeout = Timeout{Milliseconds{10}, 1};
  system.threads = {thread({wait}), thread({step(TakeTicket{})}),
                    thread({step(Expire{FenceId{0}})}, ThreadKind::timer)};
  State state = initial_state(system);
  CHECK_FALSE(possible(system, state, {ThreadId{0}, 0, true}));
  state = go(system, state, 1);
  CHECK(at_rest(system, state));
  CHECK(timeouts(system, state).size() == 2);
  CHECK(possible(system, state, {ThreadId{0}, 0, true}));
  const State expired = after(system, state, {ThreadId{2}, 0, true});
  CHECK(can(system, expired, 0));
  CHECK(owed(system, expired).empty());
}

TEST_CASE("userspace may stop outside the kernel, where the system lets it") {
  System system = with_fences(1);
  system.threads = {thread({step(Signal{{FenceId{0}}})}, ThreadKind::user)};
  system.threads[0].program[0].userspace = true;
  CHECK_FALSE(at_rest(system, initial_state(system)));
  system.userspace_may_stop = true;
  CHECK(at_rest(system, initial_state(system)));
  CHECK_FALSE(at_rest(system, initial_state(system), Causes::all().without(Cause::userspace)));
}

TEST_CASE("a cause that is switched off makes nobody wait") {
  System system = with_fences(1);
  system.locks = {{"m", LockKind::mutex, {}}};
  system.threads = {
      thread({step(Acquire{LockId{0}}, Cause::lock), step(Wait{{FenceId{0}}, Join::all}, Cause::userspace)}),
      thread({step(Acquire{LockId{0}}, Cause::lock)})};
  const Causes off = Causes::all().without(Cause::lock).without(Cause::userspace);
  State state = initial_state(system);
  for (const std::uint32_t who : {0U, 0U, 1U}) {
    REQUIRE(possible(system, state, {ThreadId{who}, 0, false}, off));
    state = after(system, std::move(state), {ThreadId{who}, 0, false}, off);
  }
  CHECK(at_rest(system, state, off));
  CHECK(owed(system, state).empty());
}

TEST_CASE("states are equal exactly if their keys are") {
  System system = with_fences(2);
  system.threads = {thread({step(Publish{FenceId{0}}), step(Publish{FenceId{1}})}),
                    thread({step(Signal{{FenceId{1}}}), step(Signal{{FenceId{0}}})})};
  const State start = initial_state(system);
  CHECK(key(go(system, go(system, start, 0), 1)) == key(go(system, go(system, start, 1), 0)));
  CHECK(key(go(system, start, 0)) != key(go(system, start, 1)));
}

// Work items.

TEST_CASE("a work is queued once however often it is pushed, and once more while it runs") {
  System system;
  system.queues = {{"wq", 2, {}}};
  system.threads = {thread({step(Push{ThreadId{1}}), step(Push{ThreadId{1}}), step(Push{ThreadId{1}})}),
                    work("w", QueueId{0}, {step(TakeTicket{})})};
  State state = go(system, go(system, initial_state(system), 0), 0);
  CHECK(state.queues[0].waiting.size() == 1);
  state = go(system, state, 1);
  CHECK_FALSE(is_waiting(system, state, ThreadId{1}));
  state = go(system, state, 0);
  CHECK(is_waiting(system, state, ThreadId{1}));
  state = go(system, go(system, state, 1), 1);  // to its end: again at its beginning
  CHECK(state.at[1] == 0);
  CHECK(state.queues[0].running == 0);
  state = go(system, state, 1);
  CHECK_FALSE(is_waiting(system, state, ThreadId{1}));
}

TEST_CASE("a work that is queued again while it runs lets those behind it begin") {
  System system;
  system.queues = {{"wq", 2, {}}};
  system.threads = {thread({step(Push{ThreadId{1}}), step(Push{ThreadId{1}}), step(Push{ThreadId{2}})}),
                    work("a", QueueId{0}, {}), work("b", QueueId{0}, {})};
  State state = go(system, go(system, initial_state(system), 0), 1);
  state = go(system, go(system, state, 0), 0);
  CHECK(next_to_begin(state, QueueId{0}) == ThreadId{2});
  CHECK(can(system, state, 2));
  system.queues[0].width = 1;
  CHECK_FALSE(can(system, state, 2));
  state = go(system, state, 1);  // over: now it is in front
  CHECK(next_to_begin(state, QueueId{0}) == ThreadId{1});
  CHECK_FALSE(can(system, state, 2));
}

TEST_CASE("a flush waits while the work is queued or runs") {
  System system;
  system.queues = {{"wq", 1, {}}};
  system.threads = {thread({step(Push{ThreadId{1}})}), work("w", QueueId{0}, {}),
                    thread({step(Flush{ThreadId{1}}, Cause::explicit_sync)})};
  State state = initial_state(system);
  CHECK(can(system, state, 2));
  state = go(system, state, 0);
  CHECK_FALSE(can(system, state, 2));
  state = go(system, state, 1);
  CHECK_FALSE(can(system, state, 2));
  CHECK(possible(system, state, {ThreadId{2}, 0, false}, Causes::all().without(Cause::explicit_sync)));
  state = go(system, state, 1);
  CHECK(can(system, state, 2));
}

TEST_CASE("nobody queues a work while somebody waits for its cancellation") {
  System system;
  system.queues = {{"wq", 1, {}}};
  system.threads = {thread({step(Push{ThreadId{1}}), step(Push{ThreadId{1}})}), work("w", QueueId{0}, {}),
                    thread({step(Flush{ThreadId{1}, true})})};
  const State cancelling = go(system, initial_state(system), 0);
  CHECK_FALSE(is_waiting(system, cancelling, ThreadId{1}));
  CHECK(can(system, cancelling, 2));
  const State cancelled = go(system, cancelling, 2);
  CHECK(is_waiting(system, go(system, cancelled, 0), ThreadId{1}));
}

TEST_CASE("a flush of a job that has ended passes") {
  System system;
  system.queues = {{"wq", 1, {}}};
  system.threads = {thread({step(Push{ThreadId{1}}), step(Push{ThreadId{1}})}), work("once", QueueId{0}, {}),
                    thread({step(Flush{ThreadId{1}})})};
  system.threads[1].program.back().next = {system.threads[1].end()};
  State state = go(system, initial_state(system), 0);
  state = go(system, go(system, state, 1), 1);
  CHECK(can(system, state, 2));
  CHECK(can(system, go(system, state, 0), 2));
}

TEST_CASE("cancelling takes a work off its queue, and leaves one that runs alone") {
  System system;
  system.queues = {{"wq", 1, {}}};
  system.threads = {thread({step(Push{ThreadId{1}}), step(Push{ThreadId{2}})}), work("a", QueueId{0}, {}),
                    work("b", QueueId{0}, {}), thread({step(Cancel{ThreadId{1}})})};
  State state = go(system, go(system, initial_state(system), 0), 0);
  CHECK_FALSE(can(system, state, 2));
  const State cancelled = go(system, state, 3);
  CHECK_FALSE(is_waiting(system, cancelled, ThreadId{1}));
  CHECK(can(system, cancelled, 2));
  const State running = go(system, go(system, state, 1), 3);
  CHECK(running.at[1] == 1);
  CHECK(running.queues[0].running == 1);
}

// Fences made anew.

System on_demand() {
  System system = with_fences(1);
  system.fences[0].published = true;
  system.fences[0].on_wait = ThreadId{1};
  system.queues = {{"wq", 1, {}}};
  system.sets = {{"set", {}}};
  return system;
}

TEST_CASE("the first wait for a fence queues its work, a second one does not, nor does one that comes too late") {
  System system = on_demand();
  const Step ask = step(Trigger{DependencySetId{0}});
  system.threads = {thread({step(Capture{{FenceId{0}}, DependencySetId{0}}), ask, ask}), work("w", QueueId{0}, {}),
                    thread({step(Signal{{FenceId{0}}})})};
  State state = go(system, initial_state(system), 0);
  const auto fence_owed = [&](const State& now) {
    return std::ranges::any_of(owed(system, now),
                               [](const Obligation& each) { return each.kind == Obligation::Kind::fence; });
  };
  CHECK_FALSE(fence_owed(state));
  State late = go(system, go(system, state, 2), 0);
  CHECK_FALSE(is_waiting(system, late, ThreadId{1}));
  state = go(system, state, 0);
  CHECK(is_waiting(system, state, ThreadId{1}));
  CHECK(owed(system, state).front() == Obligation{Obligation::Kind::fence, 0});
  state = go(system, go(system, state, 1), 0);
  CHECK_FALSE(is_waiting(system, state, ThreadId{1}));
}

TEST_CASE("a fence made anew is unpublished, unsignalled, attached nowhere and may queue its work again") {
  System system = on_demand();
  system.reservations = {{"bo", {}}};
  system.reservations[0].attached = {{FenceId{0}, Usage::bookkeep}};
  system.threads = {thread({step(Collect{ReservationId{0}, Usage::bookkeep, DependencySetId{0}}),
                            step(Trigger{DependencySetId{0}}), step(Signal{{FenceId{0}}}), step(Renew{FenceId{0}})}),
                    work("w", QueueId{0}, {})};
  State state = initial_state(system);
  for (int i = 0; i < 4; ++i) state = go(system, state, 0);
  CHECK_FALSE(state.published[0]);
  CHECK_FALSE(state.signalled[0]);
  CHECK_FALSE(state.requested[0]);
  CHECK(state.reservations[0].empty());
  CHECK(state.sets[0].empty());  // the old one has signalled
}

TEST_CASE("whoever waits for a fence that is replaced too early waits on") {
  System system = on_demand();
  system.threads = {thread({step(Capture{{FenceId{0}}, DependencySetId{0}}), step(WaitSet{DependencySetId{0}})}),
                    work("w", QueueId{0}, {}), thread({step(Renew{FenceId{0}})})};
  const State state = go(system, go(system, initial_state(system), 0), 2);
  CHECK(state.sets[0].size() == 1);
  CHECK_FALSE(can(system, state, 0));
}

TEST_CASE("a set is empty again once its fences have been waited for, or given up on") {
  System system = with_fences(1);
  system.sets = {{"set", {}}};
  system.threads = {thread({step(Capture{{FenceId{0}}, DependencySetId{0}}), step(WaitSet{DependencySetId{0}})}),
                    thread({step(Signal{{FenceId{0}}})})};
  system.threads[0].program[1].timeout = Timeout{Milliseconds{1}, 2};
  const State asked = go(system, initial_state(system), 0);
  CHECK(go(system, go(system, asked, 1), 0).sets[0].empty());
  CHECK(after(system, asked, {ThreadId{0}, 0, true}).sets[0].empty());
  const Causes off = Causes::all().without(Cause::explicit_sync);
  CHECK(after(system, asked, {ThreadId{0}, 0, false}, off).sets[0].size() == 1);
}

TEST_CASE("a fence can be taken out of one reservation object, and passed on to another as kernel") {
  System system = with_fences(2);
  system.reservations = {{"from", {}}, {"to", {}}};
  system.reservations[0].attached = {{FenceId{0}, Usage::bookkeep}, {FenceId{1}, Usage::write}};
  system.threads = {
      thread({step(Inherit{ReservationId{0}, ReservationId{1}}), step(Detach{ReservationId{0}, FenceId{0}})}),
      thread({step(Signal{{FenceId{1}}})})};
  const State state = go(system, go(system, initial_state(system), 1), 0);
  CHECK(state.reservations[1] == std::vector<Attachment>{{FenceId{0}, Usage::kernel}});
  CHECK(go(system, state, 0).reservations[0] == std::vector<Attachment>{{FenceId{1}, Usage::write}});
}

TEST_CASE("slots are reserved up to a number, used by attaching and gone with the holder's lock") {
  System system = with_fences(2);
  system.locks = {{"bo", LockKind::ww, {}}};
  system.reservations = {{"bo", {}, LockId{0}, true}};
  const ReservationId bo{0};
  system.threads = {thread({step(Acquire{LockId{0}}, Cause::lock), step(Reserve{bo, 2}), step(Reserve{bo, 1}),
                            step(Attach{bo, FenceId{0}, Usage::write}), step(Release{LockId{0}})}),
                    thread({step(Release{LockId{0}})})};
  State state = initial_state(system);
  for (int i = 0; i < 3; ++i) state = go(system, state, 0);
  CHECK(state.slots[0] == 2);
  state = go(system, state, 0);
  CHECK(state.slots[0] == 1);
  CHECK(go(system, state, 1).slots[0] == 1);
  CHECK(go(system, state, 0).slots[0] == 0);
}

// User queues.

TEST_CASE("nothing on a suspended queue goes on, begins or gives up") {
  System system = with_fences(1);
  system.variables = {{"ring", 1, {}}};
  system.queues = {{"ring", 1, {}, VariableId{0}}};
  system.threads = {thread({step(Push{ThreadId{2}}), step(Assign{VariableId{0}, 0})}),
                    thread({step(Assign{VariableId{0}, 1})}),
                    work("job", QueueId{0}, {step(Wait{{FenceId{0}}, Join::all})})};
  system.threads[2].program[1].timeout = Timeout{Milliseconds{1}, 2};
  const State pushed = go(system, initial_state(system), 0);
  CHECK(can(system, pushed, 2));
  CHECK_FALSE(can(system, go(system, pushed, 0), 2));
  const State running = go(system, go(system, pushed, 2), 0);
  CHECK(timeouts(system, go(system, running, 1)).size() == 1);
  CHECK(timeouts(system, running).empty());
  CHECK(blockers(system, running, ThreadId{2}).front().kind == Blocker::Kind::variable);
  CHECK(possible(system, go(system, pushed, 0), {ThreadId{2}, 0, false},
                 Causes::all().without(Cause::memory_management)));
}

TEST_CASE("a killed queue never runs again, whoever resumes it") {
  System system;
  const HardwareUseId ring = add_user_queue(system, "ring", add_space(system, AddressSpaceMode::dma_fence, {}));
  system.queues = {{"ring", 1, {}, VariableId{0}}};
  system.threads = {thread({step(Push{ThreadId{1}}), step(Kill{ring}), step(Assign{VariableId{0}, 1})}),
                    work("job", QueueId{0}, {})};
  State state = go(system, initial_state(system), 0);
  CHECK(runs(system, state, ring));
  CHECK(can(system, state, 1));
  state = go(system, state, 0);
  CHECK(state.variables[0] == 0);
  state = go(system, state, 0);
  CHECK(state.variables[0] == 0);
  CHECK_FALSE(runs(system, state, ring));
  CHECK_FALSE(can(system, state, 1));
}

// A job that waits for a user fence while it uses memory, another one behind it, and somebody who kills the first.
struct KilledJob {
  System system;
  KilledJob() {
    system.fences = {{"done", FenceKind::kernel, true, {}},
                     {"value", FenceKind::user, true, {}},
                     {"never", FenceKind::user, true, {}}};
    system.queues = {{"gfx", 1, {}}};
    Thread job = work("job", QueueId{0}, {step(Wait{{FenceId{2}}}), step(Signal{{FenceId{0}, FenceId{1}}})});
    job.program.back().next = {job.end()};
    system.uses = {{"job", add_space(system, AddressSpaceMode::no_preemption, {}), {}, ThreadId{0}, 1, 2, {}}};
    system.threads = {job, work("next", QueueId{0}, {}),
                      thread({step(Push{ThreadId{0}}), step(Push{ThreadId{1}}), step(Kill{HardwareUseId{0}})})};
  }
};

TEST_CASE("a killed job leaves its queue to the next, and its kernel fences signalled") {
  const KilledJob killed;
  const System& system = killed.system;
  REQUIRE_FALSE(check_system(system));
  const State pushed = go(system, go(system, initial_state(system), 2), 2);
  const State waiting = go(system, pushed, 2);  // it still waits for its turn, and for what it depends on
  CHECK(waiting.memory.killed[0]);
  CHECK(waiting.queues[0].waiting.size() == 2);
  CHECK(waiting.signalled == std::vector{false, false, false});
  for (const State& state : {go(system, waiting, 0), go(system, go(system, pushed, 0), 2)}) {
    CHECK(state.memory.killed[0]);
    CHECK(state.at[0] == system.threads[0].end());
    CHECK(state.queues[0].running == 0);
    CHECK(state.queues[0].waiting == std::vector{ThreadId{1}});
    CHECK(can(system, state, 1));
    CHECK(state.signalled == std::vector{true, false, false});
  }
}

TEST_CASE("a job cannot be killed before it is pushed, and one that is pushed onto a dead ring fails at once") {
  const KilledJob killed;
  State state = initial_state(killed.system);
  state.at[2] = 2;
  CHECK_FALSE(go(killed.system, state, 2).memory.killed[0]);

  System system;
  system.fences = {{"done", FenceKind::kernel, true, {}}};
  const HardwareUseId ring = add_user_queue(system, "ring", add_space(system, AddressSpaceMode::dma_fence, {}));
  system.queues = {{"ring", 1, {}, VariableId{0}}};
  system.threads = {thread({step(Kill{ring}), step(Push{ThreadId{1}})}),
                    work("job", QueueId{0}, {step(Signal{{FenceId{0}}})})};
  system.threads[1].program.back().next = {system.threads[1].end()};
  state = go(system, go(system, initial_state(system), 0), 0);
  CHECK(state.signalled[0]);
  CHECK(state.queues[0].waiting.empty());
}

TEST_CASE("a killed job gives back its locks and what it has taken of pools") {
  KilledJob killed;
  System& system = killed.system;
  system.locks = {{"m", LockKind::mutex, {}}};
  system.pools = {{"slots", 3, {}}};
  Thread& job = system.threads[0];
  job =
      work("job", QueueId{0},
           {step(Acquire{LockId{0}}), step(Take{PoolId{0}, 2}), step(Wait{{FenceId{2}}}), step(Signal{{FenceId{0}}})});
  job.program.back().next = {job.end()};
  system.uses[0].ends = 4;
  State state = go(system, initial_state(system), 2);
  for (int i = 0; i < 3; ++i) state = go(system, state, 0);
  CHECK(state.locks[0].owner == ThreadId{0});
  CHECK(state.taken[0] == 2);
  state.at[2] = 2;
  state = go(system, state, 2);
  CHECK_FALSE(state.locks[0].owner);
  CHECK(state.taken[0] == 0);
}

TEST_CASE("of a timeline a killed job signals its own point only") {
  System system;
  system.fences = {{"t:1", FenceKind::kernel, true, {}}, {"t:2", FenceKind::kernel, true, {}}};
  for (std::uint32_t i = 0; i < 2; ++i) {
    system.fences[i].context = 1;
    system.fences[i].point = i + 1;
  }
  system.queues = {{"gfx", 1, {}}};
  system.threads = {work("job", QueueId{0}, {step(Signal{{FenceId{0}, FenceId{1}}})})};
  CHECK(signalled_by_kill(system, system.threads[0]) == std::vector{FenceId{1}});
}

TEST_CASE("a job that has finished cannot be killed any more, and one that kills itself goes no further") {
  KilledJob killed;
  System& system = killed.system;
  system.fences[2].kind = FenceKind::kernel;
  system.threads[0].program[1].action = Signal{{FenceId{2}}};
  State state = go(system, go(system, initial_state(system), 2), 2);
  for (int i = 0; i < 4; ++i) state = go(system, state, 0);
  CHECK_FALSE(go(system, state, 2).memory.killed[0]);
  CHECK(go(system, state, 2).queues[0].running == 0);
  system.threads[0].program[1].action = Kill{HardwareUseId{0}};
  state = go(system, go(system, go(system, initial_state(system), 2), 0), 0);
  CHECK(state.at[0] == system.threads[0].end());
  CHECK(state.queues[0].running == 0);
}

TEST_CASE("systems that have no meaning are refused") {
  System system = with_fences(1);
  system.queues = {{"wq", 1, {}}};
  system.threads = {thread({step(TakeTicket{})}), work("w", QueueId{0}, {})};
  REQUIRE_FALSE(check_system(system));
  const auto refused = [&](const auto& change) {
    System changed = system;
    change(changed);
    return check_system(changed).has_value();
  };
  CHECK(refused([](System& s) { s.fences[0].on_wait = ThreadId{0}; }));
  CHECK_FALSE(refused([](System& s) { s.fences[0].on_wait = ThreadId{1}; }));
  CHECK(refused([](System& s) { s.threads[0].program[0].action = Push{ThreadId{0}}; }));
  CHECK(refused([](System& s) { s.threads[0].program[0].action = Flush{ThreadId{0}}; }));
  CHECK(refused([](System& s) { s.threads[0].program[0].action = Cancel{ThreadId{0}}; }));
  CHECK(refused([](System& s) { s.threads[0].program[0].action = PickVictim{}; }));
  CHECK(refused([](System& s) { s.threads[1].program[0].next = {0}; }));
  CHECK(refused([](System& s) { s.uses.push_back({"neither", {}, {}, {}, 0, 0, {}}); }));
}

TEST_CASE("a queue that can be suspended makes memory management a cause") {
  System system;
  system.variables = {{"ring", 1, {}}};
  system.queues = {{"ring", 1, {}, {}}};
  CHECK_FALSE(causes_of(system).has(Cause::memory_management));
  system.queues[0].gate = VariableId{0};
  CHECK(causes_of(system).has(Cause::memory_management));
}

}  // namespace
}  // namespace fencecheck
