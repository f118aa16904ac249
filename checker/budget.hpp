// How much time and memory an answer may take, and what it may do to save them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "graph/model/engine.hpp"

namespace fencecheck {

struct Budget {
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::optional<std::uint64_t> memory;  // bytes
  Engine engine = Engine::automatic;
  bool reductions = true;                            // false: every engine works on the whole problem
  std::function<void(const std::string&)> progress;  // shows a line that says how far the work is; may be empty
  [[nodiscard]] bool out_of_time() const { return deadline && std::chrono::steady_clock::now() >= *deadline; }
};

}  // namespace fencecheck
