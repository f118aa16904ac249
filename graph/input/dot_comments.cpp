// Expectations and conventions written above a DOT graph.
#include "graph/input/dot_comments.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "graph/input/expect_line.hpp"

namespace fencecheck {
namespace {

constexpr std::string_view marker = "fencecheck";
constexpr std::string_view separators = " \t,";

struct Word {
  std::string_view text;
  Place at;
};

std::vector<Word> words(std::string_view text, Place at) {
  std::vector<Word> result;
  for (std::size_t begin = text.find_first_not_of(separators); begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    const auto column = static_cast<std::uint32_t>(at.column + begin);
    result.push_back({text.substr(begin, end - begin), {at.line, column, static_cast<std::uint32_t>(end - begin)}});
    begin = text.find_first_not_of(separators, end);
  }
  return result;
}

void unknown_word(const Word& word, std::string_view what, const std::vector<std::string_view>& known,
                  Diagnostics& diagnostics) {
  const std::string_view meant = nearest(word.text, known);
  std::string message = "no " + std::string(what) + " is called '" + printable(word.text) + "'";
  if (!meant.empty()) {
    message += "; did you mean '" + std::string(meant) + "'?";
  } else {
    message += "; there are";
    for (std::size_t i = 0; i < known.size(); ++i) message += (i == 0 ? " " : ", ") + std::string(known[i]);
  }
  diagnostics.error(word.at, std::move(message));
}

template <class Table>
std::vector<std::string_view> ids(const Table& table) {
  std::vector<std::string_view> result;
  for (const auto& row : table) result.push_back(row.id);
  return result;
}

void read_expect(const Source& source, const std::vector<Word>& values, DotSettings& settings,
                 Diagnostics& diagnostics) {
  const std::uint32_t number = values.front().at.line;
  std::optional<Expectation> expect = parse_expect_line(line_of(source, number), number, diagnostics);
  if (!expect) return;
  if (settings.expect) expect->needs = settings.expect->needs;
  settings.expect = std::move(expect);
}

void read_needs(const Source&, const std::vector<Word>& values, DotSettings& settings, Diagnostics& diagnostics) {
  Causes needs;
  for (const Word& word : values) {
    if (const CauseInfo* row = find_row(cause_table, word.text)) {
      needs = needs.with(row->cause);
    } else {
      unknown_word(word, "cause", ids(cause_table), diagnostics);
    }
  }
  Expectation& expect = settings.expect ? *settings.expect : settings.expect.emplace();
  expect.needs = needs;
}

void read_arrows(const Source&, const std::vector<Word>& values, DotSettings& settings, Diagnostics& diagnostics) {
  settings.arrows_hold_up = arrows_hold_up(values.front().text);
  if (!settings.arrows_hold_up) {
    unknown_word(values.front(), "meaning of arrows", {"waits-for", "holds-up"}, diagnostics);
  }
}

struct Key {
  std::string_view id;
  void (*read)(const Source&, const std::vector<Word>&, DotSettings&, Diagnostics&);
};

constexpr auto key_table = std::to_array<Key>({
    {"expect", read_expect},
    {"needs", read_needs},
    {"arrows", read_arrows},
});

void read_setting(const Source& source, const DotComment& comment, DotSettings& settings, Diagnostics& diagnostics) {
  const std::string_view text = comment.text;
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::vector<Word> before = words(text.substr(0, colon), comment.at);
  if (before.size() < 2 || colon == text.size()) {
    return diagnostics.error(comment.at, "expected 'fencecheck KEY: VALUE'");
  }
  const Word key = before[1];
  const Key* row = find_row(key_table, key.text);
  if (row == nullptr) return unknown_word(key, "setting", ids(key_table), diagnostics);
  Place at = comment.at;
  at.column += static_cast<std::uint32_t>(colon + 1);
  const std::vector<Word> values = words(text.substr(colon + 1), at);
  if (values.empty()) return diagnostics.error(key.at, "'" + std::string(key.text) + "' has no value");
  row->read(source, values, settings, diagnostics);
}

}  // namespace

DotSettings read_dot_comments(const Source& source, const std::vector<DotComment>& comments, Diagnostics& diagnostics) {
  DotSettings settings;
  for (const DotComment& comment : comments) {
    const std::string_view text = comment.text;
    const std::string_view behind = text.substr(std::min(marker.size(), text.size()));
    const bool ours = text.starts_with(marker) && (behind.starts_with(' ') || behind.starts_with('\t'));
    if (ours) read_setting(source, comment, settings, diagnostics);
  }
  return settings;
}

std::optional<bool> arrows_hold_up(std::string_view word) {
  if (word == "holds-up") return true;
  if (word == "waits-for") return false;
  return std::nullopt;
}

}  // namespace fencecheck
