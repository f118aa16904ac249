// Where in the kernel a wait happens, as the frames of its stack tell.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/vocabulary.hpp"

namespace fencecheck {

struct WaitSiteInfo {
  std::string_view frame;  // the beginning of a function's name
  Cause cause;
};

// The first row that matches any frame counts: memory management before the
// reservation object through which it waits (trace-facts 4.4).
inline constexpr auto wait_site_table = std::to_array<WaitSiteInfo>({
    {"do_shrink_slab", Cause::memory_management},
    {"__mmu_notifier_invalidate", Cause::memory_management},
    {"ttm_bo_evict", Cause::memory_management},
    {"ttm_bo_delayed_delete", Cause::memory_management},
    {"drm_sched_stop", Cause::reset},
    {"drm_sched_entity_flush", Cause::scheduling},
    {"dma_resv_wait_timeout", Cause::implicit_sync},
    {"drm_atomic_helper_wait_for_fences", Cause::implicit_sync},
    {"drm_syncobj_", Cause::explicit_sync},
});

// The cause of a wait with this stack, innermost frame first; explicit if no row matches.
[[nodiscard]] Cause wait_cause(const std::vector<std::string>& stack);

// The frames between the tracepoint and the system call: "dma_resv_wait_timeout
// <- dma_buf_begin_cpu_access <- dma_buf_ioctl"; empty without a stack.
[[nodiscard]] std::string wait_site(const std::vector<std::string>& stack);

}  // namespace fencecheck
