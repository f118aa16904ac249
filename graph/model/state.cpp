#include "graph/model/state.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "graph/model/control_flow.hpp"
#include "graph/model/memory.hpp"
#include "graph/model/overloaded.hpp"
#include "graph/model/page_tables.hpp"

namespace fencecheck {
namespace {

// Bit i: successor i of the step may be taken now.
using Branches = std::uint64_t;
constexpr Branches none = 0;
constexpr Branches only = 1;

struct View {
  const System& system;
  const State& state;
  ThreadId self;
  const Step& step;
  Causes causes;
  [[nodiscard]] bool waits() const { return causes.has(step.cause); }
};

Branches when(bool condition) { return condition ? only : none; }

bool signalled(const State& state, FenceId fence) { return state.signalled[fence.index]; }

bool is_free(const LockState& lock, bool shared) { return !lock.owner && (shared || lock.readers.empty()); }

bool holds_with_ticket(const State& state, ThreadId thread) {
  return std::ranges::any_of(state.locks,
                             [&](const LockState& lock) { return lock.with_ticket && lock.owner == thread; });
}

// Guards.

Branches open(const View& view, const Wait& wait) {
  const auto done = [&](FenceId fence) { return signalled(view.state, fence); };
  return when(wait.join == Join::all ? std::ranges::all_of(wait.fences, done) : std::ranges::any_of(wait.fences, done));
}

Branches open(const View& view, const WaitSet& wait) {
  const auto done = [&](FenceId fence) { return signalled(view.state, fence); };
  const auto over = [&](DependencySetId set) { return std::ranges::all_of(view.state.sets[set.index], done); };
  return when(over(wait.set) || std::ranges::any_of(wait.others, over));
}

Branches open(const View& view, const Acquire& acquire) {
  return when(is_free(view.state.locks[acquire.lock.index], acquire.shared));
}

Branches open(const View& view, const TryAcquire& attempt) {
  return is_free(view.state.locks[attempt.lock.index], attempt.shared) ? 0b01U : 0b10U;
}

// Wait-die: a transaction that already holds a lock backs off from an older
// one and waits for everybody else (kernel/locking/ww_mutex.h, __ww_mutex_kill).
Branches open(const View& view, const AcquireWithTicket& acquire) {
  const LockState& lock = view.state.locks[acquire.lock.index];
  if (is_free(lock, false)) return 0b01U;
  const bool older = lock.with_ticket && view.state.tickets[lock.owner->index] < view.state.tickets[view.self.index];
  return older && holds_with_ticket(view.state, view.self) ? 0b10U : none;
}

Branches open(const View& view, const Take& take) {
  return when(view.state.taken[take.pool.index] + take.amount <= view.system[take.pool].capacity);
}

Branches open(const View& view, const Begin&) {
  const QueueId queue = *view.system[view.self].queue;
  return when(next_to_begin(view.state, queue) == view.self &&
              view.state.queues[queue.index].running < view.system[queue].width);
}

Branches open_branches(const View& view, const Choose& choose, bool guarded) {
  Branches result = none;
  for (std::size_t i = 0; i < choose.branches.size(); ++i) {
    const Branch& branch = choose.branches[i];
    const bool allowed = !branch.cause || view.causes.has(*branch.cause);
    const bool tests_hold = std::ranges::all_of(
        branch.tests, [&](const Test& test) { return holds(test, view.state.variables[test.variable.index]); });
    if (allowed && (tests_hold || !guarded)) result |= Branches{1} << i;
  }
  return result;
}

Branches open(const View& view, const Choose& choose) { return open_branches(view, choose, true); }

Branches open(const View& view, const Flush& flush) {
  const StepIndex at = view.state.at[flush.work.index];
  if (at == view.system[flush.work].end()) return only;  // it never runs again
  return when(at == 0 && !is_waiting(view.system, view.state, flush.work));
}

Branches open(const View& view, const Allocate& allocate) {
  return Branches{1} << static_cast<unsigned>(attempt(view.system, view.state, view.self, allocate));
}

Branches open(const View& view, const PickVictim& pick) {
  Branches result = none;
  for (const BufferId victim : victims(view.system, view.state, view.self, pick)) result |= Branches{1} << victim.index;
  return result != none ? result : Branches{1} << view.system.buffers.size();
}

Branches open(const View& view, const Locate& locate) {
  return Branches{1} << whereabouts(view.system, view.state, locate);
}

Branches open(const View&, const Expire&) { return none; }  // only as a timeout
Branches open(const View&, const Cutoff&) { return none; }

template <class Unconditional>
Branches open(const View&, const Unconditional&) {
  return only;
}

// The guard while the step's cause is switched off: it makes nobody wait.
Branches open_without_waiting(const View& view) {
  return std::visit(overloaded{
                        [&](const Begin& begin) {
                          (void)begin;
                          const auto& waiting = view.state.queues[view.system[view.self].queue->index].waiting;
                          return when(std::ranges::find(waiting, view.self) != waiting.end());
                        },
                        [&](const Choose& choose) { return open_branches(view, choose, never_waits(choose)); },
                        [&](const PickVictim&) { return Branches{1} << view.system.buffers.size(); },
                        [&](const Locate& locate) { return open(view, locate); },
                        [&](const Expire& expire) { return open(view, expire); },
                        [&](const Cutoff& cutoff) { return open(view, cutoff); },
                        [](const auto&) { return only; },
                    },
                    view.step.action);
}

// Queues are suspended for the sake of memory.
bool is_suspended(const System& system, const State& state, ThreadId job, Causes causes) {
  return causes.has(Cause::memory_management) && gate_closed(system, state, job);
}

Branches open(const View& view) {
  if (is_suspended(view.system, view.state, view.self, view.causes)) return none;
  if (!view.waits()) return open_without_waiting(view);
  return std::visit([&](const auto& action) { return open(view, action); }, view.step.action);
}

// Effects.

struct Change {
  const System& system;
  State& state;
  ThreadId self;
  std::uint32_t branch;
  bool waits;  // the step's cause is switched on
  Causes causes;
};

template <class T>
void insert_sorted(std::vector<T>& set, const T& element) {
  const auto place = std::ranges::lower_bound(set, element);
  if (place == set.end() || *place != element) set.insert(place, element);
}

void apply(const Change& change, const Publish& publish) { change.state.published[publish.fence.index] = true; }

void apply(const Change& change, const Signal& signal) {
  for (const FenceId fence : signal.fences) change.state.signalled[fence.index] = true;
}

void apply(const Change& change, const Expire& expire) { change.state.signalled[expire.fence.index] = true; }

void take_lock(const Change& change, LockId id, bool shared, bool with_ticket) {
  LockState& lock = change.state.locks[id.index];
  if (shared) {
    lock.readers.push_back(change.self);
  } else {
    lock.owner = change.self;
    lock.with_ticket = with_ticket;
  }
}

void apply(const Change& change, const Acquire& acquire) {
  if (change.waits) take_lock(change, acquire.lock, acquire.shared, false);
}

void apply(const Change& change, const TryAcquire& attempt) {
  if (change.waits && change.branch == 0) take_lock(change, attempt.lock, attempt.shared, false);
}

void apply(const Change& change, const AcquireWithTicket& acquire) {
  if (change.waits && change.branch == 0) take_lock(change, acquire.lock, false, true);
}

void apply(const Change& change, const TakeTicket&) {
  std::vector<std::uint32_t>& tickets = change.state.tickets;
  const std::uint32_t old = std::exchange(tickets[change.self.index], 0);
  if (old != 0)
    for (std::uint32_t& ticket : tickets)
      if (ticket > old) --ticket;
  tickets[change.self.index] = std::ranges::max(tickets) + 1;
}

// Reserved slots are valid only until the lock is released (dma-resv.h).
void forget_slots(const Change& change, LockId lock) {
  for (std::size_t i = 0; i < change.system.reservations.size(); ++i)
    if (change.system.reservations[i].lock == lock) change.state.slots[i] = 0;
}

void release(const Change& change, LockId id, ThreadId holder) {
  LockState& lock = change.state.locks[id.index];
  if (lock.owner == holder) {
    forget_slots(change, id);
    lock.owner.reset();
    lock.with_ticket = false;
  } else if (const auto reader = std::ranges::find(lock.readers, holder); reader != lock.readers.end()) {
    lock.readers.erase(reader);
  }
}

void apply(const Change& change, const Release& each) { release(change, each.lock, change.self); }

void apply(const Change& change, const Take& take) {
  if (change.waits) change.state.taken[take.pool.index] += take.amount;
}

void apply(const Change& change, const Give& give) {
  if (change.waits) change.state.taken[give.pool.index] -= give.amount;
}

// A reset frees what the hardware has taken: locks, and what it took of pools on its way here.
void give_back(const Change& change, ThreadId job) {
  for (std::uint32_t i = 0; i < change.system.locks.size(); ++i) release(change, {i}, job);
  const StepIndex at = change.state.at[job.index];
  const std::vector<std::int64_t> holds = taken_on_the_way(change.system, job, at, change.causes);
  for (std::size_t i = 0; i < holds.size(); ++i) change.state.taken[i] -= holds[i];
}

// A job leaves its queue wherever it stands, and the scheduler signals what others wait for (guilty jobs after a
// reset). What userspace waits for in memory is never written.
void take_off(const Change& change, ThreadId job) {
  const Thread& thread = change.system[job];
  StepIndex& at = change.state.at[job.index];
  QueueState& queue = change.state.queues[thread.queue->index];
  give_back(change, job);
  std::erase(queue.waiting, job);
  if (at != 0 && at != thread.end()) --queue.running;
  at = repeats(thread) ? 0 : thread.end();
  for (const FenceId fence : signalled_by_kill(change.system, thread)) change.state.signalled[fence.index] = true;
}

// What is pushed onto a dead ring fails at once.
void push(const Change& change, ThreadId job) {
  const QueueId queue = *change.system[job].queue;
  if (is_waiting(change.system, change.state, job) || is_being_cancelled(change.system, change.state, job)) return;
  change.state.queues[queue.index].waiting.push_back(job);
  const auto is_dead = [&](const HardwareUse& use) {
    return use.gate && use.gate == change.system[queue].gate &&
           change.state.memory.killed[static_cast<std::size_t>(&use - change.system.uses.data())];
  };
  if (std::ranges::any_of(change.system.uses, is_dead)) take_off(change, job);
}

void apply(const Change& change, const Push& each) {
  push(change, each.job);
  write_ranges(change.system, change.state, each.asks);
}

void apply(const Change& change, const WriteRanges& write) { write_ranges(change.system, change.state, write.writes); }

void apply(const Change& change, const Begin&) {
  QueueState& queue = change.state.queues[change.system[change.self].queue->index];
  std::erase(queue.waiting, change.self);
  ++queue.running;
}

void apply(const Change& change, const Finish&) {
  --change.state.queues[change.system[change.self].queue->index].running;
}

void apply(const Change& change, const Attach& attach) {
  std::vector<Attachment>& attached = change.state.reservations[attach.reservation.index];
  if (needs_slot(change.system, change.state, attach)) {
    std::uint32_t& slots = change.state.slots[attach.reservation.index];
    if (slots > 0) --slots;
  } else if (const auto old = replaced(change.system, change.state, attach)) {
    std::erase(attached, *old);
  }
  if (attach.replaces) attached.clear();
  insert_sorted(attached, Attachment{attach.fence, attach.usage});
}

// So many are free afterwards, not so many more.
void apply(const Change& change, const Reserve& reserve) {
  std::uint32_t& slots = change.state.slots[reserve.reservation.index];
  if (change.system[reserve.reservation].counted) slots = std::max(slots, reserve.slots);
}

void apply(const Change& change, const Detach& detach) {
  std::erase_if(change.state.reservations[detach.reservation.index],
                [&](const Attachment& each) { return each.fence == detach.fence; });
}

void apply(const Change& change, const Inherit& inherit) {
  const std::vector<Attachment> from = change.state.reservations[inherit.from.index];
  for (const Attachment& each : from)
    if (!signalled(change.state, each.fence))
      insert_sorted(change.state.reservations[inherit.to.index], Attachment{each.fence, Usage::kernel});
}

void apply(const Change& change, const Collect& collect) {
  for (const Attachment& each : change.state.reservations[collect.reservation.index])
    if (each.usage <= collect.up_to) insert_sorted(change.state.sets[collect.into.index], each.fence);
}

void apply(const Change& change, const Capture& capture) {
  for (const FenceId fence : capture.fences) insert_sorted(change.state.sets[capture.into.index], fence);
}

// What was waited for need not be remembered.
void forget(State& state, const WaitSet& wait) {
  for (const DependencySetId set : wait.sets()) state.sets[set.index].clear();
}

void apply(const Change& change, const WaitSet& wait) {
  if (change.waits) forget(change.state, wait);
}

// dma_fence_enable_signaling: once for each fence, and only while it has not signalled.
void apply(const Change& change, const Trigger& trigger) {
  for (const FenceId fence : change.state.sets[trigger.set.index]) {
    const auto& work = change.system[fence].on_wait;
    if (!work || signalled(change.state, fence) || change.state.requested[fence.index]) continue;
    change.state.requested[fence.index] = true;
    push(change, *work);
  }
}

// The old fence has signalled, so that nobody need remember that he waits for
// it. If it has not, its waiters are lost, which is a finding of its own.
void apply(const Change& change, const Renew& renew) {
  const std::uint32_t fence = renew.fence.index;
  const bool over = change.state.signalled[fence] || !change.state.published[fence];
  for (auto& reservation : change.state.reservations)
    std::erase_if(reservation, [&](const Attachment& each) { return each.fence == renew.fence; });
  if (over)
    for (auto& set : change.state.sets) std::erase(set, renew.fence);
  change.state.published[fence] = change.state.signalled[fence] = change.state.requested[fence] = false;
}

void apply(const Change& change, const Cancel& cancel) {
  std::erase(change.state.queues[change.system[cancel.work].queue->index].waiting, cancel.work);
}

std::optional<std::size_t> index_in(const AddressSpace& space, BufferId buffer) {
  const auto found = std::ranges::find(space.buffers, buffer);
  if (found == space.buffers.end()) return std::nullopt;
  return static_cast<std::size_t>(found - space.buffers.begin());
}

void place(const Change& change, BufferId buffer, std::optional<RegionId> region, GroupId group) {
  MemoryState& memory = change.state.memory;
  if (memory.places[buffer.index] == region) return;
  memory.places[buffer.index] = region;
  memory.charged[buffer.index] = region ? group : GroupId{};
}

// Of every address space that has the buffer: its number there.
template <class Function>
void for_each_mapping(const System& system, BufferId buffer, const Function& function) {
  for (std::uint32_t space = 0; space < system.spaces.size(); ++space)
    if (const auto index = index_in(system.spaces[space], buffer)) function(space, *index);
}

// What page tables show leads to the old memory from now on, until that thread has copied it.
void leave_to(const Change& change, BufferId buffer, ThreadId copy) {
  MemoryState& memory = change.state.memory;
  for_each_mapping(change.system, buffer, [&](std::uint32_t space, std::size_t index) {
    if (memory.mapped[space][index] && memory.old[space][index] == 0) memory.old[space][index] = copy.index + 1;
  });
}

void apply(const Change& change, const Allocate& allocate) {
  if (change.branch != 0 || has_suitable_place(change.system, change.state, allocate)) return;
  MemoryState& memory = change.state.memory;
  if (allocate.moves)
    leave_to(change, allocate.buffer, allocate.copied_by.value_or(change.self));
  else
    for_each_mapping(change.system, allocate.buffer, [&](std::uint32_t space, std::size_t index) {
      if (memory.old[space][index] == 0) memory.mapped[space][index] = false;
    });
  place(change, allocate.buffer, allocate.region, change.system[change.self].group);
}

void apply(const Change& change, const PickVictim& pick) {
  if (pick.locking == VictimLocking::trylock && !pick.confirms && change.branch < change.system.buffers.size())
    take_lock(change, change.system.buffers[change.branch].lock, false, false);
}

// A place that is full passes the buffer on to system memory. Page tables lead to
// the old memory until an Unmap: a copy that comes later still finds it there.
void apply(const Change& change, const Relocate& move) {
  MemoryState& memory = change.state.memory;
  if (memory.places[move.buffer.index] == move.to) return;
  const bool fits = move.to && has_room(change.system, change.state, *move.to, change.system[move.buffer].size);
  if (!fits && !change.system.swap) return;  // others took the room meanwhile: it stays
  place(change, move.buffer, fits ? move.to : std::nullopt, memory.charged[move.buffer.index]);
  if (move.copied_by) leave_to(change, move.buffer, *move.copied_by);
}

bool is_under_way(const System& system, const State& state, ThreadId job) {
  const StepIndex at = state.at[job.index];
  return is_waiting(system, state, job) || (at != 0 && at != system[job].end());
}

// A killed job is taken off where it would touch its memory: before that it still waits for its dependencies, so that
// its fences do not overtake theirs (drm_sched_entity_kill).
void take_off_killed(const Change& change, ThreadId job) {
  for (std::uint32_t i = 0; i < change.system.uses.size(); ++i) {
    const HardwareUse& use = change.system.uses[i];
    const StepIndex at = change.state.at[job.index];
    if (use.job == job && change.state.memory.killed[i] && use.begins <= at && at != change.system[job].end())
      take_off(change, job);
  }
}

// A killed queue does not run, for whoever tests that as well, and what is on it never will. What is not under way, or
// has signalled, cannot be killed.
void kill(const Change& change, HardwareUseId id) {
  const HardwareUse& use = change.system[id];
  if (use.job && (!is_under_way(change.system, change.state, *use.job) || change.state.at[use.job->index] > use.ends))
    return;
  change.state.memory.killed[id.index] = true;
  if (use.job) take_off_killed(change, *use.job);
  if (!use.gate) return;
  change.state.variables[use.gate->index] = 0;
  for (const ThreadId job : jobs_of_gate(change.system, *use.gate))
    if (is_under_way(change.system, change.state, job)) take_off(change, job);
}

void apply(const Change& change, const Unmap& unmap) {
  MemoryState& memory = change.state.memory;
  std::vector<bool> running;
  for (std::uint32_t i = 0; i < change.system.uses.size(); ++i)
    running.push_back(runs(change.system, change.state, HardwareUseId{i}));
  for_each_mapping(change.system, unmap.buffer, [&](std::uint32_t space, std::size_t index) {
    const bool was_mapped = memory.mapped[space][index];
    if (unmap.only_old && memory.old[space][index] != change.self.index + 1) return;
    memory.mapped[space][index] = false;
    memory.old[space][index] = 0;
    if (!was_mapped || change.system.spaces[space].mode != AddressSpaceMode::no_preemption) return;
    for (std::uint32_t i = 0; i < change.system.uses.size(); ++i)
      if (const HardwareUse& use = change.system.uses[i];
          use.space.index == space && running[i] && may_touch(change.system, change.state, use, unmap.buffer))
        kill(change, HardwareUseId{i});
  });
}

void apply(const Change& change, const Map& map) { map_buffer(change.system, change.state, map.space, map.buffer); }

void apply(const Change& change, const Pin& pin) {
  std::uint32_t& pins = change.state.memory.pins[pin.buffer.index];
  if (pin.amount > 0 || pins > 0) pins += static_cast<std::uint32_t>(pin.amount);
}

void apply(const Change& change, const Kill& step) { kill(change, step.use); }

void apply(const Change& change, const SetLimit& limit) {
  const bool below = usage(change.system, change.state, limit.group, limit.region) > limit.max;
  if (!below || dmem::info(change.system.kernel).max_below_usage)
    change.state.memory.maximum[limit.group.index][limit.region.index] = limit.max;
}

// A killed queue never runs again, whoever resumes it.
void apply(const Change& change, const Assign& assign) {
  for (std::uint32_t i = 0; i < change.system.uses.size(); ++i)
    if (change.system.uses[i].gate == assign.variable && change.state.memory.killed[i]) return;
  change.state.variables[assign.variable.index] = assign.value;
  for (std::uint32_t i = 0; i < change.system.uses.size(); ++i)
    if (change.system.uses[i].gate == assign.variable && runs(change.system, change.state, HardwareUseId{i}))
      change.state.memory.has_run[i] = true;
}

template <class WithoutEffect>
void apply(const Change&, const WithoutEffect&) {}

bool finished(const System& system, const State& state, ThreadId thread) {
  return state.at[thread.index] == system[thread].end();
}

const Step& next_step(const System& system, const State& state, ThreadId thread) {
  return system[thread].program[state.at[thread.index]];
}

bool may_stop_here(const System& system, const Step& step, Causes causes) {
  return system.userspace_may_stop && step.userspace && causes.has(Cause::userspace);
}

bool timeout_may_fire(const System& system, const State& state, ThreadId thread, Causes causes) {
  const Step& step = next_step(system, state, thread);
  if (const auto* expire = std::get_if<Expire>(&step.action))
    return state.published[expire->fence.index] && !signalled(state, expire->fence);
  return step.timeout && !is_suspended(system, state, thread, causes) &&
         open({system, state, thread, step, causes}) == none;
}

}  // namespace

bool is_waiting(const System& system, const State& state, ThreadId job) {
  const auto& waiting = state.queues[system[job].queue->index].waiting;
  return std::ranges::find(waiting, job) != waiting.end();
}

std::optional<ThreadId> next_to_begin(const State& state, QueueId queue) {
  for (const ThreadId job : state.queues[queue.index].waiting)
    if (state.at[job.index] == 0) return job;
  return std::nullopt;
}

bool gate_closed(const System& system, const State& state, ThreadId job) {
  const auto& queue = system[job].queue;
  return queue && system[*queue].gate && state.variables[system[*queue].gate->index] == 0;
}

std::vector<Move> moves(const System& system, const State& state, Causes causes) {
  std::vector<Move> result;
  for (std::uint32_t i = 0; i < system.threads.size(); ++i) {
    const ThreadId thread{i};
    if (finished(system, state, thread)) continue;
    Branches branches = open({system, state, thread, next_step(system, state, thread), causes});
    for (; branches != none; branches &= branches - 1)
      result.push_back({thread, static_cast<std::uint32_t>(std::countr_zero(branches)), false});
  }
  return result;
}

std::vector<Move> timeouts(const System& system, const State& state, Causes causes) {
  std::vector<Move> result;
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    if (const ThreadId thread{i}; !finished(system, state, thread) && timeout_may_fire(system, state, thread, causes))
      result.push_back({thread, 0, true});
  return result;
}

bool possible(const System& system, const State& state, Move move, Causes causes) {
  if (move.thread.index >= system.threads.size() || finished(system, state, move.thread)) return false;
  if (move.timeout) return timeout_may_fire(system, state, move.thread, causes) && at_rest(system, state, causes);
  const Branches branches = open({system, state, move.thread, next_step(system, state, move.thread), causes});
  return move.branch < 64 && (branches >> move.branch & 1U) != 0;
}

bool runs(const System& system, const State& state, HardwareUseId id) {
  const HardwareUse& use = system[id];
  if (state.memory.killed[id.index]) return false;
  if (use.gate) return state.variables[use.gate->index] != 0;
  const StepIndex at = state.at[use.job->index];
  return use.begins <= at && at <= use.ends;
}

void advance(const System& system, State& state, Move move, Causes causes) {
  const Step& step = next_step(system, state, move.thread);
  StepIndex& at = state.at[move.thread.index];
  if (move.timeout && step.timeout) {
    at = step.timeout->next;
    if (const auto* wait = std::get_if<WaitSet>(&step.action)) forget(state, *wait);
    return take_off_killed({system, state, move.thread, move.branch, causes.has(step.cause), causes}, move.thread);
  }
  const Change change{system, state, move.thread, move.branch, causes.has(step.cause), causes};
  const StepIndex before = at;
  std::visit([&](const auto& action) { apply(change, action); }, step.action);
  if (at == before) at = step.next[move.branch];  // else it has killed itself
  take_off_killed(change, move.thread);
}

State after(const System& system, State state, Move move, Causes causes) {
  advance(system, state, move, causes);
  return state;
}

bool may_stop(const System& system, const State& state, ThreadId thread, Causes causes) {
  return may_stop_here(system, next_step(system, state, thread), causes);
}

bool at_rest(const System& system, const State& state, Causes causes) {
  return std::ranges::all_of(moves(system, state, causes),
                             [&](const Move& move) { return may_stop(system, state, move.thread, causes); });
}

bool cut_off(const System& system, const State& state) {
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    if (const ThreadId thread{i};
        !finished(system, state, thread) && std::holds_alternative<Cutoff>(next_step(system, state, thread).action))
      return true;
  return false;
}

}  // namespace fencecheck
