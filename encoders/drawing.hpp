// What a picture of the dependency graph shows, before any language for pictures.
//
// Three views of the graph. *Instances*: every vertex; an arrow u -> v says that
// u waits for v. *Cycle*: the same, only the given cycles. *Classes*: the diagram
// of the kernel's documentation (driver-api/dma-buf.rst, Indefinite DMA Fences),
// in its style and with its direction: there an arrow leads from what holds
// something up to what it holds up, so it is turned round against the other two.
// The fourth, *schedule*, shows a counterexample instead: see sequence.hpp.
//
// A graph with more vertices than fit is cut to the given cycles, the shortest
// cycle of each component and what is next to them; `left_out` says how much is
// missing, and every language writes that down.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/dependency_graph.hpp"

namespace fencecheck {

enum class View : std::uint8_t { instances, classes, cycle, schedule, last_ = schedule };

struct ViewInfo {
  View view;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto view_table = std::to_array<ViewInfo>({
    {View::instances, "instances", "every fence, lock, pool, job and task"},
    {View::classes, "classes", "kernel fences against user-controlled ones, as the kernel's documentation draws them"},
    {View::cycle, "cycle", "only what is on a cycle that was found"},
    {View::schedule, "schedule", "the counterexample of a finding, one lane for each thread"},
});
static_assert(covers(view_table, &ViewInfo::view, View::last_));
constexpr const ViewInfo& info(View view) { return view_table[static_cast<std::size_t>(view)]; }

struct DrawingOptions {
  View view = View::instances;  // not schedule
  std::string title{};          // the drawing's name; empty: "dependencies"
  std::vector<Cycle> cycles{};  // of the graph that is drawn; to be highlighted
  bool labels = true;           // write causes on the arrows
  std::size_t most = 60;        // vertices; a larger graph is cut; 0: never
};

// The box that a node is drawn in.
enum class Cluster : std::uint8_t { none, kernel, user };

struct DrawnNode {
  std::string id;
  std::vector<std::string> lines;  // the label
  std::string tooltip;
  VertexKind kind = VertexKind::fence;
  Cluster cluster = Cluster::none;
  bool user_controlled = false;
  bool highlighted = false;
};

struct DrawnArrow {
  std::string id;
  std::size_t from = 0;  // index into nodes
  std::size_t to = 0;
  std::vector<std::string> lines;  // the label; empty without labels
  std::string tooltip;
  std::optional<Cause> cause;  // of classes none: an arrow may have several
  bool any = false;            // one of several is enough
  bool highlighted = false;
};

// What the looks of an arrow mean, for the legend.
struct LegendRow {
  std::optional<Cause> cause;
  bool any = false;
  bool highlighted = false;
  std::string says;
};

struct Drawing {
  std::string title;
  std::string_view direction;  // "waits-for" or "holds-up": what arrows mean, for read_dot
  std::string sentence;        // the same for people
  bool classes = false;        // in the style of the kernel's documentation
  std::vector<DrawnNode> nodes;
  std::vector<DrawnArrow> arrows;
  std::vector<LegendRow> legend;
  std::string left_out;  // "12 more vertices and 30 more edges are not drawn"; empty if nothing
};

// O(V + E); where it has to cut, as shortest_cycles.
[[nodiscard]] Drawing draw(const DependencyGraph& graph, const DrawingOptions& options = {});

// The picture in words, for who cannot see it: the cycles of a graph, or all of
// it where there are none; the beginning of what is long.
[[nodiscard]] std::string in_words(const Drawing& drawing);

}  // namespace fencecheck
