// Dining philosophers: each takes the fork on the left, then that on the right,
// gives back the left one, then the right one, and begins again.
#pragma once

#include <cstdint>
#include <string>

#include "graph/model/system.hpp"

namespace fencecheck::test {

// The last one may be left-handed: then nobody can starve the others.
inline System philosophers(std::uint32_t count, bool one_left_handed) {
  System system;
  for (std::uint32_t i = 0; i < count; ++i) {
    system.locks.push_back({"fork" + std::to_string(i), LockKind::mutex, {}});
    LockId first{i};
    LockId second{(i + 1) % count};
    if (one_left_handed && i + 1 == count) std::swap(first, second);
    Thread thread;
    thread.name = "philosopher" + std::to_string(i);
    thread.kind = ThreadKind::worker;
    StepIndex next = 0;
    for (const Action& action :
         {Action{Acquire{first}}, Action{Acquire{second}}, Action{Release{first}}, Action{Release{second}}}) {
      Step step;
      step.action = action;
      step.cause = Cause::lock;
      step.next = {++next % 4};
      thread.program.push_back(std::move(step));
    }
    system.threads.push_back(std::move(thread));
  }
  return system;
}

}  // namespace fencecheck::test
