// The core calculus: the one form that every engine works on.
//
// A system is a finite set of objects and of threads. A thread is a control-flow
// graph over a small set of steps; `next` lists the successors of a step, and
// the index one past the last step is the thread's end. Whatever a scenario
// says is lowered to this form once; it is immutable from then on. The meaning
// of every step is in state.hpp and, as rules, in docs/semantics.md.
//
// Invariant (checked by check_system): successors are in range, every step kind
// has the number of successors that its row in step_table states, a job's
// program starts with Begin and reaches Finish on every way to its end.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/model/finding.hpp"
#include "graph/model/source.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

// An index into one of System's tables; ids of different tables do not mix.
template <class Tag>
struct Id {
  std::uint32_t index = 0;
  friend auto operator<=>(Id, Id) = default;
};
using FenceId = Id<struct FenceTag>;
using LockId = Id<struct LockTag>;
using VariableId = Id<struct VariableTag>;
using PoolId = Id<struct PoolTag>;
using QueueId = Id<struct QueueTag>;
using ReservationId = Id<struct ReservationTag>;
using DependencySetId = Id<struct DependencySetTag>;
using ThreadId = Id<struct ThreadTag>;
using StepIndex = std::uint32_t;

enum class Join : std::uint8_t { all, any };

// Objects.

struct Fence {
  std::string name;
  FenceKind kind = FenceKind::kernel;
  bool published = false;  // from the start
  Place at;
};

struct Lock {
  std::string name;
  LockKind kind = LockKind::mutex;
  Place at;
};

struct Variable {
  std::string name;
  std::int64_t initial = 0;
  Place at;
};

struct Pool {
  std::string name;
  std::int64_t capacity = 0;
  Place at;
};

// Jobs start in the order in which they were pushed, at most `width` at a time.
struct Queue {
  std::string name;
  std::uint32_t width = 1;
  Place at;
};

// A reservation object: fences, each with a usage, that a buffer carries.
struct Reservation {
  std::string name;
  Place at;
};

// A set of fences collected from reservation objects: what was attached at the
// moment of collection, waited for later (a job's implicit dependencies).
struct DependencySet {
  std::string name;
  Place at;
};

// Steps.

struct Wait {  // for all or any of the fences
  std::vector<FenceId> fences;
  Join join = Join::all;
};
struct WaitSet {  // for all fences of the set
  DependencySetId set;
};
struct Publish {
  FenceId fence;
};
struct Signal {  // all at once
  std::vector<FenceId> fences;
};
struct Acquire {
  LockId lock;
  bool shared = false;
};
struct TryAcquire {  // next: taken, busy
  LockId lock;
  bool shared = false;
};
struct TakeTicket {};       // begins a wait-die transaction: the thread becomes the youngest
struct AcquireWithTicket {  // next: taken, back off (held by an older transaction)
  LockId lock;
};
struct Release {
  LockId lock;
};
struct Take {
  PoolId pool;
  std::int64_t amount = 1;
};
struct Give {
  PoolId pool;
  std::int64_t amount = 1;
};
struct Push {  // onto the queue of that job; at most once
  ThreadId job;
};
struct Begin {};   // a job's first step: waits until it is pushed and its turn
struct Finish {};  // a job's last step: makes room on its queue
struct Attach {
  ReservationId reservation;
  FenceId fence;
  Usage usage = Usage::write;
};
struct Collect {  // the attached fences of these usages, into the set
  ReservationId reservation;
  Usage up_to = Usage::bookkeep;
  DependencySetId into;
};
struct Assign {
  VariableId variable;
  std::int64_t value = 0;
};
struct Test {
  VariableId variable;
  std::int64_t value = 0;
  bool equal = true;
};
struct Branch {
  std::vector<Test> tests;     // all must hold
  std::optional<Cause> cause;  // only possible while this cause is switched on
};
struct Choose {  // any branch whose tests hold; waits while there is none; next: one for each branch
  std::vector<Branch> branches;
};
struct Expire {  // a fence's fallback timer: signals it, with the priority of a timeout
  FenceId fence;
};
struct Cutoff {  // the end of what was unfolded: answers beyond it are unknown
  std::string bound;
};

using Action = std::variant<Wait, WaitSet, Publish, Signal, Acquire, TryAcquire, TakeTicket, AcquireWithTicket, Release,
                            Take, Give, Push, Begin, Finish, Attach, Collect, Assign, Choose, Expire, Cutoff>;

// What a bounded wait does when its timeout fires.
struct Timeout {
  Milliseconds after{0};
  StepIndex next = 0;
};

struct Step {
  Action action;
  std::vector<StepIndex> next;
  Cause cause = Cause::explicit_sync;  // why it may have to wait
  std::optional<Timeout> timeout;      // Wait and WaitSet only
  bool interruptible = false;          // a task stuck here can be killed: nobody's obligation
  bool userspace = false;              // a user thread may stop before this step, outside the kernel
  Place at;
  std::string context;  // why the thread does this, for the story; may be empty
};

struct Thread {
  std::string name;
  ThreadKind kind = ThreadKind::user;
  std::vector<Step> program;
  std::optional<QueueId> queue;                 // a job of this queue
  std::optional<Milliseconds> expires_after{};  // timers: how long they take
  Place at;
  [[nodiscard]] StepIndex end() const { return static_cast<StepIndex>(program.size()); }
};

struct System {
  std::vector<Fence> fences;
  std::vector<Lock> locks;
  std::vector<Variable> variables;
  std::vector<Pool> pools;
  std::vector<Queue> queues;
  std::vector<Reservation> reservations;
  std::vector<DependencySet> sets;
  std::vector<Thread> threads;
  bool userspace_may_stop = false;

  [[nodiscard]] const Fence& operator[](FenceId id) const { return fences[id.index]; }
  [[nodiscard]] const Lock& operator[](LockId id) const { return locks[id.index]; }
  [[nodiscard]] const Variable& operator[](VariableId id) const { return variables[id.index]; }
  [[nodiscard]] const Pool& operator[](PoolId id) const { return pools[id.index]; }
  [[nodiscard]] const Queue& operator[](QueueId id) const { return queues[id.index]; }
  [[nodiscard]] const Reservation& operator[](ReservationId id) const { return reservations[id.index]; }
  [[nodiscard]] const DependencySet& operator[](DependencySetId id) const { return sets[id.index]; }
  [[nodiscard]] const Thread& operator[](ThreadId id) const { return threads[id.index]; }
};

// A Choose has at most this many branches.
inline constexpr std::size_t most_branches = 64;

// The first thing wrong with a system's form, or nothing. O(steps).
[[nodiscard]] std::optional<std::string> check_system(const System& system);

// The causes that some step of the system may wait for.
[[nodiscard]] Causes causes_of(const System& system);

// "user 'client'", "job 'frame'": the thread as the story names it.
[[nodiscard]] std::string title(const Thread& thread);

// "waits for fence 'a'", "takes lock 'm'": the step as the story tells it.
[[nodiscard]] std::string describe(const System& system, const Thread& thread, const Step& step);

}  // namespace fencecheck
