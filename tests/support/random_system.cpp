#include "tests/support/random_system.hpp"

#include <string>
#include <utility>

#include "tests/support/dice.hpp"
#include "tests/support/small_systems.hpp"

namespace fencecheck::test {
namespace {

constexpr std::uint32_t fences = 3;
constexpr std::uint32_t locks = 2;
constexpr std::uint32_t jobs = 2;

// Of systems with memory, beside those:
constexpr std::uint32_t works = 2;
constexpr std::uint32_t buffers = 3;
constexpr std::uint32_t regions = 2;
constexpr std::uint32_t spaces = 2;
constexpr std::uint32_t groups = 4;
constexpr VariableId ring{1};
constexpr QueueId work_queue{1};
constexpr QueueId user_queue{2};

class Generator {
 public:
  Generator(std::uint64_t seed, bool with_memory) : dice_(seed), with_memory_(with_memory) {}
  System run();

 private:
  FenceId fence() { return {dice_.below(fences)}; }
  LockId lock() { return {dice_.below(locks)}; }
  Action action(bool looping);
  Action resource_action();
  Action sync_action(bool looping);
  Action memory_action(bool looping);
  PageWrite page_write();
  void add_page_tables(System& system);
  std::optional<ThreadId> copier();
  void add_memory(System& system);
  void add_works(System& system);
  BufferId buffer() { return {dice_.below(buffers)}; }
  LockId buffer_lock() { return {locks + dice_.below(buffers)}; }
  RegionId region() { return {dice_.below(regions)}; }
  ReservationId reservation() { return {dice_.below(1 + regions + buffers)}; }
  DependencySetId set() { return {dice_.below(2)}; }
  ThreadId work() { return {threads_ + jobs + dice_.below(works)}; }
  Step step(Action action);
  Thread thread(ThreadKind kind, bool looping);
  void connect(const System& system, Thread& thread, bool looping);

  Dice dice_;
  bool with_memory_;
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

// Fences made anew, work items, reservation objects.
Action Generator::sync_action(bool looping) {
  switch (dice_.below(13)) {
    case 0:
      return Capture{{fence()}, set()};
    case 1:
      return Trigger{set()};
    case 2:
      return Renew{fence()};
    case 3:
      return Detach{reservation(), fence()};
    case 4:
      return Inherit{reservation(), reservation()};
    case 5:
      return Reserve{reservation(), 1 + dice_.below(2)};
    case 6:
      return Flush{work(), dice_.one_in(2)};
    case 7:
      return Cancel{work()};
    case 8:
      return dice_.one_in(3) ? Push{work(), {page_write()}} : Push{work()};
    case 9:
      return Attach{reservation(), fence(), static_cast<Usage>(dice_.below(4)), dice_.one_in(4)};
    case 10:
      return Collect{reservation(), static_cast<Usage>(dice_.below(4)), set()};
    case 11:
      return WaitSet{set(), dice_.one_in(4) ? std::vector{set()} : std::vector<DependencySetId>{}};
    default:
      return looping ? Push{work()} : Push{ThreadId{threads_ + jobs + works}};
  }
}

// A map, an unmap, a move or a copy; sometimes of what is asked for.
PageWrite Generator::page_write() {
  PageWrite write{PageTableId{dice_.below(2)}, dice_.below(2), 2, {}, {}};
  switch (dice_.below(3)) {
    case 0:
      write.entry = {1 + dice_.below(2), std::uint64_t{dice_.below(2)} * 4096};
      break;
    case 1:
      write.last = write.first + 1;
      write.from = PageSource{PageTableId{dice_.below(2)}, dice_.below(2), dice_.one_in(2)};
      break;
    default:
      break;
  }
  return write;
}

std::optional<ThreadId> Generator::copier() {
  return dice_.one_in(2) ? std::optional(ThreadId{dice_.below(2)}) : std::nullopt;
}

Action Generator::memory_action(bool looping) {
  switch (dice_.below(16)) {
    case 0:
    case 1:
      return Allocate{buffer(), region(), dice_.one_in(2), dice_.one_in(2), copier()};
    case 2: {
      PickVictim pick;
      pick.region = region();
      if (dice_.one_in(3))
        pick.over_limit = GroupId{dice_.below(groups)};
      else
        pick.for_buffer = buffer();
      pick.force = dice_.one_in(2);
      pick.ignore_low = dice_.one_in(2);
      pick.locking = static_cast<VictimLocking>(dice_.below(3));
      return pick;
    }
    case 3:
    case 4:
      return Relocate{buffer(), dice_.one_in(2) ? std::optional(region()) : std::nullopt, std::nullopt, copier()};
    case 5:
      return dice_.one_in(2) ? Action(Unmap{buffer(), std::nullopt, dice_.one_in(2)})
                             : Action(Locate{buffer(), dice_.one_in(2) ? std::optional(region()) : std::nullopt});
    case 6:
      return Map{AddressSpaceId{dice_.below(spaces)}, buffer()};
    case 7:
      return looping ? Pin{buffer(), -1} : Pin{buffer(), dice_.one_in(2) ? 1 : -1};
    case 8:
      return dice_.one_in(2) ? Action(Kill{HardwareUseId{dice_.below(2)}}) : Action(Deny{buffer()});
    case 9:
      return SetLimit{GroupId{1 + dice_.below(groups - 1)}, region(), dice_.below(4) * GiB};
    case 10:
      return Acquire{buffer_lock(), false};
    case 11:
      return Release{buffer_lock()};
    case 12:
    case 13:
      return WriteRanges{{page_write(), page_write()}, "binds"};
    default:
      return Assign{ring, dice_.below(2)};
  }
}

Action Generator::action(bool looping) {
  if (with_memory_ && !dice_.one_in(3)) return dice_.one_in(2) ? sync_action(looping) : memory_action(looping);
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
void Generator::connect(const System& system, Thread& thread, bool looping) {
  const StepIndex end = thread.end();
  for (StepIndex i = 0; i < end; ++i) {
    Step& step = thread.program[i];
    step.next.assign(successors(system, step.action), i + 1);
    for (std::size_t branch = 1; branch < step.next.size(); ++branch)
      step.next[branch] = looping ? dice_.below(i + 1) : std::min(i + 1 + dice_.below(2), end - (thread.queue ? 1 : 0));
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
  threads_ = 2;
  if (with_memory_) add_memory(system);
  static constexpr std::array kinds{ThreadKind::user, ThreadKind::ioctl, ThreadKind::worker, ThreadKind::worker};
  if (!with_memory_) threads_ += dice_.below(2);
  for (std::uint32_t i = 0; i < threads_; ++i) {
    const bool looping = dice_.one_in(3);
    system.threads.push_back(thread(kinds[dice_.below(4)], looping));
    connect(system, system.threads.back(), looping);
  }
  for (std::uint32_t i = 0; i < jobs; ++i) {
    Thread job;
    job.name = "job";
    job.kind = dice_.one_in(2) ? ThreadKind::worker : ThreadKind::engine;
    job.queue = QueueId{0};
    job.program.push_back(step(Begin{}));
    if (dice_.one_in(2)) job.program.push_back(step(action(false)));
    job.program.push_back(step(Finish{}));
    connect(system, job, false);
    system.threads.push_back(std::move(job));
  }
  if (with_memory_) add_works(system);
  return system;
}

// Two buffers fit into the first region, or one that is large. A user queue runs
// on two of them, the first job on the others.
void Generator::add_memory(System& system) {
  system.kernel = static_cast<dmem::Kernel>(dice_.below(3));
  system.swap = dice_.one_in(2);
  add_region(system, "vram", 4 * GiB, dice_.one_in(2));
  add_region(system, "gtt");
  const GroupId root = add_group(system, "root");
  const GroupId all = add_group(system, "all", root, {2 * GiB, 4 * GiB, 4 * GiB});
  add_group(system, "a", all, {dice_.below(3) * GiB, 2 * GiB, dmem::unlimited});
  add_group(system, "b", dice_.one_in(2) ? all : root, {0, 0, 3 * GiB});
  for (Group& group : system.groups) group.limits.resize(regions);
  for (std::uint32_t i = 0; i < buffers; ++i) {
    std::vector<RegionId> placements{RegionId{0}};
    if (dice_.one_in(2)) placements.push_back(RegionId{1});
    const BufferId id =
        add_buffer(system, "b" + std::to_string(i), (1 + i) * GiB, placements, i == 0 || dice_.one_in(2));
    Buffer& made = system.buffers[id.index];
    made.charged = made.place ? GroupId{dice_.below(groups)} : GroupId{};
    made.keep = dice_.one_in(3);
    system.reservations[made.reservation.index].counted = dice_.one_in(2);
    if (dice_.one_in(2))
      system.reservations[made.reservation.index].attached = {{fence(), static_cast<Usage>(dice_.below(4))}};
  }
  for (std::uint32_t i = 0; i < spaces; ++i)
    add_space(system, static_cast<AddressSpaceMode>(dice_.below(4)), {BufferId{i}, BufferId{i + 1}});
  add_user_queue(system, "ring", AddressSpaceId{0}, dice_.below(2));
  add_page_tables(system);
  system.uses.push_back({"job", AddressSpaceId{1}, {}, ThreadId{threads_}, 1, 1, {}, {{0, {1, 0}}}});
  system.sets.push_back({"t", {}});
  system.fences[0].promises = {HardwareUseId{0}};
  if (dice_.one_in(2)) system.fences[0].on_wait = ThreadId{threads_ + jobs};
  if (dice_.one_in(2)) system.fences[1].on_wait = ThreadId{threads_ + jobs + 1};
}

// Two pages of the second address space, one of whose objects has memory that is tracked, and what was asked for.
void Generator::add_page_tables(System& system) {
  PageTable table;
  table.name = "vm";
  table.space = AddressSpaceId{1};
  table.bounds = {0, 4096, 8192};
  table.objects = {{"b1", BufferId{1}}, {"x", {}}};
  table.initial = {dice_.one_in(2) ? PageEntry{1, 0} : PageEntry{}, {}};
  system.spaces[1].table = PageTableId{0};
  table.asked = PageTableId{1};
  if (dice_.one_in(4)) table.banned = VariableId{0};
  system.page_tables.push_back(table);
  table.asked.reset();
  system.page_tables.push_back(table);
}

// Works, and a job of the user queue, which has to end before it could be pushed again.
void Generator::add_works(System& system) {
  system.queues.push_back({"wq", 1 + dice_.below(2), {}});
  system.queues.push_back({"ring", 1, {}, ring});
  for (std::uint32_t i = 0; i <= works; ++i) {
    Thread item;
    item.name = i < works ? "work" : "user job";
    item.queue = i < works ? work_queue : user_queue;
    item.kind = i < works ? ThreadKind::worker : ThreadKind::engine;
    item.program.push_back(step(Begin{}));
    for (std::uint32_t k = 1 + dice_.below(2); k > 0; --k) item.program.push_back(step(action(true)));
    item.program.push_back(step(Finish{}));
    connect(system, item, false);
    if (i < works) item.program.back().next = {0};
    system.threads.push_back(std::move(item));
  }
  for (Thread& each : system.threads) {
    each.group = GroupId{dice_.below(groups)};
    if (dice_.one_in(3)) each.space = AddressSpaceId{dice_.below(spaces)};
  }
  for (AddressSpace& space : system.spaces) space.evicts_own = dice_.one_in(2);
}

}  // namespace

System random_system(std::uint64_t seed) { return Generator(seed, false).run(); }

System random_memory_system(std::uint64_t seed) { return Generator(seed, true).run(); }

}  // namespace fencecheck::test
