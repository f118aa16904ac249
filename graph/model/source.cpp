// Lines, excerpts with carets, and spelling suggestions.
#include "graph/model/source.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace fencecheck {
namespace {

constexpr auto severity_names = std::to_array<std::string_view>({"error", "warning", "note"});

constexpr std::size_t widest_excerpt = 120;  // columns
constexpr std::size_t tab_width = 8;
constexpr std::string_view cut_mark = "...";

// A line as it is shown: one string per column, and the column of each byte.
struct Shown {
  std::vector<std::string_view> columns;
  std::vector<std::size_t> of_byte;  // one more than there are bytes: the end
};

// Bytes of the UTF-8 sequence at the beginning of `text`; 0 if it is not one
// (a stray or cut sequence; overlong forms and surrogates).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (length < 3) return length;
  const unsigned char next = byte(1);
  const bool wrong = (lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) || (lead == 0xf0 && next < 0x90) ||
                     (lead == 0xf4 && next > 0x8f);
  return wrong ? 0 : length;
}

// What the first `length` bytes encode; 0 for bytes that are not UTF-8.
char32_t code_point(std::string_view text, std::size_t length) {
  if (length == 0) return 0;
  if (length == 1) return static_cast<unsigned char>(text[0]);
  char32_t result = static_cast<unsigned char>(text[0]) & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) result = result << 6U | (static_cast<unsigned char>(text[i]) & 0x3fU);
  return result;
}

// A control character, a byte that is not UTF-8, or what makes a terminal or an
// editor show other text than a program reads: line and paragraph separators,
// embeddings, overrides and isolates of direction.
bool is_strange(std::string_view text, std::size_t length) {
  const char32_t code = code_point(text, length);
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

// What is strange becomes '?', tabs blanks.
Shown shown(std::string_view line) {
  Shown result;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t length = utf8_length(line.substr(at));
    const bool strange = is_strange(line.substr(at), length);
    result.of_byte.insert(result.of_byte.end(), std::max<std::size_t>(length, 1), result.columns.size());
    if (line[at] == '\t') {
      result.columns.resize(result.columns.size() / tab_width * tab_width + tab_width, " ");
    } else {
      result.columns.push_back(strange ? std::string_view("?") : line.substr(at, length));
    }
    at += std::max<std::size_t>(length, 1);
  }
  result.of_byte.push_back(result.columns.size());
  return result;
}

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The bytes of the line that a place underlines; the line without its
// indentation if the place has no column.
Range underlined(std::string_view line, Place at) {
  if (at.column == 0) {
    const std::size_t first = std::min(line.find_first_not_of(" \t"), line.size());
    return {first, line.size()};
  }
  const std::size_t begin = std::min<std::size_t>(at.column - 1, line.size());
  return {begin, std::min<std::size_t>(begin + at.length, line.size())};
}

// The columns to show: all of them and the caret, or a window with the caret behind its first third.
Range window(std::size_t columns, std::size_t caret) {
  columns = std::max(columns, caret + 1);
  if (columns <= widest_excerpt) return {0, columns};
  const std::size_t before = std::min(caret, widest_excerpt / 3);
  const std::size_t begin = std::min(caret - before, columns - widest_excerpt);
  return {begin, begin + widest_excerpt};
}

std::string quoted(const Shown& line, Range visible) {
  std::string text;
  for (std::size_t i = visible.begin; i < std::min(visible.end, line.columns.size()); ++i) {
    const bool cut_before = visible.begin > 0 && i < visible.begin + cut_mark.size();
    const bool cut_after = visible.end < line.columns.size() && i + cut_mark.size() >= visible.end;
    text += cut_before || cut_after ? std::string_view(".") : line.columns[i];
  }
  return text;
}

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

// How many insertions, deletions, replacements and swaps of neighbours lead
// from one word to the other (optimal string alignment), letter case aside;
// O(|a| * |b|).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(previous);
    previous.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view name(Severity severity) { return severity_names.at(static_cast<std::size_t>(severity)); }

void Diagnostics::add(Severity severity, Place at, std::string message) {
  all_.push_back({severity, at, std::move(message)});
  if (severity == Severity::error) ++errors_;
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> result = all_;
  std::ranges::stable_sort(result, {}, [](const Diagnostic& each) { return std::pair(each.at.line, each.at.column); });
  return result;
}

std::string_view line_of(const Source& source, std::uint32_t line) {
  if (const auto kept = source.kept.find(line); kept != source.kept.end()) return kept->second;
  if (line == 0) return {};
  std::string_view rest = source.text;
  for (std::uint32_t i = 1; i < line; ++i) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  rest = rest.substr(0, rest.find('\n'));
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

std::string position(const Source& source, Place at) {
  std::string result = printable(source.name);
  if (at.line == 0) return result;
  result += ":" + std::to_string(at.line);
  if (at.column != 0) result += ":" + std::to_string(at.column);
  return result;
}

std::string excerpt(const Source& source, Place at) {
  const std::string_view text = line_of(source, at.line);
  if (text.empty()) return {};
  const Shown line = shown(text);
  const Range bytes = underlined(text, at);
  const std::size_t caret = line.of_byte[bytes.begin];
  const Range visible = window(line.columns.size(), caret);
  const std::size_t end = std::clamp(line.of_byte[bytes.end], caret + 1, std::max(caret + 1, visible.end));
  std::string result = quoted(line, visible) + "\n";
  result += std::string(caret - visible.begin, ' ') + "^" + std::string(end - caret - 1, '~') + "\n";
  return result;
}

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at));
    const bool blank = text[at] == '\t' || text[at] == '\n' || text[at] == '\r';
    const bool strange = is_strange(text.substr(at), length);
    result += blank ? std::string_view(" ") : strange ? std::string_view("?") : text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  return result;
}

std::string quantity(std::uint64_t count, std::string_view one, std::string_view many) {
  std::string result = std::to_string(count) + " ";
  if (count != 1 && !many.empty()) return result + std::string(many);
  result += one;
  return count == 1 ? result : result + "s";
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  std::size_t limit = std::max<std::size_t>(1, word.size() / 3);  // distances up to this are near enough
  if (word.size() < 2) return best;                               // every letter is one step from every other
  for (const std::string_view candidate : candidates) {
    if (word.size() > candidate.size() + limit || candidate.size() > word.size() + limit) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > limit || (distance == limit && !best.empty())) continue;
    best = candidate;
    limit = distance;
  }
  return best;
}

}  // namespace fencecheck
