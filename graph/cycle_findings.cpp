// Stuck vertices by a least fixpoint, and findings from their cycles.
#include "graph/cycle_findings.hpp"

#include <algorithm>

namespace fencecheck {
namespace {

// The edges turned round: for each vertex those that lead to it, in one array.
class Reversed {
 public:
  explicit Reversed(const DependencyGraph& graph) : first_(num_vertices(graph) + 2, 0) {
    for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
      for_each_edge(graph, vertex, [&](EdgeId edge) { ++first_[target(edge, graph) + 2]; });
    }
    for (std::size_t i = 2; i < first_.size(); ++i) first_[i] += first_[i - 1];
    edges_.resize(num_edges(graph));
    for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
      for_each_edge(graph, vertex, [&](EdgeId edge) { edges_[first_[target(edge, graph) + 1]++] = edge; });
    }
  }

  template <class Function>
  static void for_each_edge(const DependencyGraph& graph, VertexId vertex, Function function) {
    const auto [begin, end] = out_edges(vertex, graph);
    for (auto edge = begin; edge != end; ++edge) function(*edge);
  }

  template <class Function>
  void for_each_into(VertexId vertex, Function function) const {
    for (std::size_t i = first_[vertex]; i < first_[vertex + 1]; ++i) function(edges_[i]);
  }

 private:
  std::vector<std::size_t> first_;
  std::vector<EdgeId> edges_;
};

// What a vertex still waits for.
struct Wait {
  std::size_t all = 0;        // successors that must finish
  bool any = false;           // one of several must finish, too
  bool any_finished = false;  // one of them did
  bool finished = false;
  [[nodiscard]] bool over() const { return all == 0 && (!any || any_finished); }
};

std::vector<Wait> waits_at_rest(const DependencyGraph& graph) {
  std::vector<Wait> waits(num_vertices(graph));
  std::vector<VertexId> pending;
  const auto finish = [&](VertexId vertex) {
    if (waits[vertex].finished || !waits[vertex].over()) return;
    waits[vertex].finished = true;
    pending.push_back(vertex);
  };
  for (VertexId vertex = 0; vertex < waits.size(); ++vertex) {
    Reversed::for_each_edge(graph, vertex, [&](EdgeId edge) {
      waits[vertex].any = waits[vertex].any || graph[edge].any;
      waits[vertex].all += graph[edge].any ? 0 : 1;
    });
  }
  for (VertexId vertex = 0; vertex < waits.size(); ++vertex) finish(vertex);
  const Reversed reversed(graph);
  while (!pending.empty()) {
    const VertexId done = pending.back();
    pending.pop_back();
    reversed.for_each_into(done, [&](EdgeId edge) {
      Wait& wait = waits[source(edge, graph)];
      wait.any_finished = wait.any_finished || graph[edge].any;
      wait.all -= graph[edge].any ? 0 : 1;
      finish(source(edge, graph));
    });
  }
  return waits;
}

constexpr std::size_t names_shown = 6;  // at each end of a cycle too long to be shown

std::string message_of(const std::vector<Party>& parties) {
  std::string message = "dependency cycle: ";
  for (std::size_t i = 0; i < parties.size(); ++i) {
    if (parties.size() > 2 * names_shown && i == names_shown) {
      i = parties.size() - names_shown;
      message += "(" + std::to_string(parties.size() - 2 * names_shown) + " more) -> ";
    }
    message += parties[i].name + " -> ";
  }
  return message + parties.front().name;
}

// "'a' can go on as soon as one of 'b', 'c' is over, but none of them can be".
std::string note_on_alternatives(const DependencyGraph& graph, VertexId vertex) {
  std::vector<std::string> names;
  Reversed::for_each_edge(graph, vertex, [&](EdgeId edge) {
    if (graph[edge].any) names.push_back("'" + graph[target(edge, graph)].name + "'");
  });
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), names_shown); ++i) list += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > names_shown) list += " and " + std::to_string(names.size() - names_shown) + " more";
  return "'" + graph[vertex].name + "' waits for any of " + list + ", none of which can finish";
}

Party party_of(const DependencyGraph& graph, EdgeId edge) {
  Party party;
  const Vertex& waiter = graph[source(edge, graph)];
  party.name = waiter.name;
  party.waits_for = graph[target(edge, graph)].name;
  party.cause = graph[edge].cause;
  party.at = graph[edge].at.line != 0 ? graph[edge].at : waiter.at;
  return party;
}

}  // namespace

std::vector<bool> stuck_vertices(const DependencyGraph& graph) {
  std::vector<bool> stuck;
  for (const Wait& wait : waits_at_rest(graph)) stuck.push_back(!wait.finished);
  return stuck;
}

std::vector<Cycle> deadlock_cycles(const DependencyGraph& graph) {
  const std::vector<Wait> waits = waits_at_rest(graph);
  return shortest_cycles(graph, [&](EdgeId edge) {
    const Wait& waiter = waits[source(edge, graph)];
    const bool stuck = !waiter.finished && !waits[target(edge, graph)].finished;
    return stuck && (!graph[edge].any || !waiter.any_finished);
  });
}

Finding cycle_finding(const DependencyGraph& graph, const Cycle& cycle) {
  Finding finding;
  finding.kind = FindingKind::deadlock;
  finding.strength = Strength::potential;
  bool application_only = true;
  for (const EdgeId edge : cycle) {
    finding.parties.push_back(party_of(graph, edge));
    finding.needs = finding.needs.with(graph[edge].cause);
    if (graph[edge].any) finding.notes.push_back(note_on_alternatives(graph, source(edge, graph)));
    application_only = application_only && graph[source(edge, graph)].user_controlled;
  }
  if (application_only) finding.notes.emplace_back("userspace controls every party: the application's own deadlock");
  finding.at = finding.parties.back().at;
  finding.message = message_of(finding.parties);
  finding.fingerprint = fingerprint(finding);
  return finding;
}

std::vector<Finding> graph_findings(const DependencyGraph& graph) {
  std::vector<Finding> findings;
  for (const Cycle& cycle : deadlock_cycles(graph)) findings.push_back(cycle_finding(graph, cycle));
  return findings;
}

}  // namespace fencecheck
