// What a story says beside its words: what each step changes, and which step let a waiting thread go on.
#include "checker/decide.hpp"
#include "checker/explain.hpp"
#include "graph/model/snapshot.hpp"
#include "tests/catch.hpp"
#include "tests/support/scenario_text.hpp"

namespace fencecheck {
namespace {

Move move(std::uint32_t thread) { return {ThreadId{thread}, 0, false}; }

// "fence 'a' = signalled; " for each change of a step.
std::string changes(const Story& story, std::size_t step) {
  std::string result;
  for (const StateChange& change : story.steps[step].changes)
    result +=
        story.objects[change.object].kind + " '" + story.objects[change.object].name + "' = " + change.value + "; ";
  return result;
}

const std::string two_threads =
    "fences: {f: kernel}\nlocks: {m: mutex}\n"
    "threads:\n"
    "  one: {kind: worker, steps: [{publish: f}, {lock: m}, {unlock: m}, {signal: f}]}\n"
    "  two: {kind: worker, steps: [{lock: m}, {unlock: m}, {wait: f}]}\n";

TEST_CASE("each step says what it changes") {
  const System system = lowered(two_threads);
  const Story told = story(system, {move(0), move(1), move(1), move(0), move(0), move(0), move(1)}, {});
  REQUIRE(told.steps.size() == 7);
  CHECK(changes(told, 0) == "fence 'f' = published; ");
  CHECK(changes(told, 1) == "lock 'm' = held by worker 'two'; ");
  CHECK(changes(told, 2) == "lock 'm' = free; ");
  CHECK(changes(told, 3) == "lock 'm' = held by worker 'one'; ");
  CHECK(changes(told, 5) == "fence 'f' = signalled; ");
  CHECK(changes(told, 6).empty());
}

TEST_CASE("a step that had to wait says who let it go on") {
  const System system = lowered(two_threads);
  // two takes the lock; one publishes, and then has to wait for the lock; two waits for the fence.
  const Story told = story(system, {move(1), move(0), move(1), move(0), move(0), move(0), move(1)}, {});
  CHECK_FALSE(told.steps[0].released_by);
  CHECK_FALSE(told.steps[1].released_by);
  CHECK(told.steps[3].released_by == 2);  // takes the lock after its release
  CHECK(told.steps[6].released_by == 5);  // the wait, after the signal
}

TEST_CASE("who can go another way does not wait") {
  const System system = lowered(
      "locks: {m: mutex}\n"
      "threads:\n"
      "  holder: {kind: worker, steps: [{lock: m}, {unlock: m}]}\n"
      "  other: {kind: worker, steps: [{trylock: {lock: m, steps: [{unlock: m}], else: []}}]}\n");
  const Story told = story(system, {move(0), move(0), move(1), move(1)}, {});
  REQUIRE(told.steps.size() == 4);
  CHECK_FALSE(told.steps[2].released_by);
}

TEST_CASE("who did not have to wait was not released") {
  const System system = lowered(two_threads);
  const Story told = story(system, {move(0), move(0), move(0), move(0), move(1), move(1), move(1)}, {});
  CHECK_FALSE(told.steps[4].released_by);  // the lock was free when it came, and again when it went on
  CHECK_FALSE(told.steps[6].released_by);
}

TEST_CASE("the changes lead from the first state to the last") {
  const System system = lowered(two_threads);
  const std::vector<Move> schedule{move(0), move(1), move(1), move(0), move(0), move(0), move(1)};
  const Story told = story(system, schedule, {});
  State state = initial_state(system);
  for (const Move& each : schedule) state = after(system, std::move(state), each);
  std::vector<ObjectState> values = told.objects;
  for (const ScheduleStep& step : told.steps)
    for (const StateChange& change : step.changes) values[change.object].value = change.value;
  const std::vector<ObjectState> last = snapshot(system, state);
  REQUIRE(last.size() == values.size());
  for (std::size_t i = 0; i < last.size(); ++i) CHECK(last[i].value == values[i].value);
}

}  // namespace
}  // namespace fencecheck
