// What a check says: findings with their evidence, and verdicts.
//
// Three strengths are never mixed: *observed* happened in a trace, *confirmed*
// has a schedule that was replayed on the operational semantics, *potential* is
// a cycle of the dependency graph without a schedule.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "graph/model/source.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

using Milliseconds = std::chrono::milliseconds;
using Microseconds = std::chrono::microseconds;

enum class FindingKind : std::uint8_t {
  deadlock,
  stall,
  livelock,
  lost_fence,
  lost_wakeup,
  contract,
  use_after_evict,
  early_signal,
  job_killed,
  starvation,
  isolation,
  unbound_access,
  state_divergence,
  last_ = state_divergence
};

// What a design is asked: the names of answers. Traces and graphs answer about hangs under names of their own.
inline constexpr std::string_view deadlock_freedom = "deadlock-freedom";
inline constexpr std::string_view memory_management = "memory-management";
inline constexpr std::string_view contract_kept = "contract";
// What a recording answers about hangs.
inline constexpr std::string_view observed_hangs = "observed-hangs";
inline constexpr std::string_view lock_order = "lock-order";
inline constexpr std::string_view prediction = "prediction";

struct FindingInfo {
  FindingKind kind;
  std::string_view id;
  std::string_view says;
  std::string_view fix;
  std::string_view reference;
  std::string_view property;  // which it violates, unless it breaks a rule: see answer_to()
  bool hang = false;          // something waits for ever, or until a timeout: the finding has needs
};

inline constexpr auto finding_table = std::to_array<FindingInfo>({
    {FindingKind::deadlock, "deadlock", "a state can be reached from which some obligation is never discharged",
     "break one dependency of the cycle: signal earlier, wait before the fence is published, or drop the lock first",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Cross-Driver Contract", deadlock_freedom, true},
    {FindingKind::stall, "stall", "the same, with a timeout or a reset as the only way out",
     "a timeout hides the cycle, it does not remove it: break one dependency as for a deadlock",
     "Documentation/driver-api/dma-buf.rst, Indefinite DMA Fences", deadlock_freedom, true},
    {FindingKind::livelock, "livelock", "steps go on for ever and nothing is achieved",
     "let one party make progress before the other may take its memory or lock again: a quantum, or one restore at a "
     "time with a fallback place",
     "drivers/gpu/drm/amd/amdkfd, ordered restore", deadlock_freedom},
    {FindingKind::lost_fence, "lost-fence", "a published fence that nobody will signal any more",
     "signal the old fence before another takes its place, on every way out",
     "drivers/dma-buf/dma-fence.c, dma_fence_release", deadlock_freedom},
    {FindingKind::lost_wakeup, "lost-wakeup", "a queue stays suspended and nobody will resume it",
     "whoever signals the eviction fence schedules the resume, in the same critical section",
     "Documentation/gpu/amdgpu/userq.rst", memory_management},
    {FindingKind::contract, "contract", "a rule of the DMA-fence contract is broken, whether or not a cycle closes",
     "see the rule", "Documentation/driver-api/dma-buf.rst", contract_kept},
    {FindingKind::use_after_evict, "use-after-evict",
     "hardware runs while memory that it maps has been moved, freed or invalidated",
     "wait for all fences up to BOOKKEEP before the memory goes, and map it again before the hardware runs again",
     "include/linux/dma-resv.h, enum dma_resv_usage", memory_management},
    {FindingKind::early_signal, "early-signal", "a fence reports a completion that has not happened",
     "stop the queues first, then signal; make a new fence before they run again", "Documentation/gpu/amdgpu/userq.rst",
     memory_management},
    {FindingKind::job_killed, "job-killed", "a long-running job ends because its memory goes away",
     "preempt it, let it fault, or protect its memory: pin it, opt out of eviction, or give its cgroup dmem.min",
     "Documentation/gpu/drm-compute.rst", memory_management},
    {FindingKind::starvation, "starvation", "an allocation is denied although it could be served",
     "limit what others may pin or protect: the sum of dmem.min stays below the capacity, and dmem.max bounds a hog",
     "Documentation/admin-guide/cgroup-v2.rst, DMEM", memory_management},
    {FindingKind::isolation, "isolation", "memory that its cgroup protects, or that was asked to stay, is evicted",
     "raise the protection of the group, and put groups that compete below one parent that is not the root",
     "kernel/cgroup/dmem.c, dmem_cgroup_state_evict_valuable", memory_management},
    {FindingKind::unbound_access, "unbound-access",
     "hardware uses addresses whose page tables do not show what it was submitted for",
     "let the job wait for the out-fence of the bind that it needs, and the unbind for the fence of the job",
     "Documentation/gpu/drm-vm-bind-async.rst", memory_management},
    {FindingKind::state_divergence, "state-divergence",
     "an address space ends up different from what the calls that succeeded asked for",
     "leave the address space as it was on every error, and order binds of one range by one queue or by a fence",
     "Documentation/gpu/drm-vm-bind-async.rst", memory_management},
});
static_assert(covers(finding_table, &FindingInfo::kind, FindingKind::last_));
constexpr const FindingInfo& info(FindingKind kind) { return finding_table[static_cast<std::size_t>(kind)]; }

// Rules of the DMA-fence contract; ids as in the kernel's own documents where
// they have one, else ours. Ids never change: users suppress and search them.
enum class Rule : std::uint8_t {
  late_fence,
  lock_held_across_wait,
  reservation_in_signalling,
  mmap_lock_in_signalling,
  reclaim_in_signalling,
  notifier_in_signalling,
  wait_in_signalling,
  sleep_in_callback,
  destroyed_unsignalled,
  indefinite_fence,
  end_of_batch_fence,
  memory_fence_under_lock,
  memory_fence_in_bind,
  dma_fence_into_long_running,
  dma_fence_out_of_long_running,
  order_across_bind_queues,
  unbind_allocates,
  bind_leaves_half,
  mmap_lock_under_reservation,
  reservation_in_notifier,
  notifier_without_wait,
  unchecked_sequence,
  reserved_slot,
  container,
  reservations_without_ticket,
  reservation_in_shrinker,
  wait_for_submit_under_lock,
  wait_in_run_job,
  lock_in_recovery,
  sleep_in_atomic,
  nesting_without_lock,
  fence_before_bind_is_safe,
  half_bound_vm_in_use,
  surplus_dependency,
  last_ = surplus_dependency
};

struct RuleInfo {
  Rule rule;
  std::string_view id;
  std::string_view says;
  std::string_view fix;
  std::string_view reference;
};

inline constexpr auto rule_table = std::to_array<RuleInfo>({
    {Rule::late_fence, "FDG001", "a fence signals later than in reasonable time, and nothing recovers it",
     "give every submission a timeout and a recovery that signals its fences",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Cross-Driver Contract"},
    {Rule::lock_held_across_wait, "FDG005",
     "a lock that a signalling path takes is held elsewhere across a wait for a fence",
     "drop the lock before the wait or the allocation, or do not take it between publishing a fence and signalling it",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Signalling Annotations"},
    {Rule::reservation_in_signalling, "FDG006", "a reservation object is locked on the way to a signal",
     "collect and lock what the job needs before its fence is published; in a worker use dma_resv_trylock()",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Cross-Driver Contract"},
    {Rule::mmap_lock_in_signalling, "FDG007", "mmap_lock is taken, or user memory is touched, on the way to a signal",
     "copy from and to user memory before the fence is published",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Cross-Driver Contract"},
    {Rule::reclaim_in_signalling, "FDG008", "an allocation on the way to a signal may reclaim memory",
     "allocate before the fence is published, or with GFP_ATOMIC or GFP_NOWAIT and a way to go on without",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Cross-Driver Contract"},
    {Rule::notifier_in_signalling, "FDG009", "an allocation on the way to a signal may run MMU notifiers",
     "GFP_NOFS and GFP_NOIO do not help: allocate before the fence is published, or with GFP_ATOMIC or GFP_NOWAIT",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Cross-Driver Contract"},
    {Rule::wait_in_signalling, "FDG011", "a fence is waited for on the way to a signal",
     "make the other fence a dependency of the job, or wait before this one is published",
     "drivers/dma-buf/dma-fence.c, __dma_fence_might_wait"},
    {Rule::sleep_in_callback, "FDG015",
     "enable_signaling or a fence's callback may sleep, or takes the fence's lock again",
     "queue a work item from the callback, and do there what may sleep",
     "include/linux/dma-fence.h, dma_fence_ops and dma_fence_func_t"},
    {Rule::destroyed_unsignalled, "FDG018", "a fence is freed although it has not signalled and a task waits for it",
     "signal the fence, with an error if need be, before the last reference is dropped",
     "drivers/dma-buf/dma-fence.c, dma_fence_release()"},
    {Rule::indefinite_fence, "FDG020", "a kernel fence depends on a fence that userspace controls",
     "wait for the user fence in userspace before submitting, or give the job a preempt fence instead of an "
     "end-of-batch fence; a timeout does not help",
     "Documentation/driver-api/dma-buf.rst, Indefinite DMA Fences"},
    {Rule::end_of_batch_fence, "FDG021",
     "a job that may run for ever, or that userspace holds up, signals a dma_fence at its end",
     "give it a memory fence as out-fence, and a preempt fence for memory management",
     "Documentation/driver-api/dma-buf.rst, Indefinite DMA Fences"},
    {Rule::memory_fence_under_lock, "FDG025", "a memory fence is waited for while locks are held",
     "wait for it before any lock is taken", "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::memory_fence_in_bind, "FDG026", "an asynchronous bind has a memory fence as in-fence",
     "wait for memory fences in the ioctl, before it returns", "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::dma_fence_into_long_running, "FDG027",
     "a bind of a long-running VM takes a dma_fence as in-fence without waiting for it",
     "wait for in-fences in the ioctl: binds of a long-running VM are not pipelined",
     "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::dma_fence_out_of_long_running, "FDG028", "a bind of a long-running VM has a dma_fence as out-fence",
     "signal a memory fence instead: a dma_fence of a long-running VM is rejected",
     "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::order_across_bind_queues, "FDG029", "binds of one range on two bind queues have no order",
     "use one queue for both, or make one wait for the out-fence of the other",
     "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::unbind_allocates, "FDG030", "an unbind may fail for want of memory",
     "take what it needs from a reserve that was allocated when the range was bound",
     "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::bind_leaves_half, "FDG031", "a bind that fails leaves some of its operations done",
     "prepare all that can fail before the first page table is written", "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::mmap_lock_under_reservation, "FDG032", "mmap_lock is taken while a reservation object is locked",
     "fault user memory in and pin it before the reservation object is locked",
     "Documentation/gpu/drm-vm-bind-locking.rst"},
    {Rule::reservation_in_notifier, "FDG033", "an MMU notifier locks a reservation object or the VM",
     "in the notifier only raise the sequence number under the notifier lock, and wait for fences",
     "Documentation/gpu/drm-vm-bind-locking.rst"},
    {Rule::notifier_without_wait, "FDG034", "an MMU notifier returns before all that uses the memory is over",
     "wait for all fences of the VM up to BOOKKEEP, without a timeout and without being interrupted",
     "Documentation/gpu/drm-vm-bind-locking.rst"},
    {Rule::unchecked_sequence, "FDG035",
     "a submission is published without a last look at the sequence of its user memory",
     "look at the sequence and publish the fence inside one section of the notifier lock",
     "Documentation/gpu/drm-vm-bind-locking.rst"},
    {Rule::reserved_slot, "FDG040", "a fence is added to a reservation object without a reserved slot",
     "call dma_resv_reserve_fences() under the same lock; slots are gone when it is released",
     "drivers/dma-buf/dma-resv.c, dma_resv_add_fence"},
    {Rule::container, "FDG041", "a fence array or chain is added to a reservation object, or to another array",
     "add its members one by one (dma_fence_unwrap_for_each), each with a slot of its own",
     "drivers/dma-buf/dma-resv.c, dma_resv_add_fence; drivers/dma-buf/dma-fence-array.c"},
    {Rule::reservations_without_ticket, "FDG043", "two reservation objects are locked without a common ww ticket",
     "lock all of them in one drm_exec or ww_acquire_ctx, and start again on -EDEADLK", "drivers/dma-buf/dma-resv.c"},
    {Rule::reservation_in_shrinker, "FDG044", "memory reclaim waits for the lock of a reservation object",
     "use dma_resv_trylock() in shrinkers, and skip what is locked; free such objects from a worker",
     "drivers/dma-buf/dma-resv.c, dma_resv_lockdep"},
    {Rule::wait_for_submit_under_lock, "FDG045",
     "somebody waits with locks held for a fence that nobody has submitted yet",
     "look syncobjs up before any lock is taken", "drivers/gpu/drm/drm_syncobj.c, drm_syncobj_find_fence"},
    {Rule::wait_in_run_job, "FDG063", "run_job, prepare_job or free_job waits for a fence",
     "return the fence from prepare_job, and let the scheduler wait", "include/drm/gpu_scheduler.h"},
    {Rule::lock_in_recovery, "FDG067", "recovery from a timeout takes a lock that is held across a wait for a fence",
     "recover without that lock, or signal the hung fences before it is taken",
     "Documentation/driver-api/dma-buf.rst, DMA Fence Cross-Driver Contract"},
    {Rule::sleep_in_atomic, "LCK001", "a lock that may sleep is taken where nothing may sleep",
     "do it from a work item, or outside the spinlock or interrupt", "Documentation/locking/locktypes.rst"},
    {Rule::nesting_without_lock, "LCK002", "locks of one class are nested without the lock that orders them",
     "take the lock that is named in the nesting annotation first", "include/linux/lockdep.h, lock_acquire nest_lock"},
    {Rule::fence_before_bind_is_safe, "VMB001", "a bind reports its failure through its fence",
     "report errors from the ioctl, and publish the fence behind the last step that can fail",
     "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::half_bound_vm_in_use, "VMB002", "a VM stays in use after a bind has failed in the middle",
     "ban the VM: whoever uses it later gets -ENOENT", "Documentation/gpu/drm-vm-bind-async.rst"},
    {Rule::surplus_dependency, "CNF001", "a recording shows a dependency that the design does not permit",
     "take the dependency out of the driver, or put it into the design and check that again", "docs/snapshots.md"},
});
static_assert(covers(rule_table, &RuleInfo::rule, Rule::last_));
constexpr const RuleInfo& info(Rule rule) { return rule_table[static_cast<std::size_t>(rule)]; }

enum class Strength : std::uint8_t { observed, confirmed, potential };
[[nodiscard]] std::string_view name(Strength strength);

// One wait of a party, as long as it lasted (traces only).
struct WaitInterval {
  Microseconds begin{0};
  Microseconds length{0};
  std::string ended_by;  // "signal by a timer", "interrupted", "still waiting at the end of the trace"
  Place at;
};

// One party of a cycle: what it holds or owes, what it waits for, and which
// event would release it and why that cannot come.
struct Party {
  std::string name;
  std::vector<std::string> holds;
  std::string waits_for;
  Cause cause = Cause::explicit_sync;
  std::string released_by;
  Place at;
  std::vector<WaitInterval> waits;
  std::string context{};  // why it waits: "evicting 'front' for the allocation on line 23"; may be empty
};

// What a reader sees of one object of a system: a fence, a lock, a buffer…
struct ObjectState {
  std::string kind;  // "fence", "lock": readers group by it
  std::string name;
  std::string value;  // "published", "held by user 'client'", "2 of 3 taken"
};

struct StateChange {
  std::size_t object = 0;  // index into Finding::objects
  std::string value;       // from now on
};

struct ScheduleStep {
  std::string thread;
  std::string action;   // "waits for fence 'a'", "takes lock 'm'"
  std::string context;  // why the thread does it: "evicting 'front' for an allocation"; may be empty
  bool blocks = false;  // the thread's last step: it never completes
  bool timeout = false;
  Place at;
  Cause cause = Cause::explicit_sync;        // why it may have to wait
  std::vector<StateChange> changes{};        // what it does to the objects
  std::optional<std::size_t> released_by{};  // it has waited: the earlier step that let it go on
};

struct Finding {
  FindingKind kind = FindingKind::deadlock;
  Strength strength = Strength::confirmed;
  std::optional<Rule> rule;  // for contract findings
  Place at;                  // the wait that closes the cycle
  std::string message;
  std::vector<Party> parties;         // in the order of the cycle: each waits for the next, the last for the first
  bool closed = true;                 // false: a chain that ends at something nobody will do
  std::optional<Microseconds> lasts;  // stalls: how long until the timeout
  std::vector<std::string> killed;    // stalls: what the timeout ends
  Causes needs;
  std::vector<ScheduleStep> schedule;  // empty unless confirmed
  std::vector<ObjectState> objects;    // of the system, before the first step of the schedule
  std::vector<std::string> notes;
  std::string fix{};                   // what removes this very finding; empty: what the tables say of its kind
  std::string fingerprint;             // 16 hexadecimal digits; see fingerprint()
  std::uint64_t count = 1;             // how many findings of the input have this fingerprint; this is the first
  std::optional<std::string> known{};  // in the baseline, with this comment
  std::string property{};              // the answer that it belongs to; empty: that of its rule or kind
};

// A hash of kind, rule and the canonical rotation of the parties' names and
// waits, so that one problem has one fingerprint whatever the schedule, the
// file's name and the lines it stands on.
[[nodiscard]] std::string fingerprint(const Finding& finding);

// The same hash of any list of words, for what is no finding.
[[nodiscard]] std::string fingerprint(std::initializer_list<std::string_view> words);

// For how long the thread of such a step does not go on: "for ever", or "until
// a timeout" if that ends it; empty for steps that complete.
[[nodiscard]] std::string_view how_long(const Finding& finding, const ScheduleStep& step);

enum class Verdict : std::uint8_t { holds, violated, unknown };
[[nodiscard]] std::string_view name(Verdict verdict);

// The answer for one property of one input.
struct Answer {
  std::string property;  // "deadlock-freedom", "contract"
  Verdict verdict = Verdict::unknown;
  std::string reason;  // never empty for unknown; the bounds for holds
};

}  // namespace fencecheck
