// Facts about a thread's control-flow graph that hold on every way through it.
#pragma once

#include <optional>
#include <vector>

#include "graph/model/system.hpp"

namespace fencecheck {

struct HeldLock {
  LockId lock;
  bool shared = false;
  bool with_ticket = false;
  StepIndex since = 0;  // the step that took it
  friend bool operator==(const HeldLock& a, const HeldLock& b) {
    return a.lock == b.lock && a.shared == b.shared && a.with_ticket == b.with_ticket;
  }
};

struct ControlFlow {
  std::vector<std::vector<std::pair<StepIndex, std::uint32_t>>> predecessors;  // of each step and the end: step, branch
  std::vector<std::vector<HeldLock>> held;       // before each step and at the end; sorted by lock
  std::vector<std::optional<StepIndex>> ticket;  // before each step: the TakeTicket that counts
  std::vector<StepIndex> topological;            // reachable steps, predecessors first, but for those that close a loop
  bool cyclic = false;
  bool consistent = true;  // the same locks are held whatever way leads to a step
};

// O(steps * locks held). Ways through a timeout count only where asked for.
enum class Ways : std::uint8_t { without_timeouts, all };
[[nodiscard]] ControlFlow control_flow(const System& system, const Thread& thread, Ways ways = Ways::without_timeouts);

// What of each pool a thread holds that stands at that step: along the shortest way to it, by steps whose cause is
// switched on. O(steps + pools).
[[nodiscard]] std::vector<std::int64_t> taken_on_the_way(const System& system, ThreadId thread, StepIndex to,
                                                         Causes causes);

}  // namespace fencecheck
