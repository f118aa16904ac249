#include "graph/model/source.hpp"

#include "tests/catch.hpp"

namespace fencecheck {
namespace {

std::string shown(const std::string& line, Place at) { return excerpt({"x", line}, at); }

// The two lines of an excerpt.
std::pair<std::string, std::string> halves(const std::string& text) {
  const std::size_t middle = text.find('\n');
  return {text.substr(0, middle), text.substr(middle + 1, text.size() - middle - 2)};
}

TEST_CASE("lines are found by their number, kept ones first", "[source]") {
  const Source source{"x", "one\ntwo\r\n\nfour", {{2, "kept"}, {99, "streamed"}}};
  REQUIRE(line_of(source, 0).empty());
  REQUIRE(line_of(source, 1) == "one");
  REQUIRE(line_of(source, 2) == "kept");
  REQUIRE(line_of({"x", source.text}, 2) == "two");
  REQUIRE(line_of(source, 3).empty());
  REQUIRE(line_of(source, 4) == "four");
  REQUIRE(line_of(source, 5).empty());
  REQUIRE(line_of(source, 99) == "streamed");
}

TEST_CASE("a position has as much as there is", "[source]") {
  const Source source{"a.yaml", ""};
  REQUIRE(position(source, {}) == "a.yaml");
  REQUIRE(position(source, {3, 0, 1}) == "a.yaml:3");
  REQUIRE(position(source, {3, 7, 1}) == "a.yaml:3:7");
}

TEST_CASE("an excerpt underlines the place", "[source]") {
  REQUIRE(shown("wait for it", {1, 6, 3}) == "wait for it\n     ^~~\n");
  REQUIRE(shown("wait for it", {1, 6, 1}) == "wait for it\n     ^\n");
  REQUIRE(shown("wait for it", {1, 6, 0}) == "wait for it\n     ^\n");
  REQUIRE(shown("wait for it", {1, 10, 99}) == "wait for it\n         ^~\n");
  REQUIRE(shown("wait for it", {1, 99, 4}) == "wait for it\n           ^\n");
  REQUIRE(shown("  wait", {1, 0, 1}) == "  wait\n  ^~~~\n");
  REQUIRE(shown("wait", {}).empty());
  REQUIRE(shown("wait", {2, 1, 1}).empty());
  REQUIRE(shown("", {1, 1, 1}).empty());
}

TEST_CASE("an excerpt expands tabs and shows what cannot be shown as '?'", "[source]") {
  REQUIRE(shown("\tx\ty", {1, 4, 1}) == "        x       y\n                ^\n");
  REQUIRE(shown("a\x01\x7f\xff\xc3", {1, 5, 1}) == "a????\n    ^\n");
  REQUIRE(shown("\xC3\xA9\xE2\x82\xAC=x", {1, 7, 1}) == "\xC3\xA9\xE2\x82\xAC=x\n   ^\n");
  REQUIRE(shown("\xC3\xA9t\xC3\xA9", {1, 1, 5}) == "\xC3\xA9t\xC3\xA9\n^~~\n");
  REQUIRE(shown("\xed\xa0\x80|\xf4\x90\x80\x80|\xc0\x80", {1, 4, 1}) == "???|????|??\n   ^\n");
}

TEST_CASE("an excerpt of a long line is cut around the caret", "[source]") {
  std::string line(1000, '-');
  for (const std::uint32_t column : {1U, 41U, 120U, 500U, 961U, 1000U, 1001U}) {
    line.assign(1000, '-');
    if (column <= 1000) line[column - 1] = '@';
    const auto [text, caret] = halves(shown(line, {1, column, 400}));
    INFO(column);
    REQUIRE(text.size() <= 120);
    REQUIRE(caret.size() <= 120);
    REQUIRE(caret.find('^') == (column <= 1000 ? text.find('@') : text.size()));
    REQUIRE((text.substr(0, 3) == "...") == (column > 41));
    REQUIRE((text.substr(text.size() - 3) == "...") == (column < 920));
  }
}

TEST_CASE("diagnostics come in the order of the text", "[source]") {
  Diagnostics diagnostics;
  diagnostics.warning({3, 1, 1}, "third");
  REQUIRE(diagnostics.ok());
  diagnostics.error({2, 5, 1}, "first of two");
  diagnostics.note({2, 5, 9}, "second of two");
  diagnostics.error({}, "nowhere");
  REQUIRE_FALSE(diagnostics.ok());
  std::string order;
  for (const Diagnostic& each : diagnostics.sorted())
    order += std::string(name(each.severity)) + " " + each.message + "; ";
  REQUIRE(order == "error nowhere; error first of two; note second of two; warning third; ");
}

TEST_CASE("a misspelling finds its word", "[source]") {
  const std::vector<std::string_view> words{"deadlock", "stall", "contract", "livelock"};
  REQUIRE(nearest("deadlok", words) == "deadlock");
  REQUIRE(nearest("daedlock", words) == "deadlock");
  REQUIRE(nearest("Deadlock", words) == "deadlock");
  REQUIRE(nearest("stlal", words) == "stall");
  REQUIRE(nearest("contact", words) == "contract");
  REQUIRE(nearest("livedlock", words) == "livelock");
  REQUIRE(nearest("fence", words).empty());
  REQUIRE(nearest("", words).empty());
  REQUIRE(nearest("s", {"t", "u"}).empty());
  REQUIRE(nearest("ab", {"ac", "ad"}) == "ac");
  REQUIRE(nearest("stall", {}).empty());
  REQUIRE(nearest(std::string(100'000, 'x'), words).empty());
}

TEST_CASE("names from inputs become one line of UTF-8", "[source]") {
  REQUIRE(printable("a\tb\nc\x02\xff\xC3\xA9") == "a b c??\xC3\xA9");
  REQUIRE(printable(std::string_view("\0", 1)) == "?");
}

TEST_CASE("what steers a terminal or turns text round is not printable", "[source]") {
  CHECK(printable("a\x1b[31mb") == "a?[31mb");
  CHECK(printable("a\xc2\x80z\xc2\x9f") == "a?z?");        // C1 control characters
  CHECK(printable("\xe2\x80\xa8\xe2\x80\xa9") == "??");    // line and paragraph separators
  CHECK(printable("\xe2\x80\xae|\xe2\x81\xa6") == "?|?");  // right-to-left override, isolate
  CHECK(printable("\xc2\xa0\xc3\xa4\xe2\x80\xa7\xe2\x81\xaa") == "\xc2\xa0\xc3\xa4\xe2\x80\xa7\xe2\x81\xaa");
  CHECK(position({"\x9b"
                  "a",
                  "",
                  {}},
                 {1, 2, 1}) == "?a:1:2");
  CHECK(excerpt({"a", "x\xe2\x80\xaey", {}}, {1, 1, 1}) == "x?y\n^\n");
}

TEST_CASE("quantities have their plural", "[source]") {
  CHECK(quantity(1, "thread") == "1 thread");
  CHECK(quantity(0, "thread") == "0 threads");
  CHECK(quantity(1, "vertex", "vertices") == "1 vertex");
  CHECK(quantity(2, "vertex", "vertices") == "2 vertices");
}

}  // namespace
}  // namespace fencecheck
