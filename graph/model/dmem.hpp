// Device-memory cgroups (dmem): who may be charged, who is protected, who may be evicted.
//
// A region (the VRAM of one device) has one counter for each cgroup that has the
// controller enabled. `min` and `low` of a group count as far as its ancestors
// pass them on: `effective` says how far, by the kernel's algorithm. TTM asks
// `decide` what an allocation does next and `consider` which buffers may go.
// All functions are pure; bytes are exact; nothing depends on the calculus.
// Sources: kernel/cgroup/dmem.c, mm/page_counter.c, drivers/gpu/drm/ttm/ttm_bo.c
// of Linux 7.0 to 7.3; Documentation/admin-guide/cgroup-v2.rst, "DMEM".
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/vocabulary.hpp"

namespace fencecheck::dmem {

// How the kernel multiplies protections: exactly (with 128 bits, and a share that is never more than all), or with 64
// bits, which wrap from 4 GiB times 4 GiB on.
enum class Arithmetic : std::uint8_t { exact, wrapping };

// The kernels that differ in what follows.
enum class Kernel : std::uint8_t { v7_0, v7_2, v7_3, last_ = v7_3 };

struct KernelInfo {
  Kernel kernel;
  std::string_view id;
  std::string_view says;
  Arithmetic arithmetic;
  bool max_below_usage;       // a max below usage takes effect; before, it is ignored
  bool from_common_ancestor;  // without a limit that is hit, a victim is judged from its nearest ancestor shared
                              // with the allocation; before, from the root
  bool evicts_for_protected;  // an allocation within its min or low evicts before it tries the next placement, and
                              // keeps its charge meanwhile; before, only the forced round evicts, without a charge
};

inline constexpr auto kernel_table = std::to_array<KernelInfo>({
    {Kernel::v7_0, "7.0", "Linux 7.0", Arithmetic::wrapping, false, false, false},
    {Kernel::v7_2, "7.2", "Linux 7.2: as 7.0 in what concerns device-memory cgroups", Arithmetic::wrapping, false,
     false, false},
    {Kernel::v7_3, "7.3",
     "Linux 7.3: exact protection, eviction on behalf of protected groups, victims judged from the common ancestor",
     Arithmetic::exact, true, true, true},
});
static_assert(covers(kernel_table, &KernelInfo::kernel, Kernel::last_));
constexpr const KernelInfo& info(Kernel kernel) { return kernel_table[static_cast<std::size_t>(kernel)]; }

// A limit that is not set. The kernel's own "max" is smaller (2 PiB with pages of 4 KiB), beyond any device.
inline constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

// Index of a group in `Counters`.
using Group = std::uint32_t;
inline constexpr Group root = 0;

struct Limits {
  std::uint64_t min = 0;  // bytes never evicted on behalf of others
  std::uint64_t low = 0;  // bytes evicted only where nothing else is left
  std::uint64_t max = unlimited;
};

// One group's counter of a region. The root has no limits of its own: the kernel has no such files there.
struct Counter {
  std::optional<Group> parent;  // none for the root only
  Limits limits;
  std::uint64_t usage = 0;  // bytes charged to this group and all below it
};

// Group 0 is the root; a parent comes before its children. A region without accounting (system memory, GTT) is a
// root to which everything is charged: there nobody is denied and nobody is protected.
using Counters = std::vector<Counter>;

// Protection as it takes effect: `emin` and `elow` of page_counter, in bytes. May exceed usage.
struct Protection {
  std::uint64_t min = 0;
  std::uint64_t low = 0;
  friend constexpr bool operator==(Protection, Protection) = default;
};

// Effective protection of every group below `from`, top-down; {0, 0} for `from` and for groups that are not below it.
// Children of `from` get what is set; deeper groups share what their parent gets, in proportion to the protection
// they use if it does not suffice. With `recursive`, as dmem always has it, what no child claims is shared in
// proportion to unprotected usage. A group without usage gets {0, 0}, where the kernel keeps an old value: neither it
// nor a group below has anything to protect. O(groups * depth).
std::vector<Protection> effective(const Counters& counters, Group from, Arithmetic arithmetic, bool recursive = true);

// The first group, from `group` upwards, whose max forbids `bytes` more; none if the charge succeeds.
std::optional<Group> charge_denied_by(const Counters& counters, Group group, std::uint64_t bytes);

// The counters with `bytes` more, or less, for `group` and its ancestors. Expects that the charge is not denied, and
// that what is given back was charged.
[[nodiscard]] Counters charge(Counters counters, Group group, std::uint64_t bytes);
[[nodiscard]] Counters uncharge(Counters counters, Group group, std::uint64_t bytes);

// The counters after a write of dmem.max. Where it takes effect below usage, a writer without O_NONBLOCK then evicts
// by `consider` with Eviction{group, false}, on behalf of no group in particular, and by sleeping passes as well, until
// usage is within the limit or nothing more can go; it is never told that it failed.
[[nodiscard]] Counters set_max(Counters counters, Group group, std::uint64_t max, Kernel kernel);

// The nearest group that both are below, or are.
Group common_ancestor(const Counters& counters, Group a, Group b);

// Whether all of the group's usage is within its effective min (low), seen from the root. Never of the root itself.
bool below_min(const Counters& counters, Group group, Arithmetic arithmetic);
bool below_low(const Counters& counters, Group group, Arithmetic arithmetic);

// Whether buffers of a group may be evicted; `keep_for_low`: not yet, but in a pass that ignores low.
enum class Test : std::uint8_t { evict, keep, keep_for_low };

enum class Reason : std::uint8_t {
  limit_itself,
  root_limit,
  outside_limit,
  within_min,
  within_low,
  above_low,
  low_ignored,
  on_own_behalf,
  last_ = on_own_behalf
};

struct ReasonInfo {
  Reason reason;
  std::string_view id;
  Test test;
  bool computed;  // emin and elow were looked at
  std::string_view says;
};

inline constexpr auto reason_table = std::to_array<ReasonInfo>({
    {Reason::limit_itself, "limit-itself", Test::evict, false, "it is the very group that memory is sought in"},
    {Reason::root_limit, "root-limit", Test::evict, false,
     "memory is sought below the root, where the test looks at neither min nor low"},
    {Reason::outside_limit, "outside-limit", Test::keep, false, "it is not below the group that memory is sought in"},
    {Reason::within_min, "within-min", Test::keep, true, "usage is within emin"},
    {Reason::within_low, "within-low", Test::keep_for_low, true, "usage is within elow, and this pass respects low"},
    {Reason::above_low, "above-low", Test::evict, true, "usage is above emin and elow"},
    {Reason::low_ignored, "low-ignored", Test::evict, true, "usage is above emin, and this pass ignores low"},
    {Reason::on_own_behalf, "on-own-behalf", Test::keep, false,
     "the allocation is protected by low only, and takes nothing from its own group"},
});
static_assert(covers(reason_table, &ReasonInfo::reason, Reason::last_));
constexpr const ReasonInfo& info(Reason reason) { return reason_table[static_cast<std::size_t>(reason)]; }

// What the kernel's test said of one group, and on what ground.
struct Judgement {
  Reason reason = Reason::limit_itself;
  Group victim = root;
  Group limit = root;       // where protection was counted from
  bool ignore_low = false;  // as the pass had it
  std::uint64_t usage = 0;
  Protection protection;  // as the test computed it; only where info(reason).computed
};
constexpr Test test(const Judgement& judgement) { return info(judgement.reason).test; }

// dmem_cgroup_state_evict_valuable: may buffers charged to `victim` be evicted, for memory that is sought in `limit`
// (none: anywhere)? The group itself is always fair game; so is every group if `limit` is given and is the root.
Judgement evict_valuable(const Counters& counters, std::optional<Group> limit, Group victim, bool ignore_low,
                         Kernel kernel);

// Which of its two rounds over the placements ttm_bo_validate gives a placement.
enum class Placement : std::uint8_t { both_rounds, desired, fallback };
constexpr bool considered(Placement placement, bool force) {
  return placement != (force ? Placement::desired : Placement::fallback);
}

// One attempt to allocate in one placement.
struct Attempt {
  Group group = root;       // charged: that of the allocating task, which for a kernel worker is the root
  std::uint64_t bytes = 0;  // the buffer's size
  bool space = false;       // the region has room for it
  bool force = false;       // second round: the first found no placement
  bool system = false;      // the placement is system memory, from which nothing is evicted
};

// How victims are chosen on behalf of an attempt. After each victim TTM charges, unless charged already, and looks for
// room again; the choice stays as it was, also where the charge succeeds by now and only room is missing.
struct Eviction {
  std::optional<Group> limit;     // the group whose max denied the charge: victims are below it
  bool only_unprotected = false;  // no pass may ignore low, and the own group keeps its buffers
};

enum class Next : std::uint8_t { succeed, evict, next_placement };

struct Decision {
  Next next = Next::next_placement;      // after the last placement: -ENOSPC, which userspace sees as -ENOMEM
  std::optional<Group> denied_by;        // whose max forbids the charge
  bool charged = false;                  // the charge stands: after success, and from 7.3 on while evicting for space
  std::optional<Protection> protection;  // the charged group's, with this charge; only where the kernel looks at it
  Eviction eviction;                     // if `next` is evict
};

// What an attempt does next. `counters` are without its charge.
Decision decide(const Counters& counters, const Attempt& attempt, Kernel kernel);

// May buffers charged to `victim` go, in a pass that respects or ignores low? `counters` carry the attempt's charge if
// Decision::charged. Pins and the driver's own eviction_valuable come on top.
Judgement consider(const Counters& counters, const Eviction& eviction, Group charged, Group victim, bool ignore_low,
                   Kernel kernel);

// One walk over the LRU list. Trylock passes skip buffers whose reservation is held; sleeping ones wait for it, which
// needs a ww ticket (a writer of dmem.max sleeps without one).
struct Pass {
  bool sleeps = false;
  bool ignore_low = false;
  friend constexpr bool operator==(Pass, Pass) = default;
};

// The pass after one that did not make enough room; none: give up, -EBUSY, next placement. The first is Pass{}.
// `evicted`: this pass evicted something. `kept_for_low`: it, or one before it with the same `sleeps`, kept something
// for low.
std::optional<Pass> next_pass(Pass pass, bool evicted, bool kept_for_low, const Eviction& eviction, bool may_sleep);

// Why the kernel evicts from a group that is entitled to all it uses.
enum class Breach : std::uint8_t { root_limit, overflow, relative, own, last_ = own };

struct BreachInfo {
  Breach breach;
  std::string_view id;
  bool intended;  // a property of the documented design rather than a flaw of the kernel's
  std::string_view says;
  std::string_view fix;
};

inline constexpr auto breach_table = std::to_array<BreachInfo>({
    {Breach::root_limit, "root-limit", false,
     "its nearest common ancestor with the allocation is the root, and for the root the test looks at neither min nor "
     "low",
     "put both groups below a common group other than the root"},
    {Breach::overflow, "overflow", false, "the product of two protections does not fit into 64 bits",
     "use Linux 7.3 or later, or keep the product of a group's and its parent's protection below 2^64 (4 GiB times "
     "4 GiB)"},
    {Breach::relative, "relative", true,
     "protection counts from the group that memory is sought in, and between groups below that one a share inherited "
     "from above does not hold",
     "set the group's own min or low"},
    {Breach::own, "own", true,
     "the memory is sought in that very group, and a group's own buffers are always fair game",
     "give what has to stay a group of its own, or raise the max that is hit"},
});
static_assert(covers(breach_table, &BreachInfo::breach, Breach::last_));
constexpr const BreachInfo& info(Breach breach) { return breach_table[static_cast<std::size_t>(breach)]; }

// A group loses buffers although its usage is within its protection.
struct Isolation {
  Breach breach = Breach::root_limit;
  bool min = false;     // within min; else within low, which the pass respected
  Protection entitled;  // seen from the root, exact: what the documentation promises
};

// Whether an eviction breaks what the group is entitled to, and why; none if it does not, or if nothing is evicted.
std::optional<Isolation> isolation(const Counters& counters, const Judgement& judgement);

// Bytes without loss: in the largest unit that divides them, "max" for unlimited.
std::string bytes_text(std::uint64_t bytes);

// Accounts for a report, one sentence each, with the numbers; `names` has one for each group.
std::string account(const Counters& counters, const Attempt& attempt, const Decision& decision,
                    std::span<const std::string> names);
std::string account(const Judgement& judgement, std::span<const std::string> names);
std::string account(const Judgement& judgement, const Isolation& isolation, std::span<const std::string> names);

}  // namespace fencecheck::dmem
