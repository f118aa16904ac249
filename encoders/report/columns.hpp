// Text in columns: wrapping, and a schedule with one column for each thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/model/finding.hpp"

namespace fencecheck {

// Columns that a UTF-8 text takes: one for each code point.
[[nodiscard]] std::size_t columns_of(std::string_view text);

// The text in lines of at most `width` columns, broken at blanks; a longer word
// is cut. At least one line, which may be empty.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t width);

// The schedule of a finding as numbered lines of at most `width` columns: step, line of the
// input, then the threads side by side, in the order in which they come in. Where
// they do not fit, the thread's name stands in front of each step instead. What
// never gets done has a '*' for its number.
[[nodiscard]] std::vector<std::string> schedule_lines(const Finding& finding, std::size_t width);

}  // namespace fencecheck
