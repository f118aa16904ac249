#include "checker/decide.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string_view>

#include "checker/contracts.hpp"
#include "checker/decide_by_exploration.hpp"
#include "checker/explore.hpp"
#include "checker/hang_findings.hpp"
#include "checker/smt_engine.hpp"
#include "encoders/encodable.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t large_program = 400;  // steps; here exploration goes before the formula of executions
constexpr std::size_t most_findings = 5;    // different knots of one scenario
constexpr std::size_t most_examined = 200;  // hangs looked at while searching for them

std::size_t steps_of(const System& system) {
  std::size_t steps = 0;
  for (const Thread& thread : system.threads) steps += thread.program.size();
  return steps;
}

void remove(std::vector<Obligation>& from, const std::vector<Obligation>& what) {
  std::erase_if(from, [&](const Obligation& each) { return std::ranges::find(what, each) != what.end(); });
}

// First the formula of cuts, which is small; where it gives up, that of executions, which never does on its own.
class Engines {
 public:
  using Question = std::function<Search(SmtEngine&)>;

  Engines(const System& system, const Budget& budget) : system_(system), budget_(budget) {
    (budget.reductions ? cuts_ : whole_) =
        std::make_unique<SmtEngine>(system, budget, budget.reductions ? Precision::cuts : Precision::plain);
  }
  [[nodiscard]] Search ask(const Question& question) {
    if (cuts_) {
      Search found = question(*cuts_);
      if (!std::holds_alternative<GaveUp>(found)) return found;
    }
    try {
      return question(whole());
    } catch (const OutOfBudget& out) {
      return GaveUp{out.why};
    }
  }
  // As ask(), but not worth the large formula of a large program.
  [[nodiscard]] Search ask_in_passing(const Question& question) {
    if (cuts_ && !whole_ && steps_of(system_) >= large_program) return question(*cuts_);
    return ask(question);
  }
  // Whether the small formula is enough to say that there is a hang, or none.
  [[nodiscard]] bool cuts_suffice() {
    return cuts_ && !std::holds_alternative<GaveUp>(
                        cuts_->find_hang(Causes::all(), SmtEngine::Timeouts::any, cuts_->obligations()));
  }
  [[nodiscard]] std::vector<Obligation> obligations() const { return (cuts_ ? cuts_ : whole_)->obligations(); }
  void exclude(const std::vector<std::pair<ThreadId, StepIndex>>& positions) {
    for (SmtEngine* engine : {cuts_.get(), whole_.get()})
      if (engine != nullptr) engine->exclude(positions);
    excluded_.push_back(positions);
  }

 private:
  SmtEngine& whole() {
    if (whole_) return *whole_;
    whole_ = std::make_unique<SmtEngine>(system_, budget_, Precision::executions);
    for (const auto& positions : excluded_) whole_->exclude(positions);
    return *whole_;
  }

  const System& system_;
  Budget budget_;
  std::unique_ptr<SmtEngine> cuts_, whole_;
  std::vector<std::vector<std::pair<ThreadId, StepIndex>>> excluded_;
};

class Decider {
 public:
  Decider(const System& system, const SystemGraph& graph, const Budget& budget, Engines& engines)
      : system_(system),
        budget_(budget),
        engines_(engines),
        found_(system, graph, budget, HangFindings::Needs::smallest,
               [this](Causes causes, const std::vector<Obligation>& owed) {
                 return find_hang(causes, SmtEngine::Timeouts::any, owed);
               }),
        unexplained_(engines.obligations()) {}
  Decision run();

 private:
  Search find_hang(Causes causes, SmtEngine::Timeouts timeouts, const std::vector<Obligation>& owed) {
    return engines_.ask([&](SmtEngine& engine) { return engine.find_hang(causes, timeouts, owed); });
  }
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
  Engines& engines_;
  HangFindings found_;
  std::vector<Obligation> unexplained_;  // no finding says yet how they can stay undischarged
  std::size_t examined_ = 0;
  std::string gave_up_;
  Engine decided_ = Engine::smt;
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
    const auto hang = found(find_hang(Causes::all(), timeouts, unexplained_), unexplained_);
    if (!hang) break;
    remove(unexplained_, hang->owed);
    if (hang->knot.closed) remove(unexplained_, explained_by(system_, hang->last, hang->knot));
    std::vector<std::pair<ThreadId, StepIndex>> positions;
    for (const Link& link : hang->knot.links) positions.emplace_back(link.thread, hang->last.at[link.thread.index]);
    if (!positions.empty()) engines_.exclude(positions);
  }
  while (!found_.decision.findings.empty() && !enough() && gave_up_.empty()) {
    const auto hang = found(engines_.ask([&](SmtEngine& engine) { return engine.find_other_hang(timeouts); }),
                            engines_.obligations());
    if (!hang || hang->knot.links.empty()) break;
    std::vector<std::pair<ThreadId, StepIndex>> positions;
    for (const Link& link : hang->knot.links) positions.emplace_back(link.thread, hang->last.at[link.thread.index]);
    engines_.exclude(positions);
  }
}

// A timeout that fires although nothing is owed may lead to a hang as well.
// The formula knows nothing of timeouts that fire; exploration does.
void Decider::search_beyond_timeouts() {
  const bool deadlock = std::ranges::any_of(
      found_.decision.findings, [](const Finding& finding) { return finding.kind == FindingKind::deadlock; });
  if (deadlock || !gave_up_.empty()) return;
  const Search search = engines_.ask([](SmtEngine& engine) { return engine.find_timeout(); });
  if (std::holds_alternative<Exhausted>(search)) return;
  if (budget_.engine == Engine::smt) {
    gave_up_ = "what follows a timeout has no formula; --engine auto explores it";
    return;
  }
  decided_ = Engine::explore;
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
  const Search search = engines_.ask_in_passing([](SmtEngine& engine) { return engine.find_stuck_user(); });
  const auto* schedule = std::get_if<std::vector<Move>>(&search);
  if (schedule == nullptr) return;
  found_.decision.assumptions.push_back(
      "userspace can hang by itself: a user thread may wait for ever, and the kernel owes nothing meanwhile");
}

void Decider::conclude() {
  Answer answer{"deadlock-freedom", Verdict::holds, {}};
  if (!found_.decision.findings.empty()) {
    answer.verdict = Verdict::violated;
    if (!gave_up_.empty())
      answer.reason = "there may be more findings: " + gave_up_;
    else if (enough())
      answer.reason = fmt::format("the search stopped after {} findings", found_.decision.findings.size());
  } else if (!gave_up_.empty()) {
    answer.verdict = Verdict::unknown;
    answer.reason = gave_up_;
  } else if (const Search beyond = engines_.ask([](SmtEngine& engine) { return engine.find_cutoff(); });
             !std::holds_alternative<Exhausted>(beyond)) {
    answer.verdict = Verdict::unknown;
    answer.reason = std::holds_alternative<GaveUp>(beyond) ? std::get<GaveUp>(beyond).why
                                                           : "some execution reaches a bound of the unfolding";
  } else {
    answer.reason = fmt::format("every interleaving of its {} and {}", quantity(system_.threads.size(), "thread"),
                                quantity(steps_of(system_), "step"));
  }
  found_.decision.answers.push_back(std::move(answer));
  found_.decision.engine = decided_;
}

Decision Decider::run() {
  search();
  remark_on_userspace();
  conclude();
  return std::move(found_.decision);
}

}  // namespace

namespace {

constexpr std::uint64_t explored_first = 300'000;  // states

// Long programs with little concurrency have few states and large formulas:
// exploration may answer at once, or find nothing out and cost little.
std::optional<Answer> explored_holds(const System& system, const Budget& budget) {
  ExploreOptions options;
  options.max_states = explored_first;
  options.budget = budget;
  const Exploration all = explore(system, initial_state(system), options);
  if (!all.gave_up.empty() || all.cut_off || all.hang) return std::nullopt;
  return Answer{
      "deadlock-freedom",
      Verdict::holds,
      fmt::format("every one of the {} of its {} and {}", quantity(all.states, "reachable state"),
                  quantity(system.threads.size(), "thread"), quantity(steps_of(system), "step")),
  };
}

Decision decide_deadlocks(const System& system, const SystemGraph& graph, const Budget& budget) {
  Decision decision;
  const auto unknown = [&](const std::string& why) {
    decision.engine = Engine::smt;
    decision.answers.push_back({"deadlock-freedom", Verdict::unknown, why});
    return decision;
  };
  const std::string no_formula = budget.engine == Engine::explore ? "" : not_encodable(system);
  if (budget.engine == Engine::explore || (budget.engine == Engine::automatic && !no_formula.empty()))
    return decide_by_exploration(system, graph, budget);
  if (!no_formula.empty()) return unknown(fmt::format("{}, for which there is no formula; see --engine", no_formula));
  try {
    Engines engines(system, budget);
    if (budget.engine == Engine::automatic && steps_of(system) >= large_program && !engines.cuts_suffice())
      if (const auto answer = explored_holds(system, budget)) {
        decision.answers.push_back(*answer);
        decision.engine = Engine::explore;
        return decision;
      }
    return Decider(system, graph, budget, engines).run();
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
