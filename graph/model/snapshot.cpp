// One row for each kind of object: its name, its table, and its value in words.
#include "graph/model/snapshot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "graph/model/memory.hpp"
#include "graph/model/page_tables.hpp"

namespace fencecheck {
namespace {

std::string list(const std::vector<std::string>& parts, std::string_view nothing) {
  return parts.empty() ? std::string(nothing) : fmt::format("{}", fmt::join(parts, ", "));
}

std::string titles(const System& system, const std::vector<ThreadId>& threads) {
  std::vector<std::string> parts;
  for (const ThreadId thread : threads) parts.push_back(title(system[thread]));
  return list(parts, "nobody");
}

std::string fence(const System& system, const State& state, std::size_t i) {
  if (state.signalled[i]) return "signalled";
  if (info(system.fences[i].kind).user_controlled) return "not signalled";
  if (!state.published[i]) return "unpublished";
  return state.requested[i] ? "published, its signal is asked for" : "published";
}

std::string lock(const System& system, const State& state, std::size_t i) {
  const LockState& lock = state.locks[i];
  if (lock.owner)
    return fmt::format("held by {}{}", title(system[*lock.owner]), lock.with_ticket ? " with its ticket" : "");
  return lock.readers.empty() ? "free" : "shared by " + titles(system, lock.readers);
}

std::string variable(const System&, const State& state, std::size_t i) { return fmt::format("{}", state.variables[i]); }

std::string pool(const System& system, const State& state, std::size_t i) {
  return fmt::format("{} of {} taken", state.taken[i], system.pools[i].capacity);
}

// The gate of a queue shows as the queue's own state.
bool is_no_gate(const System& system, std::size_t i) {
  const VariableId variable{static_cast<std::uint32_t>(i)};
  return std::ranges::find(system.queues, variable, &Queue::gate) == system.queues.end();
}

std::string queue(const System& system, const State& state, std::size_t i) {
  std::vector<ThreadId> running;
  for (std::uint32_t thread = 0; thread < system.threads.size(); ++thread) {
    const bool begun = state.at[thread] != 0 && state.at[thread] != system.threads[thread].end();
    if (begun && system.threads[thread].queue == QueueId{static_cast<std::uint32_t>(i)}) running.push_back({thread});
  }
  std::vector<std::string> parts;
  if (const auto& gate = system.queues[i].gate; gate && state.variables[gate->index] == 0)
    parts.emplace_back("suspended");
  if (!running.empty()) parts.push_back(titles(system, running) + " running");
  if (!state.queues[i].waiting.empty()) parts.push_back(titles(system, state.queues[i].waiting) + " waiting");
  return list(parts, "empty");
}

std::string reservation(const System& system, const State& state, std::size_t i) {
  std::vector<std::string> parts;
  for (const Attachment& each : state.reservations[i])
    parts.push_back(fmt::format("'{}' as {}", system[each.fence].name, info(each.usage).id));
  std::string result = list(parts, "no fences");
  if (system.reservations[i].counted) result += fmt::format("; {} slots reserved", state.slots[i]);
  return result;
}

std::string dependencies(const System& system, const State& state, std::size_t i) {
  std::vector<std::string> parts;
  for (const FenceId each : state.sets[i]) parts.push_back(fmt::format("'{}'", system[each].name));
  return list(parts, "no fences");
}

// The thread's wait-die transaction.
std::string ticket(const System&, const State& state, std::size_t i) {
  return state.tickets[i] == 0 ? "none" : fmt::format("number {} by age", state.tickets[i]);
}

std::string work(const System& system, const State& state, std::size_t i) {
  const bool queued = is_waiting(system, state, ThreadId{static_cast<std::uint32_t>(i)});
  if (state.at[i] == 0) return queued ? "queued" : "idle";
  return queued ? "runs, queued again" : "runs";
}

std::string region(const System& system, const State& state, std::size_t i) {
  const std::uint64_t bytes = occupied(system, state, RegionId{static_cast<std::uint32_t>(i)});
  const std::uint64_t capacity = system.regions[i].capacity;
  if (capacity == dmem::unlimited) return fmt::format("{} used", dmem::bytes_text(bytes));
  return fmt::format("{} of {} used", dmem::bytes_text(bytes), dmem::bytes_text(capacity));
}

// Nothing where nobody is protected.
std::string protection(const System& system, const State& state, std::size_t group, RegionId region) {
  const auto all =
      dmem::effective(counters(system, state, region), dmem::root, dmem::info(system.kernel).arithmetic)[group];
  if (all.min == 0 && all.low == 0) return "";
  return fmt::format(" (emin {}, elow {})", dmem::bytes_text(all.min), dmem::bytes_text(all.low));
}

std::string group(const System& system, const State& state, std::size_t i) {
  std::vector<std::string> parts;
  for (std::uint32_t each = 0; each < system.regions.size(); ++each) {
    if (!system.regions[each].accounted) continue;
    const std::uint64_t bytes = usage(system, state, GroupId{static_cast<std::uint32_t>(i)}, RegionId{each});
    const std::uint64_t maximum = state.memory.maximum[i][each];
    const std::string limit = maximum == dmem::unlimited ? "" : fmt::format(" of {}", dmem::bytes_text(maximum));
    parts.push_back(fmt::format("{}{} in '{}'{}", dmem::bytes_text(bytes), limit, system.regions[each].name,
                                protection(system, state, i, RegionId{each})));
  }
  return list(parts, "");
}

// Where its memory is, and who keeps it there.
std::string buffer(const System& system, const State& state, std::size_t i) {
  const std::optional<RegionId> place = state.memory.places[i];
  std::string result = place ? fmt::format("in '{}'", system[*place].name) : "without memory of its own";
  if (place && system[*place].accounted)
    result += fmt::format(", charged to '{}'", system[state.memory.charged[i]].name);
  const std::uint32_t pins = state.memory.pins[i];
  if (pins > 0) result += pins == 1 ? ", pinned" : fmt::format(", pinned {} times", pins);
  return result;
}

std::string address_space(const System& system, const State& state, std::size_t i) {
  const AddressSpace& space = system.spaces[i];
  std::vector<std::string> parts;
  for (std::size_t each = 0; each < space.buffers.size(); ++each)
    if (state.memory.mapped[i][each])
      parts.push_back(fmt::format("'{}'{}", system[space.buffers[each]].name,
                                  state.memory.old[i][each] ? " (its old memory)" : ""));
  return parts.empty() ? "maps nothing" : fmt::format("maps {}", fmt::join(parts, ", "));
}

std::string page_table(const System& system, const State& state, std::size_t i) {
  return table_text(system.page_tables[i], state.page_tables[i]);
}

std::string hardware(const System& system, const State& state, std::size_t i) {
  if (state.memory.killed[i]) return "killed";
  return runs(system, state, HardwareUseId{static_cast<std::uint32_t>(i)}) ? "runs" : "does not run";
}

bool always(const System&, std::size_t) { return true; }

bool is_work(const System& system, std::size_t i) { return system.threads[i].queue && repeats(system.threads[i]); }

bool is_charged(const System& system, std::size_t) {
  return system.groups.size() > 1 && std::ranges::any_of(system.regions, &Region::accounted);
}

bool takes_tickets(const System& system, std::size_t i) {
  return std::ranges::any_of(system.threads[i].program,
                             [](const Step& step) { return std::holds_alternative<TakeTicket>(step.action); });
}

using Value = std::string (*)(const System&, const State&, std::size_t);
using Shown = bool (*)(const System&, std::size_t);

template <class Object>
void add(std::vector<ObjectState>& result, std::string_view kind, const System& system, const State& state,
         const std::vector<Object>& objects, Value value, Shown shown = always) {
  for (std::size_t i = 0; i < objects.size(); ++i)
    if (shown(system, i)) result.push_back({std::string(kind), objects[i].name, value(system, state, i)});
}

}  // namespace

std::vector<ObjectState> snapshot(const System& system, const State& state) {
  std::vector<ObjectState> result;
  add(result, "fence", system, state, system.fences, fence);
  add(result, "lock", system, state, system.locks, lock);
  add(result, "buffer", system, state, system.buffers, buffer);
  add(result, "reservation", system, state, system.reservations, reservation);
  add(result, "region", system, state, system.regions, region);
  add(result, "group", system, state, system.groups, group, is_charged);
  add(result, "address space", system, state, system.spaces, address_space);
  add(result, "page tables", system, state, system.page_tables, page_table);
  add(result, "hardware", system, state, system.uses, hardware);
  add(result, "dependencies", system, state, system.sets, dependencies);
  add(result, "queue", system, state, system.queues, queue);
  add(result, "work", system, state, system.threads, work, is_work);
  add(result, "pool", system, state, system.pools, pool);
  add(result, "variable", system, state, system.variables, variable, is_no_gate);
  add(result, "ticket", system, state, system.threads, ticket, takes_tickets);
  return result;
}

}  // namespace fencecheck
