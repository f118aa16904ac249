#include "graph/model/page_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace fencecheck {
namespace {

// Which of its objects has this memory, as entries name it; 0: none.
std::uint32_t object_of(const PageTable& table, BufferId buffer) {
  const auto found = std::ranges::find(table.objects, std::optional(buffer), &MappedObject::memory);
  return found == table.objects.end() ? 0 : static_cast<std::uint32_t>(found - table.objects.begin() + 1);
}

bool continues(const PageTable& table, std::uint32_t interval, const PageEntry& entry, const PageEntry& next) {
  if (entry.object != next.object) return false;
  return entry.object == 0 || next.offset == entry.offset + table.bounds[interval + 1] - table.bounds[interval];
}

std::string check_write(const System& system, const PageWrite& write) {
  if (write.table.index >= system.page_tables.size()) return "a write to no page table";
  const PageTable& table = system[write.table];
  if (write.first >= write.last || write.last >= table.bounds.size())
    return fmt::format("a write beyond page table '{}'", table.name);
  if (write.entry.object > table.objects.size()) return fmt::format("'{}' maps no such object", table.name);
  if (!write.from) return {};
  const PageTable& source = system[write.from->table];
  for (std::uint32_t i = write.first; i < write.last; ++i) {
    const std::uint32_t k = write.from->first + (i - write.first);
    if (k + 1 >= source.bounds.size() ||
        source.bounds[k + 1] - source.bounds[k] != table.bounds[i + 1] - table.bounds[i])
      return fmt::format("a range of '{}' is copied from one that does not fit", table.name);
  }
  return {};
}

}  // namespace

std::vector<std::vector<PageEntry>> initial_page_tables(const System& system) {
  std::vector<std::vector<PageEntry>> result;
  for (const PageTable& table : system.page_tables) result.push_back(table.initial);
  return result;
}

void write_ranges(const System& system, State& state, const std::vector<PageWrite>& writes) {
  for (const PageWrite& write : writes) {
    const PageTable& table = system[write.table];
    std::vector<PageEntry> entries;
    if (write.from) {
      auto& source = state.page_tables[write.from->table.index];
      const auto first = source.begin() + write.from->first;
      const auto last = first + (write.last - write.first);
      entries.assign(first, last);
      if (write.from->moves) std::fill(first, last, PageEntry{});
    } else {
      for (std::uint32_t i = write.first; i < write.last; ++i)
        entries.push_back(write.entry.object == 0 ? PageEntry{}
                                                  : PageEntry{write.entry.object, write.entry.offset + table.bounds[i] -
                                                                                      table.bounds[write.first]});
    }
    std::ranges::copy(entries, state.page_tables[write.table.index].begin() + write.first);
    if (!table.asked) continue;  // it is what was asked for: no hardware reads it
    for (const PageEntry& entry : entries)
      if (const auto object = entry.object; object != 0 && table.objects[object - 1].memory)
        map_buffer(system, state, table.space, *table.objects[object - 1].memory);
  }
}

void map_buffer(const System& system, State& state, AddressSpaceId space, BufferId buffer) {
  const std::vector<BufferId>& buffers = system[space].buffers;
  const auto found = std::ranges::find(buffers, buffer);
  if (found == buffers.end() || !state.memory.places[buffer.index]) return;
  const auto index = static_cast<std::size_t>(found - buffers.begin());
  state.memory.mapped[space.index][index] = true;
  state.memory.old[space.index][index] = 0;
}

bool may_touch(const System& system, const State& state, const HardwareUse& use, BufferId buffer) {
  const auto& table = system[use.space].table;
  const std::uint32_t object = table ? object_of(system[*table], buffer) : 0;
  if (object == 0) return true;
  const std::vector<PageEntry>& entries = state.page_tables[table->index];
  if (use.relies_on.empty())
    return std::ranges::any_of(entries, [&](const PageEntry& each) { return each.object == object; });
  return std::ranges::any_of(use.relies_on,
                             [&](const Reliance& each) { return entries[each.interval].object == object; });
}

std::set<WrongInterval> wrong_intervals(const System& system, const State& state) {
  std::set<WrongInterval> result;
  for (std::uint32_t i = 0; i < system.uses.size(); ++i) {
    const HardwareUse& use = system.uses[i];
    if (use.relies_on.empty() || !runs(system, state, HardwareUseId{i})) continue;
    const auto& entries = state.page_tables[system[use.space].table->index];
    for (const Reliance& each : use.relies_on)
      if (entries[each.interval] != each.entry) result.insert({i, each.interval});
  }
  return result;
}

std::vector<std::uint32_t> divergent_intervals(const System& system, const State& state, PageTableId table) {
  std::vector<std::uint32_t> result;
  if (const auto& banned = system[table].banned; banned && state.variables[banned->index] != 0) return result;
  const auto& is = state.page_tables[table.index];
  const auto& asked = state.page_tables[system[table].asked->index];
  for (std::uint32_t i = 0; i < is.size(); ++i)
    if (is[i] != asked[i]) result.push_back(i);
  return result;
}

std::string range_text(std::uint64_t from, std::uint64_t to) {
  return fmt::format("{:#x}+{}", from, dmem::bytes_text(to - from));
}

std::string interval_text(const PageTable& table, std::uint32_t interval) {
  return range_text(table.bounds[interval], table.bounds[interval + 1]);
}

std::string entry_text(const PageTable& table, const PageEntry& entry) {
  if (entry.object == 0) return "nothing";
  const std::string& name = table.objects[entry.object - 1].name;
  if (entry.offset == 0) return fmt::format("'{}'", name);
  return fmt::format("'{}' from {} on", name, dmem::bytes_text(entry.offset));
}

std::string table_text(const PageTable& table, const std::vector<PageEntry>& entries) {
  std::vector<std::string> parts;
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    std::uint32_t last = i;
    while (last + 1 < entries.size() && continues(table, last, entries[last], entries[last + 1])) ++last;
    if (entries[i].object != 0)
      parts.push_back(
          fmt::format("{} {}", range_text(table.bounds[i], table.bounds[last + 1]), entry_text(table, entries[i])));
    i = last;
  }
  return parts.empty() ? "nothing is mapped" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string check_page_tables(const System& system) {
  for (const PageTable& table : system.page_tables) {
    if (table.bounds.size() != table.initial.size() + 1 || !std::ranges::is_sorted(table.bounds))
      return fmt::format("the intervals of page table '{}' do not fit together", table.name);
    if (table.asked && system[*table.asked].bounds != table.bounds)
      return fmt::format("'{}' is cut otherwise than what it is compared with", table.name);
  }
  for (const HardwareUse& use : system.uses)
    for (const Reliance& each : use.relies_on)
      if (!system[use.space].table || each.interval >= system[*system[use.space].table].initial.size())
        return fmt::format("hardware '{}' relies on no page table", use.name);
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program) {
      const auto* write = std::get_if<WriteRanges>(&step.action);
      const auto* push = std::get_if<Push>(&step.action);
      for (const PageWrite& each : write != nullptr  ? write->writes
                                   : push != nullptr ? push->asks
                                                     : std::vector<PageWrite>{})
        if (std::string wrong = check_write(system, each); !wrong.empty()) return wrong;
    }
  return {};
}

}  // namespace fencecheck
