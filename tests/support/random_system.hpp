// Small random systems of the core calculus, loops included: programs that no
// scenario lowers to yet. The same seed makes the same system on every machine.
#pragma once

#include <cstdint>

#include "graph/model/system.hpp"

namespace fencecheck::test {

// Passes check_system, and has finitely many states.
[[nodiscard]] System random_system(std::uint64_t seed);

// As these, with buffers, cgroups, hardware, work items and fences made anew.
[[nodiscard]] System random_memory_system(std::uint64_t seed);

}  // namespace fencecheck::test
