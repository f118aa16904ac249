// Diagrams in Mermaid, which GitLab and GitHub draw inside descriptions and comments.
//
// Mermaid has neither our arrow heads nor one colour for each theme, so causes
// are told apart by their labels first and by colour second. The text stands
// alone; in a merge request it goes between ```mermaid and ```.
#pragma once

#include <string>

#include "encoders/drawing.hpp"
#include "encoders/sequence.hpp"

namespace fencecheck {

// A flowchart. O(V + E).
[[nodiscard]] std::string to_mermaid(const Drawing& drawing);

// A sequence diagram. O(steps).
[[nodiscard]] std::string to_mermaid(const Sequence& sequence);

}  // namespace fencecheck
