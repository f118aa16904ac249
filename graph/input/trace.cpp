// Losses, and who signals the fences of which driver.
#include "graph/input/trace.hpp"

#include <algorithm>

#include "graph/input/loss_counter.hpp"

namespace fencecheck {

const UserSignalledInfo* user_signalled(std::string_view driver) {
  const auto row = std::ranges::find(user_signalled_table, driver, &UserSignalledInfo::driver);
  return row == user_signalled_table.end() ? nullptr : &*row;
}

void LossCounter::add(LossKind kind, std::uint64_t count, Place at, TraceGap gap, TraceFacts& facts) {
  constexpr std::size_t gaps_limit = 100'000;  // beyond it the last gap grows
  Counter& counter = counters_.at(static_cast<std::size_t>(kind));
  if (counter.count == 0) counter.first = at;
  counter.count += count;
  if (!info(kind).gap) return;
  if (facts.gaps.empty() || (facts.gaps.back().to < gap.from && facts.gaps.size() < gaps_limit)) {
    facts.gaps.push_back(gap);
  } else {  // overlaps the last one
    facts.gaps.back().from = std::min(facts.gaps.back().from, gap.from);
    facts.gaps.back().to = std::max(facts.gaps.back().to, gap.to);
  }
}

std::vector<Loss> LossCounter::all() const {
  std::vector<Loss> losses;
  for (const LossInfo& row : loss_table) {
    const Counter& counter = of(row.kind);
    if (counter.count != 0) losses.push_back({std::string(row.id), counter.count, row.gap, counter.first});
  }
  return losses;
}

}  // namespace fencecheck
