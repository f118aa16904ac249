// Systems of a few steps, built by hand, and how to walk through them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/model/state.hpp"
#include "graph/model/system.hpp"
#include "tests/catch.hpp"

namespace fencecheck::test {

inline Step step(Action action, Cause cause = Cause::explicit_sync) {
  Step result;
  result.action = std::move(action);
  result.cause = cause;
  return result;
}

// Steps one after the other; a branching step leads on along all its branches.
inline Thread thread(std::vector<Step> steps, ThreadKind kind = ThreadKind::worker, const System& system = {}) {
  Thread result;
  result.name = "t";
  result.kind = kind;
  for (StepIndex i = 0; i < steps.size(); ++i) steps[i].next.assign(successors(system, steps[i].action), i + 1);
  result.program = std::move(steps);
  return result;
}

// A work item of a queue: these steps between Begin and Finish, as often as it is queued.
inline Thread work(std::string name, QueueId queue, std::vector<Step> steps, const System& system = {}) {
  steps.insert(steps.begin(), step(Begin{}, Cause::scheduling));
  steps.push_back(step(Finish{}));
  Thread result = thread(std::move(steps), ThreadKind::worker, system);
  result.name = std::move(name);
  result.queue = queue;
  result.program.back().next.assign(1, 0);
  return result;
}

inline bool can(const System& system, const State& state, std::uint32_t thread, std::uint32_t branch = 0) {
  return possible(system, state, {ThreadId{thread}, branch, false});
}

inline State go(const System& system, State state, std::uint32_t thread, std::uint32_t branch = 0) {
  const Move move{ThreadId{thread}, branch, false};
  REQUIRE(possible(system, state, move));
  return after(system, std::move(state), move);
}

// Memory.

inline constexpr std::uint64_t GiB = std::uint64_t{1} << 30U;

inline RegionId add_region(System& system, std::string name, std::uint64_t capacity = dmem::unlimited,
                           bool accounted = false) {
  const ReservationId departures{static_cast<std::uint32_t>(system.reservations.size())};
  system.reservations.push_back({name + " departures", {}});
  system.regions.push_back({std::move(name), capacity, accounted, departures, {}});
  return {static_cast<std::uint32_t>(system.regions.size() - 1)};
}

// With a lock and a reservation object of its own, both with the buffer's name.
inline BufferId add_buffer(System& system, std::string name, std::uint64_t size, std::vector<RegionId> placements,
                           bool resident = true) {
  Buffer buffer;
  buffer.lock = {static_cast<std::uint32_t>(system.locks.size())};
  buffer.reservation = {static_cast<std::uint32_t>(system.reservations.size())};
  system.locks.push_back({name, LockKind::ww, {}});
  system.reservations.push_back({name, {}, buffer.lock});
  buffer.name = std::move(name);
  buffer.size = size;
  if (resident) buffer.place = placements.front();
  buffer.placements = std::move(placements);
  system.buffers.push_back(std::move(buffer));
  return {static_cast<std::uint32_t>(system.buffers.size() - 1)};
}

// A control group with these limits in the one region there is; the first one is the root.
inline GroupId add_group(System& system, std::string name, std::optional<GroupId> parent = {},
                         dmem::Limits limits = {}) {
  system.groups.push_back({std::move(name), parent, {limits}, {}});
  return {static_cast<std::uint32_t>(system.groups.size() - 1)};
}

inline AddressSpaceId add_space(System& system, AddressSpaceMode mode, std::vector<BufferId> buffers) {
  system.spaces.push_back({"vm", mode, std::move(buffers), true, true, {}});
  return {static_cast<std::uint32_t>(system.spaces.size() - 1)};
}

// A user queue that may touch the memory of its address space while its gate, the variable, is not 0.
inline HardwareUseId add_user_queue(System& system, std::string name, AddressSpaceId space, std::int64_t open = 1) {
  const VariableId gate{static_cast<std::uint32_t>(system.variables.size())};
  system.variables.push_back({name, open, {}});
  system.uses.push_back({std::move(name), space, gate, {}, 0, 0, {}});
  return {static_cast<std::uint32_t>(system.uses.size() - 1)};
}

}  // namespace fencecheck::test
