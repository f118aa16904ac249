// How much time and memory an answer may take.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace fencecheck {

struct Budget {
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::optional<std::uint64_t> memory;  // bytes
  [[nodiscard]] bool out_of_time() const { return deadline && std::chrono::steady_clock::now() >= *deadline; }
};

// Set by the signal handler: long work stops at the next opportunity.
[[nodiscard]] bool interrupted();
void request_interrupt();

}  // namespace fencecheck
