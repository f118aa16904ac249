#include "checker/explore.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <stdexcept>

#include "checker/livelock.hpp"
#include "checker/pulse.hpp"
#include "checker/reduction.hpp"
#include "checker/state_store.hpp"
#include "graph/model/footprint.hpp"

namespace fencecheck {
namespace {

using Number = StateStore::Number;

constexpr std::size_t most_folded = 10'000;  // moves: two that set each other back must come to a stored state

// How a state is reached, in eight bytes.
class Arrival {
 public:
  Arrival(Number from, Move move)
      : from_(from),
        thread_(move.thread.index & (most_threads - 1)),
        branch_(move.branch & 0x7fU),
        timeout_(move.timeout) {}
  static constexpr std::uint32_t most_threads = 1U << 24U;
  [[nodiscard]] Number from() const { return from_; }
  [[nodiscard]] Move move() const { return {ThreadId{thread_}, branch_, timeout_ != 0}; }

 private:
  std::uint32_t from_;
  std::uint32_t thread_ : 24;
  std::uint32_t branch_ : 7;
  std::uint32_t timeout_ : 1;
};
static_assert(sizeof(Arrival) == 8 && most_branches <= 1U << 7U);

class Explorer {
 public:
  Explorer(const System& system, const ExploreOptions& options)
      : system_(system), options_(options), pulse_(options.budget, options.max_states) {
    if (system.threads.size() > Arrival::most_threads) throw std::length_error("too many threads to explore");
    if (options.budget.reductions) reduction_.emplace(system, options.causes);
    for (std::uint32_t i = 0; i < system.threads.size(); ++i) {
      std::vector<bool>& steps = visible_.emplace_back();
      for (const Step& step : system.threads[i].program)
        steps.push_back(footprint(system, ThreadId{i}, step, options.causes).visible);
    }
  }
  Exploration run(const State& from);

 private:
  void take(const Move& move);
  bool fold();
  bool follow(Number from, const Move& move);
  Number add(const Arrival& arrival, std::uint32_t depth);
  void schedule(Number number, std::uint32_t depth);
  void expand(Number number);
  void expand_at_rest(Number number);
  void record_hang(Number number, bool for_ever);
  void record(Incident incident);
  [[nodiscard]] bool is_asked_for(const std::vector<Obligation>& left) const;
  [[nodiscard]] bool must_stop(std::uint64_t depth);
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::vector<Move> way_to(Number number);

  const System& system_;
  const ExploreOptions& options_;
  std::optional<Reduction> reduction_;
  Pulse pulse_;
  Exploration result_;
  StateStore store_;
  std::deque<Arrival> arrivals_;
  std::deque<std::uint32_t> depths_;  // moves from the start; the fewest once the state is expanded
  std::vector<bool> expanded_;
  std::vector<std::vector<Number>> todo_;  // by depth; a state stands here again if a shorter way to it is found
  std::set<std::pair<bool, std::vector<std::pair<std::uint32_t, StepIndex>>>> collected_;  // of `hangs`
  std::map<std::pair<FindingKind, std::string>, std::size_t> known_;                       // of `incidents`
  std::vector<std::vector<bool>> visible_;  // of each thread: steps that may be incidents
  Number trail_from_ = 0;                   // a stored state
  std::vector<Move> trail_;                 // from there to `next_`
  StepIndex came_from_ = 0;                 // the last step that was taken on it
  State state_;                             // being expanded
  State next_;                              // behind some of its moves
  State before_;                            // before the last of them
  std::string key_;
};

void Explorer::take(const Move& move) {
  ++result_.transitions;
  trail_.push_back(move);
  came_from_ = next_.at[move.thread.index];
  const bool watched = options_.incidents && visible_[move.thread.index][next_.at[move.thread.index]];
  if (!watched) return advance(system_, next_, move, options_.causes);
  before_ = next_;  // into the same memory
  advance(system_, next_, move, options_.causes);
  for (Incident& incident : incidents(system_, before_, move, next_)) record(std::move(incident));
}

// Keeps an incident, at the end of the trail, if the way to it is the shortest of its kind and subject: what is folded
// runs ahead of states that are to be expanded yet.
void Explorer::record(Incident incident) {
  const auto [known, news] = known_.emplace(std::pair{incident.kind, incident.subject}, result_.incidents.size());
  const std::size_t length = depths_[trail_from_] + trail_.size();
  if (!news && result_.incidents[known->second].way.size() <= length) return;
  std::vector<Move> way = way_to(trail_from_);
  way.insert(way.end(), trail_.begin(), trail_.end());
  ExploredIncident found{std::move(incident), std::move(way)};
  if (news)
    result_.incidents.push_back(std::move(found));
  else
    result_.incidents[known->second] = std::move(found);
}

// Takes `next_` on where there is one move to consider: such states are not stored, and need not be looked up. Behind a
// step that leads back they are, for every loop has one.
bool Explorer::fold() {
  if (next_.at[trail_.back().thread.index] <= came_from_ || trail_.size() > most_folded) return false;
  const std::vector<Move> all = moves(system_, next_, options_.causes);
  if (all.empty()) return false;
  const std::vector<Move> enough = reduction_->enough(next_, all);
  if (enough.size() != 1 || may_stop(system_, next_, enough.front().thread, options_.causes)) return false;
  take(enough.front());
  return true;
}

// Along a move of the state that is being expanded, to the next state that is
// stored. True if that one is still to be expanded.
bool Explorer::follow(Number from, const Move& move) {
  next_ = state_;
  trail_from_ = from;
  trail_.clear();
  take(move);
  std::uint32_t depth = depths_[from] + 1;
  while (reduction_ && fold()) ++depth;
  write_key(next_, key_);
  const Number number = store_.find(key_);
  const Arrival arrival(from, move);
  if (number == StateStore::none) {
    add(arrival, depth);
    return true;
  }
  if (depth < depths_[number]) {
    arrivals_[number] = arrival;
    depths_[number] = depth;
    schedule(number, depth);
  }
  return !expanded_[number];
}

// Stores the state whose key is in `key_`.
Number Explorer::add(const Arrival& arrival, std::uint32_t depth) {
  const Number number = store_.insert(key_).first;
  arrivals_.push_back(arrival);
  depths_.push_back(depth);
  expanded_.push_back(false);
  schedule(number, depth);
  return number;
}

void Explorer::schedule(Number number, std::uint32_t depth) {
  if (todo_.size() <= depth) todo_.resize(depth + 1);
  todo_[depth].push_back(number);
}

// The moves that lead to a stored state, folded ones included.
std::vector<Move> Explorer::way_to(Number number) {
  std::vector<Number> stored{number};
  while (stored.back() != 0) stored.push_back(arrivals_[stored.back()].from());
  std::ranges::reverse(stored);
  State state = state_;
  store_.key(0, key_);
  read_key(key_, state);
  std::vector<Move> way;
  const auto go = [&](const Move& move) {
    way.push_back(move);
    advance(system_, state, move, options_.causes);
    write_key(state, key_);
  };
  for (std::size_t i = 1; i < stored.size(); ++i) {
    go(arrivals_[stored[i]].move());
    while (store_.find(key_) != stored[i])
      go(reduction_->enough(state, moves(system_, state, options_.causes)).front());
  }
  return way;
}

// Keeps the way to a hang if it is the first of its sort.
void Explorer::record_hang(Number number, bool for_ever) {
  bool distinct = false;
  if (result_.hangs.size() < options_.most_hangs) {
    std::vector<std::pair<std::uint32_t, StepIndex>> stuck;
    for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
      if (state_.at[i] != system_.threads[i].end()) stuck.emplace_back(i, state_.at[i]);
    distinct = collected_.emplace(for_ever, std::move(stuck)).second;
  }
  const bool first_for_ever = for_ever && !result_.for_ever;
  if (result_.hang && !first_for_ever && !distinct) return;
  const std::vector<Move> way = way_to(number);
  if (!result_.hang) result_.hang = way;
  if (first_for_ever) result_.for_ever = way;
  if (distinct) result_.hangs.push_back({way, for_ever});
}

bool Explorer::is_asked_for(const std::vector<Obligation>& left) const {
  if (options_.asked.empty()) return !left.empty();
  return std::ranges::any_of(
      left, [&](const Obligation& each) { return std::ranges::find(options_.asked, each) != options_.asked.end(); });
}

void Explorer::expand_at_rest(Number number) {
  result_.rests = true;
  const std::vector<Move> late =
      options_.with_timeouts ? timeouts(system_, state_, options_.causes) : std::vector<Move>{};
  for (const Move& move : late) follow(number, move);
  const std::vector<Obligation> left = owed(system_, state_);
  for (const Obligation& each : left)
    if (std::ranges::find(result_.owed, each) == result_.owed.end()) result_.owed.push_back(each);
  if (is_asked_for(left)) record_hang(number, late.empty());
  if (!options_.incidents || !left.empty() || !late.empty()) return;
  trail_from_ = number;
  trail_.clear();
  for (Incident& incident : incidents_at_rest(system_, state_)) record(std::move(incident));
}

void Explorer::expand(Number number) {
  store_.key(number, key_);
  read_key(key_, state_);
  const std::vector<Move> all = moves(system_, state_, options_.causes);
  const bool at_rest = std::ranges::all_of(
      all, [&](const Move& move) { return may_stop(system_, state_, move.thread, options_.causes); });
  const std::vector<Move> enough = reduction_ && !at_rest ? reduction_->enough(state_, all) : all;
  bool news = false;
  for (const Move& move : enough) news = follow(number, move) || news;
  if (!news && enough.size() < all.size() && reduction_->nothing_may_be_put_off())
    for (const Move& move : all) follow(number, move);
  if (cut_off(system_, state_))
    result_.cut_off = true;
  else if (at_rest)
    expand_at_rest(number);
}

std::uint64_t Explorer::bytes() const {
  constexpr std::uint64_t beside_the_key = sizeof(Arrival) + sizeof(std::uint32_t) + sizeof(Number);
  return store_.bytes() + store_.size() * beside_the_key + store_.size() / 8;
}

bool Explorer::must_stop(std::uint64_t depth) {
  result_.gave_up = options_.stop_at_hang && result_.hang
                        ? "a hang was found"
                        : pulse_.beat({store_.size(), depth, bytes(), store_.peak_of_insertion()});
  return !result_.gave_up.empty();
}

Exploration Explorer::run(const State& from) {
  state_ = from;
  write_key(from, key_);
  add({0, {}}, 0);
  for (std::size_t depth = 0; depth < todo_.size() && result_.gave_up.empty(); ++depth) {
    for (std::size_t i = 0; i < todo_[depth].size() && !must_stop(depth); ++i) {
      const Number number = todo_[depth][i];
      if (expanded_[number]) continue;
      expanded_[number] = true;
      result_.depth = depth;
      expand(number);
    }
    todo_[depth] = {};
  }
  result_.states = store_.size();
  result_.bytes = bytes();
  return std::move(result_);
}

}  // namespace

Exploration explore(const System& system, const State& from, const ExploreOptions& options) {
  Exploration result = Explorer(system, options).run(from);
  if (options.most_livelocks == 0 || !result.gave_up.empty() || !may_run_for_ever(system)) return result;
  Livelocks livelocks = find_livelocks(
      system, from,
      {options.causes, options.with_timeouts, options.max_states, options.most_livelocks, options.budget});
  result.livelocks = std::move(livelocks.lassos);
  result.unseen = std::move(livelocks.unseen);
  if (!livelocks.gave_up.empty()) result.gave_up = "looking for livelocks, " + livelocks.gave_up;
  return result;
}

}  // namespace fencecheck
