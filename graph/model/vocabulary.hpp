// The words of the domain: enumerations with one table each.
//
// A row holds everything that is ever printed, parsed or documented about its
// enumerator; readers, encoders, generated pages and tests read the tables.
// Rows follow the order of their enumeration (checked at compile time).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fencecheck {

// Why a wait exists. The smallest set of causes that a hang needs tells who
// has to change something: see `needs` in docs/semantics.md.
enum class Cause : std::uint8_t {
  explicit_sync,
  implicit_sync,
  memory_management,
  scheduling,
  lock,
  userspace,
  reset,
  last_ = reset
};

struct CauseInfo {
  Cause cause;
  std::string_view id;
  std::string_view says;
  std::string_view diagram;  // the edge label in the class diagram
  std::string_view colour;   // on white, as DOT, SVG and CSS read it
  bool made_by_kernel;       // userspace cannot see it coming
};

inline constexpr auto cause_table = std::to_array<CauseInfo>({
    {Cause::explicit_sync, "explicit", "an in-fence or a wait that the caller asked for", "explicit sync", "#000000",
     false},
    {Cause::implicit_sync, "implicit-sync", "a fence found in a reservation object", "implicit sync", "#0000cd", true},
    {Cause::memory_management, "memory-management", "eviction, reclaim, shrinkers and notifiers", "memory management",
     "#cd0000", true},
    {Cause::scheduling, "scheduling", "order and capacity of a queue, a pool or a worker", "scheduling", "#cd6600",
     true},
    {Cause::lock, "lock", "a lock that somebody else holds", "lock", "#7d26cd", true},
    {Cause::userspace, "userspace", "a fence that only userspace signals, or a wait made by userspace",
     "Future fence, fence proxy, ...", "#008b00", false},
    {Cause::reset, "reset", "recovery of hung hardware", "reset", "#666666", true},
});

// Usage classes of a fence in a reservation object, strictly ordered: a query
// for a class yields every fence of that class or a smaller one (kernel-facts
// 1.4; include/linux/dma-resv.h, enum dma_resv_usage).
enum class Usage : std::uint8_t { kernel, write, read, bookkeep, last_ = bookkeep };

struct UsageInfo {
  Usage usage;
  std::string_view id;
  std::string_view says;
  Usage implicit_query;  // what a job that uses a buffer this way waits for
};

inline constexpr auto usage_table = std::to_array<UsageInfo>({
    {Usage::kernel, "kernel", "memory management itself: moves and clears; everybody waits for these", Usage::kernel},
    {Usage::write, "write", "a job that writes; waits for readers and writers", Usage::read},
    {Usage::read, "read", "a job that reads; waits for writers", Usage::write},
    {Usage::bookkeep, "bookkeep", "no implicit sync; waits for memory management only", Usage::kernel},
});

// What runs a thread's program.
enum class ThreadKind : std::uint8_t {
  user,
  ioctl,
  worker,
  engine,
  interrupt,
  reclaim,
  callback,
  timer,
  last_ = timer
};

struct ThreadKindInfo {
  ThreadKind kind;
  std::string_view id;
  std::string_view says;
  bool kernel_owed;    // once started it must reach its end: being stuck is a finding
  bool interruptible;  // its waits can be interrupted unless a step says otherwise
  bool declarable;     // may be written in a scenario; the others are generated
};

inline constexpr auto thread_kind_table = std::to_array<ThreadKindInfo>({
    {ThreadKind::user, "user", "an application's thread", false, true, true},
    {ThreadKind::ioctl, "ioctl", "a task inside a driver's ioctl", false, true, true},
    {ThreadKind::worker, "worker", "a kernel worker (workqueue item or kthread)", true, false, true},
    {ThreadKind::engine, "engine", "hardware that runs jobs", true, false, true},
    {ThreadKind::interrupt, "interrupt", "an interrupt handler", true, false, true},
    {ThreadKind::reclaim, "reclaim", "kswapd or another thread that frees memory", true, false, true},
    {ThreadKind::callback, "callback", "a fence that signals when others have signalled", true, false, false},
    {ThreadKind::timer, "timer", "a timeout of a fence", false, true, false},
});

// Who signals a fence. Only kernel fences are obligations.
enum class FenceKind : std::uint8_t { kernel, user, future, proxy, last_ = proxy };

struct FenceKindInfo {
  FenceKind kind;
  std::string_view id;
  std::string_view says;
  bool user_controlled;
};

inline constexpr auto fence_kind_table = std::to_array<FenceKindInfo>({
    {FenceKind::kernel, "kernel", "a dma_fence: once published it must signal", false},
    {FenceKind::user, "user", "a memory fence or GPU futex that userspace writes", true},
    {FenceKind::future, "future", "created before the work it stands for exists (HWC1 release fences)", true},
    {FenceKind::proxy, "proxy", "stands for a syncobj that has no fence yet", true},
});

// What an allocation may do when memory is short (kernel-facts LK-05).
enum class Gfp : std::uint8_t { kernel, nofs, noio, nowait, atomic, last_ = atomic };

struct GfpInfo {
  Gfp gfp;
  std::string_view id;
  std::string_view says;
  bool shrinkers;  // direct reclaim may run the shrinkers
  bool notifiers;  // direct reclaim may run the MMU notifiers
};

inline constexpr auto gfp_table = std::to_array<GfpInfo>({
    {Gfp::kernel, "kernel", "GFP_KERNEL: may run shrinkers and MMU notifiers", true, true},
    {Gfp::nofs, "nofs", "GFP_NOFS: may run MMU notifiers", false, true},
    {Gfp::noio, "noio", "GFP_NOIO: may run MMU notifiers", false, true},
    {Gfp::nowait, "nowait", "GFP_NOWAIT: never waits, may fail", false, false},
    {Gfp::atomic, "atomic", "GFP_ATOMIC: never waits, may fail", false, false},
});

enum class LockKind : std::uint8_t { mutex, rwsem, ww, last_ = ww };

struct LockKindInfo {
  LockKind kind;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto lock_kind_table = std::to_array<LockKindInfo>({
    {LockKind::mutex, "mutex", "one holder"},
    {LockKind::rwsem, "rwsem", "one writer or many readers"},
    {LockKind::ww, "ww", "a wound/wait mutex of a wait-die class, such as dma_resv"},
});

template <class Table, class Enum, class Column>
constexpr bool covers(const Table& table, Column column, Enum last) {
  return table.size() == static_cast<std::size_t>(last) + 1 && std::ranges::is_sorted(table, {}, column);
}

static_assert(covers(cause_table, &CauseInfo::cause, Cause::last_));
static_assert(covers(usage_table, &UsageInfo::usage, Usage::last_));
static_assert(covers(thread_kind_table, &ThreadKindInfo::kind, ThreadKind::last_));
static_assert(covers(fence_kind_table, &FenceKindInfo::kind, FenceKind::last_));
static_assert(covers(gfp_table, &GfpInfo::gfp, Gfp::last_));
static_assert(covers(lock_kind_table, &LockKindInfo::kind, LockKind::last_));

constexpr const CauseInfo& info(Cause cause) { return cause_table[static_cast<std::size_t>(cause)]; }
constexpr const UsageInfo& info(Usage usage) { return usage_table[static_cast<std::size_t>(usage)]; }
constexpr const ThreadKindInfo& info(ThreadKind kind) { return thread_kind_table[static_cast<std::size_t>(kind)]; }
constexpr const FenceKindInfo& info(FenceKind kind) { return fence_kind_table[static_cast<std::size_t>(kind)]; }
constexpr const GfpInfo& info(Gfp gfp) { return gfp_table[static_cast<std::size_t>(gfp)]; }
constexpr const LockKindInfo& info(LockKind kind) { return lock_kind_table[static_cast<std::size_t>(kind)]; }

// The row whose `id` is the given word; nullptr if there is none.
template <class Table>
constexpr auto find_row(const Table& table, std::string_view id) -> decltype(table.data()) {
  const auto row = std::ranges::find_if(table, [&](const auto& each) { return each.id == id; });
  return row == table.end() ? nullptr : &*row;
}

// A set of causes, for "this finding needs …" and for switching causes off.
class Causes {
 public:
  constexpr Causes() = default;
  static constexpr Causes all() { return Causes((1U << cause_table.size()) - 1U); }
  [[nodiscard]] constexpr bool has(Cause cause) const { return (bits_ >> static_cast<unsigned>(cause) & 1U) != 0; }
  [[nodiscard]] constexpr Causes with(Cause cause) const { return Causes(bits_ | 1U << static_cast<unsigned>(cause)); }
  [[nodiscard]] constexpr Causes without(Cause cause) const {
    return Causes(bits_ & ~(1U << static_cast<unsigned>(cause)));
  }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(Causes, Causes) = default;

 private:
  explicit constexpr Causes(unsigned bits) : bits_(bits) {}
  unsigned bits_ = 0;
};

}  // namespace fencecheck
