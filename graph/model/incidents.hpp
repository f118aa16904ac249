// What goes wrong at one step, apart from hangs: properties of the state that a
// step breaks, and deeds that are findings in themselves.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/model/finding.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Incident {
  FindingKind kind = FindingKind::use_after_evict;
  std::optional<Rule> rule;          // contract only
  std::string subject;               // to what it happens: "user queue 'ring'"; the same for the same problem
  std::string what;                  // one sentence
  std::vector<std::string> numbers;  // of cgroups: usage, emin, elow, need
  Place at;
  std::string fix{};    // what would have prevented this one, where it is known; else the table of kinds says
  std::string about{};  // where and why, in words without amounts and lines: tells problems of one subject apart
};

// What this very move breaks: what holds in `before` or is not done by the
// move is not repeated. Deterministic; empty for systems that track no memory
// unless they count slots or renew fences.
[[nodiscard]] std::vector<Incident> incidents(const System& system, const State& before, Move move, const State& after);

// What is wrong in a state at rest in which nothing is owed: queues that stay
// suspended although nobody is left who would resume them, and address spaces
// that are not what was asked for.
[[nodiscard]] std::vector<Incident> incidents_at_rest(const System& system, const State& state);

}  // namespace fencecheck
