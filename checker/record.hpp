// `fencecheck record`: which events to record on this kernel, and what their absence costs.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fencecheck {

enum class Need : std::uint8_t { required, wanted, driver, costly };

// An event, or all of a system's if it has no name.
struct WantedEvent {
  std::string_view system;
  std::string_view event;
  Need need;
  std::string_view lacks;  // what no answer can say without it; empty where another row says it
};

// In the order of the command. `driver`: only if the driver is there, and never
// missed. `costly`: only with --locks; on a kernel with lockdep, where a near-idle
// machine prints half a million a second (trace-facts 5).
inline constexpr auto wanted_event_table = std::to_array<WantedEvent>({
    {"dma_fence", "", Need::required, "who waits for which fence, and when it signals"},
    {"gpu_scheduler", "", Need::wanted, "which jobs depend on which fences, and the order of jobs on a ring"},
    {"sched", "sched_switch", Need::wanted, "tasks that exited while they owed a fence"},
    {"sched", "sched_waking", Need::wanted, "who let a waiting task go on"},
    {"lock", "contention_begin", Need::wanted, "waits for locks, and cycles through them"},
    {"lock", "contention_end", Need::wanted, ""},
    {"vmscan", "mm_vmscan_direct_reclaim_begin", Need::wanted, "waits that memory reclaim makes"},
    {"vmscan", "mm_vmscan_direct_reclaim_end", Need::wanted, ""},
    {"vmscan", "mm_shrink_slab_start", Need::wanted, "waits that a shrinker makes"},
    {"vmscan", "mm_shrink_slab_end", Need::wanted, ""},
    {"workqueue", "workqueue_execute_start", Need::wanted, "which work a kworker does"},
    {"workqueue", "workqueue_execute_end", Need::wanted, ""},
    {"lock", "lock_acquire", Need::costly,
     "which locks are held, by name: needed to predict a deadlock through a lock"},
    {"lock", "lock_release", Need::costly, ""},
    {"amdgpu", "amdgpu_cs_ioctl", Need::driver, ""},
    {"amdgpu", "amdgpu_sched_run_job", Need::driver, ""},
    {"amdgpu", "amdgpu_bo_move", Need::driver, ""},
    {"amdgpu", "amdgpu_userq_emit_fence", Need::driver, ""},
    {"amdgpu", "amdgpu_userq_wait_deps", Need::driver, ""},
    {"i915", "i915_request_queue", Need::driver, ""},
    {"i915", "i915_request_add", Need::driver, ""},
    {"i915", "i915_request_retire", Need::driver, ""},
    {"i915", "i915_request_wait_begin", Need::driver, ""},
    {"i915", "i915_request_wait_end", Need::driver, ""},
    {"xe", "xe_hw_fence_create", Need::driver, ""},
    {"xe", "xe_hw_fence_signal", Need::driver, ""},
    {"xe", "xe_sched_job_timedout", Need::driver, ""},
    {"xe", "xe_bo_move", Need::driver, ""},
    {"xe", "xe_vma_evict", Need::driver, ""},
    {"drm_msm_gpu", "", Need::driver, ""},
    {"virtio_gpu", "", Need::driver, ""},
    {"v3d", "v3d_reset_begin", Need::driver, ""},
});

struct RecordOptions {
  std::string tracefs;
  std::string output;
  std::uint64_t kilobytes = 0;  // of the ring buffer of each CPU
  bool locks = false;
  std::vector<std::string> command;  // what to record; empty: until interrupted
};

struct Recording {
  std::vector<std::string> command;  // trace-cmd and its arguments
  std::vector<std::string> lacks;    // "no gpu_scheduler events: the answers will not say which jobs …"
  bool enough = true;                // false: a required event is missing
};

// Nothing, with an `error`, if the folder of events cannot be read.
[[nodiscard]] std::optional<Recording> plan_recording(const RecordOptions& options, std::string& error);

// What the ring buffers lost since recording began.
struct BufferLoss {
  std::string cpu;
  std::uint64_t overrun = 0;  // overwritten before they were read
  std::uint64_t dropped = 0;  // not written for want of room
};
// CPUs that lost something, in the order of their numbers; nothing if there are no statistics.
[[nodiscard]] std::optional<std::vector<BufferLoss>> buffer_losses(const std::filesystem::path& tracefs);

// The command as a shell reads it.
[[nodiscard]] std::string shell_words(const std::vector<std::string>& words);

// Runs it and waits for its end; its exit status, 128 + n for signal n, or nothing if it cannot be started.
[[nodiscard]] std::optional<int> run_command(const std::vector<std::string>& words);

}  // namespace fencecheck
