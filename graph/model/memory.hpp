// The rules of memory management: where a buffer may get memory, and whose
// memory may be taken for it. They follow TTM and the dmem controller
// (kernel-facts 2.5 to 2.7; graph/model/dmem.hpp has the arithmetic); the
// operational semantics asks them at each Allocate and PickVictim.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/model/dmem.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

[[nodiscard]] MemoryState initial_memory(const System& system);

// Bytes of the region that buffers occupy.
[[nodiscard]] std::uint64_t occupied(const System& system, const State& state, RegionId region);
[[nodiscard]] bool has_room(const System& system, const State& state, RegionId region, std::uint64_t bytes);

// The region's counters, one for each group; for a region that is not accounted
// one root without limits.
[[nodiscard]] dmem::Counters counters(const System& system, const State& state, RegionId region);

// Bytes charged to the group and to those below it.
[[nodiscard]] std::uint64_t usage(const System& system, const State& state, GroupId group, RegionId region);

// The buffer has memory in one of the placements of this round: nothing need be allocated.
[[nodiscard]] bool has_suitable_place(const System& system, const State& state, const Allocate& allocate);

// What an attempt of this thread does next. The values are the branches of Allocate.
[[nodiscard]] dmem::Next attempt(const System& system, const State& state, ThreadId thread, const Allocate& allocate);

// The kernel's judgement of one buffer as a victim, and the counters that it is based on.
struct Judged {
  dmem::Counters counters;
  dmem::Judgement judgement;
  bool allowed = true;  // this pass takes place, and may take anybody at all
};
[[nodiscard]] Judged judge(const System& system, const State& state, ThreadId thread, const PickVictim& pick,
                           BufferId victim);

// The buffers that this thread may evict now. O(buffers * groups).
[[nodiscard]] std::vector<BufferId> victims(const System& system, const State& state, ThreadId thread,
                                            const PickVictim& pick);

// Which branch of Locate the state takes.
[[nodiscard]] std::uint32_t whereabouts(const System& system, const State& state, const Locate& locate);

// The entry that this attachment replaces, if slots are counted there: one that has signalled, or is an older one of
// the same context (dma_resv_add_fence; kernel-facts RS-06).
[[nodiscard]] std::optional<Attachment> replaced(const System& system, const State& state, const Attach& attach);
// Without such an entry it takes up a reserved slot.
[[nodiscard]] bool needs_slot(const System& system, const State& state, const Attach& attach);

// Where a buffer goes when it is evicted from its region: the next of its
// placements; none stands for system memory, or for nowhere without swap.
[[nodiscard]] std::optional<RegionId> next_place(const Buffer& buffer, RegionId from);
// Can the buffer leave the region: is there swap, or room in its next placement?
[[nodiscard]] bool has_destination(const System& system, const State& state, BufferId victim, RegionId from);

}  // namespace fencecheck
