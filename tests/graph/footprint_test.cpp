// Footprints against the semantics: what they promise, on every reachable state
// of random systems.
#include "graph/model/footprint.hpp"

#include <deque>
#include <set>

#include "graph/model/incidents.hpp"
#include "graph/model/state.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_system.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_states = 300;

Footprint of(const System& system, const State& state, std::uint32_t thread, Causes causes) {
  return footprint(system, {thread}, system.threads[thread].program[state.at[thread]], causes);
}

template <class Fits>
bool any_pair(const Footprint& a, const Footprint& b, Fits fits) {
  for (const Use& x : a.uses)
    for (const Use& y : b.uses)
      if (x.part == y.part && x.index == y.index && fits(x.access, y.access)) return true;
  return false;
}

std::vector<State> some_reachable(const System& system, Causes causes) {
  std::vector<State> states{initial_state(system)};
  std::set<std::string> keys{key(states.front())};
  for (std::size_t i = 0; i < states.size() && states.size() < most_states; ++i)
    for (const Move& move : moves(system, states[i], causes))
      if (State next = after(system, states[i], move, causes); keys.insert(key(next)).second)
        states.push_back(std::move(next));
  return states;
}

struct Seen {
  unsigned independent = 0;
  unsigned opened = 0;
};

using Told = std::set<std::pair<FindingKind, std::string>>;

Told told(const System& system, const State& before, Move move, const State& after) {
  Told result;
  for (const Incident& each : incidents(system, before, move, after)) result.emplace(each.kind, each.subject);
  return result;
}

// Both may happen: then in either order, with the same result and the same incidents.
void commute(const System& system, const State& state, Move a, Move b, Causes causes) {
  const auto step = [&](Move move) {
    const Thread& thread = system[move.thread];
    return describe(system, thread, thread.program[state.at[move.thread.index]]);
  };
  INFO(step(a) << " (branch " << a.branch << "), " << step(b) << " (branch " << b.branch << ")");
  const State after_a = after(system, state, a, causes);
  const State after_b = after(system, state, b, causes);
  REQUIRE(told(system, state, a, after_a) == told(system, after_b, a, after(system, after_b, a, causes)));
  REQUIRE(told(system, state, b, after_b) == told(system, after_a, b, after(system, after_a, b, causes)));
  REQUIRE(possible(system, after_a, b, causes));
  REQUIRE(possible(system, after_b, a, causes));
  REQUIRE(key(after(system, after_a, b, causes)) == key(after(system, after_b, a, causes)));
}

// Nothing that was not named opened the guard of a blocked thread.
void opens(const System& system, const State& state, Move move, Causes causes, Seen& seen) {
  const State next = after(system, state, move, causes);
  const auto can_move = [&](const State& where, std::uint32_t thread) {
    const auto all = moves(system, where, causes);
    return std::ranges::any_of(all, [&](const Move& each) { return each.thread.index == thread; });
  };
  for (std::uint32_t other = 0; other < system.threads.size(); ++other) {
    if (other == move.thread.index || state.at[other] == system.threads[other].end()) continue;
    if (can_move(state, other) || !can_move(next, other)) continue;
    ++seen.opened;
    REQUIRE(any_pair(of(system, state, other, causes), of(system, state, move.thread.index, causes), may_open));
  }
}

void keep_their_promises(const System& system, Causes causes, Seen& seen) {
  for (const State& state : some_reachable(system, causes)) {
    const std::vector<Move> all = moves(system, state, causes);
    for (const Move& a : all) {
      opens(system, state, a, causes, seen);
      for (const Move& b : all) {
        if (a.thread.index >= b.thread.index) continue;
        const Footprint mine = of(system, state, a.thread.index, causes);
        if (any_pair(mine, of(system, state, b.thread.index, causes), clash)) continue;
        ++seen.independent;
        commute(system, state, a, b, causes);
      }
    }
  }
}

TEST_CASE("steps whose footprints do not clash commute, and only named uses open guards") {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= test::effort() * 15 / 4; ++seed) {
    INFO("random_system(" << seed << ")");
    const System system = test::random_system(seed);
    keep_their_promises(system, seed % 3 == 0 ? Causes::all().without(Cause::lock) : Causes::all(), seen);
  }
  CHECK(seen.independent > 25 * test::effort());
  CHECK(seen.opened > test::effort() * 5 / 2);
}

// Every incident needs a step that may be seen; otherwise exploration does not look.
void are_visible(const System& system, const State& state, const Move& move) {
  const State next = after(system, state, move);
  if (incidents(system, state, move, next).empty()) return;
  REQUIRE(of(system, state, move.thread.index, Causes::all()).visible);
}

TEST_CASE("so do those of memory, work items and fences made anew, and incidents come only where they may") {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= test::effort() * 15 / 4; ++seed) {
    INFO("random_memory_system(" << seed << ")");
    const System system = test::random_memory_system(seed);
    const Causes causes = seed % 3 == 0 ? Causes::all().without(Cause::scheduling) : Causes::all();
    keep_their_promises(system, causes, seen);
    for (const State& state : some_reachable(system, Causes::all())) {
      for (const Move& move : moves(system, state)) are_visible(system, state, move);
      if (!at_rest(system, state)) continue;
      for (const Move& move : timeouts(system, state)) are_visible(system, state, move);
    }
  }
  CHECK(seen.independent > 25 * test::effort());
  CHECK(seen.opened > test::effort() * 5 / 2);
}

TEST_CASE("to clash takes a write, or a read and a raise") {
  CHECK(clash(Access::write, Access::await));
  CHECK(clash(Access::write, Access::write));
  CHECK(clash(Access::read, Access::raise));
  CHECK_FALSE(clash(Access::await, Access::raise));
  CHECK_FALSE(clash(Access::raise, Access::raise));
  CHECK_FALSE(clash(Access::read, Access::await));
  CHECK(may_open(Access::await, Access::raise));
  CHECK(may_open(Access::read, Access::write));
  CHECK_FALSE(may_open(Access::write, Access::raise));
  CHECK_FALSE(may_open(Access::await, Access::read));
}

}  // namespace
}  // namespace fencecheck
