// One graph of several; then what only the joined graph shows.
#include "checker/combine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "graph/cycle_findings.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t longest_story = 20;  // parties of one chain

// "client-0-104" of a trace and "client-0:104" of a log: the same name, as far as both have it. A task has its parent's
// name until it gets its own.
bool one_task(std::string_view one, std::string_view other) {
  const auto comm = [](std::string_view name) { return name.substr(0, name.find_last_of("-:")); };
  const std::string_view a = comm(one), b = comm(other);
  const auto unnamed = [](std::string_view name) { return name == "<...>" || name == "kthreadd"; };
  return unnamed(a) || unnamed(b) || a.starts_with(b) || b.starts_with(a);
}

class Combiner {
 public:
  explicit Combiner(std::vector<const Checked*> recordings)
      : recordings_(std::move(recordings)), graph_(std::make_shared<DependencyGraph>()) {}
  Checked combine();

 private:
  void join();
  void cycles();
  void blocked_tasks();
  void add(Finding finding);
  void answer();
  [[nodiscard]] bool counts(EdgeId edge) const;
  [[nodiscard]] std::string where(EdgeId edge) const;
  [[nodiscard]] Party party(EdgeId edge) const;
  [[nodiscard]] std::optional<EdgeId> wait_in_trace(VertexId task) const;
  [[nodiscard]] std::optional<EdgeId> wait_in_log(VertexId task) const;
  [[nodiscard]] bool is_trace(EdgeId edge) const;

  // Of each edge of the joined graph: which recording it comes from, and the edge there.
  struct Origin {
    std::size_t recording = 0;
    Place at;
    Place until;
  };

  std::vector<const Checked*> recordings_;
  std::shared_ptr<DependencyGraph> graph_;
  std::map<std::pair<VertexId, VertexId>, Origin> origins_;
  std::map<VertexId, std::set<std::size_t>> known_by_;
  std::size_t joined_ = 0;
  Report report_;
};

void Combiner::join() {
  std::map<std::string, VertexId> known;
  for (std::size_t i = 0; i < recordings_.size(); ++i) {
    const DependencyGraph& graph = *recordings_[i]->report->graph;
    std::vector<VertexId> here;
    for (VertexId vertex = 0; vertex < num_vertices(graph); ++vertex) {
      Vertex copy = graph[vertex];
      copy.at = {};
      auto found = copy.identity.empty() ? known.end() : known.find(copy.identity);
      if (found != known.end() && copy.kind == VertexKind::task &&
          !one_task((*graph_)[found->second].name, copy.name)) {
        report_.assumptions.push_back(
            fmt::format("{} and {} are two tasks, as a pid is used again", (*graph_)[found->second].name, copy.name));
        found = known.end();
      }
      here.push_back(found == known.end() ? add_vertex(copy, *graph_) : found->second);
      if (found == known.end() && !copy.identity.empty()) known.emplace(copy.identity, here.back());
      Vertex& both = (*graph_)[here.back()];
      if (both.detail.empty()) both.detail = copy.detail;
      if (both.kind == VertexKind::fence && both.name.size() < copy.name.size()) both.name = copy.name;
      both.user_controlled = both.user_controlled || copy.user_controlled;
      known_by_[here.back()].insert(i);
    }
    for (const EdgeId edge : boost::make_iterator_range(boost::edges(graph))) {
      const std::pair<VertexId, VertexId> ends{here[source(edge, graph)], here[target(edge, graph)]};
      if (!origins_.try_emplace(ends, Origin{i, graph[edge].at, graph[edge].until}).second) continue;
      Edge copy = graph[edge];
      copy.label = fmt::format("{} ({})", copy.label, position(recordings_[i]->source, copy.at));
      copy.at = copy.until = {};
      add_edge(ends.first, ends.second, copy, *graph_);
    }
  }
  joined_ = static_cast<std::size_t>(
      std::ranges::count_if(known_by_, [](const auto& each) { return each.second.size() > 1; }));
}

bool Combiner::is_trace(EdgeId edge) const {
  const Origin& origin = origins_.at({source(edge, *graph_), target(edge, *graph_)});
  return recordings_[origin.recording]->report->kind == "trace";
}

// Whether the edge was there when the recordings ended.
bool Combiner::counts(EdgeId edge) const {
  return origins_.at({source(edge, *graph_), target(edge, *graph_)}).until.line == 0;
}

std::string Combiner::where(EdgeId edge) const {
  const Origin& origin = origins_.at({source(edge, *graph_), target(edge, *graph_)});
  return position(recordings_[origin.recording]->source, origin.at);
}

Party Combiner::party(EdgeId edge) const {
  Party party;
  party.name = (*graph_)[source(edge, *graph_)].name;
  party.waits_for = (*graph_)[target(edge, *graph_)].name;
  party.cause = (*graph_)[edge].cause;
  party.released_by = (*graph_)[edge].label;
  return party;
}

void Combiner::add(Finding finding) {
  finding.at = {};
  finding.fingerprint = fingerprint(finding);
  report_.findings.push_back(std::move(finding));
}

void Combiner::cycles() {
  for (const Cycle& cycle : shortest_cycles(*graph_, [&](EdgeId edge) { return counts(edge); })) {
    std::set<std::size_t> from;
    for (const EdgeId edge : cycle) from.insert(origins_.at({source(edge, *graph_), target(edge, *graph_)}).recording);
    if (from.size() < 2) continue;  // told with its recording
    Finding finding = cycle_finding(*graph_, cycle);
    finding.parties.clear();
    for (const EdgeId edge : cycle) finding.parties.push_back(party(edge));
    finding.notes.emplace_back(
        "the recordings together close the cycle; that all of it was there at one time is assumed");
    report_.cycles.push_back(cycle);
    add(std::move(finding));
  }
}

// The wait of the task that was not over at the end of the trace, or else the last one that began.
std::optional<EdgeId> Combiner::wait_in_trace(VertexId task) const {
  std::optional<EdgeId> best;
  const auto rank = [&](EdgeId edge) {
    return std::pair(counts(edge), origins_.at({source(edge, *graph_), target(edge, *graph_)}).at.line);
  };
  for (const EdgeId edge : boost::make_iterator_range(boost::out_edges(task, *graph_)))
    if (is_trace(edge) && (!best || rank(*best) < rank(edge))) best = edge;
  return best;
}

std::optional<EdgeId> Combiner::wait_in_log(VertexId task) const {
  for (const EdgeId edge : boost::make_iterator_range(boost::out_edges(task, *graph_)))
    if (!is_trace(edge) && (*graph_)[target(edge, *graph_)].kind == VertexKind::fence) return edge;
  return std::nullopt;
}

// A log says that a task waits for some fence; a trace of the same time says for which.
void Combiner::blocked_tasks() {
  for (VertexId task = 0; task < num_vertices(*graph_); ++task) {
    if ((*graph_)[task].kind != VertexKind::task) continue;
    const auto blocked = wait_in_log(task);
    auto wait = wait_in_trace(task);
    if (!blocked || !wait) continue;
    Finding finding;
    finding.kind = FindingKind::stall;
    finding.strength = Strength::observed;
    finding.closed = false;
    finding.message = fmt::format("{}, blocked at {}, waits for {}, says {}", (*graph_)[task].name, where(*blocked),
                                  (*graph_)[target(*wait, *graph_)].name, where(*wait));
    std::set<VertexId> told;
    while (wait && told.insert(source(*wait, *graph_)).second && told.size() <= longest_story) {
      finding.parties.push_back(party(*wait));
      finding.needs = finding.needs.with((*graph_)[*wait].cause);
      const auto next = boost::make_iterator_range(boost::out_edges(target(*wait, *graph_), *graph_));
      wait = next.empty() ? std::nullopt : std::optional(*next.begin());
    }
    add(std::move(finding));
  }
}

void Combiner::answer() {
  Answer answer{"together", Verdict::unknown, {}};
  if (!report_.findings.empty()) {
    answer.verdict = Verdict::violated;
    answer.reason = fmt::format("{} tasks, fences and locks are in more than one recording", joined_);
  } else if (joined_ == 0) {
    answer.reason = "the recordings have no task, fence or lock in common: are they of one machine and one boot?";
  } else {
    answer.reason = fmt::format(
        "{} tasks, fences and locks are in more than one recording, and close no cycle that none of them has alone",
        joined_);
  }
  report_.answers.push_back(std::move(answer));
  report_.assumptions.emplace_back("all of them are of one machine, one boot and one time");
  report_.assumptions.emplace_back("a task that a log shows blocked is in the last wait that the trace has of it");
}

Checked Combiner::combine() {
  join();
  cycles();
  blocked_tasks();
  answer();
  Checked checked;
  for (const Checked* each : recordings_)
    checked.source.name += (checked.source.name.empty() ? "" : " + ") + each->source.name;
  report_.title = "together";
  report_.kind = "recordings";
  report_.size = fmt::format("{} recordings, {} vertices, {} edges", recordings_.size(), num_vertices(*graph_),
                             num_edges(*graph_));
  report_.graph = graph_;
  checked.report = std::move(report_);
  checked.outcome = outcome(*checked.report);
  return checked;
}

}  // namespace

bool is_recording(const Checked& input) {
  return input.report && (input.report->kind == "trace" || input.report->kind == "snapshot");
}

Checked combine(const std::vector<Checked>& inputs) {
  std::vector<const Checked*> recordings;
  for (const Checked& input : inputs)
    if (is_recording(input)) recordings.push_back(&input);
  if (recordings.size() > 1) return Combiner(std::move(recordings)).combine();
  Checked unusable;
  unusable.source.name = "together";
  unusable.diagnostics.error({}, "two traces or kernel logs or more are needed");
  return unusable;
}

}  // namespace fencecheck
