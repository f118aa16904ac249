// What shells and readers want to know of the command line, made from its
// tables: docs/fencecheck.1, docs/completions and docs/reports.md.
#pragma once

#include <string>

namespace fencecheck {

// In man(7) macros; section 1.
[[nodiscard]] std::string manual_page();

[[nodiscard]] std::string bash_completion();
[[nodiscard]] std::string zsh_completion();
[[nodiscard]] std::string fish_completion();

// The table of report formats and the options of `check`, in Markdown.
[[nodiscard]] std::string reports_table();

}  // namespace fencecheck
