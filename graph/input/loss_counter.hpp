// Counts what a reader skips, and where events are missing.
#pragma once

#include <array>

#include "graph/input/trace.hpp"

namespace fencecheck {

class LossCounter {
 public:
  // `count` of a kind, first seen `at`; where events are missing, `gap` says between which lines.
  void add(LossKind kind, std::uint64_t count, Place at, TraceGap gap, TraceFacts& facts);
  [[nodiscard]] std::uint64_t count(LossKind kind) const { return of(kind).count; }
  [[nodiscard]] Place first(LossKind kind) const { return of(kind).first; }
  // In the order of loss_table; only those that occurred.
  [[nodiscard]] std::vector<Loss> all() const;

 private:
  struct Counter {
    std::uint64_t count = 0;
    Place first;
  };
  [[nodiscard]] const Counter& of(LossKind kind) const { return counters_.at(static_cast<std::size_t>(kind)); }
  std::array<Counter, loss_table.size()> counters_{};
};

}  // namespace fencecheck
