// How much the tests do that could go on for ever.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace fencecheck::test {

// The number of random scenarios of a test, and the measure of what else grows without end: 400, or what
// FENCECHECK_SEEDS says. Sanitizers run with less (tests/CMakeLists.txt), a long search with more.
inline std::uint64_t effort() {
  const char* wanted = std::getenv("FENCECHECK_SEEDS");
  return wanted == nullptr ? 400 : std::strtoull(wanted, nullptr, 10);
}

}  // namespace fencecheck::test
