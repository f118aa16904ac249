// Every kind of object in words, and how they change.
#include "graph/model/snapshot.hpp"

#include "tests/catch.hpp"
#include "tests/support/scenario_text.hpp"

namespace fencecheck {
namespace {

using Catch::Matchers::Contains;

std::string shown(const System& system, const State& state) {
  std::string text;
  for (const ObjectState& each : snapshot(system, state))
    text += each.kind + " " + each.name + ": " + each.value + "\n";
  return text;
}

TEST_CASE("every kind of object has words for its state") {
  const System system = lowered(
      "fences: {f: kernel, u: user}\nlocks: {m: mutex, w: ww}\npools: {p: 2}\nqueues: {q: engine}\n"
      "variables: {v: 3}\n"
      "threads: {t: {kind: user, steps: [{submit: {queue: q, job: j}}]}}\n");
  const std::string text = shown(system, initial_state(system));
  CHECK_THAT(text, Contains("fence f: unpublished\n") && Contains("fence u: not signalled\n") &&
                       Contains("lock m: free\n") && Contains("pool p: 0 of 2 taken\n") &&
                       Contains("queue q: empty\n") && Contains("variable v: 3\n"));
}

TEST_CASE("memory shows where it is, whose it is, and who may touch it") {
  const System system = lowered(
      "regions: {vram: {capacity: 8GiB}, gtt: {}}\n"
      "groups: {a: {limits: {vram: {max: 6GiB}}}}\n"
      "buffers:\n"
      "  front: {size: 2GiB, placements: [vram, gtt], group: a, pinned: true}\n"
      "  back: {size: 1GiB, placements: [vram], resident: false}\n"
      "fences: {done: user}\n"
      "address-spaces: {vm: {mode: no-preemption, buffers: [front]}}\n"
      "queues: {ring: {kind: user, address-space: vm, suspended: true}, wq: worker}\n"
      "works: {resume: {queue: wq, steps: [{lock: m}, {unlock: m}]}}\n"
      "locks: {m: mutex}\n"
      "threads:\n"
      "  t: {kind: worker, steps: [{lock: m}, {queue-work: resume}, {unlock: m}]}\n");
  State state = initial_state(system);
  CHECK_THAT(shown(system, state),
             Contains("region vram: 2 GiB of 8 GiB used\n") && Contains("region gtt: 0 B used\n") &&
                 Contains("group a: 2 GiB of 6 GiB in 'vram'\n") && Contains("group root: 2 GiB in 'vram'\n") &&
                 Contains("buffer front: in 'vram', charged to 'a', pinned\n") &&
                 Contains("buffer back: without memory of its own\n") && Contains("address space vm: maps 'front'\n") &&
                 Contains("hardware ring: does not run\n") && Contains("queue ring: suspended\n") &&
                 Contains("work resume: idle\n") && !Contains("variable ring"));
  System guarded = system;
  guarded.groups[1].limits[0].min = 3 * (std::uint64_t{1} << 30U);
  CHECK_THAT(shown(guarded, initial_state(guarded)),
             Contains("group a: 2 GiB of 6 GiB in 'vram' (emin 3 GiB, elow 0 B)\n"));
  state.memory.places[0] = RegionId{1};
  state.memory.pins[0] = 0;
  state.memory.mapped[0][0] = false;
  state.variables[0] = 1;
  CHECK_THAT(shown(system, state), Contains("region vram: 0 B of 8 GiB used\n") &&
                                       Contains("buffer front: in 'gtt'\n") &&
                                       Contains("address space vm: maps nothing\n") &&
                                       Contains("hardware ring: runs\n") && Contains("queue ring: empty\n"));
  state.memory.killed[0] = true;
  CHECK_THAT(shown(system, state), Contains("hardware ring: killed\n"));
}

TEST_CASE("a work is idle, queued, runs, or runs and is queued again") {
  const System system = lowered(
      "queues: {wq: worker}\nlocks: {m: mutex}\n"
      "works: {resume: {queue: wq, steps: [{lock: m}, {unlock: m}]}}\n"
      "threads:\n"
      "  t: {kind: worker, steps: [{queue-work: resume}]}\n"
      "  again: {kind: worker, steps: [{queue-work: resume}]}\n");
  const auto index = [&](std::string_view name) {
    for (std::uint32_t i = 0; i < system.threads.size(); ++i)
      if (system.threads[i].name == name) return ThreadId{i};
    throw std::invalid_argument("no such thread");
  };
  State state = initial_state(system);
  const auto go = [&](std::string_view name) {
    const Move move{index(name), 0, false};
    REQUIRE(possible(system, state, move));
    state = after(system, state, move);
    return shown(system, state);
  };
  CHECK_THAT(go("t"), Contains("work resume: queued\n") && Contains("queue wq: work 'resume' waiting\n"));
  CHECK_THAT(go("resume"), Contains("work resume: runs\n") && Contains("queue wq: work 'resume' running\n"));
  CHECK_THAT(go("again"), Contains("work resume: runs, queued again\n"));
}

}  // namespace
}  // namespace fencecheck
