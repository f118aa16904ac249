// The report as text: compiler-style messages, then the story.
#pragma once

#include <string>
#include <string_view>

#include "graph/model/report.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

struct TextOptions {
  bool colour = false;  // ANSI colours; for terminals only
  bool story = true;    // who waits for whom, the schedule, the fix; else one line for each finding
};

// "name:line:column: error: …" with the source line and a caret.
[[nodiscard]] std::string to_text(const Source& source, const Diagnostic& diagnostic, const TextOptions& options);

// Warnings, findings, losses and answers of one input; ends with a newline.
[[nodiscard]] std::string to_text(const Source& source, const Report& report, const TextOptions& options);

// "memory-management + userspace"; "nothing" for the empty set.
[[nodiscard]] std::string to_text(Causes causes);

}  // namespace fencecheck
