// Every reachable state and every move between them, in the order of discovery.
//
// Without reduction: what runs for ever, and what can still happen, is read off
// this graph (docs/semantics.md, "Runs that never end").
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "checker/livelock.hpp"
#include "checker/state_store.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

class StateGraph {
 public:
  using Number = StateStore::Number;
  struct Edge {
    Number to = 0;
    Move move;
  };

  // Stops at the limits of the options, and says so.
  StateGraph(const System& system, const State& from, const LivelockOptions& options);
  [[nodiscard]] const std::string& gave_up() const { return gave_up_; }
  [[nodiscard]] std::size_t size() const { return first_.size() - 1; }  // states whose moves are known
  [[nodiscard]] std::span<const Edge> from(Number number) const {
    return {edges_.data() + first_[number], edges_.data() + first_[number + 1]};
  }
  [[nodiscard]] State state(Number number) const {
    State result = shape_;
    read(number, result);
    return result;
  }
  // The same into a state of the same system: many are read, one after the other.
  void read(Number number, State& into) const {
    store_.key(number, key_);
    read_key(key_, into);
  }
  // A shortest way from the start.
  [[nodiscard]] std::vector<Move> way_to(Number number) const;

 private:
  State shape_;
  StateStore store_;
  mutable std::string key_;  // room for one
  std::vector<Number> parents_;
  std::vector<std::size_t> first_{0};
  std::vector<Edge> edges_;
  std::string gave_up_;
};

}  // namespace fencecheck
