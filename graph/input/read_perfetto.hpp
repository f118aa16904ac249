// Reads the ftrace part of a Perfetto trace (.pftrace).
//
// Packets hold bundles, one CPU's events each, and follow each other as the
// CPUs' buffers were read. The latest events that are understood are therefore
// held back and sorted: memory grows with that window, not with the file. What
// comes still later is skipped and counted. Names of tasks come from the process
// tree. `line` of a record is its number in the order of time. Compressed packets
// are unpacked; what is neither an event that is understood nor needed for one is
// skipped and counted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <istream>
#include <memory>
#include <queue>
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
  // Events that are held back: 70 MB, and several seconds of a busy machine.
  static constexpr std::size_t default_window = 500'000;

  // What is wrong with the stream is an error in `diagnostics` while it is read.
  PerfettoReader(std::istream& in, Diagnostics& diagnostics, AskToStop ask = {}, std::size_t window = default_window);
  PerfettoReader(const PerfettoReader&) = delete;
  PerfettoReader& operator=(const PerfettoReader&) = delete;
  ~PerfettoReader();

  // As FtraceReader::next(). O(log(window)).
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
  // Events of one time go in the order of the file.
  struct Turn {
    std::uint64_t time = 0;
    std::uint64_t arrived = 0;
    std::uint32_t place = 0;  // in held_
    friend auto operator<=>(const Turn&, const Turn&) = default;
  };
  class Collector;

  void hold(const Stored& stored);
  void hand_on(const Stored& stored, TraceRecord& record);
  void finish();

  Diagnostics& diagnostics_;
  std::vector<Stored> held_;
  std::vector<std::uint32_t> free_;  // places in held_
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> queue_;
  std::uint64_t arrived_ = 0;
  std::deque<std::string> names_{std::string{}};
  std::unordered_map<std::uint32_t, std::string> comms_;
  TraceFacts facts_;
  LossCounter losses_;
  StopReading stop_;
  std::size_t window_;
  std::unique_ptr<Collector> collector_;  // null: all packets were read
};

}  // namespace fencecheck
