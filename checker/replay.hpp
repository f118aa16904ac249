// Evidence for a hang: the schedule, executed on the operational semantics.
//
// This file and graph/model/state.cpp are what has to be trusted; they share
// nothing with the engines that find schedules.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "graph/model/debts.hpp"
#include "graph/model/incidents.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Replayed {
  State last;
  std::vector<Obligation> owed;
};
struct Refuted {
  std::string why;
};

// Executes the schedule from the initial state. It is evidence of a hang if
// each move is possible when its turn comes, the last state is at rest, and
// something is owed there. O(moves * threads).
[[nodiscard]] std::variant<Replayed, Refuted> replay(const System& system, const std::vector<Move>& schedule,
                                                     Causes causes = Causes::all());

// The schedule is evidence of an incident if each move is possible when its turn
// comes, and the last one is that incident, or it ends at rest with nothing owed
// where the incident is one of a state at rest. Nothing if it is.
[[nodiscard]] std::optional<Refuted> replay_incident(const System& system, const std::vector<Move>& schedule,
                                                     const Incident& incident);

// Why a lasso is no evidence of a livelock; empty if it is. It is if each move is
// possible when its turn comes, the cycle returns to its first state, the debt is
// open in all of its states, no thread is at a Cutoff, and every thread moves on
// the cycle, or is somewhere on it where it cannot move or fairness promises it nothing.
[[nodiscard]] std::string refute(const System& system, const Lasso& lasso, Causes causes = Causes::all());

// The same steps with fewer changes of thread, where the order makes no
// difference to the last state. Requires: the schedule replays.
[[nodiscard]] std::vector<Move> with_fewer_switches(const System& system, const std::vector<Move>& schedule);

}  // namespace fencecheck
