#include "checker/prove.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "graph/dependencies.hpp"
#include "graph/dependency_graph.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"
#include "graph/model/instance_name.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_templates = 3;

// In the order in which they are tried.
const std::vector<std::vector<Measure>>& lists_of_measures() {
  static const std::vector<std::vector<Measure>> lists{{Measure::publication},
                                                       {Measure::queue},
                                                       {Measure::creation},
                                                       {Measure::creation, Measure::publication},
                                                       {Measure::creation, Measure::queue}};
  return lists;
}

class Ranking {
 public:
  explicit Ranking(const std::vector<System>& systems) : systems_(systems) {}
  Proof run();

 private:
  void find_candidates();
  [[nodiscard]] bool take_up(const std::vector<Objection>& objections);
  [[nodiscard]] bool rank();
  void refuse(const DependencyGraph& graph, const Components& found, const std::vector<VertexId>& members);
  [[nodiscard]] Cycle cycle_through(const DependencyGraph& graph, const Components& found, EdgeId edge) const;

  const std::vector<System>& systems_;
  Certificate certificate_;
  Proof proof_;
  std::vector<std::string> classes_;
  std::map<std::string, VertexId, std::less<>> vertices_;
  std::vector<ClassEdge> edges_;
  std::map<std::string, std::vector<std::string>, std::less<>> candidates_;  // owners of each fence, the best first
};

// Who may own a fence: of several the one that signals nothing beyond it, as points of a timeline are signalled.
void Ranking::find_candidates() {
  std::map<std::string, std::vector<std::pair<bool, std::string>>, std::less<>> all;
  const System& system = systems_.front();
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program)
      if (const auto* signal = std::get_if<Signal>(&step.action))
        for (const FenceId fence : signal->fences)
          all[instance_name(system[fence].name).class_name].emplace_back(fence != signal->fences.back(),
                                                                         instance_name(thread.name).class_name);
  for (auto& [fence, owners] : all) {
    std::ranges::stable_sort(owners, {}, [](const auto& each) { return each.first; });
    for (const auto& [beyond, owner] : owners)
      if (std::ranges::find(candidates_[fence], owner) == candidates_[fence].end()) candidates_[fence].push_back(owner);
    certificate_.owners[fence] = candidates_[fence].front();
  }
}

// Learns from what the verifier says; false if there is nothing to be learnt.
bool Ranking::take_up(const std::vector<Objection>& objections) {
  bool learnt = false;
  const auto add_class = [&](const std::string& name) {
    if (!vertices_.try_emplace(name, classes_.size()).second) return;
    classes_.push_back(name);
    learnt = true;
  };
  for (const Objection& each : objections) {
    switch (each.kind) {
      case Objection::Kind::outside:
        proof_.why_not = fmt::format("line {}: not covered: {}", each.at.line, each.says);
        return false;
      case Objection::Kind::unranked:
        add_class(each.subject);
        break;
      case Objection::Kind::edge:
        edges_.push_back(*each.edge);
        learnt = true;
        break;
      case Objection::Kind::unowned: {
        std::vector<std::string>& left = candidates_[each.subject];
        if (left.size() < 2) {
          proof_.why_not = fmt::format("line {}: {}", each.at.line, each.says);
          return false;
        }
        left.erase(left.begin());
        certificate_.owners[each.subject] = left.front();
        learnt = true;
      }
    }
  }
  if (!learnt) proof_.why_not = objections.front().says;
  return learnt;
}

Cycle Ranking::cycle_through(const DependencyGraph& graph, const Components& found, EdgeId edge) const {
  const VertexId goal = source(edge, graph);
  std::map<VertexId, EdgeId> reached_by;
  std::vector<VertexId> queue{target(edge, graph)};
  for (std::size_t next = 0; next < queue.size() && queue[next] != goal; ++next)
    for (const EdgeId out : boost::make_iterator_range(out_edges(queue[next], graph)))
      if (const VertexId to = target(out, graph);
          found.of[to] == found.of[goal] && to != target(edge, graph) && reached_by.emplace(to, out).second)
        queue.push_back(to);
  Cycle back;
  for (VertexId at = goal; at != target(edge, graph); at = source(reached_by.at(at), graph))
    back.push_back(reached_by.at(at));
  back.push_back(edge);
  std::ranges::reverse(back);
  return back;
}

// The suspicion: a shortest cycle through an edge that stands against the list with the fewest of them.
void Ranking::refuse(const DependencyGraph& graph, const Components& found, const std::vector<VertexId>& members) {
  std::optional<EdgeId> worst;
  std::size_t fewest = edges_.size() + 1;
  for (const std::vector<Measure>& measures : lists_of_measures()) {
    std::size_t against = 0;
    std::optional<EdgeId> first;
    for (const VertexId vertex : members)
      for (const EdgeId edge : boost::make_iterator_range(out_edges(vertex, graph))) {
        if (found.of[target(edge, graph)] != found.of[vertex]) continue;
        if (decreases(edges_[graph[edge].at.line], measures)) continue;
        if (!first) first = edge;
        ++against;
      }
    if (against >= fewest) continue;
    fewest = against;
    worst = first;
  }
  std::string story;
  for (const EdgeId edge : cycle_through(graph, found, *worst)) {
    const ClassEdge& each = edges_[graph[edge].at.line];
    story += fmt::format("{}line {}: {}", story.empty() ? "" : "; ", each.at.line, each.says);
    proof_.cycle.push_back(each);
  }
  proof_.why_not = "a cycle of classes that no order excludes: " + story;
}

bool Ranking::rank() {
  DependencyGraph graph;
  for (const std::string& name : classes_) boost::add_vertex(Vertex{name, VertexKind::fence, false, {}, {}}, graph);
  for (std::uint32_t i = 0; i < edges_.size(); ++i)  // the place says which edge it is
    boost::add_edge(vertices_.at(edges_[i].from), vertices_.at(edges_[i].to), Edge{{}, false, {}, {i, 0, 1}}, graph);
  const Components found = components(graph);
  std::map<std::uint32_t, std::vector<Measure>> measures;
  for (const std::vector<VertexId>& members : found.cyclic) {
    const auto explains = [&](const std::vector<Measure>& list) {
      return std::ranges::all_of(edges_, [&](const ClassEdge& edge) {
        const std::uint32_t component = found.of[vertices_.at(edge.from)];
        const bool inside = component == found.of[members.front()] && component == found.of[vertices_.at(edge.to)];
        return !inside || decreases(edge, list);
      });
    };
    const auto list = std::ranges::find_if(lists_of_measures(), explains);
    if (list == lists_of_measures().end()) {
      refuse(graph, found, members);
      return false;
    }
    measures[found.of[members.front()]] = *list;
  }
  // Components are numbered from those that lead nowhere.
  certificate_.classes.clear();
  for (VertexId vertex = 0; vertex < classes_.size(); ++vertex)
    certificate_.classes[classes_[vertex]] = {found.of[vertex], measures[found.of[vertex]]};
  return true;
}

Proof Ranking::run() {
  find_candidates();
  for (;;) {
    const std::vector<Objection> objections = verify(systems_, certificate_);
    if (objections.empty()) {
      proof_.certificate = certificate_;
      return proof_;
    }
    if (!take_up(objections) || !rank()) return proof_;
  }
}

// Of the vertices of a dependency graph: fences by class, and everything else.
struct ClassGraph {
  std::map<std::string, std::set<std::string>> edges;
  std::set<std::string> userspace;
  std::set<std::string> kernel;
};

ClassGraph classes_of(const DependencyGraph& graph) {
  ClassGraph result;
  const auto class_of = [&](VertexId vertex) {
    return fmt::format("{} {}", info(graph[vertex].kind).id, instance_name(graph[vertex].name).class_name);
  };
  for (const VertexId vertex : boost::make_iterator_range(vertices(graph)))
    if (graph[vertex].kind == VertexKind::fence)
      (graph[vertex].user_controlled ? result.userspace : result.kernel).insert(class_of(vertex));
  for (const EdgeId edge : boost::make_iterator_range(boost::edges(graph)))
    result.edges[class_of(source(edge, graph))].insert(class_of(target(edge, graph)));
  return result;
}

}  // namespace

Proof prove(const Source& source) {
  Diagnostics diagnostics;
  std::vector<System> systems = systems_for_proof(source, diagnostics);
  if (systems.empty()) {
    const std::vector<Diagnostic> all = diagnostics.sorted();
    const auto error = std::ranges::find(all, Severity::error, &Diagnostic::severity);
    Proof refused;
    refused.why_not = fmt::format("with {} instances: {}", instances_for_proof,
                                  error == all.end() ? "it cannot be read" : error->message);
    return refused;
  }
  Proof proof = Ranking(systems).run();
  if (proof.certificate) proof.certificate->fingerprint = design_fingerprint(source);
  proof.systems = std::move(systems);
  return proof;
}

std::vector<System> systems_for_proof(const Source& source, Diagnostics& diagnostics) {
  const std::optional<Scenario> some = read_yaml(source, diagnostics);
  if (!some) return {};
  const auto templates = static_cast<std::size_t>(std::ranges::count_if(some->templates, &TemplateDeclaration::many));
  if (templates > most_templates) {
    diagnostics.error({}, fmt::format("more than {} templates with 'instances: many'", most_templates));
    return {};
  }
  std::vector<System> result;  // the largest first
  for (std::size_t single = 0; single < std::size_t{1} << templates; ++single) {
    InstanceCounts counts{instances_for_proof};
    counts.resize(std::max<std::size_t>(templates, 1), instances_for_proof);
    for (std::size_t i = 0; i < templates; ++i)
      if ((single >> i & 1U) != 0) counts[i] = 1;
    const std::optional<Scenario> scenario = read_yaml(source, diagnostics, counts);
    std::optional<System> system = scenario ? lower(*scenario, diagnostics) : std::nullopt;
    if (!system) return {};
    result.push_back(std::move(*system));
  }
  return result;
}

std::string design_fingerprint(const Source& source) { return fingerprint({"design", source.text}); }

bool any_number(const Scenario& scenario) {
  return std::ranges::any_of(scenario.templates, [](const TemplateDeclaration& each) { return each.many; });
}

bool may_depend_on_userspace(const System& system) {
  const SystemGraph graph = dependencies(system);
  const ClassGraph classes = classes_of(*graph.graph);
  std::vector<std::string> queue(classes.kernel.begin(), classes.kernel.end());
  std::set<std::string> seen(queue.begin(), queue.end());
  while (!queue.empty()) {
    const auto out = classes.edges.find(queue.back());
    queue.pop_back();
    if (out == classes.edges.end()) continue;
    for (const std::string& next : out->second) {
      if (classes.userspace.contains(next)) return true;
      if (seen.insert(next).second) queue.push_back(next);
    }
  }
  return false;
}

}  // namespace fencecheck
