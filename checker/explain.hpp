// From a hang to its story: who holds what, who waits for whom, and why the
// event that would help cannot come.
#pragma once

#include <string>
#include <vector>

#include "graph/dependencies.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// One link of the chain: a thread, the step at which it is stuck, and what for.
struct Link {
  ThreadId thread;
  Blocker waits_for;
};

// A chain of stuck threads: each waits for something that only the next can
// bring about. Closed: the last waits for the first. Not closed: nobody will.
struct Knot {
  std::vector<Link> links;
  bool closed = true;
};

// Who could still bring about what a blocker stands for. A job that nobody has
// queued and nobody will is none of them.
[[nodiscard]] std::vector<ThreadId> helpers(const System& system, const State& state, const Blocker& blocker);

// Why a thread that is stuck waits: for its step's reason, unless its queue is suspended.
[[nodiscard]] Cause cause_of_wait(const System& system, const State& state, ThreadId thread);

// The shortest closed chain among the threads that keep one of these obligations
// from being discharged, else a chain to something that nobody will do.
// Requires: the state is at rest and owes them.
[[nodiscard]] Knot knot(const System& system, const State& state, const std::vector<Obligation>& owed);

// What is owed in the state and stays undischarged because of this very knot.
[[nodiscard]] std::vector<Obligation> explained_by(const System& system, const State& state, const Knot& knot);

// The parties of a knot as the report shows them.
[[nodiscard]] std::vector<Party> parties(const System& system, const State& state, const Knot& knot);

struct Story {
  std::vector<ObjectState> objects;  // before the first step
  std::vector<ScheduleStep> steps;
};

// Each move as a line of the story, with what it changes and who made it
// possible, as the operational semantics say; afterwards one line for each
// thread of the knot, stuck at its last step. Requires: the schedule replays.
// O(moves * (threads + objects)).
[[nodiscard]] Story story(const System& system, const std::vector<Move>& schedule, const Knot& knot);

// What the knot needs discharged: the obligations of its links.
[[nodiscard]] std::vector<Obligation> obligations(const System& system, const State& state, const Knot& knot);

// The knot as a cycle of the dependency graph, as far as the graph has its edges.
[[nodiscard]] Cycle cycle(const System& system, const SystemGraph& graph, const Knot& knot);

}  // namespace fencecheck
