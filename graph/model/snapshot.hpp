// A state as readers see it: every object of the system with its value in words.
//
// The list has one entry for each object, in the same order for every state of
// one system, so that two states can be compared entry by entry. A new kind of
// object is one more row in snapshot.cpp; whatever shows states shows it then.
#pragma once

#include <vector>

#include "graph/model/finding.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// O(objects * threads + groups * buffers).
[[nodiscard]] std::vector<ObjectState> snapshot(const System& system, const State& state);

}  // namespace fencecheck
