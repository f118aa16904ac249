// Reductions and incidents: exploration with them finds what it finds without.
#include "checker/reduction.hpp"

#include <cstdlib>
#include <set>
#include <string>
#include <tuple>

#include "checker/explore.hpp"
#include "checker/replay.hpp"
#include "graph/input/lower.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_scenario.hpp"
#include "tests/support/random_system.hpp"
#include "tests/support/small_systems.hpp"

namespace fencecheck {
namespace {

using namespace test;

Exploration explored(const System& system, bool reductions, Causes causes = Causes::all()) {
  ExploreOptions options;
  options.causes = causes;
  options.max_states = 15'000;
  options.most_hangs = 10'000;
  options.incidents = causes == Causes::all();
  options.budget.reductions = reductions;
  return explore(system, initial_state(system), options);
}

// Where the ways end at which something is owed, and whether for ever.
std::set<std::pair<bool, std::vector<StepIndex>>> ends(const System& system, const Exploration& seen, Causes causes) {
  std::set<std::pair<bool, std::vector<StepIndex>>> result;
  for (const ExploredHang& hang : seen.hangs) {
    State state = initial_state(system);
    for (const Move& move : hang.way) {
      REQUIRE(possible(system, state, move, causes));
      state = after(system, std::move(state), move, causes);
    }
    REQUIRE(at_rest(system, state, causes));
    result.emplace(hang.for_ever, state.at);
  }
  return result;
}

// Kind and subject of each; every one replays.
std::set<std::pair<FindingKind, std::string>> incidents_of(const System& system, const Exploration& seen) {
  std::set<std::pair<FindingKind, std::string>> result;
  for (const ExploredIncident& each : seen.incidents) {
    if (const auto refuted = replay_incident(system, each.way, each.incident)) FAIL(refuted->why);
    result.emplace(each.incident.kind, each.incident.subject);
  }
  return result;
}

struct Tally {
  std::uint64_t states = 0;
  std::uint64_t reduced = 0;
  unsigned too_large = 0;
  std::set<FindingKind> kinds;
};

void agree(const System& system, Causes causes, Tally& tally) {
  const Exploration all = explored(system, false, causes);
  if (!all.gave_up.empty()) {
    ++tally.too_large;
    return;
  }
  const Exploration reduced = explored(system, true, causes);
  REQUIRE(reduced.gave_up.empty());
  CHECK(reduced.states <= all.states);
  CHECK(reduced.cut_off == all.cut_off);
  CHECK(ends(system, reduced, causes) == ends(system, all, causes));
  const auto seen = incidents_of(system, all);
  CHECK(incidents_of(system, reduced) == seen);
  for (const auto& [kind, subject] : seen) tally.kinds.insert(kind);
  tally.states += all.states;
  tally.reduced += reduced.states;
}

TEST_CASE("reductions make no difference to what exploration finds in random systems with memory") {
  Tally tally;
  const std::uint64_t systems = test::effort() * 7 / 20;
  for (std::uint64_t seed = 1; seed <= systems; ++seed) {
    INFO("random_memory_system(" << seed << ")");
    const System system = random_memory_system(seed);
    if (const auto wrong = check_system(system)) FAIL(*wrong);
    agree(system, Causes::all(), tally);
    agree(system, Causes::all().without(static_cast<Cause>(seed % cause_table.size())), tally);
  }
  CHECK(tally.too_large < systems);
  CHECK(tally.reduced < tally.states);
  if (systems < 100) return;
  // Every kind is among what was compared.
  for (const FindingKind kind :
       {FindingKind::lost_fence, FindingKind::lost_wakeup, FindingKind::contract, FindingKind::use_after_evict,
        FindingKind::early_signal, FindingKind::job_killed, FindingKind::starvation, FindingKind::isolation,
        FindingKind::unbound_access, FindingKind::state_divergence})
    CHECK(tally.kinds.contains(kind));
}

TEST_CASE("reductions make no difference to what exploration finds in random scenarios with binds") {
  Tally tally;
  const std::uint64_t scenarios = test::effort() / 2;
  for (std::uint64_t seed = 1; seed <= scenarios; ++seed) {
    INFO("random_bind_scenario(" << seed << ")");
    Diagnostics diagnostics;
    const auto system = lower(random_bind_scenario(seed), diagnostics);
    for (const Diagnostic& each : diagnostics.sorted())
      if (each.severity == Severity::error) FAIL(each.message);
    REQUIRE(system.has_value());
    agree(*system, Causes::all(), tally);
  }
  CHECK(tally.too_large < scenarios / 4);
  CHECK(tally.reduced < tally.states);
  if (scenarios < 50) return;
  for (const FindingKind kind : {FindingKind::unbound_access, FindingKind::state_divergence})
    CHECK(tally.kinds.contains(kind));
}

// One job behind another on a queue; who opens its way?
System behind_another() {
  System system;
  system.queues = {{"wq", 1, {}}};
  system.locks = {{"m", LockKind::mutex, {}}};
  system.threads = {thread({step(Push{ThreadId{1}}), step(Push{ThreadId{2}})}), work("a", QueueId{0}, {}),
                    work("b", QueueId{0}, {})};
  return system;
}

TEST_CASE("whoever cancels the job in front lets the next one begin") {
  System system = behind_another();
  system.threads.push_back(thread({step(Cancel{ThreadId{1}})}));
  Tally tally;
  agree(system, Causes::all(), tally);
}

TEST_CASE("a job whose queue is suspended waits for whoever resumes it, not for what its step awaits") {
  System system = behind_another();
  system.variables = {{"ring", 0, {}}};
  system.queues[0].gate = VariableId{0};
  system.threads[1] = work("a", QueueId{0}, {step(Acquire{LockId{0}}, Cause::lock), step(Release{LockId{0}})});
  system.threads.push_back(thread({step(Assign{VariableId{0}, 1}), step(Assign{VariableId{0}, 0})}));
  system.threads.push_back(thread({step(Acquire{LockId{0}}, Cause::lock), step(Release{LockId{0}})}));
  Tally tally;
  agree(system, Causes::all(), tally);
}

// A fence that is renewed before it was ever published leaves the sets in which it stands.
TEST_CASE("a set that somebody waits for may lose the fence that is missing") {
  System system;
  system.fences = {{"f", FenceKind::kernel, false, {}}};
  system.locks = {{"m", LockKind::mutex, {}}};
  system.sets = {{"s", {}}};
  system.threads = {thread({step(Capture{{FenceId{0}}, DependencySetId{0}}), step(WaitSet{DependencySetId{0}}),
                            step(Acquire{LockId{0}}, Cause::lock)}),
                    thread({step(Renew{FenceId{0}})}),
                    thread({step(Acquire{LockId{0}}, Cause::lock), step(Release{LockId{0}}, Cause::lock)})};
  Tally tally;
  agree(system, Causes::all(), tally);
}

}  // namespace
}  // namespace fencecheck
