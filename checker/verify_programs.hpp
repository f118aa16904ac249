// What the verifier of certificates reads off the programs before it looks at
// obligations: conditions 1 to 3 of the theorem (docs/semantics.md, "Designs").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checker/verify.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

using Locks = std::set<std::uint32_t>;
using Fences = std::set<std::uint32_t>;

// What is known of a thread at each of its steps, its end included.
struct Reading {
  std::vector<std::vector<StepIndex>> next;      // ways through a timeout too
  std::vector<bool> reached;                     // some way leads here
  std::vector<Locks> may_hold;                   // on some way
  std::vector<Locks> with_ticket;                // of these: taken in a transaction
  std::vector<std::optional<Locks>> holds;       // on every way, exclusively
  std::vector<std::optional<Fences>> publishes;  // on every way, this thread or whoever pushed it
};

struct At {
  std::uint32_t thread = 0;
  StepIndex step = 0;
};

struct Programs {
  std::vector<Reading> readings;            // of each thread
  std::vector<std::vector<At>> pushes;      // of each job
  std::vector<std::vector<At>> publishers;  // of each fence
  std::map<std::string, std::optional<std::string>, std::less<>>
      announcer;  // of a class of fences: who alone publishes it
};

// Do instances of one template with one number own both, or does none?
[[nodiscard]] bool same_instance(const std::string& a, const std::string& b);

// If there are objections, all of them `outside`, the rest is not complete. O(steps * locks).
[[nodiscard]] Programs read_programs(const System& system, std::vector<Objection>& objections);

}  // namespace fencecheck
