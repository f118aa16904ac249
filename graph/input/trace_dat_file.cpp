// Both layouts, read with the same pieces.
#include "graph/input/trace_dat_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/iostreams/device/array.hpp>
#include <boost/iostreams/filter/zlib.hpp>
#include <boost/iostreams/filter/zstd.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <set>

namespace fencecheck {
namespace {

namespace io = boost::iostreams;

constexpr std::uint32_t largest_page = 16U << 20U;  // bytes of a sub-buffer
constexpr std::uint32_t most_cpus = 65'536;
constexpr std::uint64_t largest_unpacked = std::uint64_t{1} << 28U;  // bytes of a section, or of a chunk

enum OptionNumber : std::uint16_t {
  option_done = 0,
  option_date = 1,
  option_statistics = 2,
  option_buffer = 3,
  option_clock = 4,
  option_offset = 7,
  option_cpus = 8,
  option_tsc = 14,
  option_header = 16,
  option_ftrace_events = 17,
  option_formats = 18,
  option_symbols = 19,
  option_comms = 21,
};
constexpr std::uint16_t section_compressed = 1;

[[noreturn]] void fail(std::string what) { throw BadTraceDat{std::move(what)}; }

std::optional<std::uint32_t> parse_unsigned(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  return wrong == std::errc{} ? std::optional(number) : std::nullopt;
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto begin = std::min(text.find_first_not_of(blanks), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

// What stands behind `title` in a line: "offset:8;" has 8.
std::string_view behind(std::string_view line, std::string_view title) {
  const auto at = line.find(title);
  return at == std::string_view::npos ? std::string_view{} : without_blanks(line.substr(at + title.size()));
}

std::string_view behind_in_format(std::string_view format, std::string_view title) {
  const std::string_view rest = behind(format, title);
  return without_blanks(rest.substr(0, rest.find('\n')));
}

// Decimal, or hexadecimal behind 0x, with a sign or without one: what strtoll() reads. Modulo 2^64.
std::uint64_t parse_offset(std::string_view text) {
  text = without_blanks(text.substr(0, text.find('\0')));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number, hexadecimal ? 16 : 10);
  return negative ? 0 - number : number;
}

}  // namespace

ByteFile::ByteFile(const std::string& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (file_ < 0 || fstat(file_, &status) != 0) fail(fmt::format("cannot be read: {}", std::strerror(errno)));
  size_ = static_cast<std::uint64_t>(status.st_size);
}

ByteFile::~ByteFile() {
  if (file_ >= 0) close(file_);
}

void ByteFile::read(std::uint64_t offset, char* to, std::size_t size) const {
  while (size > 0) {
    const ssize_t got = pread(file_, to, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(fmt::format("cannot be read: {}", std::strerror(errno)));
    if (got == 0) fail("truncated while it was read");
    to += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
}

std::string_view FileWindow::view(std::uint64_t offset, std::uint64_t size) {
  if (offset < begin_ || size > bytes_.size() || offset - begin_ > bytes_.size() - size) {
    if (size > file_->size() || offset > file_->size() - size)
      fail(fmt::format("truncated: {} bytes belong at byte {}, and the file has {}", size, offset, file_->size()));
    const std::uint64_t most = file_->size() - offset;
    bytes_.resize(static_cast<std::size_t>(std::min(std::max<std::uint64_t>(size, size_), most)));
    begin_ = offset;
    file_->read(offset, bytes_.data(), bytes_.size());
  }
  return std::string_view(bytes_).substr(static_cast<std::size_t>(offset - begin_), static_cast<std::size_t>(size));
}

std::uint64_t ByteOrder::load(const char* at, std::size_t size) const {
  const auto load_as = [&]<class Number>(Number number) -> std::uint64_t {
    std::memcpy(&number, at, sizeof number);
    if (!big) return number;
    std::uint64_t turned = 0;
    for (std::size_t byte = 0; byte < sizeof number; ++byte)
      turned = turned << 8U | (std::uint64_t{number} >> 8U * byte & 0xffU);
    return turned;
  };
  switch (size) {
    case 1:
      return load_as(std::uint8_t{});
    case 2:
      return load_as(std::uint16_t{});
    case 4:
      return load_as(std::uint32_t{});
    case 8:
      return load_as(std::uint64_t{});
    default:
      return 0;
  }
}

// " field:__data_loc char[] driver; offset:8; size:4; signed:1;"
std::vector<EventField> fields_of(std::string_view format) {
  std::vector<EventField> fields;
  while (!format.empty()) {
    const auto end = format.find('\n');
    const std::string_view line = without_blanks(format.substr(0, end));
    format.remove_prefix(end == std::string_view::npos ? format.size() : end + 1);
    if (!line.starts_with("field:")) continue;
    std::string_view declared = line.substr(6);
    declared = without_blanks(declared.substr(0, declared.find(';')));
    const auto offset = parse_unsigned(behind(line, "offset:"));
    const auto size = parse_unsigned(behind(line, "size:"));
    if (!offset || !size || declared.empty()) continue;
    const bool array = declared.find('[') != std::string_view::npos;
    std::string_view name = declared;
    if (name.ends_with(']')) name = without_blanks(name.substr(0, name.rfind('[')));
    name.remove_prefix(name.find_last_of(" \t*") + 1);
    EventField field{name, EventField::Kind::number, false, *offset, *size};
    const std::string_view type = declared.substr(0, static_cast<std::size_t>(name.data() - declared.data()));
    const auto is_of = [&](std::string_view word) { return type.find(word) != std::string_view::npos; };
    field.characters = array && (is_of("char") || is_of("u8") || is_of("s8"));
    if (is_of("__data_loc")) {
      field.kind = EventField::Kind::located;
    } else if (is_of("__rel_loc")) {
      field.kind = EventField::Kind::relative;
    } else if (field.characters) {
      field.kind = EventField::Kind::text;
    }
    fields.push_back(field);
  }
  return fields;
}

std::string decompress(Compression compression, std::string_view packed, std::uint64_t unpacked) {
  if (unpacked > largest_unpacked) fail(fmt::format("damaged: a piece of {} bytes, unpacked", unpacked));
  io::filtering_istream stream;
  if (compression == Compression::zstd) stream.push(io::zstd_decompressor());
  if (compression == Compression::zlib) stream.push(io::zlib_decompressor());
  stream.push(io::array_source(packed.data(), packed.size()));
  std::string bytes;
  constexpr std::size_t step = std::size_t{1} << 20U;
  while (stream && bytes.size() < unpacked) {  // the size that the file names may be a lie
    const std::size_t size = bytes.size();
    bytes.resize(size + static_cast<std::size_t>(std::min<std::uint64_t>(step, unpacked - size)));
    stream.read(bytes.data() + size, static_cast<std::streamsize>(bytes.size() - size));
    bytes.resize(size + static_cast<std::size_t>(stream.gcount()));
  }
  if (bytes.size() != unpacked) fail("damaged: compressed data that cannot be unpacked");
  return bytes;
}

// Reads on in a part of the file, or in a section that was unpacked.
class TraceDatFile::Cursor {
 public:
  Cursor(std::shared_ptr<const ByteFile> file, ByteOrder order, std::uint64_t begin, std::uint64_t end)
      : window_(std::move(file)), order_(order), at_(begin), end_(end) {}
  Cursor(std::string bytes, std::shared_ptr<const ByteFile> file, ByteOrder order)
      : window_(std::move(file)), order_(order), bytes_(std::move(bytes)), unpacked_(true), end_(bytes_.size()) {}

  [[nodiscard]] std::uint64_t at() const { return at_; }
  void go_to(std::uint64_t offset) { at_ = offset; }
  // Valid until more is read.
  std::string_view take(std::uint64_t size) {
    if (at_ > end_ || size > end_ - at_)
      fail(
          fmt::format("truncated: {} bytes belong at byte {}, and {} are left", size, at_, end_ - std::min(at_, end_)));
    const std::uint64_t from = at_;
    at_ += size;
    if (unpacked_)
      return std::string_view(bytes_).substr(static_cast<std::size_t>(from), static_cast<std::size_t>(size));
    return window_.view(from, size);
  }
  void skip(std::uint64_t size) {
    if (at_ > end_ || size > end_ - at_) (void)take(size);
    at_ += size;
  }
  std::uint64_t number(std::size_t size) { return order_.load(take(size).data(), size); }
  std::uint16_t number16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t number32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t number64() { return number(8); }
  // Up to a zero byte.
  std::string text() {
    constexpr std::size_t longest = 4096;
    std::string text;
    for (char next = take(1).front(); next != '\0'; next = take(1).front()) {
      if (text.size() == longest) fail("damaged: a name without an end");
      text += next;
    }
    return text;
  }
  void expect(std::string_view words) {
    if (take(words.size()) != words)
      fail(fmt::format("damaged: '{}' is missing at byte {}", words.substr(0, words.find('\0')), at_ - words.size()));
  }

 private:
  FileWindow window_;
  ByteOrder order_;
  std::string bytes_;
  bool unpacked_ = false;
  std::uint64_t at_ = 0;
  std::uint64_t end_ = 0;
};

TraceDatFile::TraceDatFile(const std::string& path, const Wanted& wanted)
    : file_(std::make_shared<const ByteFile>(path)) {
  Cursor cursor(file_, order_, 0, file_->size());
  cursor.expect(std::string_view("\x17\x08\x44tracing", 10));
  const std::string version = cursor.text();
  version_ = parse_unsigned(version).value_or(0);
  if (version_ != 6 && version_ != 7) fail(fmt::format("version '{}' of trace.dat is not known", version));
  order_.big = cursor.number(1) != 0;
  cursor.skip(1);  // the size of a long in user space
  cursor = Cursor(file_, order_, cursor.at(), file_->size());
  page_size_ = cursor.number32();
  if (version_ == 6) {
    read_version6(cursor, wanted);
  } else {
    read_version7(cursor, wanted);
  }
  if (any_format_.text.empty()) fail("it holds no formats of events");
  check_cpus();
}

void TraceDatFile::read_version6(Cursor& cursor, const Wanted& wanted) {
  read_header(cursor);
  read_formats(cursor, wanted);
  read_systems(cursor, wanted);
  const std::uint32_t symbols = cursor.number32();
  symbols_at_ = Place{cursor.at(), symbols, false};
  cursor.skip(symbols);
  cursor.skip(cursor.number32());  // formats of trace_printk()
  read_comms(cursor);
  cpus_ = cursor.number32();
  read_options6(cursor);
  read_cpus6(cursor, "");
  for (const auto& [name, offset] : std::exchange(instances_, {})) {
    cursor.go_to(offset);
    read_options6(cursor);
    read_cpus6(cursor, name);
  }
}

// The options are not there for the buffers of instances.
void TraceDatFile::read_options6(Cursor& cursor) {
  std::string type(cursor.take(10));
  if (type.starts_with("options")) {
    for (std::uint16_t number = cursor.number16(); number != option_done; number = cursor.number16()) {
      const std::uint32_t size = cursor.number32();
      read_option(number, cursor.take(size));
    }
    type = cursor.take(10);
  }
  if (type.starts_with("latency")) fail("it holds the text of a latency tracer, and no events; save that text instead");
  if (!type.starts_with("flyrecord")) fail(fmt::format("damaged: 'flyrecord' is missing at byte {}", cursor.at() - 10));
}

void TraceDatFile::read_cpus6(Cursor& cursor, std::string name) {
  if (cpus_ > most_cpus) fail(fmt::format("damaged: {} CPUs", cpus_));
  TraceDatBuffer buffer{std::move(name), page_size_, false, {}};
  for (std::uint32_t cpu = 0; cpu < cpus_; ++cpu) {
    const std::uint64_t offset = cursor.number64();
    buffer.cpus.push_back({cpu, offset, cursor.number64()});
  }
  buffers_.push_back(std::move(buffer));
}

void TraceDatFile::read_version7(Cursor& cursor, const Wanted& wanted) {
  const std::string compression = cursor.text();
  (void)cursor.text();  // its version
  if (compression == "zstd") {
    compression_ = Compression::zstd;
  } else if (compression == "zlib") {
    compression_ = Compression::zlib;
  } else if (compression != "none") {
    fail(fmt::format("compressed with '{}', which is not known", compression));
  }
  std::unordered_map<std::uint16_t, std::uint64_t> sections;
  cursor.go_to(cursor.number64());
  read_options7(cursor, sections);
  const auto read = [&](std::uint16_t number, const auto& take) {
    if (!sections.contains(number)) return;
    Cursor part = section(sections.at(number), number);
    take(part);
  };
  read(option_header, [&](Cursor& part) { read_header(part); });
  read(option_ftrace_events, [&](Cursor& part) { read_formats(part, wanted); });
  read(option_formats, [&](Cursor& part) { read_systems(part, wanted); });
  read(option_comms, [&](Cursor& part) { read_comms(part); });
  if (sections.contains(option_symbols)) symbols_at_ = section_place(sections.at(option_symbols), option_symbols);
}

void TraceDatFile::read_options7(Cursor& cursor, std::unordered_map<std::uint16_t, std::uint64_t>& sections) {
  std::set<std::uint64_t> seen;  // or damaged files would lead in circles
  for (std::uint64_t next = cursor.at(); next != 0;) {
    if (!seen.insert(next).second) fail(fmt::format("damaged: the options at byte {} come again", next));
    Cursor part = section(next, option_done);
    for (next = 0;;) {
      const std::uint16_t number = part.number16();
      const std::uint32_t size = part.number32();
      const std::string_view data = part.take(size);
      if (number == option_done) {
        if (size >= 8) next = order_.load(data.data(), 8);
        break;
      }
      if (number >= option_header && number <= option_comms && size >= 8) {
        sections[number] = order_.load(data.data(), 8);
      } else {
        read_option(number, data);
      }
    }
  }
}

void TraceDatFile::read_option(std::uint16_t number, std::string_view data) {
  const auto number32 = [&](std::size_t at) { return static_cast<std::uint32_t>(order_.load(data.data() + at, 4)); };
  switch (number) {
    case option_date:
      time_offset_ += parse_offset(data) * 1000;
      return;
    case option_offset:
      time_offset_ += parse_offset(data);
      return;
    case option_statistics:
      return take_statistics(data);
    case option_clock:
      return take_clock(data);
    case option_cpus:
      if (data.size() == 4) cpus_ = number32(0);  // gpuvis once gave this number to something else
      return;
    case option_tsc:
      if (data.size() < 16) return;
      multiplier_ = number32(0);
      shift_ = number32(4);
      if (shift_ > 63) fail(fmt::format("damaged: times are shifted by {} bits", shift_));
      return;
    case option_buffer:
      return read_buffer(data);
    default:
      return;
  }
}

void TraceDatFile::read_buffer(std::string_view data) {
  Cursor cursor(std::string(data), file_, order_);
  const std::uint64_t offset = cursor.number64();
  std::string name = cursor.text();
  if (version_ == 6) {
    if (instances_.size() == most_cpus) fail("damaged: more instances than can be");
    instances_.emplace_back(std::move(name), offset);
    return;
  }
  const std::string clock = cursor.text();
  if (clock_.empty() || name.empty()) clock_ = clock;
  TraceDatBuffer buffer{std::move(name), cursor.number32(), false, {}};
  const std::uint32_t cpus = cursor.number32();
  for (std::uint32_t index = 0; index < cpus; ++index) {
    TraceDatCpu cpu;
    cpu.cpu = cursor.number32();
    cpu.offset = cursor.number64();
    cpu.size = cursor.number64();
    buffer.cpus.push_back(cpu);
  }
  buffer.compressed = section_place(offset, option_buffer).compressed;
  buffers_.insert(buffer.name.empty() ? buffers_.begin() : buffers_.end(), std::move(buffer));
}

TraceDatFile::Place TraceDatFile::section_place(std::uint64_t offset, std::uint16_t number) {
  Cursor cursor(file_, order_, offset, file_->size());
  const std::uint16_t found = cursor.number16();
  if (found != number) fail(fmt::format("damaged: section {} is missing at byte {}", number, offset));
  const bool compressed = (cursor.number16() & section_compressed) != 0;
  cursor.skip(4);  // its description
  const std::uint64_t size = cursor.number64();
  return {cursor.at(), size, compressed};
}

TraceDatFile::Cursor TraceDatFile::section(std::uint64_t offset, std::uint16_t number) {
  const Place place = section_place(offset, number);
  if (!place.compressed) {
    const std::uint64_t most = file_->size() - std::min(place.offset, file_->size());
    return {file_, order_, place.offset, place.offset + std::min(place.size, most)};
  }
  Cursor cursor(file_, order_, place.offset, file_->size());
  const std::uint32_t packed = cursor.number32();
  const std::uint32_t unpacked = cursor.number32();
  return {decompress(compression_, cursor.take(packed), unpacked), file_, order_};
}

void TraceDatFile::read_header(Cursor& cursor) {
  cursor.expect(std::string_view("header_page\0", 12));
  const std::uint64_t size = cursor.number64();
  for (const EventField& field : fields_of(cursor.take(size))) {
    if (field.name == "commit") long_size_ = field.size;
    if (field.name == "data") data_offset_ = field.offset;
  }
  if ((long_size_ != 4 && long_size_ != 8) || data_offset_ < 8 + long_size_ || data_offset_ > 64)
    fail("damaged: the layout of the ring buffer makes no sense");
  cursor.expect(std::string_view("header_event\0", 13));
  cursor.skip(cursor.number64());
}

void TraceDatFile::read_formats(Cursor& cursor, const Wanted& wanted) {
  for (std::uint32_t left = cursor.number32(); left > 0; --left) {
    const std::uint64_t size = cursor.number64();
    take_format(cursor.take(size), wanted);
  }
}

void TraceDatFile::read_systems(Cursor& cursor, const Wanted& wanted) {
  for (std::uint32_t left = cursor.number32(); left > 0; --left) {
    (void)cursor.text();
    read_formats(cursor, wanted);
  }
}

void TraceDatFile::take_format(std::string_view text, const Wanted& wanted) {
  const std::string_view name = behind_in_format(text, "name:");
  const bool any = any_format_.text.empty();
  if (!any && !wanted(name)) return;
  const auto number = parse_unsigned(behind_in_format(text, "ID:"));
  if (!number) return;
  // What follows says how to print it.
  EventFormat format{*number, std::string(name), std::string(text.substr(0, text.find("\nprint fmt:")))};
  if (any) any_format_ = format;
  if (wanted(name)) formats_.push_back(std::move(format));
}

// Lines "pid comm".
void TraceDatFile::read_comms(Cursor& cursor) {
  const std::uint64_t size = cursor.number64();
  for (std::string_view rest = cursor.take(size); !rest.empty();) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    line = without_blanks(line.substr(0, line.find('\0')));
    const auto pid = parse_unsigned(line);
    const auto blank = line.find(' ');
    if (pid && blank != std::string_view::npos) comms_.try_emplace(*pid, without_blanks(line.substr(blank)));
  }
}

// "[local] global counter": the one in use stands in brackets; version 7 may name it alone.
void TraceDatFile::take_clock(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  const auto open = text.find('[');
  if (open != std::string_view::npos) text = text.substr(open + 1, text.find(']', open) - open - 1);
  if (!text.empty()) clock_ = without_blanks(text);
}

// "overrun: 12": what per_cpu/cpuN/stats says when the recording ends. It holds for each CPU of each buffer.
void TraceDatFile::take_statistics(std::string_view text) {
  for (const std::string_view title : {"\noverrun:", "\ncommit overrun:", "\ndropped events:"})
    overwritten_ += parse_unsigned(behind(text, title)).value_or(0);
}

void TraceDatFile::check_cpus() const {
  for (const TraceDatBuffer& buffer : buffers_) {
    for (const TraceDatCpu& cpu : buffer.cpus) {
      if (cpu.size > file_->size() || cpu.offset > file_->size() - cpu.size)
        fail(fmt::format("truncated: the events of CPU {} end at byte {}, and the file at byte {}", cpu.cpu,
                         cpu.offset + cpu.size, file_->size()));
      if (cpu.cpu >= most_cpus) fail(fmt::format("damaged: CPU {}", cpu.cpu));
    }
    if (buffer.page_size <= data_offset_ || buffer.page_size > largest_page)
      fail(fmt::format("damaged: sub-buffers of {} bytes", buffer.page_size));
  }
}

bool TraceDatFile::counts() const { return clock_ == "counter" || (clock_ == "x86-tsc" && multiplier_ == 0); }

std::uint64_t TraceDatFile::time(std::uint64_t stamp) const {
  if (multiplier_ != 0) {
    __extension__ using Wide = unsigned __int128;
    stamp = static_cast<std::uint64_t>(Wide{stamp} * multiplier_ >> shift_);
  }
  return stamp + time_offset_;
}

const KernelSymbols& TraceDatFile::symbols() {
  if (symbols_) return *symbols_;
  symbols_ = std::make_unique<KernelSymbols>();
  if (!symbols_at_) return *symbols_;
  Cursor cursor(file_, order_, symbols_at_->offset, file_->size());
  if (symbols_at_->compressed) {
    const std::uint32_t packed = cursor.number32();
    const std::uint32_t unpacked = cursor.number32();
    cursor = Cursor(decompress(compression_, cursor.take(packed), unpacked), file_, order_);
  }
  const std::uint64_t size = version_ == 6 ? symbols_at_->size : cursor.number32();
  symbols_ = std::make_unique<KernelSymbols>(std::string(cursor.take(size)));
  return *symbols_;
}

}  // namespace fencecheck
