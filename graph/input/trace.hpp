// What a trace is besides its events: what was lost, which clock it has, who signals fences.
//
// Readers hand on one event after the other (trace_event.hpp) and keep none of
// them, so that memory does not grow with the file. Everything they skip is
// counted (`loss_table`). File order, not time, orders events: equal and skewed
// clocks are common (trace-facts 0.9).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/input/trace_event.hpp"
#include "graph/model/report.hpp"
#include "graph/model/source.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

enum class LossKind : std::uint8_t {
  other_event,
  continuation,
  malformed_line,
  lost_events,
  overwritten,
  cut_short,
  damaged,
  no_final_newline,
  clock_went_back,
  unordered,
  not_read,
  repeated,
  between_files,
  last_ = between_files
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
    {LossKind::damaged, true, "damaged", "sub-buffers and events of a binary file that make no sense, and are skipped"},
    {LossKind::no_final_newline, true, "no-final-newline", "the last line has no end: it may have been cut"},
    {LossKind::clock_went_back, true, "clock-went-back", "events older than the one before them on the same CPU"},
    {LossKind::unordered, true, "unordered",
     "events of a Perfetto trace that stand long after later ones, and are skipped"},
    {LossKind::not_read, true, "not-read", "the rest of the trace, as --timeout or an interrupt stopped the reading"},
    {LossKind::repeated, false, "repeated", "events that stand in two of the files that are merged"},
    {LossKind::between_files, true, "between-files", "times between two of the files, when nothing was recorded"},
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

// Events are missing between two lines of the file, both included.
struct TraceGap {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};

// What is known about a trace when all of it has been read; while it is read, so far.
struct TraceFacts {
  std::vector<Loss> losses;    // in the order of loss_table; only at the end
  std::vector<TraceGap> gaps;  // in the order of the file
  std::optional<Expectation> expect;
  std::uint64_t first_time = 0;  // of the first event of any kind, in the unit of TraceRecord::time
  std::uint64_t last_time = 0;   // of the last one
  std::uint32_t last_line = 0;   // of the same
  std::uint64_t events = 0;      // of any kind
  bool timed = true;             // false: the clock counts (trace_clock = counter, x86-tsc)
  bool marked = true;            // false: some events have no flags column
  double part_read = 0;          // of the file, from 0 to 1; 0: the reader does not know
  std::string clock;             // its name; empty: not known
  bool clock_assumed = false;    // of files that are merged: not all of them name their clock
  std::string stopped;           // why it was not read to its end; empty: it was
};

// A trace, read event by event.
struct TraceStream {
  std::function<bool(TraceRecord&)> next;  // false at the end, and where nothing more can be read
  const TraceFacts* facts = nullptr;       // of what has been read so far
};

}  // namespace fencecheck
