// Every kind of finding in its smallest form, with a twin that has none; what the story says.
#include "checker/decide.hpp"

#include "checker/check.hpp"
#include "encoders/report/text.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"
#include "tests/catch.hpp"
#include "tests/support/golden.hpp"

namespace fencecheck {
namespace {

Decision decided(const std::string& text, const Budget& budget = {}) {
  Diagnostics diagnostics;
  const auto scenario = read_yaml({"test.yaml", "fencecheck: 1\n" + text, {}}, diagnostics);
  for (const Diagnostic& each : diagnostics.sorted()) INFO(each.message);
  REQUIRE(scenario.has_value());
  const auto system = lower(*scenario, diagnostics);
  for (const Diagnostic& each : diagnostics.sorted())
    if (each.severity == Severity::error) FAIL(each.message);
  REQUIRE(system.has_value());
  return decide(*system, dependencies(*system), budget);
}

const std::string abba =
    "locks: {a: mutex, b: mutex}\n"
    "threads:\n"
    "  one: {kind: ioctl, steps: [{lock: a}, {lock: b}, {unlock: b}, {unlock: a}]}\n"
    "  two: {kind: ioctl, steps: [{lock: ";

TEST_CASE("two locks in two orders are a deadlock that names both parties") {
  const Decision decision = decided(abba + "b}, {lock: a}, {unlock: a}, {unlock: b}]}\n");
  REQUIRE(decision.findings.size() == 1);
  const Finding& finding = decision.findings.front();
  CHECK(finding.kind == FindingKind::deadlock);
  CHECK(finding.strength == Strength::confirmed);
  CHECK(finding.message == "2 parties wait for each other: one -> two -> one");
  REQUIRE(finding.parties.size() == 2);
  CHECK(finding.parties[0].holds == std::vector<std::string>{"holds lock 'a'"});
  CHECK(finding.parties[0].waits_for == "lock 'b'");
  CHECK(to_text(finding.needs) == "lock");
  CHECK(finding.schedule.back().blocks);
  CHECK(decision.cycles.size() == 1);
}

TEST_CASE("two locks in one order are none") {
  const Decision decision = decided(abba + "a}, {lock: b}, {unlock: b}, {unlock: a}]}\n");
  CHECK(decision.findings.empty());
  CHECK(decision.answers.front().verdict == Verdict::holds);
  CHECK(decision.answers.front().reason == "every interleaving of its 2 threads and 8 steps");
}

TEST_CASE("a fence that nobody signals is found without any wait") {
  const Decision decision = decided("fences: {k: kernel}\nthreads: {t: {kind: ioctl, steps: [{publish: k}]}}\n");
  REQUIRE(decision.findings.size() == 1);
  CHECK(decision.findings.front().message == "kernel fence 'k' is published and nobody signals it");
  CHECK(to_text(decision.findings.front().needs) == "nothing");
  CHECK(decided("fences: {k: kernel}\nthreads: {t: {kind: ioctl, steps: [{publish: k}, {signal: k}]}}\n")
            .findings.empty());
}

TEST_CASE("a timeout turns a deadlock into a stall only if it helps") {
  const auto kind = [](const std::string& fence) {
    return decided("fences: {k: " + fence +
                   ", other: kernel}\nlocks: {m: mutex}\nthreads:\n"
                   "  waiter: {kind: ioctl, steps: [{lock: m}, {wait: k}, {unlock: m}]}\n"
                   "  signaller: {kind: worker, steps: [{lock: m}, {unlock: m}, {signal: [k, other]}]}\n")
        .findings.front();
  };
  CHECK(kind("kernel").kind == FindingKind::deadlock);
  const Finding stall = kind("{kind: kernel, timeout: 3s}");
  CHECK(stall.kind == FindingKind::stall);
  CHECK(stall.lasts == std::optional<Microseconds>(Milliseconds{3000}));
  CHECK(stall.killed.size() == 1);
}

TEST_CASE("a timeout elsewhere does not hide a deadlock") {
  const Decision decision =
      decided(abba + "b}, {lock: a}, {unlock: a}, {unlock: b}]}\n" +
              "  three: {kind: user, steps: [{wait: {all: [u], timeout: 1s}}]}\nfences: {u: user}\n");
  REQUIRE_FALSE(decision.findings.empty());
  CHECK(decision.findings.front().kind == FindingKind::deadlock);
}

TEST_CASE("several hangs of one scenario are all reported") {
  const Decision decision = decided(
      "locks: {a: mutex, b: mutex, c: mutex, d: mutex}\nthreads:\n"
      "  one: {kind: ioctl, steps: [{lock: a}, {lock: b}, {unlock: b}, {unlock: a}]}\n"
      "  two: {kind: ioctl, steps: [{lock: b}, {lock: a}, {unlock: a}, {unlock: b}]}\n"
      "  three: {kind: ioctl, steps: [{lock: c}, {lock: d}, {unlock: d}, {unlock: c}]}\n"
      "  four: {kind: ioctl, steps: [{lock: d}, {lock: c}, {unlock: c}, {unlock: d}]}\n");
  CHECK(decision.findings.size() == 2);
}

TEST_CASE("userspace that hangs by itself is a remark, not a finding") {
  const Decision decision = decided("fences: {u: user}\nthreads: {t: {kind: user, steps: [{wait: u}]}}\n");
  CHECK(decision.findings.empty());
  REQUIRE(decision.assumptions.size() == 1);
  CHECK(decision.assumptions.front().find("userspace can hang by itself") != std::string::npos);
}

TEST_CASE("a kernel fence that needs a user fence breaks the contract though no cycle closes") {
  const std::string threads = "threads:\n  t: {kind: user, steps: [{signal: u}]}\n  w: {kind: worker, steps: [";
  const Decision broken = decided("fences: {k: kernel, u: user}\n" + threads + "{wait: u}, {signal: k}]}\n");
  REQUIRE(broken.findings.size() == 1);
  CHECK(broken.findings.front().rule == std::optional<Rule>(Rule::indefinite_fence));
  CHECK(decided("fences: {k: kernel, u: user}\n" + threads + "{signal: k}, {wait: u}]}\n").findings.empty());
}

TEST_CASE("an array of fences is neither added to a reservation object nor to another array") {
  const std::string fences = "fences: {x: kernel, y: kernel, all: {array: [x, y]}";
  const std::string attach =
      "}\nbuffers: {bo: {}}\nthreads: {t: {kind: worker, steps: [{lock: bo}, {attach: {buffer: bo, ";
  const std::string signal = "}}, {unlock: bo}, {signal: [x, y]}]}}\n";
  const Decision broken = decided(fences + attach + "fence: all" + signal);
  REQUIRE(broken.findings.size() == 1);
  CHECK(broken.findings.front().rule == std::optional<Rule>(Rule::container));
  CHECK(broken.answers.back().reason == "rule FDG041");
  CHECK(decided(fences + attach + "fence: x" + signal).findings.empty());
  const std::string threads = "threads: {t: {kind: worker, steps: [{signal: [x, y]}]}}\n";
  CHECK(decided("fences: {x: kernel, y: kernel, all: {array: [x, y]}}\nbuffers: {bo: {size: 1GiB, region: vram}}\n"
                "regions: {vram: {capacity: 4GiB}}\n"
                "address-spaces: {vm: {mode: preempt-fence, buffers: [bo], fence: all}}\n"
                "threads: {t: {kind: worker, steps: [{signal: [x, y]}]}}\n")
            .answers.back()
            .reason == "rule FDG041");
  const Decision nested = decided(fences + ", more: {array: [all, x]}}\n" + threads);
  REQUIRE(nested.findings.size() == 1);
  CHECK(nested.findings.front().message == "fence 'all' is an array, and is added to the array 'more'");
}

const std::string one_region = "regions: {vram: {capacity: 4GiB}, gtt: {}}\n";

TEST_CASE("an eviction by hand leaves what is pinned, and what can go nowhere") {
  const auto kinds = [](const std::string& text) {
    std::vector<FindingKind> result;
    for (const Finding& each : decided(one_region + text).findings) result.push_back(each.kind);
    return result;
  };
  const std::string buffer = "buffers: {a: {size: 4GiB, placements: [vram, gtt], keep: true}}\n";
  const std::string evict = "{evict: {buffer: a, locking: lock}}]}}\n";
  CHECK(kinds(buffer + "threads: {t: {kind: ioctl, steps: [" + evict) == std::vector{FindingKind::isolation});
  CHECK(kinds(buffer + "threads: {t: {kind: ioctl, steps: [{lock: a}, {pin: a}, {unlock: a}, " + evict).empty());
  const std::string full =
      "buffers: {a: {size: 4GiB, placements: [vram]}, b: {size: 4GiB, placements: [vram], resident: false}}\n"
      "threads: {t: {kind: ioctl, steps: [{evict: {buffer: a, locking: lock}}, {validate: b}]}}\n";
  CHECK(kinds(full).empty());
  CHECK(kinds("environment: {swap: false}\n" + full) == std::vector{FindingKind::starvation});
}

TEST_CASE("a killed job still waits for what it depends on") {
  const auto verdict = [](const std::string& worker) {
    return decided(
               "fences: {first: kernel}\nregions: {vram: {capacity: 4GiB}}\n"
               "buffers: {a: {size: 1GiB, region: vram}}\n"
               "address-spaces: {vm: {mode: no-preemption, buffers: [a]}}\n"
               "queues: {gfx: {kind: engine, address-space: vm}}\nthreads:\n"
               "  t: {kind: ioctl, steps: [{submit: {queue: gfx, job: j, in: [first]}}, {kill: j}]}\n"
               "  w: {kind: worker, steps: [" +
               worker + "]}\n")
        .answers.front()
        .verdict;
  };
  CHECK(verdict("{publish: first}, {wait: j}, {signal: first}") == Verdict::violated);
  CHECK(verdict("{publish: first}, {signal: first}, {wait: j}") == Verdict::holds);
}

TEST_CASE("the second eviction finds the buffer where the first has left it") {
  const std::string ring =
      "address-spaces: {vm: {mode: no-preemption, buffers: [a], mapped: false}}\n"
      "queues: {ring: {kind: user, address-space: vm, suspended: true}}\n"
      "buffers: {a: {size: 4GiB, placements: [";
  const std::string steps =
      "]}}\nthreads: {t: {kind: ioctl, steps: [{evict: {buffer: a, locking: lock}}, {map: vm}, {resume: ring}, "
      "{evict: {buffer: a, locking: lock}}]}}\n";
  const Decision moved_on = decided(one_region + ring + "vram, gtt" + steps);  // from gtt it goes to system memory
  REQUIRE(moved_on.findings.size() == 1);
  CHECK(moved_on.findings.front().kind == FindingKind::job_killed);
  const Decision out_already = decided("regions: {vram: {capacity: 4GiB}}\n" + ring + "vram" + steps);
  REQUIRE(out_already.findings.size() == 1);  // the ring was never mapped, so that nothing kills it
  CHECK(out_already.findings.front().kind == FindingKind::use_after_evict);
}

TEST_CASE("userspace that may stop keeps kernel fences waiting") {
  const std::string text =
      "fences: {k: kernel, u: user}\nthreads:\n  t: {kind: user, steps: [{signal: u}]}\n"
      "  w: {kind: worker, steps: [{wait: u}, {signal: k}]}\n";
  CHECK(decided(text).answers.front().verdict == Verdict::holds);
  CHECK(decided("environment: {userspace-may-stop: true}\n" + text).answers.front().verdict == Verdict::violated);
}

TEST_CASE("what follows a bounded wait is searched too") {
  const auto verdict = [](const std::string& inside) {
    return decided(
               "fences: {u: user, never: user}\nlocks: {m: mutex}\nthreads:\n  t: {kind: ioctl, steps: "
               "[{wait: {all: [u], timeout: 1s, on-timeout: [" +
               inside + "]}}]}\n")
        .answers.front()
        .verdict;
  };
  CHECK(verdict("{lock: m}, {wait: never}, {unlock: m}") == Verdict::violated);
  CHECK(verdict("{lock: m}, {unlock: m}") == Verdict::holds);
}

TEST_CASE("a reader that tries its own rwsem again gets it") {
  const std::string text =
      "fences: {k: kernel}\nlocks: {s: rwsem}\nthreads:\n  t: {kind: worker, steps: [{lock: {lock: s, shared: true}}, "
      "{trylock: {lock: s, shared: true, steps: [{wait: k}]}}, {unlock: s}, {signal: k}]}\n";
  CHECK(decided(text).answers.front().verdict == Verdict::violated);
}

TEST_CASE("a deadlock behind another thread's choice is not mistaken for a stall") {
  const Decision decision = decided(
      "fences: {k: {kind: kernel, timeout: 1s}, dead: kernel}\nvariables: {v: 0}\nthreads:\n"
      "  w: {kind: worker, steps: [{wait: k}, {when: {v: 0}}, {signal: dead}]}\n"
      "  s: {kind: worker, steps: [{wait: dead}, {signal: k}]}\n"
      "  x: {kind: ioctl, steps: [{choose: [[], [{set: {v: 1}}]]}]}\n");
  CHECK(decision.findings.front().kind == FindingKind::deadlock);
}

TEST_CASE("slots that tasks of ioctls take piece by piece are a deadlock") {
  const std::string task = "{kind: ioctl, steps: [{take: p}, {take: p}, {give: {pool: p, amount: 2}}]}\n";
  const Decision decision = decided("pools: {p: 2}\nthreads:\n  one: " + task + "  two: " + task);
  REQUIRE_FALSE(decision.findings.empty());
  CHECK(decision.findings.front().parties.size() == 2);
}

TEST_CASE("needs names the userspace that stops, and guards that wait") {
  CHECK(to_text(decided("environment: {userspace-may-stop: true}\nfences: {k: kernel}\n"
                        "threads: {t: {kind: user, steps: [{publish: k}, {signal: k}]}}\n")
                    .findings.front()
                    .needs) == "userspace");
  CHECK(to_text(decided("variables: {a: 0, b: 0}\nfences: {k: kernel}\nthreads:\n"
                        "  one: {kind: worker, steps: [{when: {a: 1}}, {set: {b: 1}}, {signal: k}]}\n"
                        "  two: {kind: worker, steps: [{when: {b: 1}}, {set: {a: 1}}]}\n")
                    .findings.front()
                    .needs) == "explicit");
}

TEST_CASE("a kernel fence depends on userspace through a lock, a queue, a submitter, but not through an alternative") {
  const auto broken = [](const std::string& text) {
    return std::ranges::any_of(
        decided("fences: {k: kernel, u: user, o: kernel, e: user}\nqueues: {q: engine}\nlocks: {m: mutex}\nthreads:\n"
                "  t: {kind: user, steps: [{signal: u}]}\n" +
                text)
            .findings,
        [](const Finding& finding) { return finding.kind == FindingKind::contract; });
  };
  CHECK(
      broken("  h: {kind: ioctl, steps: [{lock: m}, {wait: u}, {unlock: m}]}\n"
             "  s: {kind: worker, steps: [{lock: m}, {signal: k}, {unlock: m}]}\n"));
  CHECK(
      broken("  h: {kind: user, steps: [{submit: {queue: q, job: a, out: e, in: [u]}}, {submit: {queue: q, job: b, "
             "out: k}}]}\n"));
  CHECK(broken("  h: {kind: user, steps: [{publish: k}, {wait: u}, {submit: {queue: q, job: j, out: k}}]}\n"));
  CHECK_FALSE(broken("  h: {kind: user, steps: [{wait: u}, {submit: {queue: q, job: j, out: k}}]}\n"));
  CHECK_FALSE(
      broken("  s: {kind: worker, steps: [{wait: {any: [u, o]}}, {signal: k}]}\n"
             "  w: {kind: worker, steps: [{signal: o}]}\n"));
}

TEST_CASE("an exhausted budget is unknown, with the option that raises it") {
  Budget budget;
  budget.deadline = std::chrono::steady_clock::now();
  const Decision decision = decided(abba + "b}, {lock: a}, {unlock: a}, {unlock: b}]}\n", budget);
  CHECK(decision.answers.front().verdict == Verdict::unknown);
  CHECK(decision.answers.front().reason == "the time limit was reached (--timeout)");
}

TEST_CASE("the story of the future fence, word for word") {
  Checked checked = check_file(FENCECHECK_SOURCE_DIR "/cases/indefinite/future-fence.yaml", {});
  REQUIRE(checked.report.has_value());
  checked.source.name = "future-fence.yaml";
  checked.result = Result::passed;
  const std::string text = to_text(checked, {StoryMode::always, false, 0});
  CHECK(test::golden("future-fence.txt", text) == text);
  checked.result = Result::failed;
  const std::string brief = to_text(checked, {StoryMode::never, false, 0});
  CHECK(test::golden("future-fence.brief.txt", brief) == brief);
  const std::string narrow = to_text(checked, {StoryMode::always, false, 72});
  CHECK(test::golden("future-fence.72.txt", narrow) == narrow);
  CHECK(to_text(checked, {StoryMode::always, true, 0}).find("\x1b[1;31m") != std::string::npos);
}

}  // namespace
}  // namespace fencecheck
