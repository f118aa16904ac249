// Names and fingerprints of findings.
#include "graph/model/finding.hpp"

#include <array>
#include <cassert>

namespace fencecheck {
namespace {

constexpr auto strength_names = std::to_array<std::string_view>({"observed", "confirmed", "potential"});
constexpr auto verdict_names = std::to_array<std::string_view>({"holds", "violated", "unknown"});

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). Each field ends
// with a zero byte, so that ("ab", "c") and ("a", "bc") differ.
class Hash {
 public:
  void add(std::string_view field) {
    for (const char byte : field) mix(static_cast<unsigned char>(byte));
    mix(0);
  }
  [[nodiscard]] std::string hexadecimal() const {
    std::string digits(16, '0');
    for (std::size_t i = 0; i < digits.size(); ++i) digits[i] = "0123456789abcdef"[state_ >> (60 - 4 * i) & 15U];
    return digits;
  }

 private:
  void mix(unsigned char byte) { state_ = (state_ ^ byte) * 0x100000001b3U; }
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

// In a trace the numbers in names are those of one recording: process ids,
// contexts, sequence numbers. Each becomes one '0'.
std::string without_numbers(std::string_view name) {
  std::string result;
  for (const char byte : name) {
    const bool digit = byte >= '0' && byte <= '9';
    if (!digit || result.empty() || result.back() != '0') result += digit ? '0' : byte;
  }
  return result;
}

int compare(const Party& a, const Party& b) {
  const int names = a.name.compare(b.name);
  return names != 0 ? names : a.waits_for.compare(b.waits_for);
}

// Where the lexicographically smallest rotation begins. Two candidates advance
// against each other; the loser skips past the part that it lost on: O(n).
std::size_t smallest_rotation(const std::vector<Party>& parties) {
  const std::size_t size = parties.size();
  std::size_t first = 0;
  std::size_t second = 1;
  std::size_t equal = 0;
  while (first < size && second < size && equal < size) {
    const int order = compare(parties[(first + equal) % size], parties[(second + equal) % size]);
    if (order == 0) {
      ++equal;
      continue;
    }
    (order > 0 ? first : second) += equal + 1;
    if (first == second) ++second;
    equal = 0;
  }
  return std::min(first, second);
}

}  // namespace

std::string_view name(Strength strength) { return strength_names.at(static_cast<std::size_t>(strength)); }

std::string_view name(Verdict verdict) { return verdict_names.at(static_cast<std::size_t>(verdict)); }

std::string_view how_long(const Finding& finding, const ScheduleStep& step) {
  if (!step.blocks) return {};
  return finding.lasts ? "until a timeout" : "for ever";
}

std::string fingerprint(const Finding& finding) {
  Hash hash;
  hash.add(info(finding.kind).id);
  hash.add(finding.rule ? info(*finding.rule).id : std::string_view());
  std::vector<Party> parties = finding.parties;
  if (finding.strength == Strength::observed) {
    for (Party& party : parties) {
      party.name = without_numbers(party.name);
      party.waits_for = without_numbers(party.waits_for);
    }
  }
  if (parties.empty()) hash.add(finding.message);  // nothing else tells two such findings apart
  const std::size_t start = finding.closed ? smallest_rotation(parties) : 0;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    const Party& party = parties[(start + i) % parties.size()];
    hash.add(party.name);
    hash.add(party.waits_for);
  }
  return hash.hexadecimal();
}

std::string fingerprint(std::initializer_list<std::string_view> words) {
  Hash hash;
  for (const std::string_view word : words) hash.add(word);
  return hash.hexadecimal();
}

}  // namespace fencecheck
