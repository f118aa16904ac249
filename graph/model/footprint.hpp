// What a step reads and writes: the basis of partial-order reduction.
//
// A footprint is a list of uses of *objects*, each of them an independent part
// of a state. Two steps of different threads commute, wherever both may happen,
// unless they use one object in ways that clash. Monotone parts are cheap: to
// raise something (signal a fence, release a lock, return an amount) only opens
// the guards that await it, whatever else happens in between.
//
// Invariant (tests/graph/footprint_test.cpp checks it on random systems): steps
// whose footprints do not clash commute, neither shuts the other, and a guard
// that is shut stays shut until a step opens one of the uses it reads or awaits.
// Timeouts are outside of this: they fire only at rest.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/model/system.hpp"

namespace fencecheck {

// Parts of a state. A lock is two of them, since its release, unlike its
// taking, never disturbs anybody who may go on; pools and queues likewise.
enum class Part : std::uint8_t {
  fence_signalled,  // by FenceId
  fence_published,  // by FenceId
  some_signal,      // of whatever fence: awaited where only the state knows the fences
  lock_taken,       // by LockId
  lock_released,    // by LockId
  variable,         // by VariableId
  pool_taken,       // by PoolId
  pool_returned,    // by PoolId
  job_pushed,       // by ThreadId of the job
  queue_order,      // by QueueId: who was pushed before whom
  queue_begun,      // by QueueId: whose turn it is
  queue_room,       // by QueueId: begun or finished, so that others may begin
  reservation,      // by 4 * ReservationId + Usage
  dependency_set,   // by DependencySetId
  ticket_order,     // one object: who has the youngest ticket
  ticket,           // by LockId: the tickets of the threads that take this lock with one
  request,          // one object: on which fences enable_signaling has been called
  slots,            // by ReservationId
  memory            // one object: where buffers are, who may run on them, limits
};

enum class Access : std::uint8_t {
  read,   // the outcome depends on it: any change disturbs
  write,  // changed in a way that disturbs every other use
  await,  // a guard that raising can only open, never shut
  raise   // changed in a way that commutes with raising by others
};

struct Use {
  Part part = Part::fence_signalled;
  std::uint32_t index = 0;
  Access access = Access::read;
  friend auto operator<=>(const Use&, const Use&) = default;
};

struct Footprint {
  std::vector<Use> uses;
  bool visible = false;  // some execution of the step may be an incident
};

// Do these two uses of one object keep their steps from commuting?
[[nodiscard]] constexpr bool clash(Access a, Access b) {
  if (a == Access::write || b == Access::write) return true;
  return (a == Access::read && b == Access::raise) || (a == Access::raise && b == Access::read);
}

// May a guard that uses an object in the one way be opened by a use in the other way?
[[nodiscard]] constexpr bool may_open(Access guard, Access other) {
  return (guard == Access::read || guard == Access::await) && (other == Access::write || other == Access::raise);
}

// What an ordinary move of this thread by this step may use, whichever branch it
// takes, while `causes` make somebody wait. O(uses).
[[nodiscard]] Footprint footprint(const System& system, ThreadId thread, const Step& step, Causes causes);

}  // namespace fencecheck
