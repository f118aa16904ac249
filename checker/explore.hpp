// Interleavings by exploration: the operational semantics executed literally,
// breadth first.
//
// With reductions (docs/semantics.md, "Exploration") it visits fewer states, and
// still every state at rest by a shortest way, every Cutoff and every incident.
// Without them it is the reference against which everything else is tested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checker/budget.hpp"
#include "graph/model/debts.hpp"
#include "graph/model/incidents.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct ExploredHang {
  std::vector<Move> way;
  bool for_ever = false;  // no timeout can fire at its end
};

struct ExploredIncident {
  Incident incident;
  std::vector<Move> way;  // the last move is the incident, or leads to the state at rest that is
};

struct Exploration {
  std::uint64_t states = 0;       // stored
  std::uint64_t transitions = 0;  // executed
  std::uint64_t depth = 0;        // moves to the farthest state that was looked at
  std::uint64_t bytes = 0;        // held for the states
  // Shortest ways to a state at rest in which something is owed:
  std::optional<std::vector<Move>> hang;      // whether or not a timeout may end it
  std::optional<std::vector<Move>> for_ever;  // and no timeout can fire any more
  std::vector<Obligation> owed;               // in some state at rest that was seen
  std::vector<ExploredHang> hangs;            // one for each set of threads that are stuck, and where; shortest first
  std::vector<Lasso> livelocks;               // ways to run for ever with something owed, each for another debt
  std::vector<ExploredIncident> incidents;    // the first of each kind and subject, if they were asked for
  bool rests = false;                         // some way came to rest
  bool cut_off = false;                       // some way reached a Cutoff
  std::string unseen;                         // what happens while it runs on for ever, and was not followed
  std::string gave_up;                        // empty if every state was seen that had to be
};

struct ExploreOptions {
  Causes causes = Causes::all();
  bool with_timeouts = true;  // let them fire once nothing else can move
  std::uint64_t max_states = 10'000'000;
  std::size_t most_hangs = 0;       // how many `hangs` to collect
  std::size_t most_livelocks = 0;   // how many `livelocks` to look for, among all states
  std::vector<Obligation> asked{};  // only hangs that owe one of these; empty: any
  bool stop_at_hang = false;        // the first one is enough
  bool incidents = false;           // collect them
  Budget budget;                    // and whether to reduce
};

[[nodiscard]] Exploration explore(const System& system, const State& from, const ExploreOptions& options);

}  // namespace fencecheck
