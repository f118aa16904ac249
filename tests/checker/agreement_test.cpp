// The SMT engine against exploration, which shares nothing with it but the
// calculus: the same answers, and every schedule replays.
#include "checker/explore.hpp"
#include "checker/replay.hpp"
#include "checker/smt_engine.hpp"
#include "encoders/formula.hpp"
#include "graph/input/lower.hpp"
#include "tests/catch.hpp"
#include "tests/support/random_scenario.hpp"

namespace fencecheck {
namespace {

constexpr std::uint64_t most_states = 60'000;

struct Tally {
  unsigned hangs = 0;
  unsigned safe = 0;
  unsigned too_large = 0;
};

Exploration explored(const System& system, Causes causes) {
  ExploreOptions options;
  options.causes = causes;
  options.with_timeouts = false;
  options.max_states = most_states;
  return explore(system, initial_state(system), options);
}

void engines_agree(const System& system, Causes causes, Tally& tally) {
  const Exploration reference = explored(system, causes);
  if (!reference.gave_up.empty()) {
    ++tally.too_large;
    return;
  }
  SmtEngine engine(system, {});
  const Search search = engine.find_hang(causes, SmtEngine::Timeouts::any, engine.obligations());
  REQUIRE_FALSE(std::holds_alternative<GaveUp>(search));
  if (const auto* schedule = std::get_if<std::vector<Move>>(&search)) {
    ++tally.hangs;
    const auto outcome = replay(system, *schedule, causes);
    if (const auto* refuted = std::get_if<Refuted>(&outcome)) FAIL(refuted->why);
    REQUIRE(reference.hang.has_value());
  } else {
    ++tally.safe;
    REQUIRE_FALSE(reference.hang.has_value());
  }
  if (causes == Causes::all()) {
    const bool cut_off = !std::holds_alternative<Exhausted>(engine.find_cutoff());
    REQUIRE(cut_off == reference.cut_off);
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

std::uint64_t seeds() {
  const char* wanted = std::getenv("FENCECHECK_SEEDS");
  return wanted == nullptr ? 1000 : std::strtoull(wanted, nullptr, 10);
}

TEST_CASE("SMT and exploration agree on random scenarios") {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    INFO("random_scenario(" << seed << ")");
    engines_agree(lowered(seed), Causes::all(), tally);
  }
  CHECK(tally.hangs >= seeds() / 30);  // neither answer is rare, or the test would show little
  CHECK(tally.safe >= seeds() / 30);
  CHECK(tally.too_large < seeds() / 5);
}

TEST_CASE("SMT and exploration agree with causes switched off") {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= seeds() / 5; ++seed) {
    const Causes causes = [&] {
      Causes some;
      for (const CauseInfo& row : cause_table)
        if ((seed * 2654435761U >> (8 + static_cast<unsigned>(row.cause)) & 1U) != 0) some = some.with(row.cause);
      return some;
    }();
    INFO("random_scenario(" << seed << ")");
    engines_agree(lowered(seed), causes, tally);
  }
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
