#include "checker/state_graph.hpp"

#include <algorithm>
#include <iterator>

#include "checker/pulse.hpp"

namespace fencecheck {
namespace {

// Beyond a Cutoff nothing is known, so that nothing is concluded from it either.
std::vector<Move> moves_of(const System& system, const State& state, const LivelockOptions& options) {
  if (cut_off(system, state)) return {};
  std::vector<Move> result = moves(system, state, options.causes);
  if (options.with_timeouts && at_rest(system, state, options.causes))
    std::ranges::copy(timeouts(system, state, options.causes), std::back_inserter(result));
  return result;
}

}  // namespace

StateGraph::StateGraph(const System& system, const State& from, const LivelockOptions& options) : shape_(from) {
  Pulse pulse(options.budget, options.max_states);
  std::string key = fencecheck::key(from);
  store_.insert(key);
  parents_.push_back(0);
  State state = from;
  State next = from;
  for (Number number = 0; number < store_.size(); ++number) {
    const std::uint64_t bytes = store_.bytes() + parents_.capacity() * sizeof(Number) +
                                edges_.capacity() * sizeof(Edge) + first_.capacity() * sizeof(std::size_t);
    const std::uint64_t growing = edges_.size() == edges_.capacity() ? edges_.size() * 2 * sizeof(Edge) : 0;
    gave_up_ = pulse.beat({store_.size(), 0, bytes, growing + store_.peak_of_insertion()});
    if (!gave_up_.empty()) return;
    store_.key(number, key);
    read_key(key, state);
    for (const Move& move : moves_of(system, state, options)) {
      next = state;  // into the same memory
      advance(system, next, move, options.causes);
      write_key(next, key);
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

}  // namespace fencecheck
