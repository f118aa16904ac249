#include "graph/model/debts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/model/memory.hpp"

namespace fencecheck {

namespace {

bool may_end(const Thread& thread, StepIndex from) {
  std::vector<bool> seen(thread.end() + 1U, false);
  std::vector<StepIndex> worklist{from};
  seen[from] = true;
  const auto visit = [&](StepIndex next) {
    if (!seen[next]) worklist.push_back(next);
    seen[next] = true;
  };
  while (!worklist.empty() && !seen[thread.end()]) {
    const Step& step = thread.program[worklist.back()];
    worklist.pop_back();
    for (const StepIndex next : step.next) visit(next);
    if (step.timeout) visit(step.timeout->next);
  }
  return seen[thread.end()];
}

bool brings_in_another(const Thread& thread, BufferId buffer) {
  return std::ranges::any_of(thread.program, [&](const Step& step) {
    const auto* allocate = std::get_if<Allocate>(&step.action);
    return allocate != nullptr && allocate->buffer != buffer;
  });
}

// Inside the kernel on behalf of userspace, and some way leads back to userspace; or about to make a call again.
bool is_call(const Thread& thread, StepIndex at) {
  if (at == thread.end() || thread.queue) return false;
  if (thread.kind == ThreadKind::user) return !thread.program[at].userspace || thread.program[at].restarts;
  return thread.kind == ThreadKind::ioctl && may_end(thread, at);
}

// Only where it waits does a signal end a call: while it goes round, nothing does.
bool can_be_interrupted(const System& system, const State& state, ThreadId thread) {
  const Step& step = system[thread].program[state.at[thread.index]];
  if (!step.interruptible) return false;
  for (std::uint32_t branch = 0; branch < step.next.size(); ++branch)
    if (possible(system, state, {thread, branch, false})) return false;
  return true;
}

}  // namespace

std::vector<Debt> debts(const System& system, const State& state) {
  std::vector<Debt> result;
  for (const Obligation& obligation : owed(system, state)) {
    if (obligation.kind == Obligation::Kind::lock) {
      const LockState& lock = state.locks[obligation.index];
      if (lock.owner) result.push_back({obligation, lock.owner->index});
      for (const ThreadId reader : lock.readers) result.push_back({obligation, reader.index});
    } else if (obligation.kind == Obligation::Kind::thread) {
      const Thread& thread = system.threads[obligation.index];
      const StepIndex at = state.at[obligation.index];
      const bool owes_its_end = info(thread.kind).kernel_owed && may_end(thread, at);
      if (!is_call(thread, at)) result.push_back({obligation, owes_its_end ? 0 : 1 + at});
    } else if (obligation.kind == Obligation::Kind::job) {
      const ThreadId job{obligation.index};
      if (is_waiting(system, state, job)) result.push_back({obligation, 0});
      if (state.at[job.index] != 0) result.push_back({obligation, 1});
    } else {
      result.push_back({obligation, 0});
    }
  }
  for (std::uint32_t i = 0; i < system.threads.size(); ++i) {
    if (is_call(system.threads[i], state.at[i]) && !can_be_interrupted(system, state, {i}))
      result.push_back({{Obligation::Kind::thread, i}, 0});
  }
  return result;
}

bool fair(const System& system, const State& state, ThreadId thread, const std::optional<Debt>& owed) {
  if (info(system[thread].kind).kernel_owed) return true;
  if (owed && owed->obligation == Obligation{Obligation::Kind::thread, thread.index}) return true;
  const StepIndex at = state.at[thread.index];
  return at != 0 && at != system[thread].end() && !system[thread].program[at].userspace;
}

bool waits_in_line(const System& system, const State& state, ThreadId thread) {
  if (state.at[thread.index] == system[thread].end()) return false;
  const Action& action = system[thread].program[state.at[thread.index]].action;
  return std::holds_alternative<Acquire>(action) || std::holds_alternative<AcquireWithTicket>(action) ||
         std::holds_alternative<Take>(action);
}

bool chooses_by_itself(const System& system, const Debt& debt, ThreadId thread) {
  const auto signals = [&](const Step& step) {
    const auto* signal = std::get_if<Signal>(&step.action);
    return signal != nullptr &&
           std::ranges::find(signal->fences, FenceId{debt.obligation.index}) != signal->fences.end();
  };
  if (std::ranges::any_of(system[thread].program, &Step::restarts)) return true;
  switch (debt.obligation.kind) {
    case Obligation::Kind::thread:
      return debt.obligation.index == thread.index && debt.since == 0;
    case Obligation::Kind::job:
      return debt.obligation.index == thread.index;
    case Obligation::Kind::lock:
      return debt.since == thread.index;
    case Obligation::Kind::fence:
      return std::ranges::any_of(system[thread].program, signals);
  }
  return false;
}

std::string passes_unseen(const System& system, const State& state, ThreadId thread, const std::vector<bool>& moving) {
  if (moving[thread.index] || state.at[thread.index] == system[thread].end()) return {};
  const auto* flush = std::get_if<Flush>(&system[thread].program[state.at[thread.index]].action);
  if (flush != nullptr && moving[flush->work.index])
    return fmt::format("'{}' waits for one turn of '{}', which queues itself", system[thread].name,
                       system[flush->work].name);
  const auto fires = [&](const Move& move) { return move.thread == thread; };
  if (std::ranges::any_of(timeouts(system, state), fires))
    return fmt::format("the timeout of '{}' comes to its end", system[thread].name);
  return {};
}

std::vector<BufferId> passed_over(const System& system, const State& state, Move move) {
  const Thread& thread = system[move.thread];
  const auto* pick = std::get_if<PickVictim>(&thread.program[state.at[move.thread.index]].action);
  if (move.timeout || pick == nullptr || pick->confirms || move.branch >= system.buffers.size()) return {};
  std::vector<BufferId> result = victims(system, state, move.thread, *pick);
  std::erase(result, BufferId{move.branch});
  return result;
}

std::vector<BufferId> used_anew(const System& system, const State& state, Move move) {
  if (move.timeout) return {};
  const Action& action = system[move.thread].program[state.at[move.thread.index]].action;
  std::vector<BufferId> result;
  if (const auto* pick = std::get_if<PickVictim>(&action); pick != nullptr && move.branch < system.buffers.size())
    result.push_back({move.branch});
  if (const auto* allocate = std::get_if<Allocate>(&action)) result.push_back(allocate->buffer);
  if (const auto* relocate = std::get_if<Relocate>(&action)) result.push_back(relocate->buffer);
  if (const auto* attach = std::get_if<Attach>(&action))
    for (std::uint32_t i = 0; i < system.buffers.size(); ++i)
      if (system.buffers[i].reservation == attach->reservation) result.push_back({i});
  return result;
}

bool is_left_suspended(const System& system, const State& state, HardwareUseId use) {
  const auto& gate = system[use].gate;
  return gate && state.memory.has_run[use.index] && !state.memory.killed[use.index] &&
         state.variables[gate->index] == 0;
}

bool acts_for_userspace(const Thread& thread) {
  return thread.kind == ThreadKind::user || thread.kind == ThreadKind::ioctl;
}

std::optional<BufferId> evicts_by_itself(const System& system, const State& state, Move move) {
  const Thread& thread = system[move.thread];
  if (move.timeout || acts_for_userspace(thread)) return std::nullopt;
  const auto* relocate = std::get_if<Relocate>(&thread.program[state.at[move.thread.index]].action);
  if (relocate == nullptr || state.memory.places[relocate->buffer.index] == relocate->to) return std::nullopt;
  if (!relocate->chosen_by && !brings_in_another(thread, relocate->buffer)) return std::nullopt;
  return relocate->buffer;
}

}  // namespace fencecheck
