// Words with commas between them, each with its column.
#include "graph/input/expect_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace fencecheck {
namespace {

constexpr std::string_view marker = "fencecheck expect:";
constexpr std::string_view blanks = " \t\r";

struct VerdictWord {
  std::string_view word;
  Verdict verdict;
};
// The verdicts that stand for themselves; `violated` is said by naming what is found.
constexpr auto verdict_words = std::to_array<VerdictWord>({
    {"holds", Verdict::holds},
    {"unknown", Verdict::unknown},
});

struct Word {
  std::string_view text;
  Place at;
};

std::vector<Word> split(std::string_view line, std::uint32_t number) {
  std::vector<Word> words;
  std::size_t begin = line.find(marker) + marker.size();
  while (begin <= line.size()) {
    const std::size_t end = std::min(line.find(',', begin), line.size());
    const std::string_view part = line.substr(begin, end - begin);
    const std::size_t skip = std::min(part.find_first_not_of(blanks), part.size());
    const std::string_view word = part.substr(skip, part.find_last_not_of(blanks) + 1 - skip);
    const auto column = static_cast<std::uint32_t>(begin + skip + 1);
    words.push_back({word, {number, column, std::max(1U, static_cast<std::uint32_t>(word.size()))}});
    begin = end + 1;
  }
  return words;
}

std::string wrong_word(std::string_view word) {
  if (word.empty()) return "a verdict or a kind of finding is missing here";
  std::vector<std::string_view> candidates;
  for (const VerdictWord& row : verdict_words) candidates.push_back(row.word);
  for (const FindingInfo& row : finding_table) candidates.push_back(row.id);
  const std::string_view suggestion = nearest(word, candidates);
  const std::string message = fmt::format("no verdict and no finding is called '{}'", word);
  if (!suggestion.empty()) return fmt::format("{}; did you mean '{}'?", message, suggestion);
  return fmt::format("{}; there are: {}", message, fmt::join(candidates, ", "));
}

}  // namespace

bool is_expect_line(std::string_view line) {
  const auto at = line.find(marker);
  return line.starts_with('#') && at != std::string_view::npos && line.find_first_not_of("# \t") == at;
}

std::optional<Expectation> parse_expect_line(std::string_view line, std::uint32_t number, Diagnostics& diagnostics) {
  Expectation expect;
  const std::vector<Word> words = split(line, number);
  expect.at = words.front().at;
  bool right = true;
  for (const Word& word : words) {
    const auto* verdict = std::ranges::find(verdict_words, word.text, &VerdictWord::word);
    const FindingInfo* finding = find_row(finding_table, word.text);
    if (verdict != verdict_words.end() && words.size() == 1) {
      expect.verdict = verdict->verdict;
    } else if (finding != nullptr) {
      expect.verdict = Verdict::violated;
      expect.findings.push_back(finding->kind);
    } else {
      right = false;
      diagnostics.error(word.at, verdict == verdict_words.end() ? wrong_word(word.text)
                                                                : fmt::format("'{}' must stand alone", word.text));
    }
  }
  std::ranges::sort(expect.findings);
  expect.findings.erase(std::unique(expect.findings.begin(), expect.findings.end()), expect.findings.end());
  return right ? std::optional(std::move(expect)) : std::nullopt;
}

}  // namespace fencecheck
