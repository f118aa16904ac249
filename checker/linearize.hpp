// An order for what each thread is meant to do.
//
// A cut says how far each thread comes and by which branches, not in which
// order. Here an order is looked for that the operational semantics allow.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Linearized {
  std::vector<Move> schedule;
  State last;
};

// Tries a few ways of choosing who goes first, always the same ones. Nothing: none of them came to the end of the
// plan, which proves nothing, or it was asked to stop. O(moves * threads).
[[nodiscard]] std::optional<Linearized> linearize(const System& system, const std::vector<std::vector<Move>>& plan,
                                                  Causes causes, const std::function<bool()>& stop);

}  // namespace fencecheck
