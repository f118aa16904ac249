// Where things stand in a DOT text, and whether it is fit for libcgraph.
//
// cgraph keeps no places and is fragile: its parser recurses on long chains and
// deep nesting, its lexer remembers rubbish behind a graph for the next call,
// and a line like `{a b ...} -> {c d ...}` makes a graph out of all proportion
// to its text. This light scan of the text finds the places and refuses what
// would harm; the reading itself is left to cgraph. It knows tokens, braces and
// the shape of an edge statement, no more; places are therefore best effort.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/model/source.hpp"

namespace fencecheck {

struct DotComment {
  std::string text;  // behind the // or #, without blanks around it
  Place at;          // of the text
};

struct DotOutline {
  std::size_t end = 0;                                                       // bytes of the graph, its brace included
  std::unordered_map<std::string, Place> nodes;                              // where each name is mentioned first
  std::map<std::pair<std::string, std::string>, std::vector<Place>> arrows;  // "a -> b" as written, in order
  std::vector<DotComment> comments;                                          // of whole lines, before the graph
};

struct DotLimits {
  std::size_t nesting = 100;              // braces inside braces
  std::size_t chain = 1000;               // arrows of unfinished statements
  std::size_t product_edges = 1'000'000;  // edges that arrows between groups stand for
};

// Scans the text up to the end of its first graph. Errors, each with its place:
// no graph, an undirected graph, a NUL byte, a string, comment or brace that is
// never closed, text behind the graph, or a limit exceeded. Linear.
[[nodiscard]] std::optional<DotOutline> outline_dot(const Source& source, Diagnostics& diagnostics,
                                                    const DotLimits& limits = {});

}  // namespace fencecheck
