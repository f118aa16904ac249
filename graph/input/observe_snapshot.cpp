// Findings, answers and assumptions of a snapshot.
#include "graph/input/observe_snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "graph/cycle_findings.hpp"
#include "graph/input/lock_rules.hpp"
#include "graph/input/snapshot_graph.hpp"

namespace fencecheck {
namespace {

class Observer {
 public:
  explicit Observer(const Snapshot& snapshot) : snapshot_(snapshot), built_(snapshot), graph_(*built_.graph()) {}
  Observation observe();

 private:
  void splat(std::size_t index);
  void blocked_cycles();
  void blocked_chains();
  void timeouts();
  void rules();
  void answers();
  void assumptions();
  void add_rule(const BrokenRule& broken);
  bool add(Finding finding, std::string_view property);
  [[nodiscard]] Finding blocked_cycle(const Cycle& cycle);
  [[nodiscard]] Finding blocked_chain(const std::vector<std::size_t>& waiters, VertexId end) const;
  [[nodiscard]] Party waiter(std::size_t blocked) const;
  [[nodiscard]] std::vector<std::size_t> rotated(std::vector<std::size_t> tasks) const;
  [[nodiscard]] std::optional<std::size_t> blocked(VertexId vertex) const;
  [[nodiscard]] std::vector<std::string> candidates(VertexId lock) const;
  [[nodiscard]] bool gap() const;
  [[nodiscard]] std::string size() const;

  const Snapshot& snapshot_;
  SnapshotGraph built_;
  const DependencyGraph& graph_;
  Observation result_;
  std::set<std::string> known_;   // fingerprints
  std::set<VertexId> explained_;  // vertices of cycles that have a finding
  std::size_t orders_ = 0;        // findings about the order of locks
  std::size_t hangs_ = 0;         // findings about blocked tasks and jobs
  std::size_t broken_ = 0;        // broken rules
};

bool Observer::add(Finding finding, std::string_view property) {
  finding.property = property;
  finding.fingerprint = fingerprint(finding);
  if (!known_.insert(finding.fingerprint).second) return false;
  result_.findings.push_back(std::move(finding));
  return true;
}

std::string list_of(const std::vector<LockUse>& locks) {
  std::string names;
  for (const LockUse& lock : locks) names += (names.empty() ? "'" : ", '") + lock.lock + "'";
  return names;
}

std::vector<std::string> notes_of(const Splat& splat) {
  std::vector<std::string> notes{std::string("lockdep: ") + std::string(info(splat.kind).says)};
  const std::string where = splat.taken && !splat.taken->site.empty() ? " in " + splat.taken->site : "";
  if (splat.taken && !splat.task.comm.empty())
    notes.push_back(fmt::format("{}/{} was about to take '{}'{}{}", splat.task.comm, splat.task.pid, splat.taken->lock,
                                where, splat.held.empty() ? "" : " and held " + list_of(splat.held)));
  if (splat.other_instance)
    notes.emplace_back(
        "the two are different locks of one class: it is a deadlock only if they can be the same one, or are also "
        "taken "
        "the other way round");
  if (!splat.complete) notes.emplace_back("parts of the report are missing: the cycle is what the rest of it says");
  return notes;
}

void Observer::splat(std::size_t index) {
  const Splat& splat = snapshot_.splats[index];
  const Cycle& cycle = built_.cycle_of(index);
  if (cycle.empty()) return;
  Finding finding = cycle_finding(graph_, cycle);
  finding.at = splat.at;
  for (std::size_t i = 0; i < cycle.size(); ++i) finding.parties[i].released_by = graph_[cycle[i]].label;
  finding.notes = notes_of(splat);
  for (const EdgeId edge : cycle) explained_.insert(source(edge, graph_));
  if (!add(std::move(finding), lock_order)) return;
  result_.cycles.push_back(cycle);
  ++orders_;
}

std::optional<std::size_t> Observer::blocked(VertexId vertex) const {
  for (std::size_t i = 0; i < snapshot_.blocked.size(); ++i)
    if (built_.task(i) == vertex && built_.awaited(i)) return i;
  return std::nullopt;
}

Party Observer::waiter(std::size_t index) const {
  const BlockedTask& task = snapshot_.blocked[index];
  const VertexId awaited = *built_.awaited(index);
  const auto edge = boost::edge(built_.task(index), awaited, graph_).first;
  Party party;
  party.name = fmt::format("task {}", task_name(task.task));
  const bool unnamed = graph_[awaited].identity.find(" of task ") != std::string::npos;
  party.waits_for = unnamed ? fmt::format("a {} that the log does not name", info(task.on).id) : graph_[awaited].name;
  party.cause = graph_[edge].cause;
  party.at = task.at;
  party.released_by = graph_[edge].label;
  const auto list = std::ranges::find(snapshot_.held, task.task, &HeldLocks::task);
  if (list != snapshot_.held.end())
    for (const LockUse& lock : list->locks)
      if (!info(task.on).lock || &lock != &list->locks.back()) party.holds.push_back("holds " + lock.lock);
  if (const SignallingFlow* flow = signalling_flow(task.stack)) party.holds.emplace_back(flow->says);
  return party;
}

// Beginning with the smallest place, whatever the order of the vertices.
std::vector<std::size_t> Observer::rotated(std::vector<std::size_t> tasks) const {
  const auto first = std::ranges::min_element(tasks, {}, [&](std::size_t i) { return snapshot_.blocked[i].at.line; });
  std::rotate(tasks.begin(), first, tasks.end());
  return tasks;
}

Finding Observer::blocked_cycle(const Cycle& cycle) {
  Finding finding;
  finding.kind = FindingKind::deadlock;
  finding.strength = Strength::observed;
  std::vector<std::size_t> tasks;
  for (const EdgeId edge : cycle) {
    finding.needs = finding.needs.with(graph_[edge].cause);
    explained_.insert(source(edge, graph_));
    if (const auto task = blocked(source(edge, graph_))) tasks.push_back(*task);
    if (!built_.inferred(source(edge, graph_), target(edge, graph_))) continue;
    finding.strength = Strength::potential;
    finding.notes.push_back(
        fmt::format("{}: {}; the log does not name the fence", graph_[source(edge, graph_)].name, graph_[edge].label));
  }
  std::string names;
  for (const std::size_t task : rotated(tasks)) {
    finding.parties.push_back(waiter(task));
    names += task_name(snapshot_.blocked[task].task) + " -> ";
  }
  finding.at = finding.parties.front().at;
  finding.message = tasks.size() == 1
                        ? fmt::format("{} waits for what only it can bring about", finding.parties.front().name)
                        : fmt::format("{} tasks wait for each other: {}{}", tasks.size(), names,
                                      task_name(snapshot_.blocked[rotated(tasks).front()].task));
  return finding;
}

// A lock between a task that has to signal and one that waits for a fence.
void Observer::blocked_cycles() {
  for (const Cycle& cycle : deadlock_cycles(graph_)) {
    if (std::ranges::any_of(cycle, [&](EdgeId edge) { return explained_.contains(source(edge, graph_)); })) continue;
    const bool tasks =
        std::ranges::any_of(cycle, [&](EdgeId edge) { return blocked(source(edge, graph_)).has_value(); });
    if (!tasks) {
      if (add(cycle_finding(graph_, cycle), lock_order)) ++orders_;
      result_.cycles.push_back(cycle);
      continue;
    }
    Finding finding = blocked_cycle(cycle);
    if (!add(std::move(finding), observed_hangs)) continue;
    ++hangs_;
    result_.cycles.push_back(cycle);
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      const auto waits = blocked(source(cycle[i], graph_));
      if (!waits || !info(snapshot_.blocked[*waits].on).lock) continue;
      const SignallingFlow* flow = signalling_flow(snapshot_.blocked[*waits].stack);
      const auto holder = blocked(target(cycle[(i + 1) % cycle.size()], graph_));
      if (flow == nullptr || !holder || snapshot_.blocked[*holder].on != BlockedOn::fence) continue;
      add_rule({flow->recovery ? Rule::lock_in_recovery : Rule::lock_held_across_wait,
                fmt::format("'{}' is taken in {} by {}, which {}, and held by {} across a wait for a fence",
                            graph_[target(cycle[i], graph_)].name, waiting_function(snapshot_.blocked[*waits]),
                            task_name(snapshot_.blocked[*waits].task), flow->says,
                            task_name(snapshot_.blocked[*holder].task)),
                snapshot_.blocked[*waits].at});
    }
  }
}

// Blocked tasks behind what a lock's waiter has to do: if one of them holds the lock, that is a cycle.
std::vector<std::string> Observer::candidates(VertexId lock) const {
  std::vector<std::string> names;
  std::set<VertexId> behind{lock};
  for (bool grown = true; grown;) {
    grown = false;
    for (VertexId vertex = 0; vertex < num_vertices(graph_); ++vertex) {
      const auto [begin, end] = out_edges(vertex, graph_);
      if (behind.contains(vertex) ||
          std::none_of(begin, end, [&](EdgeId edge) { return behind.contains(target(edge, graph_)); }))
        continue;
      behind.insert(vertex);
      grown = true;
    }
  }
  for (std::size_t i = 0; i < snapshot_.blocked.size(); ++i)
    if (built_.awaited(i) && *built_.awaited(i) != lock && behind.contains(built_.task(i)))
      names.push_back(task_name(snapshot_.blocked[i].task));
  return names;
}

Finding Observer::blocked_chain(const std::vector<std::size_t>& waiters, VertexId end) const {
  Finding finding;
  finding.kind = FindingKind::stall;
  finding.strength = Strength::observed;
  finding.closed = false;
  for (const std::size_t index : waiters) {
    finding.parties.push_back(waiter(index));
    finding.needs = finding.needs.with(finding.parties.back().cause);
  }
  const BlockedTask& last = snapshot_.blocked[waiters.back()];
  finding.at = last.at;
  finding.lasts = std::chrono::seconds(last.seconds);
  if (last.seconds == 0) finding.lasts.reset();
  const std::string where = waiting_function(last);
  const std::string_view does = last.spinning ? "spinning" : "waiting";
  finding.message =
      fmt::format("{} {} for a {}{}{}", task_name(last.task),
                  last.seconds == 0 ? fmt::format("is {}", does) : fmt::format("has been {}", does), info(last.on).id,
                  last.seconds == 0 ? "" : fmt::format(" for more than {} s", last.seconds),
                  where.empty() ? "" : fmt::format(", in {}()", where));
  const bool lock = info(last.on).lock;
  for (const std::size_t index : waiters) {
    const BlockedTask& task = snapshot_.blocked[index];
    if (task.owner)
      finding.notes.push_back(fmt::format("the {} that {} waits for is likely held by {}, says the kernel",
                                          info(task.on).id, task_name(task.task), task_name(*task.owner)));
  }
  if (lock && !last.owner) finding.notes.emplace_back("who holds the lock is not in the log");
  if (!lock)
    finding.notes.emplace_back(
        "who has to signal the fence is not in the log; a trace of dma_fence and gpu_scheduler events says it");
  for (const std::string& name : lock ? candidates(end) : std::vector<std::string>{})
    finding.notes.push_back(fmt::format("if {} holds it, this is a deadlock: {} waits for what {} has to do", name,
                                        name, task_name(last.task)));
  return finding;
}

// Each chain once, by what it ends at; the longest one tells the story.
void Observer::blocked_chains() {
  std::map<VertexId, std::vector<std::size_t>> chains;
  for (std::size_t i = 0; i < snapshot_.blocked.size(); ++i) {
    std::vector<std::size_t> waiters;
    std::optional<std::size_t> at = built_.awaited(i) ? std::optional(i) : std::nullopt;
    VertexId end = 0;
    bool explained = false;
    while (at && !explained && std::ranges::find(waiters, *at) == waiters.end()) {
      waiters.push_back(*at);
      end = *built_.awaited(*at);
      explained = explained_.contains(end);
      const auto [begin, last] = out_edges(end, graph_);
      at = begin == last ? std::nullopt : blocked(target(*begin, graph_));
    }
    if (explained) continue;
    if (waiters.empty()) continue;
    std::vector<std::size_t>& known = chains[end];
    if (known.size() < waiters.size()) known = std::move(waiters);
  }
  std::vector<std::pair<VertexId, std::vector<std::size_t>>> ordered(chains.begin(), chains.end());
  std::ranges::stable_sort(ordered, {},
                           [&](const auto& each) { return snapshot_.blocked[each.second.back()].at.line; });
  for (const auto& [end, waiters] : ordered) hangs_ += add(blocked_chain(waiters, end), observed_hangs) ? 1 : 0;
}

void Observer::timeouts() {
  for (const JobTimeout& timeout : snapshot_.timeouts) {
    Finding finding;
    finding.kind = FindingKind::stall;
    finding.strength = Strength::observed;
    finding.closed = false;
    finding.at = timeout.at;
    finding.message = fmt::format("a job {} timed out{}", timeout.where,
                                  timeout.reports > 1 ? fmt::format(", {} times", timeout.reports) : "");
    finding.needs = finding.needs.with(Cause::reset);
    finding.killed.emplace_back("the timeout of the job");
    if (!timeout.said.empty()) finding.notes.push_back("last sign of life, as the driver tells it: " + timeout.said);
    finding.notes.emplace_back("a timeout says which job did not get done, not why");
    hangs_ += add(std::move(finding), observed_hangs) ? 1 : 0;
  }
}

void Observer::add_rule(const BrokenRule& broken) {
  Finding finding;
  finding.kind = FindingKind::contract;
  finding.strength = Strength::observed;
  finding.rule = broken.rule;
  finding.at = broken.at;
  finding.message = broken.says;
  broken_ += add(std::move(finding), contract_kept) ? 1 : 0;
}

void Observer::rules() {
  for (const Splat& splat : snapshot_.splats)
    for (const BrokenRule& broken : broken_rules(splat)) add_rule(broken);
  for (const BlockedTask& task : snapshot_.blocked)
    for (const BrokenRule& broken : broken_rules(task)) add_rule(broken);
}

bool Observer::gap() const { return std::ranges::any_of(result_.losses, &Loss::gap); }

void Observer::answers() {
  const auto answer = [&](std::string_view property, Verdict verdict, std::string reason) {
    result_.answers.push_back({std::string(property), verdict, std::move(reason)});
  };
  const bool splats = !snapshot_.splats.empty();
  const bool hung = !snapshot_.blocked.empty() || !snapshot_.timeouts.empty();
  if (orders_ > 0) answer(lock_order, Verdict::violated, "reported by lockdep");
  if (broken_ > 0) answer(contract_kept, Verdict::violated, quantity(broken_, "place"));
  if (splats && orders_ == 0 && broken_ == 0)
    answer(lock_order, Verdict::unknown, "no report of lockdep has enough of its lines");
  if (hangs_ > 0) answer(observed_hangs, Verdict::violated, "reported by the kernel");
  if (hung && hangs_ == 0)
    answer(observed_hangs, Verdict::unknown, "tasks are blocked, on something that is no fence and no lock");
  if (snapshot_.lists_buffers) {
    std::map<std::string, bool> signalled;  // as last listed
    for (const ListedFence& fence : snapshot_.fences)
      signalled[fence.context ? fmt::format("{}:{}", *fence.context, fence.seqno) : fence.name + fence.on] =
          fence.signalled;
    const auto pending = std::ranges::count_if(signalled, [](const auto& each) { return !each.second; });
    const std::size_t all = signalled.size();
    if (pending > 0)
      answer("listed-fences", Verdict::unknown,
             fmt::format("{} of {} fences had not signalled; only a later list or a trace tells whether they do",
                         pending, all));
    else if (gap())
      answer("listed-fences", Verdict::unknown, "a part of the list is missing");
    else
      answer("listed-fences", Verdict::holds,
             fmt::format("all of {} listed fences had signalled; bookkeep fences are never listed", all));
  }
  if (result_.answers.empty())
    answer(observed_hangs, Verdict::unknown,
           "no report of a hang, a lockup or an order of locks is in the log; it may be cut, and the detectors may be "
           "off");
  else if (gap() &&
           std::ranges::none_of(result_.answers, [](const Answer& each) { return each.verdict != Verdict::holds; }))
    answer(observed_hangs, Verdict::unknown, "a part of the log was not understood, see the losses");
}

void Observer::assumptions() {
  if (!snapshot_.splats.empty()) {
    result_.assumptions.emplace_back("locks of one class are one lock, as lockdep takes them");
    result_.assumptions.emplace_back("lockdep stops at its first report: the log does not show what else is wrong");
  }
  if (!snapshot_.blocked.empty())
    result_.assumptions.emplace_back(
        "tasks that were reported at different times were blocked at the same time; the detector stops after ten "
        "reports");
}

std::string Observer::size() const {
  std::vector<std::string> parts;
  const auto count = [&](std::size_t number, std::string_view one, std::string_view many) {
    if (number > 0) parts.push_back(fmt::format("{} {}", number, number == 1 ? one : many));
  };
  count(snapshot_.splats.size(), "report of lockdep", "reports of lockdep");
  count(snapshot_.blocked.size(), "blocked task", "blocked tasks");
  count(snapshot_.timeouts.size(), "job timeout", "job timeouts");
  count(snapshot_.buffers, "buffer", "buffers");
  count(snapshot_.fences.size(), "fence", "fences");
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text.empty() ? "no report" : text;
}

Observation Observer::observe() {
  result_.graph = built_.graph();
  result_.losses = snapshot_.losses;
  for (std::size_t i = 0; i < snapshot_.splats.size(); ++i) splat(i);
  blocked_cycles();
  blocked_chains();
  timeouts();
  rules();
  std::ranges::stable_sort(result_.findings, {}, &Finding::kind);
  answers();
  assumptions();
  result_.size = size();
  return std::move(result_);
}

}  // namespace

Observation observe(const Snapshot& snapshot) { return Observer(snapshot).observe(); }

}  // namespace fencecheck
