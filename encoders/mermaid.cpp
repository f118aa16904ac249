#include "encoders/mermaid.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "encoders/class_graph.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {
namespace {

// Text that Mermaid shows as it is: its syntax and HTML become entity codes.
std::string escaped(std::string_view text) {
  constexpr std::string_view special = "\"#;<>&`\\{}[]()|%:";
  std::string result;
  for (const char byte : printable(text)) {
    if (special.find(byte) != std::string_view::npos)
      result += fmt::format("#{};", static_cast<int>(byte));
    else
      result += byte;
  }
  return result;
}

std::string label(const std::vector<std::string>& lines) {
  std::vector<std::string> parts;
  for (const std::string& line : lines) parts.push_back(escaped(line));
  return fmt::format("{}", fmt::join(parts, "<br>"));
}

// What a screen reader says of the picture.
std::string accessible(const std::string& title, const std::string& sentence, const std::string& left_out) {
  return fmt::format("  accTitle: {}\n  accDescr: {}{}\n", escaped(title.empty() ? "dependencies" : title),
                     escaped(sentence), left_out.empty() ? "" : escaped("; " + left_out));
}

struct Shape {
  VertexKind kind;
  std::string_view open, close;
};

constexpr auto shape_table = std::to_array<Shape>({
    {VertexKind::fence, "[", "]"},
    {VertexKind::lock, "{{", "}}"},
    {VertexKind::pool, "[(", ")]"},
    {VertexKind::job, "[[", "]]"},
    {VertexKind::task, "([", "])"},
    {VertexKind::group, "[", "]"},
});
static_assert(covers(shape_table, &Shape::kind, VertexKind::group));

std::string node(const DrawnNode& says) {
  const Shape& shape = shape_table[static_cast<std::size_t>(says.kind)];
  return fmt::format("  {}{}\"{}\"{}{}\n", says.id, shape.open, label(says.lines), shape.close,
                     says.highlighted ? ":::cycle" : "");
}

// The nodes of one cluster, in their box.
std::string cluster(const Drawing& drawing, Cluster which, std::string_view id, std::string_view name) {
  std::string nodes;
  for (const DrawnNode& each : drawing.nodes)
    if (each.cluster == which) nodes += node(each);
  return nodes.empty() ? "" : fmt::format("  subgraph {}[\"{}\"]\n{}  end\n", id, escaped(name), nodes);
}

std::string arrow(const Drawing& drawing, const DrawnArrow& says) {
  const std::string text = says.lines.empty() ? "" : fmt::format("|\"{}\"|", label(says.lines));
  return fmt::format("  {} {}{} {}\n", drawing.nodes[says.from].id, says.any ? "-.->" : "-->", text,
                     drawing.nodes[says.to].id);
}

std::string look(const Drawing& drawing) {
  std::string result;
  for (std::size_t i = 0; i < drawing.arrows.size(); ++i) {
    const DrawnArrow& says = drawing.arrows[i];
    if (says.cause)
      result += fmt::format("  linkStyle {} stroke:{}{}\n", i, info(*says.cause).colour,
                            says.highlighted ? ",stroke-width:4px" : "");
    else if (says.highlighted)
      result += fmt::format("  linkStyle {} stroke-width:4px\n", i);
  }
  const auto highlighted = [](const DrawnNode& each) { return each.highlighted; };
  if (std::ranges::any_of(drawing.nodes, highlighted)) result += "  classDef cycle stroke:#cd0000,stroke-width:4px\n";
  return result;
}

std::string legend(const Drawing& drawing) {
  std::vector<std::string> lines;
  for (const LegendRow& row : drawing.legend) lines.push_back(row.says);
  if (!drawing.left_out.empty()) lines.push_back(drawing.left_out);
  if (lines.empty()) return {};
  return fmt::format("  legend[\"{}\"]\n  style legend fill:none,stroke-dasharray:3,text-align:left\n", label(lines));
}

}  // namespace

std::string to_mermaid(const Drawing& drawing) {
  std::string result = drawing.classes ? "flowchart LR\n" : "flowchart TB\n";
  result += accessible(drawing.title, drawing.sentence, drawing.left_out);
  result += cluster(drawing, Cluster::kernel, "kernel_fences", kernel_fences);
  result += cluster(drawing, Cluster::user, "user_fences", user_fences);
  for (const DrawnNode& each : drawing.nodes)
    if (each.cluster == Cluster::none) result += node(each);
  for (const DrawnArrow& each : drawing.arrows) result += arrow(drawing, each);
  return result + look(drawing) + legend(drawing);
}

std::string to_mermaid(const Sequence& sequence) {
  std::string result = "sequenceDiagram\n";
  result +=
      accessible(sequence.title, "time runs downwards" + (sequence.end.empty() ? "" : "; in the end: " + sequence.end),
                 sequence.left_out);
  for (std::size_t lane = 0; lane < sequence.lanes.size(); ++lane)
    result += fmt::format("  participant t{} as {}\n", lane, escaped(sequence.lanes[lane]));
  if (!sequence.left_out.empty() && !sequence.lanes.empty())
    result += fmt::format("  Note over t0: {}\n", escaped(sequence.left_out));
  const auto arrows_to = [&](std::size_t step, bool waits) {
    for (const SequenceArrow& each : sequence.arrows)
      if (each.waits == waits && (waits ? each.from : each.to) == step)
        result +=
            fmt::format("  t{}{}t{}: {}\n", sequence.steps[each.from].lane, waits ? "--x" : "->>",
                        sequence.steps[each.to].lane, escaped(fmt::format("{} ({})", each.label, info(each.cause).id)));
  };
  for (std::size_t i = 0; i < sequence.steps.size(); ++i) {
    const SequenceStep& step = sequence.steps[i];
    arrows_to(i, false);
    std::vector<std::string> lines{
        fmt::format("{} {}{}{}", step.number, step.action, step.blocks ? ": " : "", step.how_long)};
    if (!step.context.empty()) lines.push_back("(" + step.context + ")");
    result += fmt::format("  Note over t{}: {}\n", step.lane, label(lines));
  }
  for (std::size_t i = 0; i < sequence.steps.size(); ++i) arrows_to(i, true);
  return result;
}

}  // namespace fencecheck
