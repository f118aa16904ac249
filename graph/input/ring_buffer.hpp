// The kernel's ring buffer: the events of one CPU, sub-buffer by sub-buffer.
//
// A sub-buffer is a time, how many bytes of events it has, and the events, each
// behind a word with its length and how much later it happened
// (include/linux/ring_buffer.h; trace-facts 3). No length in it is trusted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "graph/input/trace_dat_file.hpp"

namespace fencecheck {

// Where the numbers of a sub-buffer stand.
struct SubBufferLayout {
  ByteOrder order;
  std::uint32_t long_size = 8;     // bytes of the word `commit`
  std::uint32_t data_offset = 16;  // of the first event
};

// Steps through the events of one sub-buffer.
class SubBuffer {
 public:
  // False where the bytes are too few for what they say. They outlive the steps.
  [[nodiscard]] bool load(std::string_view bytes, const SubBufferLayout& layout);
  // Goes to the next event; false at the end, and where the rest makes no sense, see damaged().
  [[nodiscard]] bool next();
  [[nodiscard]] std::uint64_t time() const { return time_; }
  [[nodiscard]] std::string_view event() const { return event_; }
  [[nodiscard]] bool damaged() const { return damaged_; }
  // Events that were lost before the first one; 1 where it is not known how many.
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  bool stop();

  std::string_view rest_;
  std::string_view event_;
  ByteOrder order_;
  std::uint64_t time_ = 0;
  std::uint64_t lost_ = 0;
  bool damaged_ = false;
};

// All events of one CPU in one buffer of a file.
class CpuEvents {
 public:
  // `window`: bytes that are read at once.
  CpuEvents(const TraceDatFile& file, const TraceDatBuffer& buffer, const TraceDatCpu& cpu, std::size_t window);

  // Goes to the next event; false at the end. What the event holds stays until the next call.
  [[nodiscard]] bool next();
  [[nodiscard]] std::uint64_t time() const { return time_; }
  [[nodiscard]] std::string_view event() const { return page_.event(); }
  [[nodiscard]] std::uint32_t cpu() const { return cpu_.cpu; }
  // Since the step before: events that were lost, sub-buffers of which a part makes no sense. Reset when asked.
  [[nodiscard]] std::uint64_t take_lost();
  [[nodiscard]] std::uint64_t take_damaged();
  [[nodiscard]] std::uint64_t bytes_read() const { return at_ - cpu_.offset; }  // of the file

 private:
  [[nodiscard]] bool next_page();
  [[nodiscard]] std::string_view next_bytes();
  [[nodiscard]] bool next_chunk();

  const TraceDatFile& file_;
  TraceDatCpu cpu_;
  SubBufferLayout layout_;
  FileWindow window_;
  SubBuffer page_;
  std::uint32_t page_size_;
  bool compressed_;
  std::uint64_t at_;          // in the file, of what is read next
  std::uint32_t chunks_ = 0;  // that are left
  std::string chunk_;         // unpacked
  std::size_t chunk_at_ = 0;
  std::uint64_t time_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t damaged_ = 0;
};

}  // namespace fencecheck
