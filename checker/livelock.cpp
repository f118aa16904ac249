#include "checker/livelock.hpp"

#include <algorithm>
#include <boost/graph/compressed_sparse_row_graph.hpp>
#include <boost/graph/strong_components.hpp>
#include <deque>
#include <functional>
#include <numeric>
#include <optional>
#include <span>

#include "checker/pulse.hpp"
#include "checker/state_store.hpp"
#include "graph/model/control_flow.hpp"

namespace fencecheck {
namespace {

using Number = StateStore::Number;

struct Edge {
  Number to = 0;
  Move move;
};

// Every reachable state and every move between them, in the order of discovery.
class StateGraph {
 public:
  StateGraph(const System& system, const State& from, const LivelockOptions& options);
  [[nodiscard]] const std::string& gave_up() const { return gave_up_; }
  [[nodiscard]] std::size_t size() const { return first_.size() - 1; }  // states whose moves are known
  [[nodiscard]] std::span<const Edge> from(Number number) const {
    return {edges_.data() + first_[number], edges_.data() + first_[number + 1]};
  }
  [[nodiscard]] State state(Number number) const {
    State result = shape_;
    std::string key;
    store_.key(number, key);
    read_key(key, result);
    return result;
  }
  [[nodiscard]] std::vector<Move> way_to(Number number) const;

 private:
  std::vector<Move> moves_of(const System& system, const State& state, const LivelockOptions& options) const;

  State shape_;
  StateStore store_;
  std::vector<Number> parents_;
  std::vector<std::size_t> first_{0};
  std::vector<Edge> edges_;
  std::string gave_up_;
};

// Beyond a Cutoff nothing is known, so that nothing is concluded from it either.
std::vector<Move> StateGraph::moves_of(const System& system, const State& state, const LivelockOptions& options) const {
  if (cut_off(system, state)) return {};
  std::vector<Move> result = moves(system, state, options.causes);
  if (options.with_timeouts && at_rest(system, state, options.causes))
    std::ranges::copy(timeouts(system, state, options.causes), std::back_inserter(result));
  return result;
}

StateGraph::StateGraph(const System& system, const State& from, const LivelockOptions& options) : shape_(from) {
  Pulse pulse(options.budget, options.max_states);
  std::string key = fencecheck::key(from);
  store_.insert(key);
  parents_.push_back(0);
  State state = from;
  for (Number number = 0; number < store_.size(); ++number) {
    const std::uint64_t bytes = store_.bytes() + parents_.capacity() * sizeof(Number) +
                                edges_.capacity() * sizeof(Edge) + first_.capacity() * sizeof(std::size_t);
    const std::uint64_t growing = edges_.size() == edges_.capacity() ? edges_.size() * 2 * sizeof(Edge) : 0;
    gave_up_ = pulse.beat({store_.size(), 0, bytes, growing + store_.peak_of_insertion()});
    if (!gave_up_.empty()) return;
    store_.key(number, key);
    read_key(key, state);
    for (const Move& move : moves_of(system, state, options)) {
      write_key(after(system, state, move, options.causes), key);
      const auto [to, news] = store_.insert(key);
      if (news) parents_.push_back(number);
      edges_.push_back({to, move});
    }
    first_.push_back(edges_.size());
  }
}

// States are numbered breadth first, so that parents make shortest ways.
std::vector<Move> StateGraph::way_to(Number number) const {
  std::vector<Move> way;
  for (; number != 0; number = parents_[number]) {
    const auto edges = from(parents_[number]);
    way.push_back(std::ranges::find(edges, number, &Edge::to)->move);
  }
  std::ranges::reverse(way);
  return way;
}

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

// A component in which a debt stays open: does a fair run stay in it?
class Component {
 public:
  Component(const System& system, const StateGraph& graph, Causes causes, const std::vector<Number>& states,
            Filter filter);
  // A cycle through its first state that is fair to every thread and has such an edge; nothing if there is none.
  [[nodiscard]] std::optional<std::vector<Edge>> fair_cycle(const Filter& has) const;

 private:
  [[nodiscard]] std::optional<std::uint32_t> local(Number number) const;
  [[nodiscard]] std::optional<std::vector<Edge>> way(Number from, const Filter& goal) const;

  const StateGraph& graph_;
  const std::vector<Number>& states_;
  Filter filter_;
  std::size_t threads_;
  std::vector<std::vector<bool>> pressing_;  // in each state: fair threads that can move
};

Component::Component(const System& system, const StateGraph& graph, Causes causes, const std::vector<Number>& states,
                     Filter filter)
    : graph_(graph), states_(states), filter_(std::move(filter)), threads_(system.threads.size()) {
  for (const Number number : states_) {
    const State state = graph.state(number);
    std::vector<bool>& pressing = pressing_.emplace_back(threads_, false);
    for (const Move& move : moves(system, state, causes))
      pressing[move.thread.index] = fair(system, state, move.thread);
  }
}

std::optional<std::uint32_t> Component::local(Number number) const {
  const auto place = std::ranges::lower_bound(states_, number);
  if (place == states_.end() || *place != number) return std::nullopt;
  return static_cast<std::uint32_t>(place - states_.begin());
}

// The shortest way inside the component whose last edge is the goal.
std::optional<std::vector<Edge>> Component::way(Number from, const Filter& goal) const {
  std::vector<std::optional<std::pair<Number, Edge>>> reached(states_.size());
  std::deque<Number> worklist{from};
  const auto back_to_start = [&](Number last, const Edge& edge) {
    std::vector<Edge> result{edge};
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
      const auto to = local(edge.to);
      if (!to || !filter_(worklist.front(), edge)) continue;
      if (goal(worklist.front(), edge)) return back_to_start(worklist.front(), edge);
      if (edge.to == from || reached[*to]) continue;
      reached[*to] = {worklist.front(), edge};
      worklist.push_back(edge.to);
    }
  return std::nullopt;
}

std::optional<std::vector<Edge>> Component::fair_cycle(const Filter& has) const {
  const Number start = states_.front();
  std::vector<bool> contented = pressing_.front();  // threads that moved, or could not
  contented.flip();
  const auto contents = [&](std::size_t thread, const Edge& edge) {
    return edge.move.thread.index == thread || !pressing_[*local(edge.to)][thread];
  };
  std::vector<Edge> cycle;
  bool has_it = false;
  const auto go = [&](const Filter& goal) {
    const auto next = way(cycle.empty() ? start : cycle.back().to, goal);
    if (!next) return false;
    for (const Edge& edge : *next) {
      has_it = has_it || has(cycle.empty() ? start : cycle.back().to, edge);
      for (std::size_t i = 0; i < threads_; ++i) contented[i] = contented[i] || contents(i, edge);
      cycle.push_back(edge);
    }
    return true;
  };
  for (std::size_t i = 0; i < threads_; ++i)
    if (!contented[i] && !go([&](Number, const Edge& edge) { return contents(i, edge); })) return std::nullopt;
  if (!has_it && !go(has)) return std::nullopt;
  if (cycle.empty() || cycle.back().to != start) go([&](Number, const Edge& edge) { return edge.to == start; });
  return cycle;
}

class Search {
 public:
  Search(const System& system, const State& from, const LivelockOptions& options)
      : system_(system), options_(options), graph_(system, from, options) {}
  Livelocks run();

 private:
  void look_into(const std::vector<Number>& states);
  void look_for(const Debt& debt, const std::vector<Number>& states);
  void look_for_evictions(const std::vector<Number>& states);
  void add(Lasso lasso, const std::vector<Edge>& cycle);
  [[nodiscard]] bool known(const Debt& debt) const { return std::ranges::find(explained_, debt) != explained_.end(); }

  const System& system_;
  const LivelockOptions& options_;
  StateGraph graph_;
  Livelocks result_;
  std::vector<Debt> explained_;  // open all along some lasso that was found
};

// The lasso with its cycle; the debts that are open all along it are explained by it.
void Search::add(Lasso lasso, const std::vector<Edge>& cycle) {
  std::vector<Debt> throughout = debts(system_, graph_.state(cycle.back().to));
  std::vector<bool> waiting(system_.threads.size(), true);
  for (const Edge& edge : cycle) {
    lasso.cycle.push_back(edge.move);
    const State state = graph_.state(edge.to);
    const std::vector<Debt> here = debts(system_, state);
    std::erase_if(throughout, [&](const Debt& each) { return std::ranges::find(here, each) == here.end(); });
    std::vector<bool> able(waiting.size(), false);
    for (const Move& move : moves(system_, state, options_.causes)) able[move.thread.index] = true;
    for (std::size_t i = 0; i < waiting.size(); ++i) waiting[i] = waiting[i] && able[i];
    waiting[edge.move.thread.index] = false;
  }
  for (std::uint32_t i = 0; i < waiting.size(); ++i)
    if (waiting[i]) lasso.waiting.push_back({i});
  std::ranges::copy(throughout, std::back_inserter(explained_));
  result_.lassos.push_back(std::move(lasso));
}

void Search::look_for(const Debt& debt, const std::vector<Number>& states) {
  for (const std::vector<Number>& component : lasting_components(graph_, states, every)) {
    const auto cycle = Component(system_, graph_, options_.causes, component, every).fair_cycle(every);
    if (!cycle) continue;
    add({graph_.way_to(component.front()), {}, debt, {}}, *cycle);
    return;
  }
}

// Thrashing: every run of every work ends, and together they never come to rest.
void Search::look_for_evictions(const std::vector<Number>& states) {
  const Filter by_kernel = [&](Number, const Edge& edge) { return !acts_for_userspace(system_[edge.move.thread]); };
  for (const std::vector<Number>& component : lasting_components(graph_, states, by_kernel)) {
    std::optional<BufferId> evicted;
    const Filter evicts = [&](Number from, const Edge& edge) {
      const auto buffer = evicts_by_itself(system_, graph_.state(from), edge.move);
      if (buffer && std::ranges::binary_search(component, edge.to)) evicted = buffer;
      return buffer.has_value();
    };
    const auto cycle = Component(system_, graph_, options_.causes, component, by_kernel).fair_cycle(evicts);
    if (!cycle) continue;
    add({graph_.way_to(component.front()), {}, *evicted, {}}, *cycle);
    return;
  }
}

void Search::look_into(const std::vector<Number>& states) {
  std::vector<std::pair<Debt, std::vector<Number>>> open;  // the states in which each debt is
  for (const Number number : states)
    for (const Debt& debt : debts(system_, graph_.state(number))) {
      auto place = std::ranges::find(open, debt, &std::pair<Debt, std::vector<Number>>::first);
      if (place == open.end()) place = open.insert(open.end(), {debt, {}});
      place->second.push_back(number);
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
    look_into(component);
    if (result_.lassos.empty()) look_for_evictions(component);
  }
  return std::move(result_);
}

}  // namespace

bool may_run_for_ever(const System& system) {
  return std::ranges::any_of(system.threads,
                             [&](const Thread& thread) { return control_flow(system, thread, Ways::all).cyclic; });
}

Livelocks find_livelocks(const System& system, const State& from, const LivelockOptions& options) {
  return Search(system, from, options).run();
}

}  // namespace fencecheck
