// Scalars, lists and mappings of the scenario language.
#include "graph/input/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "graph/input/quote.hpp"
#include "graph/model/instance_name.hpp"

namespace fencecheck {
namespace {

std::string found(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::mapping:
      return "a mapping";
    case YamlNode::Kind::scalar:
      break;
  }
  return quote(node.text);
}

void report(const YamlNode& node, std::string_view expected, Diagnostics& diagnostics, std::string_view hint = "") {
  diagnostics.error(node.at, fmt::format("expected {}, found {}{}", expected, found(node), hint));
}

// Whether the part is a scalar; if not it is reported.
bool is_scalar(const YamlNode& node, const KeyRow& row, Diagnostics& diagnostics) {
  if (node.kind == YamlNode::Kind::scalar) return true;
  report(node, part_of_value(row), diagnostics);
  return false;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(std::string_view text) {
  return !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '+' || c == '-';
  });
}
bool is_point(std::string_view text) {
  return !text.empty() && text.front() != '0' && std::ranges::all_of(text, is_digit);
}

// What the expansion of templates has named: "client[2].done".
bool is_instance(std::string_view text) {
  const InstanceName name = instance_name(text);
  return name.index != 0 && is_name(name.class_name);
}

void report_name(std::string_view text, Place at, Diagnostics& diagnostics) {
  diagnostics.error(at, fmt::format("{} is not a name: a name has letters, digits and '_.+-', "
                                    "and begins with a letter or '_'",
                                    quote(text)));
}

// An integer as people write it: no sign but '-', no leading zeros.
bool is_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text == "0" || is_point(text);
}

// "" or "; did you mean 'true'?".
std::string_view truth_hint(std::string_view text) {
  struct Spelling {
    std::string_view written;
    std::string_view hint;
  };
  static constexpr std::string_view yes = "; did you mean 'true'?";
  static constexpr std::string_view no = "; did you mean 'false'?";
  static constexpr auto spellings =
      std::to_array<Spelling>({{"yes", yes},  {"Yes", yes},  {"YES", yes},  {"on", yes},  {"On", yes},   {"ON", yes},
                               {"True", yes}, {"TRUE", yes}, {"y", yes},    {"1", yes},   {"no", no},    {"No", no},
                               {"NO", no},    {"off", no},   {"Off", no},   {"OFF", no},  {"False", no}, {"FALSE", no},
                               {"n", no},     {"0", no},     {"true", yes}, {"false", no}});
  const auto row = std::ranges::find(spellings, text, &Spelling::written);
  return row == spellings.end() ? std::string_view() : row->hint;
}

struct Unit {
  std::string_view id;
  std::int64_t milliseconds;
};
constexpr auto units = std::to_array<Unit>({{"ms", 1}, {"s", 1'000}, {"min", 60'000}});

struct SizeUnit {
  std::string_view id;
  unsigned shift;
};
constexpr auto size_units = std::to_array<SizeUnit>({{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}});

struct SizeParts {
  std::string_view digits;
  bool padded = false;
  const SizeUnit* unit = nullptr;  // none: it is no size
};

SizeParts split_size(std::string_view text) {
  SizeParts parts;
  parts.digits = text.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
  parts.padded = parts.digits.size() > 1 && parts.digits.starts_with('0');
  const auto unit = std::ranges::find(size_units, text.substr(parts.digits.size()), &SizeUnit::id);
  if (!parts.digits.empty() && !parts.padded && unit != size_units.end()) parts.unit = &*unit;
  return parts;
}

// Nothing if it is too large.
std::optional<std::uint64_t> bytes_of(const SizeParts& parts) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(parts.digits.data(), parts.digits.data() + parts.digits.size(), number);
  if (problem != std::errc() || number > most_bytes >> parts.unit->shift) return std::nullopt;
  return number << parts.unit->shift;
}

// "; did you mean '4GiB'?" for the units of others.
std::string size_hint(std::string_view digits, std::string_view unit) {
  if (digits.empty() || unit.empty()) return "";
  for (const SizeUnit& each : size_units)
    if (!each.id.empty() && (unit.front() | 0x20) == (each.id.front() | 0x20))
      return fmt::format("; did you mean '{}{}'?", digits, each.id);
  return "";
}

}  // namespace

void read_part(const YamlNode& node, const KeyRow& row, std::string& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  std::string_view text = node.text;
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (row.form == Form::line && text.find('\n') != std::string_view::npos)
    return diagnostics.error(node.at, fmt::format("'{}' has one line only; there is 'description' for more", row.key));
  out = text;
}

void read_part(const YamlNode& node, const KeyRow& row, bool& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  const bool yes = node.text == "true";
  if (!node.plain || (!yes && node.text != "false"))
    return report(node, part_of_value(row), diagnostics,
                  node.plain ? truth_hint(node.text) : std::string_view(" in quotes"));
  out = yes;
}

void read_part(const YamlNode& node, const KeyRow& row, std::int64_t& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  const std::string& text = node.text;
  if (!node.plain || !is_integer(text))
    return report(node, part_of_value(row), diagnostics, node.plain ? "" : " in quotes");
  const FormInfo& form = info(row.form);
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || number < form.least || number > form.most)
    return diagnostics.error(node.at, fmt::format("{} is out of range: expected an integer from {} to {}", quote(text),
                                                  form.least, form.most));
  out = number;
}

void read_part(const YamlNode& node, const KeyRow& row, std::uint32_t& out, Diagnostics& diagnostics) {
  std::int64_t number = out;
  read_part(node, row, number, diagnostics);
  out = static_cast<std::uint32_t>(number);
}

void read_part(const YamlNode& node, const KeyRow& row, std::uint64_t& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  const std::string_view text = node.text;
  if (row.form == Form::limit && text == "max") {
    out = dmem::unlimited;
    return;
  }
  const SizeParts parts = split_size(text);
  if (!parts.unit)
    return report(node, part_of_value(row), diagnostics,
                  parts.padded ? "" : size_hint(parts.digits, text.substr(parts.digits.size())));
  if (const auto bytes = bytes_of(parts))
    out = *bytes;
  else
    diagnostics.error(node.at, fmt::format("{} is too large", quote(text)));
}

// Addresses of the GPU are sizes, or hexadecimal.
namespace {

std::optional<std::uint64_t> address(std::string_view text) {
  if (!text.starts_with("0x")) {
    const SizeParts parts = split_size(text);
    return parts.unit ? bytes_of(parts) : std::nullopt;
  }
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data() + 2, text.data() + text.size(), number, 16);
  if (problem != std::errc() || end != text.data() + text.size() || number > most_bytes) return std::nullopt;
  return number;
}

// "0x10000+64KiB"
bool read_span(std::string_view text, RangeDeclaration& out) {
  const std::size_t plus = text.find('+');
  if (plus == std::string_view::npos) return false;
  const auto begin = address(text.substr(0, plus));
  const auto size = address(text.substr(plus + 1));
  if (!begin || !size || *size == 0 || *size > most_bytes - *begin) return false;
  out.begin = *begin;
  out.size = *size;
  return true;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// "a at 0x10000+64KiB", "a from 4KiB at 0x10000+64KiB"
bool read_range(const std::vector<std::string_view>& words, Place at, RangeDeclaration& out) {
  const bool has_offset = words.size() == 5 && words[1] == "from";
  if ((words.size() != 3 && !has_offset) || words[words.size() - 2] != "at" || !is_name(words[0])) return false;
  const auto offset = has_offset ? address(words[2]) : std::uint64_t{0};
  if (!offset || !read_span(words.back(), out) || *offset > most_bytes - out.size) return false;
  out.buffer = {std::string(words[0]), at};
  out.offset = *offset;
  return true;
}

bool read_operation(std::vector<std::string_view> words, Place at, BindOperation& out) {
  if (words.empty()) return false;
  const std::string_view verb = words.front();
  words.erase(words.begin());
  if (verb == "map") return read_range(words, at, out.range);
  if (words.empty() || !read_span(words.front(), out.range)) return false;
  out.verb = verb == "move" ? BindOperation::Verb::move : BindOperation::Verb::unmap;
  if (verb == "unmap") return words.size() == 1;
  if (verb != "move" || words.size() != 3 || words[1] != "to") return false;
  const auto to = address(words[2]);
  out.to = to.value_or(0);
  return to && out.range.size <= most_bytes - out.to;
}

}  // namespace

void read_part(const YamlNode& node, const KeyRow& row, RangeDeclaration& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  RangeDeclaration range;
  range.at = node.at;
  if (!read_range(words_of(node.text), node.at, range)) return report(node, part_of_value(row), diagnostics);
  out = range;
}

void read_part(const YamlNode& node, const KeyRow& row, BindOperation& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  BindOperation operation;
  operation.range.at = node.at;
  operation.text = node.text;
  if (!read_operation(words_of(node.text), node.at, operation)) return report(node, part_of_value(row), diagnostics);
  out = operation;
}

void read_part(const YamlNode& node, const KeyRow& row, Milliseconds& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  const std::string_view text = node.text;
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const bool padded = digits > 1 && text.starts_with('0');
  if (digits == 0 || padded) return report(node, part_of_value(row), diagnostics);
  if (digits == text.size())
    return diagnostics.error(node.at, fmt::format("{} has no unit; did you mean {} or {}?", quote(text),
                                                  quote(node.text + "s"), quote(node.text + "ms")));
  const auto unit = std::ranges::find(units, text.substr(digits), &Unit::id);
  if (unit == units.end()) return report(node, part_of_value(row), diagnostics);
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + digits, number);
  if (problem != std::errc() || number > Milliseconds::max().count() / unit->milliseconds)
    return diagnostics.error(node.at, fmt::format("{} is too long", quote(text)));
  if (number == 0) return diagnostics.error(node.at, "a duration must be longer than 0");
  out = Milliseconds(number * unit->milliseconds);
}

void read_part(const YamlNode& node, const KeyRow& row, Name& out, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return;
  const std::string_view text = node.text;
  const std::size_t colon =
      row.form == Form::fence || row.form == Form::syncobj ? text.find(':') : std::string_view::npos;
  if (!is_name(text.substr(0, colon)) && !(node.made && is_instance(text.substr(0, colon))))
    return report_name(text, node.at, diagnostics);
  if (colon != std::string_view::npos && !is_point(text.substr(colon + 1)))
    return diagnostics.error(node.at, fmt::format("{} is not a point of a timeline, such as {}", quote(text),
                                                  quote(node.text.substr(0, colon) + ":1")));
  out = {node.text, node.at};
}

std::string_view read_word(const YamlNode& node, const KeyRow& row, Diagnostics& diagnostics) {
  if (!is_scalar(node, row, diagnostics)) return {};
  const std::vector<std::string_view> words = ids(info(row.form).words());
  const auto word = std::ranges::find(words, node.text);
  if (word != words.end()) return *word;
  diagnostics.error(node.at, unknown_word(noun(row.form), node.text, words));
  return {};
}

std::vector<const YamlNode*> parts_of(const YamlNode& node, const KeyRow& row, Diagnostics& diagnostics) {
  const ShapeInfo& shape = info(row.shape);
  if (row.shape == Shape::one_or_list && node.kind == YamlNode::Kind::scalar) return {&node};
  if (node.kind != YamlNode::Kind::list) {
    report(node, whole_value(row), diagnostics);
  } else if (node.items.size() < shape.least) {
    diagnostics.error(node.at, fmt::format("'{}' needs at least {} {}", row.key, shape.least,
                                           shape.least == 1 ? "element" : "elements"));
  }
  return node.items;
}

std::vector<const YamlEntry*> entries_of(const YamlNode& node, const KeyRow& row, Diagnostics& diagnostics) {
  const ShapeInfo& shape = info(row.shape);
  const bool is_table = node.kind == YamlNode::Kind::mapping || (node.kind == YamlNode::Kind::null && shape.least == 0);
  if (!is_table) report(node, whole_value(row), diagnostics);
  if (is_table && node.entries.size() < shape.least)
    diagnostics.error(node.at, fmt::format("'{}' needs at least one entry", row.key));
  if (node.entries.size() > shape.most)
    diagnostics.error(node.entries[shape.most].at, fmt::format("'{}' takes one entry only", row.key));
  std::vector<const YamlEntry*> entries;
  for (const YamlEntry& entry : node.entries) {
    if (!is_name(entry.key) && !(node.made && is_instance(entry.key))) report_name(entry.key, entry.at, diagnostics);
    entries.push_back(&entry);
  }
  return entries;
}

bool is_long(const YamlNode& node, const KeyRow& row) {
  if (row.form == Form::none || node.kind == YamlNode::Kind::mapping) return row.fields != Context::none;
  return node.kind == YamlNode::Kind::null && row.fields != Context::none && info(row.shape).is_table;
}

const YamlEntry* find_entry(const YamlNode& mapping, std::string_view key) {
  const auto entry = std::ranges::find(mapping.entries, key, &YamlEntry::key);
  return entry == mapping.entries.end() ? nullptr : &*entry;
}

namespace {

std::vector<std::string_view> keys_with(Context context, Presence presence) {
  std::vector<std::string_view> keys;
  for (const KeyRow& row : key_table) {
    if (row.context == context && row.presence == presence) keys.push_back(row.key);
  }
  return keys;
}

// Checks how many of the keys with this presence a mapping has.
void check_presence(const YamlNode& node, Context context, Presence presence, Place owner, Diagnostics& diagnostics) {
  const std::vector<std::string_view> keys = keys_with(context, presence);
  std::vector<const YamlEntry*> given;
  for (const YamlEntry& entry : node.entries) {
    if (std::ranges::find(keys, entry.key) != keys.end()) given.push_back(&entry);
  }
  const std::string_view noun = info(context).noun;
  if (!keys.empty() && given.empty() && presence != Presence::at_most_one)
    diagnostics.error(owner, fmt::format("{} needs a key '{}'", noun, fmt::join(keys, "' or '")));
  if (given.size() > 1 && presence != Presence::some_of)
    diagnostics.error(given[1]->at, fmt::format("{} takes only one of '{}'", noun, fmt::join(keys, "' and '")));
}

void check_required(const YamlNode& node, Context context, Place owner, Diagnostics& diagnostics) {
  for (const std::string_view key : keys_with(context, Presence::required)) {
    if (find_entry(node, key) == nullptr)
      diagnostics.error(owner, fmt::format("{} needs a key '{}'", info(context).noun, key));
  }
}

}  // namespace

void check_keys(const YamlNode& node, Context context, Place owner, Diagnostics& diagnostics) {
  if (node.kind == YamlNode::Kind::scalar || node.kind == YamlNode::Kind::list)
    return report(node, "a mapping", diagnostics);
  for (const YamlEntry& entry : node.entries) {
    if (find_key(context, entry.key) == nullptr)
      diagnostics.error(entry.at, unknown_word("key", entry.key, keys_of(context)));
  }
  check_required(node, context, owner, diagnostics);
  for (const Presence presence : {Presence::one_of, Presence::at_most_one, Presence::some_of})
    check_presence(node, context, presence, owner, diagnostics);
}

}  // namespace fencecheck
