// What a trace proves: who waited for whom, and whether that hung.
//
// Invariant: a finding is never made of anything but events in the trace; what
// is taken for granted beyond them is listed in `assumptions`. A trace with
// gaps never says `holds`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/dependency_graph.hpp"
#include "graph/input/trace.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/report.hpp"

namespace fencecheck {

// After a wait that took so long, for a reason that the trace does not show, "no hang" cannot be said.
inline constexpr std::uint64_t late_wait = 10'000'000'000;  // ns

struct Observation {
  // All waits and debts of the whole trace, so that not every cycle of it is a
  // hang: its edges need not have existed at the same time. `cycles` are those that did.
  std::shared_ptr<const DependencyGraph> graph;
  std::vector<Cycle> cycles;
  std::vector<Finding> findings;  // deadlocks first, then in the order of the trace
  std::vector<Answer> answers;    // of the property "observed-hangs"
  std::vector<Loss> losses;
  std::vector<std::string> assumptions;
  std::string size;  // "3 tasks, 3 fences, 4 waits"
};

[[nodiscard]] Observation observe(const Trace& trace);

}  // namespace fencecheck
