// Packet by packet; events by the names of their fields, whether compiled in or described in the trace.
#include "graph/input/read_perfetto.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/unknown_field_set.h>
#include <perfetto_subset.pb.h>

#include <algorithm>
#include <boost/iostreams/filter/zlib.hpp>
#include <boost/iostreams/filter/zstd.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <map>
#include <set>
#include <sstream>

namespace fencecheck {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

constexpr std::uint32_t packet_limit = 512U << 20U;  // bytes
constexpr int in_interrupt = 0x08 | 0x10;            // TRACE_FLAG_HARDIRQ, TRACE_FLAG_SOFTIRQ

// A field of an event, whatever described it.
struct Value {
  bool is_text = false;
  std::uint64_t number = 0;
  std::string text;
};
using Values = std::map<std::string, Value, std::less<>>;

// An event that the trace itself describes.
struct Described {
  std::string name;
  std::map<int, std::pair<std::string, bool>> fields;  // by number: name, and whether it is a text
};

Value value_of(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return {true, 0, reflection.GetString(message, &field)};
    case FieldDescriptor::CPPTYPE_INT32:
      return {false, static_cast<std::uint64_t>(reflection.GetInt32(message, &field)), {}};
    case FieldDescriptor::CPPTYPE_INT64:
      return {false, static_cast<std::uint64_t>(reflection.GetInt64(message, &field)), {}};
    case FieldDescriptor::CPPTYPE_UINT32:
      return {false, reflection.GetUInt32(message, &field), {}};
    default:
      return {false, reflection.GetUInt64(message, &field), {}};
  }
}

Values values_of(const Message& message) {
  Values values;
  for (int index = 0; index < message.GetDescriptor()->field_count(); ++index) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(index);
    values.emplace(field.name(), value_of(message, field));
  }
  return values;
}

Values values_of(const perfetto::GenericFtraceEvent& event) {
  Values values;
  for (const auto& field : event.field()) {
    const bool is_text = field.has_str_value();
    const std::uint64_t number =
        field.has_int_value() ? static_cast<std::uint64_t>(field.int_value()) : field.uint_value();
    values[field.name()] = {is_text, number, field.str_value()};
  }
  return values;
}

// A field that the event lacks is 0 or empty.
Values values_of(const Described& event, const std::string& bytes) {
  Values values;
  for (const auto& [number, field] : event.fields) values[field.first] = {field.second, 0, {}};
  UnknownFieldSet fields;
  if (!fields.ParseFromString(bytes)) return values;
  for (int index = 0; index < fields.field_count(); ++index) {
    const UnknownField& field = fields.field(index);
    const auto known = event.fields.find(field.number());
    if (known == event.fields.end()) continue;
    Value& value = values[known->second.first];
    if (field.type() == UnknownField::TYPE_VARINT) value.number = field.varint();
    if (field.type() == UnknownField::TYPE_FIXED64) value.number = field.fixed64();
    if (field.type() == UnknownField::TYPE_FIXED32) value.number = field.fixed32();
    if (field.type() == UnknownField::TYPE_LENGTH_DELIMITED) value.text = field.length_delimited();
  }
  return values;
}

// Does it hold what no text does?
bool is_binary(std::string_view bytes) {
  return std::ranges::any_of(bytes, [](unsigned char c) { return c < 0x20 && (c < '\t' || c > '\r') && c != 0x1b; });
}

// Is it fields of a message, one after the other, as no text is? `cut`: the last of them may not be whole.
bool holds_fields(std::string_view bytes, bool cut) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  google::protobuf::io::CodedInputStream in(data, static_cast<int>(bytes.size()));
  for (std::uint32_t tag = in.ReadTag(); tag != 0; tag = in.ReadTag()) {
    if (tag >> 3U == 0) return false;
    std::uint32_t length = 0;
    std::uint64_t number = 0;
    const std::uint32_t wire = tag & 7U;
    const bool whole = wire == 0   ? in.ReadVarint64(&number)
                       : wire == 1 ? in.Skip(8)
                       : wire == 2
                           ? in.ReadVarint32(&length) && length <= packet_limit && in.Skip(static_cast<int>(length))
                           : wire == 5 && in.Skip(4);
    if (!whole) return cut && wire < 6 && wire != 3 && wire != 4 && is_binary(bytes);
  }
  return in.ConsumedEntireMessage() && is_binary(bytes);
}

}  // namespace

class PerfettoReader::Collector {
 public:
  Collector(PerfettoReader& reader, std::istream& in, Diagnostics& diagnostics)
      : reader_(reader), diagnostics_(diagnostics), file_(&in) {}
  // The next packet; false: there is none.
  bool read_packet();

 private:
  enum class Taken : std::uint8_t { packet, end, damaged };
  // What a compressed packet holds.
  struct Unpacked {
    template <class Filter>
    Unpacked(const std::string& bytes, Filter filter) : compressed(bytes) {
      plain.push(filter);
      plain.push(compressed);
    }
    std::istringstream compressed;
    boost::iostreams::filtering_istream plain;
    google::protobuf::io::IstreamInputStream stream{&plain};
  };

  Taken take_one(google::protobuf::io::ZeroCopyInputStream& in);
  void take_packet(const perfetto::TracePacket& packet);
  template <class Filter>
  void unpack(const std::string& bytes, Filter filter);
  void take_bundle(const perfetto::FtraceEventBundle& bundle);
  void take_statistics(const perfetto::FtraceStats& statistics);
  void take_event(const perfetto::FtraceEvent& event);
  void take_named(std::string_view name, const Values& values, const perfetto::FtraceEvent& event);
  void take_compact(const perfetto::FtraceEventBundle& bundle);
  void store(const Stored& stored);
  void lose(LossKind kind, std::uint64_t count);
  std::uint32_t intern(const std::string& name);

  PerfettoReader& reader_;
  Diagnostics& diagnostics_;
  google::protobuf::io::IstreamInputStream file_;
  std::deque<Unpacked> unpacked_;  // come before the rest of the file
  bool inside_ = false;            // the packet stands in a compressed one
  std::map<int, Described> described_;
  std::map<std::uint64_t, std::string> symbols_;
  std::map<std::string, std::uint32_t> ids_{{std::string{}, 0}};
  std::map<std::uint32_t, std::uint32_t> running_;      // pid on each CPU
  std::map<std::uint64_t, std::uint64_t> overwritten_;  // events of each CPU's buffer, as told last
};

bool is_perfetto(std::string_view beginning) {
  // Packet 1, length-delimited; its length; and then fields of TracePacket.
  if (beginning.size() < 4 || beginning[0] != '\x0a') return false;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(beginning.data()),
                                            static_cast<int>(std::min<std::size_t>(beginning.size(), 64)));
  std::uint32_t size = 0;
  if (in.ReadTag() != 0x0a || !in.ReadVarint32(&size) || size == 0 || size > packet_limit) return false;
  const auto header = static_cast<std::size_t>(in.CurrentPosition());
  return holds_fields(beginning.substr(header, size), beginning.size() - header < size);
}

bool PerfettoReader::Collector::read_packet() {
  if (reader_.stop_.now(reader_.facts_, reader_.losses_)) return false;
  inside_ = !unpacked_.empty();
  if (inside_) {
    const Taken taken = take_one(unpacked_.front().stream);
    if (taken == Taken::packet) return true;
    if (taken == Taken::damaged || unpacked_.front().plain.bad()) lose(LossKind::malformed_line, 1);
    unpacked_.pop_front();
    return true;
  }
  const Taken taken = take_one(file_);
  if (taken == Taken::damaged) {
    if (reader_.facts_.events == 0)
      diagnostics_.error({}, "truncated or damaged: not a Perfetto trace");
    else
      lose(LossKind::cut_short, 1);
  }
  return taken == Taken::packet;
}

PerfettoReader::Collector::Taken PerfettoReader::Collector::take_one(google::protobuf::io::ZeroCopyInputStream& in) {
  google::protobuf::io::CodedInputStream coded(&in);  // a new one for each packet: each reads 2 GiB at most
  const std::uint32_t tag = coded.ReadTag();
  if (tag == 0) return coded.ConsumedEntireMessage() ? Taken::end : Taken::damaged;
  std::uint32_t size = 0;
  if (tag != 0x0a || !coded.ReadVarint32(&size) || size > packet_limit) return Taken::damaged;
  const auto limit = coded.PushLimit(static_cast<int>(size));
  perfetto::TracePacket packet;
  if (!packet.ParseFromCodedStream(&coded) || coded.BytesUntilLimit() != 0) return Taken::damaged;
  coded.PopLimit(limit);
  take_packet(packet);
  return Taken::packet;
}

// Perfetto compresses once: a bomb of packets within packets is damage.
template <class Filter>
void PerfettoReader::Collector::unpack(const std::string& bytes, Filter filter) {
  if (inside_) return lose(LossKind::malformed_line, 1);
  unpacked_.emplace_back(bytes, filter);
}

void PerfettoReader::Collector::take_packet(const perfetto::TracePacket& packet) {
  if (packet.has_compressed_packets()) {
    unpack(packet.compressed_packets(), boost::iostreams::zlib_decompressor());
  }
  if (packet.has_zstd_compressed_packets()) {
    unpack(packet.zstd_compressed_packets(), boost::iostreams::zstd_decompressor());
  }
  for (const auto& symbol : packet.interned_data().kernel_symbols()) symbols_[symbol.iid()] = symbol.str();
  for (const auto& process : packet.process_tree().processes()) {
    if (process.cmdline_size() == 0) continue;
    const std::string& path = process.cmdline(0);
    reader_.comms_.emplace(static_cast<std::uint32_t>(process.pid()), path.substr(path.rfind('/') + 1));
  }
  for (const auto& thread : packet.process_tree().threads()) {
    if (!thread.name().empty()) reader_.comms_[static_cast<std::uint32_t>(thread.tid())] = thread.name();
  }
  if (packet.has_ftrace_events()) take_bundle(packet.ftrace_events());
  take_statistics(packet.ftrace_stats());
}

// Buffers count from when they were made, so that it is the difference that was lost.
void PerfettoReader::Collector::take_statistics(const perfetto::FtraceStats& statistics) {
  for (const auto& cpu : statistics.cpu_stats()) {
    const std::uint64_t lost = cpu.overrun() + cpu.commit_overrun() + cpu.dropped_events();
    std::uint64_t& before = overwritten_[cpu.cpu()];
    if (statistics.phase() == perfetto::FtraceStats::END_OF_TRACE && lost > before)
      lose(LossKind::overwritten, lost - before);
    before = lost;
  }
}

void PerfettoReader::Collector::take_bundle(const perfetto::FtraceEventBundle& bundle) {
  for (const auto& each : bundle.generic_event_descriptors()) {
    google::protobuf::DescriptorProto descriptor;
    if (!descriptor.ParseFromString(each.event_descriptor())) continue;
    Described described;
    described.name = descriptor.name();
    for (const auto& field : descriptor.field()) {
      const bool is_text = field.type() == google::protobuf::FieldDescriptorProto::TYPE_STRING;
      described.fields[field.number()] = {field.name(), is_text};
    }
    described_[each.field_id()] = std::move(described);
  }
  // FtraceClock; the clock "boot" is not mentioned.
  constexpr auto clocks = std::to_array<std::string_view>({"boot", "", "global", "local", "mono_raw"});
  const auto clock = static_cast<std::size_t>(bundle.ftrace_clock());
  reader_.facts_.clock = clock < clocks.size() ? clocks.at(clock) : "";
  if (bundle.lost_events()) lose(LossKind::lost_events, 1);
  for (const auto& event : bundle.event()) take_event(event);
  take_compact(bundle);
}

void PerfettoReader::Collector::take_event(const perfetto::FtraceEvent& event) {
  const auto* oneof = perfetto::FtraceEvent::descriptor()->FindOneofByName("event");
  const Reflection& reflection = *event.GetReflection();
  if (event.has_generic()) return take_named(event.generic().event_name(), values_of(event.generic()), event);
  if (const FieldDescriptor* field = reflection.GetOneofFieldDescriptor(event, oneof)) {
    return take_named(field->name(), values_of(reflection.GetMessage(event, field)), event);
  }
  const UnknownFieldSet& unknown = reflection.GetUnknownFields(event);
  for (int index = 0; index < unknown.field_count(); ++index) {
    const auto known = described_.find(unknown.field(index).number());
    if (known == described_.end() || unknown.field(index).type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    return take_named(known->second.name, values_of(known->second, unknown.field(index).length_delimited()), event);
  }
  lose(LossKind::other_event, 1);
}

// The first row of the event whose fields are there.
void PerfettoReader::Collector::take_named(std::string_view name, const Values& values,
                                           const perfetto::FtraceEvent& event) {
  for (const EventPattern& pattern : patterns_of(name)) {
    const bool fits = std::ranges::all_of(
        pattern.parts, [&](const PatternPart& part) { return !part.field || values.contains(part.kernel_field); });
    if (!fits) continue;
    Stored stored;
    stored.time = event.timestamp();
    stored.row = static_cast<std::uint32_t>(pattern.row - trace_event_table.data());
    stored.pid = event.pid();
    stored.interrupt = (event.common_flags() & in_interrupt) != 0;
    for (const PatternPart& part : pattern.parts) {
      if (!part.field) continue;
      const Value& value = values.find(part.kernel_field)->second;
      const auto index = static_cast<std::size_t>(*part.field);
      stored.present |= 1U << index;
      if (is_number(*part.field)) {
        stored.numbers.at(index) = value.number;
        continue;
      }
      const auto symbol = value.is_text ? symbols_.end() : symbols_.find(value.number);
      const std::string text = value.is_text              ? value.text
                               : symbol != symbols_.end() ? symbol->second
                                                          : std::to_string(value.number);
      stored.words.at(index - trace_numbers) = intern(text);
    }
    return store(stored);
  }
  lose(LossKind::other_event, 1);
}

// Switches and wakings in columns, times as differences. Who woke a task is who
// ran on the CPU at that time, as far as that is known.
void PerfettoReader::Collector::take_compact(const perfetto::FtraceEventBundle& bundle) {
  const auto& sched = bundle.compact_sched();
  const auto row_of = [](std::string_view id) {
    return static_cast<std::uint32_t>(patterns_of(id).front().row - trace_event_table.data());
  };
  constexpr auto pid_index = static_cast<std::size_t>(TraceField::pid);
  constexpr auto state_index = static_cast<std::size_t>(TraceField::state);
  int waking = 0;
  std::uint64_t waking_time = sched.waking_timestamp_size() > 0 ? sched.waking_timestamp(0) : 0;
  const auto take_wakings = [&](std::uint64_t until) {
    while (waking < sched.waking_timestamp_size() && waking_time <= until) {
      const auto waker = running_.find(bundle.cpu());
      const bool flagged =
          waking < sched.waking_common_flags_size() && (sched.waking_common_flags(waking) & in_interrupt) != 0;
      if (waker != running_.end() && waking < sched.waking_pid_size()) {
        Stored stored;
        stored.time = waking_time;
        stored.row = row_of("sched_waking");
        stored.pid = waker->second;
        stored.interrupt = flagged || waker->second == 0;
        stored.present = 1U << pid_index;
        stored.numbers.at(pid_index) = static_cast<std::uint64_t>(sched.waking_pid(waking));
        store(stored);
      }
      ++waking;
      if (waking < sched.waking_timestamp_size()) waking_time += sched.waking_timestamp(waking);
    }
  };
  std::uint64_t time = 0;
  const int switches =
      std::min({sched.switch_timestamp_size(), sched.switch_next_pid_size(), sched.switch_prev_state_size()});
  for (int index = 0; index < switches; ++index) {
    time += sched.switch_timestamp(index);
    take_wakings(time);
    const auto before = running_.find(bundle.cpu());
    if (before != running_.end()) {
      Stored stored;
      stored.time = time;
      stored.row = row_of("sched_switch");
      stored.pid = before->second;
      stored.present = (1U << pid_index) | (1U << state_index);
      stored.numbers.at(pid_index) = before->second;
      stored.words.at(state_index - trace_numbers) = intern(std::to_string(sched.switch_prev_state(index)));
      store(stored);
    }
    const auto next = static_cast<std::uint32_t>(sched.switch_next_pid(index));
    running_[bundle.cpu()] = next;
    if (index < sched.switch_next_comm_index_size()) {
      const auto comm = static_cast<int>(sched.switch_next_comm_index(index));
      if (comm < sched.intern_table_size()) reader_.comms_.emplace(next, sched.intern_table(comm));
    }
  }
  take_wakings(~std::uint64_t{0});
}

// What is older than what was handed on comes too late, and is lost.
void PerfettoReader::Collector::store(const Stored& stored) {
  TraceFacts& facts = reader_.facts_;
  ++facts.events;
  if (facts.last_line != 0 && stored.time < facts.last_time) {
    return reader_.losses_.add(LossKind::unordered, 1, {facts.last_line, 0, 1}, {0, facts.last_line}, facts);
  }
  reader_.hold(stored);
}

void PerfettoReader::Collector::lose(LossKind kind, std::uint64_t count) {
  constexpr auto everywhere = ~std::uint32_t{0};  // events that are held back have no line yet
  reader_.losses_.add(kind, count, {}, {0, everywhere}, reader_.facts_);
  if (kind == LossKind::other_event) ++reader_.facts_.events;
}

std::uint32_t PerfettoReader::Collector::intern(const std::string& name) {
  const auto [known, added] = ids_.emplace(name, static_cast<std::uint32_t>(reader_.names_.size()));
  if (added) reader_.names_.push_back(name);
  return known->second;
}

PerfettoReader::PerfettoReader(std::istream& in, Diagnostics& diagnostics, AskToStop ask, std::size_t window)
    : diagnostics_(diagnostics),
      stop_(std::move(ask)),
      window_(window),
      collector_(std::make_unique<Collector>(*this, in, diagnostics)) {}

PerfettoReader::~PerfettoReader() = default;

void PerfettoReader::hold(const Stored& stored) {
  auto place = static_cast<std::uint32_t>(held_.size());
  if (free_.empty()) {
    held_.push_back(stored);
  } else {
    place = free_.back();
    free_.pop_back();
    held_[place] = stored;
  }
  queue_.push({stored.time, arrived_++, place});
}

bool PerfettoReader::next(TraceRecord& record) {
  while (collector_ && queue_.size() <= window_) {
    if (!collector_->read_packet()) collector_.reset();
  }
  if (queue_.empty() || stop_.after_event(facts_, losses_)) {
    finish();
    return false;
  }
  const std::uint32_t place = queue_.top().place;
  queue_.pop();
  free_.push_back(place);
  hand_on(held_[place], record);
  return true;
}

void PerfettoReader::hand_on(const Stored& stored, TraceRecord& record) {
  record = {};
  record.row = &trace_event_table.at(stored.row);
  record.kind = record.row->kind;
  record.numbers = stored.numbers;
  for (std::size_t index = 0; index < trace_words; ++index) record.words.at(index) = names_.at(stored.words.at(index));
  record.present = stored.present;
  const auto comm = comms_.find(stored.pid);
  if (comm != comms_.end()) record.comm = comm->second;
  record.context = stored.interrupt || stored.pid == 0 ? TraceContext::interrupt : TraceContext::task;
  record.pid = stored.pid;
  record.time = stored.time;
  if (facts_.last_line == 0) facts_.first_time = stored.time;
  facts_.last_time = stored.time;
  record.line = ++facts_.last_line;
}

void PerfettoReader::finish() {
  if (facts_.events == 0 && facts_.stopped.empty() && diagnostics_.ok()) {
    diagnostics_.error({}, "a Perfetto trace without ftrace events: record with the data source linux.ftrace");
  }
  facts_.losses = losses_.all();
}

}  // namespace fencecheck
