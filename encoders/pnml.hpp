// A system as a place/transition net, in PNML (ISO/IEC 15909-2).
//
// The question is that of dead markings: a transition `nothing_owed` can always
// fire while nothing is owed, so that a marking is dead exactly if nothing can
// move and something is owed: a hang (docs/semantics.md).
//
// Nets have no priorities, no order of arrival and no comparison of ages:
// timeouts, queues whose order is not fixed by the text, and tickets are refused.
#pragma once

#include <string>

#include "graph/model/system.hpp"

namespace fencecheck {

// Why a net, or this encoder, cannot say it; empty if it can.
[[nodiscard]] std::string not_in_pnml(const System& system);

// Requires: not_in_pnml(system) is empty. O(steps * values of a variable), and exponential in the fences that one step
// may find attached, of which there are few (not_in_pnml).
[[nodiscard]] std::string to_pnml(const System& system);

}  // namespace fencecheck
