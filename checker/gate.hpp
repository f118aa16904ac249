// What a run means for a script: from outcomes to the exit status.
#pragma once

#include "checker/options.hpp"
#include "graph/model/run.hpp"

namespace fencecheck {

// Findings that are expected or known do not count; nor does `unknown` unless
// `unknown_fails` or the input was interrupted.
[[nodiscard]] Result result_of(const Checked& input, bool unknown_fails);

// Of several inputs the worst result counts: unusable, then failed, then
// unknown; a stale baseline that must not be counts as failed.
[[nodiscard]] ExitStatus exit_status(const Run& run);

}  // namespace fencecheck
