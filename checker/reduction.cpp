#include "checker/reduction.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "graph/model/control_flow.hpp"

namespace fencecheck {
namespace {

constexpr std::array accesses{Access::read, Access::write, Access::await, Access::raise};

using ObjectIndex = std::uint32_t;

struct StepUse {
  ObjectIndex object = 0;
  Access access = Access::read;
};

// A row of bits for each step: what the thread may still use from there on.
class Futures {
 public:
  Futures() = default;
  Futures(std::size_t steps, std::size_t uses) : words_((uses + 63) / 64), bits_(steps * words_) {}
  void set(StepIndex step, std::size_t use) { bits_[step * words_ + use / 64] |= std::uint64_t{1} << (use % 64); }
  [[nodiscard]] bool has(StepIndex step, std::size_t use) const {
    return (bits_[step * words_ + use / 64] >> (use % 64) & 1U) != 0;
  }
  // Adds what another step may use; true if that was news.
  bool join(StepIndex step, StepIndex other) {
    bool news = false;
    for (std::size_t i = 0; i < words_; ++i) {
      std::uint64_t& mine = bits_[step * words_ + i];
      const std::uint64_t both = mine | bits_[other * words_ + i];
      news = news || both != mine;
      mine = both;
    }
    return news;
  }

 private:
  std::size_t words_ = 0;
  std::vector<std::uint64_t> bits_;
};

struct ThreadTable {
  std::vector<std::vector<StepUse>> uses;  // of each step
  Futures futures;                         // numbered as in User::use
  std::size_t first = 0;                   // of its steps, among those of all threads; the end counts as one
  // Of each step, once somebody has asked: the steps from which on others may still clash with it.
  std::vector<std::vector<bool>> disturbed_from;
};

struct User {
  std::uint32_t thread = 0;
  std::size_t use = 0;
};

bool writes(Access, Access theirs) { return theirs == Access::write; }

}  // namespace

struct Reduction::Tables {
  const System& system;
  Causes causes;
  std::vector<ThreadTable> threads;
  std::map<std::pair<Part, std::uint32_t>, ObjectIndex> objects;
  std::vector<std::array<std::vector<User>, accesses.size()>> users;  // of each object, by access
  bool watched = false;                                               // something but the states at rest matters
  bool cyclic = false;
  std::size_t steps = 0;  // of all threads, and their ends

  // Of the state in question:
  const State* state = nullptr;
  std::vector<std::uint32_t> moves;                // of each thread: how many
  std::vector<std::vector<std::uint32_t>> linked;  // of each thread: who joins a stubborn set with it
  std::vector<bool> links_known;
  std::vector<bool> in_set;
  std::vector<std::uint32_t> set;

  Tables(const System& the_system, Causes the_causes);
  void tabulate(std::uint32_t thread);
  [[nodiscard]] const Step& step(std::uint32_t thread) const {
    return system.threads[thread].program[state->at[thread]];
  }
  [[nodiscard]] bool may_still(const User& user) const {
    const StepIndex at = state->at[user.thread];
    return at != system.threads[user.thread].end() && threads[user.thread].futures.has(at, user.use);
  }
  void link_users(std::uint32_t thread, ObjectIndex object, bool (*fits)(Access, Access), Access mine);
  const std::vector<bool>& disturbed_from(std::uint32_t thread);
  void link_clashing(std::uint32_t thread);
  void link_openers(std::uint32_t thread, Part part, std::uint32_t index) { link_part(thread, part, index, may_open); }
  void link_writers(std::uint32_t thread, Part part, std::uint32_t index) { link_part(thread, part, index, writes); }
  void link_part(std::uint32_t thread, Part part, std::uint32_t index, bool (*fits)(Access, Access));
  void link_openers(std::uint32_t thread);
  void link_openers_of_set(std::uint32_t thread, DependencySetId set);
  void link_openers_of_begin(std::uint32_t thread, QueueId queue);
  void link_all_openers(std::uint32_t thread);
  const std::vector<std::uint32_t>& links(std::uint32_t thread);
  std::uint32_t close(std::uint32_t seed, std::uint32_t limit);
};

Reduction::Tables::Tables(const System& the_system, Causes the_causes) : system(the_system), causes(the_causes) {
  const std::size_t count = system.threads.size();
  threads.resize(count);
  moves.resize(count);
  linked.resize(count);
  links_known.resize(count);
  in_set.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    tabulate(i);
    threads[i].first = steps;
    threads[i].disturbed_from.resize(system.threads[i].program.size());
    steps += system.threads[i].program.size() + 1;
    cyclic = cyclic || control_flow(system, system.threads[i], Ways::all).cyclic;
  }
}

void Reduction::Tables::tabulate(std::uint32_t thread) {
  const std::vector<Step>& program = system.threads[thread].program;
  ThreadTable& table = threads[thread];
  std::map<std::pair<ObjectIndex, Access>, std::size_t> numbers;
  for (const Step& step : program) {
    std::vector<StepUse>& uses = table.uses.emplace_back();
    const Footprint print = footprint(system, {thread}, step, causes);
    watched = watched || print.visible || std::holds_alternative<Cutoff>(step.action);
    for (const Use& use : print.uses) {
      const auto [object, first] = objects.try_emplace({use.part, use.index}, static_cast<ObjectIndex>(objects.size()));
      if (first) users.emplace_back();
      uses.push_back({object->second, use.access});
      const auto [number, news] = numbers.try_emplace({object->second, use.access}, numbers.size());
      if (news) users[object->second][static_cast<std::size_t>(use.access)].push_back({thread, number->second});
    }
  }
  table.futures = Futures(program.size(), numbers.size());
  for (StepIndex i = 0; i < program.size(); ++i)
    for (const StepUse& use : table.uses[i]) table.futures.set(i, numbers.at({use.object, use.access}));
  for (bool news = true; news;) {  // mostly forward programs: backwards, two rounds
    news = false;
    for (StepIndex i = static_cast<StepIndex>(program.size()); i-- > 0;)
      for (const StepIndex next : program[i].next)
        if (next < program.size()) news = table.futures.join(i, next) || news;
  }
}

void Reduction::Tables::link_users(std::uint32_t thread, ObjectIndex object, bool (*fits)(Access, Access),
                                   Access mine) {
  for (const Access theirs : accesses) {
    if (!fits(mine, theirs)) continue;
    for (const User& user : users[object][static_cast<std::size_t>(theirs)])
      if (user.thread != thread && may_still(user)) linked[thread].push_back(user.thread);
  }
}

void Reduction::Tables::link_part(std::uint32_t thread, Part part, std::uint32_t index, bool (*fits)(Access, Access)) {
  if (const auto object = objects.find({part, index}); object != objects.end())
    link_users(thread, object->second, fits, Access::await);
}

// Threads without which the step of a blocked thread stays shut: nobody opens it
// before one of them has moved. Where a guard has several parts, one that is shut is enough.
void Reduction::Tables::link_openers(std::uint32_t thread) {
  const std::optional<QueueId>& queue = system.threads[thread].queue;
  const Action& action = step(thread).action;
  if (causes.has(Cause::memory_management) && gate_closed(system, *state, {thread})) {
    link_openers(thread, Part::variable, system[*queue].gate->index);
  } else if (const auto* wait = std::get_if<Wait>(&action)) {
    for (const FenceId fence : wait->fences) {
      if (state->signalled[fence.index]) continue;
      link_openers(thread, Part::fence_signalled, fence.index);
      if (wait->join == Join::all) break;
    }
  } else if (const auto* wait_set = std::get_if<WaitSet>(&action); wait_set != nullptr && wait_set->others.empty()) {
    link_openers_of_set(thread, wait_set->set);
  } else if (const auto* acquire = std::get_if<Acquire>(&action)) {
    const LockState& lock = state->locks[acquire->lock.index];
    const ThreadId holder = lock.owner ? *lock.owner : lock.readers.front();
    if (holder.index != thread) linked[thread].push_back(holder.index);
  } else if (std::holds_alternative<Begin>(action)) {
    link_openers_of_begin(thread, *queue);
  } else {
    link_all_openers(thread);
  }
}

void Reduction::Tables::link_all_openers(std::uint32_t thread) {
  for (const StepUse& use : threads[thread].uses[state->at[thread]])
    link_users(thread, use.object, may_open, use.access);
}

// One fence of the set has to signal, or to leave the set.
void Reduction::Tables::link_openers_of_set(std::uint32_t thread, DependencySetId awaited) {
  const std::vector<FenceId>& fences = state->sets[awaited.index];
  const auto shut = std::ranges::find_if(fences, [&](FenceId fence) { return !state->signalled[fence.index]; });
  link_openers(thread, Part::fence_signalled, shut->index);
  link_writers(thread, Part::dependency_set, awaited.index);
}

// The job has to be pushed; else the one in front has to begin, or to leave the queue; else one has to finish.
void Reduction::Tables::link_openers_of_begin(std::uint32_t thread, QueueId queue) {
  const std::optional<ThreadId> front = next_to_begin(*state, queue);
  if (!is_waiting(system, *state, {thread})) {
    link_openers(thread, Part::job_pushed, thread);
  } else if (front != ThreadId{thread}) {
    linked[thread].push_back(front->index);
    link_writers(thread, Part::job_pushed, front->index);
  } else {
    link_all_openers(thread);
  }
}

// For the step at which a thread is: each step of the others, whether the program from there on may clash with it.
const std::vector<bool>& Reduction::Tables::disturbed_from(std::uint32_t thread) {
  std::vector<bool>& result = threads[thread].disturbed_from[state->at[thread]];
  if (!result.empty()) return result;
  result.resize(steps);
  for (const StepUse& use : threads[thread].uses[state->at[thread]])
    for (const Access theirs : accesses) {
      if (!clash(use.access, theirs)) continue;
      for (const User& user : users[use.object][static_cast<std::size_t>(theirs)]) {
        const std::size_t count = user.thread == thread ? 0 : system.threads[user.thread].program.size();
        for (StepIndex i = 0; i < count; ++i)
          if (threads[user.thread].futures.has(i, user.use)) result[threads[user.thread].first + i] = true;
      }
    }
  return result;
}

void Reduction::Tables::link_clashing(std::uint32_t thread) {
  const std::vector<bool>& clashes = disturbed_from(thread);
  for (std::uint32_t other = 0; other < threads.size(); ++other)
    if (clashes[threads[other].first + state->at[other]]) linked[thread].push_back(other);
}

// Who has to be in a stubborn set with this thread: those who may ever disturb
// the step it can take, or those who can open the step at which it is blocked.
const std::vector<std::uint32_t>& Reduction::Tables::links(std::uint32_t thread) {
  if (links_known[thread]) return linked[thread];
  links_known[thread] = true;
  linked[thread].clear();
  if (state->at[thread] == system.threads[thread].end()) return linked[thread];
  if (moves[thread] == 0)
    link_openers(thread);
  else
    link_clashing(thread);
  return linked[thread];
}

// Makes `set` the smallest stubborn set with this thread, and counts its moves;
// gives up at the limit.
std::uint32_t Reduction::Tables::close(std::uint32_t seed, std::uint32_t limit) {
  for (const std::uint32_t thread : set) in_set[thread] = false;
  set = {seed};
  in_set[seed] = true;
  std::uint32_t count = moves[seed];
  for (std::size_t i = 0; i < set.size() && count < limit; ++i)
    for (const std::uint32_t other : links(set[i])) {
      if (in_set[other]) continue;
      in_set[other] = true;
      set.push_back(other);
      count += moves[other];
    }
  return count;
}

Reduction::Reduction(const System& system, Causes causes) : tables_(std::make_unique<Tables>(system, causes)) {}
Reduction::~Reduction() = default;

std::vector<Move> Reduction::enough(const State& state, const std::vector<Move>& all) {
  Tables& tables = *tables_;
  tables.state = &state;
  std::ranges::fill(tables.moves, 0U);
  std::fill(tables.links_known.begin(), tables.links_known.end(), false);
  for (const Move& move : all) ++tables.moves[move.thread.index];
  auto fewest = static_cast<std::uint32_t>(all.size());
  std::vector<bool> best;
  std::uint32_t last = static_cast<std::uint32_t>(tables.moves.size());
  for (const Move& move : all) {
    if (fewest <= 1) break;
    if (move.thread.index == std::exchange(last, move.thread.index)) continue;
    // Whoever may stop here may never make this move: it is no reason for leaving the others alone.
    if (may_stop(tables.system, state, move.thread, tables.causes)) continue;
    const std::uint32_t count = tables.close(move.thread.index, fewest);
    if (count >= fewest) continue;
    fewest = count;
    best = tables.in_set;
  }
  if (best.empty()) return all;
  std::vector<Move> result;
  std::ranges::copy_if(all, std::back_inserter(result), [&](const Move& move) { return best[move.thread.index]; });
  return result;
}

bool Reduction::nothing_may_be_put_off() const { return tables_->watched && tables_->cyclic; }

}  // namespace fencecheck
