// Operational semantics: what the core calculus means.
//
// A State is a snapshot of every object and of every thread's position. A Move
// is one step of one thread. moves() are the moves that may happen now;
// timeouts() may happen only while moves() is empty, so that "recovers only by
// timeout" is never mistaken for safe; after() is the state that a move leads
// to. Every rule is one pair of overloads in state.cpp, `open` (the guard) and
// `apply` (the effect), named in docs/semantics.md. Counterexamples are replayed
// here; nothing in this file knows how they were found.
//
// Fences are monotone: published and signalled never become false again. A
// cause that is switched off makes nobody wait: locks are not taken, order in
// queues is not kept, waits pass. That is how `needs` is decided.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/model/system.hpp"

namespace fencecheck {

struct LockState {
  std::optional<ThreadId> owner;  // exclusive
  bool with_ticket = false;       // the owner took it inside a wait-die transaction
  std::vector<ThreadId> readers;  // in the order in which they came
};

struct QueueState {
  std::vector<ThreadId> waiting;  // pushed and not begun, oldest first
  std::uint32_t running = 0;
};

// Where memory is and who may run on it.
struct MemoryState {
  std::vector<std::optional<RegionId>> places;  // of each buffer
  std::vector<GroupId> charged;                 // of each buffer
  std::vector<std::uint32_t> pins;              // of each buffer
  std::vector<std::vector<bool>> mapped;        // of each address space: each of its buffers
  std::vector<std::vector<std::uint32_t>> old;  // of what is mapped: to where it was before thread old - 1 copies it
  std::vector<bool> killed;                     // of each hardware use
  std::vector<bool> has_run;                    // of each hardware use with a gate: it has been open
  std::vector<std::vector<std::uint64_t>> maximum;  // of each group, for each region: dmem.max
};

struct State {
  std::vector<StepIndex> at;    // of each thread: its next step
  std::vector<bool> published;  // of each fence
  std::vector<bool> signalled;
  std::vector<LockState> locks;
  std::vector<std::int64_t> variables;
  std::vector<std::int64_t> taken;  // of each pool
  std::vector<QueueState> queues;
  std::vector<bool> requested;                        // of each fence: enable_signaling has been called
  std::vector<std::vector<Attachment>> reservations;  // sorted sets
  std::vector<std::uint32_t> slots;                   // reserved, of each reservation object
  std::vector<std::vector<FenceId>> sets;             // sorted sets
  std::vector<std::uint32_t> tickets;                 // age of each thread's transaction: 1 is the oldest, 0 none
  MemoryState memory;
  std::vector<std::vector<PageEntry>> page_tables;  // of each page table: each interval
};

struct Move {
  ThreadId thread;
  std::uint32_t branch = 0;  // index into the step's successors
  bool timeout = false;
  friend bool operator==(const Move&, const Move&) = default;
};

[[nodiscard]] State initial_state(const System& system);

// Moves that may happen now, by thread, then branch. O(threads * cost of a guard).
[[nodiscard]] std::vector<Move> moves(const System& system, const State& state, Causes causes = Causes::all());

// Timeouts that may fire, which they do only while moves() is empty.
[[nodiscard]] std::vector<Move> timeouts(const System& system, const State& state, Causes causes = Causes::all());

// May this move happen now? As moves() or timeouts(), without listing the others.
[[nodiscard]] bool possible(const System& system, const State& state, Move move, Causes causes = Causes::all());

// Requires: the move is possible. In place, for searches; else as a value.
void advance(const System& system, State& state, Move move, Causes causes = Causes::all());
[[nodiscard]] State after(const System& system, State state, Move move, Causes causes = Causes::all());

// May this thread, at a step, stay there for ever although it could move?
[[nodiscard]] bool may_stop(const System& system, const State& state, ThreadId thread, Causes causes = Causes::all());

// No thread that has to go on can move: nothing happens any more unless a
// timeout fires. User threads need not go on where the system lets them stop.
[[nodiscard]] bool at_rest(const System& system, const State& state, Causes causes = Causes::all());

// A thread is at a Cutoff: what would happen from here on is not known.
[[nodiscard]] bool cut_off(const System& system, const State& state);

// Is this job or work on its queue, not begun or queued again?
[[nodiscard]] bool is_waiting(const System& system, const State& state, ThreadId job);

// Does somebody wait in cancel_work_sync() for this work? Then queue_work() does nothing.
[[nodiscard]] bool is_being_cancelled(const System& system, const State& state, ThreadId work);

// Whose turn it is. A work that is queued again while it runs holds up nobody
// behind it.
[[nodiscard]] std::optional<ThreadId> next_to_begin(const State& state, QueueId queue);

// A job of a queue that is suspended: it does not go on.
[[nodiscard]] bool gate_closed(const System& system, const State& state, ThreadId job);

// Is this hardware running, so that it may touch its memory at any moment?
[[nodiscard]] bool runs(const System& system, const State& state, HardwareUseId use);

// Something that others may wait for and that somebody owes. In a state at
// rest it is never discharged (unless by a timeout).
struct Obligation {
  enum class Kind : std::uint8_t { fence, lock, job, thread } kind = Kind::fence;
  std::uint32_t index = 0;  // FenceId, LockId, or ThreadId of the job or thread
  friend bool operator==(const Obligation&, const Obligation&) = default;
};

// What is owed in a state (obligations.cpp): published kernel fences not yet
// signalled, but for those that signal on demand and nobody waits for, locks
// held, jobs pushed onto a worker and not finished, kernel threads between their
// first step and their end, tasks in an uninterruptible step. What a job on an
// engine owes is its fence: long-running jobs owe no end. Meaningful at rest.
[[nodiscard]] std::vector<Obligation> owed(const System& system, const State& state);

// What one thread waits for in a state at rest.
struct Blocker {
  enum class Kind : std::uint8_t { fence, lock, job, pool, variable, push } kind = Kind::fence;
  std::uint32_t index = 0;       // FenceId, LockId, PoolId, VariableId, ThreadId of the job awaited, or of itself
  std::vector<ThreadId> owners;  // who holds the lock, or the place in the queue
  Test wanted;                   // of a variable
};
[[nodiscard]] std::vector<Blocker> blockers(const System& system, const State& state, ThreadId thread);

// State keys, in state_key.cpp. The state as bytes: equal states of a system have equal keys and the reverse
// (who came first among the readers of a lock makes no difference).
[[nodiscard]] std::string key(const State& state);

// As key(), into a string whose memory is used again.
void write_key(const State& state, std::string& key);

// The state with this key, into any state of the same system, whose memory is
// used again.
void read_key(std::string_view key, State& state);

}  // namespace fencecheck
