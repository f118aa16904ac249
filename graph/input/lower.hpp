// From a scenario to the core calculus.
//
// Resolves names and replaces every kernel construct by the steps that it
// stands for: a submission locks reservations, collects dependencies, publishes
// and attaches its fence and pushes a job; an allocation may run the shrinkers
// in the thread that allocates, or evict. docs/semantics.md lists each lowering.
#pragma once

#include <memory>
#include <optional>

#include "graph/input/scenario.hpp"
#include "graph/model/source.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// The system that a scenario stands for; nothing if it contradicts itself, with
// every contradiction and unknown name in `diagnostics`. What is declared and
// never used is a warning. O(steps of the expanded programs).
[[nodiscard]] std::optional<System> lower(const Scenario& scenario, Diagnostics& diagnostics);

}  // namespace fencecheck
