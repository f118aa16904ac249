// Diagrams in DOT, for people and for `dot`, 2.42 and older.
//
// Causes are told apart by colour, arrow head and label, so that a print in
// grey loses nothing; waits for all are solid, for one of several dashed; given
// cycles are bold and red. Names are numbers in the order of the graph, labels
// are plain (no HTML), and the same diagram gives the same bytes. read_dot reads
// graphs that are written here, without their legend.
//
// Both throw std::runtime_error only if memory or libcgraph fails. Not for several
// threads at once: libcgraph has global state.
#pragma once

#include <string>

#include "encoders/drawing.hpp"
#include "encoders/sequence.hpp"

namespace fencecheck {

// O(V + E) beside libcgraph.
[[nodiscard]] std::string to_dot(const Drawing& drawing);

// O(rows * lanes) beside libcgraph.
[[nodiscard]] std::string to_dot(const Sequence& sequence);

}  // namespace fencecheck
