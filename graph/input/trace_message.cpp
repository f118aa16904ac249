// Buffers in front of read() and write().
#include "graph/input/trace_message.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace fencecheck {
namespace {

constexpr std::size_t block = std::size_t{256} * 1024;  // bytes
constexpr int patience = 100;                           // ms between two questions whether to wait on

}  // namespace

void MessageWriter::begin(MessageType type) {
  buffer_.push_back(static_cast<char>(type));
  begin_ = buffer_.size();
  put(std::uint32_t{0});
}

void MessageWriter::end() {
  const auto size = static_cast<std::uint32_t>(buffer_.size() - begin_ - sizeof(std::uint32_t));
  std::memcpy(buffer_.data() + begin_, &size, sizeof size);
  if (buffer_.size() >= block) flush();
}

void MessageWriter::flush() {
  std::string_view rest = buffer_;
  while (ok_ && !rest.empty()) {
    const ssize_t written = write(to_, rest.data(), rest.size());
    ok_ = written > 0 || (written < 0 && errno == EINTR);
    if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

bool MessageReader::next() {
  std::uint32_t size = 0;
  if (!have(1 + sizeof size)) return false;
  type_ = static_cast<MessageType>(buffer_[begin_]);
  std::memcpy(&size, buffer_.data() + begin_ + 1, sizeof size);
  begin_ += 1 + sizeof size;
  if (!have(size)) return false;
  message_ = std::string_view(buffer_).substr(begin_, size);
  begin_ += size;
  return true;
}

bool MessageReader::have(std::size_t size) {
  if (end_ - begin_ >= size) return true;
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
            buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  if (buffer_.size() < std::max(size, block)) buffer_.resize(std::max(size, block));
  while (end_ < size) {
    pollfd readable{from_, POLLIN, 0};
    const int ready = poll(&readable, 1, patience);
    if (ready == 0 && !wait_on_()) return false;
    if (ready <= 0) continue;
    const ssize_t got = read(from_, buffer_.data() + end_, buffer_.size() - end_);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
    if (got > 0) end_ += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace fencecheck
