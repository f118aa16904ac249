#include "checker/decide.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "checker/contracts.hpp"
#include "checker/decide_by_exploration.hpp"
#include "checker/explore.hpp"
#include "checker/hang_findings.hpp"
#include "checker/smt_engine.hpp"
#include "encoders/formula.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_findings = 5;    // different knots of one scenario
constexpr std::size_t most_examined = 200;  // hangs looked at while searching for them

void remove(std::vector<Obligation>& from, const std::vector<Obligation>& what) {
  std::erase_if(from, [&](const Obligation& each) { return std::ranges::find(what, each) != what.end(); });
}

class Decider {
 public:
  Decider(const System& system, const SystemGraph& graph, const Budget& budget)
      : system_(system),
        budget_(budget),
        engine_(system, budget),
        found_(system, graph, budget, HangFindings::Needs::smallest,
               [this](Causes causes, const std::vector<Obligation>& owed) {
                 return engine_.find_hang(causes, SmtEngine::Timeouts::any, owed);
               }) {
    unexplained_ = engine_.obligations();
  }
  Decision run();

 private:
  void search();
  void search_for(SmtEngine::Timeouts timeouts);
  void search_beyond_timeouts();
  std::optional<Hang> found(Search search, const std::vector<Obligation>& asked);
  [[nodiscard]] bool enough() const {
    return found_.decision.findings.size() >= most_findings || examined_ >= most_examined;
  }
  void conclude();
  void remark_on_userspace();

  const System& system_;
  Budget budget_;
  SmtEngine engine_;
  HangFindings found_;
  std::vector<Obligation> unexplained_;  // no finding says yet how they can stay undischarged
  std::size_t examined_ = 0;
  std::string gave_up_;
};

// What a search returned, as a finding; nothing if it found nothing.
std::optional<Hang> Decider::found(Search search, const std::vector<Obligation>& asked) {
  if (const auto* gave_up = std::get_if<GaveUp>(&search)) gave_up_ = gave_up->why;
  auto* schedule = std::get_if<std::vector<Move>>(&search);
  if (schedule == nullptr) return std::nullopt;
  ++examined_;
  Hang hang = found_.examined(std::move(*schedule), asked);
  found_.add(hang);
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
  while (!found_.decision.findings.empty() && !enough() && gave_up_.empty()) {
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
      found_.decision.findings, [](const Finding& finding) { return finding.kind == FindingKind::deadlock; });
  if (deadlock || !gave_up_.empty()) return;
  const Search search = engine_.find_timeout();
  if (std::holds_alternative<Exhausted>(search)) return;
  ExploreOptions options;
  options.budget = budget_;
  options.max_states = 1'000'000;
  Exploration all = explore(system_, initial_state(system_), options);
  if (all.for_ever) {
    found_.add(found_.examined(std::move(*all.for_ever), every_obligation(system_)));
  } else if (all.hang && found_.decision.findings.empty()) {
    found_.add(found_.examined(std::move(*all.hang), every_obligation(system_)));
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
  if (!found_.decision.findings.empty() || !gave_up_.empty()) return;
  const Search search = engine_.find_stuck_user();
  const auto* schedule = std::get_if<std::vector<Move>>(&search);
  if (schedule == nullptr) return;
  found_.decision.assumptions.push_back(
      "userspace can hang by itself: a user thread may wait for ever, and the kernel owes nothing meanwhile");
}

void Decider::conclude() {
  Answer answer{"deadlock-freedom", Verdict::holds, {}};
  std::size_t steps = 0;
  for (const Thread& thread : system_.threads) steps += thread.program.size();
  if (!found_.decision.findings.empty()) {
    answer.verdict = Verdict::violated;
    if (!gave_up_.empty())
      answer.reason = "there may be more findings: " + gave_up_;
    else if (enough())
      answer.reason = fmt::format("the search stopped after {} findings", found_.decision.findings.size());
  } else if (!gave_up_.empty()) {
    answer.verdict = Verdict::unknown;
    answer.reason = gave_up_;
  } else if (const Search beyond = engine_.find_cutoff(); !std::holds_alternative<Exhausted>(beyond)) {
    answer.verdict = Verdict::unknown;
    answer.reason = std::holds_alternative<GaveUp>(beyond) ? std::get<GaveUp>(beyond).why
                                                           : "some execution reaches a bound of the unfolding";
  } else {
    answer.reason = fmt::format("every interleaving of its {} and {}", quantity(system_.threads.size(), "thread"),
                                quantity(steps, "step"));
  }
  found_.decision.answers.push_back(std::move(answer));
}

Decision Decider::run() {
  search();
  remark_on_userspace();
  conclude();
  return std::move(found_.decision);
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
                fmt::format("every one of the {} of its {} and {}", quantity(all.states, "reachable state"),
                            quantity(system.threads.size(), "thread"), quantity(steps, "step"))};
}

Decision decide_deadlocks(const System& system, const SystemGraph& graph, const Budget& budget) {
  Decision decision;
  const auto unknown = [&](const std::string& why) {
    decision.answers.push_back({"deadlock-freedom", Verdict::unknown, why});
    return decision;
  };
  if (!not_encodable(system).empty()) return decide_by_exploration(system, graph, budget);
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

namespace {

Answer contract_answer(const std::vector<Finding>& findings) {
  std::set<std::string_view> broken;
  for (const Finding& finding : findings)
    if (finding.rule) broken.insert(info(*finding.rule).id);
  if (broken.empty()) return {"contract", Verdict::holds, std::string(static_rules)};
  return {"contract", Verdict::violated,
          fmt::format("rule{} {}", broken.size() == 1 ? "" : "s", fmt::join(broken, " and "))};
}

}  // namespace

Decision decide(const System& system, const SystemGraph& graph, const Budget& budget) {
  Decision decision = decide_deadlocks(system, graph, budget);
  std::ranges::move(broken_contracts(system, graph), std::back_inserter(decision.findings));
  decision.answers.push_back(contract_answer(decision.findings));
  std::ranges::stable_sort(decision.findings, {}, &Finding::kind);
  return decision;
}

}  // namespace fencecheck
