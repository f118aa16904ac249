// Texts, places in them, and what is said about them.
//
// A Source is one input: its name as the user gave it and its text. A Place is
// a position in a source; every object the program builds from an input keeps
// its Place, so that each message can point at a line. Diagnostics collects
// everything wrong with one source: readers append and go on, the caller looks
// once. Columns count bytes from 1; line 0 means "no place".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fencecheck {

struct Source {
  std::string name;
  std::string text;                             // empty for inputs that are streamed
  std::map<std::uint32_t, std::string> kept{};  // of a streamed input: the lines that messages may quote
};

struct Place {
  std::uint32_t line = 0;    // from 1; 0 = nowhere
  std::uint32_t column = 0;  // from 1, in bytes; 0 = the whole line
  std::uint32_t length = 1;  // how many bytes the caret underlines
  friend bool operator==(const Place&, const Place&) = default;
};

enum class Severity : std::uint8_t { error, warning, note };
[[nodiscard]] std::string_view name(Severity severity);

struct Diagnostic {
  Severity severity = Severity::error;
  Place at;
  std::string message;  // lower case, no full stop, names quoted
};

class Diagnostics {
 public:
  void error(Place at, std::string message) { add(Severity::error, at, std::move(message)); }
  void warning(Place at, std::string message) { add(Severity::warning, at, std::move(message)); }
  void note(Place at, std::string message) { add(Severity::note, at, std::move(message)); }
  [[nodiscard]] bool ok() const { return errors_ == 0; }
  // In the order of the text; at one place in the order they were made.
  [[nodiscard]] std::vector<Diagnostic> sorted() const;

 private:
  void add(Severity severity, Place at, std::string message);
  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
};

// The text of one line, without its end; empty if there is no such line. O(text).
[[nodiscard]] std::string_view line_of(const Source& source, std::uint32_t line);

// "name:line:column", or as much of it as there is; the name printable.
[[nodiscard]] std::string position(const Source& source, Place at);

// The quoted source line and a caret below it, two lines, each with its end;
// empty for Place{}, for lines that are not there and for empty ones. Tabs are
// expanded, long lines cut around the caret to 120 columns, and what is not
// printable shown as '?'.
[[nodiscard]] std::string excerpt(const Source& source, Place at);

// The text as one line of UTF-8: blanks for tabs and line ends, '?' for other
// control characters, for those that turn the direction of text round or end
// lines and paragraphs (UAX #9), and for bytes that are not UTF-8. For names
// from inputs.
[[nodiscard]] std::string printable(std::string_view text);

// "1 thread", "2 threads"; `many` where an s is not enough: "2 vertices".
[[nodiscard]] std::string quantity(std::uint64_t count, std::string_view one, std::string_view many = {});

// The candidate that `word` probably means: the nearest by edit distance, if
// near enough to be a misspelling; else empty.
[[nodiscard]] std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace fencecheck
