// Long work on states: when it has to stop, and what it shows meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "checker/budget.hpp"

namespace fencecheck {

class Pulse {
 public:
  // The budget outlives the pulse.
  Pulse(const Budget& budget, std::uint64_t max_states) : budget_(budget), max_states_(max_states) {}
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  struct Progress {
    std::uint64_t states = 0;
    std::uint64_t depth = 0;
    std::uint64_t bytes = 0;         // in use
    std::uint64_t bytes_wanted = 0;  // on top of them, for the next step
  };

  // Why the work has to stop now; empty: go on. To be called for each state:
  // shows progress now and then.
  [[nodiscard]] std::string beat(const Progress& progress);

 private:
  const Budget& budget_;
  std::uint64_t max_states_;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
  std::uint64_t states_shown_ = 0;
};

}  // namespace fencecheck
