// A picture of a report: one of the views in one of the languages.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "encoders/drawing.hpp"
#include "graph/model/report.hpp"

namespace fencecheck {

enum class DiagramFormat : std::uint8_t { dot, svg, png, rst, mermaid, last_ = mermaid };

struct DiagramFormatInfo {
  DiagramFormat format;
  std::string_view id;
  std::string_view ending;  // of files
  std::string_view says;
};

inline constexpr auto diagram_format_table = std::to_array<DiagramFormatInfo>({
    {DiagramFormat::dot, "dot", ".dot", "Graphviz's language"},
    {DiagramFormat::svg, "svg", ".svg", "Scalable Vector Graphics, with tooltips and stable ids"},
    {DiagramFormat::png, "png", ".png", "Portable Network Graphics"},
    {DiagramFormat::rst, "rst", ".rst", "a kernel-render:: DOT block for the kernel's documentation"},
    {DiagramFormat::mermaid, "mermaid", ".mmd", "what GitLab and GitHub draw in descriptions and comments"},
});
static_assert(covers(diagram_format_table, &DiagramFormatInfo::format, DiagramFormat::last_));
constexpr const DiagramFormatInfo& info(DiagramFormat format) {
  return diagram_format_table[static_cast<std::size_t>(format)];
}

struct DiagramOptions {
  View view = View::instances;
  std::size_t most = 60;      // vertices or steps; what does not fit is counted; 0: everything
  std::string fingerprint{};  // schedule: of this finding, or of the first that has one
  bool labels = true;
};

struct Diagram {
  std::string content;
  std::string problem;  // why there is nothing to draw; empty if there is
};

// `open` says what was not decided, and is written into the picture; may be
// empty. Throws as render() and to_dot().
[[nodiscard]] Diagram diagram(const Report& report, DiagramFormat format, const DiagramOptions& options,
                              const std::string& open = {});

}  // namespace fencecheck
