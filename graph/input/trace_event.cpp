// Patterns, taken apart once, and matched from either side.
#include "graph/input/trace_event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <unordered_map>

namespace fencecheck {
namespace {

std::optional<TraceField> field_named(std::string_view id) {
  const auto row = std::ranges::find(trace_field_table, id, &TraceFieldInfo::id);
  return row == trace_field_table.end() ? std::nullopt : std::optional(row->field);
}

EventPattern compile(const TraceEventInfo& row) {
  EventPattern pattern;
  pattern.row = &row;
  std::string_view text = row.pattern;
  pattern.from_left = text.starts_with('<');
  if (pattern.from_left) text.remove_prefix(1);
  while (!text.empty()) {
    PatternPart part;
    const auto open = text.find('{');
    part.literal = text.substr(0, open);
    const auto rare = part.literal.find_first_of("=>[]():");
    part.rare = rare == std::string_view::npos ? 0 : rare;
    text.remove_prefix(std::min(open, text.size()));
    if (!text.empty()) {
      const auto close = text.find('}');
      const std::string_view name = text.substr(1, close - 1);
      const auto equal = name.find('=');
      part.kernel_field = name.substr(0, equal);
      if (!name.empty()) part.field = field_named(equal == std::string_view::npos ? name : name.substr(equal + 1));
      text.remove_prefix(close + 1);
    }
    pattern.parts.push_back(part);
  }
  return pattern;
}

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using PatternIndex = std::unordered_map<std::string, std::vector<EventPattern>, Hash, std::equal_to<>>;

PatternIndex make_index() {
  PatternIndex index;
  for (const TraceEventInfo& row : trace_event_table) index[std::string(row.id)].push_back(compile(row));
  return index;
}

// As string_view::starts_with(), which calls a library for the few bytes of a literal.
bool begins(std::string_view text, std::string_view literal) {
  if (text.size() < literal.size()) return false;
  for (std::size_t at = 0; at < literal.size(); ++at)
    if (text[at] != literal[at]) return false;
  return true;
}

// Up to where its digits end; nothing without any, and where it is too large.
std::optional<std::uint64_t> leading_number(std::string_view text, bool hexadecimal, std::size_t& end) {
  constexpr std::size_t always_fit = 16;  // digits of either kind
  std::uint64_t number = 0;
  for (end = 0; end < text.size() && end < always_fit; ++end) {
    const auto digit = static_cast<unsigned>(static_cast<unsigned char>(text[end])) - '0';
    if (digit <= 9) {
      number = number * (hexadecimal ? 16 : 10) + digit;
      continue;
    }
    const unsigned letter = (static_cast<unsigned>(static_cast<unsigned char>(text[end])) | 0x20U) - 'a';
    if (!hexadecimal || letter > 5) return end == 0 ? std::nullopt : std::optional(number);
    number = number * 16 + letter + 10;
  }
  if (end < always_fit) return end == 0 ? std::nullopt : std::optional(number);
  const auto [stop, wrong] = std::from_chars(text.data(), text.data() + text.size(), number, hexadecimal ? 16 : 10);
  end = static_cast<std::size_t>(stop - text.data());
  return wrong == std::errc{} ? std::optional(number) : std::nullopt;
}

// A number and perhaps more text behind it, which no digit or letter begins.
bool take_number(TraceField field, std::string_view text, TraceRecord& record) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool marked = text.starts_with("0x");
  if (marked) text.remove_prefix(2);
  std::size_t end = 0;
  const auto number = leading_number(text, marked || info(field).hexadecimal, end);
  if (!number) return text == "(null)" || text == "NULL";  // %p of nothing
  const char next = end < text.size() ? text[end] : ' ';
  if (next != ',' && next != ' ' && next != ')' && next != ':' && next != '\t') return false;
  record.set(field, negative ? ~*number + 1 : *number);
  return true;
}

bool take(const PatternPart& part, std::string_view value, TraceRecord& record) {
  if (!part.field) return true;
  if (is_number(*part.field)) return take_number(*part.field, value, record);
  record.set(*part.field, value);
  return true;
}

// The last place of the part's literal. Looks for its rarest character, with a search that does not go byte by byte:
// where a loop ends is what a processor guesses worst.
const char* last_place(const char* begin, const char* end, const PatternPart& part) {
  const std::string_view literal = part.literal;
  if (literal.empty()) return end;
  if (static_cast<std::size_t>(end - begin) < literal.size()) return nullptr;
  const char* const first = begin + part.rare;
  for (const char* stop = end - (literal.size() - part.rare) + 1; stop > first;) {
    stop = static_cast<const char*>(memrchr(first, literal[part.rare], static_cast<std::size_t>(stop - first)));
    if (stop == nullptr) return nullptr;
    const char* const place = stop - part.rare;
    if (literal.size() == 1 || begins({place, literal.size()}, literal)) return place;
  }
  return nullptr;
}

bool match_left(const EventPattern& pattern, std::string_view text, TraceRecord& record) {
  for (std::size_t index = 0; index < pattern.parts.size(); ++index) {
    const PatternPart& part = pattern.parts[index];
    if (!begins(text, part.literal)) return false;
    text.remove_prefix(part.literal.size());
    const bool last = index + 1 == pattern.parts.size();
    const auto end = last ? text.size() : text.find(pattern.parts[index + 1].literal);
    if (end == std::string_view::npos || !take(part, text.substr(0, end), record)) return false;
    text.remove_prefix(end);
  }
  return true;
}

// Requires that the text begins with the pattern's first literal.
bool match_right(const EventPattern& pattern, std::string_view text, TraceRecord& record) {
  const char* const begin = text.data();
  const char* end = begin + text.size();
  for (std::size_t index = pattern.parts.size(); index-- > 0;) {
    const PatternPart& part = pattern.parts[index];
    const char* const place = index == 0 ? begin : last_place(begin, end, part);
    if (place == nullptr || part.literal.size() > static_cast<std::size_t>(end - place)) return false;
    const char* const value = place + part.literal.size();
    if (part.field && !take(part, {value, static_cast<std::size_t>(end - value)}, record)) return false;
    end = place;
  }
  return true;
}

}  // namespace

std::string told(const TraceRecord& record) {
  std::string text = record.file.empty() ? "" : fmt::format("{}:{}: ", record.file, record.file_line);
  if (!record.text.empty()) return text.append(record.text);
  text += fmt::format("{}-{} {}.{:06}: {}:", record.comm, record.pid, record.time / 1'000'000'000U,
                      record.time / 1000 % 1'000'000, record.row == nullptr ? "" : record.row->id);
  for (const TraceFieldInfo& field : trace_field_table) {
    if (!record.has(field.field)) continue;
    if (!is_number(field.field)) {
      text += fmt::format(" {}={}", field.id, record.word(field.field));
    } else if (field.hexadecimal) {
      text += fmt::format(" {}={:x}", field.id, record.number(field.field));
    } else {
      text += fmt::format(" {}={}", field.id, record.number(field.field));
    }
  }
  return text;
}

const std::vector<EventPattern>& patterns_of(std::string_view event) {
  static const PatternIndex index = make_index();
  static const std::vector<EventPattern> none;
  const auto known = index.find(event);
  return known == index.end() ? none : known->second;
}

bool match(const std::vector<EventPattern>& patterns, std::string_view arguments, TraceRecord& record) {
  for (const EventPattern& pattern : patterns) {
    // Cheaper than to find out at the end that another of the event's patterns is meant.
    if (!pattern.parts.empty() && !begins(arguments, pattern.parts.front().literal)) continue;
    record.clear_fields();
    record.row = pattern.row;
    record.kind = pattern.row->kind;
    if (pattern.from_left ? match_left(pattern, arguments, record) : match_right(pattern, arguments, record))
      return true;
  }
  record.row = nullptr;
  return false;
}

}  // namespace fencecheck
