// How many states exploration visits, how fast, and how many bytes each takes.
#include <benchmark/benchmark.h>

#include "checker/explore.hpp"
#include "graph/input/lower.hpp"
#include "tests/support/philosophers.hpp"
#include "tests/support/random_scenario.hpp"

namespace fencecheck {
namespace {

void explore_all(benchmark::State& bench, const std::vector<System>& systems, bool reductions) {
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;
  std::uint64_t bytes = 0;
  for (auto _ : bench)
    for (const System& system : systems) {
      ExploreOptions options;
      options.max_states = 60'000'000 / systems.size();
      options.budget.reductions = reductions;
      const Exploration all = explore(system, initial_state(system), options);
      states += all.states;
      transitions += all.transitions;
      bytes += all.bytes;
    }
  const auto rounds = static_cast<double>(bench.iterations());
  bench.counters["states"] = static_cast<double>(states) / rounds;
  bench.counters["states/s"] = benchmark::Counter(static_cast<double>(states), benchmark::Counter::kIsRate);
  bench.counters["moves/s"] = benchmark::Counter(static_cast<double>(transitions), benchmark::Counter::kIsRate);
  bench.counters["bytes/state"] = static_cast<double>(bytes) / static_cast<double>(states);
}

// Arguments: how many, one left-handed or not, with reductions or without.
void dining_philosophers(benchmark::State& bench) {
  explore_all(bench, {test::philosophers(static_cast<std::uint32_t>(bench.range(0)), bench.range(1) != 0)},
              bench.range(2) != 0);
}
BENCHMARK(dining_philosophers)
    ->ArgNames({"count", "left-handed", "reductions"})
    ->ArgsProduct({{6, 8, 10}, {0, 1}, {0, 1}})
    ->Unit(benchmark::kMillisecond);

// Argument: with reductions or without.
void random_scenarios(benchmark::State& bench) {
  std::vector<System> systems;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Diagnostics diagnostics;
    systems.push_back(*lower(test::random_scenario(seed), diagnostics));
  }
  explore_all(bench, systems, bench.range(0) != 0);
}
BENCHMARK(random_scenarios)->ArgName("reductions")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fencecheck

BENCHMARK_MAIN();
