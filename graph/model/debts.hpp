// What is owed while the system still runs, and what fairness promises.
//
// At rest it is enough to know that something is owed; while things happen, a
// new holder of the same lock or a task at its next step is a new debt. A debt
// that stays open on a cycle of states is one obligation that is never discharged.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Debt {
  Obligation obligation;
  // lock: ThreadId of the holder; thread: 0 if it can still come to its end, which it owes, else 1 + the step at which
  // it stands (a server, or userspace); job: 1 for the run that has begun, 0 for one that is queued, so that work which
  // queues itself again owes something new each time; else 0
  std::uint32_t since = 0;
  friend bool operator==(const Debt&, const Debt&) = default;
};

// The debts open in a state: owed(), apart by holder and by step, and calls into the kernel that go round, wherever
// they stand.
[[nodiscard]] std::vector<Debt> debts(const System& system, const State& state);

// Weak fairness: a thread that from some moment on can always move does move.
// It is promised to hardware, interrupts, kernel threads, and to tasks inside the
// kernel: what holds them up is only what the calculus knows. To userspace it is
// not: a task that stands before its first step, or outside the kernel, may never go on, unless that is what is owed.
[[nodiscard]] bool fair(const System& system, const State& state, ThreadId thread, const std::optional<Debt>& owed);

// Strong fairness: who waits in line for a lock or for a pool gets it if it is free again and again, whoever else takes
// it meanwhile (kernel/locking/mutex.c hands over, wait queues are in order). Everybody else gets weak fairness.
[[nodiscard]] bool waits_in_line(const System& system, const State& state, ThreadId thread);

// Is it this thread that owes it, or signals it? Then it does not choose the same between its moves for ever: a loop
// that ends by chance ends. Nor does who makes a call that failed again: what fails by chance succeeds in the end.
[[nodiscard]] bool chooses_by_itself(const System& system, const Debt& debt, ThreadId thread);

// What happens to a thread that stays at its step while those go on for ever, and does not happen in this calculus: its
// timeout fires only at rest, and a flush waits for all turns of a work instead of one. Empty: nothing.
[[nodiscard]] std::string passes_unseen(const System& system, const State& state, ThreadId thread,
                                        const std::vector<bool>& moving);

// The buffers that this move leaves alone although the kernel may evict them as well as its victim. Victims come in the
// order of the LRU: none is passed over for ever unless it is used again and again.
[[nodiscard]] std::vector<BufferId> passed_over(const System& system, const State& state, Move move);
// The buffers that this move puts at the end of the LRU, or takes out of the region.
[[nodiscard]] std::vector<BufferId> used_anew(const System& system, const State& state, Move move);

// The buffer that this move takes away on behalf of another, while no task of userspace asks for anything: a move of
// the kernel's own works, as a victim, or by a program that brings another one in.
[[nodiscard]] std::optional<BufferId> evicts_by_itself(const System& system, const State& state, Move move);

// Has the user queue run, and is it suspended, though not killed?
[[nodiscard]] bool is_left_suspended(const System& system, const State& state, HardwareUseId use);

// Userspace, or a task that it has sent into the kernel.
[[nodiscard]] bool acts_for_userspace(const Thread& thread);

// An execution that goes on for ever: the stem, then the cycle again and again.
struct Lasso {
  std::vector<Move> stem;
  std::vector<Move> cycle;
  // What is wrong with it: open in all states of the cycle; evicted on it, by the kernel alone, and restored; or a user
  // queue that has run, suspended in all states, though userspace does all that it can.
  std::variant<Debt, BufferId, HardwareUseId> harm;
  std::vector<ThreadId> waiting;  // userspace that could go on all the time, and never does
};

}  // namespace fencecheck
