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
  Knot knot;
};

class Decider {
 public:
  Decider(const System& system, const SystemGraph& graph, const Budget& budget)
      : system_(system), graph_(graph), budget_(budget), engine_(system, budget) {}
  Decision run();

 private:
  void search();
  void search_for(SmtEngine::Timeouts timeouts);
  Hang examined(std::vector<Move> schedule) const;
  void add(const Hang& hang);
  void classify(Finding& finding, const Hang& hang);
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
  std::string gave_up_;
};

[[noreturn]] void disagree(const std::string& why) {
  throw std::logic_error("the SMT engine and the operational semantics disagree: " + why);
}

Hang Decider::examined(std::vector<Move> schedule) const {
  schedule = with_fewer_switches(system_, schedule);
  auto outcome = replay(system_, schedule);
  if (const auto* refuted = std::get_if<Refuted>(&outcome)) disagree(refuted->why);
  State last = std::get<Replayed>(std::move(outcome)).last;
  Knot found = knot(system_, last);
  return {std::move(schedule), std::move(last), std::move(found)};
}

// The causes at work in this hang: of the waits on the knot, and of the choices
// that led there.
Causes causes_at_work(const System& system, const Hang& hang) {
  Causes causes;
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
  if (const auto outcome = replay(system_, *schedule, causes); const auto* refuted = std::get_if<Refuted>(&outcome))
    disagree(refuted->why);
  return true;
}

// The smallest set of causes with which the same obligations can still end
// undischarged: among those at work in this hang if they suffice, else among all.
Causes Decider::needs(const Hang& hang) {
  const std::vector<Obligation> owed = obligations(system_, hang.last, hang.knot);
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

std::string sentence(const Knot& knot, const System& system, const State& last) {
  if (knot.links.empty()) {
    for (const Obligation& obligation : owed(system, last))
      if (obligation.kind == Obligation::Kind::fence)
        return fmt::format("kernel fence '{}' is published and nobody signals it",
                           system.fences[obligation.index].name);
    return "an obligation is never discharged";
  }
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
void Decider::classify(Finding& finding, const Hang& hang) {
  if (timeouts(system_, hang.last).empty()) return;
  ExploreOptions options;
  options.budget = budget_;
  const Exploration beyond = explore(system_, hang.last, options);
  if (beyond.for_ever) {
    finding.notes.push_back("timeouts fire, and do not help");
    return;
  }
  finding.kind = FindingKind::stall;
  if (!beyond.gave_up.empty())
    finding.notes.push_back(fmt::format("whether the timeouts always help was not decided: {}", beyond.gave_up));
  add_stall(finding, hang.last);
}

void Decider::add(const Hang& hang) {
  Finding finding;
  finding.kind = FindingKind::deadlock;
  finding.strength = Strength::confirmed;
  finding.closed = hang.knot.closed;
  finding.parties = parties(system_, hang.last, hang.knot);
  finding.at = closing_place(finding.parties);
  finding.message = sentence(hang.knot, system_, hang.last);
  classify(finding, hang);
  finding.fingerprint = fingerprint(finding);
  const auto same = [&](const Finding& other) { return other.fingerprint == finding.fingerprint; };
  if (std::ranges::any_of(decision_.findings, same)) return;
  finding.needs = needs(hang);
  finding.schedule = story(system_, hang.schedule, hang.knot);
  if (finding.needs == Causes{}.with(Cause::userspace))
    finding.notes.push_back(
        "only waits that userspace controls are needed: the kernel made itself depend on userspace");
  if (const Cycle found = cycle(system_, graph_, hang.knot); !found.empty()) decision_.cycles.push_back(found);
  decision_.findings.push_back(std::move(finding));
}

// Hangs with different knots, until there are no more or enough are known.
void Decider::search_for(SmtEngine::Timeouts timeouts) {
  for (std::size_t i = 0; i < most_examined && decision_.findings.size() < most_findings; ++i) {
    Search search = engine_.find_hang(Causes::all(), timeouts);
    if (const auto* gave_up = std::get_if<GaveUp>(&search)) gave_up_ = gave_up->why;
    if (!std::holds_alternative<std::vector<Move>>(search)) return;
    const Hang hang = examined(std::get<std::vector<Move>>(std::move(search)));
    add(hang);
    std::vector<std::pair<ThreadId, StepIndex>> positions;
    for (const Link& link : hang.knot.links) positions.emplace_back(link.thread, hang.last.at[link.thread.index]);
    if (positions.empty()) return;
    engine_.exclude(positions);
  }
}

// First without any timeout in sight: those hangs are deadlocks for certain.
void Decider::search() {
  search_for(SmtEngine::Timeouts::none);
  if (gave_up_.empty()) search_for(SmtEngine::Timeouts::some);
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
    else if (decision_.findings.size() == most_findings)
      answer.reason = fmt::format("the search stopped after {} findings", most_findings);
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

// Rule FDG020: a kernel fence that needs a user-controlled one, directly or
// through the job that signals it. Static: it holds whether or not a cycle closes.
std::vector<Finding> broken_contracts(const System& system, const SystemGraph& graph) {
  std::vector<Finding> result;
  const DependencyGraph& g = *graph.graph;
  const auto report = [&](std::uint32_t fence, const EdgeId& edge) {
    Finding finding;
    finding.kind = FindingKind::contract;
    finding.strength = Strength::potential;
    finding.rule = Rule::indefinite_fence;
    finding.at = g[edge].at;
    const Vertex& user = g[boost::target(edge, g)];
    finding.message = fmt::format("kernel fence '{}' depends on {} '{}', which userspace controls",
                                  system.fences[fence].name, user.detail, user.name);
    finding.needs = Causes{}.with(Cause::userspace);
    finding.parties.push_back({fmt::format("kernel fence '{}'", system.fences[fence].name),
                               {},
                               fmt::format("{} '{}'", user.detail, user.name),
                               g[edge].cause,
                               g[edge].label,
                               g[edge].at,
                               {}});
    finding.closed = false;
    finding.fingerprint = fingerprint(finding);
    const auto same = [&](const Finding& other) { return other.fingerprint == finding.fingerprint; };
    if (std::ranges::none_of(result, same)) result.push_back(std::move(finding));
  };
  for (std::uint32_t i = 0; i < system.fences.size(); ++i) {
    if (info(system.fences[i].kind).user_controlled) continue;
    for (const EdgeId edge : boost::make_iterator_range(boost::out_edges(graph.fences[i], g))) {
      const VertexId next = boost::target(edge, g);
      if (g[next].kind == VertexKind::fence && g[next].user_controlled) report(i, edge);
      if (g[next].kind != VertexKind::job) continue;
      for (const EdgeId inner : boost::make_iterator_range(boost::out_edges(next, g)))
        if (g[boost::target(inner, g)].kind == VertexKind::fence && g[boost::target(inner, g)].user_controlled)
          report(i, inner);
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

Decision decide(const System& system, const SystemGraph& graph, const Budget& budget) {
  Decision decision;
  if (const std::string why = not_encodable(system); !why.empty())
    decision.answers.push_back({"deadlock-freedom", Verdict::unknown, why + ", which the SMT engine does not cover"});
  else
    decision = Decider(system, graph, budget).run();
  std::vector<Finding> contracts = broken_contracts(system, graph);
  decision.answers.push_back(
      {"contract", contracts.empty() ? Verdict::holds : Verdict::violated, "rule FDG020 over the dependency graph"});
  std::ranges::move(contracts, std::back_inserter(decision.findings));
  std::ranges::stable_sort(decision.findings, {}, &Finding::kind);
  return decision;
}

}  // namespace fencecheck
