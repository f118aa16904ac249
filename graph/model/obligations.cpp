// What is owed, and who waits for what.
#include <algorithm>
#include <variant>
#include <vector>

#include "graph/model/state.hpp"

namespace fencecheck {
namespace {

struct View {
  const System& system;
  const State& state;
  ThreadId self;
};

bool finished(const System& system, const State& state, ThreadId thread) {
  return state.at[thread.index] == system[thread].end();
}

const Step& next_step(const System& system, const State& state, ThreadId thread) {
  return system[thread].program[state.at[thread.index]];
}

// An eviction fence signals on demand: nobody owes it before somebody asks.
bool is_owed(const System& system, const State& state, std::uint32_t fence) {
  if (info(system.fences[fence].kind).user_controlled || !state.published[fence] || state.signalled[fence])
    return false;
  return !system.fences[fence].on_wait || state.requested[fence];
}

std::vector<ThreadId> holders(const LockState& lock) {
  std::vector<ThreadId> result = lock.readers;
  if (lock.owner) result.push_back(*lock.owner);
  return result;
}

std::vector<Blocker> unsignalled(const State& state, const std::vector<FenceId>& fences) {
  std::vector<Blocker> result;
  for (const FenceId fence : fences)
    if (!state.signalled[fence.index]) result.push_back({Blocker::Kind::fence, fence.index, {}, {}});
  return result;
}

std::vector<Blocker> blocked_by(const View& view, const Wait& wait) { return unsignalled(view.state, wait.fences); }

std::vector<Blocker> blocked_by(const View& view, const WaitSet& wait) {
  std::vector<Blocker> result;
  for (const DependencySetId set : wait.sets()) {
    const std::vector<Blocker> more = unsignalled(view.state, view.state.sets[set.index]);
    result.insert(result.end(), more.begin(), more.end());
  }
  return result;
}

std::vector<Blocker> blocked_by_lock(const View& view, LockId lock) {
  return {{Blocker::Kind::lock, lock.index, holders(view.state.locks[lock.index]), {}}};
}

std::vector<Blocker> blocked_by(const View& view, const Acquire& acquire) {
  return blocked_by_lock(view, acquire.lock);
}

std::vector<Blocker> blocked_by(const View& view, const AcquireWithTicket& acquire) {
  return blocked_by_lock(view, acquire.lock);
}

std::vector<Blocker> blocked_by(const View&, const Take& take) {
  return {{Blocker::Kind::pool, take.pool.index, {}, {}}};
}

std::vector<Blocker> blocked_by(const View&, const Flush& flush) {
  return {{Blocker::Kind::job, flush.work.index, {flush.work}, {}}};
}

std::vector<Blocker> blocked_by(const View& view, const Begin&) {
  const QueueId queue = *view.system[view.self].queue;
  const QueueState& jobs = view.state.queues[queue.index];
  if (!is_waiting(view.system, view.state, view.self)) return {{Blocker::Kind::push, view.self.index, {}, {}}};
  std::vector<Blocker> result;
  for (std::uint32_t i = 0; i < view.system.threads.size(); ++i) {
    const ThreadId other{i};
    const Thread& thread = view.system[other];
    const bool running = thread.queue == queue && view.state.at[i] != 0 && view.state.at[i] != thread.end();
    if (running && other != view.self) result.push_back({Blocker::Kind::job, i, {other}, {}});
  }
  for (const ThreadId other : jobs.waiting) {
    if (other == view.self) break;
    if (view.state.at[other.index] != 0) continue;  // it runs, and holds up nobody
    result.push_back({Blocker::Kind::job, other.index, {other}, {}});
  }
  return result;
}

std::vector<Blocker> blocked_by(const View& view, const Choose& choose) {
  std::vector<Blocker> result;
  for (const Branch& branch : choose.branches)
    for (const Test& test : branch.tests)
      if (!holds(test, view.state.variables[test.variable.index]))
        result.push_back({Blocker::Kind::variable, test.variable.index, {}, test});
  return result;
}

template <class NeverBlocked>
std::vector<Blocker> blocked_by(const View&, const NeverBlocked&) {
  return {};
}

}  // namespace

std::vector<Obligation> owed(const System& system, const State& state) {
  std::vector<Obligation> result;
  for (std::uint32_t i = 0; i < system.fences.size(); ++i)
    if (is_owed(system, state, i)) result.push_back({Obligation::Kind::fence, i});
  for (std::uint32_t i = 0; i < system.locks.size(); ++i)
    if (state.locks[i].owner || !state.locks[i].readers.empty()) result.push_back({Obligation::Kind::lock, i});
  for (std::uint32_t i = 0; i < system.threads.size(); ++i) {
    const ThreadId thread{i};
    if (finished(system, state, thread)) continue;
    const Step& step = next_step(system, state, thread);
    const bool started = state.at[i] != 0;
    if (system[thread].queue) {
      const bool pushed = started || is_waiting(system, state, thread);
      if (pushed && system[thread].kind == ThreadKind::worker) result.push_back({Obligation::Kind::job, i});
    } else if (info(system[thread].kind).kernel_owed
                   ? started
                   : !step.interruptible && !(system.userspace_may_stop && step.userspace)) {
      result.push_back({Obligation::Kind::thread, i});
    }
  }
  return result;
}

std::vector<Blocker> blockers(const System& system, const State& state, ThreadId thread) {
  if (finished(system, state, thread)) return {};
  const Step& step = next_step(system, state, thread);
  const View view{system, state, thread};
  if (gate_closed(system, state, thread)) {
    const VariableId gate = *system[*system[thread].queue].gate;
    return {{Blocker::Kind::variable, gate.index, {}, {gate, 0, false}}};
  }
  return std::visit([&](const auto& action) { return blocked_by(view, action); }, step.action);
}

bool is_being_cancelled(const System& system, const State& state, ThreadId work) {
  for (std::uint32_t i = 0; i < system.threads.size(); ++i) {
    const Thread& thread = system.threads[i];
    if (state.at[i] == thread.end()) continue;
    const auto* flush = std::get_if<Flush>(&thread.program[state.at[i]].action);
    if (flush != nullptr && flush->cancels && flush->work == work) return true;
  }
  return false;
}

}  // namespace fencecheck
