// Prefixes by hand: a log may be long, and std::regex is slow and recursive.
#include "graph/input/kernel_log.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "graph/input/ftrace_line.hpp"

namespace fencecheck {
namespace {

bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$'; }

constexpr auto weekdays = std::to_array<std::string_view>({"Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "});
constexpr auto months = std::to_array<std::string_view>(
    {"Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec "});

template <class Words>
bool starts_with_any(std::string_view text, const Words& words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return text.starts_with(word); });
}

// What stands in brackets at the beginning: "   21.283902", "  +0.074543", "Thu Nov 1 …".
bool is_time(std::string_view inside) {
  const std::string_view text = trimmed(inside);
  if (starts_with_any(text, weekdays)) return true;
  const std::size_t dot = text.find('.');
  if (text.empty() || dot == std::string_view::npos) return false;
  return std::ranges::all_of(text, [](char c) { return digit(c) || c == '.' || c == '+'; });
}

// "T1234", "C0": the task or the CPU that printed the line.
bool is_caller(std::string_view inside) {
  const std::string_view text = trimmed(inside);
  return text.size() > 1 && (text[0] == 'T' || text[0] == 'C') &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return digit(c); });
}

// "Aug 10 07:01:29 dg1test kernel:", "2023-08-10T07:01:29+02:00 dg1test kernel:".
std::size_t syslog_header(std::string_view line) {
  constexpr std::string_view who = " kernel:";
  constexpr std::size_t longest = 100;
  if (!starts_with_any(line, months) && (line.empty() || !digit(line[0]))) return 0;
  const std::size_t at = line.substr(0, longest).find(who);
  return at == std::string_view::npos || line.substr(0, at).find(':') == std::string_view::npos ? 0 : at + who.size();
}

// "kern  :err   : ", which dmesg -x prints.
std::size_t decoded_level(std::string_view line) {
  constexpr auto facilities = std::to_array<std::string_view>({"kern", "user", "daemon", "syslog"});
  if (!starts_with_any(line, facilities)) return 0;
  std::size_t at = 0;
  for (int part = 0; part < 2; ++part) {
    while (at < line.size() && word_char(line[at])) ++at;
    while (at < line.size() && line[at] == ' ') ++at;
    if (at == line.size() || line[at] != ':') return 0;
    ++at;
  }
  return at + (at < line.size() && line[at] == ' ' ? 1 : 0);
}

// "2026-11-22T01:02:03,000000+00:00 ", of dmesg --time-format iso.
std::size_t iso_time(std::string_view line) {
  constexpr std::string_view shape = "0000-00-00T00:00:00,";
  if (line.size() <= shape.size()) return 0;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == '0' ? !digit(line[i]) : line[i] != shape[i]) return 0;
  const std::size_t end = line.find(' ');
  return end == std::string_view::npos ? 0 : end + 1;
}

std::string_view without_quotation(std::string_view line) {
  while (line.starts_with('>')) {
    line.remove_prefix(1);
    if (line.starts_with(' ')) line.remove_prefix(1);
  }
  return line;
}

// What a mailer leaves at the end of a piece of a lock's line that goes on.
bool asks_for_more(std::string_view text) {
  if (text.ends_with(", at:")) return true;
  if (text.starts_with('#')) {
    const std::size_t colon = text.find(": ");
    if (colon == std::string_view::npos) return false;
    text.remove_prefix(colon + 2);
  }
  const bool hexadecimal =
      text.size() >= 8 && std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
  return hexadecimal || text == "(ptrval)" || text == "(____ptrval____)";
}

struct Piece {
  std::string_view raw;   // behind its prefix
  std::string_view text;  // without blanks
  bool prefixed = false;
};

bool continues(const Piece& before, const std::string& so_far, const Piece& piece) {
  if (piece.prefixed || piece.text.empty() || so_far.empty()) return false;
  if (piece.text.starts_with("at: ") || asks_for_more(so_far)) return true;
  if (!before.prefixed) return false;
  const bool flowed = before.raw.ends_with(' ');  // format=flowed: a blank before a soft line break
  return flowed || !blank(piece.raw.front());
}

}  // namespace

Unprefixed without_log_prefix(std::string_view line) {
  Unprefixed result{without_quotation(line), false};
  std::string_view& text = result.text;
  if (const std::size_t end = syslog_header(text); end > 0) {
    text.remove_prefix(end);
    result.prefixed = true;
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  for (const std::size_t end : {decoded_level(text), iso_time(text)}) {
    text.remove_prefix(end);
    result.prefixed = result.prefixed || end > 0;
  }
  if (text.size() > 3 && text[0] == '<' && digit(text[1]) && text.find('>') <= 3)
    text.remove_prefix(text.find('>') + 1);
  for (;;) {
    const std::size_t end = text.find(']');
    if (!text.starts_with('[') || end == std::string_view::npos) break;
    const std::string_view inside = text.substr(1, end - 1);
    if (!is_time(inside) && !(result.prefixed && is_caller(inside))) break;
    text.remove_prefix(end + 1);
    result.prefixed = true;
    const std::string_view next = trimmed(text);
    if (next.starts_with('[') && is_caller(next.substr(1, std::min(next.find(']'), next.size()) - 1))) text = next;
  }
  if (result.prefixed && text.starts_with(' ')) text.remove_prefix(1);
  return result;
}

std::vector<LogLine> kernel_log_lines(std::string_view text) {
  std::vector<LogLine> lines;
  Piece before;
  for (std::uint32_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const Unprefixed unprefixed = without_log_prefix(text.substr(0, end));
    Piece piece{unprefixed.text, trimmed(unprefixed.text), unprefixed.prefixed};
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!lines.empty() && continues(before, lines.back().text, piece)) {
      lines.back().text += ' ';
      lines.back().text += piece.text;
      piece.prefixed = before.prefixed;  // a line may be broken more than once
    } else {
      lines.push_back({std::string(piece.text), number});
    }
    before = piece;
  }
  return lines;
}

StackFrame parse_stack_frame(std::string_view text, bool expected) {
  StackFrame frame;
  if (text.starts_with("? ")) {
    frame.certain = false;
    text.remove_prefix(2);
  }
  if (text.starts_with("[<")) {
    const std::size_t end = text.find(">] ");
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 3);
    expected = true;
    if (text.starts_with('(')) text.remove_prefix(1);
  }
  std::size_t size = 0;
  while (size < text.size() && word_char(text[size])) ++size;
  const std::string_view name = text.substr(0, size);
  const std::string_view rest = text.substr(size);
  if (name.empty() || digit(name[0])) return {};
  const bool offset = rest.starts_with("+0x");
  const bool alone = expected && (rest.empty() || rest.starts_with(" [") || rest.starts_with(')'));
  if (!offset && !alone) return {};
  frame.function = name;
  return frame;
}

bool has_frame(const std::vector<std::string>& stack, std::string_view beginning) {
  return std::ranges::any_of(stack, [&](const std::string& frame) { return frame.starts_with(beginning); });
}

}  // namespace fencecheck
