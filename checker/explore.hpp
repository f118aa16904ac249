// Interleavings by exploration: every reachable state, breadth first.
//
// The operational semantics executed literally, without any reduction: the
// reference against which the SMT engine is tested, and what classifies a hang
// that a timeout may end. Memory grows with the number of states.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checker/budget.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Exploration {
  std::uint64_t states = 0;
  // Shortest ways to a state at rest in which something is owed:
  std::optional<std::vector<Move>> hang;      // whether or not a timeout may end it
  std::optional<std::vector<Move>> for_ever;  // and no timeout can fire any more
  bool cut_off = false;                       // some way reached a Cutoff
  std::string gave_up;                        // empty if every state was seen
};

struct ExploreOptions {
  Causes causes = Causes::all();
  bool with_timeouts = true;  // let them fire once nothing else can move
  std::uint64_t max_states = 10'000'000;
  Budget budget;
};

[[nodiscard]] Exploration explore(const System& system, const State& from, const ExploreOptions& options);

}  // namespace fencecheck
