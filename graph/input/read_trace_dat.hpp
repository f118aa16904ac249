// Reads binary trace.dat files, versions 6 and 7, through libtracecmd.
//
// Fields are read by name (trace_event.hpp), never by what the event would
// print, and without plugins. libtracecmd crashes on some damaged files
// (trace-facts 3), so that it runs in a child process, which hands the events
// on through a pipe; a crash of it is an error of the file. Events of all
// buffers of the file are merged by time. `line` of a record is the number of
// the event in this order.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "graph/input/loss_counter.hpp"
#include "graph/input/stop_reading.hpp"
#include "graph/input/trace.hpp"
#include "graph/input/trace_message.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Does a file that begins so look like one?
[[nodiscard]] bool is_trace_dat(std::string_view beginning);

class TraceDatReader {
 public:
  TraceDatReader(const std::string& path, Diagnostics& diagnostics, AskToStop ask = {});
  ~TraceDatReader();
  TraceDatReader(const TraceDatReader&) = delete;
  TraceDatReader& operator=(const TraceDatReader&) = delete;

  // As FtraceReader::next().
  bool next(TraceRecord& record);
  [[nodiscard]] const TraceFacts& facts() const { return facts_; }

 private:
  [[nodiscard]] bool take_message(TraceRecord& record);
  [[nodiscard]] bool take_event(TraceRecord& record);
  [[nodiscard]] bool take_fields(std::uint32_t present, TraceRecord& record);
  [[nodiscard]] bool take_stack(TraceRecord& record);
  void take_loss();
  void count(const TraceMessage& message);
  void finish(bool complete);

  Diagnostics& diagnostics_;
  TraceFacts facts_;
  LossCounter losses_;
  StopReading stop_;
  int pipe_ = -1;
  pid_t child_ = -1;
  std::unique_ptr<MessageReader> messages_;
  bool done_ = false;
  std::vector<std::uint32_t> last_of_cpu_;  // line
};

}  // namespace fencecheck
