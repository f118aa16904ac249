// Livelocks: fair executions that never end and never discharge something.
//
// All states, without reduction: what a reduction keeps are the states at rest,
// and a livelock never is. In the graph of the states in which one debt is open,
// a strongly connected part that is fair to everybody is a livelock
// (docs/semantics.md, "Runs that never end").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "checker/budget.hpp"
#include "graph/model/debts.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct LivelockOptions {
  Causes causes = Causes::all();
  bool with_timeouts = true;
  std::uint64_t max_states = 10'000'000;
  std::size_t most = 5;  // lassos
  Budget budget;
};

struct Livelocks {
  std::vector<Lasso> lassos;  // no two for one debt; shortest stems first
  std::string unseen;         // what happens while it runs on for ever, and was not followed; empty if nothing
  std::string gave_up;        // empty if every state was seen
};

// Requires nothing of the programs; without loops, or timeouts that lead back, there are none.
[[nodiscard]] Livelocks find_livelocks(const System& system, const State& from, const LivelockOptions& options);

struct Undischarged {
  std::vector<Debt> never;  // of those that are open: no execution from here discharges them, timeouts included
  std::string gave_up;      // empty if every state was seen that had to be
};

// A hang that a timeout may end comes back if whoever gives up tries again. Requires: a state at rest.
[[nodiscard]] Undischarged never_discharged(const System& system, const State& from, const LivelockOptions& options);

// May the system run for ever? If no program has a loop, timeouts included, it may not.
[[nodiscard]] bool may_run_for_ever(const System& system);

}  // namespace fencecheck
