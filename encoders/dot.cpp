// DOT through libcgraph.
#include "encoders/dot.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <stdexcept>

#include "encoders/class_graph.hpp"
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
void explain_arrows(Agraph_t* drawing, const std::string& title, std::string_view word, const std::string& sentence) {
  set(drawing, "fencecheck", std::string(word));
  set(drawing, "comment", sentence);
  set(drawing, "tooltip", sentence);
  set(drawing, "label", (title.empty() ? "" : escaped(title) + "\\n") + sentence);
}

// ---- instances and cycles

class InstanceDrawing {
 public:
  InstanceDrawing(const DependencyGraph& graph, const DotOptions& options)
      : graph_(graph),
        options_(options),
        drawing_(new_graph(options.title)),
        nodes_(num_vertices(graph), nullptr),
        has_edge_(num_vertices(graph), false) {
    for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
      const auto [begin, end] = out_edges(vertex, graph);
      for (auto edge = begin; edge != end; ++edge) has_edge_[vertex] = has_edge_[target(*edge, graph)] = true;
    }
    for (const Cycle& cycle : options.cycles) {
      for (const EdgeId edge : cycle) {
        on_cycle_.insert(&graph_[edge]);
        vertices_on_cycle_.insert(source(edge, graph_));
      }
    }
  }

  std::string draw() {
    explain_arrows(drawing_.get(), options_.title, "waits-for",
                   "an arrow leads from what waits to what it waits for; dashed: one of several is enough");
    for (VertexId vertex = 0; vertex < num_vertices(graph_); ++vertex) {
      if (shown(vertex)) draw_vertex(vertex);
    }
    for (VertexId vertex = 0; vertex < num_vertices(graph_); ++vertex) draw_edges(vertex);
    return written(drawing_.get());
  }

 private:
  // A lock or a pool that nobody waits for, and under which nobody waits, says nothing.
  [[nodiscard]] bool idle(VertexId vertex) const {
    const VertexKind kind = graph_[vertex].kind;
    return (kind == VertexKind::lock || kind == VertexKind::pool) && !has_edge_[vertex];
  }

  [[nodiscard]] bool shown(VertexId vertex) const {
    if (idle(vertex)) return false;
    return options_.view != DotView::cycle || vertices_on_cycle_.contains(vertex);
  }

  // The clusters are made when they are needed: Graphviz draws empty ones, too.
  Agraph_t* place_for(const Vertex& vertex) {
    const bool kernel_fence = vertex.kind == VertexKind::fence || vertex.kind == VertexKind::group;
    if (!vertex.user_controlled && !kernel_fence) return drawing_.get();
    const char* name = vertex.user_controlled ? "cluster_user" : "cluster_kernel";
    if (Agraph_t* found = agsubg(drawing_.get(), c(name), 0)) return found;
    Agraph_t* cluster = agsubg(drawing_.get(), c(name), 1);
    set(cluster, "label", std::string(vertex.user_controlled ? user_fences : kernel_fences));
    set(cluster, "style", vertex.user_controlled ? "dashed" : "solid");
    return cluster;
  }

  void draw_vertex(VertexId vertex) {
    const Vertex& says = graph_[vertex];
    const std::string id = "n" + std::to_string(vertex);
    Agnode_t* node = agnode(place_for(says), c(id.c_str()), 1);
    nodes_[vertex] = node;
    set(node, "id", id);
    set(node, "label", escaped(says.name) + (says.detail.empty() ? "" : "\\n" + escaped(says.detail)));
    set(node, "tooltip", std::string(info(says.kind).id) + " " + escaped(says.name));
    set(node, "shape", std::string(info(says.kind).shape));
    if (says.user_controlled) set(node, "fillcolor", "white");
    if (!vertices_on_cycle_.contains(vertex)) return;
    set(node, "penwidth", "3");
    set(node, "color", "red");
  }

  void draw_edges(VertexId vertex) {
    const auto [begin, end] = out_edges(vertex, graph_);
    for (auto edge = begin; edge != end; ++edge) {
      const std::size_t number = next_edge_++;
      if (options_.view != DotView::cycle || on_cycle_.contains(&graph_[*edge])) draw_edge(*edge, number);
    }
  }

  void draw_edge(EdgeId id, std::size_t number) {
    const Edge& says = graph_[id];
    const CauseInfo& cause = info(says.cause);
    const bool highlighted = on_cycle_.contains(&says);
    const std::string name = "e" + std::to_string(number);
    Agedge_t* edge = agedge(drawing_.get(), nodes_[source(id, graph_)], nodes_[target(id, graph_)], c(name.c_str()), 1);
    set(edge, "id", name);
    if (options_.labels) set(edge, "label", std::string(cause.id));
    set(edge, "tooltip", escaped(says.label.empty() ? std::string(cause.says) : says.label));
    set(edge, "color", highlighted ? "red" : std::string(cause.colour));
    set(edge, "fontcolor", std::string(cause.colour));
    set(edge, "arrowhead", std::string(arrow_head(says.cause)));
    set(edge, "style", says.any ? "dashed" : "solid");
    if (highlighted) set(edge, "penwidth", "3");
  }

  const DependencyGraph& graph_;
  const DotOptions& options_;
  Graph drawing_;
  std::vector<Agnode_t*> nodes_;
  std::vector<bool> has_edge_;
  std::set<const Edge*> on_cycle_;  // only asked for membership, never walked
  std::set<VertexId> vertices_on_cycle_;
  std::size_t next_edge_ = 0;
};

// ---- classes

// All edges between two classes, which are one arrow in the document.
struct ClassArrow {
  std::vector<EdgeId> edges;
  bool highlighted = false;
};

class ClassDrawing {
 public:
  ClassDrawing(const DependencyGraph& graph, const DotOptions& options)
      : classes_(class_graph(graph)), graph_(*classes_.graph), options_(options), drawing_(new_graph(options.title)) {
    std::set<const Edge*> highlighted;
    for (const Cycle& cycle : options.cycles) {
      for (const EdgeId edge : cycle) {
        if (const auto found = class_edge(classes_, graph, edge)) highlighted.insert(&graph_[*found]);
      }
    }
    collect(highlighted);
  }

  std::string draw() {
    explain_arrows(drawing_.get(), options_.title, "holds-up",
                   "an arrow leads from what holds something up to what it holds up");
    set(drawing_.get(), "newrank", "true");
    agattr(drawing_.get(), AGNODE, c("fillcolor"), c("grey"));
    const std::vector<bool> drawn = classes_that_matter();
    for (VertexId vertex = 0; vertex < num_vertices(graph_); ++vertex)
      if (drawn[vertex]) draw_class(vertex);
    for (const auto& [ends, arrow] : arrows_)
      if (drawn[ends.first] && drawn[ends.second]) draw_arrow(ends.first, ends.second, arrow);
    return written(drawing_.get());
  }

 private:
  // Fences always; a lock or a pool only where it is part of a cycle of classes.
  [[nodiscard]] std::vector<bool> classes_that_matter() const {
    std::vector<bool> result(num_vertices(graph_), false);
    for (VertexId vertex = 0; vertex < num_vertices(graph_); ++vertex)
      result[vertex] = graph_[vertex].kind == VertexKind::group;
    for (const std::vector<VertexId>& members : components(graph_).cyclic)
      for (const VertexId vertex : members) result[vertex] = true;
    return result;
  }

  void collect(const std::set<const Edge*>& highlighted) {
    for (VertexId vertex = 0; vertex < num_vertices(graph_); ++vertex) {
      const auto [begin, end] = out_edges(vertex, graph_);
      for (auto edge = begin; edge != end; ++edge) {
        ClassArrow& arrow = arrows_[{target(*edge, graph_), vertex}];  // turned round
        arrow.edges.push_back(*edge);
        arrow.highlighted = arrow.highlighted || highlighted.contains(&graph_[*edge]);
      }
    }
  }

  [[nodiscard]] std::string name_of(VertexId vertex) const {
    if (graph_[vertex].kind != VertexKind::group) return "n" + std::to_string(vertex);
    return graph_[vertex].user_controlled ? "userspace" : "kernel";
  }

  void draw_class(VertexId vertex) {
    const Vertex& says = graph_[vertex];
    const std::string id = name_of(vertex);
    Agraph_t* place = drawing_.get();
    if (says.kind == VertexKind::group) {
      place = agsubg(drawing_.get(), c("same_rank"), 1);
      set(place, "rank", "same");
    }
    Agnode_t* node = agnode(place, c(id.c_str()), 1);
    set(node, "id", id);
    set(node, "label", escaped(says.name));
    set(node, "shape", std::string(info(says.kind).shape));
  }

  // Like the document, one arrow with all its reasons.
  void draw_arrow(VertexId from, VertexId to, const ClassArrow& arrow) {
    Agnode_t* tail = agnode(drawing_.get(), c(name_of(from).c_str()), 0);
    Agnode_t* head = agnode(drawing_.get(), c(name_of(to).c_str()), 0);
    const std::string id = "e" + std::to_string(next_arrow_++);
    Agedge_t* edge = agedge(drawing_.get(), tail, head, c(id.c_str()), 1);
    std::string label;
    bool any = true;
    for (const EdgeId each : arrow.edges) {
      const bool made_by_userspace = graph_[each].cause == Cause::userspace && graph_[to].user_controlled;
      label += (label.empty() ? "" : "\\n") +
               escaped(made_by_userspace ? "waits in userspace" : info(graph_[each].cause).diagram);
      any = any && graph_[each].any;
    }
    set(edge, "id", id);
    set(edge, "tooltip", escaped("waiting: " + graph_[to].name + "; for: " + graph_[from].name));
    if (options_.labels) set(edge, "label", label);
    if (any) set(edge, "style", "dashed");
    if (!arrow.highlighted) return;
    set(edge, "penwidth", "3");
    set(edge, "color", "red");
  }

  ClassGraph classes_;
  const DependencyGraph& graph_;
  const DotOptions& options_;
  Graph drawing_;
  std::map<std::pair<VertexId, VertexId>, ClassArrow> arrows_;
  std::size_t next_arrow_ = 0;
};

}  // namespace

std::string to_dot(const DependencyGraph& graph, const DotOptions& options) {
  if (options.view == DotView::classes) return ClassDrawing(graph, options).draw();
  return InstanceDrawing(graph, options).draw();
}

}  // namespace fencecheck
