// From a file to its report: read, lower, decide.
#pragma once

#include <optional>
#include <string>

#include "checker/budget.hpp"
#include "graph/input/observe.hpp"
#include "graph/model/report.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

struct Checked {
  Source source;
  Diagnostics diagnostics;
  std::optional<Report> report;  // nothing if the input is not usable; diagnostics say why
};

// Never throws for what the file says; std::logic_error for a defect of this
// program, std::bad_alloc where memory runs out.
[[nodiscard]] Checked check_file(const std::string& path, const Budget& budget, const ObserveOptions& options = {});

// Does the report have what its input expects (or, without an expectation, nothing to say)?
struct Outcome {
  Verdict verdict = Verdict::holds;  // of all answers together: violated before unknown before holds
  bool expected = false;             // there is an expectation and it is met
  std::string complaint;             // what differs from the expectation; empty if nothing
};
[[nodiscard]] Outcome outcome(const Report& report);

}  // namespace fencecheck
