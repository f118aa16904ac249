#include "checker/baseline.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fencecheck {
namespace {

constexpr std::size_t fingerprint_digits = 16;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(" \t\r") + 1);
}

bool is_fingerprint(std::string_view word) {
  return word.size() == fingerprint_digits && word.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_rule(std::string_view word) {
  return find_row(finding_table, word) != nullptr || find_row(rule_table, word) != nullptr;
}

Place place_of(std::uint32_t number, std::string_view line, std::string_view part) {
  if (part.empty()) return {number, 0, 1};
  return {number, static_cast<std::uint32_t>(part.data() - line.data()) + 1, static_cast<std::uint32_t>(part.size())};
}

}  // namespace

Baseline Baseline::read(const Source& source, Diagnostics& diagnostics) {
  Baseline result;
  result.source_ = source;
  std::string_view rest = source.text;
  for (std::uint32_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t hash = line.find('#');
    const std::string_view entry = trimmed(line.substr(0, hash));
    if (entry.empty()) continue;
    result.lines_.insert(number);
    const std::string_view fingerprint = entry.substr(0, entry.find_first_of(" \t"));
    const std::string_view rule = trimmed(entry.substr(fingerprint.size()));
    const std::string_view comment = hash == std::string_view::npos ? "" : trimmed(line.substr(hash + 1));
    if (!is_fingerprint(fingerprint)) {
      diagnostics.error(place_of(number, line, fingerprint), "expected a fingerprint: 16 digits, a to f in lower case");
    } else if (!is_rule(rule)) {
      diagnostics.error(place_of(number, line, rule), "expected the id of a finding or a rule behind the fingerprint");
    } else if (!result.entries_
                    .try_emplace(std::string(fingerprint),
                                 Entry{std::string(rule), printable(comment), place_of(number, line, fingerprint)})
                    .second) {
      diagnostics.error(place_of(number, line, fingerprint), "this fingerprint has an entry already");
    }
  }
  return result;
}

void Baseline::apply(Checked& input, bool learn) {
  if (!input.report) return;
  for (Finding& finding : input.report->findings) {
    auto entry = entries_.find(finding.fingerprint);
    if (entry != entries_.end() && entry->second.rule != id_of(finding)) entry = entries_.end();
    if (entry == entries_.end() && learn && excuse(input, finding) == Excuse::none)
      entry = entries_
                  .insert_or_assign(finding.fingerprint,
                                    Entry{std::string(id_of(finding)),
                                          fmt::format("{}: {}", printable(input.source.name), finding.message)})
                  .first;
    if (entry == entries_.end()) continue;
    entry->second.seen = true;
    finding.known = entry->second.comment;
  }
}

std::vector<StaleEntry> Baseline::stale() const {
  std::vector<StaleEntry> result;
  for (const auto& [fingerprint, entry] : entries_)
    if (!entry.seen) result.push_back({fingerprint, entry.rule, entry.comment, entry.at});
  std::ranges::sort(result, {}, [](const StaleEntry& each) { return each.at.line; });
  return result;
}

std::string Baseline::text() const {
  std::set<std::uint32_t> gone = lines_;
  for (const auto& [fingerprint, entry] : entries_)
    if (entry.seen) gone.erase(entry.at.line);
  std::string text;
  std::string_view rest = source_.text;
  for (std::uint32_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (!gone.contains(number)) text += std::string(rest.substr(0, end)) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (text.empty()) text = "# Known findings: FINGERPRINT RULE  # comment\n";
  for (const auto& [fingerprint, entry] : entries_)
    if (entry.at.line == 0)
      text += fmt::format("{} {}{}{}\n", fingerprint, entry.rule, entry.comment.empty() ? "" : "  # ", entry.comment);
  return text;
}

}  // namespace fencecheck
