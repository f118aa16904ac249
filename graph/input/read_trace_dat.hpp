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

#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/input/loss_counter.hpp"
#include "graph/input/trace.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Does a file that begins so look like one?
[[nodiscard]] bool is_trace_dat(std::string_view beginning);

class TraceDatReader {
 public:
  TraceDatReader(const std::string& path, Diagnostics& diagnostics);
  ~TraceDatReader();
  TraceDatReader(const TraceDatReader&) = delete;
  TraceDatReader& operator=(const TraceDatReader&) = delete;

  // As FtraceReader::next().
  bool next(TraceRecord& record);
  [[nodiscard]] const TraceFacts& facts() const { return facts_; }

 private:
  bool take_message(char type, TraceRecord& record);
  bool take_event(TraceRecord& record);
  bool take_stack(TraceRecord& record);
  void take_loss();
  void finish(bool complete);
  bool read_bytes(void* to, std::size_t size);
  bool read_text(std::string& text);

  Diagnostics& diagnostics_;
  TraceFacts facts_;
  LossCounter losses_;
  std::FILE* pipe_ = nullptr;
  pid_t child_ = -1;
  bool done_ = false;
  std::unordered_map<std::uint32_t, std::uint32_t> last_of_cpu_;  // line
  std::string comm_;
  std::vector<std::string> words_;
};

}  // namespace fencecheck
