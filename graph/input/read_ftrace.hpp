// Reads ftrace text: the kernel's `trace` file and `trace-cmd report`.
//
// The text is streamed: memory grows with the fence events, not with the file.
// Every line that is skipped is counted (loss_table). Refused with an error:
// lines of more than `ftrace_line_limit` bytes, NUL bytes, files that end in
// the middle of a line or after their header, text that is no trace, and the
// kernel's other output formats (latency-format, raw, function_graph, no
// context-info), whose message names the option to switch off.
//
// `# fencecheck expect: WORDS` among the comments before the first event says
// what should come out: `holds`, `unknown`, or kinds of findings with commas.
#pragma once

#include <cstddef>
#include <istream>
#include <optional>

#include "graph/input/trace.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

inline constexpr std::size_t ftrace_line_limit = std::size_t{1} << 20U;  // bytes
inline constexpr std::size_t kept_lines_limit = 100'000;                 // in Source::kept
inline constexpr std::size_t kept_bytes_limit = 4096;                    // of each of them

// Takes `source.name` for granted and puts the lines that messages may quote
// into `source.kept`. Nothing if there was an error.
[[nodiscard]] std::optional<Trace> read_ftrace(std::istream& in, Source& source, Diagnostics& diagnostics);

}  // namespace fencecheck
