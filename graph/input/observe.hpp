// What a trace proves: who waited for whom, and whether that hung.
//
// Invariant: a finding is never made of anything but events in the trace; what
// is taken for granted beyond them is listed in `assumptions`. A trace with
// gaps never says `holds`. Memory grows with the fences that live and the waits
// that are open at once, not with the trace.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/dependency_graph.hpp"
#include "graph/input/trace.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/report.hpp"

namespace fencecheck {

namespace observed {
struct OrderWindow;
}

inline constexpr std::size_t drawn_waits = 2'000;  // the first of a trace

struct ObserveOptions {
  std::optional<std::uint64_t> late;  // ns: longer waits are findings; without it ten seconds make them doubts
  std::size_t drawn = drawn_waits;    // how many waits the graph holds, beside the hangs
  std::size_t window = 20'000;        // lock and fence events whose order is looked at together
  // Called with each stretch of the trace that may hang in another order; see order_window.hpp. May be empty.
  std::function<void(const observed::OrderWindow&)> another_order;
};

struct Observation {
  // The first waits and all hangs of the trace, so that not every cycle of it is
  // a hang: its edges need not have existed at the same time. `cycles` are those that did.
  std::shared_ptr<const DependencyGraph> graph;
  std::vector<Cycle> cycles;
  bool whole_graph = true;  // every wait is in it
  bool locks_recorded = false;
  std::string orders_lack;        // what another order needs and was not recorded; empty: nothing
  bool orders_cut = false;        // not every order of its events was compared: the window is smaller
  std::string orders_unsettled;   // why comparing them says nothing; see OrderWatch
  std::vector<Finding> findings;  // deadlocks first, then in the order of the trace
  std::vector<Answer> answers;    // of "observed-hangs", and of "contract" where something is to be said of it
  std::vector<Loss> losses;
  std::vector<std::string> assumptions;
  std::vector<std::string> summary;  // of each timeline
  std::string size;                  // "3 tasks, 3 fences, 4 waits"
};

// Reads the stream to its end. Lines that the findings point at go into `source.kept`.
[[nodiscard]] Observation observe(const TraceStream& stream, Source& source, const ObserveOptions& options = {});

}  // namespace fencecheck
