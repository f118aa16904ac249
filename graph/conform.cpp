// Objects of both sides are put into classes; then edges are compared class by class.
#include "graph/conform.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace fencecheck {
namespace {

enum class Sort : std::uint8_t { fence, task, lock };

using ClassId = std::size_t;

// Objects of the design that look the same in a recording.
struct DesignClass {
  Sort sort = Sort::fence;
  std::vector<std::string> patterns;
  std::vector<std::string> names;
  std::set<VertexId> vertices;      // fences and locks
  std::set<std::uint32_t> threads;  // tasks
  bool seen = false;
};

struct Seen {
  Sort sort = Sort::fence;
  std::string name;   // "vgem/unbound", "client-0", "&m->mutex"
  std::string owner;  // of a fence: the comm of who owes it, if that is known
};

// One observed dependency; `via` is the task that makes it, if it is made of two edges.
struct Dependency {
  VertexId from = 0;
  VertexId to = 0;
  std::optional<VertexId> via;
  EdgeId edge;
};

bool digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<Sort> sort_of(VertexKind kind) {
  switch (kind) {
    case VertexKind::fence:
    case VertexKind::job:
      return Sort::fence;
    case VertexKind::task:
      return Sort::task;
    case VertexKind::lock:
    case VertexKind::pool:
      return Sort::lock;
    case VertexKind::group:
      break;
  }
  return std::nullopt;
}

// The name of an instance without its number: "vgem/unbound 4:1", "client-0-104", "ring0:155".
std::string without_number(Sort sort, const std::string& name) {
  if (sort == Sort::lock) return name;
  const std::size_t at = sort == Sort::fence ? name.rfind(' ') : name.find_last_of("-:");
  if (at == std::string::npos) return name;
  const std::string_view number = std::string_view(name).substr(at + 1);
  const std::size_t colon = number.find(':');
  const bool is_number = digits(number) || (colon != std::string_view::npos && digits(number.substr(0, colon)) &&
                                            digits(number.substr(colon + 1)));
  return is_number ? name.substr(0, at) : name;
}

// "DRIVER/TIMELINE@COMM": behind the last '@' stands who owes the fence.
bool fits(const std::string& pattern, const Seen& seen) {
  const std::size_t at = seen.sort == Sort::fence ? pattern.rfind('@') : std::string::npos;
  if (at == std::string::npos) return matches(pattern, seen.name);
  return matches(pattern.substr(0, at), seen.name) && matches(pattern.substr(at + 1), seen.owner);
}

bool fits_one(const std::vector<std::string>& patterns, const Seen& seen) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return fits(pattern, seen); });
}

class Conformer {
 public:
  Conformer(const Scenario& scenario, const System& system, const SystemGraph& permitted,
            const DependencyGraph& observed)
      : scenario_(scenario), system_(system), permitted_(permitted), design_(*permitted.graph), observed_(observed) {}
  Conformance conform(bool complete);

 private:
  void add_classes();
  DesignClass& class_with(Sort sort, const std::vector<std::string>& patterns, const std::string& name);
  void add_fence(DesignClass& into, const std::string& name);
  void map_objects();
  [[nodiscard]] Seen seen(VertexId vertex, Sort sort) const;
  [[nodiscard]] std::vector<Dependency> dependencies() const;
  [[nodiscard]] bool permits(ClassId from, ClassId to, bool direct);
  [[nodiscard]] bool reaches(const std::set<VertexId>& from, const std::set<VertexId>& to) const;
  [[nodiscard]] bool signals(const DesignClass& task, const DesignClass& fence) const;
  [[nodiscard]] bool takes(const DesignClass& task, const DesignClass& lock) const;
  [[nodiscard]] Finding surplus(const Dependency& dependency, std::size_t count) const;
  [[nodiscard]] std::string described(VertexId vertex) const;
  void answer(std::size_t compared, bool complete);

  const Scenario& scenario_;
  const System& system_;
  const SystemGraph& permitted_;
  const DependencyGraph& design_;
  const DependencyGraph& observed_;
  std::vector<DesignClass> classes_;
  std::map<VertexId, ClassId> class_of_;
  std::map<std::string, std::size_t> unmapped_;  // how many objects have this name
  std::map<std::string, std::size_t> outside_;
  std::set<std::string> ambiguous_;
  Conformance result_;
};

DesignClass& Conformer::class_with(Sort sort, const std::vector<std::string>& patterns, const std::string& name) {
  auto known = std::ranges::find_if(
      classes_, [&](const DesignClass& each) { return each.sort == sort && each.patterns == patterns; });
  if (known == classes_.end()) known = classes_.insert(known, DesignClass{sort, patterns, {}, {}, {}, false});
  known->names.push_back(name);
  return *known;
}

// A fence by its name, or all points of a timeline.
void Conformer::add_fence(DesignClass& into, const std::string& name) {
  for (std::size_t i = 0; i < system_.fences.size(); ++i) {
    const std::string& fence = system_.fences[i].name;
    if (fence == name || fence.starts_with(name + ":")) into.vertices.insert(permitted_.fences[i]);
  }
}

void Conformer::add_classes() {
  for (const FenceDeclaration& fence : scenario_.fences)
    if (!fence.seen_as.empty()) add_fence(class_with(Sort::fence, fence.seen_as, fence.name.text), fence.name.text);
  for (const TimelineDeclaration& timeline : scenario_.timelines)
    if (!timeline.seen_as.empty())
      add_fence(class_with(Sort::fence, timeline.seen_as, timeline.name.text), timeline.name.text);
  for (const LockDeclaration& lock : scenario_.locks) {
    if (lock.seen_as.empty()) continue;
    DesignClass& into = class_with(Sort::lock, lock.seen_as, lock.name.text);
    for (std::size_t i = 0; i < system_.locks.size(); ++i)
      if (system_.locks[i].name == lock.name.text) into.vertices.insert(permitted_.locks[i]);
  }
  for (const QueueDeclaration& queue : scenario_.queues) {
    if (queue.seen_as.empty()) continue;
    DesignClass& into = class_with(Sort::fence, queue.seen_as, queue.name.text);
    for (std::size_t i = 0; i < system_.threads.size(); ++i) {
      const Thread& job = system_.threads[i];
      if (!job.queue || system_[*job.queue].name != queue.name.text) continue;
      into.vertices.insert(permitted_.threads[i]);
      for (const Step& step : job.program)
        if (const auto* signal = std::get_if<Signal>(&step.action))
          for (const FenceId fence : signal->fences) into.vertices.insert(permitted_.fences[fence.index]);
    }
  }
  for (const ThreadDeclaration& thread : scenario_.threads) {
    if (thread.seen_as.empty()) continue;
    DesignClass& into = class_with(Sort::task, thread.seen_as, thread.name.text);
    for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
      if (system_.threads[i].name == thread.name.text) into.threads.insert(i);
  }
}

Seen Conformer::seen(VertexId vertex, Sort sort) const {
  Seen seen{sort, without_number(sort, observed_[vertex].name), {}};
  if (sort != Sort::fence) return seen;
  for (const EdgeId edge : boost::make_iterator_range(boost::out_edges(vertex, observed_))) {
    const Vertex& owner = observed_[target(edge, observed_)];
    if (owner.kind == VertexKind::task) seen.owner = without_number(Sort::task, owner.name);
  }
  return seen;
}

void Conformer::map_objects() {
  std::vector<bool> involved(num_vertices(observed_), false);
  for (const EdgeId edge : boost::make_iterator_range(boost::edges(observed_)))
    involved[source(edge, observed_)] = involved[target(edge, observed_)] = true;
  for (VertexId vertex = 0; vertex < num_vertices(observed_); ++vertex) {
    const auto sort = sort_of(observed_[vertex].kind);
    if (!involved[vertex] || !sort) continue;
    const Seen object = seen(vertex, *sort);
    std::vector<ClassId> fitting;
    for (ClassId id = 0; id < classes_.size(); ++id)
      if (classes_[id].sort == *sort && fits_one(classes_[id].patterns, object)) fitting.push_back(id);
    if (fitting.size() > 1) {
      ambiguous_.insert(object.name);
    } else if (fitting.size() == 1) {
      class_of_.emplace(vertex, fitting.front());
      classes_[fitting.front()].seen = true;
    } else {
      ++(fits_one(scenario_.outside, object) ? outside_ : unmapped_)[object.name];
    }
  }
}

// Every edge, and for each task what it owes against what it waits for meanwhile.
std::vector<Dependency> Conformer::dependencies() const {
  std::vector<Dependency> all;
  std::map<VertexId, std::vector<EdgeId>> owed;  // edges that lead to a task
  for (const EdgeId edge : boost::make_iterator_range(boost::edges(observed_))) {
    all.push_back({source(edge, observed_), target(edge, observed_), std::nullopt, edge});
    if (observed_[target(edge, observed_)].kind == VertexKind::task) owed[target(edge, observed_)].push_back(edge);
  }
  for (const auto& [task, debts] : owed) {
    for (const EdgeId wait : boost::make_iterator_range(boost::out_edges(task, observed_)))
      for (const EdgeId debt : debts) {
        const Place& until = observed_[debt].until;
        if (until.line != 0 && until.line <= observed_[wait].at.line) continue;  // discharged before the wait
        all.push_back({source(debt, observed_), target(wait, observed_), task, wait});
      }
  }
  return all;
}

bool Conformer::reaches(const std::set<VertexId>& from, const std::set<VertexId>& to) const {
  std::vector<VertexId> worklist(from.begin(), from.end());
  std::vector<bool> known(num_vertices(design_), false);
  while (!worklist.empty()) {
    const VertexId at = worklist.back();
    worklist.pop_back();
    for (const EdgeId edge : boost::make_iterator_range(boost::out_edges(at, design_))) {
      const VertexId next = target(edge, design_);
      if (to.contains(next)) return true;
      if (known[next]) continue;
      known[next] = true;
      worklist.push_back(next);
    }
  }
  return false;
}

bool Conformer::signals(const DesignClass& task, const DesignClass& fence) const {
  return std::ranges::any_of(task.threads, [&](std::uint32_t thread) {
    return std::ranges::any_of(system_.threads[thread].program, [&](const Step& step) {
      const auto* signal = std::get_if<Signal>(&step.action);
      return signal != nullptr && std::ranges::any_of(signal->fences, [&](FenceId each) {
               return fence.vertices.contains(permitted_.fences[each.index]);
             });
    });
  });
}

bool Conformer::takes(const DesignClass& task, const DesignClass& lock) const {
  return std::ranges::any_of(task.threads, [&](std::uint32_t thread) {
    return std::ranges::any_of(permitted_.waits[thread], [&](VertexId each) { return lock.vertices.contains(each); });
  });
}

bool Conformer::permits(ClassId from, ClassId to, bool direct) {
  const DesignClass& a = classes_[from];
  const DesignClass& b = classes_[to];
  if (a.sort == Sort::task && b.sort == Sort::task) return false;
  if (a.sort == Sort::task) {
    std::set<VertexId> waits;
    for (const std::uint32_t thread : a.threads)
      waits.insert(permitted_.waits[thread].begin(), permitted_.waits[thread].end());
    const bool itself = std::ranges::any_of(waits, [&](VertexId each) { return b.vertices.contains(each); });
    return itself || reaches(waits, b.vertices);
  }
  if (b.sort == Sort::task) return direct && (a.sort == Sort::lock ? takes(b, a) : signals(b, a));
  return reaches(a.vertices, b.vertices);
}

std::string Conformer::described(VertexId vertex) const {
  const DesignClass& its = classes_[class_of_.at(vertex)];
  return fmt::format("{} ('{}')", observed_[vertex].name, fmt::join(its.names, "', '"));
}

Finding Conformer::surplus(const Dependency& dependency, std::size_t count) const {
  Finding finding;
  finding.kind = FindingKind::contract;
  finding.strength = Strength::observed;
  finding.rule = Rule::surplus_dependency;
  finding.at = observed_[dependency.edge].at;
  finding.message = fmt::format("{} depends on {}, which the design does not permit", described(dependency.from),
                                described(dependency.to));
  finding.closed = false;
  finding.parties.push_back({classes_[class_of_.at(dependency.from)].names.front(),
                             {},
                             classes_[class_of_.at(dependency.to)].names.front(),
                             observed_[dependency.edge].cause,
                             observed_[dependency.edge].label,
                             finding.at,
                             {}});
  if (dependency.via)
    finding.notes.push_back(fmt::format("{} waits for {} while it owes {}", observed_[*dependency.via].name,
                                        observed_[dependency.to].name, observed_[dependency.from].name));
  if (count > 1) finding.notes.push_back(fmt::format("seen {} times; this is the first", count));
  finding.fingerprint = fingerprint(finding);
  return finding;
}

std::string counted(const std::map<std::string, std::size_t>& objects) {
  constexpr std::size_t shown = 8;
  std::vector<std::string> parts;
  for (const auto& [name, count] : objects) {
    if (parts.size() == shown) break;
    parts.push_back(count == 1 ? fmt::format("'{}'", name) : fmt::format("'{}' ({} times)", name, count));
  }
  const std::string more = objects.size() > shown ? fmt::format(" and {} more", objects.size() - shown) : "";
  return fmt::format("{}{}", fmt::join(parts, ", "), more);
}

void Conformer::answer(std::size_t compared, bool complete) {
  std::vector<std::string> reasons;
  if (classes_.empty()) reasons.emplace_back("the design has no key 'seen-as'");
  if (!unmapped_.empty()) reasons.push_back("no object of the design is seen as " + counted(unmapped_));
  if (!ambiguous_.empty())
    reasons.push_back(fmt::format("more than one object of the design is seen as '{}'", fmt::join(ambiguous_, "', '")));
  if (!complete) reasons.emplace_back("a part of the recording is missing or too long to be compared");
  if (compared == 0) reasons.emplace_back("the recording has no dependency between objects of the design");
  Answer answer{"conformance", Verdict::holds,
                fmt::format("each of {} dependencies is one that the design has", compared)};
  if (!result_.findings.empty()) {
    answer.verdict = Verdict::violated;
    answer.reason = fmt::format("{} of the design's pairs", result_.findings.size());
  } else if (!reasons.empty()) {
    answer.verdict = Verdict::unknown;
    answer.reason = fmt::format("{}", fmt::join(reasons, "; "));
  }
  if (!result_.findings.empty())
    for (const std::string& reason : reasons) result_.assumptions.push_back("not compared: " + reason);
  result_.answers.push_back(std::move(answer));
  if (!outside_.empty())
    result_.assumptions.push_back(fmt::format("outside of the design, as it says: {}", counted(outside_)));
  std::vector<std::string> missing;
  for (const DesignClass& each : classes_)
    if (!each.seen) missing.insert(missing.end(), each.names.begin(), each.names.end());
  if (!missing.empty())
    result_.assumptions.push_back(
        fmt::format("of the design, the recording does not show '{}'", fmt::join(missing, "', '")));
  result_.size = fmt::format("{} classes, {} dependencies", classes_.size(), compared);
}

Conformance Conformer::conform(bool complete) {
  add_classes();
  map_objects();
  std::map<std::pair<ClassId, ClassId>, std::pair<Dependency, std::size_t>> surplus_edges;
  std::map<std::tuple<ClassId, ClassId, bool>, bool> decided;
  std::size_t compared = 0;
  for (const Dependency& each : dependencies()) {
    const auto from = class_of_.find(each.from);
    const auto to = class_of_.find(each.to);
    if (from == class_of_.end() || to == class_of_.end()) continue;
    ++compared;
    const auto [known, is_new] = decided.try_emplace({from->second, to->second, !each.via}, false);
    if (is_new) known->second = permits(from->second, to->second, !each.via);
    if (known->second) continue;
    ++surplus_edges.try_emplace({from->second, to->second}, each, 0).first->second.second;
  }
  for (const auto& [pair, seen] : surplus_edges) result_.findings.push_back(surplus(seen.first, seen.second));
  std::ranges::stable_sort(result_.findings, {}, [](const Finding& each) { return each.at.line; });
  answer(compared, complete);
  return std::move(result_);
}

}  // namespace

bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // the last one, and what it stood for
  std::size_t mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Conformance conform(const Scenario& scenario, const System& system, const SystemGraph& permitted,
                    const DependencyGraph& observed, bool complete) {
  return Conformer(scenario, system, permitted, observed).conform(complete);
}

}  // namespace fencecheck
