#include "graph/model/debts.hpp"

namespace fencecheck {

std::vector<Debt> debts(const System& system, const State& state) {
  std::vector<Debt> result;
  for (const Obligation& obligation : owed(system, state)) {
    if (obligation.kind == Obligation::Kind::lock) {
      const LockState& lock = state.locks[obligation.index];
      if (lock.owner) result.push_back({obligation, lock.owner->index});
      for (const ThreadId reader : lock.readers) result.push_back({obligation, reader.index});
    } else if (obligation.kind == Obligation::Kind::thread &&
               !info(system.threads[obligation.index].kind).kernel_owed) {
      result.push_back({obligation, state.at[obligation.index]});
    } else if (obligation.kind == Obligation::Kind::job) {
      const ThreadId job{obligation.index};
      if (is_waiting(system, state, job)) result.push_back({obligation, 0});
      if (state.at[job.index] != 0) result.push_back({obligation, 1});
    } else {
      result.push_back({obligation, 0});
    }
  }
  return result;
}

bool fair(const System& system, const State& state, ThreadId thread) {
  if (info(system[thread].kind).kernel_owed) return true;
  const StepIndex at = state.at[thread.index];
  return at != 0 && at != system[thread].end() && !system[thread].program[at].userspace;
}

bool acts_for_userspace(const Thread& thread) {
  return thread.kind == ThreadKind::user || thread.kind == ThreadKind::ioctl;
}

std::optional<BufferId> evicts_by_itself(const System& system, const State& state, Move move) {
  const Thread& thread = system[move.thread];
  if (move.timeout || acts_for_userspace(thread)) return std::nullopt;
  const auto* relocate = std::get_if<Relocate>(&thread.program[state.at[move.thread.index]].action);
  if (relocate == nullptr || !relocate->chosen_by || state.memory.places[relocate->buffer.index] == relocate->to)
    return std::nullopt;
  return relocate->buffer;
}

}  // namespace fencecheck
