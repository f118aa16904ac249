// From a file to its report: read, lower, decide.
#pragma once

#include <string>
#include <vector>

#include "checker/budget.hpp"
#include "graph/input/observe.hpp"
#include "graph/model/run.hpp"

namespace fencecheck {

// Reads, lowers and decides one file, up to the outcome; what it means for the
// gate is left to checker/gate. For several threads at once.
// Never throws for what the file says; std::logic_error for a defect of this
// program, std::bad_alloc where memory runs out.
[[nodiscard]] Checked check_file(const std::string& path, const Budget& budget, const ObserveOptions& options = {});

// The same for several traces of one machine, which are read as one, in the
// order of their clock.
[[nodiscard]] Checked check_merged(const std::vector<std::string>& paths, const Budget& budget,
                                   const ObserveOptions& options = {});

// What the answers come to, held against what the input expects.
[[nodiscard]] Outcome outcome(const Report& report);

}  // namespace fencecheck
