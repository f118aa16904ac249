// Reads the ftrace part of a Perfetto trace (.pftrace).
//
// Bundles of different CPUs follow each other in any order, so that the events
// that are understood are kept and sorted: memory grows with their number, not
// with live fences only as for the other formats. Names of tasks come from the
// process tree. `line` of a record is the number of the event in the order of
// time. Compressed packets are unpacked; what is neither an event that is
// understood nor needed for one is skipped and counted.
#pragma once

#include <cstdint>
#include <deque>
#include <istream>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/input/loss_counter.hpp"
#include "graph/input/stop_reading.hpp"
#include "graph/input/trace.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Does a file that begins so look like one?
[[nodiscard]] bool is_perfetto(std::string_view beginning);

class PerfettoReader {
 public:
  // Reads the whole stream.
  PerfettoReader(std::istream& in, Diagnostics& diagnostics, AskToStop ask = {});
  ~PerfettoReader();

  // As FtraceReader::next().
  bool next(TraceRecord& record);
  [[nodiscard]] const TraceFacts& facts() const { return facts_; }

 private:
  struct Stored {
    std::uint64_t time = 0;
    std::uint32_t row = 0;  // of trace_event_table
    std::uint32_t pid = 0;
    std::uint32_t present = 0;
    bool interrupt = false;
    std::array<std::uint64_t, trace_numbers> numbers{};
    std::array<std::uint32_t, trace_words> words{};  // indices of names
  };
  class Collector;

  std::vector<Stored> events_;
  std::deque<std::string> names_{std::string{}};
  std::unordered_map<std::uint32_t, std::string> comms_;
  TraceFacts facts_;
  LossCounter losses_;
  StopReading stop_;
  std::size_t next_ = 0;
};

}  // namespace fencecheck
