// A window over the stream, never much larger than the longest line.
#include "graph/input/line_reader.hpp"

#include <algorithm>
#include <cstring>

namespace fencecheck {

bool LineReader::next() {
  if (begin_ == end_ && in_.fail()) return false;  // the last line stays where it is
  const char* end = find_end(begin_);
  while (end == nullptr && end_ - begin_ <= limit_) {
    const std::size_t searched = end_ - begin_;
    if (!fill()) break;
    end = find_end(searched);  // fill() moved the unread part to the front
  }
  const bool found = end != nullptr;
  const std::size_t stop = found ? static_cast<std::size_t>(end - buffer_.data()) : end_;
  if (!found && begin_ == stop) return false;
  complete_ = found;
  ++number_;
  line_ = std::string_view(buffer_.data() + begin_, stop - begin_);
  too_long_ = line_.size() > limit_;
  binary_ = binary_ || zero_ < stop;
  begin_ = found ? stop + 1 : stop;
  return !too_long_;
}

const char* LineReader::find_end(std::size_t from) const {
  return static_cast<const char*>(std::memchr(buffer_.data() + from, '\n', end_ - from));
}

bool LineReader::fill() {
  constexpr std::size_t chunk = 65'536;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  if (zero_ != none) zero_ -= std::min(zero_, begin_);
  begin_ = 0;
  if (buffer_.size() - end_ < chunk) buffer_.resize(std::max(2 * buffer_.size(), end_ + chunk));
  const std::size_t used = end_;
  in_.read(buffer_.data() + used, static_cast<std::streamsize>(chunk));
  end_ += static_cast<std::size_t>(in_.gcount());
  if (zero_ == none) {
    const void* zero = std::memchr(buffer_.data() + used, '\0', end_ - used);
    if (zero != nullptr) zero_ = static_cast<std::size_t>(static_cast<const char*>(zero) - buffer_.data());
  }
  return end_ > used;
}

}  // namespace fencecheck
