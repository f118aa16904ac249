// Memory: who gets it, who loses it, and what the page tables show; on systems of a few buffers.
#include "graph/model/memory.hpp"

#include "tests/catch.hpp"
#include "tests/support/small_systems.hpp"

namespace fencecheck {
namespace {

using namespace test;
using dmem::Next;

constexpr RegionId vram{0};
constexpr RegionId gtt{1};

// A region of 4 GiB, and one that never fills up.
System two_regions(bool accounted = false) {
  System system;
  add_region(system, "vram", 4 * GiB, accounted);
  add_region(system, "gtt");
  return system;
}

std::vector<std::uint32_t> indices(const std::vector<BufferId>& buffers) {
  std::vector<std::uint32_t> result;
  for (const BufferId buffer : buffers) result.push_back(buffer.index);
  return result;
}

PickVictim victim_for(BufferId buffer) {
  PickVictim pick;
  pick.region = vram;
  pick.for_buffer = buffer;
  pick.force = true;
  return pick;
}

TEST_CASE("an allocation takes room, evicts if it is forced to, or goes elsewhere") {
  System system = two_regions();
  add_buffer(system, "old", 3 * GiB, {vram});
  const BufferId fits = add_buffer(system, "fits", 1 * GiB, {vram, gtt}, false);
  const BufferId large = add_buffer(system, "large", 2 * GiB, {vram, gtt}, false);
  system.threads = {thread({step(Allocate{fits, vram, false})}, ThreadKind::ioctl, system),
                    thread({step(Allocate{large, vram, false})}, ThreadKind::ioctl, system),
                    thread({step(Allocate{large, vram, true})}, ThreadKind::ioctl, system)};
  const State state = initial_state(system);
  CHECK(can(system, state, 0, 0));
  CHECK_FALSE(can(system, state, 0, 1));
  CHECK(can(system, state, 1, 2));
  CHECK_FALSE(can(system, state, 1, 0));
  CHECK(can(system, state, 2, 1));
  const State full = go(system, state, 0, 0);
  CHECK(occupied(system, full, vram) == 4 * GiB);
  CHECK_FALSE(has_room(system, full, vram, 1));
}

TEST_CASE("a buffer that is in one of its placements needs no memory, not even where it is not") {
  System system = two_regions();
  add_buffer(system, "full", 4 * GiB, {vram});
  const BufferId bo = add_buffer(system, "bo", 1 * GiB, {gtt, vram});
  system.threads = {thread({step(Allocate{bo, vram, false})}, ThreadKind::ioctl, system)};
  const State state = go(system, initial_state(system), 0, 0);
  CHECK(state.memory.places[bo.index] == gtt);
}

TEST_CASE("memory in a place that does not suit is given up, and the page tables with it") {
  System system = two_regions();
  const BufferId bo = add_buffer(system, "bo", 1 * GiB, {vram});
  system.buffers[bo.index].place = gtt;
  add_space(system, AddressSpaceMode::dma_fence, {bo});
  system.threads = {thread({step(Allocate{bo, vram, false})}, ThreadKind::ioctl, system)};
  State state = initial_state(system);
  CHECK(state.memory.mapped[0][0]);
  state = go(system, state, 0, 0);
  CHECK(state.memory.places[bo.index] == vram);
  CHECK_FALSE(state.memory.mapped[0][0]);
}

TEST_CASE("victims are in the region, not pinned, not locked, and can go somewhere") {
  System system = two_regions();
  const BufferId wanted = add_buffer(system, "wanted", 2 * GiB, {vram}, false);
  const BufferId plain = add_buffer(system, "plain", 1 * GiB, {vram, gtt});
  const BufferId pinned = add_buffer(system, "pinned", 1 * GiB, {vram, gtt});
  const BufferId no_way_out = add_buffer(system, "no way out", 1 * GiB, {vram});
  add_buffer(system, "elsewhere", 1 * GiB, {gtt});
  system.buffers[pinned.index].pins = 1;
  system.swap = false;
  system.threads = {thread({step(Acquire{system[plain].lock}, Cause::lock), step(Release{system[plain].lock})}),
                    thread({step(Pin{pinned, -1}), step(Pin{pinned, 1})})};
  const ThreadId self{1};
  State state = initial_state(system);
  PickVictim pick = victim_for(wanted);
  CHECK(indices(victims(system, state, self, pick)) == std::vector{plain.index});

  System with_swap = system;
  with_swap.swap = true;
  CHECK(indices(victims(with_swap, state, self, pick)) == std::vector{plain.index, no_way_out.index});

  CHECK(indices(victims(system, go(system, state, 1), self, pick)) == std::vector{plain.index, pinned.index});

  state = go(system, state, 0);  // locked by another
  CHECK(victims(system, state, self, pick).empty());
  pick.locking = VictimLocking::ticket;
  CHECK(indices(victims(system, state, self, pick)) == std::vector{plain.index});
  CHECK(victims(system, state, ThreadId{0}, pick).empty());  // by itself
}

TEST_CASE("an address space that spares itself evicts only others") {
  System system = two_regions();
  const BufferId wanted = add_buffer(system, "wanted", 2 * GiB, {vram}, false);
  const BufferId own = add_buffer(system, "own", 2 * GiB, {vram, gtt});
  const BufferId other = add_buffer(system, "other", 2 * GiB, {vram, gtt});
  const AddressSpaceId vm = add_space(system, AddressSpaceMode::dma_fence, {wanted, own});
  system.threads = {thread({step(TakeTicket{})})};
  system.threads[0].space = vm;
  const State state = initial_state(system);
  CHECK(indices(victims(system, state, ThreadId{0}, victim_for(wanted))) == std::vector{own.index, other.index});
  system.spaces[0].evicts_own = false;
  CHECK(indices(victims(system, state, ThreadId{0}, victim_for(wanted))) == std::vector{other.index});
}

TEST_CASE("picking with trylock takes the victim's lock, with a ticket it leaves it") {
  for (const auto locking : {VictimLocking::trylock, VictimLocking::ticket}) {
    System system = two_regions();
    const BufferId wanted = add_buffer(system, "wanted", 2 * GiB, {vram}, false);
    const BufferId victim = add_buffer(system, "victim", 4 * GiB, {vram, gtt});
    PickVictim pick = victim_for(wanted);
    pick.locking = locking;
    system.threads = {thread({step(pick, Cause::lock)}, ThreadKind::ioctl, system)};
    State state = initial_state(system);
    CHECK_FALSE(can(system, state, 0, 2));  // nobody
    state = go(system, state, 0, victim.index);
    CHECK(state.locks[system[victim].lock.index].owner.has_value() == (locking == VictimLocking::trylock));
  }
}

// Groups: the root, `all` below it, `a` with 2 GiB low, `b`. 4 GiB of memory, all in use: 2 by b, 1 by a, 1 by a
// buffer that a group of its own protects.
struct Protected {
  System system = two_regions(true);
  GroupId a, b, c;
  BufferId wanted, of_a, of_b, of_c;
  Protected() {
    const GroupId root = add_group(system, "root");
    const GroupId all = add_group(system, "all", root, {0, 4 * GiB, dmem::unlimited});
    a = add_group(system, "a", all, {0, 2 * GiB, dmem::unlimited});
    b = add_group(system, "b", all);
    c = add_group(system, "c", all, {0, 1 * GiB, dmem::unlimited});
    for (Group& group : system.groups) group.limits.resize(2);
    wanted = add_buffer(system, "wanted", 1 * GiB, {vram, gtt}, false);
    of_a = add_buffer(system, "of a", 1 * GiB, {vram, gtt});
    of_b = add_buffer(system, "of b", 2 * GiB, {vram, gtt});
    of_c = add_buffer(system, "of c", 1 * GiB, {vram, gtt});
    system.buffers[of_a.index].charged = a;
    system.buffers[of_b.index].charged = b;
    system.buffers[of_c.index].charged = c;
    system.threads = {thread({step(Allocate{wanted, vram, false})}, ThreadKind::ioctl, system),
                      thread({step(Relocate{of_b, gtt}), step(Relocate{of_b, vram})})};
    system.threads[0].group = a;
  }
};

TEST_CASE("who is protected by low evicts only the unprotected, whatever the pass") {
  Protected p;
  PickVictim pick = victim_for(p.wanted);
  pick.force = false;
  const State state = initial_state(p.system);
  CHECK(attempt(p.system, state, ThreadId{0}, {p.wanted, vram, false}) == Next::evict);
  CHECK(indices(victims(p.system, state, ThreadId{0}, pick)) == std::vector{p.of_b.index});
  pick.ignore_low = true;
  CHECK(victims(p.system, state, ThreadId{0}, pick).empty());
  pick.force = true;
  CHECK(indices(victims(p.system, state, ThreadId{0}, pick)) == std::vector{p.of_a.index, p.of_b.index, p.of_c.index});
}

TEST_CASE("room that others make meanwhile does not widen the choice of victims") {
  Protected p;
  PickVictim pick = victim_for(p.wanted);
  pick.force = false;
  const State room = go(p.system, initial_state(p.system), 1);
  CHECK(attempt(p.system, room, ThreadId{0}, {p.wanted, vram, false}) == Next::succeed);
  CHECK(victims(p.system, room, ThreadId{0}, pick).empty());
  pick.ignore_low = true;
  CHECK(victims(p.system, room, ThreadId{0}, pick).empty());
}

TEST_CASE("a max below usage takes effect from 7.3 on, and the counters bear it") {
  for (const auto kernel : {dmem::Kernel::v7_2, dmem::Kernel::v7_3}) {
    Protected p;
    p.system.kernel = kernel;
    p.system.threads[1] = thread({step(SetLimit{p.b, vram, 1 * GiB})});
    PickVictim pick;
    pick.region = vram;
    pick.over_limit = p.b;
    State state = initial_state(p.system);
    CHECK(victims(p.system, state, ThreadId{1}, pick).empty());
    state = go(p.system, state, 1);
    CHECK(usage(p.system, state, p.b, vram) == 2 * GiB);
    const bool effective = kernel == dmem::Kernel::v7_3;
    CHECK(state.memory.maximum[p.b.index][0] == (effective ? 1 * GiB : dmem::unlimited));
    CHECK(indices(victims(p.system, state, ThreadId{1}, pick)) ==
          (effective ? std::vector{p.of_b.index} : std::vector<std::uint32_t>{}));
  }
}

TEST_CASE("a buffer moves where there is room, else to system memory, page tables do not follow") {
  System system = two_regions();
  const BufferId bo = add_buffer(system, "bo", 3 * GiB, {vram, gtt});
  const BufferId large = add_buffer(system, "large", 2 * GiB, {gtt, vram});
  add_space(system, AddressSpaceMode::dma_fence, {bo, large});
  system.threads = {thread({step(Relocate{bo, vram}), step(Relocate{large, vram}), step(Relocate{bo, {}})})};
  State state = go(system, initial_state(system), 0);
  CHECK(state.memory.places[bo.index] == vram);
  state = go(system, state, 0);
  CHECK_FALSE(state.memory.places[large.index].has_value());
  state = go(system, state, 0);
  CHECK_FALSE(state.memory.places[bo.index].has_value());
  CHECK(state.memory.mapped[0][0]);
}

TEST_CASE("only what has memory can be mapped") {
  System system = two_regions();
  const BufferId bo = add_buffer(system, "bo", 1 * GiB, {vram});
  const AddressSpaceId vm = add_space(system, AddressSpaceMode::dma_fence, {bo});
  for (const std::optional<RegionId> to : {std::optional(gtt), std::optional<RegionId>()}) {
    system.threads = {thread({step(Unmap{bo}), step(Relocate{bo, to}), step(Map{vm, bo})})};
    State state = initial_state(system);
    for (int i = 0; i < 3; ++i) state = go(system, state, 0);
    CHECK(state.memory.mapped[0][0] == to.has_value());
  }
}

TEST_CASE("unmapping kills hardware that nothing can stop, if it runs and the buffer is mapped") {
  for (const auto mode : {AddressSpaceMode::no_preemption, AddressSpaceMode::preempt_fence}) {
    for (const std::int64_t open : {0, 1}) {
      System system = two_regions();
      const BufferId bo = add_buffer(system, "bo", 1 * GiB, {vram});
      const HardwareUseId ring = add_user_queue(system, "ring", add_space(system, mode, {bo}), open);
      system.threads = {thread({step(Unmap{bo}), step(Assign{VariableId{0}, 1})})};
      State state = go(system, initial_state(system), 0);
      const bool killed = mode == AddressSpaceMode::no_preemption && open != 0;
      CHECK(state.memory.killed[ring.index] == killed);
      CHECK(runs(system, go(system, state, 0), ring) == !killed);
    }
  }
}

TEST_CASE("what is moved or evicted leaves from where it is by then, unless it is pinned or can go nowhere") {
  System system = two_regions();
  const BufferId bo = add_buffer(system, "bo", 1 * GiB, {vram, gtt});
  system.threads = {thread({step(Pin{bo, 1})})};
  State state = initial_state(system);
  constexpr std::uint32_t in_vram = 0;
  constexpr std::uint32_t in_gtt = 1;
  constexpr std::uint32_t nowhere = 2;
  constexpr std::uint32_t stays = 3;
  CHECK(whereabouts(system, state, {bo, {}}) == in_vram);
  CHECK(whereabouts(system, state, {bo, gtt}) == in_vram);
  CHECK(whereabouts(system, state, {bo, vram}) == stays);
  const State pinned = go(system, state, 0);
  CHECK(whereabouts(system, pinned, {bo, {}}) == stays);
  CHECK(whereabouts(system, pinned, {bo, gtt}) == stays);
  state.memory.places[bo.index] = gtt;
  CHECK(whereabouts(system, state, {bo, {}}) == in_gtt);
  CHECK(whereabouts(system, state, {bo, vram}) == in_gtt);
  system.swap = false;
  CHECK(whereabouts(system, state, {bo, {}}) == stays);  // gtt is its last placement
  CHECK(whereabouts(system, state, {bo, vram}) == in_gtt);
  system.regions[vram.index].capacity = GiB / 2;
  CHECK(whereabouts(system, state, {bo, vram}) == stays);
  system.swap = true;
  state.memory.places[bo.index].reset();
  CHECK(whereabouts(system, state, {bo, {}}) == stays);
  CHECK(whereabouts(system, state, {bo, vram}) == nowhere);
}

TEST_CASE("without swap memory stays where it is if others took the room that it was to have") {
  System system;
  add_region(system, "vram", 4 * GiB);
  add_region(system, "gtt", 1 * GiB);
  const BufferId bo = add_buffer(system, "bo", 2 * GiB, {vram, gtt});
  system.threads = {thread({step(Relocate{bo, gtt})})};
  CHECK_FALSE(go(system, initial_state(system), 0).memory.places[bo.index]);
  system.swap = false;
  CHECK(go(system, initial_state(system), 0).memory.places[bo.index] == vram);
}

TEST_CASE("a copy takes away the page tables' entries that lead to the old memory, and no others") {
  System system;
  add_region(system, "vram", 4 * GiB);
  add_region(system, "gtt", 4 * GiB);
  const BufferId bo = add_buffer(system, "bo", 2 * GiB, {vram, gtt});
  const AddressSpaceId space = add_space(system, AddressSpaceMode::dma_fence, {bo});
  system.spaces[space.index].mapped = true;
  const Unmap after_copy{bo, std::nullopt, true};  // by the copy, which is this thread here
  for (const bool mapped_again : {false, true}) {
    std::vector<Step> steps{step(Relocate{bo, gtt, std::nullopt, ThreadId{0}})};
    if (mapped_again) steps.push_back(step(Map{space, bo}));
    steps.push_back(step(after_copy));
    system.threads = {thread(std::move(steps))};
    State state = go(system, initial_state(system), 0);
    CHECK(state.memory.mapped[0][0]);
    CHECK(state.memory.old[0][0]);
    if (mapped_again) state = go(system, state, 0);
    CHECK(state.memory.old[0][0] != mapped_again);
    state = go(system, state, 0);
    CHECK(state.memory.mapped[0][0] == mapped_again);
    CHECK_FALSE(state.memory.old[0][0]);
  }
}

TEST_CASE("a reserved slot is needed unless an entry can be replaced") {
  System system;
  for (const std::uint32_t point : {1U, 2U, 3U}) {
    Fence fence{"f" + std::to_string(point), FenceKind::kernel, true, {}};
    fence.context = point < 3 ? 7 : 0;
    fence.point = point;
    system.fences.push_back(fence);
  }
  system.reservations = {{"bo", {}}};
  system.reservations[0].counted = true;
  system.reservations[0].attached = {{FenceId{0}, Usage::write}};
  system.threads = {thread({step(Signal{{FenceId{0}}})})};
  const State state = initial_state(system);
  const ReservationId bo{0};
  CHECK_FALSE(needs_slot(system, state, {bo, FenceId{1}, Usage::write}));  // later in the same context
  CHECK_FALSE(needs_slot(system, state, {bo, FenceId{1}, Usage::kernel}));
  CHECK(needs_slot(system, state, {bo, FenceId{1}, Usage::bookkeep}));  // would make it weaker
  CHECK(needs_slot(system, state, {bo, FenceId{2}, Usage::write}));     // of another
  CHECK_FALSE(needs_slot(system, go(system, state, 0), {bo, FenceId{2}, Usage::write}));
  system.reservations[0].counted = false;
  CHECK_FALSE(needs_slot(system, state, {bo, FenceId{2}, Usage::write}));
}

}  // namespace
}  // namespace fencecheck
