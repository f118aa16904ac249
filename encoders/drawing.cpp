#include "encoders/drawing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "encoders/class_graph.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_sentences = 12;  // of an alternative text

constexpr std::string_view dashed = "dashed: one of several is enough";
constexpr std::string_view bold = "bold: on a cycle that was found";

std::string joined(std::vector<std::string> sentences) {
  const std::size_t count = sentences.size();
  if (count > most_sentences) {
    sentences.resize(most_sentences);
    sentences.push_back(fmt::format("and {} more", count - most_sentences));
  }
  return fmt::format("{}", fmt::join(sentences, "; "));
}

std::string some(std::size_t count, std::string_view one, std::string_view several) {
  return fmt::format("{} more {}", count, count == 1 ? one : several);
}

// Which vertices are drawn when not all fit: those on the given cycles, then
// shortest cycles, then what is next to these, until the picture is full. The
// first cycle is always whole.
class Cut {
 public:
  Cut(const DependencyGraph& graph, const std::vector<bool>& shown, std::size_t most)
      : graph_(graph), shown_(shown), most_(most), kept_(num_vertices(graph), false) {}

  std::vector<bool> run(const std::vector<Cycle>& cycles) {
    for (const Cycle& cycle : cycles) keep(cycle);
    for (const Cycle& cycle : shortest_cycles(graph_)) keep(cycle);
    for (VertexId vertex = 0; order_.empty() && vertex < kept_.size(); ++vertex)
      if (shown_[vertex]) keep(vertex);
    for (std::size_t next = 0; next < order_.size(); ++next) {
      const auto [begin, end] = out_edges(order_[next], graph_);
      for (auto edge = begin; edge != end; ++edge) keep(target(*edge, graph_));
    }
    return kept_;
  }

 private:
  void keep(VertexId vertex) {
    if (kept_[vertex] || !shown_[vertex] || order_.size() >= most_) return;
    kept_[vertex] = true;
    order_.push_back(vertex);
  }

  void keep(const Cycle& cycle) {
    if (!order_.empty() && order_.size() + cycle.size() > most_) return;
    for (const EdgeId edge : cycle) {
      const VertexId vertex = source(edge, graph_);
      if (!kept_[vertex]) order_.push_back(vertex);
      kept_[vertex] = true;
    }
  }

  const DependencyGraph& graph_;
  const std::vector<bool>& shown_;
  std::size_t most_;
  std::vector<bool> kept_;
  std::vector<VertexId> order_;
};

// ---- instances and cycles

class InstanceDrawing {
 public:
  InstanceDrawing(const DependencyGraph& graph, const DrawingOptions& options)
      : graph_(graph), options_(options), has_edge_(num_vertices(graph), false) {
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

  Drawing run() {
    result_.title = options_.title;
    result_.direction = "waits-for";
    result_.sentence = fmt::format("an arrow leads from what waits to what it waits for; {}", dashed);
    std::vector<bool> shown(num_vertices(graph_));
    for (VertexId vertex = 0; vertex < shown.size(); ++vertex) shown[vertex] = worth_drawing(vertex);
    const auto count = static_cast<std::size_t>(std::ranges::count(shown, true));
    std::vector<bool> kept = shown;
    if (options_.most != 0 && count > options_.most) kept = Cut(graph_, shown, options_.most).run(options_.cycles);
    node_of_.resize(shown.size());
    for (VertexId vertex = 0; vertex < shown.size(); ++vertex)
      if (kept[vertex]) add_node(vertex);
    for (VertexId vertex = 0; vertex < shown.size(); ++vertex) add_arrows(vertex, shown, kept);
    if (count > result_.nodes.size())
      result_.left_out =
          fmt::format("{} and {} are not drawn", some(count - result_.nodes.size(), "vertex", "vertices"),
                      some(arrows_left_out_, "arrow", "arrows"));
    add_legend();
    return std::move(result_);
  }

 private:
  // A lock or a pool that nobody waits for, and under which nobody waits, says nothing.
  [[nodiscard]] bool idle(VertexId vertex) const {
    const VertexKind kind = graph_[vertex].kind;
    return (kind == VertexKind::lock || kind == VertexKind::pool) && !has_edge_[vertex];
  }

  [[nodiscard]] bool worth_drawing(VertexId vertex) const {
    if (idle(vertex)) return false;
    return options_.view != View::cycle || vertices_on_cycle_.contains(vertex);
  }

  static Cluster cluster_of(const Vertex& vertex) {
    if (vertex.user_controlled) return Cluster::user;
    const bool kernel_fence = vertex.kind == VertexKind::fence || vertex.kind == VertexKind::group;
    return kernel_fence ? Cluster::kernel : Cluster::none;
  }

  void add_node(VertexId vertex) {
    const Vertex& says = graph_[vertex];
    DrawnNode node;
    node.id = "n" + std::to_string(vertex);
    node.lines.push_back(says.name);
    if (!says.detail.empty()) node.lines.push_back(says.detail);
    node.tooltip = std::string(info(says.kind).id) + " " + says.name;
    node.kind = says.kind;
    node.cluster = cluster_of(says);
    node.user_controlled = says.user_controlled;
    node.highlighted = vertices_on_cycle_.contains(vertex);
    node_of_[vertex] = result_.nodes.size();
    result_.nodes.push_back(std::move(node));
  }

  void add_arrows(VertexId vertex, const std::vector<bool>& shown, const std::vector<bool>& kept) {
    const auto [begin, end] = out_edges(vertex, graph_);
    for (auto edge = begin; edge != end; ++edge) {
      const std::size_t number = next_edge_++;
      const VertexId to = target(*edge, graph_);
      if (!shown[vertex] || !shown[to] || (options_.view == View::cycle && !on_cycle_.contains(&graph_[*edge])))
        continue;
      if (kept[vertex] && kept[to])
        add_arrow(*edge, number);
      else
        ++arrows_left_out_;
    }
  }

  void add_arrow(EdgeId id, std::size_t number) {
    const Edge& says = graph_[id];
    DrawnArrow arrow;
    arrow.id = "e" + std::to_string(number);
    arrow.from = node_of_[source(id, graph_)];
    arrow.to = node_of_[target(id, graph_)];
    if (options_.labels) arrow.lines.emplace_back(info(says.cause).id);
    arrow.tooltip = says.label.empty() ? std::string(info(says.cause).says) : says.label;
    arrow.cause = says.cause;
    arrow.any = says.any;
    arrow.highlighted = on_cycle_.contains(&says);
    result_.arrows.push_back(std::move(arrow));
  }

  // What the drawing uses, and nothing else.
  void add_legend() {
    for (const CauseInfo& row : cause_table)
      if (std::ranges::find(result_.arrows, std::optional(row.cause), &DrawnArrow::cause) != result_.arrows.end())
        result_.legend.push_back({row.cause, false, false, fmt::format("{}: {}", row.id, row.says)});
    if (std::ranges::any_of(result_.arrows, &DrawnArrow::any))
      result_.legend.push_back({std::nullopt, true, false, std::string(dashed)});
    if (std::ranges::any_of(result_.arrows, &DrawnArrow::highlighted))
      result_.legend.push_back({std::nullopt, false, true, std::string(bold)});
  }

  const DependencyGraph& graph_;
  const DrawingOptions& options_;
  Drawing result_;
  std::vector<std::size_t> node_of_;
  std::vector<bool> has_edge_;
  std::set<const Edge*> on_cycle_;  // only asked for membership, never walked
  std::set<VertexId> vertices_on_cycle_;
  std::size_t next_edge_ = 0;
  std::size_t arrows_left_out_ = 0;
};

// ---- classes

// All edges between two classes, which are one arrow in the document.
struct ClassArrow {
  std::vector<EdgeId> edges;
  bool highlighted = false;
};

class ClassDrawing {
 public:
  ClassDrawing(const DependencyGraph& graph, const DrawingOptions& options)
      : classes_(class_graph(graph)), graph_(*classes_.graph), options_(options) {
    std::set<const Edge*> highlighted;
    for (const Cycle& cycle : options.cycles) {
      for (const EdgeId edge : cycle) {
        if (const auto found = class_edge(classes_, graph, edge)) highlighted.insert(&graph_[*found]);
      }
    }
    collect(highlighted);
  }

  Drawing run() {
    result_.title = options_.title;
    result_.direction = "holds-up";
    result_.sentence = "an arrow leads from what holds something up to what it holds up";
    result_.classes = true;
    const std::vector<bool> drawn = classes_that_matter();
    node_of_.resize(drawn.size());
    for (VertexId vertex = 0; vertex < drawn.size(); ++vertex)
      if (drawn[vertex]) add_class(vertex);
    for (const auto& [ends, arrow] : arrows_)
      if (drawn[ends.first] && drawn[ends.second]) add_arrow(ends.first, ends.second, arrow);
    if (std::ranges::any_of(result_.arrows, &DrawnArrow::any)) result_.sentence += fmt::format("; {}", dashed);
    if (std::ranges::any_of(result_.arrows, &DrawnArrow::highlighted)) result_.sentence += fmt::format("; {}", bold);
    return std::move(result_);
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

  [[nodiscard]] std::string id_of(VertexId vertex) const {
    if (graph_[vertex].kind != VertexKind::group) return "n" + std::to_string(vertex);
    return graph_[vertex].user_controlled ? "userspace" : "kernel";
  }

  void add_class(VertexId vertex) {
    const Vertex& says = graph_[vertex];
    DrawnNode node;
    node.id = id_of(vertex);
    node.lines.push_back(says.name);
    node.kind = says.kind;
    node.user_controlled = says.user_controlled;
    node_of_[vertex] = result_.nodes.size();
    result_.nodes.push_back(std::move(node));
  }

  // Like the document, one arrow with all its reasons.
  void add_arrow(VertexId from, VertexId to, const ClassArrow& says) {
    DrawnArrow arrow;
    arrow.id = "e" + std::to_string(result_.arrows.size());
    arrow.from = node_of_[from];
    arrow.to = node_of_[to];
    arrow.tooltip = "waiting: " + graph_[to].name + "; for: " + graph_[from].name;
    arrow.any = std::ranges::all_of(says.edges, [&](EdgeId each) { return graph_[each].any; });
    arrow.highlighted = says.highlighted;
    for (const EdgeId each : says.edges) {
      const bool made_by_userspace = graph_[each].cause == Cause::userspace && graph_[to].user_controlled;
      if (options_.labels)
        arrow.lines.emplace_back(made_by_userspace ? "waits in userspace" : info(graph_[each].cause).diagram);
    }
    result_.arrows.push_back(std::move(arrow));
  }

  ClassGraph classes_;
  const DependencyGraph& graph_;
  const DrawingOptions& options_;
  Drawing result_;
  std::vector<std::size_t> node_of_;
  std::map<std::pair<VertexId, VertexId>, ClassArrow> arrows_;
};

}  // namespace

Drawing draw(const DependencyGraph& graph, const DrawingOptions& options) {
  if (options.view == View::classes) return ClassDrawing(graph, options).run();
  return InstanceDrawing(graph, options).run();
}

std::string in_words(const Drawing& drawing) {
  const bool cycles = std::ranges::any_of(drawing.arrows, &DrawnArrow::highlighted);
  std::vector<std::string> sentences;
  for (const DrawnArrow& arrow : drawing.arrows) {
    if (arrow.highlighted != cycles) continue;
    const std::string& from = drawing.nodes[arrow.from].lines.front();
    const std::string& to = drawing.nodes[arrow.to].lines.front();
    sentences.push_back(fmt::format("{} {} {}{}", from, drawing.classes ? "holds up" : "waits for", to,
                                    arrow.cause ? fmt::format(" ({})", info(*arrow.cause).id) : ""));
  }
  return joined(std::move(sentences));
}

}  // namespace fencecheck
