// A trace.dat file without its events: header, formats of events, names of tasks, where each CPU's data lies.
//
// Versions 6 and 7 as `man trace-cmd.dat.v6` and `.v7` describe them. Nothing in
// the file is trusted: sizes and places are compared with the size of the file
// before anything is read or allocated. Only what is asked for is read, so that
// symbols and formats of events that are not understood cost nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/input/kernel_symbols.hpp"

namespace fencecheck {

// What is wrong with a file; thrown while it is opened or read, and caught by TraceDatReader.
struct BadTraceDat {
  std::string what;
};

// A file from which pieces are read. Its descriptor is closed with it.
class ByteFile {
 public:
  explicit ByteFile(const std::string& path);
  ~ByteFile();
  ByteFile(const ByteFile&) = delete;
  ByteFile& operator=(const ByteFile&) = delete;
  [[nodiscard]] std::uint64_t size() const { return size_; }
  void read(std::uint64_t offset, char* to, std::size_t size) const;

 private:
  int file_ = -1;
  std::uint64_t size_ = 0;
};

inline constexpr std::size_t window_bytes = std::size_t{256} * 1024;

// A part of a file in memory, which moves along with what is asked for.
class FileWindow {
 public:
  explicit FileWindow(std::shared_ptr<const ByteFile> file, std::size_t size = window_bytes)
      : file_(std::move(file)), size_(size) {}
  // All of these bytes, valid until the next call.
  [[nodiscard]] std::string_view view(std::uint64_t offset, std::uint64_t size);
  [[nodiscard]] const ByteFile& file() const { return *file_; }

 private:
  std::shared_ptr<const ByteFile> file_;
  std::size_t size_;
  std::string bytes_;
  std::uint64_t begin_ = 0;  // of bytes_ in the file
};

// Numbers in the byte order of the machine that was traced.
struct ByteOrder {
  bool big = false;
  // Of 1, 2, 4 or 8 bytes, as an unsigned number; 0 for any other size.
  [[nodiscard]] std::uint64_t load(const char* at, std::size_t size) const;
};

struct EventField {
  enum class Kind : std::uint8_t { number, text, located, relative };  // text: an array of characters
  std::string_view name;
  Kind kind = Kind::number;
  bool characters = false;  // of located and relative: what lies there
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};

// The fields in one `format` file, or in `header_page`; views into the text.
[[nodiscard]] std::vector<EventField> fields_of(std::string_view format);

struct EventFormat {
  std::uint32_t number = 0;
  std::string name;
  std::string text;  // what fields_of() is for
};

struct TraceDatCpu {
  std::uint32_t cpu = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct TraceDatBuffer {
  std::string name;  // of the instance; empty: the top one
  std::uint32_t page_size = 0;
  bool compressed = false;
  std::vector<TraceDatCpu> cpus;
};

enum class Compression : std::uint8_t { none, zstd, zlib };

// As many bytes as `unpacked` says.
[[nodiscard]] std::string decompress(Compression compression, std::string_view packed, std::uint64_t unpacked);

class TraceDatFile {
 public:
  using Wanted = std::function<bool(std::string_view event)>;
  // Keeps the formats of events that are wanted.
  TraceDatFile(const std::string& path, const Wanted& wanted);

  [[nodiscard]] const std::shared_ptr<const ByteFile>& file() const { return file_; }
  [[nodiscard]] ByteOrder order() const { return order_; }
  [[nodiscard]] Compression compression() const { return compression_; }
  [[nodiscard]] const std::vector<EventFormat>& formats() const { return formats_; }
  [[nodiscard]] const EventFormat& any_format() const { return any_format_; }  // for the common fields
  [[nodiscard]] const std::vector<TraceDatBuffer>& buffers() const { return buffers_; }
  [[nodiscard]] const std::string& clock() const { return clock_; }  // empty: not known
  [[nodiscard]] const std::unordered_map<std::uint32_t, std::string>& comms() const { return comms_; }
  [[nodiscard]] std::uint32_t long_size() const { return long_size_; }      // of the kernel: 4 or 8
  [[nodiscard]] std::uint32_t data_offset() const { return data_offset_; }  // of a sub-buffer's events
  // Events that the kernel's statistics say it overwrote or dropped.
  [[nodiscard]] std::uint64_t overwritten() const { return overwritten_; }
  [[nodiscard]] bool counts() const;  // the clock has no unit of time
  // Nanoseconds, or whatever the clock counts, of a time in the ring buffer.
  [[nodiscard]] std::uint64_t time(std::uint64_t stamp) const;
  // Read when first asked for.
  [[nodiscard]] const KernelSymbols& symbols();

 private:
  class Cursor;
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool compressed = false;
  };

  void read_version6(Cursor& cursor, const Wanted& wanted);
  void read_version7(Cursor& cursor, const Wanted& wanted);
  void read_header(Cursor& cursor);
  void read_formats(Cursor& cursor, const Wanted& wanted);
  void read_systems(Cursor& cursor, const Wanted& wanted);
  void read_comms(Cursor& cursor);
  void read_options6(Cursor& cursor);
  void read_options7(Cursor& cursor, std::unordered_map<std::uint16_t, std::uint64_t>& sections);
  void read_option(std::uint16_t number, std::string_view data);
  void read_buffer(std::string_view data);
  void read_cpus6(Cursor& cursor, std::string name);
  void take_format(std::string_view text, const Wanted& wanted);
  void take_clock(std::string_view text);
  void take_statistics(std::string_view text);
  [[nodiscard]] Cursor section(std::uint64_t offset, std::uint16_t number);
  [[nodiscard]] Place section_place(std::uint64_t offset, std::uint16_t number);
  void check_cpus() const;

  std::shared_ptr<const ByteFile> file_;
  ByteOrder order_;
  std::uint32_t version_ = 0;
  std::uint32_t page_size_ = 0;
  std::uint32_t cpus_ = 0;
  std::uint32_t long_size_ = 8;
  std::uint32_t data_offset_ = 16;
  Compression compression_ = Compression::none;
  std::vector<EventFormat> formats_;
  EventFormat any_format_;
  std::unordered_map<std::uint32_t, std::string> comms_;
  std::vector<TraceDatBuffer> buffers_;
  std::vector<std::pair<std::string, std::uint64_t>> instances_;  // version 6: name and place
  std::string clock_;
  std::uint64_t overwritten_ = 0;
  std::uint64_t time_offset_ = 0;  // added to every time, modulo 2^64
  std::uint32_t multiplier_ = 0;   // 0: times are nanoseconds already
  std::uint32_t shift_ = 0;
  std::optional<Place> symbols_at_;
  std::unique_ptr<KernelSymbols> symbols_;
};

}  // namespace fencecheck
