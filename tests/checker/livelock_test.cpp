// Runs that never end: by hand, and against a second algorithm on random systems.
#include "checker/livelock.hpp"

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
    return lasso.harm == std::variant<Debt, BufferId>(Debt{{Obligation::Kind::lock, 0}, 0});
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

// The second algorithm: a greatest fixpoint instead of components. A state stays
// if, inside the set, each thread has an edge ahead at which it has no complaint.
class Fixpoint {
 public:
  Fixpoint(const System& system, const std::map<std::string, State>& states) : system_(system), states_(states) {
    for (const auto& [key, state] : states) {
      std::vector<Move> all = moves(system, state);
      if (at_rest(system, state)) std::ranges::copy(timeouts(system, state), std::back_inserter(all));
      if (cut_off(system, state)) all.clear();
      for (const Move& move : all) edges_[key].emplace_back(fencecheck::key(after(system, state, move)), move);
    }
  }

  bool lasts(const Debt& debt) const {
    std::set<std::string> stay;
    for (const auto& [key, state] : states_) {
      const auto open = debts(system_, state);
      if (std::ranges::find(open, debt) != open.end()) stay.insert(key);
    }
    for (std::size_t before = stay.size() + 1; stay.size() < before;) {
      before = stay.size();
      for (std::uint32_t i = 0; i < system_.threads.size(); ++i) stay = reaching(stay, i);
    }
    return !stay.empty();
  }

 private:
  bool content(const std::string& from, const Move& move, std::uint32_t thread) const {
    if (move.thread.index == thread) return true;
    const State& state = states_.at(from);
    const auto all = moves(system_, state);
    return !fair(system_, state, {thread}) ||
           std::ranges::none_of(all, [&](const Move& each) { return each.thread.index == thread; });
  }

  std::set<std::string> reaching(const std::set<std::string>& inside, std::uint32_t thread) const {
    std::set<std::string> result;
    for (bool news = true; news;) {
      news = false;
      for (const std::string& from : inside) {
        if (result.contains(from) || !edges_.contains(from)) continue;
        const bool reaches = std::ranges::any_of(edges_.at(from), [&](const auto& edge) {
          return inside.contains(edge.first) && (result.contains(edge.first) || content(from, edge.second, thread));
        });
        if (reaches) news = result.insert(from).second;
      }
    }
    return result;
  }

  const System& system_;
  const std::map<std::string, State>& states_;
  std::map<std::string, std::vector<std::pair<std::string, Move>>> edges_;
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
