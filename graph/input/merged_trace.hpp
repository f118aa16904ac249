// Several traces of one machine, read as one, in the order of their clock.
//
// For buffers that were saved file by file: one for each CPU, one for each
// instance, one after the other. Events of one file stay in its order; of
// events at the same time those go first whose file had the last one. An event
// that stands in two files counts once. `line` of a record is its number;
// `file` and `file_line` say where it comes from.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/input/loss_counter.hpp"
#include "graph/input/trace.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Files whose times are further apart have different clocks, or are of different boots.
inline constexpr std::uint64_t longest_pause = 86'400'000'000'000;  // ns

class MergedTrace {
 public:
  struct Part {
    std::string name;
    TraceStream stream;
    std::function<std::string()> problem{};  // the first error in it; empty: none
  };
  // Different clocks are an error in `diagnostics`, and so is what is wrong with a part.
  MergedTrace(std::vector<Part> parts, Diagnostics& diagnostics);

  // As FtraceReader::next(). O(parts).
  bool next(TraceRecord& record);
  [[nodiscard]] const TraceFacts& facts() const { return facts_; }

 private:
  struct State {
    Part part;
    TraceRecord head;
    bool begun = false;  // an event of it was handed on
    bool ended = false;
    std::uint32_t last = 0;       // our line of the last event that was handed on
    std::uint32_t gap_end = 0;    // in the part's lines
    std::uint32_t gap_begin = 0;  // in ours; 0: may be anywhere before
    bool gap = false;             // events are missing before the head
  };
  // What tells an event from others of the same moment.
  struct Seen {
    std::size_t part = 0;
    const TraceEventInfo* row = nullptr;
    std::uint32_t pid = 0;
    std::array<std::uint64_t, trace_numbers> numbers{};
  };

  void advance(State& state);
  void add_gap(State& state, std::uint32_t until);
  [[nodiscard]] State* earliest();
  [[nodiscard]] bool comparable(const State& state);
  [[nodiscard]] bool is_repeated(const State& state);
  void hand_on(State& state, TraceRecord& record);
  void finish();

  Diagnostics& diagnostics_;
  TraceFacts facts_;
  LossCounter losses_;
  std::vector<State> parts_;
  State* last_ = nullptr;   // whose event was handed on last
  std::vector<Seen> seen_;  // at the time of that event
  bool started_ = false;
  bool done_ = false;
};

}  // namespace fencecheck
