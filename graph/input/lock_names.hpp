// What lockdep's events name like a lock.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace fencecheck::observed {

// Annotations: they order, and nobody waits for them.
inline constexpr auto lock_annotations = std::to_array<std::string_view>(
    {"dma_fence_map", "fs_reclaim", "mmu_notifier_", "drm_sched_lockdep_map", "rcu_", "(wq_completion)",
     "(work_completion)", "reservation_ww_class_acquire", "sched_map"});

[[nodiscard]] inline bool is_annotation(std::string_view lock) {
  return std::ranges::any_of(lock_annotations, [&](std::string_view prefix) { return lock.starts_with(prefix); });
}

// Reservation objects and other ww_mutexes: tickets break their cycles.
[[nodiscard]] inline bool has_tickets(std::string_view lock) {
  return lock.find("ww_class_mutex") != std::string_view::npos || lock.find("ww_mutex") != std::string_view::npos;
}

}  // namespace fencecheck::observed
