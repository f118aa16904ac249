#include "graph/model/incidents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "graph/model/memory.hpp"

namespace fencecheck {
namespace {

struct Transition {
  const System& system;
  const State& before;
  Move move;
  const State& after;
  [[nodiscard]] const Step& step() const { return system[move.thread].program[before.at[move.thread.index]]; }
};

std::string title(const System& system, const HardwareUse& use) {
  return use.gate ? fmt::format("user queue '{}'", use.name) : fmt::format("job '{}'", system[*use.job].name);
}

std::vector<std::string> group_names(const System& system) {
  std::vector<std::string> names;
  for (const Group& group : system.groups) names.push_back(group.name);
  if (names.empty()) names.emplace_back("root");
  return names;
}

// Usage, limits and effective protection of every group of the region.
std::vector<std::string> numbers(const System& system, const dmem::Counters& counters, RegionId region) {
  std::vector<std::string> result;
  std::uint64_t used = counters.front().usage;
  result.push_back(fmt::format("{}: {} of {} used", system[region].name, dmem::bytes_text(used),
                               dmem::bytes_text(system[region].capacity)));
  if (!system[region].accounted) return result;
  const auto protection = dmem::effective(counters, dmem::root, dmem::info(system.kernel).arithmetic);
  for (std::uint32_t i = 1; i < counters.size(); ++i)
    result.push_back(fmt::format("group '{}': usage {}, min {} (emin {}), low {} (elow {}), max {}",
                                 system.groups[i].name, dmem::bytes_text(counters[i].usage),
                                 dmem::bytes_text(counters[i].limits.min), dmem::bytes_text(protection[i].min),
                                 dmem::bytes_text(counters[i].limits.low), dmem::bytes_text(protection[i].low),
                                 dmem::bytes_text(counters[i].limits.max)));
  return result;
}

// Properties of a state: what running hardware must not meet.

struct Broken {
  std::uint32_t use = 0;
  std::uint32_t index = 0;  // of a buffer, or of a fence
  friend auto operator<=>(const Broken&, const Broken&) = default;
};

std::set<Broken> unmapped_in_use(const System& system, const State& state) {
  std::set<Broken> result;
  for (std::uint32_t i = 0; i < system.uses.size(); ++i) {
    const AddressSpace& space = system[system.uses[i].space];
    if (space.mode == AddressSpaceMode::fault || !runs(system, state, HardwareUseId{i})) continue;
    for (std::size_t k = 0; k < space.buffers.size(); ++k)
      if (!state.memory.mapped[system.uses[i].space.index][k]) result.insert({i, space.buffers[k].index});
  }
  return result;
}

bool copy_pending(const System& system, const State& state, BufferId buffer) {
  const auto& attached = state.reservations[system[buffer].reservation.index];
  return std::ranges::any_of(attached, [&](const Attachment& each) {
    return each.usage == Usage::kernel && !state.signalled[each.fence.index];
  });
}

bool runs_mapped(const System& system, const State& state, const Broken& each) {
  const AddressSpaceId space = system.uses[each.use].space;
  const auto& buffers = system[space].buffers;
  const auto index = std::ranges::find(buffers, BufferId{each.index}) - buffers.begin();
  return runs(system, state, HardwareUseId{each.use}) &&
         state.memory.mapped[space.index][static_cast<std::size_t>(index)];
}

std::set<Broken> in_use_before_copied(const System& system, const State& state) {
  std::set<Broken> result;
  for (std::uint32_t i = 0; i < system.uses.size(); ++i) {
    if (!runs(system, state, HardwareUseId{i})) continue;
    const AddressSpaceId space = system.uses[i].space;
    for (std::size_t k = 0; k < system[space].buffers.size(); ++k)
      if (state.memory.mapped[space.index][k] && copy_pending(system, state, system[space].buffers[k]))
        result.insert({i, system[space].buffers[k].index});
  }
  return result;
}

std::set<Broken> running_although_signalled(const System& system, const State& state) {
  std::set<Broken> result;
  for (std::uint32_t i = 0; i < system.fences.size(); ++i)
    for (const HardwareUseId use : system.fences[i].promises)
      if (state.published[i] && state.signalled[i] && runs(system, state, use)) result.insert({use.index, i});
  return result;
}

template <class Broken, class Tell>
void tell_new(const std::set<Broken>& before, const std::set<Broken>& after, const Tell& tell) {
  for (const Broken& each : after)
    if (!before.contains(each)) tell(each);
}

void state_properties(const Transition& t, std::vector<Incident>& out) {
  const System& system = t.system;
  const Place at = t.step().at;
  tell_new(unmapped_in_use(system, t.before), unmapped_in_use(system, t.after), [&](const Broken& each) {
    const std::string user = title(system, system.uses[each.use]);
    const std::string& buffer = system.buffers[each.index].name;
    out.push_back(
        {FindingKind::use_after_evict,
         {},
         fmt::format("{} on '{}'", user, buffer),
         fmt::format("{} runs while '{}' is not mapped where it is: its memory has gone or moved", user, buffer),
         {},
         at});
  });
  tell_new(in_use_before_copied(system, t.before), in_use_before_copied(system, t.after), [&](const Broken& each) {
    if (runs_mapped(system, t.before, each)) return;  // the copy that is added now waits for it
    const std::string user = title(system, system.uses[each.use]);
    const std::string& buffer = system.buffers[each.index].name;
    out.push_back(
        {FindingKind::use_after_evict,
         {},
         fmt::format("{} on '{}' before its copy", user, buffer),
         fmt::format("{} runs on '{}' before the kernel's copy into or out of that memory is finished", user, buffer),
         {},
         at});
  });
  tell_new(running_although_signalled(system, t.before), running_although_signalled(system, t.after),
           [&](const Broken& each) {
             const std::string user = title(system, system.uses[each.use]);
             const std::string& fence = system.fences[each.index].name;
             out.push_back(
                 {FindingKind::early_signal,
                  {},
                  fmt::format("fence '{}' of {}", fence, user),
                  fmt::format("fence '{}' has signalled, which says that {} has stopped, and it runs", fence, user),
                  {},
                  at});
           });
  for (std::uint32_t i = 0; i < system.uses.size(); ++i)
    if (t.after.memory.killed[i] && !t.before.memory.killed[i]) {
      const std::string user = title(system, system.uses[i]);
      out.push_back({FindingKind::job_killed,
                     {},
                     user,
                     fmt::format("{} is killed: {} {}", user, system[t.move.thread].name,
                                 describe(system, system[t.move.thread], t.step())),
                     {},
                     at});
    }
}

// Deeds.

void deed(const Transition& t, const Renew& renew, std::vector<Incident>& out) {
  const std::uint32_t fence = renew.fence.index;
  if (!t.before.published[fence] || t.before.signalled[fence]) return;
  out.push_back({FindingKind::lost_fence,
                 {},
                 fmt::format("fence '{}'", t.system.fences[fence].name),
                 fmt::format("fence '{}' is replaced before it has signalled: whoever waits for the old one waits for "
                             "ever",
                             t.system.fences[fence].name),
                 {},
                 t.step().at});
}

void deed(const Transition& t, const Attach& attach, std::vector<Incident>& out) {
  if (!needs_slot(t.system, t.before, attach) || t.before.slots[attach.reservation.index] > 0) return;
  out.push_back({FindingKind::contract,
                 Rule::reserved_slot,
                 fmt::format("'{}' on '{}'", t.system[attach.fence].name, t.system[attach.reservation].name),
                 fmt::format("fence '{}' is added to '{}', where no slot is reserved for it",
                             t.system[attach.fence].name, t.system[attach.reservation].name),
                 {},
                 t.step().at});
}

void deed(const Transition& t, const PickVictim& pick, std::vector<Incident>& out) {
  if (t.move.branch >= t.system.buffers.size()) return;
  const BufferId victim{t.move.branch};
  const Judged judged = judge(t.system, t.before, t.move.thread, pick, victim);
  const auto breach = dmem::isolation(judged.counters, judged.judgement);
  if (!breach || dmem::info(breach->breach).intended) return;
  const std::vector<std::string> names = group_names(t.system);
  Incident incident{FindingKind::isolation,
                    {},
                    fmt::format("buffer '{}'", t.system[victim].name),
                    fmt::format("'{}' of group '{}' is evicted although its group is within its protection",
                                t.system[victim].name, names[judged.judgement.victim]),
                    numbers(t.system, judged.counters, pick.region),
                    t.step().at};
  incident.numbers.push_back(dmem::account(judged.judgement, *breach, names));
  out.push_back(std::move(incident));
}

// A buffer that was asked to stay leaves the best of its placements.
void deed(const Transition& t, const Relocate& move, std::vector<Incident>& out) {
  const Buffer& buffer = t.system[move.buffer];
  const auto& from = t.before.memory.places[move.buffer.index];
  if (!buffer.keep || !from || from == t.after.memory.places[move.buffer.index]) return;
  if (buffer.placements.empty() || from != buffer.placements.front()) return;
  const dmem::Counters all = counters(t.system, t.before, *from);
  Incident incident{FindingKind::isolation,
                    {},
                    fmt::format("buffer '{}'", buffer.name),
                    fmt::format("'{}', which was asked to stay in '{}', is evicted", buffer.name, t.system[*from].name),
                    numbers(t.system, all, *from),
                    t.step().at};
  if (t.system[*from].accounted) {
    const GroupId group = t.before.memory.charged[move.buffer.index];
    incident.numbers.push_back(
        group.index == 0 ? fmt::format("'{}' is charged to the root group, which has no protection", buffer.name)
                         : fmt::format("a dmem.min of group '{}' and of its ancestors of at least {} would "
                                       "keep it",
                                       t.system[group].name, dmem::bytes_text(all[group.index].usage)));
  }
  out.push_back(std::move(incident));
}

// Is this buffer of the one who allocates: of his address space or, without one, of his group?
bool is_own(const System& system, const State& state, ThreadId thread, BufferId buffer) {
  const Thread& who = system[thread];
  if (who.space) return std::ranges::find(system[*who.space].buffers, buffer) != system[*who.space].buffers.end();
  return who.group.index != 0 && state.memory.charged[buffer.index] == who.group;
}

// Bytes of the region that others could give up.
std::uint64_t of_others(const System& system, const State& state, ThreadId thread, RegionId region) {
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < system.buffers.size(); ++i)
    if (state.memory.places[i] == region && !is_own(system, state, thread, BufferId{i}))
      bytes += system.buffers[i].size;
  return bytes;
}

bool could_fit(const System& system, const State& state, ThreadId thread, BufferId buffer, RegionId region) {
  const std::uint64_t capacity = system[region].capacity;
  const std::uint64_t own = occupied(system, state, region) - of_others(system, state, thread, region);
  return own <= capacity && system[buffer].size <= capacity - own;
}

bool is_locked(const State& state, LockId lock) {
  return state.locks[lock.index].owner || !state.locks[lock.index].readers.empty();
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

// Why nobody else's memory could be had. Requires: the attempt fails for lack of
// space, or at the max of a group that others share, and nobody may be evicted.
std::string why_denied(const System& system, const State& state, RegionId region, std::optional<dmem::Group> limit) {
  std::uint64_t pinned = 0;
  std::uint64_t others = 0;
  for (std::uint32_t i = 0; i < system.buffers.size(); ++i) {
    if (state.memory.places[i] != region) continue;
    (state.memory.pins[i] > 0 ? pinned : others) += system.buffers[i].size;
  }
  if (pinned > 0 && others == 0)
    return fmt::format("because all of the {} in use there are pinned", dmem::bytes_text(pinned));
  if (pinned > 0) return fmt::format("because {} are pinned and the rest is protected", dmem::bytes_text(pinned));
  if (limit)
    return fmt::format("because the max of group '{}', which others share, is reached", system.groups[*limit].name);
  return "because all that others have there is protected";
}

void deed(const Transition& t, const Deny& deny, std::vector<Incident>& out) {
  const Buffer& buffer = t.system[deny.buffer];
  const GroupId group = t.system[t.move.thread].group;
  for (const RegionId region : buffer.placements) {
    const dmem::Counters all = counters(t.system, t.before, region);
    if (!could_fit(t.system, t.before, t.move.thread, deny.buffer, region)) continue;  // whatever others give up
    const dmem::Group charged = t.system[region].accounted ? group.index : dmem::root;
    const auto limit = dmem::charge_denied_by(all, charged, buffer.size);
    if (limit && all[*limit].usage == all[charged].usage) continue;  // it is at its own limit
    const std::vector<BufferId> permitted = permitted_victims(t.system, t.before, t.move.thread, deny.buffer, region);
    if (!permitted.empty() && deny.handled) continue;  // the next attempt may find the lock free
    const std::string why =
        permitted.empty()
            ? why_denied(t.system, t.before, region, limit)
            : fmt::format("although '{}' may be evicted{}", t.system[permitted.front()].name,
                          is_locked(t.before, t.system[permitted.front()].lock) ? ": its lock is held" : "");
    Incident incident{FindingKind::starvation,
                      {},
                      fmt::format("buffer '{}'", buffer.name),
                      fmt::format("'{}' gets no {} in '{}' {}", buffer.name, dmem::bytes_text(buffer.size),
                                  t.system[region].name, why),
                      numbers(t.system, all, region),
                      t.step().at};
    incident.numbers.push_back(
        fmt::format("need {}; ttm_bo_validate() says -ENOMEM for this -ENOSPC", dmem::bytes_text(buffer.size)));
    out.push_back(std::move(incident));
    return;
  }
}

template <class Harmless>
void deed(const Transition&, const Harmless&, std::vector<Incident>&) {}

}  // namespace

std::vector<Incident> incidents(const System& system, const State& before, Move move, const State& after) {
  const Transition transition{system, before, move, after};
  std::vector<Incident> result;
  if (!system.uses.empty()) state_properties(transition, result);
  if (!move.timeout || !transition.step().timeout)
    std::visit([&](const auto& action) { deed(transition, action, result); }, transition.step().action);
  return result;
}

std::vector<Incident> incidents_at_rest(const System& system, const State& state) {
  std::vector<Incident> result;
  if (!moves(system, state).empty()) return result;  // of a user thread that stopped, and may go on
  for (std::uint32_t i = 0; i < system.uses.size(); ++i) {
    const HardwareUse& use = system.uses[i];
    if (!state.memory.has_run[i] || state.memory.killed[i] || state.variables[use.gate->index] != 0) continue;
    result.push_back({FindingKind::lost_wakeup,
                      {},
                      title(system, use),
                      fmt::format("{} stays suspended, and nobody is left who would resume it", title(system, use)),
                      {},
                      use.at});
  }
  return result;
}

}  // namespace fencecheck
