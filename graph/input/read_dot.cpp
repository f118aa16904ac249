// DOT through libcgraph.
#include "graph/input/read_dot.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "graph/cgraph.hpp"
#include "graph/input/dot_comments.hpp"
#include "graph/input/dot_outline.hpp"

namespace fencecheck {
namespace {

using cgraph::c;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& byte : result) byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
  return result;
}

bool is_word_byte(char byte) { return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'); }

// Whether the text, in lower case, holds the words and not only as parts of other words.
bool says(std::string_view text, std::string_view words) {
  for (std::size_t at = text.find(words); at != std::string_view::npos; at = text.find(words, at + 1)) {
    const std::size_t end = at + words.size();
    const bool begins = at == 0 || !is_word_byte(text[at - 1]);
    if (begins && (end == text.size() || !is_word_byte(text[end]))) return true;
  }
  return false;
}

bool says_user(std::string_view text) { return says(text, "user") || says(text, "userspace"); }

std::string_view attribute(void* object, const char* name) {
  const char* value = agget(object, c(name));
  return value == nullptr ? std::string_view() : std::string_view(value);
}

struct Escape {
  std::string_view written;
  std::string_view means;
};

// What to_dot, and people, write for characters that labels cannot hold as they are.
constexpr auto escape_table = std::to_array<Escape>({
    {"\\n", " "},
    {"\\l", " "},
    {"\\r", " "},
    {"\\\\", "\\"},
    {"&amp;", "&"},
    {"&lt;", "<"},
    {"&gt;", ">"},
    {"&quot;", "\""},
});

// The text of a label on one line: an escString (https://graphviz.org/docs/attr-types/escString/).
std::string label_text(std::string_view label, std::string_view name) {
  std::string result;
  while (!label.empty()) {
    const auto row =
        std::ranges::find_if(escape_table, [&](const Escape& each) { return label.starts_with(each.written); });
    if (row != escape_table.end()) {
      result += row->means;
      label.remove_prefix(row->written.size());
    } else if (label.starts_with("\\N")) {
      result += name;
      label.remove_prefix(2);
    } else {
      result += label.front();
      label.remove_prefix(1);
    }
  }
  result = printable(result);
  const std::size_t begin = std::min(result.find_first_not_of(' '), result.size());
  return result.substr(begin, result.find_last_not_of(' ') + 1 - begin);
}

std::string label_of(void* object, std::string_view name) {
  const std::string_view label = attribute(object, "label");
  if (!label.empty() && aghtmlstr(c(label.data())) != 0) return {};  // HTML is for drawing
  return label_text(label, name);
}

// The row whose id or diagram text comes first in the label.
Cause cause_of(std::string_view label) {
  const std::string text = lower(label);
  const auto names = [&](const CauseInfo& row) { return says(text, row.id) || says(text, lower(row.diagram)); };
  const auto exact = [&](const CauseInfo& row) { return text == row.id || text == lower(row.diagram); };
  auto row = std::ranges::find_if(cause_table, exact);
  if (row == cause_table.end()) row = std::ranges::find_if(cause_table, names);
  return row == cause_table.end() ? Cause::explicit_sync : row->cause;
}

VertexKind kind_of(Agnode_t* node) {
  const std::string_view shape = attribute(node, "shape");
  const auto row = std::ranges::find(vertex_kind_table, shape, &VertexKindInfo::shape);
  return row == vertex_kind_table.end() ? VertexKind::fence : row->kind;
}

struct Arrow {
  Agedge_t* edge = nullptr;
  VertexId from = 0;
  VertexId to = 0;
  Edge says;
};

class Reader {
 public:
  Reader(const Source& source, const DotOutline& outline, Agraph_t* graph)
      : source_(source), outline_(outline), graph_(graph) {}

  DotGraph read(const DotSettings& settings) {
    DotGraph result;
    result.title = title();
    result.expect = settings.expect;
    drop_legend();
    read_clusters();
    auto graph = std::make_shared<DependencyGraph>();
    read_vertices(*graph);
    const std::vector<Arrow> arrows = read_arrows();
    result.arrows_hold_up = settings.arrows_hold_up.value_or(
        arrows_hold_up(attribute(graph_, "fencecheck")).value_or(looks_documented(*graph, arrows)));
    for (const Arrow& arrow : arrows) {
      add_edge(result.arrows_hold_up ? arrow.to : arrow.from, result.arrows_hold_up ? arrow.from : arrow.to, arrow.says,
               *graph);
    }
    result.graph = std::move(graph);
    return result;
  }

 private:
  std::string title() {
    const std::string_view name = agnameof(graph_);
    if (!name.empty() && name.front() != '%') return printable(name);  // cgraph calls nameless graphs %1
    const std::string label = label_of(graph_, "");
    return label.empty() ? source_.name : label;
  }

  // What to_dot writes to explain its arrows.
  void drop_legend() {
    Agraph_t* legend = agsubg(graph_, c("cluster_legend"), 0);
    if (legend == nullptr || attribute(graph_, "fencecheck").empty()) return;
    while (Agnode_t* node = agfstnode(legend)) agdelnode(graph_, node);
  }

  // Clusters from the outside in, so that the innermost one that says something wins.
  void read_clusters() {
    std::vector<Agraph_t*> pending{graph_};
    for (std::size_t next = 0; next < pending.size(); ++next) {
      for (Agraph_t* sub = agfstsubg(pending[next]); sub != nullptr; sub = agnxtsubg(sub)) {
        pending.push_back(sub);
        read_cluster(sub);
      }
    }
  }

  void read_cluster(Agraph_t* cluster) {
    const std::string name = lower(agnameof(cluster));
    if (!name.starts_with("cluster")) return;
    std::string text = name;
    std::ranges::replace(text, '_', ' ');
    const bool inherited = attribute(cluster, "label") == attribute(agparent(cluster), "label");
    if (!inherited) text += " " + lower(label_of(cluster, ""));
    if (!says_user(text) && !says(text, "kernel")) return;
    for (Agnode_t* node = agfstnode(cluster); node != nullptr; node = agnxtnode(cluster, node)) {
      in_user_cluster_[AGSEQ(node)] = says_user(text);
    }
  }

  void read_vertices(DependencyGraph& graph) {
    std::unordered_map<std::string, std::size_t> uses;
    for (Agnode_t* node = agfstnode(graph_); node != nullptr; node = agnxtnode(graph_, node)) ++uses[vertex_name(node)];
    for (Agnode_t* node = agfstnode(graph_); node != nullptr; node = agnxtnode(graph_, node)) {
      Vertex vertex;
      vertex.name = vertex_name(node);
      vertex.kind = kind_of(node);
      vertex.user_controlled = user_controlled(node);
      vertex.at = place_of(node);
      if (uses[vertex.name] > 1) vertex.name += " (" + printable(agnameof(node)) + ")";
      vertex_of_[AGSEQ(node)] = add_vertex(vertex, graph);
    }
  }

  static std::string vertex_name(Agnode_t* node) {
    const std::string_view name = agnameof(node);
    const std::string label = label_of(node, name);
    return label.empty() ? printable(name) : label;
  }

  bool user_controlled(Agnode_t* node) {
    if (const auto found = in_user_cluster_.find(AGSEQ(node)); found != in_user_cluster_.end()) return found->second;
    return says_user(lower(vertex_name(node))) || says_user(lower(agnameof(node)));
  }

  Place place_of(Agnode_t* node) {
    const auto found = outline_.nodes.find(agnameof(node));
    return found == outline_.nodes.end() ? Place{} : found->second;
  }

  std::vector<Arrow> read_arrows() {
    std::vector<Agedge_t*> edges;
    for (Agnode_t* node = agfstnode(graph_); node != nullptr; node = agnxtnode(graph_, node)) {
      for (Agedge_t* edge = agfstout(graph_, node); edge != nullptr; edge = agnxtout(graph_, edge))
        edges.push_back(edge);
    }
    std::ranges::sort(edges, {}, [](Agedge_t* edge) { return AGSEQ(edge); });
    std::vector<Arrow> arrows;
    std::map<std::pair<std::string, std::string>, std::size_t> seen;
    for (Agedge_t* edge : edges) read_arrow(edge, seen, arrows);
    return arrows;
  }

  void read_arrow(Agedge_t* edge, std::map<std::pair<std::string, std::string>, std::size_t>& seen,
                  std::vector<Arrow>& arrows) {
    Arrow arrow{edge, vertex_of_[AGSEQ(agtail(edge))], vertex_of_[AGSEQ(aghead(edge))], {}};
    arrow.says.label = label_of(edge, "");
    arrow.says.cause = cause_of(arrow.says.label);
    arrow.says.any = says(attribute(edge, "style"), "dashed");
    arrow.says.at = place_of(edge, seen);
    const std::string_view direction = attribute(edge, "dir");
    if (direction != "back") arrows.push_back(arrow);
    if (direction != "back" && direction != "both") return;
    std::swap(arrow.from, arrow.to);
    arrows.push_back(std::move(arrow));
  }

  // The n-th edge between two nodes is written where they are joined the n-th time.
  Place place_of(Agedge_t* edge, std::map<std::pair<std::string, std::string>, std::size_t>& seen) {
    const std::pair<std::string, std::string> ends{agnameof(agtail(edge)), agnameof(aghead(edge))};
    const auto found = outline_.arrows.find(ends);
    if (found == outline_.arrows.end()) return place_of(agtail(edge));
    const std::size_t index = seen[ends]++;
    return found->second[std::min(index, found->second.size() - 1)];
  }

  static bool looks_documented(const DependencyGraph& graph, const std::vector<Arrow>& arrows) {
    const auto down = [&](const Arrow& arrow, Cause cause) {
      return arrow.says.cause == cause && !graph[arrow.from].user_controlled && graph[arrow.to].user_controlled;
    };
    const auto any = [&](Cause cause) {
      return std::ranges::any_of(arrows, [&](const Arrow& arrow) { return down(arrow, cause); });
    };
    return any(Cause::memory_management) && !any(Cause::userspace);
  }

  const Source& source_;
  const DotOutline& outline_;
  Agraph_t* graph_;
  std::unordered_map<unsigned long long, bool> in_user_cluster_;
  std::unordered_map<unsigned long long, VertexId> vertex_of_;
};

// cgraph says "... in line 3 near '['".
Place place_in(const Source& source, std::string_view message) {
  Place at{0, 0, 1};
  constexpr std::string_view line = " in line ";
  constexpr std::string_view near = " near '";
  const std::size_t found = message.find(line);
  if (found == std::string_view::npos) return {};
  const char* digits = message.data() + found + line.size();
  std::from_chars(digits, message.data() + message.size(), at.line);
  const std::size_t quote = message.find(near, found);
  if (quote == std::string_view::npos) return at;
  const std::string_view token = message.substr(quote + near.size(), message.rfind('\'') - quote - near.size());
  const std::size_t column = token.empty() ? std::string_view::npos : line_of(source, at.line).find(token);
  if (column == std::string_view::npos) return at;
  return {at.line, static_cast<std::uint32_t>(column + 1), static_cast<std::uint32_t>(token.size())};
}

void report(const Source& source, const cgraph::Messages& messages, Diagnostics& diagnostics) {
  for (const auto& [error, text] : messages.all()) {
    std::string message = text;
    const Place at = place_in(source, text);
    if (const std::size_t line = text.find(" in line "); line != std::string::npos) {
      const std::size_t rest = text.find_first_not_of("0123456789", line + 9);
      message = text.substr(0, line) + (rest == std::string::npos ? "" : text.substr(rest));
    }
    error ? diagnostics.error(at, message) : diagnostics.warning(at, message);
  }
}

}  // namespace

std::optional<DotGraph> read_dot(const Source& source, Diagnostics& diagnostics) {
  const std::optional<DotOutline> outline = outline_dot(source, diagnostics);
  if (!outline) return std::nullopt;
  const DotSettings settings = read_dot_comments(source, outline->comments, diagnostics);

  const cgraph::Messages messages;
  const cgraph::Graph graph = cgraph::read_graph(std::string_view(source.text).substr(0, outline->end));
  report(source, messages, diagnostics);
  if (!graph && diagnostics.ok()) diagnostics.error({1, 1, 1}, "this is not a graph in DOT");
  if (graph && attribute(graph.get(), "fencecheck") == "schedule")
    diagnostics.error({1, 1, 1}, "this is the drawing of a schedule, not a dependency graph");
  if (!graph || !diagnostics.ok()) return std::nullopt;

  DotGraph result = Reader(source, *outline, graph.get()).read(settings);
  if (num_edges(*result.graph) == 0) diagnostics.warning({}, "the graph has no arrows, so nothing in it waits");
  return result;
}

}  // namespace fencecheck
