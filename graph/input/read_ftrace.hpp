// Reads ftrace text: the kernel's `trace` file, `trace-cmd report`, atrace and systrace.
//
// The text is streamed: nothing of it is kept. Every line that is skipped is
// counted (loss_table). Of a page made by systrace only what lies between its
// trace-data marks is read. Refused with an error: lines of more than
// `ftrace_line_limit` bytes, NUL bytes, files that end in the middle of a line
// or after their header, text that is no trace, and the kernel's output formats
// that leave out tasks or names (raw, function_graph, no context-info), whose
// message names the option to switch off.
//
// `# fencecheck expect: WORDS` among the comments before the first event says
// what should come out: `holds`, `unknown`, or kinds of findings with commas.
#pragma once

#include <array>
#include <cstddef>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "graph/input/ftrace_line.hpp"
#include "graph/input/line_reader.hpp"
#include "graph/input/loss_counter.hpp"
#include "graph/input/stop_reading.hpp"
#include "graph/input/trace.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

inline constexpr std::size_t ftrace_line_limit = std::size_t{1} << 20U;  // bytes
inline constexpr std::size_t kept_bytes_limit = 4096;                    // of a line in Source::kept

class FtraceReader {
 public:
  // Takes `source.name` for granted and puts lines that losses and errors point at into `source.kept`.
  FtraceReader(std::istream& in, Source& source, Diagnostics& diagnostics, AskToStop ask = {});

  // Goes to the next event that is understood, or to the next stack. False at
  // the end and after an error, of which `diagnostics` then tell.
  bool next(TraceRecord& record);
  [[nodiscard]] const TraceFacts& facts() const { return facts_; }
  // The text of the event that next() went to.
  [[nodiscard]] std::string_view line() const { return line_; }

 private:
  bool take_line(TraceRecord& record);
  void take_comment();
  void take_entries();
  bool take_event(const EventLine& event, TraceRecord& record);
  bool take_stack(TraceRecord& record);
  bool take_loss_mark();
  void take_unknown();
  bool skip_page();
  void check_clock(const EventLine& event);
  void finish();
  void check_end(bool complete);
  void check_empty();
  void lose(LossKind kind, std::uint64_t count, TraceGap gap);
  void fail(Place at, std::string message);
  void keep();
  [[nodiscard]] Place here() const;

  struct Cpu {
    std::uint64_t time = 0;
    std::uint32_t line = 0;
  };

  struct KnownEvent {
    std::string name;
    const std::vector<EventPattern>* patterns = nullptr;
    bool several_lines = false;  // what it prints may go on in the next line
  };
  const KnownEvent& known_event(std::string_view name);

  LineReader lines_;
  Source& source_;
  Diagnostics& diagnostics_;
  TraceFacts facts_;
  LossCounter losses_;
  StopReading stop_;
  std::vector<Cpu> cpus_;
  std::array<KnownEvent, 64> known_;
  std::string_view line_;
  std::uint32_t number_ = 0;
  std::optional<std::uint64_t> promised_;  // entries, by the header
  std::optional<EventLine> stacked_;       // the entry whose frames are being read
  std::vector<std::string> frames_;
  std::uint32_t stack_line_ = 0;
  std::uint32_t malformed_ = 0;  // the last line that was malformed
  bool again_ = false;           // the current line has not been taken yet
  bool page_ = false;            // HTML
  bool in_trace_ = true;         // of a page: between the marks
  bool latency_ = false;         // the header says latency format
  bool continues_ = false;       // the last event may go on in the next line
  bool empty_cpu_ = false;       // trace-cmd said that a CPU recorded nothing
  bool done_ = false;            // nothing more can be read
};

}  // namespace fencecheck
