#include "graph/model/remedies.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "graph/model/memory.hpp"

namespace fencecheck {
namespace {

dmem::Group group_of(const System& system, const State& state, RegionId region, BufferId buffer) {
  return system[region].accounted ? state.memory.charged[buffer.index].index : dmem::root;
}

// What asks for memory, as the arithmetic sees it: an allocation, or a limit that was lowered.
struct Demand {
  dmem::Attempt attempt;
  std::optional<dmem::Group> over_limit;
  dmem::Kernel kernel = dmem::Kernel::v7_3;
  bool others = false;  // memory of other groups could go instead
  bool room = false;    // the region has room: only a limit is in the way
};

Demand demand_of(const System& system, const State& state, ThreadId thread, const PickVictim& pick) {
  Demand demand;
  demand.kernel = system.kernel;
  if (pick.over_limit) {
    demand.over_limit = pick.over_limit->index;
  } else {
    demand.attempt.group = system[pick.region].accounted ? system[thread].group.index : dmem::root;
    demand.attempt.bytes = system[*pick.for_buffer].size;
    demand.room = has_room(system, state, pick.region, demand.attempt.bytes);
  }
  return demand;
}

enum class Passes : std::uint8_t { all, that_respect_low };

bool takes(const dmem::Counters& counters, const dmem::Eviction& eviction, dmem::Group charged, dmem::Group victim,
           dmem::Kernel kernel, Passes passes) {
  const auto evicts = [&](bool ignore_low) {
    return dmem::test(dmem::consider(counters, eviction, charged, victim, ignore_low, kernel)) == dmem::Test::evict;
  };
  return evicts(false) || (passes == Passes::all && !eviction.only_unprotected && evicts(true));
}

// Does any pass, of any round, take buffers of this group?
bool takes(const dmem::Counters& counters, const Demand& demand, dmem::Group victim, Passes passes = Passes::all) {
  if (demand.over_limit) {
    const dmem::Counter& limited = counters[*demand.over_limit];
    return limited.usage > limited.limits.max &&
           takes(counters, {demand.over_limit, false}, *demand.over_limit, victim, demand.kernel, passes);
  }
  return std::ranges::any_of(std::array{false, true}, [&](bool force) {
    dmem::Attempt attempt = demand.attempt;
    attempt.force = force;
    const dmem::Decision decision = dmem::decide(counters, attempt, demand.kernel);
    if (decision.next != dmem::Next::evict) return false;
    const dmem::Counters seen = decision.charged ? dmem::charge(counters, attempt.group, attempt.bytes) : counters;
    return takes(seen, decision.eviction, attempt.group, victim, demand.kernel, passes);
  });
}

// Settings.

std::string set_to(const System& system, const char* key, dmem::Group group, std::uint64_t bytes) {
  return fmt::format("{} of group '{}' at {}", key, system.groups[group].name, dmem::bytes_text(bytes));
}

dmem::Counters with_own_min(dmem::Counters counters, dmem::Group victim) {
  counters[victim].limits.min = std::max(counters[victim].limits.min, counters[victim].usage);
  return counters;
}

// Each ancestor passes on what its children claim.
dmem::Counters with_min_of_ancestors(dmem::Counters counters, dmem::Group victim) {
  counters = with_own_min(std::move(counters), victim);
  for (dmem::Group each = victim; counters[each].parent && *counters[each].parent != dmem::root;
       each = *counters[each].parent) {
    const dmem::Group parent = *counters[each].parent;
    std::uint64_t claimed = 0;
    for (const dmem::Counter& child : counters)
      if (child.parent == parent) claimed += std::min(child.limits.min, dmem::unlimited - claimed);
    counters[parent].limits.min = std::max(counters[parent].limits.min, claimed);
  }
  return counters;
}

std::string min_of_ancestors_text(const System& system, const dmem::Counters& before, const dmem::Counters& after,
                                  dmem::Group victim) {
  std::vector<std::string> parts;
  for (std::optional<dmem::Group> each = victim; each && *each != dmem::root; each = after[*each].parent)
    if (after[*each].limits.min != before[*each].limits.min)
      parts.push_back(set_to(system, "dmem.min", *each, after[*each].limits.min));
  return fmt::format("{}", fmt::join(parts, " and "));
}

dmem::Group top_level(const dmem::Counters& counters, dmem::Group group) {
  while (counters[group].parent && *counters[group].parent != dmem::root) group = *counters[group].parent;
  return group;
}

// All groups of the first level below one new group, which is given what they claim. A parent has to come before its
// children, so that every index moves by one.
struct Regrouped {
  dmem::Counters counters;
  Demand demand;
  dmem::Group victim = dmem::root;
};

Regrouped below_common_group(const dmem::Counters& counters, Demand demand, dmem::Group victim) {
  const auto moved = [](dmem::Group group) { return group == dmem::root ? group : group + 1; };
  Regrouped result{{counters.front(), {dmem::root, {}, counters.front().usage}}, std::move(demand), moved(victim)};
  for (dmem::Group i = 1; i < counters.size(); ++i) {
    dmem::Counter counter = counters[i];
    dmem::Limits& common = result.counters[1].limits;
    if (*counter.parent == dmem::root) {
      common.min += std::min(counter.limits.min, dmem::unlimited - common.min);
      common.low += std::min(counter.limits.low, dmem::unlimited - common.low);
    }
    counter.parent = *counter.parent + 1;
    result.counters.push_back(counter);
  }
  result.demand.attempt.group = moved(result.demand.attempt.group);
  if (result.demand.over_limit) result.demand.over_limit = moved(*result.demand.over_limit);
  return result;
}

bool stays_below_common_group(const dmem::Counters& counters, const Demand& demand, dmem::Group victim) {
  const Regrouped regrouped = below_common_group(counters, demand, victim);
  return !takes(regrouped.counters, regrouped.demand, regrouped.victim);
}

// The limit of whoever asks, so that it makes room among its own buffers.
dmem::Counters with_max(dmem::Counters counters, dmem::Group group) {
  counters[group].limits.max = std::min(counters[group].limits.max, counters[group].usage);
  return counters;
}

// The limits that deny the charge, so much larger that they do not: nothing has to go.
std::string larger_limits(const System& system, const dmem::Counters& counters, const Demand& demand) {
  std::vector<std::string> parts;
  for (dmem::Group each = demand.attempt.group; each != dmem::root; each = *counters[each].parent) {
    const dmem::Counter& counter = counters[each];
    if (counter.limits.max - std::min(counter.limits.max, counter.usage) < demand.attempt.bytes)
      parts.push_back(set_to(system, "dmem.max", each, counter.usage + demand.attempt.bytes));
  }
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::vector<std::string> settings(const System& system, const dmem::Counters& counters, const Demand& demand,
                                  dmem::Group victim) {
  std::vector<std::string> result;
  const dmem::Counters own = with_own_min(counters, victim);
  const dmem::Counters all = with_min_of_ancestors(counters, victim);
  if (!takes(own, demand, victim))
    result.push_back(set_to(system, "dmem.min", victim, own[victim].limits.min));
  else if (!takes(all, demand, victim))
    result.push_back(min_of_ancestors_text(system, counters, all, victim));
  const dmem::Group asks = demand.attempt.group;
  const bool apart =
      !demand.over_limit && asks != dmem::root && top_level(counters, asks) != top_level(counters, victim);
  if (result.empty() && apart) {
    if (stays_below_common_group(counters, demand, victim))
      result.emplace_back("a common group, other than the root, above both with the sum of their dmem.min");
    else if (stays_below_common_group(all, demand, victim))
      result.push_back(
          fmt::format("{}, and a common group, other than the root, above both with the sum of their "
                      "dmem.min",
                      min_of_ancestors_text(system, counters, all, victim)));
  }
  if (counters[asks].usage > 0 && asks != dmem::root && !demand.over_limit &&
      !takes(with_max(counters, asks), demand, victim))
    result.push_back(set_to(system, "dmem.max", asks, with_max(counters, asks)[asks].limits.max));
  if (const std::string larger = larger_limits(system, counters, demand); demand.room && !larger.empty())
    result.push_back(larger);
  dmem::Counters low = counters;
  low[victim].limits.low = std::max(low[victim].limits.low, low[victim].usage);
  if (demand.others && takes(counters, demand, victim, Passes::that_respect_low) &&
      !takes(low, demand, victim, Passes::that_respect_low))
    result.push_back(set_to(system, "dmem.low", victim, low[victim].limits.low) + " as long as there is anything else");
  if (demand.over_limit)
    result.push_back(fmt::format("a dmem.max of group '{}' of at least {}", system.groups[*demand.over_limit].name,
                                 dmem::bytes_text(counters[*demand.over_limit].usage)));
  return result;
}

// Denials.

// Is this buffer of the one who allocates: of his address space or, without one, of his group?
bool is_own(const System& system, const State& state, ThreadId thread, BufferId buffer) {
  const Thread& who = system[thread];
  if (who.space) return std::ranges::find(system[*who.space].buffers, buffer) != system[*who.space].buffers.end();
  return who.group.index != 0 && state.memory.charged[buffer.index] == who.group;
}

// Would it fit if all others gave up what they have there?
bool could_fit(const System& system, const State& state, ThreadId thread, BufferId buffer, RegionId region) {
  std::uint64_t own = 0;
  for (std::uint32_t i = 0; i < system.buffers.size(); ++i)
    if (state.memory.places[i] == region && is_own(system, state, thread, BufferId{i})) own += system.buffers[i].size;
  const std::uint64_t capacity = system[region].capacity;
  return own <= capacity && system[buffer].size <= capacity - own;
}

// Those whom any pass of the kernel would evict for this, were it not for locks.
std::vector<BufferId> permitted_victims(const System& system, const State& state, ThreadId thread, BufferId buffer,
                                        RegionId region) {
  PickVictim pick;
  pick.region = region;
  pick.for_buffer = buffer;
  pick.force = true;
  pick.ignore_low = true;
  pick.locking = VictimLocking::none;
  return victims(system, state, thread, pick);
}

struct Occupants {
  std::uint64_t pinned = 0;
  std::uint64_t without_destination = 0;  // nowhere to go
  std::uint64_t others = 0;
};

Occupants occupants(const System& system, const State& state, RegionId region) {
  Occupants result;
  for (std::uint32_t i = 0; i < system.buffers.size(); ++i) {
    if (state.memory.places[i] != region) continue;
    const bool stays = !has_destination(system, state, BufferId{i}, region);
    std::uint64_t& where = state.memory.pins[i] > 0 ? result.pinned
                           : stays                  ? result.without_destination
                                                    : result.others;
    where += system.buffers[i].size;
  }
  return result;
}

// A buffer there that cannot go because the thread holds its lock.
std::optional<BufferId> locked_by(const System& system, const State& state, ThreadId thread, RegionId region) {
  for (std::uint32_t i = 0; i < system.buffers.size(); ++i)
    if (state.memory.places[i] == region && state.memory.pins[i] == 0 &&
        state.locks[system.buffers[i].lock.index].owner == thread)
      return BufferId{i};
  return std::nullopt;
}

Denial denied_by_locks(const System& system, const State& state, ThreadId thread, BufferId victim) {
  const bool has_ticket =
      std::ranges::any_of(state.locks, [&](const LockState& each) { return each.with_ticket && each.owner == thread; });
  const LockState& lock = state.locks[system[victim].lock.index];
  const bool held = lock.owner || !lock.readers.empty();
  return {
      "locked", fmt::format("although '{}' may be evicted{}", system[victim].name, held ? ": its lock is held" : ""),
      has_ticket ? "try again: an older transaction had the lock, and eviction does not wait for it (-EDEADLK becomes "
                   "-ENOSPC in TTM)"
                 : "allocate in a ww transaction, whose ticket waits for the locks of victims, or try again",
      true};
}

Denial denied_by_pins(const System& system, RegionId region, const Occupants& who) {
  const std::string fix =
      system[region].accounted
          ? "limit what others may pin there by dmem.max of their groups, and pin only what the hardware scans out"
          : fmt::format("limit what others may pin; '{}' is not accounted, so that no dmem limit bounds it",
                        system[region].name);
  if (who.others + who.without_destination == 0)
    return {"pinned", fmt::format("because all of the {} in use there are pinned", dmem::bytes_text(who.pinned)), fix};
  const char* rest = who.others == 0 ? "cannot go anywhere" : "is protected";
  return {"pinned", fmt::format("because {} are pinned and the rest {}", dmem::bytes_text(who.pinned), rest), fix};
}

}  // namespace

std::optional<dmem::Judgement> why_chosen(const System& system, const State& state, ThreadId thread,
                                          const PickVictim& pick, BufferId victim) {
  for (const bool ignore_low : {false, true}) {
    PickVictim pass = pick;
    pass.ignore_low = ignore_low;
    const Judged judged = judge(system, state, thread, pass, victim);
    if (judged.allowed && dmem::test(judged.judgement) == dmem::Test::evict) return judged.judgement;
  }
  return std::nullopt;
}

std::vector<std::string> what_keeps(const System& system, const State& state, ThreadId thread, const PickVictim& pick,
                                    BufferId victim) {
  const dmem::Group group = group_of(system, state, pick.region, victim);
  if (!system[pick.region].accounted || group == dmem::root) return {};
  Demand demand = demand_of(system, state, thread, pick);
  const std::vector<BufferId> all = victims(system, state, thread, pick);
  demand.others =
      std::ranges::any_of(all, [&](BufferId each) { return group_of(system, state, pick.region, each) != group; });
  return settings(system, counters(system, state, pick.region), demand, group);
}

std::optional<Denial> why_denied(const System& system, const State& state, ThreadId thread, BufferId buffer,
                                 RegionId region) {
  if (!could_fit(system, state, thread, buffer, region)) return std::nullopt;
  const dmem::Counters all = counters(system, state, region);
  const dmem::Group charged = system[region].accounted ? system[thread].group.index : dmem::root;
  const auto limit = dmem::charge_denied_by(all, charged, system[buffer].size);
  if (limit && all[*limit].usage == all[charged].usage) return std::nullopt;  // it is at its own limit
  if (!limit && has_room(system, state, region, system[buffer].size))
    return Denial{"raced", "although it would fit by now: others made room while it looked for buffers to evict",
                  "try again: TTM allocates again only after it has evicted something itself", true};
  const std::vector<BufferId> permitted = permitted_victims(system, state, thread, buffer, region);
  if (!permitted.empty()) return denied_by_locks(system, state, thread, permitted.front());
  if (const auto own = locked_by(system, state, thread, region))
    return Denial{"own-lock",
                  fmt::format("because it holds the lock of '{}' itself, which could go", system[*own].name),
                  "allocate before that lock is taken, or in a ww transaction that includes it"};
  const Occupants who = occupants(system, state, region);
  if (who.pinned > 0) return denied_by_pins(system, region, who);
  if (limit)
    return Denial{
        "max", fmt::format("because the max of group '{}', which others share, is reached", system.groups[*limit].name),
        fmt::format("limits for the groups below '{}', so that none takes the share of another",
                    system.groups[*limit].name)};
  if (who.others == 0)
    return Denial{"no-destination",
                  "because what others have there cannot go anywhere: there is no swap, and no other placement "
                  "with room",
                  "swap, or another placement, with room, for what is to make room"};
  if (!system[region].accounted || system.groups.size() < 2)
    return Denial{"not-evictable", "because nothing that others have there may be evicted for it",
                  "memory that may be evicted, or another placement for what is allocated"};
  return Denial{"protected", "because all that others have there is protected",
                "a smaller dmem.min of those who hold it: the sum of dmem.min stays below the capacity"};
}

}  // namespace fencecheck
