// Which rules of the DMA-fence contract a report of lockdep shows to be broken.
//
// Lockdep knows the contract through four classes of locks that are none:
// dma_fence_map is held (shared) inside signalling sections and taken
// (exclusively) where somebody may wait for a fence, fs_reclaim is taken by
// every allocation that may reclaim, mmu_notifier_invalidate_range_start by
// those that may run notifiers, reservation_ww_class_mutex is every dma_resv.
// So one lock taken while another is held says which rule is broken
// (kernel-facts 5; drivers/dma-buf/dma-resv.c, dma_resv_lockdep).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "graph/input/snapshot.hpp"
#include "graph/model/finding.hpp"

namespace fencecheck {

inline constexpr std::string_view signalling_class = "dma_fence_map";
inline constexpr std::string_view reclaim_class = "fs_reclaim";
inline constexpr std::string_view notifier_class = "mmu_notifier_invalidate_range_start";
inline constexpr std::string_view reservation_class = "reservation_ww_class_mutex";

struct LockRule {
  Rule rule;
  std::string_view held;
  std::string_view taken;
};

inline constexpr auto lock_rule_table = std::to_array<LockRule>({
    {Rule::reservation_in_signalling, signalling_class, reservation_class},
    {Rule::mmap_lock_in_signalling, signalling_class, "&mm->mmap_lock"},
    {Rule::mmap_lock_in_signalling, signalling_class, "&mm->mmap_sem"},
    {Rule::reclaim_in_signalling, signalling_class, reclaim_class},
    {Rule::notifier_in_signalling, signalling_class, notifier_class},
    {Rule::wait_in_signalling, signalling_class, signalling_class},
    {Rule::mmap_lock_under_reservation, reservation_class, "&mm->mmap_lock"},
    {Rule::mmap_lock_under_reservation, reservation_class, "&mm->mmap_sem"},
    {Rule::reservation_in_notifier, notifier_class, reservation_class},
    {Rule::reservations_without_ticket, reservation_class, reservation_class},
    {Rule::reservation_in_shrinker, reclaim_class, reservation_class},
});

// Code that others rely on to get fences signalled, as the frames of its stack tell.
struct SignallingFlow {
  std::string_view frame;
  bool recovery;
  std::string_view says;
};

inline constexpr auto signalling_flow_table = std::to_array<SignallingFlow>({
    {"drm_sched_job_timedout", true, "recovers the GPU after a timeout"},
    {"recover_worker", true, "recovers the GPU after a timeout"},
    {"amdgpu_device_gpu_recover", true, "recovers the GPU"},
    {"gt_reset_worker", true, "recovers the GPU"},
    {"intel_gt_handle_error", true, "recovers the GPU"},
    {"panthor_device_reset_work", true, "recovers the GPU"},
    {"panfrost_reset_work", true, "recovers the GPU"},
    {"drm_sched_run_job_work", false, "runs the jobs of a scheduler"},
    {"drm_sched_main", false, "runs the jobs of a scheduler"},
});

// The first row of which a frame is on the stack; nullptr if none is.
[[nodiscard]] const SignallingFlow* signalling_flow(const std::vector<std::string>& stack);

struct BrokenRule {
  Rule rule;
  std::string says;  // "'fs_reclaim' is taken in kmalloc_trace inside a signalling section"
  Place at;
};

// Each rule once for each pair of locks, in the order of the report.
[[nodiscard]] std::vector<BrokenRule> broken_rules(const Splat& splat);

// The same of a blocked task, by its stack.
[[nodiscard]] std::vector<BrokenRule> broken_rules(const BlockedTask& task);

// Is this one of lockdep's four classes that stand for something else than a lock?
[[nodiscard]] bool stands_for_waits(std::string_view lock);

}  // namespace fencecheck
