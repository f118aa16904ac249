#include "graph/input/ring_buffer.hpp"

#include <algorithm>
#include <utility>

namespace fencecheck {
namespace {

// Of the word `commit` (kernel/trace/ring_buffer.c).
constexpr std::uint64_t commit_bytes = (std::uint64_t{1} << 20U) - 1;
constexpr std::uint64_t missed_events = std::uint64_t{1} << 31U;
constexpr std::uint64_t missed_stored = std::uint64_t{1} << 30U;

// Of the length of an event (include/linux/ring_buffer.h); from 1 to 28: words of four bytes.
constexpr std::uint32_t long_event = 0;
constexpr std::uint32_t padding = 29;
constexpr std::uint32_t time_extend = 30;
constexpr std::uint32_t time_stamp = 31;
constexpr std::uint32_t delta_bits = 27;
constexpr std::uint64_t stamp_lost_bits = std::uint64_t{0xf8} << 56U;  // which an absolute time has no room for

constexpr std::size_t word = 4;

}  // namespace

bool SubBuffer::load(std::string_view bytes, const SubBufferLayout& layout) {
  event_ = {};
  rest_ = {};
  lost_ = 0;
  damaged_ = false;
  order_ = layout.order;
  if (bytes.size() < layout.data_offset) return false;
  time_ = order_.load(bytes.data(), 8);
  const std::uint64_t commit = order_.load(bytes.data() + 8, layout.long_size);
  const std::uint64_t size = commit & commit_bytes;
  bytes.remove_prefix(layout.data_offset);
  if (size > bytes.size()) return false;
  rest_ = bytes.substr(0, size);
  if ((commit & missed_events) == 0) return true;
  lost_ = 1;
  if ((commit & missed_stored) != 0 && bytes.size() - size >= layout.long_size)
    lost_ = std::max<std::uint64_t>(order_.load(bytes.data() + size, layout.long_size), 1);
  return true;
}

bool SubBuffer::stop() {
  damaged_ = true;
  rest_ = {};
  return false;
}

bool SubBuffer::next() {
  while (!rest_.empty()) {
    if (rest_.size() < word) return stop();
    const auto header = static_cast<std::uint32_t>(order_.load(rest_.data(), word));
    const std::uint32_t type = order_.big ? header >> delta_bits : header & 31U;
    const std::uint64_t delta = order_.big ? header & ((1U << delta_bits) - 1) : header >> 5U;
    rest_.remove_prefix(word);
    std::uint64_t size = std::uint64_t{type} * word;
    if (type == padding && delta == 0) {  // up to the end
      rest_ = {};
      return false;
    }
    if (type == long_event || type >= padding) {
      if (rest_.size() < word) return stop();
      const std::uint64_t more = order_.load(rest_.data(), word);
      if (type == time_extend || type == time_stamp) {
        rest_.remove_prefix(word);
        const std::uint64_t time = (more << delta_bits) + delta;
        time_ = type == time_extend ? time_ + time : time | (time_ & stamp_lost_bits);
        continue;
      }
      size = more;
      if (type == long_event) {
        if (more < word) return stop();
        rest_.remove_prefix(word);
        size = (more - word + word - 1) / word * word;
      }
    }
    if (size > rest_.size()) return stop();
    time_ += delta;
    event_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (type != padding) return true;  // an event that was discarded
  }
  return false;
}

CpuEvents::CpuEvents(const TraceDatFile& file, const TraceDatBuffer& buffer, const TraceDatCpu& cpu, std::size_t window)
    : file_(file),
      cpu_(cpu),
      layout_{file.order(), file.long_size(), file.data_offset()},
      window_(file.file(), window),
      page_size_(buffer.page_size),
      compressed_(buffer.compressed),
      at_(cpu.offset) {
  if (!compressed_ || cpu.size == 0) return;
  if (cpu.size < word) throw BadTraceDat{"damaged: compressed data without a length"};
  chunks_ = static_cast<std::uint32_t>(layout_.order.load(window_.view(at_, word).data(), word));
  at_ += word;
}

bool CpuEvents::next() {
  while (!page_.next()) {
    if (page_.damaged()) ++damaged_;
    if (!next_page()) return false;
  }
  time_ = file_.time(page_.time());
  return true;
}

bool CpuEvents::next_page() {
  const std::string_view bytes = next_bytes();
  if (bytes.empty()) return false;
  if (!page_.load(bytes, layout_)) ++damaged_;
  lost_ += page_.lost();
  return true;
}

// One sub-buffer; nothing at the end.
std::string_view CpuEvents::next_bytes() {
  if (compressed_) {
    if (chunk_at_ == chunk_.size() && !next_chunk()) return {};
    const std::string_view bytes = std::string_view(chunk_).substr(chunk_at_, page_size_);
    chunk_at_ += bytes.size();
    return bytes;
  }
  const std::uint64_t left = cpu_.size - (at_ - cpu_.offset);
  const std::string_view bytes = window_.view(at_, std::min<std::uint64_t>(left, page_size_));
  at_ += bytes.size();
  return bytes;
}

bool CpuEvents::next_chunk() {
  chunk_.clear();
  chunk_at_ = 0;
  while (chunks_ > 0 && chunk_.empty()) {
    --chunks_;
    const std::string_view sizes = window_.view(at_, 2 * word);
    const std::uint64_t packed = layout_.order.load(sizes.data(), word);
    const std::uint64_t unpacked = layout_.order.load(sizes.data() + word, word);
    at_ += 2 * word;
    chunk_ = decompress(file_.compression(), window_.view(at_, packed), unpacked);
    at_ += packed;
  }
  return !chunk_.empty();
}

std::uint64_t CpuEvents::take_lost() { return std::exchange(lost_, 0); }

std::uint64_t CpuEvents::take_damaged() { return std::exchange(damaged_, 0); }

}  // namespace fencecheck
