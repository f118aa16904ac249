#include "checker/explore.hpp"

#include "tests/catch.hpp"
#include "tests/support/philosophers.hpp"
#include "tests/support/random_system.hpp"

namespace fencecheck {
namespace {

TEST_CASE("a state comes back from its key") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("random_system(" << seed << ")");
    const System system = test::random_system(seed);
    State state = initial_state(system);
    State copy = state;
    for (int i = 0; i < 30; ++i) {
      read_key(key(state), copy);
      REQUIRE(key(copy) == key(state));
      REQUIRE(moves(system, copy) == moves(system, state));
      const std::vector<Move> all = moves(system, state);
      if (all.empty()) break;
      state = after(system, std::move(state), all[static_cast<std::size_t>(i) % all.size()]);
    }
  }
}

// A philosopher holds no fork, the first, both, or the second; whoever holds the
// fork between two keeps the other from it: closed walks of length n in the graph
// of these four have the only eigenvalue 3 but for 0. Only "all hold the second" cannot be reached
// in a ring without a left-handed one, since somebody would have had to eat first.
TEST_CASE("dining philosophers: every state without reductions, the hang with and without") {
  std::uint64_t walks = 1;
  for (std::uint32_t count = 1; count <= 8; ++count) {
    walks *= 3;
    if (count == 1) continue;
    INFO(count << " philosophers");
    const System symmetric = test::philosophers(count, false);
    const System mixed = test::philosophers(count, true);
    ExploreOptions options;
    options.most_hangs = 10;
    options.budget.reductions = false;
    CHECK(explore(symmetric, initial_state(symmetric), options).states == walks - 1);
    CHECK(explore(mixed, initial_state(mixed), options).states == walks);
    for (const bool reductions : {false, true}) {
      options.budget.reductions = reductions;
      const Exploration all = explore(symmetric, initial_state(symmetric), options);
      REQUIRE(all.hangs.size() == 1);
      CHECK(all.hangs.front().way.size() == count);
      CHECK((all.states < count * count + 2 || !reductions));
      CHECK(explore(mixed, initial_state(mixed), options).hangs.empty());
    }
  }
}

TEST_CASE("limits end exploration with the reason") {
  const System system = test::philosophers(10, true);
  ExploreOptions options;
  options.budget.reductions = false;
  options.max_states = 100;
  CHECK(explore(system, initial_state(system), options).gave_up == "the limit of 100 states was reached");
  options = {};
  options.budget.memory = 1000;
  CHECK(explore(system, initial_state(system), options).gave_up == "the memory limit was reached (--memory)");
  options = {};
  options.budget.deadline = std::chrono::steady_clock::now();
  CHECK(explore(system, initial_state(system), options).gave_up == "the time limit was reached (--timeout)");
}

}  // namespace
}  // namespace fencecheck
