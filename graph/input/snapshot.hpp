// What the kernel says about itself at one moment: reports in its log, lists in debugfs.
//
// Everything is as printed; what follows from it is decided by
// snapshot_graph.hpp. Formats: trace-facts 4.1 to 4.6.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/report.hpp"
#include "graph/model/source.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

struct TaskId {
  std::string comm;
  std::uint32_t pid = 0;
  friend auto operator<=>(const TaskId&, const TaskId&) = default;
};

// A lock as lockdep prints it: "ffff8f2854b3d110 (&m->mutex){+.+.}-{4:4}, at: f+0x57/0x540 [amdgpu]".
struct LockUse {
  std::string lock;     // its class: "&m->mutex"
  std::string address;  // empty if the kernel hides it
  std::string usage;    // "+.+."
  std::string site;     // "f"
  Place at;
};

// The reports of lockdep that are understood (kernel/locking/lockdep.c).
enum class SplatKind : std::uint8_t {
  circular,
  recursive,
  irq_order,
  irq_inversion,
  inconsistent,
  wait_context,
  nest_lock,
  sleeping,
  last_ = sleeping
};

struct SplatInfo {
  SplatKind kind;
  std::string_view title;  // a part of its headline
  std::string_view says;
};

inline constexpr auto splat_table = std::to_array<SplatInfo>({
    {SplatKind::circular, "possible circular locking dependency detected", "locks are taken in two orders"},
    {SplatKind::recursive, "possible recursive locking detected",
     "a lock is taken by a task that holds one of its class"},
    {SplatKind::irq_order, "-unsafe lock order detected",
     "a lock that an interrupt takes is held while one is taken that is held with interrupts on"},
    {SplatKind::irq_inversion, "possible irq lock inversion dependency detected",
     "an interrupt may take locks against the order in which they are held"},
    {SplatKind::inconsistent, "inconsistent lock state",
     "a lock is taken by an interrupt, and held while that interrupt may arrive"},
    {SplatKind::wait_context, "Invalid wait context", "a lock that may sleep is taken where nothing may sleep"},
    {SplatKind::nest_lock, "Nested lock was not taken",
     "locks of one class are nested without the lock that orders them"},
    {SplatKind::sleeping, "sleeping function called from invalid context",
     "code that may sleep runs where nothing may"},
});
static_assert(covers(splat_table, &SplatInfo::kind, SplatKind::last_));
constexpr const SplatInfo& info(SplatKind kind) { return splat_table[static_cast<std::size_t>(kind)]; }

// "-> #k (lock)": taken while the lock of link k - 1 was held. #0 is the
// acquisition that the report is about, made while the lock of the last link is held.
struct ChainLink {
  std::uint32_t index = 0;
  LockUse lock;
  std::vector<std::string> frames;  // innermost first
};

struct Splat {
  SplatKind kind = SplatKind::circular;
  Place at;
  TaskId task;                     // pid 0 and no comm if the text does not say
  std::optional<LockUse> taken;    // the acquisition that is reported
  std::optional<LockUse> holding;  // the lock against which it is reported
  std::vector<ChainLink> chain;    // #0 first
  // The locks of the cycle in the order in which each is held while the next
  // is taken; the last is held while the first is taken. Empty if the text does
  // not have enough of them.
  std::vector<std::string> order;
  std::vector<LockUse> held;  // by the task, oldest first
  std::vector<std::string> stack;
  bool complete = true;         // false: parts of the report are missing
  bool other_instance = false;  // recursive: the two are different locks of one class
};

// What a blocked task waits for, as its stack tells.
enum class BlockedOn : std::uint8_t { something_else, fence, mutex, rwsem, semaphore, spinlock, last_ = spinlock };

struct BlockedOnInfo {
  BlockedOn what;
  std::string_view id;
  bool lock;
};

inline constexpr auto blocked_on_table = std::to_array<BlockedOnInfo>({
    {BlockedOn::something_else, "something else", false},
    {BlockedOn::fence, "fence", false},
    {BlockedOn::mutex, "mutex", true},
    {BlockedOn::rwsem, "rwsem", true},
    {BlockedOn::semaphore, "semaphore", true},
    {BlockedOn::spinlock, "spinlock", true},
});
static_assert(covers(blocked_on_table, &BlockedOnInfo::what, BlockedOn::last_));
constexpr const BlockedOnInfo& info(BlockedOn what) { return blocked_on_table[static_cast<std::size_t>(what)]; }

// The innermost frame that begins with one of these tells (trace-facts 4.4).
struct BlockingFrame {
  std::string_view frame;
  BlockedOn what;
};

inline constexpr auto blocking_frame_table = std::to_array<BlockingFrame>({
    {"dma_fence_default_wait", BlockedOn::fence},
    {"dma_fence_wait", BlockedOn::fence},
    {"dma_resv_wait_timeout", BlockedOn::fence},
    {"drm_syncobj_array_wait_timeout", BlockedOn::fence},
    {"i915_request_wait", BlockedOn::fence},
    {"__mutex_lock", BlockedOn::mutex},
    {"mutex_lock", BlockedOn::mutex},
    {"__ww_mutex_lock", BlockedOn::mutex},
    {"ww_mutex_lock", BlockedOn::mutex},
    {"rwsem_down", BlockedOn::rwsem},
    {"down_read", BlockedOn::rwsem},
    {"down_write", BlockedOn::rwsem},
    {"__down", BlockedOn::semaphore},
    {"native_queued_spin_lock_slowpath", BlockedOn::spinlock},
    {"queued_spin_lock_slowpath", BlockedOn::spinlock},
    {"queued_read_lock_slowpath", BlockedOn::spinlock},
    {"queued_write_lock_slowpath", BlockedOn::spinlock},
    {"_raw_spin_lock", BlockedOn::spinlock},
    {"do_raw_spin_lock", BlockedOn::spinlock},
});

struct BlockedTask {
  TaskId task;
  std::uint64_t seconds = 0;  // how long at least; 0 if the text does not say
  bool spinning = false;      // a lockup: it does not sleep, it occupies a CPU
  BlockedOn on = BlockedOn::something_else;
  std::vector<std::string> stack;  // innermost first
  std::string work;                // of a kworker: the work function
  std::optional<TaskId> owner;     // of the lock it waits for, as the kernel guesses
  std::uint32_t reports = 1;
  Place at;
};

struct HeldLocks {
  TaskId task;
  std::vector<LockUse> locks;  // oldest first; a lock that the task waits for is the last
};

// A fence on a buffer, or the last one of a hardware ring.
struct ListedFence {
  std::string name;                      // "vgem/unbound seq 1"
  std::optional<std::uint64_t> context;  // printed from Linux 6.19 on
  std::uint64_t seqno = 0;
  std::string on;     // "buffer swapchain-0 (inode 1)", "ring gfx_0.0.0"
  std::string usage;  // "write"; empty for a ring
  bool signalled = false;
  Place at;
};

// A scheduler or a driver gave up waiting for a job.
struct JobTimeout {
  std::string where;  // "on ring gfx_0.0.0"
  std::string said;   // what the driver printed of it last: "signaled seq=88, emitted seq=89"
  std::uint32_t reports = 1;
  Place at;
};

struct Snapshot {
  std::vector<Splat> splats;
  std::vector<BlockedTask> blocked;
  std::vector<HeldLocks> held;
  std::vector<ListedFence> fences;
  std::vector<JobTimeout> timeouts;
  std::uint64_t buffers = 0;
  bool lists_buffers = false;  // bufinfo or one of its relatives was among the text
  std::vector<Loss> losses;
  std::optional<Expectation> expect;
};

}  // namespace fencecheck
