// Which sorts of events a trace has had, and what cannot be concluded without them.
//
// Silence proves nothing about what was not recorded: an answer holds only if
// the events that could have shown the opposite are in the trace.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "graph/input/trace_event.hpp"

namespace fencecheck::observed {

enum class EventGroup : std::uint8_t { creations, signals, waits, jobs, runs, locks, releases, last_ = releases };

struct EventGroupInfo {
  EventGroup group;
  std::string_view says;                // "the recording holds no …"
  std::string_view record;              // what records them
  std::array<TraceEventKind, 3> kinds;  // each of which is one; the first again where there are fewer
};

inline constexpr auto event_group_table = std::to_array<EventGroupInfo>({
    {EventGroup::creations,
     "creation of a fence",
     "dma_fence_init",
     {TraceEventKind::fence_init, TraceEventKind::fence_init, TraceEventKind::fence_init}},
    {EventGroup::signals,
     "signal",
     "dma_fence_signaled",
     {TraceEventKind::fence_signaled, TraceEventKind::request_done, TraceEventKind::job_done}},
    {EventGroup::waits,
     "wait event",
     "dma_fence_wait_start",
     {TraceEventKind::wait_start, TraceEventKind::wait_start, TraceEventKind::wait_start}},
    {EventGroup::jobs,
     "job of a scheduler",
     "drm_sched_job_queue",
     {TraceEventKind::job_queue, TraceEventKind::job_queue, TraceEventKind::job_queue}},
    {EventGroup::runs,
     "run_job",
     "drm_sched_job_run",
     {TraceEventKind::job_run, TraceEventKind::job_run, TraceEventKind::job_run}},
    {EventGroup::locks,
     "lock that is taken",
     "lock_acquire",
     {TraceEventKind::lock_acquire, TraceEventKind::lock_acquire, TraceEventKind::lock_acquire}},
    {EventGroup::releases,
     "lock that is released",
     "lock_release",
     {TraceEventKind::lock_release, TraceEventKind::lock_release, TraceEventKind::lock_release}},
});
static_assert(covers(event_group_table, &EventGroupInfo::group, EventGroup::last_));

// What has to have occurred for an answer to hold.
inline constexpr auto hang_needs = std::to_array({EventGroup::waits, EventGroup::creations, EventGroup::signals});
inline constexpr auto contract_needs =
    std::to_array({EventGroup::creations, EventGroup::signals, EventGroup::waits, EventGroup::jobs, EventGroup::runs,
                   EventGroup::locks, EventGroup::releases});
inline constexpr auto order_needs = std::to_array(
    {EventGroup::creations, EventGroup::signals, EventGroup::waits, EventGroup::locks, EventGroup::releases});
// For orders, too, where there are fences of a GPU scheduler.
inline constexpr auto job_order_needs = std::to_array({EventGroup::jobs, EventGroup::runs});

class RecordedEvents {
 public:
  void note(TraceEventKind kind) { seen_ |= std::uint64_t{1} << static_cast<unsigned>(kind); }
  [[nodiscard]] bool has(EventGroup group) const;
  // "the recording holds no wait event: record dma_fence_wait_start …"; empty if each of them has occurred.
  [[nodiscard]] std::string lack(std::span<const EventGroup> groups) const;

 private:
  static_assert(static_cast<unsigned>(TraceEventKind::last_) < 64);
  std::uint64_t seen_ = 0;  // bits: kinds
};

}  // namespace fencecheck::observed
