#include "graph/model/incidents.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "graph/model/debts.hpp"
#include "graph/model/memory.hpp"
#include "graph/model/page_tables.hpp"
#include "graph/model/remedies.hpp"

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

// ", charged to group 'a'"
std::string charged_to(const Transition& t, RegionId region) {
  if (!t.system[region].accounted || t.system.groups.empty()) return {};
  return fmt::format(", charged to group '{}'", t.system[t.system[t.move.thread].group].name);
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
      if (!state.memory.mapped[system.uses[i].space.index][k] &&
          may_touch(system, state, system.uses[i], space.buffers[k]))
        result.insert({i, space.buffers[k].index});
  }
  return result;
}

bool copy_pending(const System& system, const State& state, BufferId buffer) {
  const auto& attached = state.reservations[system[buffer].reservation.index];
  return std::ranges::any_of(attached, [&](const Attachment& each) {
    return each.usage == Usage::kernel && !state.signalled[each.fence.index];
  });
}

// What page tables lead to the old memory does not meet the copy: that waits for it.
bool runs_mapped(const System& system, const State& state, const Broken& each) {
  const AddressSpaceId space = system.uses[each.use].space;
  const auto& buffers = system[space].buffers;
  const auto index = std::ranges::find(buffers, BufferId{each.index}) - buffers.begin();
  return runs(system, state, HardwareUseId{each.use}) &&
         state.memory.mapped[space.index][static_cast<std::size_t>(index)] &&
         may_touch(system, state, system.uses[each.use], BufferId{each.index});
}

std::set<Broken> in_use_before_copied(const System& system, const State& state) {
  std::set<Broken> result;
  for (std::uint32_t i = 0; i < system.uses.size(); ++i) {
    if (!runs(system, state, HardwareUseId{i})) continue;
    const AddressSpaceId space = system.uses[i].space;
    for (std::size_t k = 0; k < system[space].buffers.size(); ++k)
      if (state.memory.mapped[space.index][k] && !state.memory.old[space.index][k] &&
          may_touch(system, state, system.uses[i], system[space].buffers[k]) &&
          copy_pending(system, state, system[space].buffers[k]))
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

template <class Each, class Tell>
void tell_new(const std::set<Each>& before, const std::set<Each>& after, const Tell& tell) {
  for (const Each& each : after)
    if (!before.contains(each)) tell(each);
}

// What the kernel's test said of the victim, and which settings would have kept it.
void explain_choice(const Transition& t, const PickVictim& pick, BufferId victim, Incident& incident) {
  const std::vector<std::string> told = numbers(t.system, counters(t.system, t.before, pick.region), pick.region);
  incident.numbers.insert(incident.numbers.end(), told.begin(), told.end());
  if (pick.for_buffer)
    incident.numbers.push_back(fmt::format("need: {} for '{}'{}", dmem::bytes_text(t.system[*pick.for_buffer].size),
                                           t.system[*pick.for_buffer].name, charged_to(t, pick.region)));
  if (!t.system[pick.region].accounted) return;
  if (const auto judgement = why_chosen(t.system, t.before, t.move.thread, pick, victim))
    incident.numbers.push_back(dmem::account(*judgement, group_names(t.system)));
  const std::vector<std::string> settings = what_keeps(t.system, t.before, t.move.thread, pick, victim);
  if (!settings.empty())
    incident.fix = fmt::format("{} keeps '{}' where it is: {}", settings.size() == 1 ? "this" : "each of these",
                               t.system[victim].name, fmt::join(settings, "; "));
  else if (t.before.memory.charged[victim.index] == GroupId{})
    incident.fix = fmt::format("charge '{}' to a group: the root has no protection", t.system[victim].name);
}

Incident unbound_access(const Transition& t, const WrongInterval& each) {
  const HardwareUse& use = t.system.uses[each.use];
  const PageTable& table = t.system[*t.system[use.space].table];
  const auto& reliance = *std::ranges::find(use.relies_on, each.interval, &Reliance::interval);
  const PageEntry& shown = t.after.page_tables[t.system[use.space].table->index][each.interval];
  const std::string user = title(t.system, use);
  const std::string where = interval_text(table, each.interval);
  return {FindingKind::unbound_access,
          {},
          fmt::format("{} at {}", user, where),
          fmt::format("{} uses {} in '{}', which shows {} and not {}", user, where, table.name,
                      entry_text(table, shown), entry_text(table, reliance.entry)),
          {},
          t.step().at};
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
         at,
         fmt::format("wait for the KERNEL fences of '{}' before {} runs on it", buffer, user)});
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
  tell_new(wrong_intervals(system, t.before), wrong_intervals(system, t.after),
           [&](const WrongInterval& each) { out.push_back(unbound_access(t, each)); });
  for (std::uint32_t i = 0; i < system.uses.size(); ++i)
    if (t.after.memory.killed[i] && !t.before.memory.killed[i]) {
      const std::string user = title(system, system.uses[i]);
      Incident incident{FindingKind::job_killed,
                        {},
                        user,
                        fmt::format("{} is killed: {} {}", user, system[t.move.thread].name,
                                    describe(system, system[t.move.thread], t.step())),
                        {},
                        at};
      if (const auto* unmap = std::get_if<Unmap>(&t.step().action); unmap != nullptr) {
        incident.about = fmt::format("'{}' unmaps '{}'", system[t.move.thread].name, system[unmap->buffer].name);
        if (unmap->chosen_by) explain_choice(t, *unmap->chosen_by, unmap->buffer, incident);
      } else {
        incident.fix = "kill only what has hung; userspace has to see the error of its fence and submit again";
      }
      out.push_back(std::move(incident));
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

// The group's own buffers are taken although it is within what it is entitled to.
struct Breach {
  dmem::Judgement judgement;
  dmem::Isolation isolation;
  bool meanwhile = false;  // since it was chosen
};
// The kernel's test would keep it by now: it was chosen while its group used more, and another eviction came first.
std::optional<Breach> broken_meanwhile(const Transition& t, const Relocate& move) {
  const dmem::Counters now = counters(t.system, t.before, move.chosen_by->region);
  Breach breach;
  breach.judgement.victim = t.before.memory.charged[move.buffer.index].index;
  breach.judgement.usage = now[breach.judgement.victim].usage;
  breach.isolation.entitled = dmem::effective(now, dmem::root, dmem::Arithmetic::exact)[breach.judgement.victim];
  breach.isolation.min = breach.judgement.usage <= breach.isolation.entitled.min;
  breach.meanwhile = true;
  if (breach.judgement.usage == 0 || !breach.isolation.min) return std::nullopt;
  return breach;
}

std::optional<Breach> broken_protection(const Transition& t, const Relocate& move) {
  if (!move.chosen_by || !t.system[move.chosen_by->region].accounted) return std::nullopt;
  const auto judgement = why_chosen(t.system, t.before, t.move.thread, *move.chosen_by, move.buffer);
  if (!judgement) return broken_meanwhile(t, move);
  PickVictim pass = *move.chosen_by;
  pass.ignore_low = judgement->ignore_low;
  const Judged judged = judge(t.system, t.before, t.move.thread, pass, move.buffer);
  const auto isolation = dmem::isolation(judged.counters, judged.judgement);
  if (!isolation || dmem::info(isolation->breach).intended) return std::nullopt;
  return Breach{judged.judgement, *isolation};
}

// It was asked to stay, and leaves the best of its placements.
bool leaves_its_place(const Transition& t, const Relocate& move) {
  const Buffer& buffer = t.system[move.buffer];
  const auto& from = t.before.memory.places[move.buffer.index];
  return buffer.keep && from && from != t.after.memory.places[move.buffer.index] && !buffer.placements.empty() &&
         from == buffer.placements.front();
}

void deed(const Transition& t, const Relocate& move, std::vector<Incident>& out) {
  const Buffer& buffer = t.system[move.buffer];
  const auto breach = broken_protection(t, move);
  if (!breach && !leaves_its_place(t, move)) return;
  const std::vector<std::string> names = group_names(t.system);
  const RegionId from = *t.before.memory.places[move.buffer.index];
  Incident incident{FindingKind::isolation, {}, fmt::format("buffer '{}'", buffer.name), {}, {}, t.step().at};
  if (move.chosen_by)
    explain_choice(t, *move.chosen_by, move.buffer, incident);
  else
    incident.fix =
        fmt::format("pin '{0}', or leave it out of this step, which takes '{0}' whatever protects it", buffer.name);
  if (breach) {
    incident.about = fmt::format("in '{}', group '{}', {}", t.system[from].name, names[breach->judgement.victim],
                                 breach->meanwhile ? "meanwhile" : dmem::info(breach->isolation.breach).id);
    incident.what = fmt::format("'{}' of group '{}' is evicted although its group is within its protection",
                                buffer.name, names[t.before.memory.charged[move.buffer.index].index]);
    incident.numbers.push_back(
        breach->meanwhile
            ? fmt::format(
                  "it was chosen while group '{}' used more; another eviction came first, and left {}, which is "
                  "within its emin of {}",
                  names[breach->judgement.victim], dmem::bytes_text(breach->judgement.usage),
                  dmem::bytes_text(breach->isolation.entitled.min))
            : dmem::account(breach->judgement, breach->isolation, names));
    if (incident.fix.empty()) incident.fix = dmem::info(breach->isolation.breach).fix;
  } else {
    incident.about = fmt::format("in '{}'", t.system[from].name);
    if (incident.fix.empty())
      incident.fix = fmt::format("pin '{}' while it has to stay: no setting of dmem keeps it in '{}'", buffer.name,
                                 t.system[from].name);
    incident.what = fmt::format("'{}', which was asked to stay in '{}', is evicted", buffer.name, t.system[from].name);
  }
  out.push_back(std::move(incident));
}

// The first placement that others could make room in speaks for all.
void deed(const Transition& t, const Deny& deny, std::vector<Incident>& out) {
  const Buffer& buffer = t.system[deny.buffer];
  for (const RegionId region : buffer.placements) {
    const auto denial = why_denied(t.system, t.before, t.move.thread, deny.buffer, region);
    if (!denial || (denial->by_chance && deny.handled)) continue;
    Incident incident{FindingKind::starvation,
                      {},
                      fmt::format("buffer '{}'", buffer.name),
                      fmt::format("'{}' gets no {} in '{}' {}", buffer.name, dmem::bytes_text(buffer.size),
                                  t.system[region].name, denial->why),
                      numbers(t.system, counters(t.system, t.before, region), region),
                      t.step().at,
                      denial->fix,
                      fmt::format("in '{}', {}{}", t.system[region].name, denial->id, charged_to(t, region))};
    incident.numbers.push_back(fmt::format("need: {}{}; ttm_bo_validate() says -ENOMEM for this -ENOSPC",
                                           dmem::bytes_text(buffer.size), charged_to(t, region)));
    out.push_back(std::move(incident));
    return;
  }
}

template <class Harmless>
void deed(const Transition&, const Harmless&, std::vector<Incident>&) {}

// One finding for a table, whatever is different in it.
void divergence(const System& system, const State& state, PageTableId id, std::vector<Incident>& out) {
  const std::vector<std::uint32_t> different = divergent_intervals(system, state, id);
  if (different.empty()) return;
  const PageTable& table = system[id];
  const auto& shown = state.page_tables[id.index];
  const auto& asked = state.page_tables[table.asked->index];
  Incident incident{FindingKind::state_divergence,
                    {},
                    fmt::format("address space '{}'", table.name),
                    fmt::format("address space '{}' shows {} at {}, and {} was asked for", table.name,
                                entry_text(table, shown[different.front()]), interval_text(table, different.front()),
                                entry_text(table, asked[different.front()])),
                    {},
                    table.at};
  incident.numbers.push_back("it shows: " + table_text(table, shown));
  incident.numbers.push_back("asked for: " + table_text(table, asked));
  out.push_back(std::move(incident));
}

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
  for (std::uint32_t i = 0; i < system.page_tables.size(); ++i)
    if (system.page_tables[i].asked) divergence(system, state, PageTableId{i}, result);
  for (std::uint32_t i = 0; i < system.uses.size(); ++i) {
    const HardwareUse& use = system.uses[i];
    if (!is_left_suspended(system, state, {i})) continue;
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
