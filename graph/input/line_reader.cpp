// A window over the stream, never much larger than the longest line.
#include "graph/input/line_reader.hpp"

#include <algorithm>

namespace fencecheck {

bool LineReader::next() {
  std::size_t searched = begin_;
  std::size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos && buffer_.size() - begin_ <= limit_) {
    searched = buffer_.size() - begin_;
    if (!fill()) break;
    end = buffer_.find('\n', searched);  // fill() moved the unread part to the front
  }
  const bool found = end != std::string::npos;
  if (!found) end = buffer_.size();
  if (!found && begin_ == end) return false;
  complete_ = found;
  ++number_;
  line_ = std::string_view(buffer_).substr(begin_, end - begin_);
  too_long_ = line_.size() > limit_;
  binary_ = binary_ || zero_ < end;
  begin_ = found ? end + 1 : end;
  return !too_long_;
}

bool LineReader::fill() {
  constexpr std::size_t chunk = 65'536;
  buffer_.erase(0, begin_);
  if (zero_ != std::string::npos) zero_ -= std::min(zero_, begin_);
  begin_ = 0;
  const std::size_t used = buffer_.size();
  buffer_.resize(used + chunk);
  in_.read(buffer_.data() + used, static_cast<std::streamsize>(chunk));
  buffer_.resize(used + static_cast<std::size_t>(in_.gcount()));
  if (zero_ == std::string::npos) zero_ = buffer_.find('\0', used);
  return buffer_.size() > used;
}

}  // namespace fencecheck
