// Designs: their instances, certificates and what refuses them; proofs against exploration.
#include "checker/certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "checker/check.hpp"
#include "checker/explore.hpp"
#include "checker/input.hpp"
#include "checker/prove.hpp"
#include "checker/verify.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"
#include "graph/model/instance_name.hpp"
#include "tests/catch.hpp"
#include "tests/support/dice.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/said.hpp"

namespace fencecheck {
namespace {

Source design(const std::string& text) { return {"design.yaml", "fencecheck: 1\n" + text, {}}; }

std::optional<System> with_instances(const Source& source, const InstanceCounts& counts, Diagnostics& diagnostics) {
  const auto scenario = read_yaml(source, diagnostics, counts);
  return scenario ? lower(*scenario, diagnostics) : std::nullopt;
}

std::string mistakes(const std::string& text) {
  Diagnostics diagnostics;
  (void)with_instances(design(text), {3}, diagnostics);
  return said(diagnostics);
}

// A template with one lock and one thread that does this.
std::string client(const std::string& steps) {
  return fmt::format(
      "locks: {{g: mutex}}\ntemplates:\n  c:\n    instances: many\n    locks: {{m: mutex}}\n    fences: {{f: kernel}}\n"
      "    queues: {{q: engine}}\n    threads: {{t: {{kind: ioctl, steps: [{}]}}}}\n",
      steps);
}

std::vector<std::string> lock_names(const System& system, const std::string& thread) {
  std::vector<std::string> result;
  for (const Thread& each : system.threads)
    if (each.name == thread)
      for (const Step& step : each.program)
        if (const auto* acquire = std::get_if<Acquire>(&step.action)) result.push_back(system[acquire->lock].name);
  return result;
}

std::vector<std::string> locks_of(const std::string& steps, const std::string& thread, std::uint32_t count) {
  Diagnostics diagnostics;
  const auto system = with_instances(design(client(steps)), {count}, diagnostics);
  INFO(said(diagnostics));
  REQUIRE(system);
  return lock_names(*system, thread);
}

using Names = std::vector<std::string>;

TEST_CASE("names of instances", "[designs]") {
  const InstanceName own = instance_name("timer of 'client[12].done'");
  CHECK(own.class_name == "timer of 'client.done'");
  CHECK(own.template_of == "client");
  CHECK(own.index == 12);
  CHECK(instance_name("client.done").index == 0);
  CHECK(instance_name("a[x].b").index == 0);
  CHECK(name_in_instance("client", 2, "done") == "client[2].done");
}

TEST_CASE("a name means the own object, a global one, or that of another instance", "[designs]") {
  const std::string both = "{lock: m}, {unlock: m}, {lock: g}, {unlock: g}";
  CHECK(locks_of(both, "c[2].t", 2) == Names{"c[2].m", "g"});
  const std::string previous = "{lock: c.previous.m}, {unlock: c.previous.m}";
  CHECK(locks_of(previous, "c[1].t", 3).empty());
  CHECK(locks_of(previous, "c[3].t", 3) == Names{"c[2].m"});
  CHECK(locks_of("{lock: c.older.m}, {unlock: c.older.m}", "c[3].t", 3) == Names{"c[1].m", "c[2].m"});
  CHECK(locks_of("{lock: c.other.m}, {unlock: c.other.m}", "c[2].t", 3) == Names{"c[1].m", "c[3].m"});
  CHECK(locks_of("{lock: c.other.m}, {unlock: c.other.m}", "c[1].t", 1).empty());
  CHECK(locks_of("{lock: c.any.m}, {unlock: c.any.m}", "c[2].t", 2) == Names{"c[1].m", "c[2].m"});
}

TEST_CASE("a program chooses once: what it locks it unlocks", "[designs]") {
  const std::string steps = "{lock: c.older.m}, {lock: g}, {unlock: g}, {unlock: c.older.m}";
  CHECK(locks_of(steps, "c[3].t", 3) == Names{"g", "c[1].m", "g", "c[2].m", "g"});
}

TEST_CASE("who is not there is left out: of a list the name, else the step", "[designs]") {
  Diagnostics diagnostics;
  const auto system = with_instances(
      design(client("{submit: {queue: q, job: j, in: [c.previous.j]}}, {wait: [f, c.previous.f]}, {signal: f}")), {2},
      diagnostics);
  REQUIRE(system);
  std::size_t first = 0;
  std::size_t second = 0;
  for (const Thread& thread : system->threads)
    for (const Step& step : thread.program)
      if (const auto* wait = std::get_if<Wait>(&step.action))
        (instance_name(thread.name).index == 1 ? first : second) += wait->fences.size();
  CHECK(first == 1);
  CHECK(second == 3);
}

TEST_CASE("mistakes of designs have their place, once for all instances", "[designs]") {
  const auto says = [](const std::string& text, std::string_view what) {
    const std::string all = mistakes(text);
    INFO(all);
    CHECK(all.find(what) != std::string::npos);
    CHECK(std::ranges::count(all, '\n') <= 2);
  };
  says(client("{lock: c.next.m}"), "does not say which 'c': one of previous, older, other and any, as in 'c.any.m'");
  says(client("{lock: c.m}"), "does not say which 'c'");
  says(client("{lock: c.any.n}"), "template 'c' owns nothing that is called 'n'");
  says(client("{lock: n}"), "no lock is called 'n'");
  says(client("{unlock: m}"), "'c[1].m' is released here but not held");
  says(client("{lock: 'c[1].m'}"), "names one instance");
  says(client("{submit: {queue: q, job: j}}, {wait: c.other.f}"), "cannot choose an instance of 'c'");
  says(client("{lock: m}, {unlock: m}") + "threads: {u: {steps: [{wait: c.older.f}]}}\n",
       "'older' is for instances of 'c' only; others say 'any'");
  says(client("{lock: m}, {unlock: m}") + "fences: {x: {imports: c.any.f}}\n", "only steps can choose");
  says(client("{lock: m}, {unlock: m}") + "fences: {m: kernel}\n", "taken by what template 'c' owns");
  says(client("{call: p}") + "procedures: {p: [{wait: c.any.f}]}\n", "a procedure cannot choose");
  says("templates: {c: {instances: 0, threads: {t: {steps: [wait: a]}}}}\n", "expected an integer from 1 to 100");
  says("templates: {c: {instances: [many], threads: {t: {steps: [wait: a]}}}}\n", "expected");
  says("templates: {c: {threads: {t: {steps: [wait: a]}}}}\n", "a template needs a key 'instances'");
  says("templates: {c.d: {instances: 2, threads: {t: {steps: [wait: a]}}}}\n", "the name of a template has no '.'");
  says("templates: {c: {instances: 2, regions: {}, threads: {t: {steps: [wait: a]}}}}\n", "no key is called 'regions'");
  says("templates: {}\nthreads: {t: {steps: []}}\n", "'templates' needs at least one entry");
  says("templates: [c]\nthreads: {t: {steps: []}}\n", "expected");
}

// Proofs.

std::string why_not(const std::string& text) {
  const Proof proof = prove(design(text));
  CHECK_FALSE(proof.certificate);
  return proof.why_not;
}

bool proved(const std::string& text) {
  const Proof proof = prove(design(text));
  INFO(proof.why_not);
  return proof.certificate.has_value();
}

TEST_CASE("measures: creation, publication and place in the queue", "[designs]") {
  CHECK(proved(client("{lock: m}, {lock: c.previous.m}, {unlock: c.previous.m}, {unlock: m}")));
  CHECK(proved(client("{submit: {queue: q, job: j, in: [c.previous.j]}}")));
  const std::string shared =
      "queues: {q: engine}\nlocks: {e: mutex}\nbuffers: {b: {}}\ntemplates:\n  c:\n    instances: many\n    threads:\n"
      "      t: {kind: ioctl, steps: [{lock: e}, {submit: {queue: q, job: j, uses: {b: write}}}, {unlock: e}]}\n";
  CHECK(proved(shared));
  std::string unlocked = shared;
  unlocked.replace(unlocked.find("{lock: e}, "), 11, "");
  unlocked.replace(unlocked.find(", {unlock: e}"), 13, "");
  CHECK(proved(unlocked));  // the lock of the buffer is held as long
  std::string apart = unlocked;
  apart.replace(apart.find("{submit"), 0, "{lock: b}, {attach: {buffer: b, fence: j}}, {unlock: b}, ");
  CHECK_FALSE(proved(apart));
}

TEST_CASE("what the theorem does not cover is named", "[designs]") {
  const auto says = [](const std::string& text, std::string_view what) {
    const std::string why = why_not(text);
    INFO(why);
    CHECK(why.find(what) != std::string::npos);
  };
  says(client("{take: p}, {give: p}") + "pools: {p: 1}\n", "a pool");
  says(client("{when: {v: 1}}") + "variables: {v: 0}\n", "a wait for a variable");
  says(client("{loop: {name: l, steps: [{choose: [[{lock: m}, {unlock: m}], [{retry: l}]]}]}}"), "a loop");
  says(client("{wait: x}") + "fences: {x: {timeout: 1s}}\n", "a fence with a fallback timer");
  says(client("{queue-work: w}") + "queues: {wq: worker}\nworks: {w: {queue: wq, steps: [{lock: g}, {unlock: g}]}}\n",
       "a work");
  says(client("{lock: m}, {wait: f}, {unlock: m}"), "fence 'c[1].f' has no owner");
  says(client("{wait: {all: [f], interruptible: false}}, {choose: [[{signal: f}], [{lock: m}, {unlock: m}]]}"),
       "is not signalled on every way");
  says(client("{lock: m}, {wait: u}, {unlock: m}") + "fences: {u: user}\n", "userspace signals fence 'u'");
  says(client("{lock: m}, {lock: c.other.m}, {unlock: c.other.m}, {unlock: m}"), "a cycle of classes");
  says(client("{transaction: {locks: [a, b], steps: []}}") + "buffers: {a: {}, b: {}}\n",
       "a transaction of several locks");
  says(
      "templates:\n  c: {instances: many, queues: {r: user}, locks: {m: mutex}, threads: {t: {steps: [{lock: m}, "
      "{unlock: m}]}}}\n",
      "a user queue");
  const std::string stops =
      "environment: {userspace-may-stop: true}\nfences: {k: kernel}\ntemplates:\n  c:\n    instances: many\n"
      "    fences: {f: kernel}\n    threads: {t: {kind: user, steps: [{signal: f}]}, w: {kind: worker, steps: [{wait: "
      "f}]}}\n";
  says(stops, "userspace may stop there");
}

TEST_CASE("a fence is not awaited before it is published under the lock of its submission", "[designs]") {
  CHECK_FALSE(
      proved(client("{lock: g}, {submit: {queue: q, job: j}}, {unlock: g}, {lock: g}, {wait: c.previous.j}, "
                    "{unlock: g}")));
  CHECK(proved(client("{lock: g}, {submit: {queue: q, job: j}}, {unlock: g}, {lock: g}, {wait: j}, {unlock: g}")));
}

// Tampering.

std::vector<std::string> sound_designs() {
  std::vector<std::string> result;
  for (const InputFile& file : input_files({FENCECHECK_SOURCE_DIR "/cases/designs"}))
    if (file.path.find('+') != std::string::npos) result.push_back(file.path);
  return result;
}

Source source_of(const std::string& path) {
  return {path, test::read_file(std::filesystem::relative(path, FENCECHECK_SOURCE_DIR).string()), {}};
}

TEST_CASE("a certificate is written and read again", "[designs]") {
  for (const std::string& path : sound_designs()) {
    INFO(path);
    const Proof proof = prove(source_of(path));
    REQUIRE(proof.certificate);
    Diagnostics diagnostics;
    const auto again = read_certificate(to_json(*proof.certificate), diagnostics);
    REQUIRE(again);
    CHECK(to_json(*again) == to_json(*proof.certificate));
    CHECK(verify(proof.systems, *again).empty());
  }
}

TEST_CASE("a certificate in which anything is changed is refused", "[designs]") {
  const Proof proof = prove(source_of(sound_designs().front()));
  REQUIRE(proof.certificate);
  const std::string text = to_json(*proof.certificate);
  const auto refused = [](const std::string& changed) {
    Diagnostics diagnostics;
    return !read_certificate(changed, diagnostics) && !diagnostics.ok();
  };
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {  // the last byte is a line end
    std::string changed = text;
    changed[i] = changed[i] == '7' ? '8' : '7';
    const bool blank = text[i] == ' ' || text[i] == '\n';
    INFO(i);
    CHECK((blank || refused(changed)));
    CHECK(refused(text.substr(0, i)));
  }
  CHECK(refused(""));
  CHECK(refused("[]"));
  CHECK(refused("{}"));
  CHECK(refused(std::string(100'000, '[')));
  CHECK(refused(text + "}"));
  CHECK(refused(fmt::format("{{\"more\": 1,{}", text.substr(1))));
}

// Sealed anew, so that nothing but the proof is wrong.
TEST_CASE("a certificate that proves nothing is refused", "[designs]") {
  for (const std::string& path : sound_designs()) {
    INFO(path);
    const Proof proof = prove(source_of(path));
    REQUIRE(proof.certificate);
    const Certificate& good = *proof.certificate;
    std::uint32_t highest = 0;
    for (const auto& [name, rank] : good.classes) highest = std::max(highest, rank.rank);
    for (const auto& [name, rank] : good.classes) {
      INFO(name);
      Certificate without = good;
      without.classes.erase(name);
      CHECK_FALSE(verify(proof.systems, without).empty());
      if (rank.measures.empty()) continue;
      Certificate unordered = good;
      for (auto& [other, its] : unordered.classes)
        if (its.rank == rank.rank) its.measures.clear();
      CHECK_FALSE(verify(proof.systems, unordered).empty());
    }
    if (highest > 0) {
      Certificate reversed = good;
      for (auto& [name, rank] : reversed.classes) rank.rank = highest - rank.rank;
      CHECK_FALSE(verify(proof.systems, reversed).empty());
      Certificate flat = good;
      for (auto& [name, rank] : flat.classes) rank = {};
      CHECK_FALSE(verify(proof.systems, flat).empty());
    }
    for (const auto& [fence, owner] : good.owners) {
      if (!good.classes.contains(fence_class(fence, true))) continue;
      INFO(fence);
      Certificate without = good;
      without.owners.erase(fence);
      CHECK_FALSE(verify(proof.systems, without).empty());
      Certificate nobody = good;
      nobody.owners[fence] = "nobody";
      CHECK_FALSE(verify(proof.systems, nobody).empty());
    }
  }
}

TEST_CASE("the certificate of a sound design does not fit its broken twin", "[designs]") {
  for (const std::string& path : sound_designs()) {
    INFO(path);
    const std::string broken = path.substr(0, path.find('+')) + ".yaml";
    const Proof proof = prove(source_of(path));
    REQUIRE(proof.certificate);
    Diagnostics diagnostics;
    const std::vector<System> systems = systems_for_proof(source_of(broken), diagnostics);
    REQUIRE_FALSE(systems.empty());
    CHECK_FALSE(verify(systems, *proof.certificate).empty());
    CHECK(proof.certificate->fingerprint != design_fingerprint(source_of(broken)));
  }
}

TEST_CASE("without a certificate nothing holds for any number", "[designs]") {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "fencecheck-design.yaml";
  std::ofstream(path) << "fencecheck: 1\n" << client("{take: p}, {give: p}") << "pools: {p: 1}\n";
  const Checked checked = check_file(path.string(), {});
  std::filesystem::remove(path);
  REQUIRE(checked.report);
  for (const Answer& answer : checked.report->answers) {
    CHECK(answer.verdict == Verdict::unknown);
    CHECK(answer.reason.find("no counterexample up to 3 instances") != std::string::npos);
    CHECK(answer.reason.find("a pool") != std::string::npos);
  }
}

// Agreement: what is proved for any number does not hang with few.

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : dice_(seed) {}
  std::string run() {
    std::string text =
        "locks: {g: mutex, h: rwsem}\nqueues: {gq: engine, wq: worker}\nbuffers: {gb: {}}\nfences: {gf: kernel}\n"
        "templates:\n  c:\n    instances: many\n    locks: {m: mutex, n: rwsem}\n    buffers: {b: {}}\n"
        "    fences: {f: kernel, k: kernel}\n    queues: {q: engine}\n    threads:\n";
    const std::uint32_t threads = 1 + dice_.below(2);
    for (std::uint32_t i = 0; i < threads; ++i) text += fmt::format("      t{}: {}\n", i, thread(i));
    if (dice_.one_in(2)) text += "      s: {kind: worker, steps: [" + steps(1 + dice_.below(2)) + ", {signal: f}]}\n";
    if (dice_.one_in(3)) text += "threads: {outer: {kind: worker, steps: [{wait: c.any.f}, {signal: gf}]}}\n";
    return text;
  }

 private:
  std::string thread(std::uint32_t index) {
    submits_ = index == 0;
    chooses_ = !submits_;
    const std::string kind = dice_.one_in(3) ? "worker" : "ioctl";
    std::string result = fmt::format("{{kind: {}, steps: [{}", kind, steps(1 + dice_.below(3)));
    if (index == 0 && dice_.one_in(2)) result += ", {signal: k}";
    submits_ = false;
    return result + "]}";
  }
  std::string steps(std::uint32_t count) {
    std::string result;
    for (std::uint32_t i = 0; i < count; ++i) result += (i == 0 ? "" : ", ") + step();
    return result;
  }
  std::string whose() {
    switch (dice_.below(chooses_ ? 5 : 3)) {
      case 0:
        return "c.previous.";
      case 3:
        return "c.older.";
      case 4:
        return "c.other.";
      default:
        return "";
    }
  }
  std::string fence() {
    if (jobs_ > 0 && dice_.one_in(2)) return fmt::format("{}j{}", whose(), dice_.below(jobs_));
    return dice_.one_in(4) ? "gf" : whose() + (dice_.one_in(2) ? "f" : "k");
  }
  std::string lock() {
    if (dice_.one_in(3)) return dice_.one_in(2) ? "g" : "h";
    return whose() + (dice_.one_in(2) ? "m" : "n");
  }
  std::string buffer() { return dice_.one_in(3) ? "gb" : dice_.one_in(3) ? "c.previous.b" : "b"; }
  std::string submit() {
    const char* queue = dice_.one_in(2) ? "q" : dice_.one_in(2) ? "gq" : "wq";
    std::string job = fmt::format("{{submit: {{queue: {}, job: j{}", queue, jobs_);
    if (dice_.one_in(2)) job += fmt::format(", in: [{}]", fence());
    if (dice_.one_in(2)) job += fmt::format(", uses: {{{}: {}}}", buffer(), dice_.one_in(2) ? "read" : "write");
    if (dice_.one_in(4)) {
      const std::string held = lock();
      job += fmt::format(", runs: [{{lock: {}}}, {{unlock: {}}}]", held, held);
    }
    ++jobs_;
    return job + "}}";
  }
  std::string step() {
    const std::uint32_t what = dice_.below(8);
    if (what < 3 && depth_ < 2) {
      const std::string held = lock();
      ++depth_;
      const std::string inner = steps(1);
      --depth_;
      return fmt::format("{{lock: {}}}, {}, {{unlock: {}}}", held, inner, held);
    }
    if (what < 5 && submits_ && jobs_ < 3) return submit();
    if (what == 5) return fmt::format("{{wait-reservation: {}}}", buffer());
    if (what == 6 && depth_ < 2) {
      ++depth_;
      const std::string result = fmt::format("{{choose: [[{}], [{}]]}}", steps(1), steps(1));
      --depth_;
      return result;
    }
    return fmt::format("{{wait: {{all: [{}], interruptible: {}}}}}", fence(), dice_.one_in(2));
  }

  test::Dice dice_;
  std::uint32_t jobs_ = 0;
  std::uint32_t depth_ = 0;
  bool submits_ = false;
  bool chooses_ = false;
};

TEST_CASE("what has a certificate does not hang with 1, 2 or 3 instances", "[designs][agreement]") {
  std::size_t certified = 0;
  std::size_t refused = 0;
  for (std::uint64_t seed = 1; seed <= test::effort() / 4; ++seed) {
    const Source source = design(Generator(seed).run());
    INFO("seed " << seed << "\n" << source.text);
    const Proof proof = prove(source);
    if (!proof.certificate) {
      ++refused;
      CHECK_FALSE(proof.why_not.empty());
      continue;
    }
    ++certified;
    for (std::uint32_t instances = 1; instances <= 3; ++instances) {
      Diagnostics diagnostics;
      const auto system = with_instances(source, {instances}, diagnostics);
      REQUIRE(system);
      ExploreOptions options;
      options.stop_at_hang = true;
      options.max_states = 5'000;
      const Exploration all = explore(*system, initial_state(*system), options);
      CHECK_FALSE(all.hang);
      CHECK(all.livelocks.empty());
    }
  }
  if (test::effort() >= 100) CHECK(certified * 80 >= test::effort());  // else too few to say
  CHECK(refused * 80 >= test::effort());
}

TEST_CASE("cases of designs: certificates agree with exploration", "[designs][agreement]") {
  for (const std::string& path : sound_designs())
    for (std::uint32_t instances = 1; instances <= 3; ++instances) {
      INFO(path << " with " << instances);
      Diagnostics diagnostics;
      const auto system = with_instances(source_of(path), {instances}, diagnostics);
      REQUIRE(system);
      ExploreOptions options;
      options.stop_at_hang = true;
      options.max_states = 100'000;
      CHECK_FALSE(explore(*system, initial_state(*system), options).hang);
    }
}

}  // namespace
}  // namespace fencecheck
