#include "checker/explain.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "graph/dependency_graph.hpp"
#include "graph/model/memory.hpp"
#include "graph/model/snapshot.hpp"

namespace fencecheck {
namespace {

bool finished(const System& system, const State& state, ThreadId thread) {
  return state.at[thread.index] == system[thread].end();
}

// Can the thread still come to a step for which `matches` holds, without passing one for which `ends` does? A work's
// next turn is none of this one: somebody has to queue it first.
template <class Matches, class Ends>
bool may_reach(const System& system, const State& state, ThreadId thread, const Matches& matches, const Ends& ends) {
  const Thread& who = system[thread];
  std::vector<bool> seen(who.end() + 1U, false);
  std::vector<StepIndex> worklist{state.at[thread.index]};
  const bool one_turn = who.queue && !is_waiting(system, state, thread);
  while (!worklist.empty()) {
    const StepIndex index = worklist.back();
    worklist.pop_back();
    if (index == who.end() || seen[index]) continue;
    seen[index] = true;
    if (matches(who.program[index].action)) return true;
    if (ends(who.program[index].action)) continue;
    if (one_turn && std::holds_alternative<Finish>(who.program[index].action)) continue;
    for (const StepIndex next : who.program[index].next) worklist.push_back(next);
  }
  return false;
}

template <class Matches>
bool may_reach(const System& system, const State& state, ThreadId thread, const Matches& matches) {
  return may_reach(system, state, thread, matches, [](const Action&) { return false; });
}

// Does the step put this job onto its queue, or ask for a fence whose work it is?
bool queues(const System& system, const Action& action, ThreadId job) {
  if (const auto* push = std::get_if<Push>(&action)) return push->job == job;
  return std::holds_alternative<Trigger>(action) &&
         std::ranges::any_of(system.fences, [&](const Fence& fence) { return fence.on_wait == job; });
}

// A job that nobody has queued: it does nothing until somebody does.
bool is_idle(const System& system, const State& state, ThreadId thread) {
  return system[thread].queue && state.at[thread.index] == 0 && !is_waiting(system, state, thread);
}

// Of each thread: does it run, or may it be made to?
std::vector<bool> active(const System& system, const State& state) {
  std::vector<bool> result;
  for (std::uint32_t i = 0; i < system.threads.size(); ++i) result.push_back(!is_idle(system, state, ThreadId{i}));
  const auto may_be_queued = [&](ThreadId job) {
    for (std::uint32_t i = 0; i < system.threads.size(); ++i)
      if (result[i] &&
          may_reach(system, state, ThreadId{i}, [&](const Action& action) { return queues(system, action, job); }))
        return true;
    return false;
  };
  for (bool news = true; news;) {
    news = false;
    for (std::uint32_t i = 0; i < system.threads.size(); ++i)
      if (!result[i] && may_be_queued(ThreadId{i})) news = result[i] = true;
  }
  return result;
}

template <class Matches>
std::vector<ThreadId> threads_that_may(const System& system, const State& state, const Matches& matches) {
  std::vector<ThreadId> result;
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    if (may_reach(system, state, ThreadId{i}, matches)) result.push_back(ThreadId{i});
  if (std::ranges::any_of(result, [&](ThreadId thread) { return is_idle(system, state, thread); }))
    std::erase_if(result, [counts = active(system, state)](ThreadId thread) { return !counts[thread.index]; });
  return result;
}

// Who has taken from the pool: gives back before it takes again. Else whoever ever gives back.
std::vector<ThreadId> givers(const System& system, const State& state, PoolId pool) {
  const auto gives = [&](const Action& action) {
    const auto* give = std::get_if<Give>(&action);
    return give != nullptr && give->pool == pool;
  };
  const auto takes = [&](const Action& action) {
    const auto* take = std::get_if<Take>(&action);
    return take != nullptr && take->pool == pool;
  };
  std::vector<ThreadId> result;
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    if (may_reach(system, state, ThreadId{i}, gives, takes)) result.push_back(ThreadId{i});
  return result.empty() ? threads_that_may(system, state, gives) : result;
}

// Who may set the variable to what is waited for.
std::vector<ThreadId> setters(const System& system, const State& state, const Test& wanted) {
  return threads_that_may(system, state, [&](const Action& action) {
    const auto* assign = std::get_if<Assign>(&action);
    return assign != nullptr && assign->variable == wanted.variable && holds(wanted, assign->value);
  });
}

}  // namespace

std::vector<ThreadId> helpers(const System& system, const State& state, const Blocker& blocker) {
  switch (blocker.kind) {
    case Blocker::Kind::fence:
      return threads_that_may(system, state, [&](const Action& action) {
        const auto* signal = std::get_if<Signal>(&action);
        return signal != nullptr && std::ranges::find(signal->fences, FenceId{blocker.index}) != signal->fences.end();
      });
    case Blocker::Kind::push:
      return threads_that_may(system, state,
                              [&](const Action& action) { return queues(system, action, ThreadId{blocker.index}); });
    case Blocker::Kind::pool:
      return givers(system, state, PoolId{blocker.index});
    case Blocker::Kind::variable:
      return setters(system, state, blocker.wanted);
    case Blocker::Kind::lock:
    case Blocker::Kind::job:
      return blocker.owners;
  }
  return {};
}

namespace {

// The threads an obligation depends on directly.
std::vector<ThreadId> responsible(const System& system, const State& state, const Obligation& obligation) {
  switch (obligation.kind) {
    case Obligation::Kind::fence:
      return helpers(system, state, {Blocker::Kind::fence, obligation.index, {}, {}});
    case Obligation::Kind::lock: {
      std::vector<ThreadId> owners = state.locks[obligation.index].readers;
      if (state.locks[obligation.index].owner) owners.push_back(*state.locks[obligation.index].owner);
      return owners;
    }
    case Obligation::Kind::job:
    case Obligation::Kind::thread:
      return {ThreadId{obligation.index}};
  }
  return {};
}

std::string quoted(const std::string& name) { return fmt::format("'{}'", name); }

std::string what(const System& system, const Step& step, const Blocker& blocker) {
  switch (blocker.kind) {
    case Blocker::Kind::fence: {
      const Fence& fence = system.fences[blocker.index];
      return fmt::format("{} fence '{}'", info(fence.kind).id, fence.name);
    }
    case Blocker::Kind::lock:
      return fmt::format("lock '{}'", system.locks[blocker.index].name);
    case Blocker::Kind::job:
      return std::holds_alternative<Flush>(step.action)
                 ? fmt::format("the end of work '{}'", system.threads[blocker.index].name)
                 : fmt::format("job '{}' in front of it", system.threads[blocker.index].name);
    case Blocker::Kind::pool:
      return fmt::format("room in pool '{}'", system.pools[blocker.index].name);
    case Blocker::Kind::variable:
      if (const auto queue = gated_by(system, blocker.wanted.variable))
        return fmt::format("queue '{}', which is suspended", system[*queue].name);
      return fmt::format("variable '{}'", system.variables[blocker.index].name);
    case Blocker::Kind::push:
      return "being pushed onto its queue";
  }
  return {};
}

std::string deed(const System& system, const Blocker& blocker) {
  switch (blocker.kind) {
    case Blocker::Kind::fence:
      return fmt::format("signals '{}'", system.fences[blocker.index].name);
    case Blocker::Kind::lock:
      return fmt::format("releases '{}'", system.locks[blocker.index].name);
    case Blocker::Kind::job:
      return "leaves the queue";
    case Blocker::Kind::pool:
      return fmt::format("gives back to '{}'", system.pools[blocker.index].name);
    case Blocker::Kind::variable:
      if (const auto queue = gated_by(system, blocker.wanted.variable))
        return fmt::format("resumes queue '{}'", system[*queue].name);
      return fmt::format("sets '{}'", system.variables[blocker.index].name);
    case Blocker::Kind::push:
      return "pushes it";
  }
  return {};
}

std::string found_at(const System& system, const State& state, const Locate& locate) {
  const auto& place = state.memory.places[locate.buffer.index];
  const std::string here = place ? fmt::format("in '{}'", system[*place].name) : "without device memory";
  if (whereabouts(system, state, locate) <= system[locate.buffer].placements.size()) return ": " + here;
  if (state.memory.pins[locate.buffer.index] > 0) return fmt::format(": {} and pinned, it stays", here);
  return fmt::format(": {}, it stays", here);
}

// What came of a step that goes one way or another by itself.
std::string outcome(const System& system, const State& state, const Step& step, const Move& move) {
  if (move.timeout) return step.timeout ? ": the timeout fires" : "";
  if (std::holds_alternative<TryAcquire>(step.action))
    return move.branch == 0 ? " and gets it" : ", which is held: goes another way";
  if (std::holds_alternative<AcquireWithTicket>(step.action))
    return move.branch == 1 ? ": an older transaction holds it, backs off" : "";
  if (std::holds_alternative<PickVictim>(step.action))
    return move.branch < system.buffers.size() ? ": " + quoted(system.buffers[move.branch].name) : ": there is none";
  if (const auto* locate = std::get_if<Locate>(&step.action)) return found_at(system, state, *locate);
  if (const auto* relocate = std::get_if<Relocate>(&step.action))
    if (relocate->to && state.memory.places[relocate->buffer.index] != relocate->to &&
        !has_room(system, state, *relocate->to, system[relocate->buffer].size))
      return system.swap ? ": it is full, so to system memory" : ": it is full, so it stays";
  if (const auto* choose = std::get_if<Choose>(&step.action); choose != nullptr && never_waits(*choose))
    return move.branch == 0 ? ": yes" : ": no";
  const auto* allocate = std::get_if<Allocate>(&step.action);
  if (allocate == nullptr) return "";
  if (has_suitable_place(system, state, *allocate)) return ": it has memory that suits";
  switch (static_cast<dmem::Next>(move.branch)) {
    case dmem::Next::succeed:
      return " and gets it";
    case dmem::Next::evict:
      return ": has to evict first";
    case dmem::Next::next_placement:
      return ", where it gets none";
  }
  return "";
}

struct WaitEdge {
  ThreadId thread;
  Blocker blocker;
  ThreadId helper;
};

// Every stuck thread, what it waits for, and who could help; in the order of the threads.
std::vector<WaitEdge> waits(const System& system, const State& state) {
  std::vector<WaitEdge> result;
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    for (const Blocker& blocker : blockers(system, state, ThreadId{i})) {
      std::vector<ThreadId> who = helpers(system, state, blocker);
      // Whoever waits helps itself only afterwards: others first, if there are any.
      if (who.size() > 1) std::erase(who, ThreadId{i});
      for (const ThreadId helper : who) result.push_back({ThreadId{i}, blocker, helper});
    }
  return result;
}

std::set<std::uint32_t> involved(const System& system, const State& state, const std::vector<WaitEdge>& edges,
                                 const std::vector<Obligation>& owed) {
  std::deque<std::uint32_t> worklist;
  for (const Obligation& obligation : owed)
    for (const ThreadId thread : responsible(system, state, obligation)) worklist.push_back(thread.index);
  std::set<std::uint32_t> seen;
  while (!worklist.empty()) {
    const std::uint32_t thread = worklist.front();
    worklist.pop_front();
    if (!seen.insert(thread).second) continue;
    auto own = std::ranges::lower_bound(edges, ThreadId{thread}, {}, &WaitEdge::thread);
    for (; own != edges.end() && own->thread.index == thread; ++own) worklist.push_back(own->helper.index);
  }
  return seen;
}

std::optional<Knot> closed_knot(const System& system, const std::vector<WaitEdge>& edges,
                                const std::set<std::uint32_t>& among) {
  DependencyGraph graph(system.threads.size());
  for (const WaitEdge& edge : edges) {
    if (!among.contains(edge.thread.index) || boost::edge(edge.thread.index, edge.helper.index, graph).second) continue;
    boost::add_edge(edge.thread.index, edge.helper.index, Edge{}, graph);
  }
  const std::vector<Cycle> cycles = shortest_cycles(graph);
  if (cycles.empty()) return std::nullopt;
  const Cycle& shortest = *std::ranges::min_element(cycles, {}, &Cycle::size);
  Knot result;
  for (const EdgeId& edge : shortest) {
    const auto found = std::ranges::find_if(edges, [&](const WaitEdge& each) {
      return each.thread.index == boost::source(edge, graph) && each.helper.index == boost::target(edge, graph);
    });
    result.links.push_back({found->thread, found->blocker});
  }
  return result;
}

// No cycle: follow the waits until something that nobody will do.
Knot open_chain(const System& system, const State& state, const std::vector<WaitEdge>& edges,
                const std::vector<Obligation>& owed) {
  Knot result{{}, false};
  for (const Obligation& obligation : owed) {
    const auto start = responsible(system, state, obligation);
    if (start.empty()) continue;
    std::set<std::uint32_t> seen;
    std::optional<ThreadId> thread = start.front();
    while (thread && !finished(system, state, *thread) && seen.insert(thread->index).second) {
      const std::vector<Blocker> reasons = blockers(system, state, *thread);
      if (reasons.empty()) break;
      result.links.push_back({*thread, reasons.front()});
      const auto next = std::ranges::find_if(edges, [&](const WaitEdge& edge) { return edge.thread == *thread; });
      thread = next == edges.end() ? std::nullopt : std::optional(next->helper);
    }
    if (!result.links.empty()) break;
  }
  return result;
}

std::vector<std::string> holdings(const System& system, const State& state, ThreadId thread) {
  std::vector<std::string> result;
  std::vector<std::string> locks;
  for (std::uint32_t i = 0; i < system.locks.size(); ++i) {
    const LockState& lock = state.locks[i];
    if (lock.owner == thread || std::ranges::find(lock.readers, thread) != lock.readers.end())
      locks.push_back(quoted(system.locks[i].name));
  }
  if (!locks.empty())
    result.push_back(fmt::format("holds lock{} {}", locks.size() == 1 ? "" : "s", fmt::join(locks, " and ")));
  for (std::uint32_t i = 0; i < system.fences.size(); ++i) {
    const bool pending = state.published[i] && !state.signalled[i];
    const auto signals = [&](const Action& action) {
      const auto* signal = std::get_if<Signal>(&action);
      return signal != nullptr && std::ranges::find(signal->fences, FenceId{i}) != signal->fences.end();
    };
    if (pending && may_reach(system, state, thread, signals))
      result.push_back(fmt::format("{} fence '{}'",
                                   info(system.fences[i].kind).user_controlled ? "has to signal" : "owes kernel",
                                   system.fences[i].name));
  }
  const Thread& who = system[thread];
  if (who.queue && state.at[thread.index] > 0) result.push_back("occupies queue " + quoted(system[*who.queue].name));
  return result;
}

std::string release(const System& system, const State& state, const Knot& knot, std::size_t i) {
  const Blocker& blocker = knot.links[i].waits_for;
  const bool last = i + 1 == knot.links.size();
  if (!last || knot.closed) {
    const ThreadId next = knot.links[(i + 1) % knot.links.size()].thread;
    return fmt::format("released when {} {}, which it does only after its own wait", title(system[next]),
                       deed(system, blocker));
  }
  const std::vector<ThreadId> others = helpers(system, state, blocker);
  if (others.empty()) return fmt::format("nobody {} any more", deed(system, blocker));
  return fmt::format("only {} {}, and it need not go on", title(system[others.front()]), deed(system, blocker));
}

}  // namespace

Cause cause_of_wait(const System& system, const State& state, ThreadId thread) {
  if (gate_closed(system, state, thread)) return Cause::memory_management;
  return system[thread].program[state.at[thread.index]].cause;
}

namespace {

// The threads of a knot, whichever comes first.
std::set<ThreadId> threads_of(const Knot& knot) {
  std::set<ThreadId> result;
  for (const Link& link : knot.links) result.insert(link.thread);
  return result;
}

}  // namespace

std::vector<Obligation> explained_by(const System& system, const State& state, const Knot& knot) {
  std::vector<Obligation> result;
  const std::set<ThreadId> stuck = threads_of(knot);
  const std::vector<WaitEdge> edges = waits(system, state);
  std::map<std::set<std::uint32_t>, bool> known;  // threads that keep something from being discharged: is it this knot?
  for (const Obligation& each : owed(system, state)) {
    std::set<std::uint32_t> among = involved(system, state, edges, {each});
    auto found = known.find(among);
    if (found == known.end()) {
      const auto own = closed_knot(system, edges, among);
      found = known.emplace(std::move(among), own && threads_of(*own) == stuck).first;
    }
    if (found->second) result.push_back(each);
  }
  return result;
}

Knot knot(const System& system, const State& state, const std::vector<Obligation>& owed) {
  const std::vector<WaitEdge> edges = waits(system, state);
  if (auto closed = closed_knot(system, edges, involved(system, state, edges, owed))) return *closed;
  return open_chain(system, state, edges, owed);
}

std::vector<Party> parties(const System& system, const State& state, const Knot& knot) {
  std::vector<Party> result;
  for (std::size_t i = 0; i < knot.links.size(); ++i) {
    const auto& [thread, blocker] = knot.links[i];
    const Step& step = system[thread].program[state.at[thread.index]];
    Party party;
    party.name = title(system[thread]);
    party.holds = holdings(system, state, thread);
    party.waits_for = what(system, step, blocker);
    party.context = step.context;
    party.cause = cause_of_wait(system, state, thread);
    party.released_by = release(system, state, knot, i);
    party.at = step.at;
    result.push_back(std::move(party));
  }
  return result;
}

namespace {

// The step as a line of the story.
ScheduleStep line_of(const System& system, const State& state, const Move& move) {
  const Thread& who = system[move.thread];
  const Step& step = who.program[state.at[move.thread.index]];
  return {title(who),
          describe(system, who, step) + outcome(system, state, step, move),
          step.context,
          false,
          move.timeout,
          step.at,
          cause_of_wait(system, state, move.thread)};
}

// The step at which the thread is stuck. A wait for fences says so itself; another step does not do what it is for.
ScheduleStep stuck_line(const System& system, const State& state, const Link& link) {
  const Thread& who = system[link.thread];
  const Step& step = who.program[state.at[link.thread.index]];
  const std::string stuck = link.waits_for.kind == Blocker::Kind::fence
                                ? describe(system, who, step)
                                : fmt::format("waits for {}", what(system, step, link.waits_for));
  return {title(who), stuck, step.context, true, false, step.at, cause_of_wait(system, state, link.thread)};
}

// A free choice shows in what follows it.
bool worth_telling(const Step& step) {
  const auto* choose = std::get_if<Choose>(&step.action);
  return choose == nullptr || std::ranges::any_of(choose->branches, [](const Branch& b) { return !b.tests.empty(); });
}

// Which move let each waiting thread go on. A thread waits if it can make no
// move when it arrives at a step; it was released by the last move after which
// it could.
class Releases {
 public:
  explicit Releases(const System& system)
      : system_(system),
        by_(system.threads.size()),
        waits_(system.threads.size()),
        arrives_(system.threads.size(), true) {}

  // To be called in every state; `last` is the move that led to it.
  void look(const State& state, std::optional<std::size_t> last) {
    std::vector<bool> open(by_.size(), false);
    for (const Move& move : moves(system_, state)) open[move.thread.index] = true;
    for (std::size_t i = 0; i < by_.size(); ++i) {
      if (arrives_[i]) waits_[i] = !open[i];
      arrives_[i] = false;
      if (!open[i]) by_[i].reset();
      if (open[i] && waits_[i] && !by_[i]) by_[i] = last;
    }
  }

  // The thread makes its next move.
  std::optional<std::size_t> leave(ThreadId thread) {
    arrives_[thread.index] = true;
    return std::exchange(by_[thread.index], std::nullopt);
  }

 private:
  const System& system_;
  std::vector<std::optional<std::size_t>> by_;
  std::vector<bool> waits_, arrives_;
};

std::vector<StateChange> changes(const std::vector<ObjectState>& before, const std::vector<ObjectState>& now) {
  std::vector<StateChange> result;
  for (std::size_t i = 0; i < now.size(); ++i)
    if (before[i].value != now[i].value) result.push_back({i, now[i].value});
  return result;
}

}  // namespace

Story story(const System& system, const std::vector<Move>& schedule, const Knot& knot) {
  State state = initial_state(system);
  Story result{snapshot(system, state), {}};
  std::vector<ObjectState> before = result.objects;
  std::vector<std::optional<std::size_t>> told(schedule.size());  // the line of each move
  Releases releases(system);
  releases.look(state, std::nullopt);
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    const Move& move = schedule[i];
    const std::optional<std::size_t> released_by = releases.leave(move.thread);
    const bool tells = worth_telling(system[move.thread].program[state.at[move.thread.index]]);
    if (tells) {
      told[i] = result.steps.size();
      result.steps.push_back(line_of(system, state, move));
      if (released_by) result.steps.back().released_by = told[*released_by];
    }
    state = after(system, std::move(state), move);
    releases.look(state, i);
    if (!tells) continue;
    std::vector<ObjectState> now = snapshot(system, state);
    result.steps.back().changes = changes(before, now);
    before = std::move(now);
  }
  for (const Link& link : knot.links) result.steps.push_back(stuck_line(system, state, link));
  return result;
}

std::vector<Obligation> obligations(const System& system, const State& state, const Knot& knot) {
  std::vector<Obligation> all = owed(system, state);
  std::vector<Obligation> own;
  for (const Obligation& obligation : all)
    for (const ThreadId thread : responsible(system, state, obligation))
      if (std::ranges::find(knot.links, thread, &Link::thread) != knot.links.end()) {
        own.push_back(obligation);
        break;
      }
  return own.empty() ? all : own;
}

Cycle cycle(const System& system, const SystemGraph& graph, const Knot& knot) {
  Cycle result;
  if (!knot.closed) return result;
  for (std::size_t i = 0; i < knot.links.size(); ++i) {
    const Link& next = knot.links[(i + 1) % knot.links.size()];
    const auto from = graph.vertex(knot.links[i].waits_for);
    const auto to = graph.vertex(next.waits_for);
    if (!from || !to) return {};
    const VertexId job = graph.threads[next.thread.index];
    const bool through_job =
        job != DependencyGraph::null_vertex() && *from != job && system[next.thread].queue.has_value();
    if (through_job) {
      const auto first = find_edge(*graph.graph, *from, job);
      const auto second = find_edge(*graph.graph, job, *to);
      if (!first || !second) return {};
      result.push_back(*first);
      result.push_back(*second);
    } else if (const auto edge = find_edge(*graph.graph, *from, *to)) {
      result.push_back(*edge);
    } else {
      return {};
    }
  }
  return result;
}

}  // namespace fencecheck
