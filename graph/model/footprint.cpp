#include "graph/model/footprint.hpp"

#include <algorithm>
#include <variant>

namespace fencecheck {
namespace {

bool is_killed_somewhere(const System& system, const HardwareUse& use) {
  if (system[use.space].mode == AddressSpaceMode::no_preemption) return true;
  const auto kills = [&](const Step& step) {
    const auto* kill = std::get_if<Kill>(&step.action);
    return kill != nullptr && &system[kill->use] == &use;
  };
  return std::ranges::any_of(system.threads,
                             [&](const Thread& thread) { return std::ranges::any_of(thread.program, kills); });
}

// Collects the uses of one step. One overload of add() for each action and
// none for the rest: an action without a footprint does not compile.
class Uses {
 public:
  Uses(const System& system, ThreadId self, bool waits, Footprint& result)
      : system_(system), self_(self), waits_(waits), result_(result) {}

  void add(const Wait& wait) {
    if (!waits_) return;
    for (const FenceId fence : wait.fences) use(Part::fence_signalled, fence.index, Access::await);
  }

  // What is collected later may shut the guard; which fences are awaited only the
  // state knows. Afterwards the set is empty.
  void add(const WaitSet& wait) {
    if (!waits_) return;
    for (const DependencySetId set : wait.sets()) {
      use(Part::dependency_set, set.index, Access::write);
      use(Part::dependency_set, set.index, Access::read);
    }
    use(Part::some_signal, 0, Access::await);
  }

  void add(const Publish& publish) { use(Part::fence_published, publish.fence.index, Access::raise); }

  void add(const Signal& signal) {
    for (const FenceId fence : signal.fences) use(Part::fence_signalled, fence.index, Access::raise);
    if (!signal.fences.empty()) use(Part::some_signal, 0, Access::raise);
  }

  // Readers come in any order, and a release keeps nobody out.
  void add(const Acquire& acquire) {
    if (!waits_) return;
    take(acquire.lock, acquire.shared);
    use(Part::lock_released, acquire.lock.index, Access::await);
  }

  // A release decides which way it goes.
  void add(const TryAcquire& attempt) {
    if (!waits_) return;
    take(attempt.lock, attempt.shared);
    use(Part::lock_released, attempt.lock.index, Access::read);
  }

  void add(const TakeTicket&) {
    use(Part::ticket_order, 0, Access::write);
    for (const Step& step : system_[self_].program)
      if (const auto* acquire = std::get_if<AcquireWithTicket>(&step.action))
        use(Part::ticket, acquire->lock.index, Access::write);
  }

  // Compares its own ticket with that of the owner, who took the lock like this.
  void add(const AcquireWithTicket& acquire) {
    if (!waits_) return;
    take(acquire.lock, false);
    use(Part::lock_released, acquire.lock.index, Access::read);
    use(Part::ticket, acquire.lock.index, Access::read);
  }

  // A reservation object's slots are gone with the lock.
  void add(const Release& release) {
    use(Part::lock_released, release.lock.index, Access::raise);
    for (std::uint32_t i = 0; i < system_.reservations.size(); ++i)
      if (system_.reservations[i].lock == release.lock) use(Part::slots, i, Access::write);
  }

  void add(const Take& take) {
    if (!waits_) return;
    use(Part::pool_taken, take.pool.index, Access::write);
    use(Part::pool_returned, take.pool.index, Access::await);
  }

  void add(const Give& give) {
    if (waits_) use(Part::pool_returned, give.pool.index, Access::raise);
  }

  void add(const Push& push) {
    use(Part::job_pushed, push.job.index, Access::raise);
    use(Part::queue_order, system_[push.job].queue->index, Access::write);
    if (!push.asks.empty()) use_memory();
    const auto& gate = system_[*system_[push.job].queue].gate;
    for (const HardwareUse& hardware : system_.uses) {
      if (!gate || hardware.gate != gate || !is_killed_somewhere(system_, hardware)) continue;
      use_memory();
      take_off(push.job);
    }
  }

  // Joining the end of the queue does not disturb the job in front. From now on
  // it may be pushed again.
  void add(const Begin&) {
    const std::uint32_t queue = system_[self_].queue->index;
    use(Part::job_pushed, self_.index, Access::write);
    use(Part::job_pushed, self_.index, Access::await);
    use(Part::queue_begun, queue, Access::write);
    use(Part::queue_room, queue, Access::raise);
    if (waits_) use(Part::queue_room, queue, Access::await);
  }

  // A work that waits again while it runs is in front of others once it has finished.
  void add(const Finish&) {
    use(Part::queue_room, system_[self_].queue->index, Access::raise);
    if (repeats()) use(Part::queue_begun, system_[self_].queue->index, Access::write);
  }

  // Whether an entry is replaced depends on all of them, and on what has signalled.
  void add(const Attach& attach) {
    use(Part::reservation, slot(attach.reservation, attach.usage), Access::raise);
    if (attach.replaces) use_reservation(attach.reservation, Access::write);
    if (!system_[attach.reservation].counted) return;
    use_reservation(attach.reservation, Access::read);
    use(Part::some_signal, 0, Access::read);
    use(Part::slots, attach.reservation.index, Access::write);
    result_.visible = true;
  }

  void add(const Collect& collect) {
    for (const UsageInfo& row : usage_table)
      if (row.usage <= collect.up_to) use(Part::reservation, slot(collect.reservation, row.usage), Access::read);
    use(Part::dependency_set, collect.into.index, Access::raise);
  }

  void add(const Capture& capture) { use(Part::dependency_set, capture.into.index, Access::raise); }

  void add(const Trigger& trigger) {
    use(Part::dependency_set, trigger.set.index, Access::read);
    for (std::uint32_t i = 0; i < system_.fences.size(); ++i) {
      if (!system_.fences[i].on_wait) continue;
      use(Part::fence_signalled, i, Access::read);
      use(Part::request, 0, Access::write);
      add(Push{*system_.fences[i].on_wait});
    }
  }

  // The old fence disappears from wherever it was.
  void add(const Renew& renew) {
    use(Part::fence_signalled, renew.fence.index, Access::write);
    use(Part::fence_published, renew.fence.index, Access::write);
    use(Part::some_signal, 0, Access::write);
    use(Part::request, 0, Access::write);
    for (std::uint32_t i = 0; i < system_.reservations.size(); ++i) use_reservation(ReservationId{i}, Access::write);
    for (std::uint32_t i = 0; i < system_.sets.size(); ++i) use(Part::dependency_set, i, Access::write);
    result_.visible = true;
  }

  void add(const Detach& detach) {
    use_reservation(detach.reservation, Access::write);
    result_.visible = true;
  }

  void add(const Inherit& inherit) {
    use_reservation(inherit.from, Access::read);
    use(Part::some_signal, 0, Access::read);
    use(Part::reservation, slot(inherit.to, Usage::kernel), Access::raise);
    result_.visible = true;
  }

  void add(const Reserve& reserve) { use(Part::slots, reserve.reservation.index, Access::write); }

  // Open while the work neither waits nor runs.
  void add(const Flush& flush) {
    if (flush.cancels) use(Part::job_pushed, flush.work.index, Access::write);
    if (!waits_) return;
    use(Part::job_pushed, flush.work.index, Access::read);
    use(Part::queue_room, system_[flush.work].queue->index, Access::await);
  }

  void add(const Cancel& cancel) {
    const std::uint32_t queue = system_[cancel.work].queue->index;
    use(Part::job_pushed, cancel.work.index, Access::write);
    use(Part::queue_order, queue, Access::write);
    use(Part::queue_begun, queue, Access::write);
    use(Part::queue_room, queue, Access::raise);
  }

  void add(const Allocate&) { use_memory(); }

  // Which locks are free decides whom it may pick.
  void add(const PickVictim& pick) {
    use_memory();
    if (!waits_ || pick.locking != VictimLocking::trylock || pick.confirms) return;
    for (const Buffer& buffer : system_.buffers) {
      take(buffer.lock, false);
      use(Part::lock_released, buffer.lock.index, Access::read);
    }
  }

  void add(const Locate&) { use(Part::memory, 0, Access::read); }
  void add(const Relocate&) { use_memory(); }

  void add(const Unmap& unmap) {
    use_memory();
    for (const HardwareUse& hardware : system_.uses) {
      const AddressSpace& space = system_[hardware.space];
      if (space.mode == AddressSpaceMode::no_preemption &&
          std::ranges::find(space.buffers, unmap.buffer) != space.buffers.end())
        stop(hardware);
    }
  }

  void add(const Map&) { use_memory(); }
  void add(const Pin&) { use_memory(); }
  void add(const Kill& kill) {
    use_memory();
    stop(system_[kill.use]);
  }

  void add(const Deny&) { use_memory(); }
  void add(const SetLimit&) { use_memory(); }
  void add(const WriteRanges& write) {
    if (!write.writes.empty()) use_memory();
  }

  // A queue that is suspended stops or starts hardware.
  void add(const Assign& assign) {
    use(Part::variable, assign.variable.index, Access::write);
    for (const HardwareUse& hardware : system_.uses)
      if (hardware.gate == assign.variable) use_memory();
  }

  void add(const Choose& choose) {
    if (!waits_ && !never_waits(choose)) return;
    for (const Branch& branch : choose.branches)
      for (const Test& test : branch.tests) use(Part::variable, test.variable.index, Access::read);
  }

  void add(const Expire&) {}  // only as a timeout
  void add(const Cutoff&) {}

  // A killed queue is shut; killed jobs leave their queue, and their fences are signalled.
  void stop(const HardwareUse& hardware) {
    if (hardware.job) take_off(*hardware.job);
    if (!hardware.gate) return;
    use(Part::variable, hardware.gate->index, Access::write);
    for (const ThreadId job : jobs_of_gate(system_, *hardware.gate)) take_off(job);
  }

 private:
  void take_off(ThreadId job) {
    add(Cancel{job});
    add(Signal{signalled_by_kill(system_, system_[job])});
    for (const Step& step : system_[job].program) {
      if (const auto* take = std::get_if<Take>(&step.action)) use(Part::pool_returned, take->pool.index, Access::raise);
      if (const auto* acquire = std::get_if<Acquire>(&step.action)) add(Release{acquire->lock});
      if (const auto* attempt = std::get_if<TryAcquire>(&step.action)) add(Release{attempt->lock});
      if (const auto* acquire = std::get_if<AcquireWithTicket>(&step.action)) add(Release{acquire->lock});
    }
  }

  void use(Part part, std::uint32_t index, Access access) { result_.uses.push_back({part, index, access}); }

  void take(LockId lock, bool shared) { use(Part::lock_taken, lock.index, shared ? Access::raise : Access::write); }

  void use_memory() {
    use(Part::memory, 0, Access::write);
    result_.visible = true;
  }

  void use_reservation(ReservationId reservation, Access access) {
    for (const UsageInfo& row : usage_table) use(Part::reservation, slot(reservation, row.usage), access);
  }

  [[nodiscard]] bool repeats() const { return fencecheck::repeats(system_[self_]); }

  static std::uint32_t slot(ReservationId reservation, Usage usage) {
    return reservation.index * static_cast<std::uint32_t>(usage_table.size()) + static_cast<std::uint32_t>(usage);
  }

  const System& system_;
  ThreadId self_;
  bool waits_;
  Footprint& result_;
};

// Hardware must not run on memory while such a fence is pending. What is
// inherited becomes a copy's fence, whatever it was.
bool is_copy(const System& system, FenceId fence) {
  if (system.uses.empty()) return false;
  const auto is_step = [&](const auto& matches) {
    return std::ranges::any_of(system.threads,
                               [&](const Thread& thread) { return std::ranges::any_of(thread.program, matches); });
  };
  const bool inherits = is_step([](const Step& step) { return std::holds_alternative<Inherit>(step.action); });
  const auto counts = [&](FenceId attached, Usage usage) {
    return attached == fence && (inherits || usage == Usage::kernel);
  };
  const auto from_the_start = [&](const Reservation& reservation) {
    return std::ranges::any_of(reservation.attached,
                               [&](const Attachment& each) { return counts(each.fence, each.usage); });
  };
  return std::ranges::any_of(system.reservations, from_the_start) || is_step([&](const Step& step) {
           const auto* attach = std::get_if<Attach>(&step.action);
           return attach != nullptr && counts(attach->fence, attach->usage);
         });
}

// Somebody else may end this job, by killing this hardware.
bool is_on(const System& system, const HardwareUse& use, ThreadId job) {
  const auto& queue = system[job].queue;
  return use.job == job || (use.gate && queue && system[*queue].gate == use.gate);
}

// Does the step start or stop hardware, or break a promise that it has stopped?
bool changes_hardware(const System& system, ThreadId thread, const Step& step) {
  const auto index = static_cast<StepIndex>(&step - system[thread].program.data());
  for (const HardwareUse& use : system.uses) {
    if (use.job != thread) continue;
    const auto inside = [&](StepIndex at) { return use.begins <= at && at <= use.ends; };
    if (std::ranges::any_of(step.next, [&](StepIndex next) { return inside(next) != inside(index); })) return true;
    if (step.timeout && inside(step.timeout->next) != inside(index)) return true;
  }
  const auto promises = [&](FenceId fence) { return !system[fence].promises.empty() || is_copy(system, fence); };
  if (const auto* signal = std::get_if<Signal>(&step.action)) return std::ranges::any_of(signal->fences, promises);
  if (const auto* publish = std::get_if<Publish>(&step.action)) return promises(publish->fence);
  if (const auto* expire = std::get_if<Expire>(&step.action)) return promises(expire->fence);
  if (const auto* attach = std::get_if<Attach>(&step.action))
    return attach->usage == Usage::kernel && !system.uses.empty();
  return false;
}

}  // namespace

Footprint footprint(const System& system, ThreadId thread, const Step& step, Causes causes) {
  Footprint result;
  Uses uses(system, thread, causes.has(step.cause), result);
  std::visit([&](const auto& action) { uses.add(action); }, step.action);
  if (const auto& queue = system[thread].queue; queue && system[*queue].gate && causes.has(Cause::memory_management)) {
    result.uses.push_back({Part::variable, system[*queue].gate->index, Access::read});
    result.uses.push_back({Part::memory, 0, Access::read});
  }
  for (const HardwareUse& use : system.uses) {
    if (!is_on(system, use, thread) || !is_killed_somewhere(system, use)) continue;
    result.uses.push_back({Part::memory, 0, Access::read});
    // A job that was killed before it touched memory is taken off when it comes to that.
    if (!use.job || &step - system[thread].program.data() >= static_cast<std::ptrdiff_t>(use.begins)) continue;
    uses.stop(use);
    result.visible = true;
  }
  // Who comes to where a work's cancellation is waited for keeps others from queueing it.
  for (const StepIndex next : step.next)
    if (next < system[thread].end())
      if (const auto* flush = std::get_if<Flush>(&system[thread].program[next].action);
          flush != nullptr && flush->cancels)
        result.uses.push_back({Part::job_pushed, flush->work.index, Access::write});
  result.visible = result.visible || changes_hardware(system, thread, step);
  // What is wrong depends on the order of all such steps.
  if (result.visible) result.uses.push_back({Part::memory, 0, Access::write});
  std::ranges::sort(result.uses);
  result.uses.erase(std::unique(result.uses.begin(), result.uses.end()), result.uses.end());
  return result;
}

}  // namespace fencecheck
