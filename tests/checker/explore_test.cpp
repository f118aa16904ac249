#include "checker/explore.hpp"

#include "tests/catch.hpp"
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

}  // namespace
}  // namespace fencecheck
