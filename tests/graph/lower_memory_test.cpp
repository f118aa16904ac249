// Memory management, works and loops: which core steps they come to, and what is refused.
#include <fmt/format.h>

#include <algorithm>

#include "graph/input/lower.hpp"
#include "tests/catch.hpp"
#include "tests/support/scenario_text.hpp"

namespace fencecheck {
namespace {

// "0 starts on queue 'wq' -> 1\n…"; the end is called "end".
std::string program(const System& system, std::string_view thread) {
  const auto found = std::ranges::find(system.threads, thread, &Thread::name);
  REQUIRE(found != system.threads.end());
  std::string text;
  for (StepIndex i = 0; i < found->end(); ++i) {
    const Step& step = found->program[i];
    text += fmt::format("{} {} ->", i, describe(system, *found, step));
    for (const StepIndex next : step.next)
      text += next == found->end() ? std::string(" end") : fmt::format(" {}", next);
    if (step.timeout) text += fmt::format(" or {}", step.timeout->next);
    text += "\n";
  }
  return text;
}

// Works and loops.

TEST_CASE("a work leads back to its beginning, and a first wait queues it") {
  const System system = lowered(
      "fences: {ev: {on-wait: w}}\nqueues: {wq: worker}\nworks: {w: {queue: wq, steps: [{signal: ev}]}}\n"
      "threads: {t: {kind: ioctl, steps: [{wait: ev}]}}\n");
  CHECK(program(system, "w") ==
        "0 starts on queue 'wq' -> 1\n"
        "1 signals 'ev' -> 2\n"
        "2 leaves queue 'wq' -> 0\n");
  CHECK(program(system, "t") ==
        "0 looks up fence 'ev' -> 1\n"
        "1 asks for the signal of the wait on line 5 -> 2\n"
        "2 waits for the fences of the wait on line 5 -> end\n");
  CHECK(system.fences.front().on_wait == ThreadId{0});
  CHECK(system.fences.front().published);
}

TEST_CASE("works are queued, flushed and cancelled") {
  const System system = lowered(
      "fences: {f: kernel}\nqueues: {wq: worker}\nworks: {w: {queue: wq, steps: [{signal: f}]}}\n"
      "threads: {t: {kind: ioctl, steps: [{queue-work: w}, {flush-work: w}, {cancel-work: w}]}}\n");
  CHECK(program(system, "t") ==
        "0 pushes job 'w' onto queue 'wq' -> 1\n"
        "1 waits until work 'w' is neither queued nor runs -> 2\n"
        "2 takes work 'w' off its queue -> 3\n"
        "3 waits until work 'w' is neither queued nor runs -> end\n");
}

TEST_CASE("an if has a branch for each condition that fails, retry leads back") {
  const System system = lowered(
      "variables: {x: 0, y: 0}\nthreads: {t: {kind: ioctl, steps: [{loop: {name: l, steps: [{set: {x: 1}}, "
      "{if: {when: {x: 1, y: 0}, then: [{retry: l}], else: [{set: {y: 2}}]}}]}}]}}\n");
  CHECK(program(system, "t") ==
        "0 sets x = 1 -> 1\n"
        "1 looks whether x = 1 and y = 0 -> 3 2 2\n"
        "2 sets y = 2 -> end\n"
        "3 sets x = 1 -> 1\n");  // the second time it has begun
}

TEST_CASE("a call into the kernel is not userspace, apart from its first step") {
  const System system = lowered("fences: {f: kernel}\nthreads: {t: {steps: [{ioctl: [{wait: f}, {signal: f}]}]}}\n");
  const std::vector<Step>& steps = system.threads.front().program;
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].userspace);
  CHECK_FALSE(steps[1].userspace);
  CHECK(steps[0].cause == Cause::explicit_sync);
}

TEST_CASE("a job in a work has a new fence each time") {
  const System system = lowered(
      "queues: {wq: worker, q: engine}\nworks: {w: {queue: wq, steps: [{submit: {queue: q, job: j}}]}}\n"
      "threads: {t: {kind: ioctl, steps: [{queue-work: w}]}}\n");
  CHECK(program(system, "w") ==
        "0 starts on queue 'wq' -> 1\n"
        "1 waits until work 'j' is neither queued nor runs -> 2\n"
        "2 makes a new fence 'j' -> 3\n"
        "3 publishes fence 'j' -> 4\n"
        "4 pushes job 'j' onto queue 'q' -> 5\n"
        "5 leaves queue 'wq' -> 0\n");
  CHECK(program(system, "j") ==
        "0 starts on queue 'q' -> 1\n"
        "1 signals 'j' -> 2\n"
        "2 leaves queue 'q' -> 0\n");
}

TEST_CASE("without a rescuer a worker may need memory, which reclaim holds up") {
  const System system = lowered(
      "fences: {f: kernel}\nqueues: {wq: {kind: worker, rescuer: false}}\n"
      "works: {w: {queue: wq, steps: [{signal: f}]}}\n"
      "threads: {t: {kind: reclaim, steps: [{queue-work: w}]}}\n");
  CHECK(program(system, "w") ==
        "0 starts on queue 'wq' -> 1\n"
        "1 goes one of several ways -> 4 2\n"
        "2 takes 2 of pool 'memory for new workers' -> 3\n"
        "3 gives 2 back to pool 'memory for new workers' -> 4\n"
        "4 signals 'f' -> 5\n"
        "5 leaves queue 'wq' -> 0\n");
  CHECK(program(system, "t") ==
        "0 takes 1 of pool 'memory for new workers' -> 1\n"
        "1 pushes job 'w' onto queue 'wq' -> 2\n"
        "2 gives 1 back to pool 'memory for new workers' -> end\n");
}

// User queues and eviction fences.

constexpr const char* user_queue =
    "regions: {vram: {capacity: 4GiB}}\nbuffers: {a: {region: vram}}\nfences: {ev: kernel}\n"
    "address-spaces: {vm: {mode: preempt-fence, buffers: [a], fence: ev}}\n"
    "queues: {ring: {kind: user, address-space: vm}}\n";

TEST_CASE("a doorbell is a push, publishing its fence makes it a submission fence") {
  const System system = lowered(std::string(user_queue) +
                                "threads:\n"
                                "  t: {steps: [{submit: {queue: ring, job: j, doorbell: true}}, {publish: j}]}\n"
                                "  w: {kind: worker, steps: [{wait-submissions: {queue: ring, timeout: 100ms}}, "
                                "{suspend: ring}, {signal: ev}, {kill: ring}]}\n");
  CHECK(program(system, "t") ==
        "0 pushes job 'j' onto queue 'ring' -> 1\n"
        "1 publishes fence 'j' -> 2\n"
        "2 attaches fence 'j' to 'submissions of ring' as bookkeep -> end\n");
  CHECK(program(system, "w") ==
        "0 looks up the fences of 'submissions of ring' up to bookkeep -> 1\n"
        "1 waits for the fences of the submissions of 'ring' -> 2 or 2\n"
        "2 suspends queue 'ring' -> 3\n"
        "3 signals 'ev' -> 4\n"
        "4 kills 'ring' -> end\n");
  CHECK(system.queues.front().gate == VariableId{0});
  REQUIRE(system.uses.size() == 1);
  CHECK(system.uses.front().gate == VariableId{0});
  CHECK(system.fences[0].published);
  CHECK(system.fences[0].promises == std::vector<HardwareUseId>{HardwareUseId{0}});
  CHECK(system.reservations[0].attached == std::vector<Attachment>{{FenceId{0}, Usage::bookkeep}});
  CHECK_FALSE(system.fences[1].published);
  REQUIRE(system.round_trips.size() == 1);
  CHECK(system.round_trips.front().most == 1);
  CHECK(system.round_trips.front().most_submissions == 1);
}

TEST_CASE("rearming renews, publishes and attaches") {
  const System system = lowered(std::string(user_queue) +
                                "threads: {t: {kind: ioctl, steps: [{rearm: vm}, {signal: ev}, {resume: ring}]}}\n");
  CHECK(program(system, "t") ==
        "0 makes a new fence 'ev' -> 1\n"
        "1 publishes fence 'ev' -> 2\n"
        "2 attaches fence 'ev' to 'a' as bookkeep -> 3\n"
        "3 signals 'ev' -> 4\n"
        "4 resumes queue 'ring' -> end\n");
}

// Residency.

TEST_CASE("validating tries, evicts, forces, and is denied") {
  const System system = lowered(
      "regions: {vram: {capacity: 8GiB}, gtt: {}}\n"
      "buffers: {a: {size: 6GiB, placements: [vram, gtt]}, b: {size: 6GiB, region: vram, resident: false}}\n"
      "threads: {t: {kind: ioctl, steps: [{validate: b}]}}\n");
  CHECK(program(system, "t") ==
        "0 takes lock 'b' -> 1\n"
        "1 allocates 6 GiB for 'b' in 'vram' -> 18 2 9\n"
        "2 looks for a buffer of 'vram' to evict for 'b' -> 4 3 3\n"
        "3 looks for a buffer of 'vram' to evict for 'b', ignoring low -> 4 9 9\n"
        "4 looks up the fences of 'a' up to bookkeep -> 5\n"
        "5 waits for the fences of buffer 'a' -> 6\n"
        "6 unmaps 'a' -> 7\n"
        "7 moves 'a' to 'gtt' -> 8\n"
        "8 releases lock 'a' -> 1\n"
        "9 allocates 6 GiB for 'b' in 'vram' -> 18 10 17\n"
        "10 looks for a buffer of 'vram' to evict for 'b' -> 12 11 11\n"
        "11 looks for a buffer of 'vram' to evict for 'b', ignoring low -> 12 17 17\n"
        "12 looks up the fences of 'a' up to bookkeep -> 13\n"
        "13 waits for the fences of buffer 'a' -> 14\n"
        "14 unmaps 'a' -> 15\n"
        "15 moves 'a' to 'gtt' -> 16\n"
        "16 releases lock 'a' -> 9\n"
        "17 gets no memory for 'b' -> 19\n"
        "18 releases lock 'b' -> end\n"
        "19 releases lock 'b' -> end\n");
}

TEST_CASE("a victim leaves the region that is searched, not the one it began in") {
  const System system = lowered(
      "regions: {vram: {capacity: 8GiB}, gtt: {capacity: 8GiB}}\n"
      "buffers: {a: {size: 6GiB, placements: [vram, gtt]}, b: {size: 6GiB, region: gtt, resident: false}}\n"
      "threads: {t: {kind: ioctl, steps: [{validate: b}]}}\n");
  CHECK(program(system, "t").find("7 moves 'a' out -> 8\n") != std::string::npos);
}

TEST_CASE("without evicting, the next placement is tried") {
  const System system = lowered(
      "regions: {vram: {capacity: 8GiB}}\nvariables: {failed: 0}\n"
      "buffers: {a: {size: 6GiB, region: vram}, b: {size: 6GiB, region: vram, resident: false}}\n"
      "threads: {t: {kind: ioctl, steps: [{lock: b}, {validate: {buffer: b, no-evict: true, "
      "else: [{set: {failed: 1}}]}}, {unlock: b}]}}\n");
  CHECK(program(system, "t") ==
        "0 takes lock 'b' -> 1\n"
        "1 allocates 6 GiB for 'b' in 'vram' -> 5 2 2\n"
        "2 allocates 6 GiB for 'b' in 'vram' -> 5 3 3\n"
        "3 gets no memory for 'b' -> 4\n"
        "4 sets failed = 1 -> 5\n"
        "5 releases lock 'b' -> end\n");
}

TEST_CASE("evicting by a copy job hands the memory on before it is copied") {
  const System system = lowered(
      "regions: {vram: {capacity: 8GiB}}\nbuffers: {a: {size: 6GiB, region: vram}}\nqueues: {sdma: engine}\n"
      "threads: {t: {kind: ioctl, steps: [{lock: a}, {evict: {buffer: a, locking: held, by: sdma}}, {unlock: a}]}}\n");
  const std::string copy = "copy of 'a' by 't'";
  CHECK(program(system, "t") == fmt::format("0 takes lock 'a' -> 1\n"
                                            "1 looks where 'a' is, to evict it -> 2 10 10\n"
                                            "2 waits until work '{0}' is neither queued nor runs -> 3\n"
                                            "3 looks up the fences of 'a' up to bookkeep -> 4\n"
                                            "4 moves 'a' out -> 5\n"
                                            "5 makes a new fence '{0}' -> 6\n"
                                            "6 publishes fence '{0}' -> 7\n"
                                            "7 attaches fence '{0}' to 'a' as kernel -> 8\n"
                                            "8 attaches fence '{0}' to 'departures of vram' as kernel -> 9\n"
                                            "9 pushes job '{0}' onto queue 'sdma' -> 10\n"
                                            "10 releases lock 'a' -> end\n",
                                            copy));
  CHECK(program(system, copy) == fmt::format("0 starts on queue 'sdma' -> 1\n"
                                             "1 asks for the signal of buffer 'a' -> 2\n"
                                             "2 waits for the fences of buffer 'a' -> 3\n"
                                             "3 unmaps 'a' -> 4\n"
                                             "4 signals '{}' -> 5\n"
                                             "5 leaves queue 'sdma' -> 0\n",
                                             copy));
}

TEST_CASE("a limit is followed by evictions where the kernel does that") {
  const auto steps = [](const std::string& kernel, const std::string& more) {
    return lowered("kernel: \"" + kernel +
                   "\"\nregions: {vram: {capacity: 8GiB}}\ngroups: {g: {limits: {vram: {low: 1GiB}}}}\n"
                   "buffers: {a: {size: 6GiB, region: vram, group: g}}\n"
                   "threads: {t: {kind: ioctl, steps: [{set-limit: {group: g, region: vram, max: 4GiB" +
                   more + "}}]}}\n")
        .threads.front()
        .program.size();
  };
  CHECK(steps("7.2", "") == 1);
  CHECK(steps("7.3", ", nonblock: true") == 1);
  CHECK(steps("7.3", "") > 1);
}

TEST_CASE("groups: parents first, the root always") {
  const System system = lowered(
      "regions: {vram: {capacity: 8GiB}}\n"
      "groups: {leaf: {parent: top, limits: {vram: {min: 4GiB}}}, top: {}}\n"
      "buffers: {a: {size: 6GiB, region: vram, group: leaf}}\n"
      "threads: {t: {kind: ioctl, group: top, steps: [{validate: a}]}}\n");
  REQUIRE(system.groups.size() == 3);
  CHECK(system.groups[0].name == "root");
  CHECK(system.groups[1].name == "top");
  CHECK(system.groups[2].parent == GroupId{1});
  CHECK(system.groups[2].limits.front().min == std::uint64_t{4} << 30U);
  CHECK(system.regions.front().accounted);
  CHECK(system.buffers.front().charged == GroupId{2});
  CHECK(system.threads.front().group == GroupId{1});
}

TEST_CASE("a job uses its memory from its first step to its signal") {
  const System system = lowered(
      "regions: {vram: {capacity: 8GiB}}\nbuffers: {a: {size: 6GiB, region: vram}}\nqueues: {q: engine}\n"
      "threads: {t: {kind: ioctl, steps: [{submit: {queue: q, job: j, uses: {a: write}}}, {kill: j}]}}\n");
  REQUIRE(system.uses.size() == 1);
  const HardwareUse& use = system.uses.front();
  CHECK(std::holds_alternative<Signal>(system[*use.job].program[use.ends].action));
  CHECK(use.begins == 2);
  CHECK(use.ends == 2);
  CHECK_FALSE(system[use.space].mapped);
  const std::vector<Step>& steps = system.threads.back().program;
  CHECK(std::ranges::count_if(steps, [](const Step& step) { return std::holds_alternative<Map>(step.action); }) == 1);
  CHECK(std::get<Kill>(steps.back().action).use == HardwareUseId{0});
}

TEST_CASE("where slots count, submissions reserve their own") {
  const System system = lowered(
      "buffers: {a: {}}\nqueues: {q: engine}\n"
      "threads: {t: {kind: ioctl, steps: [{lock: a}, {reserve: a}, {submit: {queue: q, job: j, uses: {a: write}}}, "
      "{unlock: a}]}}\n");
  CHECK(program(system, "t") ==
        "0 takes lock 'a' -> 1\n"
        "1 reserves 1 fence slot of 'a' -> 2\n"
        "2 looks up the fences of 'a' up to read -> 3\n"
        "3 reserves 1 fence slot of 'a' -> 4\n"
        "4 publishes fence 'j' -> 5\n"
        "5 attaches fence 'j' to 'a' as write -> 6\n"
        "6 pushes job 'j' onto queue 'q' -> 7\n"
        "7 releases lock 'a' -> end\n");
  CHECK(system.reservations.front().counted);
}

// What is refused.

TEST_CASE("contradictions of loops, works and user queues") {
  CHECK(lowering_says("threads: {t: {kind: ioctl, steps: [{retry: l}]}}\n") ==
        "2:44: error: there is no loop 'l' around this step\n");
  CHECK(lowering_says("threads: {t: {kind: ioctl, steps: [{loop: {name: l, steps: [{retry: l}]}}]}}\n") ==
        "2:69: error: loop 'l' begins again before it has done anything\n");
  CHECK(lowering_says("locks: {m: mutex}\nthreads: {t: {kind: ioctl, steps: [{loop: {name: l, steps: [{lock: m}, "
                      "{retry: l}]}}]}}\n") ==
        "3:80: error: loop 'l' begins again with other locks held than at its beginning\n");
  CHECK(lowering_says("threads: {t: {kind: ioctl, steps: [{ioctl: []}]}}\n") ==
        "2:37: error: this is inside the kernel already: 'ioctl' belongs to threads of kind 'user'\n");
  CHECK(lowering_says("queues: {q: engine}\nworks: {w: {queue: q, steps: []}}\nthreads: {t: {steps: "
                      "[{queue-work: w}]}}\n")
            .find("3:20: error: 'q' is of kind 'engine'; works run on queues of kind 'worker'\n") != std::string::npos);
  CHECK(lowering_says("queues: {q: {kind: user}, e: engine}\nthreads: {t: {steps: [{submit: {queue: q, job: j}}, "
                      "{submit: {queue: e, job: k, doorbell: true}}, {suspend: e}]}}\n") ==
        "3:40: error: 'q' is a user queue: it is written to by 'doorbell'\n"
        "3:70: error: 'e' is no user queue: it has no doorbell\n"
        "3:109: error: 'e' is of kind 'engine', not a user queue\n");
  CHECK(lowering_says("fences: {a: {on-wait: w}, b: kernel}\nqueues: {wq: worker, q: engine}\n"
                      "works: {w: {queue: wq, steps: [{submit: {queue: q, job: j, out: a}}]}}\n"
                      "threads: {t: {kind: ioctl, steps: [{wait: {any: [a, b]}}]}}\n") ==
        "5:37: error: 'a' is made anew: a wait for any of several fences, with it, is not covered\n");
}

TEST_CASE("dmem.high is read, and no kernel has it") {
  CHECK(lowering_says("regions: {vram: {capacity: 8GiB}}\ngroups: {g: {limits: {vram: {high: 4GiB}}}}\n"
                      "buffers: {a: {region: vram, group: g}}\n"
                      "threads: {t: {kind: ioctl, steps: [{validate: a}]}}\n") ==
        "3:30: warning: no kernel implements 'dmem.high': it has no effect\n");
}

TEST_CASE("contradictions of memory") {
  const std::string vram = "regions: {vram: {capacity: 4GiB}}\n";
  const std::string nothing = "threads: {t: {kind: ioctl, steps: [{validate: a}]}}\n";
  CHECK(lowering_says(vram + "buffers: {a: {size: 5GiB, region: vram}}\n" + nothing) ==
        "3:11: error: 'a' takes 5 GiB, and 'vram' has 4 GiB left at the beginning\n");
  CHECK(lowering_says(vram + "buffers: {a: {size: 5GiB}}\n" + nothing)
            .starts_with("3:11: error: buffer 'a' has a size and no region to be in\n"));
  CHECK(lowering_says(vram + "groups: {x: {parent: y}, y: {parent: x}}\nbuffers: {a: {region: vram}}\n" + nothing) ==
        "3:10: error: group 'x' is below itself\n3:26: error: group 'y' is below itself\n");
  CHECK(lowering_says("regions: {vram: {capacity: 4GiB, accounted: false}}\n"
                      "groups: {x: {limits: {vram: {min: 1GiB}}}}\nbuffers: {a: {region: vram}}\n" +
                      nothing) == "3:23: error: 'vram' is not accounted: it has no limits\n");
  CHECK(lowering_says(vram + "buffers: {a: {region: vram}}\nthreads: {t: {kind: ioctl, steps: [{alloc: {region: "
                             "vram}}, {reserve: a}, {move: {buffer: a, to: vram}}]}}\n") ==
        "4:53: error: where memory is tracked, only a buffer is allocated: which one?\n"
        "4:71: error: the reservation of 'a' is not held here\n"
        "4:91: error: the reservation of 'a' is not held here\n");
  CHECK(lowering_says(vram + "buffers: {a: {region: vram}}\nqueues: {wq: worker}\nworks: {w: {queue: wq, steps: "
                             "[{validate: a}]}}\nthreads: {t: {kind: ioctl, steps: [{queue-work: w}]}}\n") ==
        "5:33: error: memory may be denied here, and this program cannot just end: 'validate' needs a key 'else'\n");
  std::string many = "buffers: {";
  for (int i = 0; i < 64; ++i) many += fmt::format("{}a{}: {{region: vram}}", i == 0 ? "" : ", ", i);
  CHECK(lowering_says(vram + many + "}\nthreads: {t: {kind: ioctl, steps: [{pin: a0}]}}\n")
            .find("error: 64 buffers with memory: at most 63 are covered, for any of them may be evicted\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace fencecheck
