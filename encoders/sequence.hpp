// The counterexample of a finding as a sequence diagram, before any language for
// pictures: a lane for each thread, a row for each step, time runs downwards.
//
// An arrow leads from the step that let a waiting thread go on to the step that
// it went on with. The last row holds the steps that never complete, and there
// an arrow leads from what waits to what it waits for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/model/finding.hpp"

namespace fencecheck {

struct SequenceStep {
  std::string id;  // "s3": the step's number in the schedule
  std::size_t lane = 0;
  std::string number;  // "3"; "*" for steps that never complete
  std::string action;
  std::string context;  // may be empty
  Cause cause = Cause::explicit_sync;
  bool blocks = false;
  std::string_view how_long{};  // it blocks: "for ever"
  bool timeout = false;
};

struct SequenceArrow {
  std::string id;
  std::size_t from = 0;  // index into the steps, row by row
  std::size_t to = 0;
  Cause cause = Cause::explicit_sync;
  bool waits = false;  // from what waits to what it waits for; else from what releases to what goes on
  std::string label;
};

struct Sequence {
  std::string title;
  std::string end;  // what the last row means: "waits for ever"
  std::vector<std::string> lanes;
  std::vector<SequenceStep> steps;             // in order
  std::vector<std::vector<std::size_t>> rows;  // indices into the steps
  std::vector<SequenceArrow> arrows;
  std::string left_out;  // "the first 12 steps are not drawn"; empty if nothing
};

// The steps of a long schedule from its end: at most `most` of them, 0: all.
// O(steps).
[[nodiscard]] Sequence sequence(const Finding& finding, const std::string& title, std::size_t most = 60);

// The picture in words, for who cannot see it: the end of what is long.
[[nodiscard]] std::string in_words(const Sequence& sequence);

}  // namespace fencecheck
