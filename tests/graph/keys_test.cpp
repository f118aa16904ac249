#include "graph/input/keys.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "graph/input/read_yaml.hpp"
#include "tests/catch.hpp"
#include "tests/support/said.hpp"

namespace fencecheck {
namespace {

using Json = nlohmann::ordered_json;

// Keys of a bind that mean something only beside others.
bool needs_bind_queue(const KeyRow& row) {
  static constexpr std::array<std::string_view, 7> keys{"job",  "job-lock",     "falls-back", "on-job-error",
                                                        "uses", "out-syncobjs", "out"};
  return row.context == Context::vm_bind && std::ranges::find(keys, row.key) != keys.end();
}

std::string beside_in_bind(std::string_view key) {
  const KeyRow& row = *find_key(Context::vm_bind, key);
  std::string more;
  if ((needs_bind_queue(row) && key != "job") || key == "queue") more += ", job: b";
  if (key == "on-error" || key == "else" || key == "cookie") more += ", fails: [ENOSPC]";
  if (key == "cookie") more += ", on-error: cookie";
  if (key == "wait-for-submit") more += ", in-syncobjs: [done]";
  return more;
}

// A value in place of `value` in a mapping of this context, with the other keys that it needs.
std::string with_siblings(const KeyRow& row, std::string_view value) {
  std::string mapping = fmt::format("{{{}: {}", row.key, value);
  const bool is_choice = row.presence == Presence::one_of;
  for (const KeyRow& other : key_table) {
    if (other.context != row.context || other.key == row.key) continue;
    const bool needed = other.presence == Presence::required || (other.presence == Presence::one_of && !is_choice);
    const auto first = std::ranges::find_if(key_table, [&](const KeyRow& each) {
      return each.context == row.context && each.presence == Presence::one_of;
    });
    const bool is_second_choice =
        other.presence == Presence::one_of && other.key != (needs_bind_queue(row) ? "queue" : first->key);
    if (needed && !is_second_choice) mapping += fmt::format(", {}: {}", other.key, other.example);
  }
  if (row.context == Context::expect && row.key == "needs") mapping += ", findings: deadlock";
  if (row.context == Context::wait && row.key == "on-timeout") mapping += ", timeout: 1s";
  if (row.context == Context::if_ && row.presence != Presence::some_of) mapping += ", then: []";
  if (row.context == Context::vm_bind) mapping += beside_in_bind(row.key);
  if (row.context == Context::queue && row.key == "suspended") mapping += ", kind: user";
  if (row.context == Context::queue && row.key == "rescuer") mapping += ", kind: worker";
  return mapping + "}";
}

// The mapping around a context: how one of its parents writes it.
const KeyRow& parent_of(Context context) {
  if (context == Context::step) return *find_key(Context::thread, "steps");
  return *std::ranges::find(key_table, context, &KeyRow::fields);
}

// A scenario in which the row's key has this value.
std::string scenario_with(const KeyRow& row, std::string_view value) {
  if (row.context == Context::scenario) {
    std::string text = "fencecheck: 1\n";
    if (row.key == "fencecheck") text = fmt::format("fencecheck: {}\n", value);
    if (row.key != "fencecheck") text += fmt::format("{}: {}\n", row.key, value);
    if (row.key != "threads") text += "threads: {t: {steps: [wait: a]}}\n";
    return text;
  }
  const KeyRow& parent = parent_of(row.context);
  std::string mapping =
      row.context == Context::step ? fmt::format("[{{{}: {}}}]", row.key, value) : with_siblings(row, value);
  if (info(parent.shape).is_table) mapping = fmt::format("{{x: {}}}", mapping);
  return scenario_with(parent, mapping);
}

std::string read(const std::string& text) {
  Diagnostics diagnostics;
  const auto scenario = read_yaml({.name = "a.yaml", .text = text}, diagnostics);
  return (scenario ? "read\n" : "") + said(diagnostics);
}

TEST_CASE("keys are unique in their context", "[keys]") {
  std::set<std::pair<Context, std::string_view>> seen;
  for (const KeyRow& row : key_table) CHECK(seen.emplace(row.context, row.key).second);
}

TEST_CASE("every context but the outermost has a key that leads to it", "[keys]") {
  for (const ContextInfo& context : context_table) {
    if (context.context <= Context::scenario || context.context == Context::step) continue;
    INFO(context.id);
    CHECK(std::ranges::count(key_table, context.context, &KeyRow::fields) >= 1);
  }
}

TEST_CASE("every row's example is read", "[keys]") {
  for (const KeyRow& row : key_table) {
    const std::string text = scenario_with(row, row.example);
    INFO(text);
    CHECK(read(text) == "read\n");
  }
}

TEST_CASE("every row's key is looked at: a value of a wrong form is an error", "[keys]") {
  for (const KeyRow& row : key_table) {
    const std::string text = scenario_with(row, "[[[]]]");
    INFO(text);
    CHECK_FALSE(read(text).starts_with("read"));
  }
}

TEST_CASE("sentences begin large and end with a full stop", "[keys]") {
  for (const KeyRow& row : key_table) {
    INFO(row.key);
    CHECK(std::isupper(row.says.front()) != 0);
    CHECK(row.says.back() == '.');
    CHECK(row.says.find('|') == std::string_view::npos);
    CHECK(row.example.find('|') == std::string_view::npos);
  }
}

TEST_CASE("expected values are phrases", "[keys]") {
  const auto value = [](Context context, std::string_view key) { return whole_value(*find_key(context, key)); };
  CHECK(value(Context::scenario, "fences") == "a mapping from names to kinds of fence or mappings");
  CHECK(value(Context::scenario, "buffers") == "a mapping from names to mappings");
  CHECK(value(Context::scenario, "shrinkers") == "a mapping from names to lists of steps");
  CHECK(value(Context::scenario, "expect") == "an outcome, a list of them or a mapping");
  CHECK(value(Context::step, "wait") == "the name of a fence, a list of them or a mapping");
  CHECK(value(Context::step, "signal") == "the name of a fence or a list of them");
  CHECK(value(Context::step, "lock") == "the name of a lock or buffer or a mapping");
  CHECK(value(Context::step, "submit") == "a mapping");
  CHECK(value(Context::step, "choose") == "a list of lists of steps");
  CHECK(value(Context::wait, "timeout") == "a duration such as 10s, 250ms or 2min");
  CHECK(noun(Form::thread_kind) == "kind of thread");
}

TEST_CASE("an unknown word comes with the nearest, or with all there are", "[keys]") {
  CHECK(unknown_word("key", "wiat", keys_of(Context::step)) == "no key is called 'wiat'; did you mean 'wait'?");
  CHECK(unknown_word("key", "xyzzy", keys_of(Context::take)) == "no key is called 'xyzzy'; expected pool, amount");
  CHECK(unknown_word("key", std::string(100, 'x'), {"a"}) ==
        "no key is called '" + std::string(60, 'x') + "...'; expected a");
}

TEST_CASE("only threads that people write are words", "[keys]") {
  CHECK(ids(thread_kind_words()) ==
        std::vector<std::string_view>{"user", "ioctl", "worker", "engine", "interrupt", "reclaim"});
  CHECK(ids(words_of<queue_kind_table>()) == std::vector<std::string_view>{"engine", "worker", "user", "bind"});
  std::vector<std::string_view> outcomes{"holds", "unknown"};
  for (const FindingInfo& finding : finding_table) outcomes.push_back(finding.id);
  CHECK(ids(outcome_words()) == outcomes);
  CHECK(ids(verdict_words()) == std::vector<std::string_view>{"holds", "violated", "unknown"});
}

// The schema.

void collect_references(const Json& schema, std::set<std::string>& references) {
  if (schema.is_object() && schema.contains("$ref")) references.insert(schema["$ref"].get<std::string>());
  if (!schema.is_structured()) return;
  for (const Json& part : schema) collect_references(part, references);
}

TEST_CASE("the schema refers to all of its definitions, and to nothing else", "[keys]") {
  const Json schema = Json::parse(json_schema());
  std::set<std::string> references;
  collect_references(schema, references);
  std::set<std::string> definitions;
  for (const auto& [id, unused] : schema["$defs"].items()) definitions.insert("#/$defs/" + id);
  CHECK(references == definitions);
}

TEST_CASE("the schema has a described property for each row, and no other keys", "[keys]") {
  const Json schema = Json::parse(json_schema());
  CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
  for (const ContextInfo& context : context_table) {
    if (context.context == Context::none) continue;
    const bool is_root = context.context == Context::scenario;
    const Json& mapping = is_root ? schema : schema["$defs"][std::string(context.id)];
    INFO(context.id);
    CHECK(mapping["additionalProperties"] == false);
    std::vector<std::string> keys;
    for (const auto& [key, property] : mapping["properties"].items()) {
      keys.push_back(key);
      CHECK(property["description"].get<std::string>().ends_with(
          fmt::format("Example: {}: {}", key, find_key(context.context, key)->example)));
    }
    const auto expected = keys_of(context.context);
    CHECK(keys == std::vector<std::string>(expected.begin(), expected.end()));
  }
}

TEST_CASE("the schema knows which keys must be there and which exclude each other", "[keys]") {
  const Json schema = Json::parse(json_schema());
  const Json& definitions = schema["$defs"];
  CHECK(schema["required"] == Json::array({"fencecheck"}));
  CHECK(definitions["submit"]["required"] == Json{"queue", "job"});
  CHECK(definitions["wait"]["oneOf"] == Json::parse(R"([{"required": ["all"]}, {"required": ["any"]}])"));
  CHECK(definitions["expectation"]["anyOf"] ==
        Json::parse(R"([{"required": ["verdict"]}, {"required": ["findings"]}])"));
  CHECK(definitions["alloc"]["not"] == Json::parse(R"({"required": ["region", "buffer"]})"));
  CHECK(definitions["step"]["minProperties"] == 1);
  CHECK(definitions["step"]["maxProperties"] == 1);
  CHECK(definitions["step"]["properties"]["choose"]["minItems"] == 2);
  CHECK(definitions["usage"]["enum"] == Json{"kernel", "write", "read", "bookkeep"});
}

TEST_CASE("the schema and the reader agree on what a name, a fence and a duration are", "[keys]") {
  const Json definitions = Json::parse(json_schema())["$defs"];
  const auto matches = [&](const char* definition, const std::string& text) {
    return std::regex_search(text, std::regex(definitions[definition]["pattern"].get<std::string>()));
  };
  const auto is_read = [](std::string_view step) {
    return read(fmt::format("fencecheck: 1\nthreads: {{t: {{steps: [{}]}}}}\n", step)) == "read\n";
  };
  for (const char* text : {"a", "_", "A9", "a.b+c-d_e", "a-", "9", "-a", "", "a b", "a:1", "a:10", "a:0", "a:01",
                           "a:", "a:1:2", ":1", "\xC3\xA9", "a/b", "a,b"}) {
    INFO(text);
    CHECK(matches("name", text) == is_read(fmt::format("call: \"{}\"", text)));
    CHECK(matches("fence-name", text) == is_read(fmt::format("wait: \"{}\"", text)));
  }
  for (const char* text : {"1s", "10ms", "2min", "0s", "01s", "10", "s", "1 s", "1.5s", "-1s", "1h", "1S", "1sec"}) {
    INFO(text);
    CHECK(matches("duration", text) == is_read(fmt::format("wait: {{all: [a], timeout: {}}}", text)));
  }
}

TEST_CASE("the reference has a heading for each context and a row for each key and word", "[keys]") {
  const std::string page = input_keys_page();
  CHECK(page.starts_with("<!-- Made from the table in graph/input/keys.hpp. -->\n\n### In a scenario\n\n"));
  for (const KeyRow& row : key_table) CHECK(page.find(fmt::format("\n| `{}` | ", row.key)) != std::string::npos);
  CHECK(page.find("\n### In `wait-reservation`\n") != std::string::npos);
  CHECK(page.find("| `wait` |  | the name of a fence, a list of them or a mapping ([keys](#in-wait)) | "
                  "Waits for a fence, or for all of a list. | `wait: render` |\n") != std::string::npos);
  CHECK(page.find("| kind of lock | `mutex` | one holder |\n|  | `rwsem` | one writer or many readers |\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace fencecheck
