// The CPUs of a file, merged, and their events' fields by name.
#include "graph/input/read_trace_dat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fencecheck {
namespace {

constexpr std::string_view stack_event = "kernel_stack";
constexpr std::size_t windows_bytes = std::size_t{16} << 20U;  // of all CPUs
constexpr std::uint32_t event_numbers = 65'536;                // common_type has 16 bits
constexpr std::uint64_t in_interrupt = 0x18;                   // TRACE_FLAG_HARDIRQ, TRACE_FLAG_SOFTIRQ

const EventField* find(const std::vector<EventField>& fields, std::string_view name) {
  const auto field = std::ranges::find(fields, name, &EventField::name);
  return field == fields.end() ? nullptr : &*field;
}

std::uint32_t end_of(const EventField& field) {
  constexpr std::uint32_t limit = 1U << 20U;
  return std::min(field.offset, limit) + std::min(field.size, limit);
}

}  // namespace

bool is_trace_dat(std::string_view beginning) {
  return beginning.starts_with(std::string_view("\x17\x08\x44tracing", 10));
}

TraceDatReader::TraceDatReader(const std::string& path, Diagnostics& diagnostics, AskToStop ask)
    : diagnostics_(diagnostics), stop_(std::move(ask)) {
  try {
    open(path);
  } catch (const BadTraceDat& bad) {
    fail(bad.what);
  }
}

void TraceDatReader::open(const std::string& path) {
  file_ = std::make_unique<TraceDatFile>(
      path, [](std::string_view event) { return event == stack_event || !patterns_of(event).empty(); });
  facts_.clock = file_->clock();
  facts_.timed = !file_->counts();
  if (file_->overwritten() != 0) losses_.add(LossKind::overwritten, file_->overwritten(), {}, {0, 1}, facts_);
  bind_common();
  for (const EventFormat& format : file_->formats()) add_decoder(format);
  std::size_t cpus = 1;
  for (const TraceDatBuffer& buffer : file_->buffers()) cpus += buffer.cpus.size();
  const std::size_t window = std::min(window_bytes, windows_bytes / cpus);
  for (const TraceDatBuffer& buffer : file_->buffers()) {
    for (const TraceDatCpu& cpu : buffer.cpus) {
      if (cpu.size == 0) continue;
      bytes_ += cpu.size;
      parts_.push_back({CpuEvents(*file_, buffer, cpu, window)});
    }
  }
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    if (!parts_[part].events.next()) {
      note_losses(parts_[part]);
    } else {
      heap_.push_back(part);
    }
  }
  std::ranges::sort(heap_, [&](std::size_t one, std::size_t other) { return earlier(one, other); });
}

void TraceDatReader::bind_common() {
  const std::vector<EventField> fields = fields_of(file_->any_format().text);
  const auto bind = [&](std::string_view name, EventField& field) {
    const EventField* found = find(fields, name);
    if (found == nullptr) throw BadTraceDat{fmt::format("damaged: events have no field {}", name)};
    field = *found;
    field.name = {};
    common_ = std::max(common_, end_of(field));
  };
  bind("common_type", type_);
  bind("common_flags", flags_);
  bind("common_pid", pid_);
}

// The first row of the event whose fields this kernel has.
void TraceDatReader::add_decoder(const EventFormat& format) {
  if (format.number >= event_numbers) return;
  if (format.number >= decoders_.size()) decoders_.resize(format.number + 1);
  Decoder& decoder = decoders_[format.number];
  if (decoder.format != nullptr) return;
  decoder.format = &format;
  const std::vector<EventField> fields = fields_of(format.text);
  if (format.name == stack_event) {
    const EventField* caller = find(fields, "caller");
    decoder.stack = caller != nullptr;
    if (decoder.stack) decoder.caller = *caller;
    return;
  }
  for (const EventPattern& pattern : patterns_of(format.name))
    if (fill(decoder, pattern, fields)) return;
}

bool TraceDatReader::fill(Decoder& decoder, const EventPattern& pattern, const std::vector<EventField>& fields) const {
  std::vector<Binding> bindings;
  for (const PatternPart& part : pattern.parts) {
    if (!part.field) continue;
    const EventField* field = find(fields, part.kernel_field);
    if (field == nullptr) return false;
    bindings.push_back({*part.field, *field});
  }
  std::ranges::sort(bindings, {}, &Binding::field);
  decoder.row = pattern.row;
  for (const Binding& binding : bindings) decoder.least = std::max(decoder.least, end_of(binding.from));
  const EventField* flags = find(fields, "flags");
  if (pattern.row->kind == TraceEventKind::lock_acquire && flags != nullptr) {
    decoder.lock_flags = *flags;
    decoder.least = std::max(decoder.least, end_of(*flags));
  }
  decoder.bindings = std::move(bindings);
  return true;
}

bool TraceDatReader::next(TraceRecord& record) {
  try {
    while (!done_)
      if (step(record)) return true;
  } catch (const BadTraceDat& bad) {
    fail(bad.what);
  }
  return false;
}

// To the next event of all; true if it is understood.
bool TraceDatReader::step(TraceRecord& record) {
  if (taken_) {
    Part& part = parts_[heap_.front()];
    taken_ = false;
    const std::uint64_t before = part.events.time();
    if (!part.events.next()) {
      note_losses(part);
      heap_.front() = heap_.back();
      heap_.pop_back();
    } else if (part.events.time() < before) {
      const auto line = static_cast<std::uint32_t>(facts_.events + 1);
      losses_.add(LossKind::clock_went_back, 1, {line, 0, 1}, {part.last, line}, facts_);
    }
    settle();
  }
  if (heap_.empty()) {
    finish();
    return false;
  }
  Part& part = parts_[heap_.front()];
  taken_ = true;
  note_losses(part);
  count(part);
  return take(part, record);
}

bool TraceDatReader::earlier(std::size_t one, std::size_t other) const {
  const std::uint64_t time = parts_[one].events.time();
  const std::uint64_t other_time = parts_[other].events.time();
  return time != other_time ? time < other_time : one < other;
}

// Moves the first part of the heap down to where it belongs.
void TraceDatReader::settle() {
  for (std::size_t at = 0;;) {
    std::size_t first = at;
    for (const std::size_t child : {2 * at + 1, 2 * at + 2})
      if (child < heap_.size() && earlier(heap_[child], heap_[first])) first = child;
    if (first == at) return;
    std::swap(heap_[at], heap_[first]);
    at = first;
  }
}

void TraceDatReader::note_losses(Part& part) {
  const auto line = static_cast<std::uint32_t>(facts_.events + 1);
  if (const std::uint64_t lost = part.events.take_lost(); lost != 0)
    losses_.add(LossKind::lost_events, lost, {line, 0, 1}, {part.last, line}, facts_);
  if (const std::uint64_t damaged = part.events.take_damaged(); damaged != 0)
    losses_.add(LossKind::damaged, damaged, {line, 0, 1}, {part.last, line}, facts_);
}

void TraceDatReader::count(Part& part) {
  const std::uint64_t time = part.events.time();
  const auto line = static_cast<std::uint32_t>(++facts_.events);
  if (facts_.last_line == 0) facts_.first_time = time;
  facts_.last_time = time;
  facts_.last_line = line;
  part.last = line;
  constexpr std::uint64_t events_between_figures = 4096;
  if (facts_.events % events_between_figures == 0) {
    std::uint64_t read = 0;
    for (const Part& each : parts_) read += each.events.bytes_read();
    facts_.part_read = static_cast<double>(read) / static_cast<double>(bytes_);
  }
  done_ = stop_.after_event(facts_, losses_);
}

bool TraceDatReader::take(Part& part, TraceRecord& record) {
  const std::string_view event = part.events.event();
  const std::uint64_t type = event.size() < common_ ? event_numbers : number(type_, event);
  const Decoder* decoder = type < decoders_.size() ? &decoders_[type] : nullptr;
  if (decoder == nullptr || (decoder->row == nullptr && !decoder->stack)) {
    losses_.add(LossKind::other_event, 1, {facts_.last_line, 0, 1}, {}, facts_);
    return false;
  }
  record.row = decoder->row;
  record.kind = decoder->stack ? TraceEventKind::stack : decoder->row->kind;
  record.line = facts_.last_line;
  record.pid = static_cast<std::uint32_t>(number(pid_, event));
  record.comm = {};
  record.time = facts_.last_time;
  record.clear_fields();
  record.frames.clear();
  record.text = {};
  const Task& current = task(record.pid);
  const bool interrupt = record.pid == 0 || current.softirq || (number(flags_, event) & in_interrupt) != 0;
  record.context = interrupt ? TraceContext::interrupt : TraceContext::task;
  if (decoder->stack) {
    take_stack(*decoder, event, record);
    return true;
  }
  record.comm = current.comm;
  if (take_fields(*decoder, event, record)) return true;
  losses_.add(LossKind::damaged, 1, {facts_.last_line, 0, 1}, {facts_.last_line, facts_.last_line}, facts_);
  return false;
}

bool TraceDatReader::take_fields(const Decoder& decoder, std::string_view event, TraceRecord& record) {
  if (event.size() < decoder.least) return false;
  for (const Binding& binding : decoder.bindings) {
    if (is_number(binding.field)) {
      record.set(binding.field, number(binding.from, event));
    } else if (!take_word(decoder, binding, event, record)) {
      return false;
    }
  }
  return true;
}

// Texts as they are, addresses of functions by name, other numbers in decimal.
bool TraceDatReader::take_word(const Decoder& decoder, const Binding& binding, std::string_view event,
                               TraceRecord& record) {
  const EventField& from = binding.from;
  if (from.characters) {
    std::string_view text = event.substr(from.offset, from.size);
    if (from.kind != EventField::Kind::text) {  // where it lies: the place, then the size
      const std::uint64_t place = number(from, event);
      const std::uint64_t begin = (place & 0xffffU) + (from.kind == EventField::Kind::relative ? end_of(from) : 0);
      if (begin > event.size()) return false;
      text = event.substr(begin, place >> 16U);
    }
    text = text.substr(0, strnlen(text.data(), text.size()));
    if (decoder.lock_flags.size != 0) {
      const std::uint64_t flags = number(decoder.lock_flags, event);
      lock_name_ = (flags & 1U) != 0 ? "try " : "";
      lock_name_ += (flags & 2U) != 0 ? "read " : "";
      lock_name_ += text;
      text = lock_name_;
    }
    record.set(binding.field, text);
    return true;
  }
  const std::uint64_t value = number(from, event);
  if (binding.field == TraceField::function) {
    if (const std::string_view function = file_->symbols().function(value); !function.empty()) {
      record.set(binding.field, function);
      return true;
    }
  }
  auto& digits = decimals_.at(static_cast<std::size_t>(binding.field) - trace_numbers);
  const auto [end, wrong] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  record.set(binding.field, std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  return wrong == std::errc{};
}

// Addresses, innermost first, up to a stand-in for the end.
void TraceDatReader::take_stack(const Decoder& decoder, std::string_view event, TraceRecord& record) {
  const std::size_t wide = file_->long_size();
  const std::uint64_t end = wide == 4 ? 0xffffffffU : ~std::uint64_t{0};
  for (std::size_t at = decoder.caller.offset; at <= event.size() && event.size() - at >= wide; at += wide) {
    const std::uint64_t address = file_->order().load(event.data() + at, wide);
    if (address == end || address == 0) break;
    const std::string_view function = file_->symbols().function(address);
    record.frames.push_back(function.empty() ? std::string_view("?") : function);
  }
}

// Requires that the event reaches so far.
std::uint64_t TraceDatReader::number(const EventField& field, std::string_view event) const {
  return file_->order().load(event.data() + field.offset, field.size);
}

const TraceDatReader::Task& TraceDatReader::task(std::uint32_t pid) {
  const auto [known, fresh] = tasks_.try_emplace(pid);
  if (fresh) {
    const auto comm = file_->comms().find(pid);
    known->second.comm = comm != file_->comms().end() ? std::string_view(comm->second) : pid == 0 ? "<idle>" : "<...>";
    known->second.softirq = known->second.comm.starts_with("ksoftirqd/") || known->second.comm.starts_with("ktimers/");
  }
  return known->second;
}

void TraceDatReader::finish() {
  done_ = true;
  if (!facts_.stopped.empty()) return;
  if (facts_.events == 0) losses_.add(LossKind::cut_short, 1, {}, {}, facts_);
  facts_.losses = losses_.all();
}

void TraceDatReader::fail(std::string what) {
  done_ = true;
  heap_.clear();
  diagnostics_.error({}, "not a whole trace.dat: " + std::move(what));
}

}  // namespace fencecheck
