// `// fencecheck KEY: VALUE` comments before a DOT graph.
#pragma once

#include <optional>
#include <vector>

#include "graph/input/dot_outline.hpp"
#include "graph/model/report.hpp"

namespace fencecheck {

struct DotSettings {
  std::optional<Expectation> expect;
  std::optional<bool> arrows_hold_up;
};

// Comments that do not begin with "fencecheck" and a blank are passed over; an
// unknown key or word is an error with a suggestion.
[[nodiscard]] DotSettings read_dot_comments(const Source& source, const std::vector<DotComment>& comments,
                                            Diagnostics& diagnostics);

// "waits-for" or "holds-up": whether arrows hold up; nothing for another word.
[[nodiscard]] std::optional<bool> arrows_hold_up(std::string_view word);

}  // namespace fencecheck
