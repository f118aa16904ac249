// The report as text: compiler-style messages, then the story.
#pragma once

#include <string>

#include "encoders/report/style.hpp"
#include "graph/model/run.hpp"

namespace fencecheck {

// One input: its mistakes; or warnings, findings, losses and answers, and a line with the verdict.
[[nodiscard]] std::string to_text(const Checked& input, const Style& style);

// One finding of an input: its message with the line, and its story.
[[nodiscard]] std::string to_text(const Checked& input, const Finding& finding, const Style& style);

// The last line, "SUMMARY: …", and in front of it what was cut short and which option raises the limit.
[[nodiscard]] std::string summary(const Run& run, const Style& style);

// The entries of the baseline that nothing has, one a line, the first hundred.
[[nodiscard]] std::string stale_lines(const Run& run);

// "memory-management + userspace"; "nothing" for the empty set.
[[nodiscard]] std::string to_text(Causes causes);

// "20 us", "1.5 ms", "60.0 s".
[[nodiscard]] std::string to_text(Microseconds length);

}  // namespace fencecheck
