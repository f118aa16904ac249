// Partial-order reduction: which threads' moves suffice in a state.
//
// A stubborn set of threads, computed from footprints; docs/semantics.md,
// "Exploration", says what is preserved and why.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graph/model/footprint.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

class Reduction {
 public:
  // Requires: the system outlives the reduction. O(steps * objects) time, a bit each of memory.
  Reduction(const System& system, Causes causes);
  ~Reduction();
  Reduction(const Reduction&) = delete;
  Reduction& operator=(const Reduction&) = delete;

  // Moves that suffice, of `all` ordinary moves of the state, in their order: those of the
  // smallest stubborn set found. All of them if the state is at rest.
  // Deterministic: the same state, the same moves.
  [[nodiscard]] std::vector<Move> enough(const State& state, const std::vector<Move>& all);

  // Programs with loops could put a step off for ever that matters although it is
  // not at rest: then each cycle of the reduced graph has to take all moves somewhere.
  [[nodiscard]] bool nothing_may_be_put_off() const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace fencecheck
