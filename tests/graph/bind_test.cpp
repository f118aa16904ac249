// Page tables with ranges, and what binds, syncobjs and their rules are lowered to.
#include <algorithm>

#include "checker/contracts.hpp"
#include "checker/decide.hpp"
#include "graph/model/page_tables.hpp"
#include "tests/catch.hpp"
#include "tests/support/scenario_text.hpp"
#include "tests/support/small_systems.hpp"

namespace fencecheck {
namespace {

// Page tables.

const std::string vm =
    "buffers: {a: {}, b: {}}\n"
    "address-spaces: {vm: {ranges: [a at 0x0+192KiB]}}\n";

std::string bind_now(const std::string& ops) {
  return vm + "threads: {t: {kind: ioctl, steps: [{vm-bind: {address-space: vm, ops: [" + ops + "]}}]}}\n";
}

// What the address space shows when nothing moves any more.
std::string shown_after(const std::string& text) {
  const System system = lowered(text);
  State state = initial_state(system);
  for (auto next = moves(system, state); !next.empty(); next = moves(system, state))
    state = after(system, std::move(state), next.front());
  CHECK(divergent_intervals(system, state, PageTableId{0}).empty());
  return table_text(system.page_tables.front(), state.page_tables.front());
}

TEST_CASE("overlaps, splits and holes are what they are in page tables") {
  CHECK(shown_after(bind_now("unmap 0x40000+4KiB")) == "0x0+192 KiB 'a'");
  CHECK(shown_after(bind_now("map b at 0x10000+64KiB")) ==
        "0x0+64 KiB 'a', 0x10000+64 KiB 'b', 0x20000+64 KiB 'a' from 128 KiB on");
  CHECK(shown_after(bind_now("unmap 0x8000+32KiB")) == "0x0+32 KiB 'a', 0x10000+128 KiB 'a' from 64 KiB on");
  CHECK(shown_after(bind_now("map b from 4KiB at 128KiB+128KiB")) ==
        "0x0+128 KiB 'a', 0x20000+128 KiB 'b' from 4 KiB on");
  CHECK(shown_after(bind_now("unmap 0x0+192KiB")) == "nothing is mapped");
  CHECK(shown_after(bind_now("map b at 0x0+64KiB, map a at 0x0+64KiB")) == "0x0+192 KiB 'a'");
}

TEST_CASE("a range that moves leaves a hole, also where it overlaps itself") {
  CHECK(shown_after(bind_now("move 0x0+64KiB to 0x40000")) == "0x10000+128 KiB 'a' from 64 KiB on, 0x40000+64 KiB 'a'");
  CHECK(shown_after(bind_now("move 0x0+64KiB to 0x8000")) == "0x8000+64 KiB 'a', 0x18000+96 KiB 'a' from 96 KiB on");
  CHECK(shown_after(bind_now("move 0x0+64KiB to 0x40000, unmap 0x44000+4KiB")) ==
        "0x10000+128 KiB 'a' from 64 KiB on, 0x40000+16 KiB 'a', 0x45000+44 KiB 'a' from 20 KiB on");
}

TEST_CASE("addresses reach to the end of 64 bits, and not beyond") {
  CHECK(shown_after(bind_now("map b at 0xfffffffffffff000+2KiB")) == "0x0+192 KiB 'a', 0xfffffffffffff000+2 KiB 'b'");
  CHECK(wrong(with_step("vm-bind: {address-space: vm, ops: [map b at 0xfffffffffffff000+64KiB]}")).find("expected") !=
        std::string::npos);
}

TEST_CASE("what is no operation is an error that says what one looks like") {
  for (const char* each :
       {"map", "map a", "map a at", "map a at 0x0", "map a at 0x0+0", "map a at 0x0+", "unmap a", "unmap 0x0",
        "unmap 0x0+4KiB to 0x4000", "move 0x0+4KiB", "move 0x0+4KiB 0x1000", "map a at 0xg+4KiB", "map a at 0x0+4kB",
        "map a from at 0x0+4KiB", "map a,b at 0x0+4KiB", "", "remap a at 0x0+4KiB", "map a at 0x0+4KiB b"}) {
    INFO(each);
    CHECK(wrong(with_step(fmt::format("vm-bind: {{address-space: vm, ops: [\"{}\"]}}", each)))
              .find("an operation: `map a at 0x10000+64KiB`") != std::string::npos);
  }
  CHECK(wrong(with_step("submit: {queue: q, job: j, ranges: [map a at 0x0+4KiB]}")).find("a range such as") !=
        std::string::npos);
}

TEST_CASE("many ranges that move cut each other until nothing changes, or are an error") {
  std::string ops;
  for (unsigned i = 0; i < 40; ++i)
    ops += fmt::format("{}move {}+4000 to {}", i == 0 ? "" : ", ", i * 3, 100'000 + i * 7);
  CHECK(lowering_says(bind_now(ops)).find("the ranges cut 'vm' into more than 1000 pieces") != std::string::npos);
}

// Lowering.

TEST_CASE("bind queues take binds and nothing else") {
  const std::string queues = vm + "queues: {binds: {kind: bind, address-space: vm}, gfx: engine}\n";
  const auto says = [&](const std::string& step) {
    return lowering_says(queues + "threads: {t: {kind: ioctl, steps: [" + step + "]}}\n");
  };
  CHECK(says("{submit: {queue: binds, job: j}}").find("'binds' is a bind queue: 'vm-bind' submits to it") !=
        std::string::npos);
  CHECK(says("{vm-bind: {queue: gfx, job: j, ops: [unmap 0x0+4KiB]}}").find("'gfx' is of kind 'engine', not a bind") !=
        std::string::npos);
  CHECK(says("{submit: {queue: gfx, job: j, ranges: [a at 0x0+4KiB]}}").find("is no engine with an address space") !=
        std::string::npos);
  CHECK(says("{vm-bind: {queue: binds, job: j, ops: [map c at 0x0+4KiB]}}").find("no buffer is called 'c'") !=
        std::string::npos);
  CHECK(wrong(with_line("queues: {binds: bind}")).find("bind queue 'binds' needs a key 'address-space'") !=
        std::string::npos);
}

TEST_CASE("keys of a bind that need another key say so") {
  const auto says = [](const std::string& keys) {
    return wrong(with_step("vm-bind: {ops: [unmap 0x0+4KiB], " + keys + "}"));
  };
  CHECK(says("queue: q").find("'vm-bind' on a queue needs a key 'job'") != std::string::npos);
  CHECK(says("address-space: vm, out: f").find("'out' without a key 'queue' has no effect") != std::string::npos);
  CHECK(says("address-space: vm, on-error: unwind").find("'on-error' without a key 'fails'") != std::string::npos);
  CHECK(says("address-space: vm, fails: [EINTR], on-error: cookie").find("needs a key 'cookie'") != std::string::npos);
  CHECK(
      says("queue: q, job: j, fails: [EINTR], on-error: unwind").find("'on-error' belongs to binds without 'queue'") !=
      std::string::npos);
  CHECK(says("queue: q, address-space: vm, job: j").find("takes only one of") != std::string::npos);
  CHECK(says("address-space: vm, job-lock: m").find("'job-lock' without a key 'queue'") != std::string::npos);
  CHECK(says("address-space: vm, fails: [EINTR], else: [], restart: []").find("only one of `else` and `restart`") !=
        std::string::npos);
}

TEST_CASE("what a bind asks for counts from its submission on, in the order of submissions") {
  const System system = lowered(vm +
                                "queues: {one: {kind: bind, address-space: vm}, two: {kind: bind, address-space: vm}}\n"
                                "threads: {t: {kind: ioctl, steps: ["
                                "{vm-bind: {queue: one, job: x, ops: [map b at 0x0+64KiB]}}, "
                                "{vm-bind: {queue: two, job: y, in: [x], ops: [unmap 0x0+64KiB]}}]}}\n");
  REQUIRE(system.page_tables.size() == 2);
  State state = initial_state(system);
  const auto thread =
      static_cast<std::uint32_t>(std::ranges::find(system.threads, "t", &Thread::name) - system.threads.begin());
  while (test::can(system, state, thread)) state = test::go(system, std::move(state), thread);
  CHECK(table_text(system.page_tables[1], state.page_tables[1]) == "0x10000+128 KiB 'a' from 64 KiB on");
  CHECK(table_text(system.page_tables[0], state.page_tables[0]) == "0x0+192 KiB 'a'");
}

TEST_CASE("a page table of the wrong form is refused") {
  System system = lowered(bind_now("map b at 0x10000+64KiB"));
  CHECK_FALSE(check_system(system));
  system.page_tables.front().initial.pop_back();
  CHECK(check_system(system).has_value());
  system = lowered(bind_now("map b at 0x10000+64KiB"));
  for (Thread& thread : system.threads)
    for (Step& step : thread.program)
      if (auto* write = std::get_if<WriteRanges>(&step.action)) write->writes.front().last = 1'000;
  CHECK(check_system(system).has_value());
}

// Syncobjs.

std::vector<FindingKind> kinds(const std::string& text) {
  const System system = lowered(text);
  std::vector<FindingKind> result;
  for (const Finding& finding : decide(system, dependencies(system), {}).findings) result.push_back(finding.kind);
  std::ranges::sort(result);
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

TEST_CASE("a bind that undoes what it has done leaves alone what others have bound meanwhile") {
  CHECK(kinds(vm + "queues: {binds: {kind: bind, address-space: vm}}\n"
                   "threads:\n"
                   "  x: {kind: ioctl, steps: [{vm-bind: {address-space: vm, fails: [ENOSPC], on-error: unwind, "
                   "ops: [map b at 0x0+64KiB, map b at 0x10000+64KiB]}}]}\n"
                   "  y: {kind: ioctl, steps: [{vm-bind: {queue: binds, job: j, ops: [map b at 0x20000+64KiB]}}]}\n")
            .empty());
}

const std::string queue = "queues: {q: engine}\n";

TEST_CASE("a job whose in-syncobj is empty is not submitted") {
  const std::string job = "{submit: {queue: q, job: j, in-syncobjs: [s]}}";
  const System system = lowered("syncobjs: {s: {}}\n" + queue + "threads: {t: {kind: ioctl, steps: [" + job + "]}}\n");
  State state = initial_state(system);
  for (auto next = moves(system, state); !next.empty(); next = moves(system, state))
    state = after(system, std::move(state), next.front());
  CHECK(owed(system, state).empty());
  const auto fence = std::ranges::find(system.fences, "j", &Fence::name) - system.fences.begin();
  CHECK_FALSE(state.published[static_cast<std::size_t>(fence)]);
}

TEST_CASE("wait-before-signal: a host wait for a fence that is submitted later") {
  // A worker owes its end once it has begun.
  const auto waits = [](const std::string& wait, const std::string& submitter = {}) {
    return kinds("syncobjs: {s: {}}\nvariables: {v: 0}\n" + queue +
                 "threads:\n  a: {kind: worker, steps: [{set: {v: 1}}, {wait-syncobj: " + wait + "}]}\n" + submitter);
  };
  const std::string submitter = "  b: {kind: ioctl, steps: [{submit: {queue: q, job: j, out-syncobjs: [s]}}]}\n";
  CHECK(waits("{all: [s], wait-for-submit: true}", submitter).empty());
  CHECK(waits("{all: [s], available: true}", submitter).empty());
  CHECK(waits("s").empty());  // without it there is nothing to wait for
  CHECK(waits("{all: [s], available: true}") == std::vector{FindingKind::deadlock});
  CHECK(waits("{all: [s], wait-for-submit: true, timeout: 5s}") == std::vector{FindingKind::stall});
}

TEST_CASE("a timeline's point signals after all points before it, a wait for any after one") {
  const auto waits = [](const std::string& syncobjs, const std::string& first, const std::string& second,
                        const std::string& wait) {
    const System system = lowered("fences: {k: kernel}\nqueues: {q: engine, r: engine}\nsyncobjs: " + syncobjs +
                                  "\nthreads: {t: {kind: ioctl, steps: ["
                                  "{submit: {queue: q, job: one, in: [k], out-syncobjs: [" +
                                  first +
                                  "]}}, "
                                  "{submit: {queue: r, job: two, out-syncobjs: [" +
                                  second +
                                  "]}}, "
                                  "{wait-syncobj: " +
                                  wait + "}, {signal: k}]}}\n");
    return !decide(system, dependencies(system), {}).findings.empty();
  };
  CHECK(waits("{s: {points: 2}}", "\"s:1\"", "\"s:2\"", "\"s:2\""));
  CHECK_FALSE(waits("{s: {}, u: {}}", "s", "u", "u"));
  CHECK_FALSE(waits("{s: {}, u: {}}", "s", "u", "{any: [s, u]}"));
  CHECK(waits("{s: {}, u: {}}", "s", "u", "[s, u]"));
  CHECK_FALSE(waits("{s: {}}", "s", "s", "s"));  // the second replaces the first
}

TEST_CASE("names of syncobjs and of their points are checked") {
  const auto says = [](const std::string& name) {
    return lowering_says("syncobjs: {s: {}, t: {points: 2}}\nthreads: {x: {kind: ioctl, steps: [{wait-syncobj: \"" +
                         name + "\"}]}}\n");
  };
  CHECK(says("s:1").find("syncobj 's' is binary: it has no points") != std::string::npos);
  CHECK(says("t").find("syncobj 't' has points 1 to 2") != std::string::npos);
  CHECK(says("t:3").find("syncobj 't' has points 1 to 2") != std::string::npos);
  CHECK(says("u").find("no syncobj is called 'u'") != std::string::npos);
}

// Small scenarios, and exactly what is found in them.

struct Small {
  std::string text;
  std::vector<FindingKind> found;
};

void check_all(const std::vector<Small>& all) {
  for (const Small& each : all) {
    INFO(each.text);
    CHECK(kinds(each.text) == each.found);
  }
}

const std::string queues_of_vm =
    vm +
    "queues: {binds: {kind: bind, address-space: vm}, other: {kind: bind, address-space: vm}, "
    "gfx: {kind: engine, address-space: vm}}\n";

std::string threads(const std::vector<std::string>& steps, const std::string& kind = "ioctl") {
  std::string text = "threads:\n";
  for (std::size_t i = 0; i < steps.size(); ++i)
    text += fmt::format("  thread{}: {{kind: {}, steps: [{}]}}\n", i, kind, steps[i]);
  return text;
}

std::string later(const std::string& ops, const std::string& more = "queue: binds, job: bind") {
  return "{vm-bind: {" + more + ", ops: [" + ops + "]}}";
}

std::string now(const std::string& ops, const std::string& more = "address-space: vm") {
  return "{vm-bind: {" + more + ", ops: [" + ops + "]}}";
}

std::string draw(const std::string& ranges, const std::string& in = "bind") {
  return "{submit: {queue: gfx, job: draw, in: [" + in + "], ranges: [" + ranges + "]}}";
}

TEST_CASE("a job finds what the list before it leaves, split, moved or with a hole") {
  const auto after = [](const std::string& ops, const std::string& ranges) {
    return queues_of_vm + threads({later(ops) + ", " + draw(ranges)});
  };
  const std::vector unbound{FindingKind::unbound_access};
  check_all({
      {after("map b at 0x10000+64KiB", "a at 0x0+64KiB, a from 128KiB at 0x20000+64KiB"), {}},
      {after("map b at 0x10000+64KiB", "a from 64KiB at 0x10000+64KiB"), unbound},
      {after("map b at 0x10000+64KiB", "a at 0x20000+64KiB"), unbound},  // the offset goes on behind the split
      {after("unmap 0x10000+4KiB", "a at 0x0+192KiB"), unbound},
      {after("unmap 0x0+192KiB, map a at 0x0+192KiB", "a at 0x0+192KiB"), {}},
      {after("map a at 0x0+192KiB, unmap 0x2f000+4KiB", "a at 0x0+192KiB"), unbound},
      {after("move 0x0+64KiB to 0x100000, move 0x100000+4KiB to 0x200000, unmap 0x101000+4KiB",
             "a at 0x200000+4KiB, a from 8KiB at 0x102000+56KiB"),
       {}},
      {"buffers: {a: {}}\naddress-spaces: {vm: {}}\nqueues: {gfx: {kind: engine, address-space: vm}}\n" +
           threads({"{submit: {queue: gfx, job: draw, ranges: [a at 0x0+4KiB]}}"}),
       unbound},  // nothing in it but what has a formula
  });
}

TEST_CASE("there is an order within a bind queue, and none between two, nor with an ioctl") {
  const std::string b = "map b at 0x0+64KiB";
  const std::string two = "queue: other, job: two";
  check_all({
      {queues_of_vm + threads({later(b), later("unmap 0x0+64KiB", "queue: binds, job: two")}), {}},
      {queues_of_vm + threads({later(b) + ", " + now("unmap 0x0+64KiB")}), {FindingKind::state_divergence}},
      {queues_of_vm + threads({later(b) + ", " + now("unmap 0x0+64KiB", "address-space: vm, in: [bind]")}), {}},
      {queues_of_vm + threads({later(b), later(b, two)}), {FindingKind::contract}},
      {queues_of_vm + threads({later(b) + ", " + later("map b at 0x10000+64KiB", two) + ", " +
                               draw("b at 0x0+64KiB, b at 0x10000+64KiB", "two")}),
       {FindingKind::unbound_access}},
  });
}

TEST_CASE("what a bind that fails leaves, with and without the lock of its address space") {
  const std::string locked = "locks: {m: mutex}\nvariables: {c: 0}\n" + std::string("buffers: {a: {}, b: {}}\n") +
                             "address-spaces: {vm: {lock: m, ranges: [a at 0x0+192KiB]}}\n";
  const std::string open = "variables: {c: 0}\n" + vm;
  const auto fails = [](const std::string& how) {
    return now("map b at 0x0+4KiB, map b at 0x10000+4KiB", "address-space: vm, fails: [EINTR], " + how);
  };
  const std::string over = now("map b at 0x0+4KiB");
  check_all({
      {locked + threads({fails("on-error: unwind"), over}), {}},
      {open + threads({fails("on-error: unwind"), over}), {FindingKind::state_divergence}},
      {locked + threads({fails("on-error: saved, restart: []"), over}, "user"), {}},
      {locked + threads({fails("on-error: cookie, cookie: c, restart: []")}, "user"), {}},
      {open + threads({fails("on-error: cookie, cookie: c, restart: []"),
                       now("map b at 0x20000+4KiB, map b at 0x28000+4KiB",
                           "address-space: vm, fails: [EINTR], on-error: cookie, cookie: c, restart: []")},
                      "user"),
       {FindingKind::state_divergence}},  // one goes on where the other has failed
      {open + threads({fails("on-error: partial")}), {FindingKind::contract, FindingKind::state_divergence}},
  });
}

TEST_CASE("a bind that userspace makes again for ever is a livelock, one that fails by chance is not") {
  const std::string room =
      "regions: {vram: {capacity: 2GiB}}\n"
      "buffers:\n  a: {size: 2GiB, placements: [vram], pinned: true}\n"
      "  b: {size: 1GiB, placements: [vram], resident: false}\n"
      "address-spaces: {vm: {buffers: [a, b]}}\n";
  const auto bind = [](const std::string& restart) {
    return threads({now("map b at 0x0+4KiB", "address-space: vm, validates: [b], restart: [" + restart + "]")},
                   "user, address-space: vm");
  };
  check_all({
      {room + bind(""), {FindingKind::livelock}},
      {room + bind("{unpin: a}"), {}},
      {vm + threads({now("map b at 0x0+4KiB", "address-space: vm, fails: [ENOSPC, EINTR], restart: []")}, "user"), {}},
  });
}

TEST_CASE("only buffers that page tables show to a job are missed by it") {
  const std::string memory =
      "regions: {vram: {capacity: 4GiB}}\nqueues: {gfx: {kind: engine, address-space: vm}}\n"
      "buffers: {a: {size: 1GiB, placements: [vram]}, b: {size: 1GiB, placements: [vram]}}\n"
      "address-spaces: {vm: {buffers: [a, b], ranges: [a at 0x0+64KiB, b at 0x10000+64KiB]}}\n";
  const auto job = [](const std::string& ranges) {
    return "{submit: {queue: gfx, job: draw, uses: {a: bookkeep}" + ranges + "}}, {evict: {buffer: b, locking: lock}}";
  };
  check_all({
      {memory + threads({job("")}), {FindingKind::use_after_evict}},
      {memory + threads({now("unmap 0x10000+64KiB") + ", " + job("")}), {}},
      {memory + threads({job(", ranges: [a at 0x0+64KiB]")}), {}},
      {memory + threads({job(", ranges: [b at 0x10000+64KiB]")}), {FindingKind::use_after_evict}},
  });
}

TEST_CASE("address spaces that never come to rest were not compared with what was asked for") {
  const System system = lowered("variables: {v: 0}\n" + queues_of_vm +
                                threads({later("map b at 0x0+64KiB") + ", " + now("unmap 0x0+64KiB")}) +
                                "  endless: {kind: worker, steps: "
                                "[{loop: {name: again, steps: [{set: {v: 1}}, {retry: again}]}}]}\n");
  const std::vector<Answer> answers = decide(system, dependencies(system), {}).answers;
  const auto answer = std::ranges::find(answers, "memory-management", &Answer::property);
  REQUIRE(answer != answers.end());
  CHECK(answer->verdict == Verdict::unknown);
  CHECK(answer->reason.find("never comes to rest") != std::string::npos);
}

TEST_CASE("any of several syncobjs: each with all that its chain holds") {
  const std::string objects =
      "syncobjs: {s: {}, u: {}, t: {points: 2}}\nfences: {k: kernel}\nqueues: {q: engine, r: engine}\n";
  const std::string never = "{submit: {queue: q, job: one, in: [k], out-syncobjs: [\"t:1\"]}}, ";
  const std::string done = "{submit: {queue: r, job: two, out-syncobjs: [\"t:2\"]}}, ";
  const std::string held = "{submit: {queue: r, job: three, in: [k], out-syncobjs: [u]}}, ";
  const std::string any = "{wait-syncobj: {any: [s, u]}}, {signal: k}";
  const std::vector deadlock{FindingKind::deadlock};
  check_all({
      {objects + threads({never + done + held + "{wait-syncobj: {any: [\"t:2\", u]}}, {signal: k}"}), deadlock},
      {objects + threads({done + held + "{wait-syncobj: {any: [\"t:2\", u]}}, {signal: k}"}), {}},
      {objects + threads({never + done + held + "{transfer: {from: \"t:2\", to: s}}, " + any}), deadlock},
      {objects + threads({done + "{wait: two}, " + held + "{transfer: {from: \"t:2\", to: s}}, " + any}), {}},
      {objects + threads({held + "{reset-syncobj: [u, t]}, {wait-syncobj: u}, {signal: k}"}), {}},
  });
}

TEST_CASE("a fence that a reset has taken out is waited for no longer, a new one is") {
  const std::string text =
      "syncobjs: {s: {}}\nqueues: {q: engine, r: engine}\n"
      "threads: {main: {kind: worker, steps: [{submit: {queue: q, job: one, out-syncobjs: [s]}}, {reset-syncobj: s}, "
      "{submit: {queue: r, job: two, in-syncobjs: [s], wait-for-submit: true}}]}}\n";
  CHECK(kinds(text) == std::vector{FindingKind::stall});  // nobody submits another one
}

// Rules.

std::vector<Rule> rules(const std::string& text) {
  const System system = lowered(text);
  std::vector<Rule> result;
  for (const Finding& each : broken_contracts(system, dependencies(system))) result.push_back(*each.rule);
  std::ranges::sort(result);
  return result;
}

std::string binding(const std::string& mode, const std::string& keys, const std::string& before = {}) {
  return "buffers: {a: {}}\nlocks: {m: mutex}\nfences: {k: kernel, u: user}\n"
         "address-spaces: {vm: {mode: " +
         mode +
         "}}\n"
         "queues: {binds: {kind: bind, address-space: vm}, other: {kind: bind, address-space: vm}}\n"
         "threads: {t: {kind: ioctl, steps: [" +
         before + "{vm-bind: {queue: binds, job: j, " + keys + "}}]}}\n";
}

TEST_CASE("each rule of binds, and the nearest text that keeps it") {
  const std::string map = "ops: [map a at 0x0+64KiB]";
  const std::string unmap = "ops: [unmap 0x0+64KiB]";
  const auto has = [](const std::vector<Rule>& all, Rule rule) { return std::ranges::count(all, rule) == 1; };
  CHECK(rules(binding("dma-fence", map)).empty());
  CHECK(has(rules(binding("dma-fence", "in: [u], " + map)), Rule::memory_fence_in_bind));
  CHECK(rules(binding("dma-fence", "in: [u], wait-in-ioctl: true, " + map)).empty());
  CHECK(rules(binding("preempt-fence", map)) == std::vector{Rule::dma_fence_out_of_long_running});
  CHECK(rules(binding("preempt-fence", "out: u, " + map)).empty());
  CHECK(rules(binding("preempt-fence", "in: [k], out: u, " + map)) == std::vector{Rule::dma_fence_into_long_running});
  CHECK(rules(binding("preempt-fence", "in: [k], wait-in-ioctl: true, out: u, " + map)).empty());
  CHECK(rules(binding("dma-fence", "page-tables: job, " + map)) == std::vector{Rule::reclaim_in_signalling});
  CHECK(rules(binding("dma-fence", "page-tables: ioctl, " + map)).empty());
  CHECK(rules(binding("dma-fence", "page-tables: ioctl, " + unmap)) == std::vector{Rule::unbind_allocates});
  CHECK(rules(binding("dma-fence", "fails: [ENOSPC], " + unmap)) == std::vector{Rule::unbind_allocates});
  CHECK(rules(binding("dma-fence", "fails: [EINTR], " + unmap)).empty());
  CHECK(rules(binding("dma-fence", "job-lock: m, " + map)).empty());
  CHECK(rules(binding("dma-fence", "on-job-error: ban, " + map)).empty());
  CHECK(rules(binding("dma-fence", "on-job-error: ignore, " + map)) == std::vector{Rule::half_bound_vm_in_use});
  CHECK(rules(binding("dma-fence", "on-job-error: report, " + map)) ==
        std::vector{Rule::fence_before_bind_is_safe, Rule::half_bound_vm_in_use});
  const std::string first = "{vm-bind: {queue: other, job: i, ops: [map a at 0x8000+64KiB]}}, ";
  CHECK(rules(binding("dma-fence", map, first)) == std::vector{Rule::order_across_bind_queues});
  CHECK(rules(binding("dma-fence", "in: [i], " + map, first)).empty());
  CHECK(rules(binding("dma-fence", map, first + "{wait: i}, ")).empty());
  CHECK(rules(binding("dma-fence", "ops: [map a at 0x40000+64KiB]", first)).empty());
}

}  // namespace
}  // namespace fencecheck
