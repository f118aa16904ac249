// Every kind of incident by the smallest system that has it, next to one that differs in one place and has none.
#include "graph/model/incidents.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "checker/explore.hpp"
#include "checker/replay.hpp"
#include "graph/model/remedies.hpp"
#include "tests/catch.hpp"
#include "tests/support/small_systems.hpp"

namespace fencecheck {
namespace {

using namespace test;

constexpr RegionId vram{0};
constexpr RegionId gtt{1};

// What exploration finds, with and without reductions; every incident replays.
std::vector<std::string> found(const System& system) {
  REQUIRE_FALSE(check_system(system));
  std::vector<std::string> result;
  for (const bool reductions : {false, true}) {
    ExploreOptions options;
    options.incidents = true;
    options.budget.reductions = reductions;
    const Exploration seen = explore(system, initial_state(system), options);
    REQUIRE(seen.gave_up.empty());
    std::vector<std::string> names;
    for (const ExploredIncident& each : seen.incidents) {
      if (const auto refuted = replay_incident(system, each.way, each.incident)) FAIL_CHECK(refuted->why);
      names.push_back(fmt::format("{}: {}", info(each.incident.kind).id, each.incident.subject));
    }
    std::ranges::sort(names);
    if (reductions) CHECK(names == result);
    result = names;
  }
  return result;
}

using Names = std::vector<std::string>;

// A user queue that runs on one buffer.
struct UserQueue {
  System system;
  BufferId bo;
  AddressSpaceId vm;
  HardwareUseId ring;
  explicit UserQueue(AddressSpaceMode mode = AddressSpaceMode::preempt_fence, std::int64_t open = 1) {
    add_region(system, "vram", 4 * GiB);
    add_region(system, "gtt");
    bo = add_buffer(system, "bo", 2 * GiB, {vram, gtt});
    vm = add_space(system, mode, {bo});
    ring = add_user_queue(system, "ring", vm, open);
  }
  [[nodiscard]] static Step gate(std::int64_t open) { return step(Assign{VariableId{0}, open}); }
};

TEST_CASE("memory goes while hardware runs on it, unless it is stopped first") {
  UserQueue careless;
  careless.system.threads = {thread({step(Unmap{careless.bo}), step(Relocate{careless.bo, gtt})})};
  CHECK(found(careless.system) == Names{"use-after-evict: user queue 'ring' on 'bo'"});

  UserQueue careful;
  careful.system.threads = {thread({UserQueue::gate(0), step(Unmap{careful.bo}), step(Relocate{careful.bo, gtt}),
                                    step(Map{careful.vm, careful.bo}), UserQueue::gate(1)})};
  CHECK(found(careful.system).empty());

  UserQueue forgetful = careful;  // resumes without mapping again
  forgetful.system.threads[0].program[3] = step(TakeTicket{});
  forgetful.system.threads[0].program[3].next = {4};
  CHECK(found(forgetful.system) == Names{"use-after-evict: user queue 'ring' on 'bo'"});
}

TEST_CASE("hardware that faults waits for memory that has gone") {
  UserQueue faults(AddressSpaceMode::fault);
  faults.system.threads = {thread({step(Unmap{faults.bo}), step(Relocate{faults.bo, gtt})})};
  CHECK(found(faults.system).empty());
}

TEST_CASE("hardware that nothing can stop is killed when its memory goes, unless it has stopped by itself") {
  UserQueue kills(AddressSpaceMode::no_preemption);
  kills.system.threads = {thread({step(Unmap{kills.bo}), step(Relocate{kills.bo, gtt})})};
  CHECK(found(kills.system) == Names{"job-killed: user queue 'ring'"});
  UserQueue idle(AddressSpaceMode::no_preemption, 0);
  idle.system.threads = kills.system.threads;
  CHECK(found(idle.system).empty());
}

TEST_CASE("killing hardware is told, of a queue and of a job") {
  UserQueue queue;
  queue.system.threads = {thread({step(Kill{queue.ring})})};
  CHECK(found(queue.system) == Names{"job-killed: user queue 'ring'"});
}

// A job runs on one buffer from its second step to its third.
struct OneJob : UserQueue {
  explicit OneJob(Step before) : UserQueue(AddressSpaceMode::dma_fence, 0) {
    system.queues = {{"gfx", 1, {}}};
    system.fences = {{"done", FenceKind::kernel, true, {}}, {"copied", FenceKind::kernel, true, {}}};
    system.reservations[system[bo].reservation.index].attached = {{FenceId{0}, Usage::bookkeep}};
    system.sets = {{"set", {}}};
    system.uses.push_back({"job", vm, {}, ThreadId{0}, 2, 3, {}});
    system.threads = {work("job", QueueId{0}, {std::move(before), step(TakeTicket{}), step(Signal{{FenceId{0}}})}),
                      thread({step(Push{ThreadId{0}})})};
    system.threads[0].program.back().next = {system.threads[0].end()};
    system.threads[0].kind = ThreadKind::engine;
  }
  void evictor(bool waits) {
    const ReservationId resv = system[bo].reservation;
    system.threads.push_back(thread(
        {step(waits ? Action(Collect{resv, Usage::bookkeep, DependencySetId{0}}) : TakeTicket{}),
         step(WaitSet{DependencySetId{0}}, Cause::memory_management), step(Unmap{bo}), step(Relocate{bo, gtt})}));
  }
};

TEST_CASE("an eviction waits for the jobs that use the buffer, or pulls it away under them") {
  OneJob careful(step(TakeTicket{}));
  careful.evictor(true);
  CHECK(found(careful.system).empty());
  OneJob careless(step(TakeTicket{}));
  careless.evictor(false);
  CHECK(found(careless.system) == Names{"use-after-evict: job 'job' on 'bo'"});
}

TEST_CASE("a job that starts before the kernel's copy is finished, however the copy's fence came to the buffer") {
  const auto system = [](bool waits, bool inherited) {
    OneJob job(step(waits ? Action(Wait{{FenceId{1}}, Join::all}) : TakeTicket{}));
    auto& reservations = job.system.reservations;
    const ReservationId own = job.system[job.bo].reservation;
    const ReservationId departures = job.system[vram].departures;
    if (inherited) {
      reservations[departures.index].attached = {{FenceId{1}, Usage::bookkeep}};
      auto& program = job.system.threads[1].program;
      program.insert(program.begin(), step(Inherit{departures, own}));
      program[0].next = {1};
      program[1].next = {2};
    } else {
      reservations[own.index].attached.push_back({FenceId{1}, Usage::kernel});
    }
    job.system.threads.push_back(thread({step(Signal{{FenceId{1}}})}));
    return job.system;
  };
  for (const bool inherited : {false, true}) {
    INFO("inherited: " << inherited);
    CHECK(found(system(false, inherited)) == Names{"use-after-evict: job 'job' on 'bo' before its copy"});
    CHECK(found(system(true, inherited)).empty());
  }
}

// The kernel hands the memory on at once; a copy job waits for whoever uses it, unmaps it and copies.
TEST_CASE("a copy job waits for the job that runs, or pulls the buffer away under it") {
  for (const bool waits : {true, false}) {
    OneJob job(step(TakeTicket{}));
    System& system = job.system;
    const ReservationId resv = system[job.bo].reservation;
    system.fences[1].published = false;
    system.queues.push_back({"sdma", 1, {}});
    system.threads.push_back(
        thread({step(waits ? Action(Collect{resv, Usage::bookkeep, DependencySetId{0}}) : TakeTicket{}),
                step(Relocate{job.bo, gtt}), step(Publish{FenceId{1}}), step(Attach{resv, FenceId{1}, Usage::kernel}),
                step(Push{ThreadId{3}})}));
    system.threads.push_back(work("copy", QueueId{1},
                                  {step(WaitSet{DependencySetId{0}}, Cause::memory_management), step(Unmap{job.bo}),
                                   step(Signal{{FenceId{1}}})}));
    const Names names = found(system);
    CHECK(std::ranges::count(names, "use-after-evict: job 'job' on 'bo'") == (waits ? 0 : 1));
  }
}

TEST_CASE("an eviction fence signals after the queue has stopped, or says what is not so") {
  for (const bool early : {false, true}) {
    UserQueue queue;
    queue.system.fences = {{"ev", FenceKind::kernel, true, {}}};
    queue.system.fences[0].promises = {queue.ring};
    std::vector<Step> steps{UserQueue::gate(0), step(Signal{{FenceId{0}}})};
    if (early) std::swap(steps[0], steps[1]);
    steps.push_back(step(Renew{FenceId{0}}));
    steps.push_back(step(Publish{FenceId{0}}));
    steps.push_back(UserQueue::gate(1));
    queue.system.threads = {thread(steps)};
    CHECK(found(queue.system) == (early ? Names{"early-signal: fence 'ev' of user queue 'ring'"} : Names{}));
  }
}

TEST_CASE("a queue runs again before its eviction fence is made anew") {
  UserQueue queue;
  queue.system.fences = {{"ev", FenceKind::kernel, true, {}}};
  queue.system.fences[0].promises = {queue.ring};
  queue.system.threads = {thread({UserQueue::gate(0), step(Signal{{FenceId{0}}}), UserQueue::gate(1)})};
  CHECK(found(queue.system) == Names{"early-signal: fence 'ev' of user queue 'ring'"});
}

TEST_CASE("a timer that signals an eviction fence says what is not so") {
  for (const bool promises : {true, false}) {
    UserQueue queue;
    queue.system.fences = {{"ev", FenceKind::kernel, true, {}}};
    if (promises) queue.system.fences[0].promises = {queue.ring};
    queue.system.threads = {thread({step(Expire{FenceId{0}})}, ThreadKind::timer)};
    CHECK(found(queue.system) == (promises ? Names{"early-signal: fence 'ev' of user queue 'ring'"} : Names{}));
  }
}

TEST_CASE("a wait that is given up may start hardware too early") {
  OneJob job(step(Wait{{FenceId{1}}, Join::all}));
  job.system.reservations[job.system[job.bo].reservation.index].attached.push_back({FenceId{1}, Usage::kernel});
  CHECK(found(job.system).empty());
  job.system.threads[0].program[1].timeout = Timeout{Milliseconds{1}, 2};
  CHECK(found(job.system) == Names{"use-after-evict: job 'job' on 'bo' before its copy"});
}

TEST_CASE("a fence is replaced before it has signalled") {
  for (const bool signals : {false, true}) {
    System system;
    system.fences = {{"ev", FenceKind::kernel, true, {}}};
    system.threads = {thread({step(signals ? Action(Signal{{FenceId{0}}}) : TakeTicket{}), step(Renew{FenceId{0}})})};
    CHECK(found(system) == (signals ? Names{} : Names{"lost-fence: fence 'ev'"}));
  }
}

TEST_CASE("a queue stays suspended, unless somebody resumes it or could") {
  UserQueue queue;
  queue.system.threads = {thread({UserQueue::gate(0)})};
  CHECK(found(queue.system) == Names{"lost-wakeup: user queue 'ring'"});
  queue.system.threads = {thread({UserQueue::gate(0), UserQueue::gate(1)})};
  CHECK(found(queue.system).empty());
  queue.system.threads[0].kind = ThreadKind::user;
  queue.system.threads[0].program[1].userspace = true;
  queue.system.userspace_may_stop = true;
  CHECK(found(queue.system).empty());  // it may stop there; that is its own business
}

TEST_CASE("a queue that is suspended from the start is missed only once it has run") {
  UserQueue queue(AddressSpaceMode::preempt_fence, 0);
  queue.system.threads = {thread({UserQueue::gate(0)})};
  CHECK(found(queue.system).empty());
  queue.system.threads = {thread({UserQueue::gate(1), UserQueue::gate(0)})};
  CHECK(found(queue.system) == Names{"lost-wakeup: user queue 'ring'"});
}

TEST_CASE("a fence is added without a slot, unless one is reserved under the same lock") {
  const auto system = [](int slots, bool unlocks) {
    System s;
    s.fences = {{"a", FenceKind::kernel, true, {}}, {"b", FenceKind::kernel, true, {}}};
    s.locks = {{"bo", LockKind::ww, {}}};
    s.reservations = {{"bo", {}, LockId{0}, true}};
    const ReservationId bo{0};
    std::vector<Step> steps{step(Acquire{LockId{0}}, Cause::lock)};
    for (int i = 0; i < slots; ++i) steps.push_back(step(Reserve{bo, 1}));
    if (unlocks) {
      steps.push_back(step(Release{LockId{0}}));
      steps.push_back(step(Acquire{LockId{0}}, Cause::lock));
    }
    steps.push_back(step(Attach{bo, FenceId{0}, Usage::write}));
    steps.push_back(step(Release{LockId{0}}));
    s.threads = {thread(steps)};
    return s;
  };
  CHECK(found(system(1, false)).empty());
  CHECK(found(system(0, false)) == Names{"contract: 'a' on 'bo'"});
  CHECK(found(system(1, true)) == Names{"contract: 'a' on 'bo'"});
}

TEST_CASE("two reservations of one slot are one slot") {
  System s;
  s.fences = {{"a", FenceKind::kernel, true, {}}, {"b", FenceKind::kernel, true, {}}};
  s.locks = {{"bo", LockKind::ww, {}}};
  s.reservations = {{"bo", {}, LockId{0}, true}};
  const ReservationId bo{0};
  const auto with = [&](std::uint32_t slots) {
    s.threads = {thread({step(Acquire{LockId{0}}, Cause::lock), step(Reserve{bo, slots}), step(Reserve{bo, slots}),
                         step(Attach{bo, FenceId{0}, Usage::write}), step(Attach{bo, FenceId{1}, Usage::write}),
                         step(Release{LockId{0}})})};
    return found(s);
  };
  CHECK(with(1) == Names{"contract: 'b' on 'bo'"});
  CHECK(with(2).empty());
}

// Cgroups: `a` evicts for `b`, both directly below the root or both below `all`.
System two_groups(bool common_parent, dmem::Kernel kernel) {
  System system;
  system.kernel = kernel;
  add_region(system, "vram", 4 * GiB, true);
  const GroupId root = add_group(system, "root");
  GroupId parent = root;
  if (common_parent) parent = add_group(system, "all", root, {4 * GiB, 0, dmem::unlimited});
  const GroupId a = add_group(system, "a", parent, {2 * GiB, 0, dmem::unlimited});
  const GroupId b = add_group(system, "b", parent);
  const BufferId protected_buffer = add_buffer(system, "protected", 2 * GiB, {vram});
  const BufferId rest = add_buffer(system, "rest", 2 * GiB, {vram});
  const BufferId wanted = add_buffer(system, "wanted", 2 * GiB, {vram}, false);
  system.buffers[protected_buffer.index].charged = a;
  system.buffers[rest.index].charged = b;
  PickVictim pick;
  pick.region = vram;
  pick.for_buffer = wanted;
  pick.force = true;
  system.threads = {thread({step(pick), step(Relocate{protected_buffer, {}, pick})}, ThreadKind::ioctl, system)};
  system.threads[0].program[0].next = {1, 2, 2, 2};
  system.threads[0].group = b;
  return system;
}

std::vector<std::string> keeps(const System& system) {
  const auto& move = std::get<Relocate>(system.threads[0].program[1].action);
  return what_keeps(system, initial_state(system), ThreadId{0}, *move.chosen_by, move.buffer);
}

TEST_CASE("which settings would have kept a victim is tried, not guessed") {
  const std::string max = "dmem.max of group 'b' at 2 GiB";
  // Below the root no min counts; a common group makes the one there is count.
  CHECK(
      keeps(two_groups(false, dmem::Kernel::v7_3)) ==
      std::vector<std::string>{"a common group, other than the root, above both with the sum of their dmem.min", max});
  // With less than it uses, it has to be raised.
  System small = two_groups(true, dmem::Kernel::v7_3);
  small.groups[2].limits[0].min = GiB;
  CHECK(keeps(small) == std::vector<std::string>{"dmem.min of group 'a' at 2 GiB", max,
                                                 "dmem.low of group 'a' at 2 GiB as long as there is anything else"});
  // A parent that passes on too little has to be raised as well; counted from the root, as before 7.3.
  System nested = two_groups(true, dmem::Kernel::v7_2);
  nested.groups[1].limits[0].min = GiB;
  CHECK(keeps(nested) == std::vector<std::string>{"dmem.min of group 'all' at 2 GiB", max});
  // Where there is room, a larger limit of whoever asks is enough.
  System own = two_groups(true, dmem::Kernel::v7_3);
  own.regions[0].capacity = 8 * GiB;
  own.groups[3].limits[0].max = 3 * GiB;
  const std::vector<std::string> settings = keeps(own);
  CHECK(std::ranges::find(settings, "dmem.max of group 'b' at 4 GiB") != settings.end());
  // What is charged to the root has no settings.
  System charged_to_root = two_groups(true, dmem::Kernel::v7_3);
  charged_to_root.buffers[0].charged = GroupId{};
  CHECK(keeps(charged_to_root).empty());
}

std::string denial(const System& system) {
  const auto result = why_denied(system, initial_state(system), ThreadId{0}, BufferId{2}, vram);
  return result ? result->why : "";
}

TEST_CASE("why an allocation gets no memory") {
  System system = two_groups(true, dmem::Kernel::v7_3);
  CHECK(denial(system) == "although 'rest' may be evicted");
  system.buffers[1].pins = 1;
  CHECK(denial(system) == "because 2 GiB are pinned and the rest is protected");
  system.buffers[0].pins = 1;
  CHECK(denial(system) == "because all of the 4 GiB in use there are pinned");
  system.buffers[0].pins = system.buffers[1].pins = 0;
  system.swap = false;
  CHECK(denial(system) ==
        "because what others have there cannot go anywhere: there is no swap, and no other placement "
        "with room");
  System with_gtt = system;  // where another buffer has all the room
  add_region(with_gtt, "gtt", 2 * GiB);
  for (Group& group : with_gtt.groups) group.limits.resize(with_gtt.regions.size());
  for (Buffer& buffer : with_gtt.buffers) buffer.placements = {vram, gtt};
  add_buffer(with_gtt, "there", 2 * GiB, {gtt});
  CHECK(denial(with_gtt) == denial(system));
  system.swap = true;
  system.buffers[0].place = {};
  CHECK(denial(system) == "although it would fit by now: others made room while it looked for buffers to evict");
  system.buffers[2].size = 8 * GiB;
  CHECK(denial(system).empty());  // it never fits
}

TEST_CASE("a buffer whose group is within its protection is evicted: below the root from 7.3 on") {
  CHECK(found(two_groups(false, dmem::Kernel::v7_3)) == Names{"isolation: buffer 'protected'"});
  CHECK(found(two_groups(true, dmem::Kernel::v7_3)).empty());
}

TEST_CASE("a buffer that was asked to stay leaves the best of its placements") {
  for (const bool keep : {true, false}) {
    UserQueue queue(AddressSpaceMode::preempt_fence, 0);
    queue.system.buffers[queue.bo.index].keep = keep;
    queue.system.threads = {thread({step(Unmap{queue.bo}), step(Relocate{queue.bo, gtt})})};
    CHECK(found(queue.system) == (keep ? Names{"isolation: buffer 'bo'"} : Names{}));
    queue.system.threads = {thread({step(Unmap{queue.bo}), step(Relocate{queue.bo, vram})})};
    CHECK(found(queue.system).empty());
  }
}

// Denials.

std::vector<Incident> denial(System system, BufferId wanted, const Thread& who) {
  system.threads = {thread({step(Deny{wanted})}, ThreadKind::ioctl, system)};
  system.threads[0].group = who.group;
  system.threads[0].space = who.space;
  const State before = initial_state(system);
  const Move move{ThreadId{0}, 0, false};
  return incidents(system, before, move, after(system, before, move));
}

TEST_CASE("an allocation is denied because others have pinned what it needs") {
  System system;
  add_region(system, "vram", 4 * GiB);
  const BufferId hog = add_buffer(system, "hog", 3 * GiB, {vram});
  const BufferId wanted = add_buffer(system, "wanted", 2 * GiB, {vram}, false);
  system.buffers[hog.index].pins = 1;
  const auto starved = denial(system, wanted, {});
  REQUIRE(starved.size() == 1);
  CHECK(starved[0].kind == FindingKind::starvation);
  CHECK(starved[0].about.find("in 'vram', ") == 0);  // without amounts: it is part of the fingerprint
  CHECK(starved[0].about.find("GiB") == std::string::npos);
  CHECK(starved[0].what.find("pinned") != std::string::npos);

  Thread owner;  // the hog is its own
  owner.space = add_space(system, AddressSpaceMode::dma_fence, {hog, wanted});
  CHECK(denial(system, wanted, owner).empty());

  system.buffers[wanted.index].size = 5 * GiB;  // never fits
  CHECK(denial(system, wanted, {}).empty());
}

TEST_CASE("an allocation is denied at a max that others share, not at its own") {
  for (const bool shared : {true, false}) {
    System system;
    add_region(system, "vram", 8 * GiB, true);
    const GroupId root = add_group(system, "root");
    const GroupId all = add_group(system, "all", root, {0, 0, shared ? 4 * GiB : dmem::unlimited});
    const GroupId a = add_group(system, "a", all, {0, 0, shared ? dmem::unlimited : 4 * GiB});
    const GroupId b = add_group(system, "b", all);
    const BufferId one = add_buffer(system, "one", 3 * GiB, {vram});
    const BufferId wanted = add_buffer(system, "wanted", 2 * GiB, {vram}, false);
    system.buffers[one.index].charged = shared ? b : a;
    system.buffers[one.index].pins = 1;
    Thread who;
    who.group = a;
    CHECK(denial(system, wanted, who).size() == (shared ? 1 : 0));
  }
}

TEST_CASE("why an allocation is denied is told as it is") {
  System system;
  add_region(system, "vram", 4 * GiB);
  const BufferId other = add_buffer(system, "other", 3 * GiB, {vram});
  const BufferId wanted = add_buffer(system, "wanted", 2 * GiB, {vram}, false);
  const auto says = [&](const std::string& what) {
    const auto all = denial(system, wanted, {});
    REQUIRE(all.size() == 1);
    INFO(all[0].what);
    CHECK(all[0].what.find(what) != std::string::npos);
    CHECK(all[0].what.find("its lock is held") == std::string::npos);
  };
  says("although 'other' may be evicted");
  system.buffers[other.index].pins = 1;
  says("all of the 3 GiB in use there are pinned");
}

// Replay.

TEST_CASE("a schedule that does not end in the incident is refuted") {
  UserQueue queue;
  queue.system.threads = {thread({step(Unmap{queue.bo}), step(Relocate{queue.bo, gtt})}), thread({step(TakeTicket{})})};
  ExploreOptions options;
  options.incidents = true;
  const Exploration seen = explore(queue.system, initial_state(queue.system), options);
  REQUIRE(seen.incidents.size() == 1);
  const auto& [incident, way] = seen.incidents.front();
  CHECK_FALSE(replay_incident(queue.system, way, incident));
  CHECK(replay_incident(queue.system, {}, incident));  // too short
  auto longer = way;
  longer.push_back({ThreadId{1}, 0, false});  // it was the move before
  CHECK(replay_incident(queue.system, longer, incident));
  auto impossible = way;
  impossible.push_back({ThreadId{0}, 7, false});
  CHECK(replay_incident(queue.system, impossible, incident));
  Incident another = incident;
  another.subject = "user queue 'other'";
  CHECK(replay_incident(queue.system, way, another));
  another = incident;
  another.kind = FindingKind::job_killed;
  CHECK(replay_incident(queue.system, way, another));
}

TEST_CASE("a lost wakeup is one only when everything is over, timers too") {
  UserQueue queue;
  queue.system.fences = {{"late", FenceKind::user, true, {}}};
  queue.system.threads = {thread({UserQueue::gate(0)})};
  const std::vector<Move> way{{ThreadId{0}, 0, false}};
  const State last = after(queue.system, initial_state(queue.system), way.front());
  const std::vector<Incident> lost = incidents_at_rest(queue.system, last);
  REQUIRE(lost.size() == 1);
  CHECK_FALSE(replay_incident(queue.system, way, lost.front()));
  System with_timer = queue.system;
  with_timer.threads.push_back(thread({step(Expire{FenceId{0}})}, ThreadKind::timer));
  CHECK(replay_incident(with_timer, way, lost.front()));
  System goes_on = queue.system;
  goes_on.threads.push_back(thread({UserQueue::gate(1)}));
  CHECK(replay_incident(goes_on, way, lost.front()));
}

}  // namespace
}  // namespace fencecheck
