#include "graph/model/footprint.hpp"

#include <algorithm>
#include <variant>

namespace fencecheck {
namespace {

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

  // What is collected later may shut the guard; which fences are awaited only the state knows.
  void add(const WaitSet& wait) {
    if (!waits_) return;
    use(Part::dependency_set, wait.set.index, Access::read);
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

  void add(const Release& release) { use(Part::lock_released, release.lock.index, Access::raise); }

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
  }

  // Joining the end of the queue does not disturb the job in front.
  void add(const Begin&) {
    const std::uint32_t queue = system_[self_].queue->index;
    use(Part::job_pushed, self_.index, Access::await);
    use(Part::queue_begun, queue, Access::write);
    use(Part::queue_room, queue, Access::raise);
    if (waits_) use(Part::queue_room, queue, Access::await);
  }

  void add(const Finish&) { use(Part::queue_room, system_[self_].queue->index, Access::raise); }

  void add(const Attach& attach) { use(Part::reservation, slot(attach.reservation, attach.usage), Access::raise); }

  void add(const Collect& collect) {
    for (const UsageInfo& row : usage_table)
      if (row.usage <= collect.up_to) use(Part::reservation, slot(collect.reservation, row.usage), Access::read);
    use(Part::dependency_set, collect.into.index, Access::raise);
  }

  void add(const Assign& assign) { use(Part::variable, assign.variable.index, Access::write); }

  void add(const Choose& choose) {
    if (!waits_) return;
    for (const Branch& branch : choose.branches)
      for (const Test& test : branch.tests) use(Part::variable, test.variable.index, Access::read);
  }

  void add(const Expire&) {}  // only as a timeout
  void add(const Cutoff&) {}

 private:
  void use(Part part, std::uint32_t index, Access access) { result_.uses.push_back({part, index, access}); }

  void take(LockId lock, bool shared) { use(Part::lock_taken, lock.index, shared ? Access::raise : Access::write); }

  static std::uint32_t slot(ReservationId reservation, Usage usage) {
    return reservation.index * static_cast<std::uint32_t>(usage_table.size()) + static_cast<std::uint32_t>(usage);
  }

  const System& system_;
  ThreadId self_;
  bool waits_;
  Footprint& result_;
};

}  // namespace

Footprint footprint(const System& system, ThreadId thread, const Step& step, Causes causes) {
  Footprint result;
  Uses uses(system, thread, causes.has(step.cause), result);
  std::visit([&](const auto& action) { uses.add(action); }, step.action);
  std::ranges::sort(result.uses);
  result.uses.erase(std::unique(result.uses.begin(), result.uses.end()), result.uses.end());
  return result;
}

}  // namespace fencecheck
