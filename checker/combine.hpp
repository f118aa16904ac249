// Several recordings of one machine, taken together.
//
// Their graphs are joined where both know a thing by the same name: a task by
// its pid, a fence by context:seqno, a lock by its address (Vertex::identity).
// What each says alone is reported alone; here is only what no single one says:
// what a task that the log shows blocked waits for, by the trace, and cycles
// whose edges come from more than one recording. Of a trace only what was not
// over at its end takes part in a cycle.
#pragma once

#include <vector>

#include "checker/check.hpp"

namespace fencecheck {

[[nodiscard]] bool is_recording(const Checked& input);

// Of the inputs those that are recordings; with less than two the result is not
// usable, and says so. The report's places are words, as it has no one source.
// O(V + E) beside the search for cycles.
[[nodiscard]] Checked combine(const std::vector<Checked>& inputs);

}  // namespace fencecheck
