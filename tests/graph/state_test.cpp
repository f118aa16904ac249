// The rules of the calculus, one by one, on systems of a few steps.
#include "graph/model/state.hpp"

#include "tests/catch.hpp"

namespace fencecheck {
namespace {

Step step(Action action, Cause cause = Cause::explicit_sync) {
  Step result;
  result.action = std::move(action);
  result.cause = cause;
  return result;
}

// Steps one after the other; a branching step leads on along all its branches.
Thread thread(std::vector<Step> steps, ThreadKind kind = ThreadKind::worker) {
  Thread result;
  result.name = "t";
  result.kind = kind;
  for (StepIndex i = 0; i < steps.size(); ++i) {
    std::size_t branches = 1;
    if (const auto* choose = std::get_if<Choose>(&steps[i].action)) branches = choose->branches.size();
    if (std::holds_alternative<TryAcquire>(steps[i].action) ||
        std::holds_alternative<AcquireWithTicket>(steps[i].action))
      branches = 2;
    steps[i].next.assign(branches, i + 1);
  }
  result.program = std::move(steps);
  return result;
}

System with_fences(std::size_t count) {
  System system;
  for (std::size_t i = 0; i < count; ++i)
    system.fences.push_back({"f" + std::to_string(i), FenceKind::kernel, false, {}});
  return system;
}

State go(const System& system, State state, std::uint32_t thread, std::uint32_t branch = 0) {
  const Move move{ThreadId{thread}, branch, false};
  REQUIRE(possible(system, state, move));
  return after(system, std::move(state), move);
}

bool can(const System& system, const State& state, std::uint32_t thread, std::uint32_t branch = 0) {
  return possible(system, state, {ThreadId{thread}, branch, false});
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

}  // namespace
}  // namespace fencecheck
