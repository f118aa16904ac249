#include "graph/model/memory.hpp"

#include <algorithm>

namespace fencecheck {
namespace {

bool is_system_memory(const Region& region) { return !region.accounted && region.capacity == dmem::unlimited; }

dmem::Attempt attempt_of(const System& system, const State& state, ThreadId thread, BufferId buffer, RegionId region,
                         bool force) {
  const std::uint64_t bytes = system[buffer].size;
  return {system[region].accounted ? system[thread].group.index : dmem::root, bytes,
          has_room(system, state, region, bytes), force, is_system_memory(system[region])};
}

// A lock that this way of evicting can get, now or by waiting for it.
bool can_lock(const System& system, const State& state, ThreadId thread, BufferId victim, const PickVictim& pick) {
  const LockState& lock = state.locks[system[victim].lock.index];
  if (pick.confirms) return true;
  if (pick.locking == VictimLocking::trylock) return !lock.owner && lock.readers.empty();
  return lock.owner != thread;
}

bool is_own(const System& system, ThreadId thread, BufferId victim) {
  const auto& space = system[thread].space;
  return space && !system[*space].evicts_own &&
         std::ranges::find(system[*space].buffers, victim) != system[*space].buffers.end();
}

// Without swap a place that is full does not pass the buffer on.
bool can_go(const System& system, const State& state, BufferId buffer, std::optional<RegionId> to) {
  return system.swap || (to && has_room(system, state, *to, system[buffer].size));
}

}  // namespace

bool has_destination(const System& system, const State& state, BufferId victim, RegionId from) {
  return can_go(system, state, victim, next_place(system[victim], from));
}

namespace {

// Below which group, on whose behalf and with which charge victims are looked for.
struct Search {
  dmem::Counters counters;
  dmem::Eviction eviction;
  dmem::Group charged = dmem::root;
  bool allowed = true;  // in this pass, and anybody at all
};

Search search_below(const System& system, const State& state, GroupId limit, RegionId region) {
  Search result{counters(system, state, region), {limit.index, false}, limit.index, false};
  if (!system[region].accounted) return result;
  const dmem::Counter& counter = result.counters[limit.index];
  result.allowed = counter.usage > counter.limits.max;
  return result;
}

// As the attempt decided that failed: for want of room, or because its charge is
// denied. Only unprotected buffers go where that was so, and none in a pass that
// ignores low (ttm_bo_evict_alloc has no such pass then).
Search search_for(const System& system, const State& state, ThreadId thread, const PickVictim& pick) {
  if (pick.over_limit) return search_below(system, state, *pick.over_limit, pick.region);
  Search result{counters(system, state, pick.region), {}, dmem::root, true};
  dmem::Attempt what = attempt_of(system, state, thread, *pick.for_buffer, pick.region, pick.force);
  what.space = false;  // others may have made room meanwhile
  const dmem::Decision decision = dmem::decide(result.counters, what, system.kernel);
  if (decision.charged) result.counters = dmem::charge(std::move(result.counters), what.group, what.bytes);
  result.eviction = decision.eviction;
  result.charged = what.group;
  result.allowed = decision.next == dmem::Next::evict && !(pick.ignore_low && decision.eviction.only_unprotected);
  return result;
}

dmem::Group charged_group(const System& system, const State& state, RegionId region, BufferId buffer) {
  return system[region].accounted ? state.memory.charged[buffer.index].index : dmem::root;
}

}  // namespace

MemoryState initial_memory(const System& system) {
  MemoryState memory;
  for (const Buffer& buffer : system.buffers) {
    memory.places.push_back(buffer.place);
    memory.charged.push_back(buffer.charged);
    memory.pins.push_back(buffer.pins);
  }
  for (const AddressSpace& space : system.spaces) {
    std::vector<bool>& mapped = memory.mapped.emplace_back();
    for (const BufferId buffer : space.buffers) mapped.push_back(space.mapped && system[buffer].place.has_value());
    memory.old.emplace_back(space.buffers.size(), 0);
  }
  memory.killed.assign(system.uses.size(), false);
  for (const HardwareUse& use : system.uses) memory.has_run.push_back(use.gate && system[*use.gate].initial != 0);
  for (const Group& group : system.groups) {
    std::vector<std::uint64_t>& maximum = memory.maximum.emplace_back();
    for (const dmem::Limits& limits : group.limits) maximum.push_back(limits.max);
  }
  return memory;
}

std::uint64_t occupied(const System& system, const State& state, RegionId region) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < system.buffers.size(); ++i)
    if (state.memory.places[i] == region) bytes += system.buffers[i].size;
  return bytes;
}

bool has_room(const System& system, const State& state, RegionId region, std::uint64_t bytes) {
  const std::uint64_t used = occupied(system, state, region);
  return used <= system[region].capacity && bytes <= system[region].capacity - used;
}

dmem::Counters counters(const System& system, const State& state, RegionId region) {
  if (!system[region].accounted) return {{std::nullopt, {}, occupied(system, state, region)}};
  dmem::Counters result;
  for (const Group& group : system.groups) {
    dmem::Limits limits = group.limits[region.index];
    limits.max = dmem::unlimited;
    result.push_back({group.parent ? std::optional(group.parent->index) : std::nullopt, limits, 0});
  }
  for (std::uint32_t i = 0; i < system.buffers.size(); ++i)
    if (state.memory.places[i] == region)
      result = dmem::charge(std::move(result), state.memory.charged[i].index, system.buffers[i].size);
  // Usage may be above a max that was set later.
  for (std::uint32_t i = 0; i < system.groups.size(); ++i) result[i].limits.max = state.memory.maximum[i][region.index];
  return result;
}

std::uint64_t usage(const System& system, const State& state, GroupId group, RegionId region) {
  const dmem::Counters all = counters(system, state, region);
  return group.index < all.size() ? all[group.index].usage : all.front().usage;
}

bool considered(const Buffer& buffer, RegionId placement, bool force) {
  const bool fallback = std::ranges::find(buffer.fallback, placement) != buffer.fallback.end();
  return dmem::considered(fallback ? dmem::Placement::fallback : dmem::Placement::both_rounds, force);
}

bool has_suitable_place(const System& system, const State& state, const Allocate& allocate) {
  const auto& place = state.memory.places[allocate.buffer.index];
  const Buffer& buffer = system[allocate.buffer];
  return place && std::ranges::find(buffer.placements, *place) != buffer.placements.end() &&
         considered(buffer, *place, allocate.force);
}

dmem::Next attempt(const System& system, const State& state, ThreadId thread, const Allocate& allocate) {
  if (has_suitable_place(system, state, allocate)) return dmem::Next::succeed;
  const dmem::Attempt what = attempt_of(system, state, thread, allocate.buffer, allocate.region, allocate.force);
  return dmem::decide(counters(system, state, allocate.region), what, system.kernel).next;
}

Judged judge(const System& system, const State& state, ThreadId thread, const PickVictim& pick, BufferId victim) {
  const Search search = search_for(system, state, thread, pick);
  const dmem::Group owner = charged_group(system, state, pick.region, victim);
  const bool ignore_low = pick.ignore_low && !search.eviction.only_unprotected;
  return {search.counters,
          dmem::consider(search.counters, search.eviction, search.charged, owner, ignore_low, system.kernel),
          search.allowed};
}

std::vector<BufferId> victims(const System& system, const State& state, ThreadId thread, const PickVictim& pick) {
  std::vector<BufferId> result;
  if (!search_for(system, state, thread, pick).allowed) return result;
  for (std::uint32_t i = 0; i < system.buffers.size(); ++i) {
    const BufferId victim{i};
    const bool candidate = state.memory.places[i] == pick.region && state.memory.pins[i] == 0 &&
                           victim != pick.for_buffer && pick.confirms.value_or(victim) == victim &&
                           !is_own(system, thread, victim) && has_destination(system, state, victim, pick.region) &&
                           can_lock(system, state, thread, victim, pick);
    if (candidate && dmem::test(judge(system, state, thread, pick, victim).judgement) == dmem::Test::evict)
      result.push_back(victim);
  }
  return result;
}

std::uint32_t whereabouts(const System& system, const State& state, const Locate& locate) {
  const std::vector<RegionId>& placements = system[locate.buffer].placements;
  const auto nowhere = static_cast<std::uint32_t>(placements.size());
  const auto& place = state.memory.places[locate.buffer.index];
  const auto to = locate.to || !place ? locate.to : next_place(system[locate.buffer], *place);
  const bool stays = state.memory.pins[locate.buffer.index] > 0 || (place ? to == place : !locate.to) ||
                     !can_go(system, state, locate.buffer, to);
  if (stays) return nowhere + 1;
  if (!place) return nowhere;
  return static_cast<std::uint32_t>(std::ranges::find(placements, *place) - placements.begin());
}

std::optional<Attachment> replaced(const System& system, const State& state, const Attach& attach) {
  const Fence& fence = system[attach.fence];
  const auto& attached = state.reservations[attach.reservation.index];
  const auto found = std::ranges::find_if(attached, [&](const Attachment& old) {
    const Fence& other = system[old.fence];
    const bool same_context = old.fence == attach.fence || (fence.context != 0 && fence.context == other.context);
    return state.signalled[old.fence.index] ||
           (same_context && other.point <= fence.point && old.usage >= attach.usage);
  });
  if (found == attached.end() || !system[attach.reservation].counted) return std::nullopt;
  return *found;
}

bool needs_slot(const System& system, const State& state, const Attach& attach) {
  return system[attach.reservation].counted && !replaced(system, state, attach);
}

std::optional<RegionId> next_place(const Buffer& buffer, RegionId from) {
  const auto here = std::ranges::find(buffer.placements, from);
  if (here == buffer.placements.end() || std::next(here) == buffer.placements.end()) return std::nullopt;
  return *std::next(here);
}

}  // namespace fencecheck
