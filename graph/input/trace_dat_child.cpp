// Runs in a process of its own, which damaged files may crash.
#include "graph/input/trace_dat_child.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/input/trace_event.hpp"
#include "graph/input/trace_message.hpp"

// trace-cmd.h includes tracefs.h, which is no valid C++ in version 1.6 and declares nothing that is used here.
#define _TRACE_FS_H  // NOLINT(readability-identifier-naming)
extern "C" {
#include <event-parse.h>
#include <trace-cmd.h>
// Exported by version 1.3, but in no header that is installed; not to be missed where there is none.
[[gnu::weak]] const char* tracecmd_get_trace_clock(tracecmd_input* handle);
}

namespace fencecheck {
namespace {

// How one event of this file is decoded.
struct Binding {
  TraceField field;
  tep_format_field* format;
};
struct Decoder {
  bool known = false;  // looked up already
  tep_event* event = nullptr;
  std::uint32_t row = trace_event_table.size();  // none
  bool stack = false;
  tep_format_field* lock_flags = nullptr;
  std::vector<Binding> bindings;
};

class Exporter {
 public:
  explicit Exporter(int to) : writer_(to) {}
  int run(const std::string& path);

 private:
  struct Input {
    tep_handle* tep = nullptr;
    tep_record* record = nullptr;
  };
  int finish();
  void write(const Input& input);
  void write_stack(const Input& input, TraceMessage message);
  void write_word(const Input& input, const Binding& binding, const Decoder& decoder);
  const Decoder& decoder_of(const Input& input);
  std::string_view comm_of(tep_handle* tep, int pid);

  MessageWriter writer_;
  std::vector<Decoder> decoders_;                    // by the number of the event, which all buffers of a file share
  std::unordered_map<int, std::string_view> comms_;  // by pid; the library keeps the words
  std::string word_;
};

constexpr int event_numbers = 65'536;  // common_type has 16 bits

bool is_text(const tep_format_field* field) { return (field->flags & TEP_FIELD_IS_STRING) != 0; }

// The first row of the event whose fields this kernel has.
const Decoder& Exporter::decoder_of(const Input& input) {
  const int number = tep_data_type(input.tep, input.record);
  const auto index = static_cast<std::size_t>(std::clamp(number, 0, int{event_numbers}));
  if (index >= decoders_.size()) decoders_.resize(index + 1);
  Decoder& decoder = decoders_[index];
  if (decoder.known) return decoder;
  decoder.known = true;
  tep_event* const event = number < 0 || number >= event_numbers ? nullptr : tep_find_event(input.tep, number);
  if (event == nullptr) return decoder;
  decoder.event = event;
  decoder.stack = std::string_view(event->name) == "kernel_stack";
  for (const EventPattern& pattern : patterns_of(event->name)) {
    std::vector<Binding> bindings;
    bool fits = true;
    for (const PatternPart& part : pattern.parts) {
      if (!part.field) continue;
      tep_format_field* format = tep_find_any_field(event, std::string(part.kernel_field).c_str());
      fits = fits && format != nullptr;
      if (format != nullptr) bindings.push_back({*part.field, format});
    }
    if (!fits) continue;
    std::ranges::sort(bindings, {}, &Binding::field);
    decoder.row = static_cast<std::uint32_t>(pattern.row - trace_event_table.data());
    decoder.bindings = std::move(bindings);
    if (pattern.row->kind == TraceEventKind::lock_acquire) decoder.lock_flags = tep_find_any_field(event, "flags");
    break;
  }
  return decoder;
}

std::string_view Exporter::comm_of(tep_handle* tep, int pid) {
  const auto [known, fresh] = comms_.try_emplace(pid);
  const char* comm = fresh ? tep_data_comm_from_pid(tep, pid) : nullptr;
  if (comm != nullptr) known->second = comm;
  return known->second;
}

int Exporter::run(const std::string& path) {
  (void)tracecmd_set_loglevel(TEP_LOG_NONE);
  tracecmd_input* top = tracecmd_open(path.c_str(), TRACECMD_FL_LOAD_NO_PLUGINS | TRACECMD_FL_LOAD_NO_SYSTEM_PLUGINS);
  if (top == nullptr) {
    writer_.begin(MessageType::error);
    writer_.put_text("libtracecmd cannot open it as trace.dat: truncated, damaged, or of an unknown version");
    return finish();
  }
  std::vector<tracecmd_input*> inputs{top};
  for (int index = 0; index < tracecmd_buffer_instances(top); ++index) {
    tracecmd_input* instance = tracecmd_buffer_instance_handle(top, index);
    if (instance != nullptr) inputs.push_back(instance);
  }
  const char* clock = tracecmd_get_trace_clock == nullptr ? nullptr : tracecmd_get_trace_clock(top);
  if (clock != nullptr) {
    writer_.begin(MessageType::clock);
    writer_.put_text(clock);
    writer_.end();
  }
  const auto take = [](tracecmd_input* handle, tep_record* record, int, void* self) {
    auto& exporter = *static_cast<Exporter*>(self);
    exporter.write({tracecmd_get_tep(handle), record});
    return exporter.writer_.ok() ? 0 : -1;
  };
  (void)tracecmd_iterate_events_multi(inputs.data(), static_cast<int>(inputs.size()), take, this);
  writer_.begin(MessageType::end);
  return finish();
}

int Exporter::finish() {
  writer_.end();
  writer_.flush();
  return writer_.ok() ? 0 : 1;
}

void Exporter::write(const Input& input) {
  tep_record* record = input.record;
  if (record->missed_events != 0) {
    const auto cpu = static_cast<std::uint32_t>(record->cpu);
    const std::uint64_t count = record->missed_events > 0 ? static_cast<std::uint64_t>(record->missed_events) : 1;
    writer_.begin(MessageType::loss);
    writer_.put(cpu);
    writer_.put(count);
    writer_.end();
  }
  const Decoder& decoder = decoder_of(input);
  const bool other = decoder.row >= trace_event_table.size();
  TraceMessage message;
  message.time = record->ts;
  message.row = decoder.row;
  message.cpu = static_cast<std::uint32_t>(record->cpu);
  if (other && !decoder.stack) {
    writer_.begin(MessageType::other);
    writer_.put(message);
    return writer_.end();
  }
  const int pid = tep_data_pid(input.tep, record);
  const std::string_view name = comm_of(input.tep, pid);
  constexpr int in_interrupt = TRACE_FLAG_HARDIRQ | TRACE_FLAG_SOFTIRQ;
  const bool interrupt = pid == 0 || name.starts_with("ksoftirqd/") || name.starts_with("ktimers/") ||
                         (tep_data_flags(input.tep, record) & in_interrupt) != 0;
  message.pid = static_cast<std::uint32_t>(pid);
  message.interrupt = interrupt ? 1 : 0;
  if (decoder.stack) return write_stack(input, message);
  for (const Binding& binding : decoder.bindings) message.present |= 1U << static_cast<unsigned>(binding.field);
  writer_.begin(MessageType::event);
  writer_.put(message);
  writer_.put_text(name);
  for (const Binding& binding : decoder.bindings) {
    if (is_number(binding.field)) {
      unsigned long long number = 0;
      (void)tep_read_number_field(binding.format, record->data, &number);
      writer_.put(std::uint64_t{number});
    } else {
      write_word(input, binding, decoder);
    }
  }
  writer_.end();
}

// Texts as they are, addresses of functions by name, other numbers in decimal.
void Exporter::write_word(const Input& input, const Binding& binding, const Decoder& decoder) {
  unsigned long long number = 0;
  if (is_text(binding.format)) {
    int size = 0;
    const auto* text = static_cast<const char*>(
        tep_get_field_raw(nullptr, binding.format->event, binding.format->name, input.record, &size, 0));
    word_.assign(text == nullptr ? "" : text, text == nullptr ? 0 : strnlen(text, static_cast<std::size_t>(size)));
    if (decoder.lock_flags != nullptr) {
      (void)tep_read_number_field(decoder.lock_flags, input.record->data, &number);
      word_.insert(0, std::string((number & 1U) != 0 ? "try " : "") + ((number & 2U) != 0 ? "read " : ""));
    }
    return writer_.put_text(word_);
  }
  (void)tep_read_number_field(binding.format, input.record->data, &number);
  const char* function = binding.field == TraceField::function ? tep_find_function(input.tep, number) : nullptr;
  word_ = function != nullptr ? function : std::to_string(number);
  writer_.put_text(word_);
}

void Exporter::write_stack(const Input& input, TraceMessage message) {
  tep_event* const event = decoder_of(input).event;
  int size = 0;
  const auto* caller =
      static_cast<const unsigned char*>(tep_get_field_raw(nullptr, event, "caller", input.record, &size, 0));
  const auto wide = static_cast<std::size_t>(tep_get_long_size(input.tep));
  std::vector<std::string> frames;
  const auto* end = static_cast<const unsigned char*>(input.record->data) + input.record->size;
  for (; caller != nullptr && caller + wide <= end; caller += wide) {
    const unsigned long long address = tep_read_number(input.tep, caller, static_cast<int>(wide));
    if (address == ~0ULL || address == 0 || (wide == 4 && address == 0xffffffffU)) break;
    const char* function = tep_find_function(input.tep, address);
    frames.emplace_back(function != nullptr ? function : "?");
  }
  const auto count = static_cast<std::uint32_t>(frames.size());
  writer_.begin(MessageType::stack);
  writer_.put(message);
  writer_.put(count);
  for (const std::string& frame : frames) writer_.put_text(frame);
  writer_.end();
}

}  // namespace

int write_trace_dat(const std::string& path, int to) { return Exporter(to).run(path); }

}  // namespace fencecheck
