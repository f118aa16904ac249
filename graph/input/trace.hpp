// What a recorded trace says about fences: events in the order of the file.
//
// Only events that can matter for fences are kept; everything else is counted
// (`loss_table`). A fence is named by (context, seqno), the low 32 bits of
// each: the kernel prints no more (trace-facts 0.2), and driver and timeline
// names change when a fence has signalled (0.1), so they are no part of the key.
// File order, not time, orders events: equal and skewed clocks are common (0.9).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/report.hpp"
#include "graph/model/source.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

enum class TraceEventKind : std::uint8_t {
  init,
  destroy,
  emit,
  enable_signal,
  signaled,
  wait_start,
  wait_end,
  sched_switch,
  sched_waking,
  last_ = sched_waking
};

struct TraceEventInfo {
  TraceEventKind kind;
  std::string_view id;
  std::string_view old_id;  // before Linux 4.10; empty if it was never renamed
  std::string_view says;
};

// The tracepoints that are understood (trace-facts 1.1 and 1.10).
inline constexpr auto trace_event_table = std::to_array<TraceEventInfo>({
    {TraceEventKind::init, "dma_fence_init", "fence_init", "the current task creates a fence"},
    {TraceEventKind::destroy, "dma_fence_destroy", "fence_destroy", "the last reference is gone"},
    {TraceEventKind::emit, "dma_fence_emit", "fence_emit", "virtio_gpu and qxl give the fence its number"},
    {TraceEventKind::enable_signal, "dma_fence_enable_signal", "fence_enable_signal", "somebody asks for the signal"},
    {TraceEventKind::signaled, "dma_fence_signaled", "fence_signaled", "the fence signals"},
    {TraceEventKind::wait_start, "dma_fence_wait_start", "fence_wait_start", "the current task starts to wait"},
    {TraceEventKind::wait_end, "dma_fence_wait_end", "fence_wait_end",
     "the wait ends: by the signal, by a timeout or because it was interrupted"},
    {TraceEventKind::sched_switch, "sched_switch", "", "kept only where the task that leaves the CPU has exited"},
    {TraceEventKind::sched_waking, "sched_waking", "", "checked, not kept"},
});
static_assert(covers(trace_event_table, &TraceEventInfo::kind, TraceEventKind::last_));
constexpr const TraceEventInfo& info(TraceEventKind kind) { return trace_event_table[static_cast<std::size_t>(kind)]; }

enum class LossKind : std::uint8_t {
  other_event,
  continuation,
  malformed_line,
  lost_events,
  overwritten,
  cut_short,
  no_final_newline,
  clock_went_back,
  last_ = clock_went_back
};

struct LossInfo {
  LossKind kind;
  bool gap;  // events are missing or not to be trusted: silence proves nothing
  std::string_view id;
  std::string_view says;
};

// Whatever a reader skips is counted in one of these rows.
inline constexpr auto loss_table = std::to_array<LossInfo>({
    {LossKind::other_event, false, "other-event", "events that say nothing about fences"},
    {LossKind::continuation, false, "continuation", "further lines of an event that prints several"},
    {LossKind::malformed_line, true, "malformed-line", "lines that are not in ftrace's text format"},
    {LossKind::lost_events, true, "lost-events", "events that the ring buffer lost; record with a larger buffer"},
    {LossKind::overwritten, true, "overwritten", "events that the ring buffer overwrote before it was read"},
    {LossKind::cut_short, true, "cut-short", "entries that the header promises and the file does not have"},
    {LossKind::no_final_newline, true, "no-final-newline", "the last line has no end: it may have been cut"},
    {LossKind::clock_went_back, true, "clock-went-back", "events older than the one before them on the same CPU"},
});
static_assert(covers(loss_table, &LossInfo::kind, LossKind::last_));
constexpr const LossInfo& info(LossKind kind) { return loss_table[static_cast<std::size_t>(kind)]; }

// A driver whose fences a user task signals by an ioctl, so that their creator
// owes them. For every other driver the creator has only submitted work to
// hardware, and nothing may be concluded from who it was.
struct UserSignalledInfo {
  std::string_view driver;
  std::string_view signalled_by;
  Milliseconds fallback_timer;  // signals the fence if the task does not; 0 = there is none
  std::string_view reference;
};

inline constexpr auto user_signalled_table = std::to_array<UserSignalledInfo>({
    {"sw_sync", "SW_SYNC_IOC_INC", Milliseconds{0}, "drivers/dma-buf/sw_sync.c"},
    {"vgem", "DRM_IOCTL_VGEM_FENCE_SIGNAL", Milliseconds{10'000},
     "drivers/gpu/drm/vgem/vgem_fence.c, VGEM_FENCE_TIMEOUT"},
});
// The driver's row; nullptr for every driver that is not in the table.
[[nodiscard]] const UserSignalledInfo* user_signalled(std::string_view driver);

struct FenceKey {
  std::uint32_t context = 0;
  std::uint32_t seqno = 0;
  friend auto operator<=>(const FenceKey&, const FenceKey&) = default;
};

// Whose work an event is. `interrupt`: not the named task's, which was only
// interrupted (flags column 3 in h, H, s, z, Z; the idle task; ksoftirqd).
// `unmarked`: there is no flags column, so it is probably the task's.
enum class TraceContext : std::uint8_t { task, interrupt, unmarked };

struct TraceEvent {
  TraceEventKind kind = TraceEventKind::init;
  TraceContext context = TraceContext::task;
  std::uint32_t line = 0;
  std::uint32_t pid = 0;       // of a sched_switch: the task that exited
  std::uint32_t comm = 0;      // index into Trace::names
  std::uint32_t driver = 0;    // index into Trace::names
  std::uint32_t timeline = 0;  // index into Trace::names
  std::uint32_t stack = 0;     // index into Trace::stacks; 0 = none was recorded
  FenceKey fence;
  std::uint64_t time = 0;  // nanoseconds of the trace's clock; a bare number if !Trace::timed
};

// Events are missing between two lines of the file, both included.
struct TraceGap {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};

struct Trace {
  std::vector<TraceEvent> events;                    // in the order of the file
  std::vector<std::string> names{std::string{}};     // comms, drivers and timelines, each once; 0 is ""
  std::vector<std::vector<std::string>> stacks{{}};  // innermost frame first; 0 is empty
  std::vector<Loss> losses;                          // in the order of loss_table
  std::vector<TraceGap> gaps;                        // in the order of the file
  std::optional<Expectation> expect;
  std::uint64_t last_time = 0;  // of the last event of any kind, in the unit of TraceEvent::time
  std::uint32_t last_line = 0;  // of the same
  std::uint64_t fences = 0;     // how many dma_fence events there are
  bool timed = true;            // false: the clock counts (trace_clock = counter, x86-tsc)
  bool marked = true;           // false: some events have no flags column
};

}  // namespace fencecheck
