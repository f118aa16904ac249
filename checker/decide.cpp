#include "checker/decide.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "checker/explain.hpp"
#include "checker/explore.hpp"
#include "checker/replay.hpp"
#include "checker/smt_engine.hpp"
#include "encoders/formula.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_findings = 5;    // different knots of one scenario
constexpr std::size_t most_examined = 200;  // hangs looked at while searching for them

struct Hang {
  std::vector<Move> schedule;
  State last;
  std::vector<Obligation> owed;  // what the hang keeps from being discharged, of what was asked for
  Knot knot;
};

void remove(std::vector<Obligation>& from, const std::vector<Obligation>& what) {
  std::erase_if(from, [&](const Obligation& each) { return std::ranges::find(what, each) != what.end(); });
}

class Decider {
 public:
  Decider(const System& system, const SystemGraph& graph, const Budget& budget)
      : system_(system), graph_(graph), budget_(budget), engine_(system, budget) {
    unexplained_ = engine_.obligations();
  }
  Decision run();

 private:
  void search();
  void search_for(SmtEngine::Timeouts timeouts);
  void search_beyond_timeouts();
  std::optional<Hang> found(Search search, const std::vector<Obligation>& asked);
  [[nodiscard]] bool enough() const { return decision_.findings.size() >= most_findings || examined_ >= most_examined; }
  Hang examined(std::vector<Move> schedule, const std::vector<Obligation>& asked) const;
  void add(Hang hang);
  void classify(Finding& finding, Hang& hang);
  void add_stall(Finding& finding, const State& last) const;
  std::optional<bool> still_hangs(Causes causes, const std::vector<Obligation>& owed);
  Causes needs(const Hang& hang);
  void conclude();
  void remark_on_userspace();

  const System& system_;
  const SystemGraph& graph_;
  Budget budget_;
  SmtEngine engine_;
  Decision decision_;
  std::vector<Obligation> unexplained_;  // no finding says yet how they can stay undischarged
  std::size_t examined_ = 0;
  std::string gave_up_;
};

// Whatever a system can ever owe.
std::vector<Obligation> every_obligation(const System& system) {
  std::vector<Obligation> all;
  for (std::uint32_t i = 0; i < system.fences.size(); ++i) all.push_back({Obligation::Kind::fence, i});
  for (std::uint32_t i = 0; i < system.locks.size(); ++i) all.push_back({Obligation::Kind::lock, i});
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    for (const auto kind : {Obligation::Kind::job, Obligation::Kind::thread}) all.push_back({kind, i});
  return all;
}

[[noreturn]] void disagree(const std::string& why) {
  throw std::logic_error("the SMT engine and the operational semantics disagree: " + why);
}

Hang Decider::examined(std::vector<Move> schedule, const std::vector<Obligation>& asked) const {
  schedule = with_fewer_switches(system_, schedule);
  auto outcome = replay(system_, schedule);
  if (const auto* refuted = std::get_if<Refuted>(&outcome)) disagree(refuted->why);
  Replayed& replayed = std::get<Replayed>(outcome);
  const auto target = std::ranges::find_if(
      replayed.owed, [&](const Obligation& each) { return std::ranges::find(asked, each) != asked.end(); });
  if (target == replayed.owed.end()) disagree("what was asked for is discharged in the end");
  Knot chain = knot(system_, replayed.last, {*target});
  std::vector<Obligation> owed{*target};
  for (const Obligation& each : obligations(system_, replayed.last, chain))
    if (each != *target) owed.push_back(each);
  return {std::move(schedule), std::move(replayed.last), std::move(owed), std::move(chain)};
}

// The causes at work in this hang: of the waits on the knot, and of the choices
// that led there.
Causes causes_at_work(const System& system, const Hang& hang) {
  Causes causes;
  if (system.userspace_may_stop) causes = causes.with(Cause::userspace);
  for (const Link& link : hang.knot.links)
    causes = causes.with(system[link.thread].program[hang.last.at[link.thread.index]].cause);
  State state = initial_state(system);
  for (const Move& move : hang.schedule) {
    const Step& step = system[move.thread].program[state.at[move.thread.index]];
    if (const auto* choose = std::get_if<Choose>(&step.action))
      if (const auto& cause = choose->branches[move.branch].cause) causes = causes.with(*cause);
    state = after(system, std::move(state), move);
  }
  return causes;
}

// Can these obligations still end undischarged while only `causes` make anybody wait?
std::optional<bool> Decider::still_hangs(Causes causes, const std::vector<Obligation>& owed) {
  const Search search = engine_.find_hang(causes, SmtEngine::Timeouts::any, owed);
  if (std::holds_alternative<GaveUp>(search)) return std::nullopt;
  const auto* schedule = std::get_if<std::vector<Move>>(&search);
  if (schedule == nullptr) return false;
  const auto outcome = replay(system_, *schedule, causes);
  if (const auto* refuted = std::get_if<Refuted>(&outcome)) disagree(refuted->why);
  const bool still_owed = std::ranges::any_of(std::get<Replayed>(outcome).owed, [&](const Obligation& each) {
    return std::ranges::find(owed, each) != owed.end();
  });
  if (!still_owed) disagree("what was asked for is discharged in the end");
  return true;
}

// The smallest set of causes with which the same obligations can still end
// undischarged: among those at work in this hang if they suffice, else among all.
Causes Decider::needs(const Hang& hang) {
  const std::vector<Obligation>& owed = hang.owed;
  Causes relevant = causes_at_work(system_, hang);
  if (still_hangs(relevant, owed) != true) relevant = causes_of(system_);
  std::vector<Cause> candidates;
  for (const CauseInfo& row : cause_table)
    if (relevant.has(row.cause)) candidates.push_back(row.cause);
  for (int size = 0; size < static_cast<int>(candidates.size()); ++size)
    for (unsigned subset = 0; subset < 1U << candidates.size(); ++subset) {
      if (std::popcount(subset) != size) continue;
      Causes causes;
      for (std::size_t i = 0; i < candidates.size(); ++i)
        if ((subset >> i & 1U) != 0) causes = causes.with(candidates[i]);
      const std::optional<bool> hangs = still_hangs(causes, owed);
      if (!hangs) return relevant;
      if (*hangs) return causes;
    }
  return relevant;
}

std::string route(const Knot& knot, const System& system) {
  std::vector<std::string> names;
  for (const Link& link : knot.links) names.push_back(system[link.thread].name);
  if (knot.closed && !names.empty()) names.push_back(names.front());
  return fmt::format("{}", fmt::join(names, " -> "));
}

// Is some thread still on its way to signal the fence?
bool can_signal(const System& system, const State& last, const Obligation& fence) {
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    for (StepIndex step = last.at[i]; step < system.threads[i].end(); ++step)
      if (const auto* signal = std::get_if<Signal>(&system.threads[i].program[step].action);
          signal != nullptr && std::ranges::find(signal->fences, FenceId{fence.index}) != signal->fences.end())
        return true;
  return false;
}

std::string sentence(const Hang& hang, const System& system) {
  const Knot& knot = hang.knot;
  const Obligation& obligation = hang.owed.front();
  const bool stopped = system.userspace_may_stop && can_signal(system, hang.last, obligation);
  if (knot.links.empty() && obligation.kind == Obligation::Kind::fence && !stopped)
    return fmt::format("kernel fence '{}' is published and nobody signals it", system.fences[obligation.index].name);
  if (knot.links.empty()) return "userspace stops while the kernel still owes something";
  if (!knot.closed)
    return fmt::format("{} is stuck for ever: {}", system[knot.links.front().thread].name, route(knot, system));
  if (knot.links.size() == 1) return fmt::format("'{}' waits for itself", system[knot.links.front().thread].name);
  return fmt::format("{} parties wait for each other: {}", knot.links.size(), route(knot, system));
}

// The place to point at: the wait that userspace could not foresee, if there is one.
Place closing_place(const std::vector<Party>& parties) {
  for (const Cause cause : {Cause::memory_management, Cause::implicit_sync, Cause::lock, Cause::scheduling})
    for (const Party& party : parties)
      if (party.cause == cause) return party.at;
  return parties.empty() ? Place{} : parties.front().at;
}

Place place_of(const System& system, const Obligation& obligation) {
  switch (obligation.kind) {
    case Obligation::Kind::fence:
      return system.fences[obligation.index].at;
    case Obligation::Kind::lock:
      return system.locks[obligation.index].at;
    case Obligation::Kind::job:
    case Obligation::Kind::thread:
      return system.threads[obligation.index].at;
  }
  return {};
}

// What the timeouts that fire after the hang end, and when the first one does.
void Decider::add_stall(Finding& finding, const State& last) const {
  for (const Move& move : timeouts(system_, last)) {
    const Thread& thread = system_[move.thread];
    const Step& step = thread.program[last.at[move.thread.index]];
    const Milliseconds after = thread.expires_after.value_or(step.timeout ? step.timeout->after : Milliseconds{0});
    if (!finding.lasts || after < *finding.lasts) finding.lasts = after;
    finding.killed.push_back(thread.expires_after
                                 ? fmt::format("{}: its fence signals although the work is not done", thread.name)
                                 : fmt::format("the wait of '{}'", thread.name));
  }
}

// A hang is a stall if, whatever timeouts fire, everything owed is discharged in the end.
void Decider::classify(Finding& finding, Hang& hang) {
  if (timeouts(system_, hang.last).empty()) return;
  ExploreOptions options;
  options.budget = budget_;
  const Exploration beyond = explore(system_, hang.last, options);
  if (beyond.for_ever) {
    std::vector<Move> whole = hang.schedule;
    whole.insert(whole.end(), beyond.for_ever->begin(), beyond.for_ever->end());
    hang = examined(std::move(whole), every_obligation(system_));
    finding.notes.emplace_back("timeouts fire, and do not help");
    return;
  }
  finding.kind = FindingKind::stall;
  if (!beyond.gave_up.empty())
    finding.notes.push_back(fmt::format("whether the timeouts always help was not decided: {}", beyond.gave_up));
  add_stall(finding, hang.last);
}

void Decider::add(Hang hang) {
  Finding finding;
  finding.kind = FindingKind::deadlock;
  finding.strength = Strength::confirmed;
  classify(finding, hang);
  finding.closed = hang.knot.closed;
  finding.parties = parties(system_, hang.last, hang.knot);
  finding.at = finding.parties.empty() ? place_of(system_, hang.owed.front()) : closing_place(finding.parties);
  finding.message = sentence(hang, system_);
  finding.fingerprint = fingerprint(finding);
  const auto same = [&](const Finding& other) { return other.fingerprint == finding.fingerprint; };
  if (std::ranges::any_of(decision_.findings, same)) return;
  finding.needs = needs(hang);
  Story told = story(system_, hang.schedule, hang.knot);
  finding.schedule = std::move(told.steps);
  finding.objects = std::move(told.objects);
  if (finding.needs == Causes{}.with(Cause::userspace))
    finding.notes.push_back(
        "only waits that userspace controls are needed: the kernel made itself depend on userspace");
  if (const Cycle found = cycle(system_, graph_, hang.knot); !found.empty()) decision_.cycles.push_back(found);
  decision_.findings.push_back(std::move(finding));
}

// What a search returned, as a finding; nothing if it found nothing.
std::optional<Hang> Decider::found(Search search, const std::vector<Obligation>& asked) {
  if (const auto* gave_up = std::get_if<GaveUp>(&search)) gave_up_ = gave_up->why;
  auto* schedule = std::get_if<std::vector<Move>>(&search);
  if (schedule == nullptr) return std::nullopt;
  ++examined_;
  Hang hang = examined(std::move(*schedule), asked);
  add(hang);
  return hang;
}

// First a hang for each obligation that no finding explains yet, then other
// knots around the same obligations.
void Decider::search_for(SmtEngine::Timeouts timeouts) {
  while (!enough() && gave_up_.empty()) {
    const auto hang = found(engine_.find_hang(Causes::all(), timeouts, unexplained_), unexplained_);
    if (!hang) break;
    remove(unexplained_, hang->owed);
    std::vector<std::pair<ThreadId, StepIndex>> positions;
    for (const Link& link : hang->knot.links) positions.emplace_back(link.thread, hang->last.at[link.thread.index]);
    if (!positions.empty()) engine_.exclude(positions);
  }
  while (!decision_.findings.empty() && !enough() && gave_up_.empty()) {
    const auto hang = found(engine_.find_other_hang(timeouts), engine_.obligations());
    if (!hang || hang->knot.links.empty()) break;
    std::vector<std::pair<ThreadId, StepIndex>> positions;
    for (const Link& link : hang->knot.links) positions.emplace_back(link.thread, hang->last.at[link.thread.index]);
    engine_.exclude(positions);
  }
}

// A timeout that fires although nothing is owed may lead to a hang as well.
// The formula knows nothing of timeouts that fire; exploration does.
void Decider::search_beyond_timeouts() {
  const bool deadlock = std::ranges::any_of(
      decision_.findings, [](const Finding& finding) { return finding.kind == FindingKind::deadlock; });
  if (deadlock || !gave_up_.empty()) return;
  const Search search = engine_.find_timeout();
  if (std::holds_alternative<Exhausted>(search)) return;
  ExploreOptions options;
  options.budget = budget_;
  options.max_states = 1'000'000;
  Exploration all = explore(system_, initial_state(system_), options);
  if (all.for_ever) {
    add(examined(std::move(*all.for_ever), every_obligation(system_)));
  } else if (all.hang && decision_.findings.empty()) {
    add(examined(std::move(*all.hang), every_obligation(system_)));
  }
  if (all.cut_off) gave_up_ = "some execution reaches a bound of the unfolding";
  if (!all.gave_up.empty()) gave_up_ = "not everything that can follow a timeout was seen: " + all.gave_up;
}

// First without any timeout in sight: those hangs are deadlocks for certain.
void Decider::search() {
  search_for(SmtEngine::Timeouts::none);
  search_for(SmtEngine::Timeouts::some);
  search_beyond_timeouts();
}

void Decider::remark_on_userspace() {
  if (!decision_.findings.empty() || !gave_up_.empty()) return;
  const Search search = engine_.find_stuck_user();
  const auto* schedule = std::get_if<std::vector<Move>>(&search);
  if (schedule == nullptr) return;
  decision_.assumptions.push_back(
      "userspace can hang by itself: a user thread may wait for ever, and the kernel owes nothing meanwhile");
}

void Decider::conclude() {
  Answer answer{"deadlock-freedom", Verdict::holds, {}};
  std::size_t steps = 0;
  for (const Thread& thread : system_.threads) steps += thread.program.size();
  if (!decision_.findings.empty()) {
    answer.verdict = Verdict::violated;
    if (!gave_up_.empty())
      answer.reason = "there may be more findings: " + gave_up_;
    else if (enough())
      answer.reason = fmt::format("the search stopped after {} findings", decision_.findings.size());
  } else if (!gave_up_.empty()) {
    answer.verdict = Verdict::unknown;
    answer.reason = gave_up_;
  } else if (const Search beyond = engine_.find_cutoff(); !std::holds_alternative<Exhausted>(beyond)) {
    answer.verdict = Verdict::unknown;
    answer.reason = std::holds_alternative<GaveUp>(beyond) ? std::get<GaveUp>(beyond).why
                                                           : "some execution reaches a bound of the unfolding";
  } else {
    answer.reason = fmt::format("every interleaving of its {} threads and {} steps", system_.threads.size(), steps);
  }
  decision_.answers.push_back(std::move(answer));
}

// A wait for any of several fences, one of which the kernel controls, does not depend on userspace.
bool has_kernel_alternative(const DependencyGraph& graph, const EdgeId& edge) {
  if (!graph[edge].any) return false;
  const auto others = boost::make_iterator_range(boost::out_edges(boost::source(edge, graph), graph));
  return std::any_of(others.begin(), others.end(), [&](const EdgeId& other) {
    return graph[other].any && graph[other].at == graph[edge].at && !graph[boost::target(other, graph)].user_controlled;
  });
}

// The edges to user-controlled fences that can be reached from a kernel fence
// without passing another fence: through its job, the jobs in front of it, and
// the locks and pools that the flow needs.
std::vector<EdgeId> ways_to_userspace(const DependencyGraph& graph, VertexId fence) {
  std::vector<EdgeId> result;
  std::vector<bool> seen(boost::num_vertices(graph), false);
  std::vector<VertexId> todo{fence};
  while (!todo.empty()) {
    const VertexId vertex = todo.back();
    todo.pop_back();
    if (seen[vertex]) continue;
    seen[vertex] = true;
    for (const EdgeId edge : boost::make_iterator_range(boost::out_edges(vertex, graph))) {
      const Vertex& next = graph[boost::target(edge, graph)];
      if (next.kind != VertexKind::fence)
        todo.push_back(boost::target(edge, graph));
      else if (next.user_controlled && !has_kernel_alternative(graph, edge))
        result.push_back(edge);
    }
  }
  return result;
}

// Rule FDG020. Static: it is broken whether or not a cycle closes.
std::vector<Finding> broken_contracts(const System& system, const SystemGraph& graph) {
  std::vector<Finding> result;
  const DependencyGraph& g = *graph.graph;
  for (std::uint32_t i = 0; i < system.fences.size(); ++i) {
    if (info(system.fences[i].kind).user_controlled) continue;
    for (const EdgeId& edge : ways_to_userspace(g, graph.fences[i])) {
      const Vertex& user = g[boost::target(edge, g)];
      const std::string kernel = fmt::format("kernel fence '{}'", system.fences[i].name);
      const std::string awaited = fmt::format("{} '{}'", user.detail, user.name);
      Finding finding;
      finding.kind = FindingKind::contract;
      finding.strength = Strength::potential;
      finding.rule = Rule::indefinite_fence;
      finding.at = g[edge].at;
      finding.message = fmt::format("{} depends on {}, which userspace controls", kernel, awaited);
      finding.needs = Causes{}.with(Cause::userspace);
      finding.parties.push_back({kernel, {}, awaited, g[edge].cause, g[edge].label, g[edge].at, {}});
      finding.closed = false;
      finding.fingerprint = fingerprint(finding);
      const auto same = [&](const Finding& other) { return other.fingerprint == finding.fingerprint; };
      if (std::ranges::none_of(result, same)) result.push_back(std::move(finding));
    }
  }
  return result;
}

Decision Decider::run() {
  search();
  remark_on_userspace();
  conclude();
  return std::move(decision_);
}

}  // namespace

namespace {

constexpr std::size_t large_program = 400;         // steps; from here on exploration goes first
constexpr std::uint64_t explored_first = 300'000;  // states

// Long programs with little concurrency have few states and large formulas:
// exploration may answer at once, or find nothing out and cost little.
std::optional<Answer> explored_holds(const System& system, const Budget& budget) {
  std::size_t steps = 0;
  for (const Thread& thread : system.threads) steps += thread.program.size();
  if (steps < large_program) return std::nullopt;
  ExploreOptions options;
  options.max_states = explored_first;
  options.budget = budget;
  const Exploration all = explore(system, initial_state(system), options);
  if (!all.gave_up.empty() || all.cut_off || all.hang) return std::nullopt;
  return Answer{"deadlock-freedom", Verdict::holds,
                fmt::format("every one of the {} reachable states of its {} threads and {} steps", all.states,
                            system.threads.size(), steps)};
}

Decision decide_deadlocks(const System& system, const SystemGraph& graph, const Budget& budget) {
  Decision decision;
  const auto unknown = [&](const std::string& why) {
    decision.answers.push_back({"deadlock-freedom", Verdict::unknown, why});
    return decision;
  };
  if (const std::string why = not_encodable(system); !why.empty())
    return unknown(why + ", which the SMT engine does not cover");
  if (const auto answer = explored_holds(system, budget)) {
    decision.answers.push_back(*answer);
    return decision;
  }
  try {
    return Decider(system, graph, budget).run();
  } catch (const OutOfBudget& out) {
    return unknown(out.why);
  }
}

}  // namespace

Decision decide(const System& system, const SystemGraph& graph, const Budget& budget) {
  Decision decision = decide_deadlocks(system, graph, budget);
  std::vector<Finding> contracts = broken_contracts(system, graph);
  decision.answers.push_back(
      {"contract", contracts.empty() ? Verdict::holds : Verdict::violated, "rule FDG020 over the dependency graph"});
  std::ranges::move(contracts, std::back_inserter(decision.findings));
  std::ranges::stable_sort(decision.findings, {}, &Finding::kind);
  return decision;
}

}  // namespace fencecheck
