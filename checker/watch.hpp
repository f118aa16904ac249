// check --watch: what changed is checked again, and what that did is said.
#pragma once

#include <string>

#include "checker/options.hpp"
#include "graph/model/run.hpp"

namespace fencecheck {

// What a change of one input did: for each new finding the edges of its cycle
// that are new, each with its line; findings that are gone. Lines of text; empty
// if nothing changed.
[[nodiscard]] std::string difference(const Checked& before, const Checked& after);

// Checks, prints, and looks for changed, new and vanished files twice a second,
// until an interrupt. The exit status is that of the last state.
[[nodiscard]] ExitStatus watch(const Options& options, const Style& style);

}  // namespace fencecheck
