// `fencecheck conform DESIGN RECORDING`: from two files to a report.
#pragma once

#include <string>
#include <vector>

#include "checker/check.hpp"

namespace fencecheck {

// The recording, with a report that is about conformance only; in front of it,
// or instead of it, what is not usable. Never throws for what the files say.
[[nodiscard]] std::vector<Checked> conform_files(const std::string& design, const std::string& recording,
                                                 const Budget& budget, const ObserveOptions& options);

}  // namespace fencecheck
