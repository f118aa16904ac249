// One report of lockdep.
//
// The lines of a report may be incomplete, interleaved with other lines of the
// log and out of order; what is found is kept, and what is missing is said
// (Splat::complete). Links of the chain are told by their numbers, not by where
// they stand.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "graph/input/kernel_log.hpp"
#include "graph/input/snapshot.hpp"

namespace fencecheck {

// The row whose headline this line is; nullptr if it is none.
[[nodiscard]] const SplatInfo* splat_headline(std::string_view line);

// `report` begins at the headline and ends before the next report of any kind. O(report).
[[nodiscard]] Splat read_splat(SplatKind kind, std::span<const LogLine> report);

// "ADDRESS (CLASS){USAGE}-{TYPE}, at: SITE", with or without a "#n: " before it.
[[nodiscard]] std::optional<LockUse> parse_lock_use(const LogLine& line);

// "comm/pid" or "comm:pid"; a comm may hold either character.
[[nodiscard]] std::optional<TaskId> parse_task(std::string_view text, char separator);

// The tasks and locks of "N locks held by comm/pid:" at the beginning of
// `lines`, in the words of any kernel; nothing if this is no such list. `used`
// says how many lines it takes.
[[nodiscard]] std::optional<HeldLocks> read_held_locks(std::span<const LogLine> lines, std::size_t& used);

}  // namespace fencecheck
