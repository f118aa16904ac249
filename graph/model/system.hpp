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

#include "graph/model/dmem.hpp"
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
using RegionId = Id<struct RegionTag>;
using GroupId = Id<struct GroupTag>;
using BufferId = Id<struct BufferTag>;
using AddressSpaceId = Id<struct AddressSpaceTag>;
using HardwareUseId = Id<struct HardwareUseTag>;
using PageTableId = Id<struct PageTableTag>;
using ThreadId = Id<struct ThreadTag>;
using StepIndex = std::uint32_t;

enum class Join : std::uint8_t { all, any };

// Objects.

struct Fence {
  std::string name;
  FenceKind kind = FenceKind::kernel;
  bool published = false;  // from the start
  Place at;
  std::uint32_t context = 0;              // of a timeline; 0: a context of its own
  std::uint32_t point = 0;                // in its context
  std::optional<ThreadId> on_wait{};      // enable_signaling: the first wait queues this work
  std::vector<HardwareUseId> promises{};  // its signal says that this hardware has stopped
  std::vector<FenceId> members{};         // of a fence array: what it stands for
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
  std::optional<VariableId> gate{};  // a user queue: while it is 0 nothing on the queue goes on
};

struct Attachment {
  FenceId fence;
  Usage usage = Usage::write;
  friend auto operator<=>(const Attachment&, const Attachment&) = default;
};

// A reservation object: fences, each with a usage, that a buffer carries.
struct Reservation {
  std::string name;
  Place at;
  std::optional<LockId> lock{};        // protects it; unlocking forgets reserved slots
  bool counted = false;                // every new fence needs a reserved slot (kernel-facts RS-05)
  std::vector<Attachment> attached{};  // at the beginning
};

// A set of fences collected from reservation objects: what was attached at the
// moment of collection, waited for later (a job's implicit dependencies).
struct DependencySet {
  std::string name;
  Place at;
};

// Memory. Sizes are bytes.

// A kind of memory, such as the VRAM of one tile.
struct Region {
  std::string name;
  std::uint64_t capacity = dmem::unlimited;
  bool accounted = false;    // charged to the groups of a cgroup tree (kernel-facts DM-01)
  ReservationId departures;  // copies that still read memory which is handed out again (TT-08)
  Place at;
};

// A control group. Group 0 is the root; parents come before their children.
struct Group {
  std::string name;
  std::optional<GroupId> parent;
  std::vector<dmem::Limits> limits;  // for each region
  Place at;
};

struct Buffer {
  std::string name;
  std::uint64_t size = 0;
  LockId lock;
  ReservationId reservation;
  std::optional<RegionId> place;     // at the beginning; none: it has no memory
  std::vector<RegionId> placements;  // where it may be, the best first
  GroupId charged;                   // at the beginning
  std::uint32_t pins = 0;            // at the beginning
  bool keep = false;                 // asked for: that it is evicted is a finding
  Place at;
  std::vector<RegionId> fallback{};  // those of the placements that only the forced round considers
};

// Does ttm_bo_validate consider this placement in its first, or in its forced round?
[[nodiscard]] bool considered(const Buffer& buffer, RegionId placement, bool force);

// What becomes of running hardware whose memory goes away.
enum class AddressSpaceMode : std::uint8_t { dma_fence, preempt_fence, no_preemption, fault, last_ = fault };

struct AddressSpaceModeInfo {
  AddressSpaceMode mode;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto address_space_mode_table = std::to_array<AddressSpaceModeInfo>({
    {AddressSpaceMode::dma_fence, "dma-fence", "jobs end with a dma_fence; memory moves when it has signalled"},
    {AddressSpaceMode::preempt_fence, "preempt-fence", "a fence that stops the hardware; memory moves after it"},
    {AddressSpaceMode::no_preemption, "no-preemption", "nothing can stop the hardware: unmapping memory kills it"},
    {AddressSpaceMode::fault, "fault", "recoverable page faults: the hardware waits for memory that is not mapped"},
});
static_assert(covers(address_space_mode_table, &AddressSpaceModeInfo::mode, AddressSpaceMode::last_));
constexpr const AddressSpaceModeInfo& info(AddressSpaceMode mode) {
  return address_space_mode_table[static_cast<std::size_t>(mode)];
}

struct AddressSpace {
  std::string name;
  AddressSpaceMode mode = AddressSpaceMode::dma_fence;
  std::vector<BufferId> buffers;
  bool mapped = true;      // at the beginning, those of its buffers that have memory
  bool evicts_own = true;  // its own allocations may evict its own buffers (KF-08, xe's rule)
  Place at;
  std::optional<PageTableId> table{};  // where addresses count, not only buffers
};

// Ranges of addresses (graph/model/page_tables.hpp). The bounds of all ranges that a system names cut an address space
// into intervals that no operation splits any more.

// What an interval shows: an object from some offset on, or nothing.
struct PageEntry {
  std::uint32_t object = 0;  // index into PageTable::objects and one more; 0: a hole
  std::uint64_t offset = 0;  // bytes, of the interval's first address; 0 for holes
  friend bool operator==(const PageEntry&, const PageEntry&) = default;
};

struct MappedObject {
  std::string name;
  std::optional<BufferId> memory{};  // where it is tracked
};

struct PageTable {
  std::string name;
  AddressSpaceId space;
  std::vector<std::uint64_t> bounds;  // interval i reaches from bound i to bound i + 1
  std::vector<MappedObject> objects;
  std::vector<PageEntry> initial;      // of each interval
  std::optional<PageTableId> asked{};  // what the calls that succeeded add up to
  Place at;
  std::optional<VariableId> banned{};  // not 0: nobody uses it any more, whatever it shows
};

// Where the content of a range comes from, instead of an entry.
struct PageSource {
  PageTableId table;
  std::uint32_t first = 0;  // interval; the lengths of those that follow fit
  bool moves = false;       // it leaves a hole behind
};

// The intervals from `first` to before `last` show what follows `entry`, or what the source shows.
struct PageWrite {
  PageTableId table;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  PageEntry entry{};
  std::optional<PageSource> from{};
};

// What hardware relies on to find in an interval of its address space.
struct Reliance {
  std::uint32_t interval = 0;
  PageEntry entry;
};

// Hardware that touches the memory of an address space as long as it runs: a job
// from its step `begins` until it has passed `ends`, or a user queue while its
// gate is open.
struct HardwareUse {
  std::string name;
  AddressSpaceId space;
  std::optional<VariableId> gate;
  std::optional<ThreadId> job;
  StepIndex begins = 0;  // of the job's program
  StepIndex ends = 0;
  Place at;
  std::vector<Reliance> relies_on{};  // in the page table of its address space
};

// Steps.

struct Wait {  // for all or any of the fences
  std::vector<FenceId> fences;
  Join join = Join::all;
};
struct WaitSet {  // for all fences of the set, or all of one of the others; for an empty set nobody waits
  DependencySetId set;
  std::vector<DependencySetId> others{};
  [[nodiscard]] std::vector<DependencySetId> sets() const {
    std::vector<DependencySetId> all{set};
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }
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
struct Push {  // onto the queue of that job, unless it waits there already (queue_work)
  ThreadId job;
  std::vector<PageWrite> asks{};  // what the caller asks for by it, at once
};
struct Begin {};   // a job's first step: waits until it is pushed and its turn
struct Finish {};  // a job's last step: makes room on its queue
struct Attach {
  ReservationId reservation;
  FenceId fence;
  Usage usage = Usage::write;
  bool replaces = false;  // whatever was attached before: a container of one fence, such as a binary syncobj
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
[[nodiscard]] constexpr bool holds(const Test& test, std::int64_t value) { return (value == test.value) == test.equal; }

struct Branch {
  std::vector<Test> tests;     // all must hold
  std::optional<Cause> cause;  // only possible while this cause is switched on
};
struct Choose {  // any branch whose tests hold; waits while there is none; next: one for each branch
  std::vector<Branch> branches;
};
// Some branch is open whatever the variables hold: an `if`, which makes nobody
// wait, so that its tests count whatever causes are switched off. O(tests).
[[nodiscard]] bool never_waits(const Choose& choose);

struct Expire {  // a fence's fallback timer: signals it, with the priority of a timeout
  FenceId fence;
};
struct Cutoff {  // the end of what was unfolded: answers beyond it are unknown
  std::string bound;
};

// Fences that are made anew, and work items.

struct Capture {  // these fences, as they are now, into the set
  std::vector<FenceId> fences;
  DependencySetId into;
};
struct Trigger {  // enable_signaling on the set's unsignalled fences: queues the work of each
  DependencySetId set;
};
struct Renew {  // a new, unpublished fence takes the place of this one
  FenceId fence;
};
struct Detach {  // takes the fence out of the reservation object (dma_resv_replace_fences)
  ReservationId reservation;
  FenceId fence;
};
struct Inherit {  // every fence attached to `from` is attached to `to`, as KERNEL
  ReservationId from;
  ReservationId to;
};
struct Reserve {  // dma_resv_reserve_fences
  ReservationId reservation;
  std::uint32_t slots = 1;
};
struct Flush {  // flush_work: waits while the work is queued or runs
  ThreadId work;
  bool cancels = false;    // nobody queues it meanwhile
  bool stands_in = false;  // the kernel makes another job instead of waiting for the last turn of this one
};
struct Cancel {  // takes it off its queue, if it waits there; cancel_work_sync is this and then Flush
  ThreadId work;
};

// Memory.

// ttm_resource_alloc, and what ttm_bo_validate makes of a failure: charges the
// thread's group and takes the space. next: done, evict first, try elsewhere.
struct Allocate {
  BufferId buffer;
  RegionId region;
  bool force = false;
  bool moves = false;                   // from where it is: page tables lead there until the Unmap of
  std::optional<ThreadId> copied_by{};  // this copy job, or else of the same thread
};
enum class VictimLocking : std::uint8_t { trylock, ticket, none };
// One buffer of the region that the kernel's test permits to evict; any of
// them, for the order of the LRU is not known. With trylock its lock is taken
// at once; otherwise the test is repeated under the lock (`confirms`). next: one
// for each of the system's buffers, then: nobody.
struct PickVictim {
  RegionId region;
  std::optional<BufferId> for_buffer;  // allocates; else the group's usage is above its limit
  std::optional<GroupId> over_limit;
  bool force = false;  // as the Allocate that failed
  bool ignore_low = false;
  VictimLocking locking = VictimLocking::trylock;
  std::optional<BufferId> confirms{};  // under this buffer's lock: may it still go?
};
// Where the buffer's memory is, before it is moved or, without `to`, evicted.
// next: one for each of its placements, then: in none of them, then: it stays
// (it is pinned, or there already, or can go nowhere).
struct Locate {
  BufferId buffer;
  std::optional<RegionId> to{};
};
struct Relocate {  // the buffer's memory is in that region from now on; none: it has none
  BufferId buffer;
  std::optional<RegionId> to;
  std::optional<PickVictim> chosen_by{};  // the first pass of the search that evicts it
  std::optional<ThreadId> copied_by{};    // page tables lead to the old memory until this job's Unmap, or a Map
};
struct Unmap {  // from every address space
  BufferId buffer;
  std::optional<PickVictim> chosen_by{};
  bool only_old = false;  // by a copy job: what leads to the memory that it has copied
};
struct Map {  // the address space's page tables show where the buffer is
  AddressSpaceId space;
  BufferId buffer;
};
struct Pin {  // amount -1: unpin
  BufferId buffer;
  std::int32_t amount = 1;
};
struct Kill {  // the hardware never runs again: a banned queue, or a job that is taken off, its kernel fences signalled
  HardwareUseId use;
};
struct Deny {  // the allocation has failed
  BufferId buffer;
  bool handled = false;  // its caller does something about it: bad luck with locks is no harm
};
struct SetLimit {  // dmem.max of a group
  GroupId group;
  RegionId region;
  std::uint64_t max = dmem::unlimited;
};
struct WriteRanges {  // page tables, one write after the other, at once
  std::vector<PageWrite> writes;
  std::string says;  // for the story: "maps 'a' at 0x10000+64KiB in 'vm'"
};

using Action = std::variant<Wait, WaitSet, Publish, Signal, Acquire, TryAcquire, TakeTicket, AcquireWithTicket, Release,
                            Take, Give, Push, Begin, Finish, Attach, Collect, Assign, Choose, Expire, Cutoff, Capture,
                            Trigger, Renew, Detach, Inherit, Reserve, Flush, Cancel, Allocate, PickVictim, Locate,
                            Relocate, Unmap, Map, Pin, Kill, Deny, SetLimit, WriteRanges>;

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
  bool restarts = false;               // and if it does not, it owes to go on: a call that failed is made again
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
  GroupId group{};                        // whom its allocations are charged to
  std::optional<AddressSpaceId> space{};  // whose buffers it works for
  [[nodiscard]] StepIndex end() const { return static_cast<StepIndex>(program.size()); }
};

// How often a user thread enters the kernel, and for how many submissions: what
// designs of user queues are weighed by. On its shortest and on its longest way.
struct RoundTrips {
  ThreadId thread;
  std::uint32_t fewest = 0, most = 0;
  std::uint32_t fewest_submissions = 0, most_submissions = 0;
};

// A rule that the text of a scenario breaks, whatever its executions do; found where it is lowered.
struct RuleBreach {
  Rule rule = Rule::indefinite_fence;
  Place at;
  std::string what;   // one sentence
  std::string who;    // whose text it is
  std::string meets;  // what it should not meet
  Cause cause = Cause::explicit_sync;
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
  std::vector<Region> regions;
  std::vector<Group> groups;
  std::vector<Buffer> buffers;
  std::vector<AddressSpace> spaces;
  std::vector<HardwareUse> uses;
  std::vector<PageTable> page_tables;
  std::vector<RuleBreach> breaches;
  std::vector<RoundTrips> round_trips;
  dmem::Kernel kernel = dmem::Kernel::v7_3;
  bool swap = true;  // what has no other place can go to system memory
  bool userspace_may_stop = false;

  [[nodiscard]] const Fence& operator[](FenceId id) const { return fences[id.index]; }
  [[nodiscard]] const Lock& operator[](LockId id) const { return locks[id.index]; }
  [[nodiscard]] const Variable& operator[](VariableId id) const { return variables[id.index]; }
  [[nodiscard]] const Pool& operator[](PoolId id) const { return pools[id.index]; }
  [[nodiscard]] const Queue& operator[](QueueId id) const { return queues[id.index]; }
  [[nodiscard]] const Reservation& operator[](ReservationId id) const { return reservations[id.index]; }
  [[nodiscard]] const DependencySet& operator[](DependencySetId id) const { return sets[id.index]; }
  [[nodiscard]] const Thread& operator[](ThreadId id) const { return threads[id.index]; }
  [[nodiscard]] const Region& operator[](RegionId id) const { return regions[id.index]; }
  [[nodiscard]] const Group& operator[](GroupId id) const { return groups[id.index]; }
  [[nodiscard]] const Buffer& operator[](BufferId id) const { return buffers[id.index]; }
  [[nodiscard]] const AddressSpace& operator[](AddressSpaceId id) const { return spaces[id.index]; }
  [[nodiscard]] const HardwareUse& operator[](HardwareUseId id) const { return uses[id.index]; }
  [[nodiscard]] const PageTable& operator[](PageTableId id) const { return page_tables[id.index]; }
};

// How many successors a step of this kind has.
[[nodiscard]] std::size_t successors(const System& system, const Action& action);

// The jobs of the queue that runs only while this variable is not 0. O(threads).
[[nodiscard]] std::vector<ThreadId> jobs_of_gate(const System& system, VariableId gate);

// The kernel fences that a killed job leaves signalled: those that its steps signal, of a timeline its own point.
// O(steps).
[[nodiscard]] std::vector<FenceId> signalled_by_kill(const System& system, const Thread& job);

// A Choose has at most this many branches.
inline constexpr std::size_t most_branches = 64;

// A work or a job that leads back to its first step: it may be queued again.
[[nodiscard]] bool repeats(const Thread& thread);

// The first thing wrong with a system's form, or nothing. O(steps).
[[nodiscard]] std::optional<std::string> check_system(const System& system);

// The queue that runs only while this variable is not 0, if it is a gate. O(queues).
[[nodiscard]] std::optional<QueueId> gated_by(const System& system, VariableId variable);

// The causes that some step of the system may wait for.
[[nodiscard]] Causes causes_of(const System& system);

// "worker 'kswapd'", "job 'flip'", "work 'suspend'": the thread as the story names it.
[[nodiscard]] std::string title(const Thread& thread);

// "waits for fence 'a'", "takes lock 'm'": the step as the story tells it.
[[nodiscard]] std::string describe(const System& system, const Thread& thread, const Step& step);

}  // namespace fencecheck
