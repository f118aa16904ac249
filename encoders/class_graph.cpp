// Collapses instances to classes.
#include "encoders/class_graph.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace fencecheck {
namespace {

// What makes two vertices the same class. The two classes of fences come first.
using ClassKey = std::tuple<VertexKind, bool, std::string>;

bool keeps_its_name(const Vertex& vertex) { return vertex.kind == VertexKind::lock || vertex.kind == VertexKind::pool; }

ClassKey key_of(const Vertex& vertex) {
  if (keeps_its_name(vertex)) return {vertex.kind, vertex.user_controlled, vertex.name};
  return {VertexKind::group, vertex.user_controlled, std::string(vertex.user_controlled ? user_fences : kernel_fences)};
}

Vertex class_of(const Vertex& vertex) {
  const auto& [kind, user, name] = key_of(vertex);
  return keeps_its_name(vertex) ? vertex : Vertex{name, kind, user, {}, {}};
}

// Kernel fences first, then user-controlled ones, then locks and pools in the order of the input.
std::vector<VertexId> add_classes(const DependencyGraph& graph, DependencyGraph& classes) {
  std::map<ClassKey, VertexId> known;
  const auto add = [&](const Vertex& vertex) {
    const auto [entry, is_new] = known.try_emplace(key_of(vertex), num_vertices(classes));
    if (is_new) add_vertex(class_of(vertex), classes);
  };
  for (const bool user : {false, true}) {
    for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
      if (!keeps_its_name(graph[vertex]) && graph[vertex].user_controlled == user) add(graph[vertex]);
    }
  }
  std::vector<VertexId> of;
  for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
    add(graph[vertex]);
    of.push_back(known.at(key_of(graph[vertex])));
  }
  return of;
}

Cause class_cause(const Vertex& from, const Vertex& to, Cause cause) {
  const bool kernel_waits_for_user = !from.user_controlled && to.user_controlled;
  return kernel_waits_for_user && !info(cause).made_by_kernel ? Cause::userspace : cause;
}

bool left_out(const DependencyGraph& classes, VertexId from, VertexId to) {
  return from == to && classes[from].kind == VertexKind::group;
}

}  // namespace

ClassGraph class_graph(const DependencyGraph& graph) {
  ClassGraph result;
  const auto classes = std::make_shared<DependencyGraph>();
  result.of = add_classes(graph, *classes);
  std::map<std::tuple<VertexId, VertexId, Cause>, EdgeId> known;
  for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
    const auto [begin, end] = out_edges(vertex, graph);
    for (auto edge = begin; edge != end; ++edge) {
      const VertexId from = result.of[vertex];
      const VertexId to = result.of[target(*edge, graph)];
      if (left_out(*classes, from, to)) continue;
      Edge says = graph[*edge];
      says.cause = class_cause((*classes)[from], (*classes)[to], says.cause);
      const auto [entry, is_new] = known.try_emplace({from, to, says.cause});
      if (is_new) entry->second = add_edge(from, to, says, *classes).first;
      (*classes)[entry->second].any = (*classes)[entry->second].any && says.any;
    }
  }
  result.graph = classes;
  return result;
}

std::optional<EdgeId> class_edge(const ClassGraph& classes, const DependencyGraph& graph, EdgeId edge) {
  const DependencyGraph& to_search = *classes.graph;
  const VertexId from = classes.of[source(edge, graph)];
  const VertexId to = classes.of[target(edge, graph)];
  const Cause cause = class_cause(to_search[from], to_search[to], graph[edge].cause);
  const auto [begin, end] = out_edges(from, to_search);
  const auto found = std::find_if(
      begin, end, [&](EdgeId each) { return target(each, to_search) == to && to_search[each].cause == cause; });
  if (found == end) return std::nullopt;
  return *found;
}

std::shared_ptr<const DependencyGraph> group_by_class(const DependencyGraph& graph) { return class_graph(graph).graph; }

}  // namespace fencecheck
