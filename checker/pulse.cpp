#include "checker/pulse.hpp"

#include <fmt/format.h>

#include "checker/interrupt.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

Pulse::~Pulse() {
  if (states_shown_ != 0) budget_.progress("");
}

std::string Pulse::beat(const Progress& progress) {
  if (progress.states > max_states_) return fmt::format("the limit of {} was reached", quantity(max_states_, "state"));
  if (interrupted()) return "interrupted";
  if (budget_.memory && progress.bytes + progress.bytes_wanted > *budget_.memory)
    return "the memory limit was reached (--memory)";
  const auto now = std::chrono::steady_clock::now();
  if (budget_.deadline && now >= *budget_.deadline) return "the time limit was reached (--timeout)";
  if (budget_.progress && now - shown_ >= std::chrono::milliseconds(500)) {
    const double seconds = std::chrono::duration<double>(now - shown_).count();
    budget_.progress(fmt::format("{} states, depth {}, {:.0f} states/s, {} MB", progress.states, progress.depth,
                                 static_cast<double>(progress.states - states_shown_) / seconds,
                                 progress.bytes >> 20U));
    shown_ = now;
    states_shown_ = progress.states;
  }
  return {};
}

}  // namespace fencecheck
