// Lowerings of what moves memory: validate, evict, move, limits; page tables and pins.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "graph/input/lowering.hpp"
#include "graph/model/memory.hpp"

namespace fencecheck::lowering {

// Moving.

// Its fence is new each time; what it waits for is collected under the buffer's
// lock. The old page tables lead to the old memory until it is copied.
CopyJob Lowering::copy_job(const Frame& frame, Place at, std::uint32_t buffer, QueueId queue) {
  // Without its line, on which no fingerprint may depend.
  const std::string base = fmt::format("copy of '{}' by '{}'", scenario_.buffers[buffer].name.text, frame.thread);
  const auto same =
      std::ranges::count_if(system_.threads, [&](const Thread& thread) { return thread.name.starts_with(base); });
  const std::string name = same == 0 ? base : fmt::format("{} ({})", base, same + 1);
  const FenceId fence{static_cast<std::uint32_t>(system_.fences.size())};
  system_.fences.push_back({name, FenceKind::kernel, false, at});
  const DependencySetId set = new_set(fmt::format("buffer '{}'", scenario_.buffers[buffer].name.text), at);
  const Frame job{ThreadKind::engine, name, true, frame.context, {}};
  Program program;
  add(program, job, at, Cause::scheduling, Begin{});
  add(program, job, at, Cause::explicit_sync, Trigger{set});
  add(program, job, at, Cause::memory_management, WaitSet{set});
  add(program, job, at, Cause::explicit_sync, Unmap{*buffers_[buffer].memory, std::nullopt, true});
  add(program, job, at, Cause::explicit_sync, Signal{{fence}});
  add(program, job, at, Cause::explicit_sync, Finish{});
  program.back_to(0);
  const ThreadId thread{static_cast<std::uint32_t>(system_.threads.size())};
  add_thread({name, at}, ThreadKind::engine, program.finish());
  system_.threads.back().queue = queue;
  return {thread, fence, set};
}

// Whoever gets memory of a region waits for the copies that empty it (ttm_bo_add_move_fence).
void Lowering::inherit_departures(Program& program, const Frame& frame, Place at, std::uint32_t buffer,
                                  RegionId region) {
  if (features_.copies)
    add(program, frame, at, Cause::explicit_sync, Inherit{system_[region].departures, buffers_[buffer].reservation});
}

// The copy job of this site, which will wait for the fences of the buffer up to that usage.
const CopyJob& Lowering::prepare_copy(Program& program, const Frame& frame, Place at, std::uint32_t buffer, Usage up_to,
                                      QueueId by, CopyJobs& copies) {
  const std::pair key{buffer, by};
  if (!copies.contains(key)) copies.emplace(key, copy_job(frame, at, buffer, by));
  const CopyJob& copy = copies.at(key);
  const ReservationId reservation = buffers_[buffer].reservation;
  add(program, frame, at, Cause::memory_management, Flush{copy.thread, false, true});
  reserve_slot(program, frame, at, reservation);
  add(program, frame, at, Cause::explicit_sync, Collect{reservation, up_to, copy.set});
  return copy;
}

// The copy's fence stands on the buffer, and on whatever gets the memory that it leaves.
void Lowering::hand_over(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const Journey& journey,
                         const CopyJob& copy) {
  const ReservationId reservation = buffers_[buffer].reservation;
  add(program, frame, at, Cause::explicit_sync, Renew{copy.fence});
  add(program, frame, at, Cause::explicit_sync, Publish{copy.fence});
  add(program, frame, at, Cause::explicit_sync, Attach{reservation, copy.fence, Usage::kernel});
  if (journey.from)
    add(program, frame, at, Cause::explicit_sync, Attach{system_[*journey.from].departures, copy.fence, Usage::kernel});
  if (journey.to) inherit_departures(program, frame, at, buffer, *journey.to);
  add(program, frame, at, Cause::explicit_sync, Push{copy.thread});
}

// Under the buffer's lock. Either the thread waits for everybody who uses the
// memory, or a copy job does, and others get the memory before it is copied.
void Lowering::relocate(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const Journey& journey,
                        CopyJobs& copies) {
  const BufferId memory = *buffers_[buffer].memory;
  if (!journey.by) {
    wait_for_reservation(program, frame, at, buffer, Usage::bookkeep);
    add(program, frame, at, Cause::explicit_sync, Unmap{memory, journey.chosen_by});
    add(program, frame, at, Cause::explicit_sync, Relocate{memory, journey.to, journey.chosen_by});
    if (journey.to) inherit_departures(program, frame, at, buffer, *journey.to);
    return;
  }
  const CopyJob& copy = prepare_copy(program, frame, at, buffer, Usage::bookkeep, *journey.by, copies);
  add(program, frame, at, Cause::explicit_sync, Relocate{memory, journey.to, journey.chosen_by, copy.thread});
  hand_over(program, frame, at, buffer, journey, copy);
}

Journey Lowering::next_journey(BufferId memory, RegionId from) const {
  return {from, next_place(system_[memory], from), copies_on_[from.index], std::nullopt};
}

// Under the buffer's lock: a move, or an eviction, from where the memory is by then. What is pinned stays.
void Lowering::depart(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const Locate& locate,
                      const std::optional<QueueId>& by, CopyJobs& copies) {
  const Buffer& memory = system_[locate.buffer];
  const auto nowhere = static_cast<std::uint32_t>(memory.placements.size());
  const StepIndex look = add(program, frame, at, Cause::explicit_sync, locate);
  (void)program.take_ends();
  OpenEnds done = Program::branch_of(look, nowhere + 1);
  for (std::uint32_t i = 0; i <= nowhere; ++i) {
    program.from(Program::branch_of(look, i));
    Journey journey{std::nullopt, locate.to, by, std::nullopt};
    if (i < nowhere) journey.from = memory.placements[i];
    if (i < nowhere && !locate.to) journey = next_journey(locate.buffer, memory.placements[i]);
    if (by) journey.by = by;
    const bool away = i < nowhere ? locate.to != journey.from : locate.to.has_value();
    if (away) relocate(program, frame, at, buffer, journey, copies);
    for (const OpenEnd& end : program.take_ends()) done.push_back(end);
  }
  program.from(std::move(done));
}

// What `evict` comes to once the buffer's lock is held.
void Lowering::take_away(Program& program, const Frame& frame, Place at, std::uint32_t buffer,
                         const std::optional<Name>& by, CopyJobs& copies) {
  const auto& memory = buffers_[buffer].memory;
  if (by && !memory)
    diagnostics_.error(by->at,
                       fmt::format("'{}' has no memory that a job could copy", scenario_.buffers[buffer].name.text));
  if (!memory) {
    wait_for_reservation(program, frame, at, buffer, Usage::bookkeep);
    return;
  }
  depart(program, frame, at, buffer, {*memory, std::nullopt}, by ? engine(*by) : std::nullopt, copies);
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const MoveStep& step) {
  const auto memory = memory_of(step.buffer);
  const auto to = region(step.to);
  if (!memory || !to) return;
  const std::uint32_t index = buffer_of_memory_[memory->index];
  if (!program.holds(buffers_[index].lock))
    diagnostics_.error(step.buffer.at, fmt::format("the reservation of '{}' is not held here", step.buffer.text));
  if (std::ranges::find(system_[*memory].placements, *to) == system_[*memory].placements.end())
    diagnostics_.error(step.to.at, fmt::format("'{}' is no placement of '{}'", step.to.text, step.buffer.text));
  Frame inner = frame;
  inner.reclaim = true;
  if (inner.context.empty()) inner.context = fmt::format("moving '{}'", step.buffer.text);
  CopyJobs copies;
  depart(program, inner, at, index, {*memory, to}, step.by ? engine(*step.by) : std::nullopt, copies);
}

// Looking for victims.

std::vector<std::uint32_t> Lowering::candidates(const PickVictim& pick) const {
  std::vector<std::uint32_t> result;
  for (std::uint32_t i = 0; i < system_.buffers.size(); ++i) {
    const auto& places = system_.buffers[i].placements;
    if (pick.for_buffer != BufferId{i} && std::ranges::find(places, pick.region) != places.end()) result.push_back(i);
  }
  return result;
}

// After sleeping for the lock: the buffer may have been pinned, moved or protected meanwhile. If so the walk goes on.
void Lowering::confirm_victim(Program& program, const Frame& frame, Place at, const PickVictim& pick, BufferId victim,
                              StepIndex again) {
  PickVictim question = pick;
  question.confirms = victim;
  const StepIndex answer = add(program, frame, at, Cause::memory_management, question);
  (void)program.take_ends();
  OpenEnds no;
  for (std::uint32_t i = 0; i <= system_.buffers.size(); ++i)
    if (i != victim.index) no.push_back({answer, i, false});
  const std::vector<Held> held = program.held;
  program.from(std::move(no));
  program.held.push_back({system_[victim].lock, false, at});
  release(program, frame, at, system_[victim].lock);
  program.back_to(again);
  program.held = held;
  program.from(Program::branch_of(answer, victim.index));
}

// One pass over the region: who was chosen, with his lock held; then the open
// ends are those of nobody.
void Lowering::collect_victims(Program& program, const Frame& frame, Place at, const PickVictim& pick, StepIndex again,
                               std::map<std::uint32_t, OpenEnds>& chosen, OpenEnds& given_up) {
  const StepIndex step = add(program, frame, at, Cause::memory_management, pick);
  (void)program.take_ends();
  OpenEnds nobody = Program::branch_of(step, static_cast<std::uint32_t>(system_.buffers.size()));
  const std::vector<std::uint32_t> possible = candidates(pick);
  for (std::uint32_t i = 0; i < system_.buffers.size(); ++i) {
    const OpenEnds branch = Program::branch_of(step, i);
    if (std::ranges::find(possible, i) == possible.end()) {
      nobody.insert(nobody.end(), branch.begin(), branch.end());  // never open
      continue;
    }
    program.from(branch);
    const LockId lock = system_.buffers[i].lock;
    if (pick.locking == VictimLocking::ticket) {
      const StepIndex attempt = add(program, frame, at, Cause::lock, AcquireWithTicket{lock});
      (void)program.take_ends();
      given_up.push_back({attempt, 1, false});  // -EDEADLK becomes -ENOSPC (ttm_bo_util.c)
      program.from(Program::branch_of(attempt, 0));
      confirm_victim(program, frame, at, pick, BufferId{i}, again);
    } else if (pick.locking == VictimLocking::none) {
      add(program, frame, at, Cause::lock, Acquire{lock});
      confirm_victim(program, frame, at, pick, BufferId{i}, again);
    }
    const OpenEnds ends = program.take_ends();
    chosen[i].insert(chosen[i].end(), ends.begin(), ends.end());
  }
  program.from(std::move(nobody));
}

// The passes of ttm_bo_evict_alloc(): locks that are free, then ignoring `low`;
// in a transaction the same with its ticket. Each victim leads back to `again`.
void Lowering::evict_some(Program& program, const Frame& frame, Place at, const Search& search, CopyJobs& copies) {
  std::vector<VictimLocking> ways{VictimLocking::trylock};
  if (search.ticket) ways.push_back(VictimLocking::ticket);
  if (search.sleep) ways.push_back(VictimLocking::none);
  std::map<std::uint32_t, OpenEnds> chosen;
  OpenEnds given_up;
  PickVictim pick = search.pick;
  for (const VictimLocking way : ways)
    for (const bool ignore_low : {false, true}) {
      pick.locking = way;
      pick.ignore_low = ignore_low;
      collect_victims(program, frame, at, pick, search.again, chosen, given_up);
    }
  OpenEnds nobody = program.take_ends();
  const std::vector<Held> held = program.held;
  for (auto& [victim, ends] : chosen) {
    program.from(std::move(ends));
    program.held = held;
    program.held.push_back({system_.buffers[victim].lock, false, at});
    Frame inner = frame;
    inner.context = fmt::format("evicting '{}' {}", system_.buffers[victim].name, frame.context);
    Journey journey = next_journey(BufferId{victim}, pick.region);
    journey.chosen_by = search.pick;
    relocate(program, inner, at, buffer_of_memory_[victim], journey, copies);
    release(program, inner, at, system_.buffers[victim].lock);
    program.back_to(search.again);
  }
  program.held = held;
  program.from(std::move(nobody));
  program.join(given_up);
}

// Allocating.

// What comes of the memory that the buffer has had, or of the content that it is to get. The copy job waits for who
// uses the old memory; without one the thread does.
void Lowering::after_arrival(Program& program, const Frame& frame, Place at, std::uint32_t buffer,
                             const Journey& journey, const CopyJob* copy) {
  if (copy != nullptr) {
    hand_over(program, frame, at, buffer, journey, *copy);
    return;
  }
  inherit_departures(program, frame, at, buffer, *journey.to);
  if (!journey.from) return;
  wait_for_reservation(program, frame, at, buffer, Usage::bookkeep);
  add(program, frame, at, Cause::explicit_sync, Unmap{*buffers_[buffer].memory, std::nullopt, true});
}

// As ttm_bo_validate: each placement in turn, then each again by force. Ends
// where the buffer has memory; `denied` collects where it has none. In the second
// round every placement suits, so that it is moved only where it had none.
void Lowering::attempts(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const ValidateStep& step,
                        const std::optional<Arrival>& arrival, CopyJobs& copies, OpenEnds& denied) {
  const BufferId memory = *buffers_[buffer].memory;
  OpenEnds done;
  for (const bool force : {false, true})
    for (const RegionId region : system_[memory].placements) {
      if (!considered(system_[memory], region, force)) continue;
      Journey journey{std::nullopt, region, std::nullopt};
      const bool arrives = arrival && !(force && arrival->from);
      if (arrives) {
        journey.from = arrival->from;
        journey.by = copies_on_[region.index];
      }
      const CopyJob* copy = nullptr;
      if (journey.by)
        copy = &prepare_copy(program, frame, at, buffer, journey.from ? Usage::bookkeep : Usage::kernel, *journey.by,
                             copies);
      Allocate allocate{memory, region, force, journey.from.has_value(), std::nullopt};
      if (copy != nullptr) allocate.copied_by = copy->thread;
      const StepIndex attempt = add(program, frame, at, Cause::memory_management, allocate);
      (void)program.take_ends();
      program.from(Program::branch_of(attempt, 0));
      after_arrival(program, frame, at, buffer, journey, copy);
      const OpenEnds here = program.take_ends();
      done.insert(done.end(), here.begin(), here.end());
      program.from(Program::branch_of(attempt, 1));
      PickVictim pick{region, memory, std::nullopt, force, false, VictimLocking::trylock};
      if (!step.no_evict && !candidates(pick).empty())
        evict_some(program, frame, at, {pick, attempt, program.holds_with_ticket(), false}, copies);
      program.join(Program::branch_of(attempt, 2));
    }
  const bool handled = step.no_evict || (step.otherwise && !step.otherwise->empty());
  add(program, frame, at, Cause::explicit_sync, Deny{memory, handled});
  const OpenEnds failed = program.take_ends();
  denied.insert(denied.end(), failed.begin(), failed.end());
  program.from(std::move(done));
}

// Where the buffer is decides what is moved, if anything may be: out of a fallback, or by an engine that copies.
void Lowering::validate(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const ValidateStep& step,
                        CopyJobs& copies, OpenEnds& denied) {
  const BufferId memory = *buffers_[buffer].memory;
  const std::vector<RegionId> places = system_[memory].placements;
  const auto suits = [&](RegionId place) { return considered(system_[memory], place, false); };
  const auto by_engine = [&](RegionId place) { return copies_on_[place.index].has_value(); };
  const auto best = std::ranges::find_if(places, suits);
  if (best == places.end() || (std::ranges::all_of(places, suits) && std::ranges::none_of(places, by_engine))) {
    attempts(program, frame, at, buffer, step, std::nullopt, copies, denied);
    return;
  }
  const auto nowhere = static_cast<std::uint32_t>(places.size());
  const StepIndex look = add(program, frame, at, Cause::explicit_sync, Locate{memory, *best});
  (void)program.take_ends();
  OpenEnds done = Program::branch_of(look, nowhere + 1);
  for (std::uint32_t i = 0; i <= nowhere; ++i) {
    program.from(Program::branch_of(look, i));
    Arrival arrival;
    if (i < nowhere) arrival.from = places[i];
    if (i == nowhere || !suits(places[i])) attempts(program, frame, at, buffer, step, arrival, copies, denied);
    const OpenEnds here = program.take_ends();
    done.insert(done.end(), here.begin(), here.end());
  }
  program.from(std::move(done));
}

// There is no memory, and the locks that were taken for this are free again.
void Lowering::deny(Program& program, const Frame& frame, Place at, const ValidateStep& step) {
  if (step.otherwise) {
    lower_block(program, frame, *step.otherwise);
    return;
  }
  if (!frame.may_leave)
    diagnostics_.error(at,
                       "memory may be denied here, and this program cannot just end: 'validate' needs a key 'else'");
  const std::vector<Held> held = program.held;
  for (const Held& each : held) release(program, frame, at, each.lock);
  program.leave();
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const ValidateStep& step) {
  std::vector<std::uint32_t> buffers;
  if (step.buffer) {
    if (const auto memory = memory_of(*step.buffer)) buffers.push_back(buffer_of_memory_[memory->index]);
  } else if (const auto space = address_space(*step.address_space)) {
    for (const BufferId memory : system_[*space].buffers) buffers.push_back(buffer_of_memory_[memory.index]);
  }
  if (buffers.empty()) return;
  Frame inner = frame;
  inner.reclaim = true;
  inner.context = fmt::format("for the allocation on line {}", at.line);
  std::vector<LockId> locks;
  for (const std::uint32_t index : buffers)
    if (!program.holds(buffers_[index].lock)) locks.push_back(buffers_[index].lock);
  acquire_together(program, inner, at, locks, !step.buffer);
  CopyJobs copies;
  OpenEnds denied;
  for (const std::uint32_t index : buffers) validate(program, inner, at, index, step, copies, denied);
  const std::vector<Held> held = program.held;
  for (const LockId lock : locks) release(program, frame, at, lock);
  std::vector<Arm> arms{{program.take_ends(), program.held}};
  program.from(std::move(denied));
  program.held = held;
  for (const LockId lock : locks) release(program, frame, at, lock);
  deny(program, frame, at, step);
  arms.push_back({program.take_ends(), program.held});
  join_arms(program, at, arms);
}

// A write of dmem.max. Where it takes effect below usage, the writer evicts, at
// last by sleeping for locks, and the write succeeds whatever comes of it.
void Lowering::lower_what(Program& program, const Frame& frame, Place at, const SetLimitStep& step) {
  const auto whose = group(step.group);
  const auto where = region(step.region);
  if (!whose || !where) return;
  if (*whose == GroupId{}) diagnostics_.error(step.group.at, "the root group has no limits");
  if (!system_[*where].accounted)
    diagnostics_.error(step.region.at, fmt::format("'{}' is not accounted: it has no limits", step.region.text));
  add(program, frame, at, Cause::explicit_sync, SetLimit{*whose, *where, step.max});
  const PickVictim pick{*where, std::nullopt, *whose, true, false, VictimLocking::trylock};
  if (step.nonblock || !dmem::info(scenario_.kernel).max_below_usage || candidates(pick).empty()) return;
  Frame inner = frame;
  inner.reclaim = true;
  inner.context = fmt::format("for the limit of '{}'", step.group.text);
  CopyJobs copies;
  evict_some(program, inner, at, {pick, program.size(), false, true}, copies);
}

// Page tables and pins.

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const MapStep& step) {
  const auto space = address_space(step.address_space);
  if (!space) return;
  std::vector<BufferId> buffers = system_[*space].buffers;
  if (step.buffer) {
    const auto memory = memory_of(*step.buffer);
    if (memory && std::ranges::find(buffers, *memory) == buffers.end())
      diagnostics_.error(step.buffer->at,
                         fmt::format("'{}' has no buffer '{}'", step.address_space.text, step.buffer->text));
    buffers.clear();
    if (memory) buffers.push_back(*memory);
  }
  for (const BufferId memory : buffers) add(program, frame, at, Cause::explicit_sync, Map{*space, memory});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const UnmapStep& step) {
  if (const auto memory = memory_of(step.buffer)) add(program, frame, at, Cause::explicit_sync, Unmap{*memory});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const PinStep& step) {
  if (const auto memory = memory_of(step.buffer))
    add(program, frame, at, Cause::explicit_sync, Pin{*memory, step.amount});
}

// What jobs touch.

// From its first step behind the waits until its fence has signalled. A job on
// an engine without an address space uses the buffers that it was submitted with.
void Lowering::add_hardware_use(const SubmitStep& step, std::uint32_t queue, ThreadId job, StepIndex begins,
                                StepIndex ends) {
  const QueueDeclaration& declared = scenario_.queues[queue];
  if (!features_.tracks_memory || declared.kind != QueueKind::engine) return;
  std::optional<AddressSpaceId> space;
  if (declared.address_space) {
    space = address_space(*declared.address_space);
  } else {
    AddressSpace own{
        fmt::format("buffers of job '{}'", step.job.text), AddressSpaceMode::dma_fence, {}, false, true, step.job.at};
    for (const std::uint32_t index : used_buffers(step))
      if (buffers_[index].memory) own.buffers.push_back(*buffers_[index].memory);
    if (own.buffers.empty()) return;
    space = AddressSpaceId{static_cast<std::uint32_t>(system_.spaces.size())};
    system_.spaces.push_back(std::move(own));
    own_spaces_.emplace(step.job.text, *space);
  }
  if (!space) return;
  HardwareUse use{step.job.text, *space, std::nullopt, job, begins, ends, step.job.at};
  if (const auto binds = binds_.find(*space); binds != binds_.end())
    use.relies_on = reliances(binds->second.table, step.ranges);
  system_.uses.push_back(std::move(use));
}

// The submission writes the page tables of a job that has no address space.
void Lowering::map_uses(Program& program, const Frame& frame, Place at, const SubmitStep& step) {
  const auto own = own_spaces_.find(step.job.text);
  if (own == own_spaces_.end()) return;
  for (const BufferId memory : system_[own->second].buffers)
    add(program, frame, at, Cause::explicit_sync, Map{own->second, memory});
}

}  // namespace fencecheck::lowering
