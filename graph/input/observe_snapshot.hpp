// What follows from a snapshot: who waits for whom, and which rules are broken.
//
// A report of lockdep is a *potential* deadlock: it speaks of classes of locks,
// and nobody hung. A task that the kernel found blocked is *observed*; where a
// cycle closes only through somebody who is taken to signal the fence, it is
// *potential* again, and the finding says so. docs/snapshots.md.
#pragma once

#include "graph/input/observe.hpp"
#include "graph/input/snapshot.hpp"

namespace fencecheck {

// O(reports * tasks + locks).
[[nodiscard]] Observation observe(const Snapshot& snapshot);

}  // namespace fencecheck
