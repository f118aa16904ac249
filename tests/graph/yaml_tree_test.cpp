#include "graph/input/yaml_tree.hpp"

#include <fmt/format.h>

#include "tests/catch.hpp"
#include "tests/support/said.hpp"

namespace fencecheck {
namespace {

std::string at(Place place) { return fmt::format("{}:{}+{}", place.line, place.column, place.length); }

// One node or key with its place after the other: `1:1+1 {1:1+4 key=1:6+5 value}`.
std::string drawn(const YamlNode& node) {
  std::string text = at(node.at) + " ";
  if (node.kind == YamlNode::Kind::null) return text + "null";
  if (node.kind == YamlNode::Kind::scalar) return text + (node.plain ? node.text : '"' + node.text + '"');
  const bool is_list = node.kind == YamlNode::Kind::list;
  std::string inside;
  for (const YamlNode* item : node.items) inside += (inside.empty() ? "" : ", ") + drawn(*item);
  for (const YamlEntry& entry : node.entries)
    inside += (inside.empty() ? "" : ", ") + at(entry.at) + " " + entry.key + "=" + drawn(*entry.value);
  return text + (is_list ? "[" : "{") + inside + (is_list ? "]" : "}");
}

// The tree, or what is wrong with the text.
std::string read(std::string text) {
  Diagnostics diagnostics;
  const auto tree = read_yaml_tree({.name = "a.yaml", .text = std::move(text)}, diagnostics);
  if (tree && diagnostics.ok()) return drawn(tree->root());
  return said(diagnostics);
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST_CASE("every node and every key has its place", "[yaml]") {
  CHECK(read("a: 1\nbc:\n  - x: y\n  - [p, q]\n") ==
        "1:1+1 {1:1+1 a=1:4+1 1, 2:1+2 bc=3:3+1 [3:5+1 {3:5+1 x=3:8+1 y}, 4:5+1 [4:6+1 p, 4:9+1 q]]}");
  CHECK(read("{a: {b: c}}") == "1:1+1 {1:2+1 a=1:5+1 {1:6+1 b=1:9+1 c}}");
  CHECK(read("- [a: b]\n") == "1:1+1 [1:3+1 [1:4+1 {1:4+1 a=1:7+1 b}]]");
}

TEST_CASE("columns count bytes", "[yaml]") {
  CHECK(read("\xC3\xA9: [\xE2\x82\xAC, z]\n") == "1:1+1 {1:1+2 \xC3\xA9=1:5+1 [1:6+3 \xE2\x82\xAC, 1:11+1 z]}");
  CHECK(read("\tx\n") == "1:2+1 x");
}

TEST_CASE("a byte order mark and carriage returns belong to the text", "[yaml]") {
  CHECK(read("\xEF\xBB\xBF"
             "a: b\nc: d\n") == "1:4+1 {1:4+1 a=1:7+1 b, 2:1+1 c=2:4+1 d}");
  CHECK(read("a: b\r\nc: d\r\n") == "1:1+1 {1:1+1 a=1:4+1 b, 2:1+1 c=2:4+1 d}");
  CHECK(read("\xEF\xBB\xBF"
             "a: [\n") == "2:1: error: not valid YAML: end of sequence flow not found: a '[' without its ']'\n");
}

TEST_CASE("quotes are part of a place, and make a text", "[yaml]") {
  CHECK(read("a: \"x \\\" y\"\nb: 'it''s'\n") == "1:1+1 {1:1+1 a=1:4+8 \"x \" y\", 2:1+1 b=2:4+7 \"it's\"}");
  CHECK(read("\"a b\": 1\n") == "1:1+1 {1:1+5 a b=1:8+1 1}");
  CHECK(read("a: \"x\n  y\"\n") == "1:1+1 {1:1+1 a=1:4+2 \"x y\"}");
  CHECK(read("a: x\n  y\n") == "1:1+1 {1:1+1 a=1:4+1 x y}");
  CHECK(read("a: |\n  x\n  y\n") == "1:1+1 {1:1+1 a=1:4+1 \"x\ny\n\"}");
  CHECK(read("a: x   # why\n") == "1:1+1 {1:1+1 a=1:4+1 x}");
}

TEST_CASE("a value that is left out has the place of its key", "[yaml]") {
  CHECK(read("a:\nb: \nc: ~\nd: null\n") ==
        "1:1+1 {1:1+1 a=1:1+1 null, 2:1+1 b=2:1+1 null, 3:1+1 c=3:4+1 null, 4:1+1 d=4:4+1 null}");
  CHECK(read("a:\n\"null\": b\n") == "1:1+1 {1:1+1 a=1:1+1 null, 2:1+6 null=2:9+1 b}");
  CHECK(read("{x:, y}\n") == "1:1+1 {1:2+1 x=1:2+1 null, 1:6+1 y=1:6+1 null}");
  CHECK(read("-\n- a\n") == "1:1+1 [1:1+1 null, 2:3+1 a]");
}

TEST_CASE("an alias is the node that the anchor names", "[yaml]") {
  CHECK(read("a: &x {k: v}\nb: *x\n") == "1:1+1 {1:1+1 a=1:7+1 {1:8+1 k=1:11+1 v}, 2:1+1 b=1:7+1 {1:8+1 k=1:11+1 v}}");
  CHECK(read("a: &x\n  word\nb: [*x]\n") == "1:1+1 {1:1+1 a=2:3+4 word, 3:1+1 b=3:4+1 [2:3+4 word]}");
  CHECK(read("- &k key\n- {*k : v}\n") == "1:1+1 [1:6+3 key, 2:3+1 {2:4+3 key=2:9+1 v}]");
  CHECK(read("&a [*a]") == "1:5: error: an alias inside of what it stands for\n");
  CHECK(read("a: *b\n") == "1:4: error: not valid YAML: the referenced anchor is not defined\n");
}

TEST_CASE("a key is given once, and the message points at both", "[yaml]") {
  const Source source{"a.yaml", "a: 1\nb:\n  k: 1\n  k: 2\n  k: 3\n"};
  Diagnostics diagnostics;
  const auto tree = read_yaml_tree(source, diagnostics);
  REQUIRE(shown(source, diagnostics) ==
          "a.yaml:3:3: note: the key 'k' is first given here\n  k: 1\n  ^\n"
          "a.yaml:4:3: error: the key 'k' is given twice\n  k: 2\n  ^\n"
          "a.yaml:5:3: error: the key 'k' is given twice\n  k: 3\n  ^\n");
  REQUIRE(tree);  // in which to look for more
  CHECK(drawn(tree->root()) == "1:1+1 {1:1+1 a=1:4+1 1, 2:1+1 b=3:3+1 {3:3+1 k=3:6+1 1}}");
}

TEST_CASE("keys are words", "[yaml]") {
  CHECK(read("? [a]\n: b\nc: d\n") == "1:3: error: a key must be a word\n");
  CHECK(read("~: b\n") == "1:1: error: a key must be a word\n");
  CHECK(read("{{a: b}: c, [d]: e}\n") == "1:2: error: a key must be a word\n1:13: error: a key must be a word\n");
}

TEST_CASE("tags have no meaning", "[yaml]") {
  const Source source{"a.yaml", "a: !foo bar\nb: !!str 12\nc: ! d\n"};
  Diagnostics diagnostics;
  const auto tree = read_yaml_tree(source, diagnostics);
  REQUIRE(shown(source, diagnostics) ==
          "a.yaml:1:4: error: unknown tag '!foo'; tags have no meaning here\na: !foo bar\n   ^~~~\n"
          "a.yaml:2:4: error: unknown tag 'tag:yaml.org,2002:str'; tags have no meaning here\nb: !!str 12\n   ^~~~~\n");
  CHECK(read("- !a [x]\n- !b {x: y}\n") ==
        "1:3: error: unknown tag '!a'; tags have no meaning here\n"
        "2:3: error: unknown tag '!b'; tags have no meaning here\n");
}

TEST_CASE("an empty document is an error", "[yaml]") {
  const std::string empty = "error: empty: expected a scenario, which begins with 'fencecheck: 1'\n";
  CHECK(read("") == empty);
  CHECK(read("\n\n") == empty);
  CHECK(read("# nothing but a comment\n") == empty);
  CHECK(read("---\n...\n") == empty);
  CHECK(read("\xEF\xBB\xBF") == empty);
}

TEST_CASE("a file holds one document", "[yaml]") {
  CHECK(read("--- # the first\na: b\n...\n") == "2:1+1 {2:1+1 a=2:4+1 b}");
  CHECK(read("%YAML 1.2\n---\na: b\n") == "3:1+1 {3:1+1 a=3:4+1 b}");
  CHECK(read("a: b\n---\nc: d\n") == "2:1: error: a second document; a file holds one\n");
}

TEST_CASE("what is not YAML is explained", "[yaml]") {
  const auto wrong = [](std::string_view says) { return fmt::format("error: not valid YAML: {}\n", says); };
  CHECK(read("{a: b") == "1:1: " + wrong("end of map flow not found: a '{' without its '}'"));
  CHECK(read("a: [b\n") == "2:1: " + wrong("end of sequence flow not found: a '[' without its ']'"));
  CHECK(read("a: b: c\n") ==
        "1:5: " + wrong("illegal map value: a second ':' in one line, or the indentation is wrong"));
  CHECK(read("a:\n  - b: c\n - d: e\n") == "3:2: " + wrong("end of map not found: the indentation fits no line above"));
  CHECK(read("a: @b\n") == "1:4: " + wrong("unknown token: text that begins with this character needs quotes"));
  CHECK(read("a: b}\n}\n") == "2:1: " + wrong("illegal flow end: it was never opened"));
  CHECK(read("a: \"b\n") == "1:4: " + wrong("a quoted text without its end"));
  CHECK(read("a: 'b''\n") == "1:4: " + wrong("a quoted text without its end"));
  CHECK(read("a: \"\\z\"\n") == "1:7: " + wrong("unknown escape character: z"));
}

TEST_CASE("only text is read", "[yaml]") {
  CHECK(read(std::string("a: b\nc: \0d\n", 11)) == "2:4: error: not a text: control character 0x00\n");
  CHECK(read("a: \x1b[31m\n") == "1:4: error: not a text: control character 0x1b\n");
  CHECK(read("a: b\x04\n") == "1:5: error: not a text: control character 0x04\n");
  CHECK(read("a: \x7f\n") == "1:4: error: not a text: control character 0x7f\n");
  CHECK(read("a: b\rc: d\n") == "1:5: error: not a text: control character 0x0d\n");
  CHECK(read("\xFF\xFE"
             "a") == "1:1: error: not a text: byte 0xff is not UTF-8\n");
  CHECK(read("a: \xC3\xA9\xC3(\n") == "1:6: error: not a text: byte 0xc3 is not UTF-8\n");
  CHECK(read("a: \xED\xA0\x80\n") == "1:4: error: not a text: byte 0xed is not UTF-8\n");
}

TEST_CASE("a text is at most 16 MiB", "[yaml]") {
  CHECK(read("a: b\n" + std::string(most_yaml_bytes, '\n')) == "error: larger than 16 MiB\n");
}

TEST_CASE("collections nest 64 deep", "[yaml]") {
  CHECK(read(repeated("[", 64) + repeated("]", 64)).starts_with("1:1+1 [1:2+1 ["));
  CHECK(read(repeated("[", 65) + repeated("]", 65)) == "1:65: error: nested more than 64 deep\n");
  CHECK(read(repeated("[", 100'000)).ends_with(": error: nested more than 64 deep\n"));
  CHECK(read(repeated("- ", 65) + "a\n") == "1:129: error: nested more than 64 deep\n");
}

TEST_CASE("aliases count for the depth", "[yaml]") {
  const std::string anchor = "- &a " + repeated("[", 40) + repeated("]", 40) + "\n- ";
  CHECK(read(anchor + repeated("[", 23) + "*a" + repeated("]", 23) + "\n").starts_with("1:1+1 [1:6+1 ["));
  CHECK(read(anchor + repeated("[", 24) + "*a" + repeated("]", 24) + "\n") ==
        "2:27: error: nested more than 64 deep\n");
}

TEST_CASE("a document has at most 200000 keys and values", "[yaml]") {
  CHECK(read("[" + repeated("a,", 200'001) + "]") ==
        "1:400002: error: more than 200000 keys and values, with aliases expanded\n");
}

TEST_CASE("what the parser would have to keep in memory at once is limited too", "[yaml]") {
  CHECK(read(repeated("{", 200'001)) == "error: more than 200000 keys and values\n");
  CHECK(read("[" + repeated(",", 1'000'001)) == "error: more than 200000 keys and values\n");
}

TEST_CASE("nine levels of aliases stop at once", "[yaml]") {
  std::string text = "- &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level < 10; ++level)
    text += fmt::format("- &l{0} [*l{1}, *l{1}, *l{1}, *l{1}, *l{1}, *l{1}, *l{1}, *l{1}, *l{1}, *l{1}]\n", level,
                        level - 1);
  CHECK(read(text) == "6:8: error: more than 200000 keys and values, with aliases expanded\n");
}

}  // namespace
}  // namespace fencecheck
