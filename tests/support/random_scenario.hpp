// Small random scenarios: the same seed makes the same scenario on every machine.
#pragma once

#include <cstdint>

#include "graph/input/scenario.hpp"

namespace fencecheck::test {

// Always lowers without errors. Sized so that every reachable state can be visited.
[[nodiscard]] Scenario random_scenario(std::uint64_t seed);

// The same of binds, syncobjs, and jobs that rely on what is bound.
[[nodiscard]] Scenario random_bind_scenario(std::uint64_t seed);

}  // namespace fencecheck::test
