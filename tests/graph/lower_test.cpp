// Contradictions that only names and meaning can show; each with its place.
#include "graph/input/lower.hpp"

#include "graph/dependencies.hpp"
#include "tests/catch.hpp"
#include "tests/support/scenario_text.hpp"

namespace fencecheck {
namespace {

TEST_CASE("a name that nobody declared, with a suggestion") {
  CHECK(lowering_says(
            "fences: {render: kernel}\nthreads: {t: {kind: user, steps: [{signal: render}, {wait: rendr}]}}\n") ==
        "3:60: error: no fence is called 'rendr'; did you mean 'render'?\n");
}

TEST_CASE("a name of another kind") {
  CHECK(lowering_says("locks: {m: mutex}\nthreads: {t: {kind: user, steps: [{lock: m}, {wait: m}, {unlock: m}]}}\n") ==
        "3:53: error: 'm' is a lock, not a fence\n");
}

TEST_CASE("a name twice") {
  CHECK(lowering_says("fences: {m: kernel}\nlocks: {m: mutex}\nthreads: {t: {kind: user, steps: [{signal: m}]}}\n") ==
        "2:10: error: the name 'm' is taken by a lock\n3:9: note: 'm' was declared here\n"
        "4:44: error: 'm' is a lock, not a fence\n");
}

TEST_CASE("a release without acquisition, and the reverse") {
  CHECK(lowering_says("locks: {m: mutex}\nthreads: {t: {kind: user, steps: [{unlock: m}]}}\n") ==
        "3:44: error: 'm' is released here but not held\n");
  CHECK(lowering_says("locks: {m: mutex}\nthreads: {t: {kind: user, steps: [{lock: m}]}}\n") ==
        "3:36: error: lock 'm' is never released: thread 't' ends holding it\n");
}

TEST_CASE("ways that end with different locks held") {
  CHECK(lowering_says("locks: {m: mutex}\nthreads: {t: {kind: user, steps: [{choose: [[{lock: m}], [{lock: m}, "
                      "{unlock: m}]]}, {unlock: m}]}}\n") ==
        "3:36: error: the ways through this step end with different locks held\n");
}

TEST_CASE("a procedure that calls itself") {
  CHECK(lowering_says("procedures: {p: [{call: p}]}\nthreads: {t: {kind: user, steps: [{call: p}]}}\n") ==
        "2:25: error: procedure 'p' calls itself\n");
}

TEST_CASE("a user fence in a reservation object") {
  CHECK(lowering_says("fences: {u: user}\nbuffers: {b: {}}\nthreads: {t: {kind: user, steps: [{attach: {buffer: b, "
                      "fence: u, usage: write}}, {signal: u}]}}\n") ==
        "4:63: error: 'u' is a user fence; only kernel fences can be attached to a buffer\n");
}

TEST_CASE("a job submitted twice, a pool too small, a shared mutex, a mutex in a transaction") {
  CHECK(lowering_says("queues: {q: engine}\nprocedures: {p: [{submit: {queue: q, job: j}}]}\nthreads: {t: {kind: user, "
                      "steps: [{call: p}, {call: p}]}}\n") == "3:43: error: job 'j' is submitted twice\n");
  CHECK(lowering_says("pools: {p: 1}\nthreads: {t: {kind: user, steps: [{take: {pool: p, amount: 2}}]}}\n") ==
        "3:36: error: pool 'p' holds only 1\n");
  CHECK(lowering_says(
            "locks: {m: mutex}\nthreads: {t: {kind: user, steps: [{lock: {lock: m, shared: true}}, {unlock: m}]}}\n") ==
        "3:49: error: 'm' is a mutex; only an rwsem can be taken shared\n");
  CHECK(lowering_says("locks: {m: mutex}\nthreads: {t: {kind: user, steps: [{transaction: {locks: [m]}}]}}\n") ==
        "3:58: error: 'm' is a mutex; a transaction takes ww locks\n");
}

TEST_CASE("what is declared and never used is a warning") {
  CHECK(lowering_says("locks: {m: mutex}\nfences: {k: kernel}\nthreads: {t: {kind: user, steps: [{wait: k}]}}\n") ==
        "2:9: warning: the lock 'm' is never used\n3:10: warning: nothing signals fence 'k'\n");
}

TEST_CASE("a submission locks, collects, publishes, attaches, pushes and unlocks") {
  const System system = lowered(
      "buffers: {b: {}}\nqueues: {q: engine}\nthreads: {t: {kind: user, steps: [{submit: {queue: q, job: j, uses: {b: "
      "write}}}]}}\n");
  std::string story;
  const Thread& thread = system.threads.back();
  for (const Step& step : thread.program) story += describe(system, thread, step) + "\n";
  CHECK(story ==
        "begins a ww transaction\n"
        "takes lock 'b' with its ticket\n"
        "reaches a bound: a ww transaction that backs off while it holds nothing\n"
        "looks up the fences of 'b' up to read\n"
        "publishes fence 'j'\n"
        "attaches fence 'j' to 'b' as write\n"
        "pushes job 'j' onto queue 'q'\n"
        "releases lock 'b'\n");
}

TEST_CASE("signalling a point of a timeline signals the points before it") {
  const System system =
      lowered("timelines: {t: {kind: kernel, points: 3}}\nthreads: {w: {kind: worker, steps: [{signal: 't:2'}]}}\n");
  const auto& signal = std::get<Signal>(system.threads.front().program.front().action);
  CHECK(signal.fences == std::vector<FenceId>{FenceId{0}, FenceId{1}});
}

TEST_CASE("who comes back to its first step has begun, unless it is a server") {
  const auto comes_back = [](const std::string& loop) {
    const System system = lowered("variables: {x: 0}\nthreads:\n  t: {kind: worker, steps: [{loop: {name: l, steps: [" +
                                  loop + "]}}]}\n");
    std::size_t edges = 0;
    for (const Step& step : system.threads.front().program)
      edges += static_cast<std::size_t>(std::ranges::count(step.next, StepIndex{0}));
    return edges > 0;
  };
  CHECK(comes_back("{when: {x: 1}}, {set: {x: 0}}, {retry: l}"));
  CHECK_FALSE(comes_back("{when: {x: 1}}, {set: {x: 0}}, {choose: [[{retry: l}], []]}"));
}

TEST_CASE("a wait for kernel and user fences is one wait for each cause") {
  const System system = lowered(
      "fences: {k: kernel, u: user}\nthreads:\n  w: {kind: worker, steps: [{wait: [k, u]}]}\n"
      "  s: {kind: worker, steps: [{signal: [k, u]}]}\n");
  REQUIRE(system.threads.front().program.size() == 2);
  CHECK(system.threads.front().program[0].cause == Cause::explicit_sync);
  CHECK(system.threads.front().program[1].cause == Cause::userspace);
}

TEST_CASE("GFP classes enter what they may enter") {
  const auto ways = [](const std::string& gfp) {
    const System system = lowered(
        "fences: {k: kernel}\nshrinkers: {s: [{wait: k}]}\nnotifiers: {n: [{wait: k}]}\nthreads:\n"
        "  w: {kind: worker, steps: [{alloc: " +
        gfp + "}, {signal: k}]}\n");
    const auto* choose = std::get_if<Choose>(&system.threads.front().program.front().action);
    return choose == nullptr ? std::size_t{1} : choose->branches.size();
  };
  CHECK(ways("kernel") == 3);
  CHECK(ways("nofs") == 2);
  CHECK(ways("noio") == 2);
  CHECK(ways("nowait") == 1);
  CHECK(ways("atomic") == 1);
}

TEST_CASE("dependencies lead from a fence through its job to what the job waits for") {
  const System system = lowered(
      "fences: {u: user}\nqueues: {q: engine}\nthreads:\n"
      "  t: {kind: user, steps: [{submit: {queue: q, job: j, in: [u]}}, {signal: u}]}\n");
  const SystemGraph graph = dependencies(system);
  const auto job = std::ranges::find_if(graph.threads, [](VertexId v) { return v != DependencyGraph::null_vertex(); });
  REQUIRE(job != graph.threads.end());
  const VertexId fence = graph.fences[1];
  CHECK(find_edge(*graph.graph, fence, *job).has_value());
  const auto waits = find_edge(*graph.graph, *job, graph.fences[0]);
  REQUIRE(waits.has_value());
  CHECK((*graph.graph)[*waits].cause == Cause::userspace);
  CHECK((*graph.graph)[*waits].at.line == 5);
}

}  // namespace
}  // namespace fencecheck
