// The rules of the contract that are properties of the text: they are broken
// whether or not a cycle closes (docs/semantics.md, Contract).
#pragma once

#include <string_view>
#include <vector>

#include "graph/dependencies.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// What is looked at, as answers say it.
inline constexpr std::string_view static_rules =
    "rules FDG020 and FDG041 over the text and its dependency graph, and those of binds, syncobjs and user memory";

// Findings of strength `potential`, each fingerprint once. O(fences * edges).
[[nodiscard]] std::vector<Finding> broken_contracts(const System& system, const SystemGraph& graph);

}  // namespace fencecheck
