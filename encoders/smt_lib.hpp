// The formula of a system as SMT-LIB 2: what Z3 is asked, for other solvers.
#pragma once

#include <string>

#include "encoders/precision.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// "Is there a hang?": sat if there is one, timeouts left out; with cuts, unsat only says that there is none.
// Requires: not_encodable(system) is empty. As large as the formula.
[[nodiscard]] std::string to_smt_lib(const System& system, Precision precision);

}  // namespace fencecheck
