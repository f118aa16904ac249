#include "checker/livelock.hpp"

#include <algorithm>
#include <boost/graph/compressed_sparse_row_graph.hpp>
#include <boost/graph/strong_components.hpp>
#include <deque>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "checker/state_graph.hpp"
#include "graph/model/control_flow.hpp"

namespace fencecheck {
namespace {

using Number = StateGraph::Number;
using Edge = StateGraph::Edge;

// Which edges a run may take.
using Filter = std::function<bool(Number from, const Edge&)>;
bool every(Number, const Edge&) { return true; }

// The strongly connected components of the graph on some of its states that a
// run can stay in: of two states or more, or with an edge back to the state.
std::vector<std::vector<Number>> lasting_components(const StateGraph& graph, const std::vector<Number>& states,
                                                    const Filter& filter) {
  using Csr = boost::compressed_sparse_row_graph<boost::directedS, boost::no_property, boost::no_property,
                                                 boost::no_property, std::uint32_t>;
  const auto local = [&](Number number) -> std::optional<std::uint32_t> {
    const auto place = std::ranges::lower_bound(states, number);
    if (place == states.end() || *place != number) return std::nullopt;
    return static_cast<std::uint32_t>(place - states.begin());
  };
  std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;
  std::vector<bool> to_itself(states.size(), false);
  for (std::uint32_t i = 0; i < states.size(); ++i)
    for (const Edge& edge : graph.from(states[i]))
      if (const auto to = local(edge.to); to && filter(states[i], edge)) {
        edges.emplace_back(i, *to);
        if (*to == i) to_itself[i] = true;
      }
  const Csr csr(boost::edges_are_sorted, edges.begin(), edges.end(), static_cast<std::uint32_t>(states.size()));
  std::vector<std::uint32_t> component(states.size());
  const auto count = boost::strong_components(
      csr, boost::make_iterator_property_map(component.begin(), boost::get(boost::vertex_index, csr)));
  std::vector<std::vector<Number>> members(count);
  for (std::uint32_t i = 0; i < states.size(); ++i) members[component[i]].push_back(states[i]);
  std::erase_if(members,
                [&](const std::vector<Number>& each) { return each.size() == 1 && !to_itself[*local(each.front())]; });
  std::ranges::sort(members);  // shortest ways first
  return members;
}

// Can some thread to which fairness is promised move in all these states, and never does inside? Then no fair run stays
// here, nor in any part of it. Who does not move stands at one step all the time, so that one state tells whether it is
// fair, and what is fair without a debt is fair with any.
bool left_behind(const System& system, const StateGraph& graph, const std::vector<Number>& states) {
  std::vector<bool> candidates(system.threads.size(), true);
  std::vector<bool> able(system.threads.size());
  for (const Number number : states) {
    std::fill(able.begin(), able.end(), false);
    for (const Edge& edge : graph.from(number)) {
      const bool inside = std::ranges::binary_search(states, edge.to);
      if (!edge.move.timeout) able[edge.move.thread.index] = true;
      if (inside) candidates[edge.move.thread.index] = false;
    }
    for (std::size_t i = 0; i < able.size(); ++i) candidates[i] = candidates[i] && able[i];
  }
  if (std::find(candidates.begin(), candidates.end(), true) == candidates.end()) return false;
  const State some = graph.state(states.front());
  for (std::uint32_t i = 0; i < candidates.size(); ++i)
    if (candidates[i] && fair(system, some, {i}, std::nullopt)) return true;
  return false;
}

// What is to stay open in a component, and which edges its cycle must have.
struct Question {
  Filter has = every;
  std::optional<Debt> debt;  // nothing: thrashing, or a queue that stays suspended
  bool everybody = false;    // goes on if it can, userspace too
};

// A component in which a debt stays open: does a fair run stay in it?
class Component {
 public:
  Component(const System& system, const StateGraph& graph, const std::vector<Number>& states, Filter filter,
            Question question);
  [[nodiscard]] const std::vector<bool>& moving() const { return moves_; }
  // The states and edges that no fair run in here comes to again and again. Without them a smaller one may be left.
  struct Excluded {
    std::unordered_set<Number> states;
    std::unordered_set<const Edge*> edges;
    [[nodiscard]] bool nothing() const { return states.empty() && edges.empty(); }
  };
  [[nodiscard]] Excluded excluded() const;
  bool exclude_more(Excluded& out) const;
  // A cycle through its first state that is fair and has such an edge; nothing if there is none. Requires that nothing
  // is excluded.
  [[nodiscard]] std::optional<std::vector<const Edge*>> fair_cycle() const;

 private:
  // In a state: fair threads that can move; those of them in line for something; moves of who owes, if it chooses.
  struct Facts {
    std::vector<bool> pressing;
    std::vector<bool> in_line;
    std::vector<const Edge*> choices;
  };
  struct EdgeFacts {
    std::vector<BufferId> passed_over;
    std::vector<BufferId> used;
  };
  using Way = std::vector<const Edge*>;

  [[nodiscard]] std::optional<std::uint32_t> local(Number number) const;
  [[nodiscard]] std::optional<Way> way(Number from, const Filter& goal) const;
  [[nodiscard]] std::optional<Way> through(const std::vector<Filter>& goals) const;
  [[nodiscard]] std::optional<Filter> complaint(const Way& cycle) const;
  [[nodiscard]] bool stays(Number from, const Edge& edge) const { return local(edge.to) && filter_(from, edge); }
  void look_at(const System& system, Number number, const State& state);

  const System& system_;
  const StateGraph& graph_;
  const std::vector<Number>& states_;
  Filter filter_;
  Question question_;
  std::size_t threads_;
  std::vector<Facts> facts_;                            // of each state
  std::unordered_map<const Edge*, EdgeFacts> buffers_;  // of the edges that have any
  std::vector<bool> moves_;                             // each thread: somewhere in here
  std::set<BufferId> used_;                             // somewhere in here
};

Component::Component(const System& system, const StateGraph& graph, const std::vector<Number>& states, Filter filter,
                     Question question)
    : system_(system),
      graph_(graph),
      states_(states),
      filter_(std::move(filter)),
      question_(std::move(question)),
      threads_(system.threads.size()),
      moves_(threads_, false) {
  State state = graph.state(states_.front());
  for (const Number number : states_) {
    graph.read(number, state);
    look_at(system, number, state);
  }
}

void Component::look_at(const System& system, Number number, const State& state) {
  Facts& facts = facts_.emplace_back(Facts{std::vector<bool>(threads_, false), std::vector<bool>(threads_, false), {}});
  for (const Edge& edge : graph_.from(number)) {
    const Move& move = edge.move;
    if (move.timeout) continue;
    const std::size_t thread = move.thread.index;
    facts.pressing[thread] = question_.everybody || fair(system, state, move.thread, question_.debt);
    facts.in_line[thread] = facts.pressing[thread] && waits_in_line(system, state, move.thread);
  }
  for (const Edge& edge : graph_.from(number)) {
    if (question_.debt && !edge.move.timeout && chooses_by_itself(system, *question_.debt, edge.move.thread))
      facts.choices.push_back(&edge);
    if (!stays(number, edge)) continue;
    moves_[edge.move.thread.index] = true;
    EdgeFacts here{passed_over(system, state, edge.move), used_anew(system, state, edge.move)};
    used_.insert(here.used.begin(), here.used.end());
    if (!here.passed_over.empty() || !here.used.empty()) buffers_.emplace(&edge, std::move(here));
  }
}

std::optional<std::uint32_t> Component::local(Number number) const {
  const auto place = std::ranges::lower_bound(states_, number);
  if (place == states_.end() || *place != number) return std::nullopt;
  return static_cast<std::uint32_t>(place - states_.begin());
}

// May something happen to this thread that passes_unseen tells of?
bool may_pass(const System& system, ThreadId thread, const State& state) {
  if (state.at[thread.index] == system[thread].end()) return false;
  const Step& step = system[thread].program[state.at[thread.index]];
  return step.timeout || std::holds_alternative<Expire>(step.action) || std::holds_alternative<Flush>(step.action);
}

Component::Excluded Component::excluded() const {
  Excluded result;
  const State some = graph_.state(states_.front());
  State state = some;
  for (std::uint32_t i = 0; i < threads_; ++i) {
    if (moves_[i] || !may_pass(system_, {i}, some)) continue;  // who does not move stands at the same step everywhere
    for (const Number number : states_) {
      graph_.read(number, state);
      if (!passes_unseen(system_, state, {i}, moves_).empty()) result.states.insert(number);
    }
  }
  for (std::size_t i = 0; i < states_.size(); ++i)
    for (std::size_t thread = 0; thread < threads_; ++thread)
      if (facts_[i].in_line[thread] && !moves_[thread]) result.states.insert(states_[i]);
  for (const auto& [edge, facts] : buffers_)
    if (std::ranges::any_of(facts.passed_over, [&](BufferId buffer) { return !used_.contains(buffer); }))
      result.edges.insert(edge);
  while (exclude_more(result)) {
  }
  return result;
}

// What follows from what is excluded: a choice that leads out takes the others with it, and who can go nowhere is out.
// All at once, for each round of its own would decompose what is left again.
bool Component::exclude_more(Excluded& out) const {
  const std::size_t before = out.states.size() + out.edges.size();
  for (std::size_t i = states_.size(); i-- > 0;) {
    const Number from = states_[i];
    if (out.states.contains(from)) continue;
    const auto leaves = [&](const Edge* edge) {
      return !stays(from, *edge) || out.states.contains(edge->to) || out.edges.contains(edge);
    };
    for (const Edge* out_of_here : facts_[i].choices)
      if (leaves(out_of_here))
        for (const Edge* edge :
             facts_[i].choices)  // of the same thread: two that may signal a fence do not choose together
          if (edge->move.thread == out_of_here->move.thread && stays(from, *edge)) out.edges.insert(edge);
    if (std::ranges::all_of(graph_.from(from), [&](const Edge& edge) { return leaves(&edge); }))
      out.states.insert(from);
  }
  return out.states.size() + out.edges.size() > before;
}

// The shortest way inside the component whose last edge is the goal.
std::optional<Component::Way> Component::way(Number from, const Filter& goal) const {
  std::vector<std::optional<std::pair<Number, const Edge*>>> reached(states_.size());
  std::deque<Number> worklist{from};
  const auto back_to_start = [&](Number last, const Edge& edge) {
    Way result{&edge};
    while (last != from) {
      const auto& [before, by] = *reached[*local(last)];
      result.push_back(by);
      last = before;
    }
    std::ranges::reverse(result);
    return result;
  };
  for (; !worklist.empty(); worklist.pop_front())
    for (const Edge& edge : graph_.from(worklist.front())) {
      if (!stays(worklist.front(), edge)) continue;
      if (goal(worklist.front(), edge)) return back_to_start(worklist.front(), edge);
      const auto to = local(edge.to);
      if (edge.to == from || reached[*to]) continue;
      reached[*to] = {worklist.front(), &edge};
      worklist.push_back(edge.to);
    }
  return std::nullopt;
}

// A cycle through the first state that has an edge of every kind.
std::optional<Component::Way> Component::through(const std::vector<Filter>& goals) const {
  const Number start = states_.front();
  Way cycle;
  const auto here = [&] { return cycle.empty() ? start : cycle.back()->to; };
  std::vector<bool> met(goals.size(), false);
  const auto go = [&](const Filter& goal) {
    const auto next = way(here(), goal);
    if (!next) return false;
    for (const Edge* edge : *next) {
      for (std::size_t i = 0; i < goals.size(); ++i) met[i] = met[i] || goals[i](here(), *edge);
      cycle.push_back(edge);
    }
    return true;
  };
  for (std::size_t i = 0; i < goals.size(); ++i)
    if (!met[i] && !go(goals[i])) return std::nullopt;
  if (cycle.empty() || cycle.back()->to != start) go([&](Number, const Edge& edge) { return edge.to == start; });
  return cycle;
}

// An edge that the cycle lacks to be fair.
std::optional<Filter> Component::complaint(const Way& cycle) const {
  std::vector<bool> moving(threads_, false);
  std::set<BufferId> used;
  std::set<const Edge*> taken(cycle.begin(), cycle.end());
  for (const Edge* edge : cycle) {
    moving[edge->move.thread.index] = true;
    if (const auto facts = buffers_.find(edge); facts != buffers_.end())
      used.insert(facts->second.used.begin(), facts->second.used.end());
  }
  Number from = states_.front();
  State state = graph_.state(from);
  for (const Edge* edge : cycle) {
    graph_.read(from, state);
    for (std::uint32_t thread = 0; thread < threads_; ++thread)
      if (!moving[thread] && may_pass(system_, {thread}, state) &&
          !passes_unseen(system_, state, {thread}, moving).empty())
        return [thread](Number, const Edge& each) { return each.move.thread.index == thread; };
    const Facts& facts = facts_[*local(std::exchange(from, edge->to))];
    for (std::size_t thread = 0; thread < threads_; ++thread)
      if (facts.in_line[thread] && !moving[thread])
        return [thread](Number, const Edge& each) { return each.move.thread.index == thread; };
    if (std::ranges::find(facts.choices, edge) != facts.choices.end())
      for (const Edge* wanted : facts.choices)
        if (wanted->move.thread == edge->move.thread && !taken.contains(wanted))
          return [wanted](Number, const Edge& each) { return &each == wanted; };
    const auto passing = buffers_.find(edge);
    if (passing == buffers_.end()) continue;
    for (const BufferId buffer : passing->second.passed_over)
      if (!used.contains(buffer))
        return [this, buffer](Number, const Edge& each) {
          const auto found = buffers_.find(&each);
          return found != buffers_.end() && std::ranges::find(found->second.used, buffer) != found->second.used.end();
        };
  }
  return std::nullopt;
}

std::optional<std::vector<const Edge*>> Component::fair_cycle() const {
  std::vector<Filter> goals{question_.has};
  for (std::size_t thread = 0; thread < threads_; ++thread)
    goals.emplace_back([this, thread](Number from, const Edge& edge) {
      return edge.move.thread.index == thread || !facts_[*local(from)].pressing[thread];
    });
  for (;;) {
    auto cycle = through(goals);
    if (!cycle) return std::nullopt;
    const auto lacking = complaint(*cycle);
    if (!lacking) return cycle;
    goals.push_back(*lacking);
  }
}

class Search {
 public:
  Search(const System& system, const State& from, const LivelockOptions& options)
      : system_(system), options_(options), graph_(system, from, options) {}
  Livelocks run();

 private:
  void look_into(const std::vector<Number>& states);
  struct Loop {
    Number start = 0;
    std::vector<const Edge*> cycle;
  };
  [[nodiscard]] std::optional<Loop> fair_loop(const std::vector<Number>& states, const Filter& filter,
                                              const Question& question) const;
  void look_for(const Debt& debt, const std::vector<Number>& states);
  void look_for_evictions(const std::vector<Number>& states);
  void look_for_unseen(const std::vector<Number>& states);
  [[nodiscard]] std::vector<Number> never_resumed(HardwareUseId use) const;
  void look_for_suspended(HardwareUseId use);
  void add(Lasso lasso, const std::vector<const Edge*>& cycle);
  [[nodiscard]] bool known(const Debt& debt) const { return std::ranges::find(explained_, debt) != explained_.end(); }

  const System& system_;
  const LivelockOptions& options_;
  StateGraph graph_;
  Livelocks result_;
  std::vector<Debt> explained_;  // open all along some lasso that was found
};

// The lasso with its cycle; the debts that are open all along it are explained by it.
void Search::add(Lasso lasso, const std::vector<const Edge*>& cycle) {
  std::vector<Debt> throughout = debts(system_, graph_.state(cycle.back()->to));
  std::vector<bool> waiting(system_.threads.size(), true);
  for (const Edge* edge : cycle) {
    lasso.cycle.push_back(edge->move);
    const State state = graph_.state(edge->to);
    const std::vector<Debt> here = debts(system_, state);
    std::erase_if(throughout, [&](const Debt& each) { return std::ranges::find(here, each) == here.end(); });
    std::vector<bool> able(waiting.size(), false);
    for (const Move& move : moves(system_, state, options_.causes)) able[move.thread.index] = true;
    for (std::size_t i = 0; i < waiting.size(); ++i) waiting[i] = waiting[i] && able[i];
    waiting[edge->move.thread.index] = false;
  }
  for (std::uint32_t i = 0; i < waiting.size(); ++i)
    if (waiting[i]) lasso.waiting.push_back({i});
  std::ranges::copy(throughout, std::back_inserter(explained_));
  result_.lassos.push_back(std::move(lasso));
}

// Strong fairness by exclusion: what no fair run in a component comes to again and again is taken out, and what is left
// falls into smaller components, until nothing is to be taken out (the emptiness test for Streett conditions).
std::optional<Search::Loop> Search::fair_loop(const std::vector<Number>& states, const Filter& filter,
                                              const Question& question) const {
  for (const std::vector<Number>& each : lasting_components(graph_, states, filter)) {
    const Component component(system_, graph_, each, filter, question);
    const Component::Excluded out = component.excluded();
    if (out.nothing()) {
      if (auto cycle = component.fair_cycle()) return Loop{each.front(), std::move(*cycle)};
      continue;
    }
    std::vector<Number> rest;
    std::ranges::copy_if(each, std::back_inserter(rest), [&](Number number) { return !out.states.contains(number); });
    const Filter allowed = [&](Number from, const Edge& edge) {
      return filter(from, edge) && !out.edges.contains(&edge);
    };
    if (auto loop = fair_loop(rest, allowed, question)) return loop;
  }
  return std::nullopt;
}

void Search::look_for(const Debt& debt, const std::vector<Number>& states) {
  if (const auto loop = fair_loop(states, every, {every, debt}))
    add({graph_.way_to(loop->start), {}, debt, {}}, loop->cycle);
}

// Thrashing: every run of every work ends, and together they never come to rest.
void Search::look_for_evictions(const std::vector<Number>& states) {
  const Filter by_kernel = [&](Number, const Edge& edge) { return !acts_for_userspace(system_[edge.move.thread]); };
  std::vector<bool> relocates;
  for (const Thread& thread : system_.threads)
    relocates.push_back(!acts_for_userspace(thread) && std::ranges::any_of(thread.program, [](const Step& step) {
      return std::holds_alternative<Relocate>(step.action);
    }));
  State state = graph_.state(states.front());
  const auto evicted = [&](Number from, const Edge& edge) -> std::optional<BufferId> {
    if (!relocates[edge.move.thread.index]) return std::nullopt;
    graph_.read(from, state);
    return evicts_by_itself(system_, state, edge.move);
  };
  const Filter evicts = [&](Number from, const Edge& edge) { return evicted(from, edge).has_value(); };
  const auto loop = fair_loop(states, by_kernel, {evicts, std::nullopt});
  if (!loop) return;
  Number from = loop->start;
  for (const Edge* edge : loop->cycle) {
    if (const auto buffer = evicted(std::exchange(from, edge->to), *edge))
      return add({graph_.way_to(loop->start), {}, *buffer, {}}, loop->cycle);
  }
}

// Whether something happens in the long run that was not followed.
void Search::look_for_unseen(const std::vector<Number>& states) {
  const Component component(system_, graph_, states, every, {});
  const State some = graph_.state(states.front());
  for (std::uint32_t i = 0; i < system_.threads.size() && result_.unseen.empty(); ++i) {
    if (component.moving()[i] || !may_pass(system_, {i}, some)) continue;
    for (const Number number : states) {
      const State state = graph_.state(number);
      const auto all = moves(system_, state, options_.causes);
      const bool able = std::ranges::any_of(all, [&](const Move& move) { return move.thread.index == i; });
      if (!able) result_.unseen = passes_unseen(system_, state, {i}, component.moving());
      if (!result_.unseen.empty()) break;
    }
  }
}

// The states in which the queue is suspended, and from which no way leads to one where it is not.
std::vector<Number> Search::never_resumed(HardwareUseId use) const {
  std::vector<bool> hope(graph_.size(), false);
  State state = graph_.state(0);
  for (Number number = 0; number < graph_.size(); ++number) {
    graph_.read(number, state);
    hope[number] = !is_left_suspended(system_, state, use) || cut_off(system_, state);
  }
  for (bool news = true; news;) {
    news = false;
    for (Number number = static_cast<Number>(graph_.size()); number-- > 0;) {
      if (hope[number]) continue;
      hope[number] = std::ranges::any_of(graph_.from(number), [&](const Edge& edge) { return hope[edge.to]; });
      news = news || hope[number];
    }
  }
  std::vector<Number> result;
  for (Number number = 0; number < graph_.size(); ++number)
    if (!hope[number]) result.push_back(number);
  return result;
}

void Search::look_for_suspended(HardwareUseId use) {
  const std::vector<Number> lost = never_resumed(use);
  const auto loop = fair_loop(lost, every, {every, std::nullopt, true});
  if (loop) add({graph_.way_to(loop->start), {}, use, {}}, loop->cycle);
}

void Search::look_into(const std::vector<Number>& states) {
  std::vector<std::pair<Debt, std::vector<Number>>> open;  // the states in which each debt is
  State state = graph_.state(states.front());
  for (const Number number : states) {
    graph_.read(number, state);
    for (const Debt& debt : debts(system_, state)) {
      auto place = std::ranges::find(open, debt, &std::pair<Debt, std::vector<Number>>::first);
      if (place == open.end()) place = open.insert(open.end(), {debt, {}});
      place->second.push_back(number);
    }
  }
  for (const auto& [debt, where] : open)
    if (result_.lassos.size() < options_.most && !known(debt)) look_for(debt, where);
}

Livelocks Search::run() {
  result_.gave_up = graph_.gave_up();
  if (!result_.gave_up.empty()) return std::move(result_);
  std::vector<Number> all(graph_.size());
  std::iota(all.begin(), all.end(), Number{0});
  for (const std::vector<Number>& component : lasting_components(graph_, all, every)) {
    if (left_behind(system_, graph_, component)) continue;
    look_into(component);
    if (result_.lassos.empty()) look_for_evictions(component);
    if (result_.unseen.empty()) look_for_unseen(component);
  }
  for (std::uint32_t i = 0; i < system_.uses.size(); ++i)
    if (system_.uses[i].gate && result_.lassos.empty()) look_for_suspended({i});
  return std::move(result_);
}

}  // namespace

Undischarged never_discharged(const System& system, const State& from, const LivelockOptions& options) {
  const StateGraph graph(system, from, options);
  if (!graph.gave_up().empty()) return {{}, graph.gave_up()};
  std::vector<Debt> open = debts(system, from);
  State state = from;
  for (Number number = 0; number < graph.size() && !open.empty(); ++number) {
    graph.read(number, state);
    if (cut_off(system, state)) return {{}, "some execution reaches a bound of the unfolding"};
    const std::vector<Debt> here = debts(system, state);
    std::erase_if(open, [&](const Debt& each) { return std::ranges::find(here, each) == here.end(); });
  }
  return {std::move(open), {}};
}

bool may_run_for_ever(const System& system) {
  return std::ranges::any_of(system.threads,
                             [&](const Thread& thread) { return control_flow(system, thread, Ways::all).cyclic; });
}

Livelocks find_livelocks(const System& system, const State& from, const LivelockOptions& options) {
  return Search(system, from, options).run();
}

}  // namespace fencecheck
