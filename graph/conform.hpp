// Dependencies that were observed against those that a design permits.
//
// The design says with `seen-as` how its objects are called in recordings;
// objects with the same patterns are one class. A dependency between two classes
// is permitted if the design's dependency graph has a path from one to the other
// (graph/dependencies.hpp); that a task waits is permitted if one of its threads
// has a step that may. Observed are the edges of the graph of a trace or a
// snapshot, and what they make together: a fence that a task owes depends on
// what that task waits for before it signals. docs/semantics.md, "Conformance".
//
// Grain: classes, so a dependency between two fences of one class is permitted
// as soon as the design has one between any two of them.
#pragma once

#include <string>
#include <vector>

#include "graph/dependencies.hpp"
#include "graph/input/scenario.hpp"
#include "graph/model/finding.hpp"

namespace fencecheck {

struct Conformance {
  std::vector<Finding> findings;         // one for each pair of classes, at its first place in the recording
  std::vector<Answer> answers;           // of the property "conformance"
  std::vector<std::string> assumptions;  // what was left out, and what of the design was not seen
  std::string size;                      // "3 classes, 12 dependencies"
};

// `complete`: nothing was lost from the recording that could hide a dependency.
// O(classes * design + observed * patterns).
[[nodiscard]] Conformance conform(const Scenario& scenario, const System& system, const SystemGraph& permitted,
                                  const DependencyGraph& observed, bool complete);

// `*` stands for any text, `?` for one character. O(pattern * text).
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

}  // namespace fencecheck
