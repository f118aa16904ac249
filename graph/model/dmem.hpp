// Device-memory cgroups: the arithmetic.
#pragma once

#include <cstdint>

namespace fencecheck::dmem {

inline constexpr std::uint64_t unlimited = UINT64_MAX;
struct Limits {
  std::uint64_t min = 0;
  std::uint64_t low = 0;
  std::uint64_t max = unlimited;
  friend bool operator==(const Limits&, const Limits&) = default;
};
enum class Kernel : std::uint8_t { v7_0, v7_2, v7_3 };

}  // namespace fencecheck::dmem
