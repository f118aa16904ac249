// Reads binary trace.dat files, versions 6 and 7.
//
// Fields are read by name (trace_event.hpp), never by what the event would
// print. Events of all CPUs and buffers of the file are merged by time; of
// events at one time that of the earlier buffer goes first, then that of the
// lower CPU. `line` of a record is the number of the event in this order. What
// is damaged or truncated in header and formats is an error; where a sub-buffer
// makes no sense its rest is skipped and counted.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/input/loss_counter.hpp"
#include "graph/input/ring_buffer.hpp"
#include "graph/input/stop_reading.hpp"
#include "graph/input/trace.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Does a file that begins so look like one?
[[nodiscard]] bool is_trace_dat(std::string_view beginning);

class TraceDatReader {
 public:
  // What is wrong with the file is an error in `diagnostics`, now or while it is read.
  TraceDatReader(const std::string& path, Diagnostics& diagnostics, AskToStop ask = {});

  // As FtraceReader::next(). O(log(CPUs)).
  bool next(TraceRecord& record);
  [[nodiscard]] const TraceFacts& facts() const { return facts_; }

 private:
  // How one event of this file is decoded.
  struct Binding {
    TraceField field{};
    EventField from;
  };
  struct Decoder {
    const EventFormat* format = nullptr;
    const TraceEventInfo* row = nullptr;  // nullptr: not in the table
    bool stack = false;
    std::uint32_t least = 0;  // bytes that the fields need
    EventField caller;        // of a stack
    EventField lock_flags;    // of lockdep's events; size 0: none
    std::vector<Binding> bindings;
  };
  struct Task {
    std::string_view comm;
    bool softirq = false;  // runs softirqs and nothing else
  };
  struct Part {
    CpuEvents events;
    std::uint32_t last = 0;  // line of its last event
  };

  void open(const std::string& path);
  void bind_common();
  void add_decoder(const EventFormat& format);
  [[nodiscard]] bool fill(Decoder& decoder, const EventPattern& pattern, const std::vector<EventField>& fields) const;
  [[nodiscard]] bool step(TraceRecord& record);
  [[nodiscard]] bool earlier(std::size_t one, std::size_t other) const;
  void settle();
  void count(Part& part);
  [[nodiscard]] bool take(Part& part, TraceRecord& record);
  [[nodiscard]] bool take_fields(const Decoder& decoder, std::string_view event, TraceRecord& record);
  [[nodiscard]] bool take_word(const Decoder& decoder, const Binding& binding, std::string_view event,
                               TraceRecord& record);
  void take_stack(const Decoder& decoder, std::string_view event, TraceRecord& record);
  [[nodiscard]] std::uint64_t number(const EventField& field, std::string_view event) const;
  [[nodiscard]] const Task& task(std::uint32_t pid);
  void note_losses(Part& part);
  void finish();
  void fail(std::string what);

  Diagnostics& diagnostics_;
  TraceFacts facts_;
  LossCounter losses_;
  StopReading stop_;
  std::unique_ptr<TraceDatFile> file_;
  EventField type_;
  EventField flags_;
  EventField pid_;
  std::uint32_t common_ = 0;       // bytes that the three need
  std::vector<Decoder> decoders_;  // by the number of the event
  std::unordered_map<std::uint32_t, Task> tasks_;
  std::deque<Part> parts_;         // buffer by buffer, CPU by CPU
  std::vector<std::size_t> heap_;  // parts that have an event; the earliest first
  bool taken_ = false;             // that event has been handed on
  bool done_ = false;
  std::uint64_t bytes_ = 0;  // of all parts
  std::string lock_name_;
  std::array<std::array<char, 20>, trace_words> decimals_{};  // words that are numbers
};

}  // namespace fencecheck
