// What read_yaml() says about scenarios that are none.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "graph/input/lower.hpp"
#include "tests/support/scenario_text.hpp"

namespace fencecheck {
namespace {

using std::chrono::milliseconds;

TEST_CASE("the version comes first", "[read_yaml]") {
  CHECK(wrong("fencecheck: 2\nthreads: 3\n") == "1:13: error: unknown version 2; this program reads version 1\n");
  CHECK(wrong("fencecheck: {}\n") == "1:13: error: unknown version; this program reads version 1\n");
  CHECK(wrong("fencecheck:\n") == "1:1: error: unknown version; this program reads version 1\n");
  CHECK(wrong("threads: {t: {steps: [wait: a]}}\nfencecheck: 1\n") ==
        "1:1: error: the first key must be 'fencecheck: 1'\n");
  CHECK(wrong("title: x\n") ==
        "1:1: error: the first key must be 'fencecheck: 1'\n1:1: error: a scenario needs a key 'threads' or "
        "'templates'\n");
  CHECK(wrong("- a\n") == "1:1: error: expected a scenario, which begins with 'fencecheck: 1'\n");
  CHECK(wrong("fencecheck 1\n") == "1:1: error: expected a scenario, which begins with 'fencecheck: 1'\n");
  CHECK(wrong("{}") ==
        "1:1: error: the first key must be 'fencecheck: 1'\n1:1: error: a scenario needs a key 'threads' or "
        "'templates'\n");
  CHECK(wrong("") == "error: empty: expected a scenario, which begins with 'fencecheck: 1'\n");
}

TEST_CASE("every mistake is reported, in the order of the text, with line and caret", "[read_yaml]") {
  const Source source{"a.yaml",
                      "fencecheck: 1\n"
                      "titel: x\n"
                      "fences: {a: kernl, a: user}\n"
                      "threads:\n"
                      "  t:\n"
                      "    steps:\n"
                      "      - wiat: a\n"
                      "      - lock: {lock: 7, shared: yes}\n"};
  Diagnostics diagnostics;
  CHECK_FALSE(read_yaml(source, diagnostics));
  CHECK(shown(source, diagnostics) ==
        "a.yaml:2:1: error: no key is called 'titel'; did you mean 'title'?\n"
        "titel: x\n"
        "^~~~~\n"
        "a.yaml:3:10: note: the key 'a' is first given here\n"
        "fences: {a: kernl, a: user}\n"
        "         ^\n"
        "a.yaml:3:13: error: no kind of fence is called 'kernl'; did you mean 'kernel'?\n"
        "fences: {a: kernl, a: user}\n"
        "            ^~~~~\n"
        "a.yaml:3:20: error: the key 'a' is given twice\n"
        "fences: {a: kernl, a: user}\n"
        "                   ^\n"
        "a.yaml:7:9: error: no key is called 'wiat'; did you mean 'wait'?\n"
        "      - wiat: a\n"
        "        ^~~~\n"
        "a.yaml:8:22: error: '7' is not a name: a name has letters, digits and '_.+-', and begins with a letter or "
        "'_'\n"
        "      - lock: {lock: 7, shared: yes}\n"
        "                     ^\n"
        "a.yaml:8:33: error: expected true or false, found 'yes'; did you mean 'true'?\n"
        "      - lock: {lock: 7, shared: yes}\n"
        "                                ^~~\n");
}

TEST_CASE("a mistake behind two aliases is reported once", "[read_yaml]") {
  CHECK(wrong("fencecheck: 1\nthreads: {a: &t {steps: [wiat: x]}, b: *t, c: *t}\n") ==
        "2:26: error: no key is called 'wiat'; did you mean 'wait'?\n");
}

TEST_CASE("a step has one key", "[read_yaml]") {
  const auto step = [](std::string_view text) { return wrong(with_step(text)); };
  CHECK(step("wait") == "5:9: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("lock") == "5:9: error: a step is a mapping with one key, such as 'lock: m'\n");
  CHECK(step("{}") == "5:9: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("[wait: a]") == "5:9: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("") == "5:7: error: a step is a mapping with one key, such as 'wait: render'\n");
  CHECK(step("{wait: a, signal: b}") == "5:19: error: a step has exactly one key, and 'signal' is one more\n");
  CHECK(step("wait: a\n        timeout: 1s") ==
        "6:9: error: a step has exactly one key, and 'timeout' is one more; it belongs inside of 'wait'\n");
  CHECK(step("{wait: a b, signal: }") ==
        "5:16: error: 'a b' is not a name: a name has letters, digits and '_.+-', and begins with a letter or '_'\n"
        "5:21: error: a step has exactly one key, and 'signal' is one more\n"
        "5:21: error: expected the name of a fence or a list of them, found nothing\n");
}

TEST_CASE("steps are lists", "[read_yaml]") {
  CHECK(wrong("fencecheck: 1\nthreads: {t: {steps: {wait: a}}}\n") ==
        "2:22: error: 'steps' needs a list of steps; a step begins with '- '\n");
  CHECK(wrong("fencecheck: 1\nthreads: {t: {steps: }}\n") == "2:15: error: 'steps' needs a list of steps\n");
  CHECK(wrong("fencecheck: 1\nthreads: {t: [wait: a]}\n") == "2:14: error: expected a mapping, found a list\n");
  CHECK(wrong("fencecheck: 1\nthreads: {t: }\n") == "2:11: error: a thread needs a key 'steps'\n");
  CHECK(wrong("fencecheck: 1\nthreads: [t]\n") ==
        "2:10: error: expected a mapping from names to mappings, found a list\n");
}

TEST_CASE("expectations that contradict themselves", "[read_yaml]") {
  const auto expect = [](std::string_view text) { return wrong(with_line(fmt::format("expect: {}", text))); };
  CHECK(expect("[holds, deadlock]") == "2:10: error: 'holds' stands alone\n");
  CHECK(expect("[]") == "2:9: error: 'expect' needs at least 1 element\n");
  CHECK(expect("violated") ==
        "2:9: error: no outcome is called 'violated'; expected holds, unknown, deadlock, stall, livelock, lost-fence, "
        "lost-wakeup, contract, use-after-evict, early-signal, job-killed, starvation, isolation, "
        "unbound-access, state-divergence\n");
  CHECK(expect("{verdict: violated}") == "2:10: error: the verdict 'violated' needs a key 'findings'\n");
  CHECK(expect("{verdict: holds, findings: stall}") == "2:10: error: the verdict 'holds' has no findings\n");
  CHECK(expect("{findings: contract, needs: [lock]}") ==
        "2:30: error: 'needs' belongs to a deadlock or a stall, and none is expected\n");
  CHECK(expect("{findings: deadlock, needs: [locks]}") ==
        "2:38: error: no cause is called 'locks'; did you mean 'lock'?\n");
  CHECK(expect("{findings: deadlock, needs: lock}") == "2:37: error: expected a list of causes, found 'lock'\n");
  CHECK(expect("{}") == "2:1: error: 'expect' needs a key 'verdict' or 'findings'\n");
  CHECK(expect("") == "2:1: error: expected an outcome, a list of them or a mapping, found nothing\n");
}

TEST_CASE("keys that are missing or too many", "[read_yaml]") {
  const auto step = [](std::string_view text) { return wrong(with_step(text)); };
  CHECK(step("submit: {}") == "5:9: error: 'submit' needs a key 'queue'\n5:9: error: 'submit' needs a key 'job'\n");
  CHECK(step("attach: front") == "5:17: error: expected a mapping, found 'front'\n");
  CHECK(step("attach:") == "5:9: error: 'attach' needs a key 'buffer'\n5:9: error: 'attach' needs a key 'fence'\n");
  CHECK(step("wait: {timeout: 1s}") == "5:9: error: 'wait' needs a key 'all' or 'any'\n");
  CHECK(step("wait: {all: [a], any: [b]}") == "5:26: error: 'wait' takes only one of 'all' and 'any'\n");
  CHECK(step("alloc: {region: a, buffer: b}") == "5:28: error: 'alloc' takes only one of 'region' and 'buffer'\n");
  CHECK(step("wait: {all: [a], on-timeout: [signal: a]}") ==
        "5:26: error: 'on-timeout' without a key 'timeout' never runs\n");
  CHECK(step("set: {a: 1, b: 2}") == "5:21: error: 'set' takes one entry only\n");
  CHECK(step("set: {}") == "5:14: error: 'set' needs at least one entry\n");
  CHECK(step("when: {}") == "5:15: error: 'when' needs at least one entry\n");
  CHECK(step("wait: []") == "5:15: error: 'wait' needs at least 1 element\n");
  CHECK(step("transaction: {locks: [], steps: [wait: a]}") == "5:30: error: 'locks' needs at least 1 element\n");
  CHECK(step("choose: [[wait: a]]") == "5:17: error: 'choose' needs at least 2 elements\n");
  CHECK(wrong(with_line("fences: {a: {imports: u, array: [b]}}")) ==
        "2:26: error: a fence takes only one of 'imports' and 'array'\n");
  CHECK(wrong(with_line("timelines: {a: {}}")) == "2:13: error: a timeline needs a key 'points'\n");
  CHECK(wrong(with_line("regions: {a: {size: 1}}")) ==
        "2:15: error: no key is called 'size'; expected capacity, accounted, copies-on\n");
}

TEST_CASE("values of another form", "[read_yaml]") {
  const auto step = [](std::string_view text) { return wrong(with_step(text)); };
  CHECK(step("wait: {a: b}") ==
        "5:9: error: 'wait' needs a key 'all' or 'any'\n"
        "5:16: error: no key is called 'a'; expected all, any, timeout, interruptible, on-timeout\n");
  CHECK(step("wait: [[a]]") == "5:16: error: expected the name of a fence or a mapping, found a list\n");
  CHECK(step("signal: {a: b}") == "5:17: error: expected the name of a fence or a list of them, found a mapping\n");
  CHECK(step("lock: [a]") == "5:15: error: expected the name of a lock or buffer or a mapping, found a list\n");
  CHECK(step("call: ~") == "5:15: error: expected the name of a procedure, found nothing\n");
  CHECK(step("choose: a") == "5:17: error: expected a list of lists of steps, found 'a'\n");
  CHECK(step("choose: [a, [wait: b]]") == "5:18: error: 'choose' needs a list of steps\n");
  CHECK(step("set: state") == "5:14: error: expected a mapping from names to integers, found 'state'\n");
  CHECK(step("alloc: kernl") == "5:16: error: no allocation class is called 'kernl'; did you mean 'kernel'?\n");
  CHECK(step("evict: {buffer: a, locking: spin}") ==
        "5:37: error: no way of locking is called 'spin'; expected trylock, lock, held\n");
  CHECK(step("submit: {queue: q, job: j, uses: [a]}") ==
        "5:42: error: expected a mapping from names to usages, found a list\n");
  CHECK(step("submit: {queue: q, job: j, uses: {a: rd}}") ==
        "5:46: error: no usage is called 'rd'; expected kernel, write, read, bookkeep\n");
  CHECK(wrong(with_line("title: [a]")) == "2:8: error: expected one line of text, found a list\n");
  CHECK(wrong(with_line("title: |\n  a\n  b")) ==
        "2:8: error: 'title' has one line only; there is 'description' for more\n");
  CHECK(wrong(with_line("queues: {q: timer}")) ==
        "2:13: error: no kind of queue is called 'timer'; expected engine, worker, user, bind\n");
  CHECK(wrong(with_line("environment: on")) == "2:14: error: expected a mapping, found 'on'\n");
}

TEST_CASE("truth values are true and false", "[read_yaml]") {
  const auto pinned = [](std::string_view text) {
    return wrong(with_line(fmt::format("buffers: {{a: {{pinned: {}}}}}", text)));
  };
  CHECK(pinned("yes") == "2:23: error: expected true or false, found 'yes'; did you mean 'true'?\n");
  CHECK(pinned("off") == "2:23: error: expected true or false, found 'off'; did you mean 'false'?\n");
  CHECK(pinned("True") == "2:23: error: expected true or false, found 'True'; did you mean 'true'?\n");
  CHECK(pinned("0") == "2:23: error: expected true or false, found '0'; did you mean 'false'?\n");
  CHECK(pinned("2") == "2:23: error: expected true or false, found '2'\n");
  CHECK(pinned("'true'") == "2:23: error: expected true or false, found 'true' in quotes\n");
  CHECK(pinned("[]") == "2:23: error: expected true or false, found a list\n");
}

TEST_CASE("integers are exact", "[read_yaml]") {
  const auto initial = [](std::string_view text) {
    return wrong(with_line(fmt::format("variables: {{a: {{initial: {}}}}}", text)));
  };
  const std::string range = "is out of range: expected an integer from -9223372036854775808 to 9223372036854775807\n";
  CHECK(initial("9223372036854775808") == "2:26: error: '9223372036854775808' " + range);
  CHECK(initial("-9223372036854775809") == "2:26: error: '-9223372036854775809' " + range);
  CHECK(initial("1.5") == "2:26: error: expected an integer, found '1.5'\n");
  CHECK(initial("1e3") == "2:26: error: expected an integer, found '1e3'\n");
  CHECK(initial("0x10") == "2:26: error: expected an integer, found '0x10'\n");
  CHECK(initial("010") == "2:26: error: expected an integer, found '010'\n");
  CHECK(initial("+1") == "2:26: error: expected an integer, found '+1'\n");
  CHECK(initial("-") == "2:26: error: expected an integer, found '-'\n");
  CHECK(initial("'1'") == "2:26: error: expected an integer, found '1' in quotes\n");
  CHECK(wrong(with_line("pools: {a: -1}")) ==
        "2:12: error: '-1' is out of range: expected an integer from 0 to 9223372036854775807\n");
  CHECK(wrong(with_line("pools: {a: many}")) ==
        "2:12: error: expected an integer of at least 0 or a mapping, found 'many'\n");
  CHECK(wrong(with_line("timelines: {a: {points: 10001}}")) ==
        "2:25: error: '10001' is out of range: expected an integer from 1 to 10000\n");
  CHECK(wrong(with_step("take: {pool: a, amount: 0}")) ==
        "5:33: error: '0' is out of range: expected an integer from 1 to 9223372036854775807\n");
}

TEST_CASE("durations have a unit", "[read_yaml]") {
  const auto timeout = [](std::string_view text) {
    return wrong(with_line(fmt::format("fences: {{a: {{timeout: {}}}}}", text)));
  };
  const std::string expected = "2:23: error: expected a duration such as 10s, 250ms or 2min, found ";
  CHECK(timeout("10") == "2:23: error: '10' has no unit; did you mean '10s' or '10ms'?\n");
  CHECK(timeout("0s") == "2:23: error: a duration must be longer than 0\n");
  CHECK(timeout("10 sec") == expected + "'10 sec'\n");
  CHECK(timeout("-1s") == expected + "'-1s'\n");
  CHECK(timeout("1.5s") == expected + "'1.5s'\n");
  CHECK(timeout("soon") == expected + "'soon'\n");
  CHECK(timeout("{}") == expected + "a mapping\n");
  CHECK(timeout("9223372036854775808ms") == "2:23: error: '9223372036854775808ms' is too long\n");
  CHECK(timeout("153722867280913min") == "2:23: error: '153722867280913min' is too long\n");
  CHECK(read(with_line("fences: {a: {timeout: 153722867280912min}}")).fences[0].timeout ==
        milliseconds(153'722'867'280'912 * 60'000));
}

TEST_CASE("names", "[read_yaml]") {
  const std::string rule = " is not a name: a name has letters, digits and '_.+-', and begins with a letter or '_'\n";
  CHECK(wrong(with_line("fences: {1a: user}")) == "2:10: error: '1a'" + rule);
  CHECK(wrong(with_line("fences: {\"a:1\": user}")) == "2:10: error: 'a:1'" + rule);
  CHECK(wrong(with_line("fences: {\"\": user}")) == "2:10: error: ''" + rule);
  CHECK(wrong(with_step("lock: a:1")) == "5:15: error: 'a:1'" + rule);
  CHECK(wrong(with_step("wait: \"a\\u20ac\"")) == "5:15: error: 'a\xE2\x82\xAC'" + rule);
  CHECK(wrong(with_step("wait: " + std::string(50, 'x') + std::string(50, '!'))) ==
        "5:15: error: '" + std::string(50, 'x') + std::string(10, '!') + "...'" + rule);
  CHECK(wrong(with_step("wait: a:0")) == "5:15: error: 'a:0' is not a point of a timeline, such as 'a:1'\n");
  CHECK(wrong(with_step("wait: a:b")) == "5:15: error: 'a:b' is not a point of a timeline, such as 'a:1'\n");
  CHECK(wrong(with_step("wait: 'a:'")) == "5:15: error: 'a:' is not a point of a timeline, such as 'a:1'\n");
  CHECK(read(with_line("fences: {a.b+c-d_1: user, _: user}")).fences.size() == 2);
}

TEST_CASE("what is not YAML is no scenario", "[read_yaml]") {
  CHECK(wrong("fencecheck: 1\nthreads: {\n") ==
        "3:1: error: not valid YAML: end of map flow not found: a '{' without its '}'\n");
  CHECK(wrong(std::string("fencecheck: 1\0\n", 15)) == "1:14: error: not a text: control character 0x00\n");
}

// Whole files.

std::string file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The comments at the beginning of a rejected case: "# error: 4:23: no key …".
std::string announced(std::string_view text) {
  std::string result;
  for (; text.starts_with("# "); text.remove_prefix(text.find('\n') + 1)) {
    const std::string_view line = text.substr(2, text.find('\n') - 2);
    if (line.starts_with("error: ") || line.starts_with("note: ") || line.starts_with("warning: "))
      result += std::string(line) + "\n";
  }
  return result;
}

// The messages in the same form: "error: 4:23: …".
std::string messages(const Diagnostics& diagnostics) {
  std::string result;
  for (const Diagnostic& each : diagnostics.sorted()) {
    const std::string place = each.at.line == 0 ? "" : fmt::format("{}:{}: ", each.at.line, each.at.column);
    result += fmt::format("{}: {}{}\n", name(each.severity), place, each.message);
  }
  return result;
}

TEST_CASE("every rejected case is rejected with the messages that it announces", "[read_yaml]") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FENCECHECK_SOURCE_DIR "/tests/rejected")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path().filename().string());
    const Source source{entry.path().filename().string(), file(entry.path())};
    Diagnostics diagnostics;
    const auto scenario = read_yaml(source, diagnostics);
    const bool lowered = scenario && lower(*scenario, diagnostics);
    CHECK_FALSE(lowered);
    CHECK_FALSE(announced(source.text).empty());
    CHECK(messages(diagnostics) == announced(source.text));
    ++files;
  }
  CHECK(files >= 20);
}

}  // namespace
}  // namespace fencecheck
