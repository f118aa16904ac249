// What can be said without time: the systems that have a formula, a Promela
// model or a net.
#pragma once

#include <string>
#include <vector>

#include "graph/model/system.hpp"

namespace fencecheck {

// Why a system cannot be encoded; empty if it can. Loops cannot: their
// unfolding would be a bound.
[[nodiscard]] std::string not_encodable(const System& system);

// The jobs of a queue in the only order in which they can be pushed, if that
// follows from the text: one thread pushes all of them that anybody pushes, each
// once, and none without those before it. Empty if it does not. O(steps).
[[nodiscard]] std::vector<ThreadId> push_order(const System& system, QueueId queue);

}  // namespace fencecheck
