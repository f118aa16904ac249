// Deciding a design: a scenario with templates of which there may be any number
// of instances. First a certificate; without one, few instances by the engines.
#pragma once

#include <functional>
#include <string>

#include "checker/budget.hpp"
#include "checker/hang_findings.hpp"
#include "graph/dependencies.hpp"
#include "graph/model/source.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// So many instances of each template are looked at one after the other, from 1 on.
inline constexpr std::uint32_t most_instances = 3;

struct DesignDecision {
  Decision decision;
  System system;                // with as many instances as the findings need, or as were looked at
  SystemGraph graph;            // of it
  std::uint32_t instances = 0;  // of each template
  bool proved = false;          // by a certificate that the verifier has accepted
};

// `source` has been read as a design without errors. Answers for any number of instances.
[[nodiscard]] DesignDecision decide_design(const Source& source, const Budget& budget);

}  // namespace fencecheck
