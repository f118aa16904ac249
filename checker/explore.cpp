#include "checker/explore.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

namespace fencecheck {
namespace {

struct Arrival {
  std::uint32_t from = 0;  // number of the state before
  Move move;
};

class Explorer {
 public:
  Explorer(const System& system, const ExploreOptions& options) : system_(system), options_(options) {}
  Exploration run(const State& from);

 private:
  void visit(State state, std::optional<Arrival> arrival);
  void look_at(const State& state, std::uint32_t number);
  [[nodiscard]] bool must_stop();
  [[nodiscard]] std::vector<Move> way_to(std::uint32_t number) const;

  const System& system_;
  const ExploreOptions& options_;
  Exploration result_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<Arrival> arrivals_;
  std::deque<std::pair<State, std::uint32_t>> todo_;
};

void Explorer::visit(State state, std::optional<Arrival> arrival) {
  const auto number = static_cast<std::uint32_t>(numbers_.size());
  if (!numbers_.try_emplace(key(state), number).second) return;
  arrivals_.push_back(arrival.value_or(Arrival{number, {}}));
  todo_.emplace_back(std::move(state), number);
}

std::vector<Move> Explorer::way_to(std::uint32_t number) const {
  std::vector<Move> moves;
  while (arrivals_[number].from != number) {
    moves.push_back(arrivals_[number].move);
    number = arrivals_[number].from;
  }
  std::ranges::reverse(moves);
  return moves;
}

void Explorer::look_at(const State& state, std::uint32_t number) {
  for (const Move& move : moves(system_, state, options_.causes))
    visit(after(system_, state, move, options_.causes), Arrival{number, move});
  if (cut_off(system_, state)) {
    result_.cut_off = true;
    return;
  }
  if (!at_rest(system_, state, options_.causes)) return;
  const std::vector<Move> late =
      options_.with_timeouts ? timeouts(system_, state, options_.causes) : std::vector<Move>{};
  for (const Move& move : late) visit(after(system_, state, move, options_.causes), Arrival{number, move});
  if (owed(system_, state).empty()) return;
  const std::vector<Move> way = way_to(number);
  if (!result_.hang) result_.hang = way;
  if (!result_.for_ever && late.empty()) result_.for_ever = way;
}

bool Explorer::must_stop() {
  if (numbers_.size() > options_.max_states)
    result_.gave_up = fmt::format("the limit of {} states was reached", options_.max_states);
  else if (interrupted())
    result_.gave_up = "interrupted";
  else if (options_.budget.out_of_time())
    result_.gave_up = "the time limit was reached (--timeout)";
  return !result_.gave_up.empty();
}

Exploration Explorer::run(const State& from) {
  visit(from, std::nullopt);
  while (!todo_.empty() && !must_stop()) {
    const auto [state, number] = std::move(todo_.front());
    todo_.pop_front();
    look_at(state, number);
  }
  result_.states = numbers_.size();
  return std::move(result_);
}

}  // namespace

Exploration explore(const System& system, const State& from, const ExploreOptions& options) {
  return Explorer(system, options).run(from);
}

}  // namespace fencecheck
