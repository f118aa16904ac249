// Line by line: comments, events, stacks, marks of lost events, and what is none of these.
#include "graph/input/read_ftrace.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/input/expect_line.hpp"

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
});
constexpr std::string_view raw_message =
    "a raw trace has numbers in place of event names; record with 'echo 0 > options/raw'";
constexpr std::string_view bare_message =
    "a trace without tasks and times says nothing about waits; record with 'echo 1 > options/context-info'";

// Events whose text may span lines (trace-facts 2.1).
constexpr auto multi_line_events =
    std::to_array<std::string_view>({"amdgpu_vm_update_ptes", "bprint", "bputs", "print", "tracing_mark_write"});

constexpr std::uint32_t pid_limit = 1U << 22U;  // PID_MAX_LIMIT of 64-bit kernels

bool is_page(std::string_view line) {
  return line.starts_with("<!DOCTYPE html") || line.starts_with("<!doctype html") || line.starts_with("<html");
}

}  // namespace

FtraceReader::FtraceReader(std::istream& in, Source& source, Diagnostics& diagnostics, AskToStop ask)
    : lines_(in, ftrace_line_limit), source_(source), diagnostics_(diagnostics), stop_(std::move(ask)) {}

bool FtraceReader::next(TraceRecord& record) {
  while (!done_ && (again_ || lines_.next())) {
    again_ = false;
    done_ = stop_.after_event(facts_, losses_);
    line_ = lines_.line();
    number_ = lines_.number();
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    if (lines_.binary()) {
      fail({number_, static_cast<std::uint32_t>(line_.find('\0') + 1), 1},
           "a NUL byte: this is binary data, not ftrace text");
    } else if (!skip_page() && take_line(record)) {
      return true;
    }
  }
  if (!done_) finish();
  return take_stack(record);  // the last one
}

// Of a page everything outside of the trace; the trace begins at its header,
// after a list of processes.
bool FtraceReader::skip_page() {
  if (number_ == 1 && is_page(line_)) {
    page_ = true;
    in_trace_ = false;
  }
  if (!page_) return false;
  if (line_.starts_with("# tracer:")) in_trace_ = true;
  const std::string_view line = trimmed(line_);
  if (line.starts_with("</script>")) in_trace_ = false;
  return !in_trace_;
}

bool FtraceReader::take_line(TraceRecord& record) {
  std::size_t begin = 0;
  while (begin < line_.size() && (line_[begin] == ' ' || line_[begin] == '\t')) ++begin;
  if (begin < line_.size() && line_[begin] == '=' && line_.substr(begin).starts_with("=> ")) {
    if (stacked_) {
      const std::string_view text = trimmed(line_.substr(begin + 3));
      frames_.emplace_back(text.substr(0, text.find(' ')));  // without trace-cmd's address
    }
    return false;
  }
  if (stacked_) {  // it ended with the line before: that goes first
    again_ = true;
    return take_stack(record);
  }
  if (begin == line_.size()) return false;
  if (line_.starts_with('#')) {
    take_comment();
    return false;
  }
  if (const auto event = latency_ ? parse_latency_line(line_) : parse_event_line(line_)) {
    return take_event(*event, record);
  }
  if (!take_loss_mark()) take_unknown();
  return false;
}

void FtraceReader::take_comment() {
  for (const RefusedInfo& row : refused_table) {
    if (line_.find(row.header) != std::string_view::npos) return fail(here(), std::string(row.message));
  }
  if (line_.find("latency trace v") != std::string_view::npos) latency_ = true;
  take_entries();
  if (facts_.events != 0 || !is_expect_line(line_)) return;
  keep();
  if (facts_.expect) diagnostics_.error(here(), "the expectation is already given above");
  if (auto expect = parse_expect_line(line_, number_, diagnostics_)) facts_.expect = std::move(expect);
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
  promised_ = promised_ || facts_.events != 0 ? std::nullopt : held;
  if (*held < *written) lose(LossKind::overwritten, *written - *held, {0, number_});
}

bool FtraceReader::take_event(const EventLine& event, TraceRecord& record) {
  ++facts_.events;
  continues_ = false;
  if (event.event == "<stack trace>") {
    stacked_ = event;
    stacked_->comm = {};
    stack_line_ = number_;
    frames_.clear();
    return false;
  }
  check_clock(event);
  if (facts_.last_line == 0) facts_.first_time = event.time;
  facts_.last_time = event.time;
  facts_.last_line = number_;
  facts_.timed = facts_.timed && event.timed;
  facts_.marked = facts_.marked && (event.context != TraceContext::unmarked);
  const KnownEvent& known = known_event(event.event);
  const std::vector<EventPattern>& patterns = *known.patterns;
  if (patterns.empty() || event.pid > pid_limit) {
    continues_ = known.several_lines;
    lose(LossKind::other_event, 1, {});
    return false;
  }
  if (!match(patterns, event.arguments, record)) {
    lose(LossKind::malformed_line, 1, {number_, number_});
    return false;
  }
  record.context = event.context;
  record.line = number_;
  record.pid = event.pid;
  record.comm = event.comm;
  record.time = event.time;
  record.text = line_;
  return true;
}

// Few events make up most of a trace: those seen last are found by their first, middle and last letters.
const FtraceReader::KnownEvent& FtraceReader::known_event(std::string_view name) {
  const auto letter = [&](std::size_t at) { return static_cast<std::size_t>(name.empty() ? '\0' : name[at]); };
  const std::size_t last = name.size() - std::min<std::size_t>(name.size(), 1);
  KnownEvent& known = known_[(name.size() + 7 * letter(name.size() / 2) + 31 * letter(last)) % known_.size()];
  if (known.patterns != nullptr && known.name == name) return known;
  known.name = name;
  known.patterns = &patterns_of(name);
  known.several_lines = std::ranges::find(multi_line_events, name) != multi_line_events.end();
  return known;
}

// The kernel may write the stacks of two tasks after the events of both, so
// that a stack belongs to the last event of its own task.
bool FtraceReader::take_stack(TraceRecord& record) {
  if (!stacked_) return false;
  record = {};
  record.kind = TraceEventKind::stack;
  record.context = stacked_->context;
  record.line = stack_line_;
  record.pid = stacked_->pid;
  record.time = stacked_->time;
  for (const std::string& frame : frames_) record.frames.emplace_back(frame);
  stacked_.reset();
  return true;
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
  const std::uint32_t last = *number < cpus_.size() ? cpus_[*number].line : 0;
  lose(LossKind::lost_events, count.value_or(1), {last, number_});
  return true;
}

// Lines that trace-cmd and atrace add, lines that belong to the event before, and everything else.
void FtraceReader::take_unknown() {
  const std::string_view line = trimmed(line_);
  if (line.starts_with("cpus=") || line.starts_with("version = ")) return;
  if (facts_.events == 0 && (line == "TRACE:" || line.starts_with("capturing trace..."))) return;
  if (line.starts_with("CPU ") && line.ends_with(" is empty")) {
    empty_cpu_ = true;
  } else if (continues_) {
    lose(LossKind::continuation, 1, {});
  } else if (facts_.events == 0 && line.find(" type: ") != std::string_view::npos &&
             line.find_first_not_of("0123456789 ") == line.find("type: ")) {
    fail(here(), std::string(raw_message));
  } else if (facts_.events == 0 && line.starts_with("dma_fence_") && line.find(": driver=") != std::string_view::npos) {
    fail(here(), std::string(bare_message));
  } else {
    lose(LossKind::malformed_line, 1, {number_, number_});
  }
}

void FtraceReader::check_clock(const EventLine& event) {
  if (event.cpu >= cpus_.size()) cpus_.resize(event.cpu + 1);
  Cpu& now = cpus_[event.cpu];
  if (event.time < now.time) lose(LossKind::clock_went_back, 1, {now.line, number_});
  now = {event.time, number_};
}

void FtraceReader::finish() {
  done_ = true;
  if (lines_.too_long()) {
    number_ = lines_.number();
    line_ = lines_.line().substr(0, 80);
    return fail({number_, 1, 1},
                fmt::format("a line of more than {} bytes: this is not ftrace text", ftrace_line_limit));
  }
  check_end(lines_.number() == 0 || lines_.complete());
  facts_.losses = losses_.all();
}

void FtraceReader::check_end(bool complete) {
  if (!complete && malformed_ == number_) {
    return fail(here(), "truncated: the file ends in the middle of this line");
  }
  if (facts_.events == 0) return check_empty();
  if (page_) return;
  const bool whole = promised_ && facts_.events >= *promised_ && trimmed(line_).empty();  // blanks after the last entry
  if (!complete && !whole) lose(LossKind::no_final_newline, 1, {number_, number_});
  if (promised_ && facts_.events < *promised_) {
    lose(LossKind::cut_short, *promised_ - facts_.events, {number_, number_});
  }
}

// Without any event: a recording of nothing, a header that lost its events, or something else altogether.
void FtraceReader::check_empty() {
  if (losses_.count(LossKind::malformed_line) != 0) {
    return fail(losses_.first(LossKind::malformed_line),
                "this is not ftrace text; expected '<task>-<pid> [<cpu>] <time>: <event>: ...'");
  }
  if (page_) return fail({1, 1, 1}, "an HTML page without a trace in it");
  if (number_ == 0) return fail({}, "the file is empty");
  if (promised_ != std::uint64_t{0} && !empty_cpu_) fail(here(), "truncated: the trace ends after its header");
}

void FtraceReader::lose(LossKind kind, std::uint64_t count, TraceGap gap) {
  if (kind == LossKind::malformed_line) malformed_ = number_;
  if (info(kind).gap && losses_.count(kind) == 0) keep();
  losses_.add(kind, count, here(), gap, facts_);
}

void FtraceReader::fail(Place at, std::string message) {
  if (at.line == number_) keep();
  diagnostics_.error(at, std::move(message));
  done_ = true;
}

void FtraceReader::keep() { source_.kept.emplace(number_, line_.substr(0, kept_bytes_limit)); }

Place FtraceReader::here() const { return {number_, 1, std::max(1U, static_cast<std::uint32_t>(line_.size()))}; }

}  // namespace fencecheck
