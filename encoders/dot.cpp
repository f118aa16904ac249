// DOT through libcgraph.
#include "encoders/dot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "encoders/class_graph.hpp"
#include "encoders/report/columns.hpp"
#include "graph/cgraph.hpp"

namespace fencecheck {
namespace {

using cgraph::c;
using cgraph::Graph;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct Buffer {
  char* text = nullptr;
  std::size_t size = 0;
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(text); }
};

std::string written(Agraph_t* graph) {
  Buffer buffer;  // declared before the file, so freed after it is closed
  File file(open_memstream(&buffer.text, &buffer.size));
  if (!file || agwrite(graph, file.get()) != 0) throw std::runtime_error("cannot write DOT");
  file.reset();  // only now are text and size final
  return {buffer.text, buffer.size};
}

struct ArrowHead {
  Cause cause;
  std::string_view shape;  // tells causes apart without colour
};

constexpr auto arrow_head_table = std::to_array<ArrowHead>({
    {Cause::explicit_sync, "normal"},
    {Cause::implicit_sync, "onormal"},
    {Cause::memory_management, "diamond"},
    {Cause::scheduling, "odiamond"},
    {Cause::lock, "box"},
    {Cause::userspace, "vee"},
    {Cause::reset, "tee"},
});
static_assert(covers(arrow_head_table, &ArrowHead::cause, Cause::last_));

std::string_view arrow_head(Cause cause) { return arrow_head_table[static_cast<std::size_t>(cause)].shape; }

// A label that shows the text as it is: Graphviz gives backslashes and
// ampersands a meaning (escString, HTML entities).
std::string escaped(std::string_view text) {
  std::string result;
  for (const char byte : printable(text)) {
    if (byte == '\\')
      result += "\\\\";
    else if (byte == '&')
      result += "&amp;";
    else
      result += byte;
  }
  return result;
}

void set(void* object, const char* name, const std::string& value) {
  agsafeset(object, c(name), c(value.c_str()), c(""));
}

std::string label(const std::vector<std::string>& lines) {
  std::string result;
  for (const std::string& line : lines) result += (result.empty() ? "" : "\\n") + escaped(line);
  return result;
}

struct Default {
  int kind;
  const char* name;
  const char* value;
};

constexpr auto default_table = std::to_array<Default>({
    {AGRAPH, "fontname", "Helvetica"},
    {AGNODE, "fontname", "Helvetica"},
    {AGNODE, "label", "\\N"},  // Graphviz's default; libgvc declares it for all graphs once it is used
    {AGNODE, "shape", "box"},
    {AGNODE, "style", "filled"},
    {AGNODE, "fillcolor", "grey90"},
    {AGEDGE, "fontname", "Helvetica"},
    {AGEDGE, "fontsize", "11"},
});

Graph new_graph(const std::string& title) {
  const std::string name = title.empty() ? "dependencies" : printable(title);
  Graph graph = cgraph::open_graph(name);
  for (const auto& [kind, attribute, value] : default_table) agattr(graph.get(), kind, c(attribute), c(value));
  return graph;
}

// The attribute `fencecheck` is for read_dot, the others are for people.
void explain(Agraph_t* graph, std::string_view word, const std::string& title, const std::string& sentence,
             const std::string& left_out) {
  set(graph, "fencecheck", std::string(word));
  set(graph, "comment", sentence);
  set(graph, "tooltip", sentence);
  std::vector<std::string> lines{sentence};
  if (!title.empty()) lines.insert(lines.begin(), title);
  if (!left_out.empty()) lines.push_back(left_out);
  set(graph, "label", label(lines));
}

// ---- graphs

class GraphWriter {
 public:
  explicit GraphWriter(const Drawing& drawing) : drawing_(drawing), graph_(new_graph(drawing.title)) {}

  std::string run() {
    explain(graph_.get(), drawing_.direction, drawing_.title, drawing_.sentence, drawing_.left_out);
    set(graph_.get(), "newrank", "true");
    if (drawing_.classes) agattr(graph_.get(), AGNODE, c("fillcolor"), c("grey"));
    for (const DrawnNode& node : drawing_.nodes) add(node);
    for (const DrawnArrow& arrow : drawing_.arrows) add(arrow);
    add_legend();
    return written(graph_.get());
  }

 private:
  // The clusters are made when they are needed: Graphviz draws empty ones, too.
  // Only two boxes that are the whole picture share a row: `dot` of 2.42 frees
  // memory twice if a labelled arrow leads past something in its own row (which
  // is why ranks are those of the whole graph, newrank, as well).
  Agraph_t* place_for(const DrawnNode& node) {
    if (drawing_.classes && drawing_.nodes.size() == 2) {
      Agraph_t* row = agsubg(graph_.get(), c("same_rank"), 1);
      set(row, "rank", "same");
      return row;
    }
    if (node.cluster == Cluster::none) return graph_.get();
    const bool user = node.cluster == Cluster::user;
    const char* name = user ? "cluster_user" : "cluster_kernel";
    if (Agraph_t* found = agsubg(graph_.get(), c(name), 0)) return found;
    Agraph_t* cluster = agsubg(graph_.get(), c(name), 1);
    set(cluster, "label", std::string(user ? user_fences : kernel_fences));
    set(cluster, "style", user ? "dashed" : "solid");
    return cluster;
  }

  void add(const DrawnNode& says) {
    Agnode_t* node = agnode(place_for(says), c(says.id.c_str()), 1);
    nodes_.push_back(node);
    set(node, "id", says.id);
    set(node, "label", label(says.lines));
    set(node, "tooltip", escaped(says.tooltip));
    set(node, "shape", std::string(info(says.kind).shape));
    set(node, "class",
        fmt::format("{}{}{}", info(says.kind).id, says.user_controlled ? " user" : "",
                    says.highlighted ? " on-cycle" : ""));
    if (drawing_.classes) return;
    if (says.user_controlled) set(node, "fillcolor", "white");
    if (!says.highlighted) return;
    set(node, "penwidth", "3");
    set(node, "color", "red");
  }

  void add(const DrawnArrow& says) {
    Agedge_t* edge = agedge(graph_.get(), nodes_[says.from], nodes_[says.to], c(says.id.c_str()), 1);
    set(edge, "id", says.id);
    set(edge, "label", label(says.lines));
    set(edge, "tooltip", escaped(says.tooltip));
    set(edge, "class",
        fmt::format("{}{}", says.cause ? info(*says.cause).id : "wait", says.highlighted ? " on-cycle" : ""));
    look(edge, says.cause, says.any, says.highlighted);
  }

  // How an arrow shows what it means: the legend shows the same.
  void look(Agedge_t* edge, std::optional<Cause> cause, bool any, bool highlighted) {
    if (cause) {
      const std::string colour(info(*cause).colour);
      set(edge, "color", highlighted ? "red" : colour);
      set(edge, "fontcolor", colour);
      set(edge, "arrowhead", std::string(arrow_head(*cause)));
    } else if (highlighted) {
      set(edge, "color", "red");
    }
    if (any || !drawing_.classes) set(edge, "style", any ? "dashed" : "solid");
    if (highlighted) set(edge, "penwidth", "3");
  }

  // A row is an arrow and what it means; invisible arrows put one row below another.
  void add_legend() {
    if (drawing_.legend.empty()) return;
    Agraph_t* legend = agsubg(graph_.get(), c("cluster_legend"), 1);
    set(legend, "label", "Legend");
    set(legend, "style", "dotted");
    Agnode_t* above = nullptr;
    for (std::size_t i = 0; i < drawing_.legend.size(); ++i) {
      const LegendRow& row = drawing_.legend[i];
      Agraph_t* line = agsubg(legend, c(fmt::format("legend{}", i).c_str()), 1);
      set(line, "rank", "same");
      Agnode_t* sample = agnode(line, c(fmt::format("legend{}a", i).c_str()), 1);
      set(sample, "shape", "point");
      set(sample, "style", "invis");
      Agnode_t* text = agnode(line, c(fmt::format("legend{}b", i).c_str()), 1);
      set(text, "shape", "plaintext");
      set(text, "style", "solid");
      set(text, "fontsize", "10");
      set(text, "label", escaped(row.says));
      Agedge_t* arrow = agedge(line, sample, text, nullptr, 1);
      look(arrow, row.cause, row.any, row.highlighted);
      if (above != nullptr) set(agedge(legend, above, sample, nullptr, 1), "style", "invis");
      above = sample;
    }
  }

  const Drawing& drawing_;
  Graph graph_;
  std::vector<Agnode_t*> nodes_;
};

// ---- schedules

constexpr std::size_t lane_width = 26;  // columns of text

// A grid: `dot` keeps nodes of one rank in a row and nodes of one group in a
// column, if each lane has a node in each row.
class SequenceWriter {
 public:
  explicit SequenceWriter(const Sequence& sequence) : sequence_(sequence), graph_(new_graph(sequence.title)) {}

  std::string run() {
    explain(graph_.get(), "schedule", sequence_.title,
            "time runs downwards; an arrow leads from a step to one that waited for it" +
                (sequence_.end.empty() ? "" : "; dashed, in the last row: " + sequence_.end),
            sequence_.left_out);
    set(graph_.get(), "nodesep", "1.4");   // room for the causes that stand between the last steps
    set(graph_.get(), "ranksep", "0.35");  // and for arrows that pass over one of them: dot warns of less
    set(graph_.get(), "newrank", "true");
    add_heads();
    for (std::size_t row = 0; row < sequence_.rows.size(); ++row) add_row(row);
    for (const SequenceArrow& arrow : sequence_.arrows) add(arrow);
    return written(graph_.get());
  }

 private:
  Agraph_t* new_row(const std::string& name) {
    Agraph_t* row = agsubg(graph_.get(), c(name.c_str()), 1);
    set(row, "rank", "same");
    return row;
  }

  void add_heads() {
    Agraph_t* row = new_row("row0");
    for (std::size_t lane = 0; lane < sequence_.lanes.size(); ++lane) {
      const std::string id = fmt::format("lane{}", lane);
      Agnode_t* node = agnode(row, c(id.c_str()), 1);
      set(node, "id", id);
      set(node, "label", label(wrapped(sequence_.lanes[lane], lane_width)));
      set(node, "style", "filled,rounded");
      put(lane, node);
    }
    finish_row(row);
  }

  void add_row(std::size_t number) {
    Agraph_t* row = new_row(fmt::format("row{}", number + 1));
    std::vector<const SequenceStep*> in_lane(sequence_.lanes.size(), nullptr);
    for (const std::size_t step : sequence_.rows[number]) in_lane[sequence_.steps[step].lane] = &sequence_.steps[step];
    for (std::size_t lane = 0; lane < in_lane.size(); ++lane) {
      Agnode_t* node = in_lane[lane] != nullptr ? step_node(row, *in_lane[lane])
                                                : pass_node(row, fmt::format("p{}x{}", number + 1, lane));
      put(lane, node);
    }
    finish_row(row);
  }

  static Agnode_t* pass_node(Agraph_t* row, const std::string& id) {
    Agnode_t* node = agnode(row, c(id.c_str()), 1);
    set(node, "shape", "point");
    set(node, "width", "0.01");
    set(node, "color", "grey60");
    set(node, "label", "");
    return node;
  }

  static Agnode_t* step_node(Agraph_t* row, const SequenceStep& step) {
    Agnode_t* node = agnode(row, c(step.id.c_str()), 1);
    std::vector<std::string> lines = wrapped(fmt::format("{}: {}", step.number, step.action), lane_width);
    if (!step.context.empty())
      for (const std::string& line : wrapped("(" + step.context + ")", lane_width)) lines.push_back(line);
    if (step.blocks) lines.push_back(fmt::format("-- {} --", step.how_long));
    set(node, "id", step.id);
    set(node, "label", label(lines));
    set(node, "tooltip",
        escaped(fmt::format("{}: {}{}{}", step.number, step.action, step.context.empty() ? "" : ", ", step.context)));
    set(node, "fontsize", "10");
    set(node, "fillcolor", step.blocks || step.timeout ? "white" : "grey95");
    if (step.timeout) set(node, "style", "filled,dashed");
    if (!step.blocks) return node;
    set(node, "color", "red");
    set(node, "penwidth", "3");
    return node;
  }

  // Below the lane's node of the row above.
  void put(std::size_t lane, Agnode_t* node) {
    set(node, "group", fmt::format("g{}", lane));
    if (lane < last_.size()) {
      Agedge_t* life = agedge(graph_.get(), last_[lane], node, nullptr, 1);
      set(life, "style", "dotted");
      set(life, "color", "grey60");
      set(life, "arrowhead", "none");
      set(life, "weight", "100");
      last_[lane] = node;
    } else {
      last_.push_back(node);
    }
  }

  // From left to right as the lanes are.
  void finish_row(Agraph_t* row) {
    for (std::size_t lane = 1; lane < last_.size(); ++lane)
      set(agedge(row, last_[lane - 1], last_[lane], nullptr, 1), "style", "invis");
  }

  void add(const SequenceArrow& says) {
    const auto node = [&](std::size_t step) { return agnode(graph_.get(), c(sequence_.steps[step].id.c_str()), 0); };
    Agedge_t* edge = agedge(graph_.get(), node(says.from), node(says.to), c(says.id.c_str()), 1);
    set(edge, "id", says.id);
    set(edge, "constraint", "false");
    set(edge, "color", says.waits ? "red" : std::string(info(says.cause).colour));
    set(edge, "fontcolor", std::string(info(says.cause).colour));
    set(edge, "arrowhead", std::string(arrow_head(says.cause)));
    set(edge, "tooltip", escaped(fmt::format("{} ({})", says.label, info(says.cause).id)));
    set(edge, "xlabel", std::string(info(says.cause).id));
    set(edge, "style", says.waits ? "dashed" : "solid");
    if (says.waits) set(edge, "penwidth", "2");
  }

  const Sequence& sequence_;
  Graph graph_;
  std::vector<Agnode_t*> last_;  // of each lane
};

}  // namespace

std::string to_dot(const Drawing& drawing) { return GraphWriter(drawing).run(); }

std::string to_dot(const Sequence& sequence) { return SequenceWriter(sequence).run(); }

}  // namespace fencecheck
