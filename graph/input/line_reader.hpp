// Lines of a stream, one at a time, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string_view>
#include <vector>

namespace fencecheck {

class LineReader {
 public:
  // Lines of more than `limit` bytes are refused.
  LineReader(std::istream& in, std::size_t limit) : in_(in), limit_(limit), buffer_(std::size_t{1} << 17U) {}

  // Goes to the next line; false at the end of the text and at a line that is too long.
  bool next();
  // Without its end; valid until next() goes to another one.
  [[nodiscard]] std::string_view line() const { return line_; }
  [[nodiscard]] std::uint32_t number() const { return number_; }  // from 1
  [[nodiscard]] bool complete() const { return complete_; }       // false: the text ends without a newline
  [[nodiscard]] bool too_long() const { return too_long_; }
  // Is there a zero byte in the line, or was there one before? Costs nothing for each line.
  [[nodiscard]] bool binary() const { return binary_; }

 private:
  static constexpr auto none = ~std::size_t{0};

  bool fill();
  [[nodiscard]] const char* find_end(std::size_t from) const;

  std::istream& in_;
  std::size_t limit_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what is unread in buffer_
  std::size_t end_ = 0;
  std::string_view line_;
  std::uint32_t number_ = 0;
  bool complete_ = true;
  bool too_long_ = false;
  std::size_t zero_ = none;  // the first zero byte in buffer_
  bool binary_ = false;
};

}  // namespace fencecheck
