#include "checker/linearize.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fencecheck {
namespace {

constexpr unsigned most_attempts = 6;

// The lock that a move takes, if it takes one.
std::optional<LockId> taken_by(const Step& step, const Move& move) {
  if (move.branch != 0) return std::nullopt;
  if (const auto* acquire = std::get_if<Acquire>(&step.action)) return acquire->lock;
  if (const auto* attempt = std::get_if<TryAcquire>(&step.action)) return attempt->lock;
  if (const auto* acquire = std::get_if<AcquireWithTicket>(&step.action)) return acquire->lock;
  return std::nullopt;
}

bool is_shared(const Step& step) {
  if (const auto* acquire = std::get_if<Acquire>(&step.action)) return acquire->shared;
  if (const auto* attempt = std::get_if<TryAcquire>(&step.action)) return attempt->shared;
  return false;
}

// What of the plan is still to come.
struct Pending {
  std::uint32_t exclusive = 0, shared = 0;  // takes of a lock
};

class Linearizer {
 public:
  Linearizer(const System& system, const std::vector<std::vector<Move>>& plan, Causes causes)
      : system_(system), plan_(plan), causes_(causes), keeps_(plan.size()) {
    collected_at_last_.resize(system.sets.size(), false);
    for (std::size_t thread = 0; thread < plan.size(); ++thread) look_ahead(thread);
  }

  std::optional<Linearized> attempt(const std::vector<std::size_t>& order, const std::function<bool()>& stop);

 private:
  void look_ahead(std::size_t thread);
  [[nodiscard]] const Step& next_step(const State& state, std::size_t thread) const {
    return system_.threads[thread].program[state.at[thread]];
  }
  [[nodiscard]] bool may_go(const State& state, std::size_t thread, bool patient) const;
  void go(State& state, std::size_t thread);

  const System& system_;
  const std::vector<std::vector<Move>>& plan_;
  Causes causes_;
  std::vector<std::vector<bool>> keeps_;  // of each move: takes a lock that is not released any more
  std::vector<bool> collected_at_last_;   // of each set: somebody is meant to be stuck at a wait for it
  std::vector<Pending> all_takes_;        // of each lock
  std::vector<std::uint32_t> all_attaches_;
  // Of an attempt:
  std::vector<std::size_t> done_;
  std::vector<Pending> takes_;
  std::vector<std::uint32_t> attaches_;  // to each reservation
  std::vector<Move> schedule_;
};

void Linearizer::look_ahead(std::size_t thread) {
  all_takes_.resize(system_.locks.size());
  all_attaches_.resize(system_.reservations.size());
  const std::vector<Step>& program = system_.threads[thread].program;
  std::vector<std::pair<LockId, std::size_t>> held;
  StepIndex at = 0;
  keeps_[thread].resize(plan_[thread].size(), false);
  for (std::size_t i = 0; i < plan_[thread].size(); ++i) {
    const Move& move = plan_[thread][i];
    const Step& step = program[at];
    if (const auto lock = taken_by(step, move)) {
      held.emplace_back(*lock, i);
      ++(is_shared(step) ? all_takes_[lock->index].shared : all_takes_[lock->index].exclusive);
    }
    if (const auto* release = std::get_if<Release>(&step.action)) {
      const auto last =
          std::find_if(held.rbegin(), held.rend(), [&](const auto& each) { return each.first == release->lock; });
      if (last != held.rend()) held.erase(std::next(last).base());
    }
    if (const auto* attach = std::get_if<Attach>(&step.action)) ++all_attaches_[attach->reservation.index];
    at = step.next[move.branch];
  }
  for (const auto& [lock, move] : held) keeps_[thread][move] = true;
  if (at != program.size())
    if (const auto* wait = std::get_if<WaitSet>(&program[at].action)) collected_at_last_[wait->set.index] = true;
}

// Whoever keeps a lock has to be the last to take it. And, as long as others can go on (`patient`), a set that somebody
// is meant to be stuck at is collected when everything is attached.
bool Linearizer::may_go(const State& state, std::size_t thread, bool patient) const {
  const std::size_t i = done_[thread];
  if (i == plan_[thread].size()) return false;
  const Move& move = plan_[thread][i];
  const Step& step = next_step(state, thread);
  if (keeps_[thread][i] && causes_.has(Cause::lock)) {
    const Pending& left = takes_[taken_by(step, move)->index];  // this one among them
    const bool shared = is_shared(step);
    if (left.exclusive > (shared ? 0U : 1U) || (!shared && left.shared > 0)) return false;
  }
  if (const auto* collect = std::get_if<Collect>(&step.action); collect != nullptr && patient &&
                                                                collected_at_last_[collect->into.index] &&
                                                                attaches_[collect->reservation.index] > 0)
    return false;
  return possible(system_, state, move, causes_);
}

void Linearizer::go(State& state, std::size_t thread) {
  const Move& move = plan_[thread][done_[thread]++];
  const Step& step = next_step(state, thread);
  if (const auto lock = taken_by(step, move))
    --(is_shared(step) ? takes_[lock->index].shared : takes_[lock->index].exclusive);
  if (const auto* attach = std::get_if<Attach>(&step.action)) --attaches_[attach->reservation.index];
  schedule_.push_back(move);
  state = after(system_, std::move(state), move, causes_);
}

// In turn, each goes on as far as it can.
std::optional<Linearized> Linearizer::attempt(const std::vector<std::size_t>& order,
                                              const std::function<bool()>& stop) {
  takes_ = all_takes_;
  attaches_ = all_attaches_;
  done_.assign(plan_.size(), 0);
  schedule_.clear();
  State state = initial_state(system_);
  std::vector<std::size_t> left = order;
  for (bool patient = true; !left.empty();) {
    bool news = false;
    for (const std::size_t thread : left) {
      if (stop()) return std::nullopt;
      while (may_go(state, thread, patient)) {
        go(state, thread);
        news = true;
      }
    }
    std::erase_if(left, [&](std::size_t thread) { return done_[thread] == plan_[thread].size(); });
    if (!news && !patient) return std::nullopt;
    patient = news;
  }
  return Linearized{std::move(schedule_), std::move(state)};
}

}  // namespace

std::optional<Linearized> linearize(const System& system, const std::vector<std::vector<Move>>& plan, Causes causes,
                                    const std::function<bool()>& stop) {
  Linearizer linearizer(system, plan, causes);
  std::vector<std::size_t> order(plan.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::uint64_t random = 0;
  for (unsigned attempt = 0; attempt < most_attempts; ++attempt) {
    if (auto found = linearizer.attempt(order, stop)) return found;
    std::ranges::reverse(order);
    if (attempt == 0) continue;
    for (std::size_t i = order.size(); i > 1; --i) {  // any order, but the same on every machine
      random = random * 6364136223846793005U + 1442695040888963407U;
      std::swap(order[i - 1], order[(random >> 33U) % i]);
    }
  }
  return std::nullopt;
}

}  // namespace fencecheck
