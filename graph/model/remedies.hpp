// Which setting of device-memory cgroups would have kept a victim where it was,
// or would have let an allocation through: each is tried on the kernel's own
// arithmetic (dmem::decide, dmem::consider) before it is said.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// How the search `pick` of this thread judges `victim`: in the pass that
// respects low if that one takes it, else in the one that ignores it; none if
// neither does, for the numbers have changed since it was chosen.
[[nodiscard]] std::optional<dmem::Judgement> why_chosen(const System& system, const State& state, ThreadId thread,
                                                        const PickVictim& pick, BufferId victim);

// Changes each of which by itself keeps `victim` from being evicted by any pass
// of this search, least intrusive first: "a dmem.min of group 'a' of 2 GiB".
// Empty: no setting does. O(groups^2).
[[nodiscard]] std::vector<std::string> what_keeps(const System& system, const State& state, ThreadId thread,
                                                  const PickVictim& pick, BufferId victim);

// Why an allocation that others could make room for gets none, and what would
// let it through.
struct Denial {
  std::string_view id;  // "pinned": names the reason without amounts
  std::string why;      // "because all of the 8 GiB in use there are pinned"
  std::string fix;
  bool by_chance = false;  // the next attempt may succeed: a lock was held, or room was made meanwhile
};
// None if it is the allocation's own doing: it does not fit, or is at its own limit.
[[nodiscard]] std::optional<Denial> why_denied(const System& system, const State& state, ThreadId thread,
                                               BufferId buffer, RegionId region);

}  // namespace fencecheck
