// Runs that never end: by hand, and against a second algorithm on random systems.
#include "checker/livelock.hpp"

#include <functional>
#include <map>
#include <set>

#include "checker/explore.hpp"
#include "checker/replay.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_system.hpp"

namespace fencecheck {
namespace {

Step step(Action action, std::vector<StepIndex> next) {
  Step result;
  result.action = std::move(action);
  result.next = std::move(next);
  return result;
}

Thread thread(std::string name, ThreadKind kind, std::vector<Step> program) {
  Thread result;
  result.name = std::move(name);
  result.kind = kind;
  result.program = std::move(program);
  return result;
}

Choose when(std::int64_t value, bool equal = true) { return {{{{{VariableId{0}, value, equal}}, {}}}}; }

// Goes on if v is 1, else tries again.
Choose poll() { return {{{{{VariableId{0}, 1, true}}, {}}, {{{VariableId{0}, 1, false}}, {}}}}; }

System with_variable() {
  System system;
  system.variables.push_back({"v", 0, {}});
  system.locks = {{"a", LockKind::mutex, {}}, {"b", LockKind::mutex, {}}};
  return system;
}

std::vector<Lasso> lassos(const System& system) {
  REQUIRE_FALSE(check_system(system));
  ExploreOptions options;
  options.most_livelocks = 5;
  const Exploration exploration = explore(system, initial_state(system), options);
  REQUIRE(exploration.gave_up.empty());
  for (const Lasso& lasso : exploration.livelocks) CHECK(refute(system, lasso) == "");
  return exploration.livelocks;
}

// Takes one lock and tries the other, over and over: gives both back if it is busy.
Thread polite(std::string name, LockId first, LockId second) {
  return thread(std::move(name), ThreadKind::worker,
                {step(Assign{VariableId{0}, 0}, {1}), step(Acquire{first}, {2}), step(TryAcquire{second}, {4, 3}),
                 step(Release{first}, {1}), step(Release{second}, {5}), step(Release{first}, {6})});
}

TEST_CASE("two threads that back off from each other for ever are a livelock") {
  System system = with_variable();
  system.threads = {polite("one", LockId{0}, LockId{1}), polite("two", LockId{1}, LockId{0})};
  const std::vector<Lasso> found = lassos(system);
  REQUIRE_FALSE(found.empty());
  CHECK(std::get<Debt>(found.front().harm).obligation == Obligation{Obligation::Kind::thread, 0});
  CHECK(found.front().waiting.empty());
  std::set<std::uint32_t> movers;
  for (const Move& move : found.front().cycle) movers.insert(move.thread.index);
  CHECK(movers.size() == 2);
  system.threads[1] = polite("two", LockId{0}, LockId{1});  // one order: somebody always gets both
  CHECK(lassos(system).empty());
}

TEST_CASE("who waits in line for a lock gets it, however often another takes it") {
  System system = with_variable();
  const auto takes = [](LockId lock, StepIndex then) {
    return std::vector<Step>{step(Assign{VariableId{0}, 0}, {1}), step(Acquire{lock}, {2}),
                             step(Release{lock}, {then})};
  };
  system.threads = {thread("clock", ThreadKind::interrupt, takes(LockId{0}, 0)),
                    thread("task", ThreadKind::worker, takes(LockId{0}, 3))};
  CHECK(lassos(system).empty());
  system.threads[1].program[1] = step(when(1), {2});  // nobody keeps a place for who waits for a variable
  system.threads[0].program[1] = step(Assign{VariableId{0}, 1}, {2});
  CHECK_FALSE(lassos(system).empty());
}

TEST_CASE("a call into the kernel that goes round is a livelock, one that only chooses to is none") {
  System system = with_variable();
  system.threads = {polite("one", LockId{0}, LockId{1}), polite("two", LockId{1}, LockId{0})};
  for (Thread& each : system.threads) {
    each.kind = ThreadKind::ioctl;
    each.program[3].interruptible = true;  // where it never waits
  }
  REQUIRE_FALSE(lassos(system).empty());
  system.threads[1] = polite("two", LockId{0}, LockId{1});
  CHECK(lassos(system).empty());
  system.threads = {thread("submits", ThreadKind::ioctl,
                           {step(Assign{VariableId{0}, 0}, {1}), step(Assign{VariableId{0}, 1}, {2}),
                            step(Choose{{Branch{}, Branch{}}}, {1, 3})})};
  CHECK(lassos(system).empty());
  system.threads.front().program[2] = step(poll(), {1, 3});  // finds what it has set itself
  CHECK_FALSE(lassos(system).empty());
}

TEST_CASE("one who may signal a fence goes round, whatever another could do") {
  System system = with_variable();
  system.fences.push_back({"f", FenceKind::kernel, true, {}});
  system.threads = {thread("poller", ThreadKind::worker,
                           {step(TakeTicket{}, {1}), step(poll(), {2, 1}), step(Signal{{FenceId{0}}}, {3})}),
                    thread("application", ThreadKind::user, {step(Signal{{FenceId{0}}}, {1})})};
  const auto owes_fence = [](const Lasso& lasso) {
    const auto* debt = std::get_if<Debt>(&lasso.harm);
    return debt != nullptr && debt->obligation == Obligation{Obligation::Kind::fence, 0};
  };
  CHECK(std::ranges::any_of(lassos(system), owes_fence));
}

TEST_CASE("a work item that comes back to its first step owes nothing") {
  System system = with_variable();
  system.threads = {
      thread("work", ThreadKind::worker,
             {step(Acquire{LockId{0}}, {1}), step(Assign{VariableId{0}, 1}, {2}), step(Release{LockId{0}}, {0})})};
  CHECK(lassos(system).empty());
}

TEST_CASE("polling the kernel ends, polling userspace may not") {
  const auto polls = [](Thread other) {
    System system = with_variable();
    system.threads = {thread("poller", ThreadKind::worker, {step(TakeTicket{}, {1}), step(poll(), {2, 1})}),
                      std::move(other)};
    return system;
  };
  const std::vector<Step> sets{step(when(0), {1}), step(Assign{VariableId{0}, 1}, {2})};
  CHECK(lassos(polls(thread("worker", ThreadKind::worker, sets))).empty());
  const std::vector<Lasso> found = lassos(polls(thread("application", ThreadKind::user, sets)));
  REQUIRE(found.size() == 1);
  CHECK(found.front().waiting == std::vector<ThreadId>{{1}});  // need not even begin

  System inside = polls(thread("task", ThreadKind::ioctl, sets));
  inside.variables[0].initial = 2;
  inside.threads[0].program[0] = step(when(0), {1});  // the poller begins once the task is in the kernel
  inside.threads[1].program[0] = step(Assign{VariableId{0}, 0}, {1});
  CHECK(lassos(inside).empty());
  inside.threads[1].program[1].userspace = true;
  CHECK(lassos(inside).size() == 1);
}

TEST_CASE("who is stuck while others run on is found although nothing ever comes to rest") {
  System system = with_variable();
  system.threads = {thread("one", ThreadKind::worker, {step(Acquire{LockId{0}}, {1}), step(Acquire{LockId{1}}, {2})}),
                    thread("two", ThreadKind::worker, {step(Acquire{LockId{1}}, {1}), step(Acquire{LockId{0}}, {2})}),
                    thread("clock", ThreadKind::interrupt,
                           {step(Assign{VariableId{0}, 1}, {1}), step(Assign{VariableId{0}, 0}, {0})})};
  const auto stuck = lassos(system);
  const auto holds_a = [](const Lasso& lasso) {
    const auto* debt = std::get_if<Debt>(&lasso.harm);
    return debt != nullptr && *debt == Debt{{Obligation::Kind::lock, 0}, 0};
  };
  CHECK(std::ranges::any_of(stuck, holds_a));
}

TEST_CASE("a wait that times out and is tried again for ever is a livelock") {
  System system = with_variable();
  system.fences.push_back({"f", FenceKind::kernel, true, {}});
  Step wait = step(Wait{{FenceId{0}}, Join::all}, {2});
  wait.timeout = Timeout{Milliseconds{10}, 0};
  system.threads = {thread("task", ThreadKind::worker, {step(Assign{VariableId{0}, 0}, {1}), wait})};
  const std::vector<Lasso> found = lassos(system);
  REQUIRE(found.size() == 1);
  CHECK(std::get<Debt>(found.front().harm).obligation == Obligation{Obligation::Kind::fence, 0});
  ExploreOptions options;
  options.most_livelocks = 5;
  options.with_timeouts = false;
  CHECK(explore(system, initial_state(system), options).livelocks.empty());
}

TEST_CASE("who tries again and again beside another's retries has its turn on the cycle") {
  System system;
  for (const char* name : {"f", "g"}) system.fences.push_back({name, FenceKind::kernel, true, {}});
  for (const std::uint32_t i : {0U, 1U}) {
    Step wait = step(Wait{{FenceId{i}}, Join::all}, {1});
    wait.timeout = Timeout{Milliseconds{10}, 0};
    system.threads.push_back(thread(i == 0 ? "one" : "other", ThreadKind::worker, {wait}));
  }
  const std::vector<Lasso> found = lassos(system);
  REQUIRE_FALSE(found.empty());
  for (const Lasso& each : found) CHECK(refute(system, each).empty());
}

TEST_CASE("lassos that prove nothing are refuted") {
  System system = with_variable();
  system.threads = {polite("one", LockId{0}, LockId{1}), polite("two", LockId{1}, LockId{0})};
  const Lasso good = lassos(system).front();
  REQUIRE(refute(system, good) == "");
  Lasso bad = good;
  bad.cycle.pop_back();
  CHECK(refute(system, bad) == "the cycle does not return to where it began");
  bad = good;
  bad.cycle.clear();
  CHECK(refute(system, bad) == "the cycle does not return to where it began");
  bad = good;
  bad.harm = Debt{{Obligation::Kind::lock, 0}, 0};
  std::get<Debt>(bad.harm).since = 7;
  CHECK(refute(system, bad) == "what is owed is discharged on the cycle");
  bad = good;
  bad.stem.insert(bad.stem.begin(), 100, Move{ThreadId{0}, 1, false});
  CHECK(refute(system, bad) == "a move of the stem is not possible");
  bad = good;
  bad.cycle.insert(bad.cycle.begin(), Move{ThreadId{0}, 63, false});
  CHECK(refute(system, bad) == "a move of the cycle is not possible");
  system.threads.push_back(thread("third", ThreadKind::worker, {step(Assign{VariableId{0}, 0}, {1})}));
  CHECK(refute(system, good) == "'third' can move all the time and never does");
}

// The second algorithm: greatest fixpoints instead of components. For each set of threads that may be kept waiting in
// line: a state stays if, inside the set, everything that fairness asks for is ahead.
class Fixpoint {
 public:
  Fixpoint(const System& system, const std::map<std::string, State>& states) : system_(system), states_(states) {
    for (const auto& [key, state] : states) {
      std::vector<Move> all = moves(system, state);
      if (at_rest(system, state)) std::ranges::copy(timeouts(system, state), std::back_inserter(all));
      if (cut_off(system, state)) all.clear();
      for (const Move& move : all)
        edges_[key].push_back({fencecheck::key(after(system, state, move)), move, passed_over(system, state, move),
                               used_anew(system, state, move)});
    }
    for (const Thread& thread : system.threads)
      for (const Step& step : thread.program) {
        if (std::holds_alternative<Acquire>(step.action) || std::holds_alternative<AcquireWithTicket>(step.action) ||
            std::holds_alternative<Take>(step.action) || std::holds_alternative<Expire>(step.action) || step.timeout)
          in_line_.insert(static_cast<std::uint32_t>(&thread - system.threads.data()));
        const auto* flush = std::get_if<Flush>(&step.action);
        if (flush == nullptr) continue;
        in_line_.insert(static_cast<std::uint32_t>(&thread - system.threads.data()));
        in_line_.insert(flush->work.index);
      }
  }

  bool lasts(const Debt& debt) const {
    const std::vector<std::uint32_t> in_line(in_line_.begin(), in_line_.end());
    for (std::uint32_t choice = 0; choice < (1U << in_line.size()); ++choice) {
      std::set<std::uint32_t> still;
      for (std::size_t i = 0; i < in_line.size(); ++i)
        if ((choice >> i & 1U) != 0) still.insert(in_line[i]);
      if (lasts(debt, still)) return true;
    }
    return false;
  }

 private:
  struct To {
    std::string state;
    Move move;
    std::vector<BufferId> passed_over;
    std::vector<BufferId> used;
  };
  using Set = std::set<std::string>;
  using Wanted = std::function<bool(const std::string&, const To&)>;

  // Those threads do not move, and are nowhere first in line for what is free; all others that stand in line move.
  bool lasts(const Debt& debt, const std::set<std::uint32_t>& still) const {
    Set stay;
    for (const auto& [key, state] : states_) {
      const auto open = debts(system_, state);
      std::vector<bool> moving(system_.threads.size(), true);
      for (const std::uint32_t each : still) moving[each] = false;
      const bool unjust = std::ranges::any_of(still, [&, &here = state](std::uint32_t each) {
        if (!passes_unseen(system_, here, {each}, moving).empty()) return true;
        return can_move(here, each) && fair(system_, here, {each}, debt) && waits_in_line(system_, here, {each});
      });
      if (!unjust && std::ranges::find(open, debt) != open.end()) stay.insert(key);
    }
    std::set<const To*> forbidden;
    for (const auto& [key, all] : edges_)
      for (const To& edge : all)
        if (still.contains(edge.move.thread.index)) forbidden.insert(&edge);
    for (bool news = true; news;) {
      news = false;
      for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
        const bool must = in_line_.contains(i) && !still.contains(i);
        Set next = reaching(stay, forbidden, [&](const std::string& from, const To& edge) {
          return edge.move.thread.index == i || (!must && content(from, debt, i));
        });
        news = news || next.size() < stay.size();
        stay = std::move(next);
      }
      news = forbid_choices(debt, stay, forbidden) || forbid_passing(stay, forbidden) || news;
    }
    return !stay.empty();
  }

  bool allowed(const Set& inside, const std::set<const To*>& forbidden, const To& edge) const {
    return inside.contains(edge.state) && !forbidden.contains(&edge);
  }

  // Who owes does not choose the same for ever: where one choice is out, so are the others.
  bool forbid_choices(const Debt& debt, const Set& inside, std::set<const To*>& forbidden) const {
    const std::size_t before = forbidden.size();
    const auto chooses = [&](const To& edge) {
      return !edge.move.timeout && chooses_by_itself(system_, debt, edge.move.thread);
    };
    for (const std::string& from : inside) {
      if (!edges_.contains(from)) continue;
      std::set<ThreadId> out;
      for (const To& edge : edges_.at(from))
        if (chooses(edge) && !allowed(inside, forbidden, edge)) out.insert(edge.move.thread);
      for (const To& edge : edges_.at(from))
        if (out.contains(edge.move.thread) && chooses(edge) && allowed(inside, forbidden, edge))
          forbidden.insert(&edge);
    }
    return forbidden.size() > before;
  }

  bool forbid_passing(const Set& inside, std::set<const To*>& forbidden) const {
    const std::size_t before = forbidden.size();
    for (std::uint32_t i = 0; i < system_.buffers.size(); ++i) {
      const Set used = reaching(inside, forbidden, [&](const std::string&, const To& edge) {
        return std::ranges::find(edge.used, BufferId{i}) != edge.used.end();
      });
      for (const std::string& from : inside)
        if (edges_.contains(from))
          for (const To& edge : edges_.at(from))
            if (std::ranges::find(edge.passed_over, BufferId{i}) != edge.passed_over.end() &&
                !used.contains(edge.state) && allowed(inside, forbidden, edge))
              forbidden.insert(&edge);
    }
    return forbidden.size() > before;
  }

  bool can_move(const State& state, std::uint32_t thread) const {
    const auto all = moves(system_, state);
    return std::ranges::any_of(all, [&](const Move& each) { return each.thread.index == thread; });
  }

  bool content(const std::string& from, const Debt& debt, std::uint32_t thread) const {
    const State& state = states_.at(from);
    return !fair(system_, state, {thread}, debt) || !can_move(state, thread);
  }

  Set reaching(const Set& inside, const std::set<const To*>& forbidden, const Wanted& wanted) const {
    Set result;
    for (bool news = true; news;) {
      news = false;
      for (const std::string& from : inside) {
        if (result.contains(from) || !edges_.contains(from)) continue;
        const bool reaches = std::ranges::any_of(edges_.at(from), [&](const To& edge) {
          return allowed(inside, forbidden, edge) && (result.contains(edge.state) || wanted(from, edge));
        });
        if (reaches) news = result.insert(from).second;
      }
    }
    return result;
  }

  const System& system_;
  const std::map<std::string, State>& states_;
  std::map<std::string, std::vector<To>> edges_;
  std::set<std::uint32_t> in_line_;  // threads of which it matters whether they move
};

std::map<std::string, State> reachable(const System& system, std::size_t most) {
  std::map<std::string, State> states;
  std::vector<State> worklist{initial_state(system)};
  while (!worklist.empty() && states.size() <= most) {
    const State state = worklist.back();
    worklist.pop_back();
    if (!states.emplace(key(state), state).second) continue;
    std::vector<Move> all = moves(system, state);
    if (at_rest(system, state)) std::ranges::copy(timeouts(system, state), std::back_inserter(all));
    for (const Move& move : all) worklist.push_back(after(system, state, move));
  }
  return states;
}

TEST_CASE("components and a fixpoint find the same debts open for ever") {
  constexpr std::size_t most = 400;
  unsigned livelocks = 0;
  unsigned none = 0;
  for (std::uint64_t seed = 1; seed <= test::effort() * 5 / 2; ++seed) {
    INFO("random_system(" << seed << ")");
    const System system = test::random_system(seed);
    const auto states = reachable(system, most);
    if (states.size() > most || !may_run_for_ever(system)) continue;
    LivelockOptions options;
    options.most = 100;
    const Livelocks found = find_livelocks(system, initial_state(system), options);
    REQUIRE(found.gave_up.empty());
    const Fixpoint fixpoint(system, states);
    std::vector<Debt> all;
    for (const auto& [key, state] : states)
      for (const Debt& debt : debts(system, state))
        if (std::ranges::find(all, debt) == all.end()) all.push_back(debt);
    const bool expected = std::ranges::any_of(all, [&](const Debt& debt) { return fixpoint.lasts(debt); });
    REQUIRE(expected == !found.lassos.empty());
    ++(expected ? livelocks : none);
    for (const Lasso& lasso : found.lassos) {
      CHECK(refute(system, lasso) == "");
      const auto* debt = std::get_if<Debt>(&lasso.harm);
      if (debt != nullptr) CHECK(fixpoint.lasts(*debt));
    }
  }
  CHECK(livelocks > test::effort() / 20);
  CHECK(none > test::effort() / 20);
}

}  // namespace
}  // namespace fencecheck
