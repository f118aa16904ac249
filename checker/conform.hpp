// `fencecheck conform DESIGN RECORDING`: from two files to a report.
#pragma once

#include <string>

#include "checker/check.hpp"

namespace fencecheck {

struct ConformChecked {
  Checked design;     // `report` stays empty; diagnostics say what is wrong with it
  Checked recording;  // its report is about conformance only
};

// Never throws for what the files say.
[[nodiscard]] ConformChecked conform_files(const std::string& design, const std::string& recording,
                                           const Budget& budget);

}  // namespace fencecheck
