// Line by line: comments, events, stacks, marks of lost events, and what is none of these.
#include "graph/input/read_ftrace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "graph/input/expect_line.hpp"
#include "graph/input/ftrace_line.hpp"
#include "graph/input/line_reader.hpp"

namespace fencecheck {
namespace {

// Output formats that hide what we need: how to recognise one, and what to do about it.
struct RefusedInfo {
  std::string_view header;
  std::string_view message;
};
constexpr auto refused_table = std::to_array<RefusedInfo>({
    {"# tracer: function_graph",
     "the function_graph tracer writes events without their task; record with 'echo nop > current_tracer'"},
    {"latency trace v",
     "a trace in latency format has no absolute times; record with 'echo 0 > options/latency-format'"},
});
constexpr std::string_view raw_message =
    "a raw trace has numbers in place of event names; record with 'echo 0 > options/raw'";
constexpr std::string_view bare_message =
    "a trace without tasks and times says nothing about waits; record with 'echo 1 > options/context-info'";

// Events whose text may span lines (trace-facts 2.1).
constexpr auto multi_line_events =
    std::to_array<std::string_view>({"amdgpu_vm_update_ptes", "bprint", "bputs", "print", "tracing_mark_write"});

constexpr std::uint32_t pid_limit = 1U << 22U;  // PID_MAX_LIMIT of 64-bit kernels

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct Cpu {
  std::uint64_t time = 0;
  std::uint32_t line = 0;
};

struct Counter {
  std::uint64_t count = 0;
  Place first;
};

class FtraceReader {
 public:
  FtraceReader(Source& source, Diagnostics& diagnostics) : source_(source), diagnostics_(diagnostics) {}
  std::optional<Trace> read(std::istream& in);

 private:
  void take_line();
  void take_comment();
  void take_entries();
  void take_event(const EventLine& event);
  void take_fence(const EventLine& event, TraceEventKind kind);
  void take_switch(const EventLine& event);
  void take_frame(std::string_view frame);
  void take_stack(const EventLine& event);
  bool take_loss_mark();
  void take_unknown();
  void check_clock(const EventLine& event);
  void finish(bool complete);
  void check_end(bool complete);
  void check_empty();

  void store(TraceEvent stored, const EventLine& event);
  void lose(LossKind kind, std::uint64_t count, TraceGap gap);
  void fail(Place at, std::string message);
  void keep();
  std::uint32_t intern(std::string_view name);
  std::uint32_t& last_event_of(std::uint32_t pid);
  Cpu& cpu(std::uint32_t number);
  [[nodiscard]] Place here() const { return {number_, 1, std::max(1U, static_cast<std::uint32_t>(line_.size()))}; }

  Source& source_;
  Diagnostics& diagnostics_;
  Trace trace_;
  std::array<Counter, loss_table.size()> losses_{};
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> names_{{std::string{}, 0}};
  std::vector<std::uint32_t> last_event_;  // by pid: 1 + index of its last event; 0 if that was not kept
  std::vector<Cpu> cpus_;
  std::string_view line_;
  std::uint32_t number_ = 0;
  std::uint64_t entries_ = 0;              // lines that the ring buffer counts
  std::optional<std::uint64_t> promised_;  // entries, by the header
  std::uint32_t malformed_ = 0;            // the last line that was malformed
  std::size_t stacked_ = 0;                // 1 + index of the event whose stack is being read
  bool continues_ = false;                 // the last event may go on in the next line
  bool empty_cpu_ = false;                 // trace-cmd said that a CPU recorded nothing
  bool refused_ = false;                   // nothing more can be read
};

std::optional<Trace> FtraceReader::read(std::istream& in) {
  LineReader lines(in, ftrace_line_limit);
  while (!refused_ && lines.next()) {
    line_ = lines.line();
    number_ = lines.number();
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    const auto nul = line_.find('\0');
    if (nul != std::string_view::npos) {
      fail({number_, static_cast<std::uint32_t>(nul + 1), 1}, "a NUL byte: this is binary data, not ftrace text");
    } else {
      take_line();
    }
  }
  if (lines.too_long()) {
    number_ = lines.number();
    line_ = lines.line().substr(0, 80);
    fail({number_, 1, 1}, fmt::format("a line of more than {} bytes: this is not ftrace text", ftrace_line_limit));
  }
  if (!refused_) finish(lines.number() == 0 || lines.complete());
  if (!diagnostics_.ok()) return std::nullopt;
  return std::move(trace_);
}

void FtraceReader::take_line() {
  const auto begin = line_.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return;
  if (line_.starts_with('#')) return take_comment();
  if (line_.substr(begin).starts_with("=> ")) return take_frame(line_.substr(begin + 3));
  stacked_ = 0;
  if (const auto event = parse_event_line(line_)) return take_event(*event);
  if (!take_loss_mark()) take_unknown();
}

void FtraceReader::take_comment() {
  for (const RefusedInfo& row : refused_table) {
    if (line_.find(row.header) != std::string_view::npos) return fail(here(), std::string(row.message));
  }
  take_entries();
  if (entries_ != 0 || !is_expect_line(line_)) return;
  keep();
  if (trace_.expect) diagnostics_.error(here(), "the expectation is already given above");
  if (auto expect = parse_expect_line(line_, number_, diagnostics_)) trace_.expect = std::move(expect);
}

// "# entries-in-buffer/entries-written: 447/110228   #P:2"
void FtraceReader::take_entries() {
  constexpr std::string_view title = "entries-in-buffer/entries-written:";
  const auto at = line_.find(title);
  if (at == std::string_view::npos) return;
  std::string_view numbers = trimmed(line_.substr(at + title.size()));
  numbers = numbers.substr(0, numbers.find(' '));
  const auto slash = numbers.find('/');
  if (slash == std::string_view::npos) return;
  const auto held = parse_number(numbers.substr(0, slash));
  const auto written = parse_number(numbers.substr(slash + 1));
  if (!held || !written) return;
  // Two traces in one file: what they promise together cannot be told from a cut.
  promised_ = promised_ || entries_ != 0 ? std::nullopt : held;
  if (*held < *written) lose(LossKind::overwritten, *written - *held, {0, number_});
}

void FtraceReader::take_event(const EventLine& event) {
  if (event.event == "<stack trace>") return take_stack(event);
  ++entries_;
  check_clock(event);
  trace_.last_time = event.time;
  trace_.last_line = number_;
  trace_.timed = trace_.timed && event.timed;
  trace_.marked = trace_.marked && (event.context != TraceContext::unmarked);
  last_event_of(event.pid) = 0;
  continues_ = false;
  const auto row = std::ranges::find_if(trace_event_table, [&](const TraceEventInfo& each) {
    return event.event == each.id || (!each.old_id.empty() && event.event == each.old_id);
  });
  if (row == trace_event_table.end()) {
    continues_ = std::ranges::find(multi_line_events, event.event) != multi_line_events.end();
    return lose(LossKind::other_event, 1, {});
  }
  if (row->kind == TraceEventKind::sched_waking) return;
  if (row->kind == TraceEventKind::sched_switch) return take_switch(event);
  take_fence(event, row->kind);
}

void FtraceReader::take_fence(const EventLine& event, TraceEventKind kind) {
  const auto fence = parse_fence_arguments(event.arguments);
  if (!fence) return lose(LossKind::malformed_line, 1, {number_, number_});
  ++trace_.fences;
  TraceEvent stored;
  stored.kind = kind;
  stored.pid = event.pid;
  stored.fence = fence->fence;
  stored.driver = intern(fence->driver);
  stored.timeline = intern(fence->timeline);
  if (user_signalled(fence->driver) != nullptr) keep();
  store(stored, event);
}

void FtraceReader::take_switch(const EventLine& event) {
  const auto tasks = parse_switch_arguments(event.arguments);
  if (!tasks) return lose(LossKind::malformed_line, 1, {number_, number_});
  if (!tasks->exited) return;
  TraceEvent stored;
  stored.kind = TraceEventKind::sched_switch;
  stored.pid = tasks->previous_pid;
  store(stored, event);
}

void FtraceReader::store(TraceEvent stored, const EventLine& event) {
  stored.context = event.context;
  stored.line = number_;
  stored.comm = intern(event.comm);
  stored.time = event.time;
  trace_.events.push_back(stored);
  last_event_of(event.pid) = static_cast<std::uint32_t>(trace_.events.size());
}

// The kernel may write the stacks of two tasks after the events of both, so
// that a stack belongs to the last event of its own task.
void FtraceReader::take_stack(const EventLine& event) {
  ++entries_;
  stacked_ = last_event_of(event.pid);
  if (stacked_ == 0) return;
  trace_.stacks.emplace_back();
  trace_.events[stacked_ - 1].stack = static_cast<std::uint32_t>(trace_.stacks.size() - 1);
  last_event_of(event.pid) = 0;
}

void FtraceReader::take_frame(std::string_view frame) {
  if (stacked_ == 0) return;
  frame = trimmed(frame);
  trace_.stacks.back().emplace_back(frame.substr(0, frame.find(' ')));  // without trace-cmd's address
}

// "CPU:1 [LOST 48030 EVENTS]", "CPU:1 [LOST EVENTS]" before the next event of
// that CPU (kernel), "CPU:0 [272 EVENTS DROPPED]" (trace-cmd).
bool FtraceReader::take_loss_mark() {
  const std::string_view line = trimmed(line_);
  const auto bracket = line.find('[');
  if (!line.starts_with("CPU:") || bracket == std::string_view::npos || !line.ends_with("]")) return false;
  const auto number = parse_number(trimmed(line.substr(4, bracket - 4)));
  const std::string_view what = line.substr(bracket);
  if (!number || (!what.starts_with("[LOST ") && !what.ends_with("EVENTS DROPPED]"))) return false;
  const auto digit = what.find_first_of("0123456789");
  const auto end = what.find_first_not_of("0123456789", std::min(digit, what.size()));
  const auto count = digit == std::string_view::npos ? std::nullopt : parse_number(what.substr(digit, end - digit));
  const std::uint32_t from = *number < (1U << 16U) ? cpu(static_cast<std::uint32_t>(*number)).line : 0;
  lose(LossKind::lost_events, count.value_or(1), {from, number_});
  return true;
}

// Lines that trace-cmd adds, lines that belong to the event before, and everything else.
void FtraceReader::take_unknown() {
  const std::string_view line = trimmed(line_);
  if (line.starts_with("cpus=") || line.starts_with("version = ")) return;
  if (line.starts_with("CPU ") && line.ends_with(" is empty")) {
    empty_cpu_ = true;
  } else if (continues_) {
    lose(LossKind::continuation, 1, {});
  } else if (entries_ == 0 && line.find(" type: ") != std::string_view::npos &&
             line.find_first_not_of("0123456789 ") == line.find("type: ")) {
    fail(here(), std::string(raw_message));
  } else if (entries_ == 0 && line.starts_with("dma_fence_") && line.find(": driver=") != std::string_view::npos) {
    fail(here(), std::string(bare_message));
  } else {
    lose(LossKind::malformed_line, 1, {number_, number_});
  }
}

void FtraceReader::check_clock(const EventLine& event) {
  Cpu& now = cpu(event.cpu);
  if (event.time < now.time) lose(LossKind::clock_went_back, 1, {now.line, number_});
  now = {event.time, number_};
}

void FtraceReader::finish(bool complete) {
  check_end(complete);
  for (const LossInfo& row : loss_table) {
    const Counter& counter = losses_[static_cast<std::size_t>(row.kind)];
    if (counter.count != 0) trace_.losses.push_back({std::string(row.id), counter.count, row.gap, counter.first});
  }
}

void FtraceReader::check_end(bool complete) {
  if (!complete && malformed_ == number_) {
    return fail(here(), "truncated: the file ends in the middle of this line");
  }
  if (entries_ == 0) return check_empty();
  const bool whole = promised_ && entries_ >= *promised_ && trimmed(line_).empty();  // blanks after the last entry
  if (!complete && !whole) lose(LossKind::no_final_newline, 1, {number_, number_});
  if (promised_ && entries_ < *promised_) lose(LossKind::cut_short, *promised_ - entries_, {number_, number_});
}

// Without any event: a recording of nothing, a header that lost its events, or something else altogether.
void FtraceReader::check_empty() {
  const Counter& malformed = losses_[static_cast<std::size_t>(LossKind::malformed_line)];
  if (malformed.count != 0) {
    return fail(malformed.first, "this is not ftrace text; expected '<task>-<pid> [<cpu>] <time>: <event>: ...'");
  }
  if (number_ == 0) return fail({}, "the file is empty");
  if (promised_ != std::uint64_t{0} && !empty_cpu_) fail(here(), "truncated: the trace ends after its header");
}

void FtraceReader::lose(LossKind kind, std::uint64_t count, TraceGap gap) {
  Counter& counter = losses_[static_cast<std::size_t>(kind)];
  if (counter.count == 0) counter.first = here();
  if (kind == LossKind::malformed_line) malformed_ = number_;
  counter.count += count;
  if (!info(kind).gap) return;
  if (counter.first == here()) keep();
  if (trace_.gaps.empty() || trace_.gaps.back().to < gap.from) {
    trace_.gaps.push_back(gap);
  } else {  // overlaps the last one
    trace_.gaps.back().from = std::min(trace_.gaps.back().from, gap.from);
    trace_.gaps.back().to = std::max(trace_.gaps.back().to, gap.to);
  }
}

void FtraceReader::fail(Place at, std::string message) {
  if (at.line == number_) keep();
  diagnostics_.error(at, std::move(message));
  refused_ = true;
}

void FtraceReader::keep() {
  if (source_.kept.size() < kept_lines_limit) source_.kept.emplace(number_, line_.substr(0, kept_bytes_limit));
}

std::uint32_t FtraceReader::intern(std::string_view name) {
  const auto known = names_.find(name);
  if (known != names_.end()) return known->second;
  trace_.names.emplace_back(name);
  const auto index = static_cast<std::uint32_t>(trace_.names.size() - 1);
  names_.emplace(trace_.names.back(), index);
  return index;
}

std::uint32_t& FtraceReader::last_event_of(std::uint32_t pid) {
  pid = std::min(pid, pid_limit);
  if (pid >= last_event_.size()) last_event_.resize(pid + 1);
  return last_event_[pid];
}

Cpu& FtraceReader::cpu(std::uint32_t number) {
  if (number >= cpus_.size()) cpus_.resize(number + 1);
  return cpus_[number];
}

}  // namespace

const UserSignalledInfo* user_signalled(std::string_view driver) {
  const auto row = std::ranges::find(user_signalled_table, driver, &UserSignalledInfo::driver);
  return row == user_signalled_table.end() ? nullptr : &*row;
}

std::optional<Trace> read_ftrace(std::istream& in, Source& source, Diagnostics& diagnostics) {
  return FtraceReader(source, diagnostics).read(in);
}

}  // namespace fencecheck
