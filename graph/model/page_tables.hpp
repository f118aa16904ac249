// Page tables with ranges of addresses: what binds write and hardware reads.
//
// An address space is cut at the bounds of all ranges that the system names, so
// that no operation splits an interval: overlaps, splits and holes come out as
// they are. Each such table may have a second one beside it that shows what the
// calls that succeeded asked for, in their order; no hardware reads that.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

[[nodiscard]] std::vector<std::vector<PageEntry>> initial_page_tables(const System& system);

// Writes one after the other. An entry that shows an object with tracked memory shows where that is by now.
// O(intervals written).
void write_ranges(const System& system, State& state, const std::vector<PageWrite>& writes);

// The page tables of the space lead to where the buffer is by now, if it has memory and the space can map it.
void map_buffer(const System& system, State& state, AddressSpaceId space, BufferId buffer);

// Could this hardware touch the buffer while it runs? Where addresses count, at those that show it, and that it relies
// on if it relies on any. O(intervals).
[[nodiscard]] bool may_touch(const System& system, const State& state, const HardwareUse& use, BufferId buffer);

// Hardware that runs and an interval that does not show what it relies on.
struct WrongInterval {
  std::uint32_t use = 0;  // HardwareUseId
  std::uint32_t interval = 0;
  friend auto operator<=>(const WrongInterval&, const WrongInterval&) = default;
};
[[nodiscard]] std::set<WrongInterval> wrong_intervals(const System& system, const State& state);

// The intervals of a table that differ from what was asked for. O(intervals).
[[nodiscard]] std::vector<std::uint32_t> divergent_intervals(const System& system, const State& state,
                                                             PageTableId table);

// "0x10000+64KiB"
[[nodiscard]] std::string range_text(std::uint64_t from, std::uint64_t to);
[[nodiscard]] std::string interval_text(const PageTable& table, std::uint32_t interval);

// "'a' from 64KiB on", "nothing"
[[nodiscard]] std::string entry_text(const PageTable& table, const PageEntry& entry);

// All of a table, neighbours that continue each other joined: "0x0+64KiB 'a', 0x20000+4KiB 'b' from 4KiB on".
[[nodiscard]] std::string table_text(const PageTable& table, const std::vector<PageEntry>& entries);

// The first thing wrong with the form of page tables and of what refers to them, or nothing. O(steps).
[[nodiscard]] std::string check_page_tables(const System& system);

}  // namespace fencecheck
