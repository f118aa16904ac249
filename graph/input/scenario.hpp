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

#include "graph/model/dmem.hpp"
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
  std::optional<Name> on_wait;          // the work that the first wait queues
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

enum class QueueKind : std::uint8_t { engine, worker, user, bind, last_ = bind };

struct QueueDeclaration {
  Name name;
  QueueKind kind = QueueKind::engine;
  std::uint32_t width = 1;             // how many jobs may run at once; jobs start in order
  std::optional<Name> address_space;   // engine, user: whose memory its jobs use; bind: which one they change
  bool suspended = false;              // user: from the start
  bool rescuer = true;                 // worker: WQ_MEM_RECLAIM
  std::vector<std::string> seen_as{};  // how recordings call it; see graph/conform.hpp
};

struct RegionDeclaration {
  Name name;
  std::optional<std::uint64_t> capacity;  // bytes
  std::optional<bool> accounted;
  std::optional<Name> copies_on;  // evictions are copy jobs on this queue
};

struct LimitsDeclaration {
  Name name;  // the region
  dmem::Limits limits;
  std::optional<Place> high;  // where it is given
};

struct GroupDeclaration {
  Name name;
  std::optional<Name> parent;  // without one: the root
  std::vector<LimitsDeclaration> limits;
};

struct BufferDeclaration {
  Name name;
  std::optional<Name> region;           // where it lives; buffers of a region can evict each other
  std::vector<Name> placements;         // the best first; without them: its region
  std::vector<Name> fallback;           // those of them that only the forced round considers
  std::optional<std::uint64_t> size;    // bytes
  std::optional<Name> group;            // whom it is charged to at the beginning
  bool pinned = false;                  // never a victim
  bool resident = true;                 // has memory at the beginning
  bool keep = false;                    // that it is evicted is a finding
  std::optional<Name> notifier_lock{};  // user memory: held where its sequence is looked at last, and raised
  std::optional<Name> sequence{};       // user memory: the variable that an MMU notifier sets
};

// Addresses and what is there: "a from 4KiB at 0x10000+64KiB".
struct RangeDeclaration {
  Name buffer;
  std::uint64_t offset = 0;  // bytes, in the buffer
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
  Place at;
};

// "map a at 0x10000+64KiB", "unmap 0x10000+64KiB", "move 0x10000+64KiB to 0x40000".
struct BindOperation {
  enum class Verb : std::uint8_t { map, unmap, move } verb = Verb::map;
  RangeDeclaration range;  // without a buffer unless it maps
  std::uint64_t to = 0;    // where it moves
  std::string text;        // as written
};

// A container of one fence, or of one for each point of a timeline.
struct SyncobjDeclaration {
  Name name;
  std::uint32_t points = 0;  // 0: binary
};

struct AddressSpaceDeclaration {
  Name name;
  AddressSpaceMode mode = AddressSpaceMode::dma_fence;
  std::vector<Name> buffers;
  std::optional<Name> fence;  // its eviction fence
  bool mapped = true;         // at the beginning
  bool evicts_own = true;
  std::vector<RangeDeclaration> ranges{};  // mapped at the beginning
  std::optional<Name> lock{};              // gpu_vm->lock: each vm-bind holds it in the kernel
  bool blocks_unbind = false;              // unbinding waits while a bind has failed and saved where
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
  bool implicit_sync = true;               // wait for the fences found in the buffers' reservation objects
  bool doorbell = false;                   // onto a user queue, without the kernel
  Block runs;                              // what the job does between its waits and its signal
  std::vector<RangeDeclaration> ranges{};  // addresses that it uses, and what it relies on to find there
  std::vector<Name> in_syncobjs{};
  std::vector<Name> out_syncobjs{};
  bool wait_for_submit = false;  // waits until its in-syncobjs hold a fence; else it is refused if one is empty
};

// Where a bind gets page tables from.
enum class PageTablesFrom : std::uint8_t { reserve, ioctl, job, last_ = job };

// What a bind that fails in the middle of its list leaves behind, and where a restart begins.
enum class BindErrors : std::uint8_t { unchanged, unwind, saved, cookie, partial, last_ = partial };

enum class BindErrno : std::uint8_t { enospc, enomem, eintr, last_ = eintr };

// What becomes of the VM if the job itself fails, which nobody expects.
enum class JobErrors : std::uint8_t { none, ban, ignore, report, last_ = report };

struct VmBindStep {
  std::optional<Name> address_space;  // synchronous
  std::optional<Name> queue;          // asynchronous
  std::optional<Name> job;
  std::vector<BindOperation> operations;
  std::vector<Name> in;
  std::optional<Name> out;
  std::vector<SubmitStep::Use> uses;  // reservation objects that get the out-fence
  std::vector<Name> in_syncobjs;
  std::vector<Name> out_syncobjs;
  bool wait_for_submit = false;
  bool wait_in_ioctl = false;  // for the in-fences, before anything else
  PageTablesFrom page_tables = PageTablesFrom::reserve;
  bool falls_back = false;  // to synchronous execution, where memory is short
  std::vector<BindErrno> fails;
  BindErrors on_error = BindErrors::unchanged;
  std::optional<Name> cookie;  // a variable: how many operations are done
  std::optional<Block> otherwise;
  std::optional<Block> restart;  // instead: before userspace makes the call again, until it succeeds
  std::vector<Name> validates;   // buffers that get memory first; without room it fails
  std::optional<Name> job_lock;  // held by the job while it writes page tables
  JobErrors on_job_error = JobErrors::none;
};

// The operations of a bind, where the page tables are written.
struct WriteRangesStep {
  Name address_space;
  std::vector<BindOperation> operations;
  PageTablesFrom page_tables = PageTablesFrom::reserve;
  std::optional<Name> lock;
  JobErrors on_error = JobErrors::none;
};

struct WaitSyncobjStep {
  std::vector<Name> syncobjs;
  Join join = Join::all;
  bool wait_for_submit = false;
  bool available = false;  // only until they hold a fence
  std::optional<Milliseconds> timeout;
  std::optional<bool> interruptible;
};

struct TransferStep {  // the fence that one holds now
  Name from;
  Name to;
};

struct ResetSyncobjStep {
  std::vector<Name> syncobjs;
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

struct WaitSubmissionsStep {
  Name queue;  // a user queue
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
  std::optional<Name> by;  // a copy job on this queue
};

// Makes buffers resident, as ttm_bo_validate: of one buffer, or of all of an address space.
struct ValidateStep {
  std::optional<Name> buffer;
  std::optional<Name> address_space;
  bool no_evict = false;
  std::optional<Block> otherwise;  // key `else`: memory is denied
};

struct MoveStep {
  Name buffer;
  Name to;
  std::optional<Name> by;
};

struct MapStep {  // one buffer, or all of the address space
  Name address_space;
  std::optional<Name> buffer;
};

struct UnmapStep {
  Name buffer;
};

struct PinStep {
  Name buffer;
  std::int32_t amount = 1;  // -1: unpin
};

struct ReserveStep {
  Name buffer;
  std::uint32_t slots = 1;
};

struct DetachStep {
  Name buffer;
  Name fence;
};

struct RearmStep {  // a new eviction fence takes the place of the old one
  Name address_space;
  std::optional<Name> fence;  // without it: that of the address space
};

struct SetLimitStep {
  Name group;
  Name region;
  std::uint64_t max = dmem::unlimited;
  bool nonblock = false;
};

struct WorkStep {
  enum class Verb : std::uint8_t { queue, flush, cancel } verb = Verb::queue;
  Name work;
};

struct GateStep {  // suspends or resumes a user queue
  Name queue;
  bool open = false;
};

struct KillStep {
  Name hardware;  // a user queue, or a job
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

struct Condition {
  Name variable;  // or a user queue: 1 while it may run
  std::int64_t value = 0;
};

struct WhenStep {
  std::vector<Condition> conditions;  // all of them
};

struct IfStep {
  std::vector<Condition> conditions;  // all of them
  Block then;
  Block otherwise;  // key `else`
};

struct LoopStep {
  Name name;
  Block steps;
};

struct RetryStep {
  Name loop;
};

struct IoctlStep {  // a user thread inside the kernel
  Block steps;
};

struct ChooseStep {
  std::vector<Block> branches;
};

struct CallStep {
  Name procedure;
};

struct StepDeclaration {
  using What =
      std::variant<SubmitStep, WaitStep, WaitReservationStep, WaitSubmissionsStep, SignalStep, PublishStep, LockStep,
                   TryLockStep, UnlockStep, TransactionStep, AllocStep, EvictStep, ValidateStep, MoveStep, MapStep,
                   UnmapStep, PinStep, AttachStep, DetachStep, ReserveStep, RearmStep, SetLimitStep, WorkStep, GateStep,
                   KillStep, TakeStep, GiveStep, SetStep, WhenStep, IfStep, ChooseStep, LoopStep, RetryStep, IoctlStep,
                   CallStep, VmBindStep, WriteRangesStep, WaitSyncobjStep, TransferStep, ResetSyncobjStep>;
  What what;
  Place at;  // the key
};

struct ThreadDeclaration {
  Name name;
  ThreadKind kind = ThreadKind::user;
  Block steps;
  std::optional<Name> group;           // whom its allocations are charged to
  std::optional<Name> address_space;   // whose buffers it works for
  std::vector<std::string> seen_as{};  // how recordings call it; see graph/conform.hpp
};

// A work item: a program that runs on a worker queue whenever it is queued.
struct WorkDeclaration {
  Name name;
  Name queue;
  Block steps;
  std::optional<Name> group;
  std::optional<Name> address_space;
};

// Steps that other steps include: procedures by name; shrinkers and notifiers
// from allocations that may reclaim.
struct ProcedureDeclaration {
  Name name;
  Block steps;
};

// Something of which there are several instances. What they own is declared
// under its own kind, with names such as "client[2].done".
struct TemplateDeclaration {
  Name name;
  bool many = false;            // any number of them
  std::uint32_t instances = 1;  // that stand in this scenario
};

struct Scenario {
  std::string title;
  std::string description;
  std::string source;
  std::optional<Expectation> expect;
  bool memory_pressure = true;      // environment: allocations may have to reclaim or evict
  bool userspace_may_stop = false;  // environment: a user thread may stop at any step
  bool swap = true;                 // environment: what has no other place can go to system memory
  bool reserved_slots = false;      // environment: every fence that is attached needs a reserved slot
  dmem::Kernel kernel = dmem::Kernel::v7_3;
  std::vector<RegionDeclaration> regions;
  std::vector<GroupDeclaration> groups;
  std::vector<BufferDeclaration> buffers;
  std::vector<AddressSpaceDeclaration> address_spaces;
  std::vector<FenceDeclaration> fences;
  std::vector<TimelineDeclaration> timelines;
  std::vector<SyncobjDeclaration> syncobjs{};
  std::vector<LockDeclaration> locks;
  std::vector<VariableDeclaration> variables;
  std::vector<PoolDeclaration> pools;
  std::vector<QueueDeclaration> queues;
  std::vector<ProcedureDeclaration> procedures;
  std::vector<ProcedureDeclaration> shrinkers;
  std::vector<ProcedureDeclaration> notifiers;
  std::vector<WorkDeclaration> works;
  std::vector<ThreadDeclaration> threads;
  std::vector<TemplateDeclaration> templates{};
  std::vector<std::string> outside{};  // what recordings show and the design says nothing about, on purpose
};

}  // namespace fencecheck
