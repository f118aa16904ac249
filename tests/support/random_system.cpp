#include "tests/support/random_system.hpp"

#include <string>
#include <utility>

#include "tests/support/dice.hpp"

namespace fencecheck::test {
namespace {

constexpr std::uint32_t fences = 3;
constexpr std::uint32_t locks = 2;
constexpr std::uint32_t jobs = 2;

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : dice_(seed) {}
  System run();

 private:
  FenceId fence() { return {dice_.below(fences)}; }
  LockId lock() { return {dice_.below(locks)}; }
  Action action(bool looping);
  Action resource_action();
  Step step(Action action);
  Thread thread(ThreadKind kind, bool looping);
  void connect(Thread& thread, bool looping);

  Dice dice_;
  std::uint32_t threads_ = 0;
  std::uint32_t pushed_ = 0;
};

// What could count without bound in a loop; so could a lock that is taken shared.
Action Generator::resource_action() {
  switch (dice_.below(3)) {
    case 0:
      if (pushed_ < jobs) return Push{ThreadId{threads_ + pushed_++}};
      return Take{PoolId{0}, 1};
    case 1:
      return Take{PoolId{0}, 1 + dice_.below(2)};
    default:
      return Give{PoolId{0}, 1};
  }
}

Action Generator::action(bool looping) {
  switch (dice_.below(looping ? 14 : 17)) {
    case 0:
      return Wait{{fence(), fence()}, dice_.one_in(2) ? Join::all : Join::any};
    case 1:
      return WaitSet{DependencySetId{0}};
    case 2:
      return Publish{fence()};
    case 3:
      return Signal{{fence()}};
    case 4:
      return Acquire{lock(), !looping && dice_.one_in(2)};
    case 5:
      return TryAcquire{lock(), !looping && dice_.one_in(2)};
    case 6:
      return TakeTicket{};
    case 7:
      return AcquireWithTicket{lock()};
    case 8:
    case 9:
      return Release{lock()};
    case 10:
      return Attach{ReservationId{0}, fence(), static_cast<Usage>(dice_.below(4))};
    case 11:
      return Collect{ReservationId{0}, static_cast<Usage>(dice_.below(4)), DependencySetId{0}};
    case 12:
      return Assign{VariableId{0}, dice_.below(2)};
    case 13: {
      const std::int64_t value = dice_.below(2);
      Choose choose;
      choose.branches.push_back({{{VariableId{0}, value, true}}, {}});
      if (dice_.one_in(2)) choose.branches.push_back({{}, Cause::memory_management});
      return choose;
    }
    default:
      return resource_action();
  }
}

Step Generator::step(Action action) {
  static constexpr std::array causes{Cause::explicit_sync, Cause::lock, Cause::scheduling};
  Step result;
  result.action = std::move(action);
  result.cause = causes[dice_.below(3)];
  result.interruptible = dice_.one_in(2);
  result.userspace = dice_.one_in(4);
  return result;
}

// Mostly one step after the other; branches skip a step or, in a loop, lead back.
void Generator::connect(Thread& thread, bool looping) {
  const StepIndex end = thread.end();
  for (StepIndex i = 0; i < end; ++i) {
    Step& step = thread.program[i];
    std::size_t branches = 1;
    if (const auto* choose = std::get_if<Choose>(&step.action)) branches = choose->branches.size();
    if (std::holds_alternative<TryAcquire>(step.action) || std::holds_alternative<AcquireWithTicket>(step.action))
      branches = 2;
    if (std::holds_alternative<Cutoff>(step.action)) branches = 0;
    step.next.assign(branches, i + 1);
    if (branches == 2)
      step.next[1] = looping ? dice_.below(i + 1) : std::min(i + 1 + dice_.below(2), end - (thread.queue ? 1 : 0));
    const bool waits = std::holds_alternative<Wait>(step.action) || std::holds_alternative<WaitSet>(step.action);
    if (waits && dice_.one_in(4)) step.timeout = Timeout{Milliseconds{10}, i + 1};
  }
  if (looping) thread.program.back().next.assign(1, 0);
}

Thread Generator::thread(ThreadKind kind, bool looping) {
  Thread result;
  result.name = "thread";
  result.kind = kind;
  const std::uint32_t steps = 2 + dice_.below(3);
  for (std::uint32_t i = 0; i < steps; ++i) result.program.push_back(step(action(looping)));
  if (looping) result.program.push_back(step(Assign{VariableId{0}, dice_.below(2)}));
  if (!looping && dice_.one_in(12)) result.program.push_back(step(Cutoff{"bound"}));
  return result;
}

System Generator::run() {
  System system;
  for (std::uint32_t i = 0; i < fences; ++i)
    system.fences.push_back(
        {"f" + std::to_string(i), dice_.one_in(3) ? FenceKind::user : FenceKind::kernel, dice_.one_in(2), {}});
  for (std::uint32_t i = 0; i < locks; ++i) system.locks.push_back({"l" + std::to_string(i), LockKind::ww, {}});
  system.variables.push_back({"v", 0, {}});
  system.pools.push_back({"p", 2, {}});
  system.queues.push_back({"q", 1 + dice_.below(2), {}});
  system.reservations.push_back({"r", {}});
  system.sets.push_back({"s", {}});
  system.userspace_may_stop = dice_.one_in(3);
  static constexpr std::array kinds{ThreadKind::user, ThreadKind::ioctl, ThreadKind::worker, ThreadKind::worker};
  threads_ = 2 + dice_.below(2);
  for (std::uint32_t i = 0; i < threads_; ++i) {
    const bool looping = dice_.one_in(3);
    system.threads.push_back(thread(kinds[dice_.below(4)], looping));
    connect(system.threads.back(), looping);
  }
  for (std::uint32_t i = 0; i < jobs; ++i) {
    Thread job;
    job.name = "job";
    job.kind = dice_.one_in(2) ? ThreadKind::worker : ThreadKind::engine;
    job.queue = QueueId{0};
    job.program.push_back(step(Begin{}));
    if (dice_.one_in(2)) job.program.push_back(step(action(false)));
    job.program.push_back(step(Finish{}));
    connect(job, false);
    system.threads.push_back(std::move(job));
  }
  return system;
}

}  // namespace

System random_system(std::uint64_t seed) { return Generator(seed).run(); }

}  // namespace fencecheck::test
