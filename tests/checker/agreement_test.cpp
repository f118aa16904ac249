// The SMT engine against exploration, which shares nothing with it but the
// calculus: the same answers, and every schedule replays.
#include <set>

#include "checker/explore.hpp"
#include "checker/replay.hpp"
#include "checker/smt_engine.hpp"
#include "encoders/encodable.hpp"
#include "graph/input/lower.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_scenario.hpp"
#include "tests/support/random_system.hpp"

namespace fencecheck {
namespace {

constexpr std::uint64_t most_states = 60'000;

struct Tally {
  unsigned hangs = 0;
  unsigned safe = 0;
  unsigned too_large = 0;
  unsigned given_up = 0;  // by cuts
};

Exploration explored(const System& system, Causes causes) {
  ExploreOptions options;
  options.causes = causes;
  options.with_timeouts = false;
  options.max_states = most_states;
  options.budget.reductions = false;
  return explore(system, initial_state(system), options);
}

void engines_agree(const System& system, Causes causes, Tally& tally) {
  const Exploration reference = explored(system, causes);
  if (!reference.gave_up.empty()) {
    ++tally.too_large;
    return;
  }
  ++(reference.hang ? tally.hangs : tally.safe);
  for (const Precision precision : {Precision::plain, Precision::executions, Precision::cuts}) {
    INFO("precision " << static_cast<int>(precision));
    SmtEngine engine(system, {}, precision);
    const Search search = engine.find_hang(causes, SmtEngine::Timeouts::any, engine.obligations());
    const Search beyond = engine.find_cutoff();
    if (std::holds_alternative<GaveUp>(search)) {
      REQUIRE(precision == Precision::cuts);
      ++tally.given_up;
    } else if (const auto* schedule = std::get_if<std::vector<Move>>(&search)) {
      const auto outcome = replay(system, *schedule, causes);
      if (const auto* refuted = std::get_if<Refuted>(&outcome)) FAIL(refuted->why);
      REQUIRE(reference.hang.has_value());
    } else {
      REQUIRE_FALSE(reference.hang.has_value());
    }
    if (causes == Causes::all() && !std::holds_alternative<GaveUp>(beyond))
      REQUIRE(!std::holds_alternative<Exhausted>(beyond) == reference.cut_off);
  }
}

System lowered(std::uint64_t seed) {
  Diagnostics diagnostics;
  const auto system = lower(test::random_scenario(seed), diagnostics);
  for (const Diagnostic& each : diagnostics.sorted())
    if (each.severity == Severity::error) FAIL(each.message);
  REQUIRE(system.has_value());
  REQUIRE(not_encodable(*system).empty());
  return *system;
}

TEST_CASE("SMT and exploration agree on random scenarios") {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= test::effort(); ++seed) {
    INFO("random_scenario(" << seed << ")");
    engines_agree(lowered(seed), Causes::all(), tally);
  }
  CHECK(tally.hangs >= test::effort() / 30);  // neither answer is rare, or the test would show little
  CHECK(tally.safe >= test::effort() / 30);
  CHECK(tally.too_large < test::effort() / 5);
  CHECK(tally.given_up < test::effort() / 10);  // or cuts would be of little use
}

Causes some_causes(std::uint64_t seed) {
  Causes some;
  for (const CauseInfo& row : cause_table)
    if ((seed * 2654435761U >> (8 + static_cast<unsigned>(row.cause)) & 1U) != 0) some = some.with(row.cause);
  return some;
}

TEST_CASE("SMT and exploration agree with causes switched off") {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= test::effort() / 5; ++seed) {
    INFO("random_scenario(" << seed << ")");
    engines_agree(lowered(seed), some_causes(seed), tally);
  }
}

// Where a hang ends: who is stuck, and whether for ever.
using Ends = std::set<std::pair<bool, std::vector<StepIndex>>>;

Ends ends(const System& system, const Exploration& exploration, Causes causes) {
  Ends result;
  for (const ExploredHang& hang : exploration.hangs) {
    State state = initial_state(system);
    for (const Move& move : hang.way) {
      REQUIRE(possible(system, state, move, causes));
      state = after(system, std::move(state), move, causes);
    }
    REQUIRE(at_rest(system, state, causes));
    REQUIRE_FALSE(owed(system, state).empty());
    CHECK((timeouts(system, state, causes).empty() || !hang.for_ever));
    result.emplace(hang.for_ever, state.at);
  }
  return result;
}

struct Sizes {
  std::uint64_t states = 0;
  std::uint64_t reduced = 0;
};

void reductions_agree(const System& system, Causes causes, Sizes& sizes) {
  ExploreOptions options;
  options.causes = causes;
  options.max_states = 5'000;
  options.most_hangs = 10'000;
  options.budget.reductions = false;
  const Exploration all = explore(system, initial_state(system), options);
  if (!all.gave_up.empty()) return;
  options.budget.reductions = true;
  const Exploration reduced = explore(system, initial_state(system), options);
  REQUIRE(reduced.gave_up.empty());
  CHECK(reduced.states <= all.states);
  CHECK(reduced.cut_off == all.cut_off);
  REQUIRE(reduced.hang.has_value() == all.hang.has_value());
  REQUIRE(reduced.for_ever.has_value() == all.for_ever.has_value());
  if (all.hang) CHECK(reduced.hang->size() == all.hang->size());
  if (all.for_ever) CHECK(reduced.for_ever->size() == all.for_ever->size());
  CHECK(ends(system, reduced, causes) == ends(system, all, causes));
  sizes.states += all.states;
  sizes.reduced += reduced.states;
}

TEST_CASE("reductions make no difference to what exploration finds in random scenarios") {
  Sizes sizes;
  for (std::uint64_t seed = 1; seed <= test::effort(); ++seed) {
    INFO("random_scenario(" << seed << ")");
    const System system = lowered(seed);
    reductions_agree(system, Causes::all(), sizes);
    reductions_agree(system, some_causes(seed), sizes);
  }
  CHECK(sizes.reduced * 4 < sizes.states);  // and they do reduce
}

TEST_CASE("reductions make no difference to what exploration finds in random systems with loops") {
  Sizes sizes;
  for (std::uint64_t seed = 1; seed <= test::effort(); ++seed) {
    INFO("random_system(" << seed << ")");
    const System system = test::random_system(seed);
    REQUIRE_FALSE(check_system(system));
    reductions_agree(system, Causes::all(), sizes);
    reductions_agree(system, some_causes(seed), sizes);
  }
  CHECK(sizes.reduced * 2 < sizes.states);
}

TEST_CASE("fewer switches of thread, the same last state") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("random_scenario(" << seed << ")");
    const System system = lowered(seed);
    SmtEngine engine(system, {});
    const Search search = engine.find_hang(Causes::all(), SmtEngine::Timeouts::any, engine.obligations());
    const auto* schedule = std::get_if<std::vector<Move>>(&search);
    if (schedule == nullptr) continue;
    const auto switches = [](const std::vector<Move>& moves) {
      std::size_t count = 0;
      for (std::size_t i = 1; i < moves.size(); ++i) count += moves[i].thread != moves[i - 1].thread ? 1U : 0U;
      return count;
    };
    const std::vector<Move> fewer = with_fewer_switches(system, *schedule);
    REQUIRE(std::holds_alternative<Replayed>(replay(system, fewer)));
    CHECK(switches(fewer) <= switches(*schedule));
  }
}

}  // namespace
}  // namespace fencecheck
