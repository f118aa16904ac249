#include "encoders/diagram.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "encoders/dot.hpp"
#include "encoders/mermaid.hpp"
#include "encoders/render.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {
namespace {

// Captions are reStructuredText: what has a meaning there is escaped.
std::string rst_text(std::string_view text) {
  std::string result;
  for (const char byte : printable(text)) {
    if (std::string_view("*`_|\\:<").find(byte) != std::string_view::npos) result += '\\';
    result += byte;
  }
  return result;
}

std::string rst(const std::string& dot, const std::string& title, const std::string& words) {
  const std::string name = title.empty() ? "dependencies" : title;
  std::string result = fmt::format(".. kernel-render:: DOT\n   :alt: {}: {}\n   :caption: {}\n\n", printable(name),
                                   printable(words.empty() ? "nothing waits" : words), rst_text(name));
  bool begins = true;  // a line; tabs would be expanded by whoever reads the block
  for (const char byte : dot) {
    if (begins && byte != '\n') result += "   ";
    begins = byte == '\n';
    result += byte == '\t' ? std::string(4, ' ') : std::string(1, byte);
  }
  return result;
}

template <class Shown>
std::string written(const Shown& shown, DiagramFormat format) {
  switch (format) {
    case DiagramFormat::dot:
      return to_dot(shown);
    case DiagramFormat::svg:
      return render(to_dot(shown), Picture::svg);
    case DiagramFormat::png:
      return render(to_dot(shown), Picture::png);
    case DiagramFormat::rst:
      return rst(to_dot(shown), shown.title, in_words(shown));
    case DiagramFormat::mermaid:
      return to_mermaid(shown);
  }
  return {};
}

// What a picture does not show, in one line.
std::string missing(std::string_view left_out, std::string_view open) {
  return fmt::format("{}{}{}", left_out, left_out.empty() || open.empty() ? "" : "; ", open);
}

Diagram schedule_diagram(const Report& report, DiagramFormat format, const DiagramOptions& options,
                         const std::string& open) {
  const auto wanted = [&](const Finding& finding) {
    return finding.fingerprint.starts_with(options.fingerprint) && !finding.schedule.empty();
  };
  const auto finding = std::ranges::find_if(report.findings, wanted);
  if (finding == report.findings.end())
    return {{},
            options.fingerprint.empty()
                ? "there is no schedule to draw: no finding is confirmed"
                : fmt::format("no finding with a schedule has the fingerprint '{}'", options.fingerprint)};
  const std::string title = fmt::format("{}: {}", report.title, finding->message);
  Sequence drawn = sequence(*finding, title, options.most);
  drawn.left_out = missing(drawn.left_out, open);
  return {written(drawn, format), {}};
}

}  // namespace

Diagram diagram(const Report& report, DiagramFormat format, const DiagramOptions& options, const std::string& open) {
  if (options.view == View::schedule) return schedule_diagram(report, format, options, open);
  const DrawingOptions what{options.view, report.title, report.cycles, options.labels, options.most};
  Drawing drawn = draw(*report.graph, what);
  const bool no_cycle = options.view == View::cycle && report.cycles.empty();
  drawn.left_out = missing(missing(drawn.left_out, no_cycle ? "no cycle was found" : ""), open);
  return {written(drawn, format), {}};
}

}  // namespace fencecheck
