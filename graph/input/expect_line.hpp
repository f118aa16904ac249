// The line of a trace's comments that says what a check should find.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "graph/model/report.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Is this comment meant for us: `# fencecheck expect: …`?
[[nodiscard]] bool is_expect_line(std::string_view line);

// `holds`, `unknown`, or kinds of findings with commas between them. Nothing,
// and an error at each wrong word, if it says anything else.
[[nodiscard]] std::optional<Expectation> parse_expect_line(std::string_view line, std::uint32_t number,
                                                           Diagnostics& diagnostics);

}  // namespace fencecheck
