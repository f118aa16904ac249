// A scenario, still in the user's words.
//
// read_yaml() makes it: every key is known and every value has the right form,
// but names are only names. lower() resolves them and turns the scenario into
// the core calculus. Keys and their meaning are listed once, in keys.hpp.
//
// A `Name` that points at a timeline point is written "timeline:point", as the
// kernel prints "context:seqno". A buffer's name stands for its reservation
// lock wherever a lock is expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "graph/model/finding.hpp"
#include "graph/model/report.hpp"
#include "graph/model/source.hpp"
#include "graph/model/system.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

struct Name {
  std::string text;
  Place at;
};

// Objects.

struct FenceDeclaration {
  Name name;
  FenceKind kind = FenceKind::kernel;
  std::optional<Milliseconds> timeout;  // a fallback timer signals it
  std::optional<Name> imports;          // a dma-fence that stands for this user-controlled fence
  std::vector<Name> array;              // a fence array: signals when all of these have signalled
  std::vector<std::string> seen_as{};   // how recordings call it; see graph/conform.hpp
};

struct TimelineDeclaration {
  Name name;
  FenceKind kind = FenceKind::kernel;
  std::uint32_t points = 0;            // points 1 … points; signalling one signals all before it
  std::vector<std::string> seen_as{};  // how recordings call it; see graph/conform.hpp
};

struct LockDeclaration {
  Name name;
  LockKind kind = LockKind::mutex;
  std::vector<std::string> seen_as{};  // how recordings call it; see graph/conform.hpp
};

struct VariableDeclaration {
  Name name;
  std::int64_t initial = 0;
};

struct PoolDeclaration {
  Name name;
  std::int64_t capacity = 0;
};

struct QueueDeclaration {
  Name name;
  ThreadKind runs_on = ThreadKind::engine;  // engine or worker
  std::uint32_t width = 1;                  // how many jobs may run at once; jobs start in order
  std::vector<std::string> seen_as{};       // how recordings call it; see graph/conform.hpp
};

struct RegionDeclaration {
  Name name;
};

struct BufferDeclaration {
  Name name;
  std::optional<Name> region;  // where it lives; buffers of a region can evict each other
  bool pinned = false;         // never a victim
};

// Steps.

struct StepDeclaration;
using Block = std::vector<StepDeclaration>;

struct SubmitStep {
  Name queue;
  Name job;                 // the job's name, and of its fence unless `out` says otherwise
  std::vector<Name> in;     // fences the job waits for
  std::optional<Name> out;  // the fence it signals
  struct Use {
    Name buffer;
    Usage usage = Usage::read;
  };
  std::vector<Use> uses;
  bool implicit_sync = true;  // wait for the fences found in the buffers' reservation objects
  Block runs;                 // what the job does between its waits and its signal
};

struct WaitStep {
  std::vector<Name> fences;
  Join join = Join::all;
  std::optional<Milliseconds> timeout;
  std::optional<bool> interruptible;
  Block on_timeout;  // runs if the timeout fires; afterwards the thread goes on
};

struct WaitReservationStep {
  Name buffer;
  Usage up_to = Usage::bookkeep;
  std::optional<Milliseconds> timeout;
  std::optional<bool> interruptible;
};

struct SignalStep {
  std::vector<Name> fences;
};

struct PublishStep {
  std::vector<Name> fences;
};

struct LockStep {
  Name lock;
  bool shared = false;
};

struct TryLockStep {
  Name lock;
  bool shared = false;
  Block steps;      // with the lock held; it is released after them
  Block otherwise;  // key `else`
};

struct UnlockStep {
  Name lock;
};

struct TransactionStep {
  std::vector<Name> locks;  // ww locks, taken in this order
  bool ticket = true;       // with a wait-die ticket: back off instead of deadlocking
  Block steps;              // with all of them held; they are released afterwards
};

struct AllocStep {
  Gfp gfp = Gfp::kernel;
  std::optional<Name> region;  // device memory: may evict another buffer of the region
  std::optional<Name> buffer;  // the buffer that is being made resident: its region, and not a victim itself
};

struct EvictStep {
  Name buffer;
  enum class Locking : std::uint8_t { trylock, lock, held } locking = Locking::trylock;
};

struct AttachStep {
  Name buffer;
  Name fence;
  Usage usage = Usage::write;
};

struct TakeStep {
  Name pool;
  std::int64_t amount = 1;
};

struct GiveStep {
  Name pool;
  std::int64_t amount = 1;
};

struct SetStep {
  Name variable;
  std::int64_t value = 0;
};

struct WhenStep {
  struct Condition {
    Name variable;
    std::int64_t value = 0;
  };
  std::vector<Condition> conditions;  // all of them
};

struct ChooseStep {
  std::vector<Block> branches;
};

struct CallStep {
  Name procedure;
};

struct StepDeclaration {
  using What = std::variant<SubmitStep, WaitStep, WaitReservationStep, SignalStep, PublishStep, LockStep, TryLockStep,
                            UnlockStep, TransactionStep, AllocStep, EvictStep, AttachStep, TakeStep, GiveStep, SetStep,
                            WhenStep, ChooseStep, CallStep>;
  What what;
  Place at;  // the key
};

struct ThreadDeclaration {
  Name name;
  ThreadKind kind = ThreadKind::user;
  Block steps;
  std::vector<std::string> seen_as{};  // how recordings call it; see graph/conform.hpp
};

// Steps that other steps include: procedures by name; shrinkers and notifiers
// from allocations that may reclaim.
struct ProcedureDeclaration {
  Name name;
  Block steps;
};

struct Scenario {
  std::string title;
  std::string description;
  std::string source;
  std::optional<Expectation> expect;
  bool memory_pressure = true;      // environment: allocations may have to reclaim or evict
  bool userspace_may_stop = false;  // environment: a user thread may stop at any step
  std::vector<RegionDeclaration> regions;
  std::vector<BufferDeclaration> buffers;
  std::vector<FenceDeclaration> fences;
  std::vector<TimelineDeclaration> timelines;
  std::vector<LockDeclaration> locks;
  std::vector<VariableDeclaration> variables;
  std::vector<PoolDeclaration> pools;
  std::vector<QueueDeclaration> queues;
  std::vector<ProcedureDeclaration> procedures;
  std::vector<ProcedureDeclaration> shrinkers;
  std::vector<ProcedureDeclaration> notifiers;
  std::vector<ThreadDeclaration> threads;
  std::vector<std::string> outside{};  // what recordings show and the design says nothing about, on purpose
};

}  // namespace fencecheck
