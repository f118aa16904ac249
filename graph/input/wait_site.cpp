// Frames of a stack, and what they say.
#include "graph/input/wait_site.hpp"

#include <algorithm>

namespace fencecheck {
namespace {

// Frames that every wait has: the tracepoint, the wait itself, the way into the kernel.
constexpr auto common_frames = std::to_array<std::string_view>(
    {"trace_event_raw_event_", "__traceiter_", "dma_fence_wait_timeout", "dma_fence_default_wait", "__x64_sys_",
     "__do_sys_", "__se_sys_", "__arm64_sys_", "x64_sys_call", "do_syscall_64", "entry_SYSCALL", "do_el0_svc",
     "el0_svc", "el0t_64_", "invoke_syscall", "el0_svc_common", "ret_from_fork", "kthread"});

}  // namespace

Cause wait_cause(const std::vector<std::string>& stack) {
  for (const WaitSiteInfo& row : wait_site_table) {
    if (std::ranges::any_of(stack, [&](const std::string& frame) { return frame.starts_with(row.frame); })) {
      return row.cause;
    }
  }
  return Cause::explicit_sync;
}

std::string wait_site(const std::vector<std::string>& stack) {
  std::string site;
  for (const std::string& frame : stack) {
    const bool common = std::ranges::any_of(common_frames, [&](auto prefix) { return frame.starts_with(prefix); });
    if (common) continue;
    if (!site.empty()) site += " <- ";
    site += frame;
  }
  return site;
}

}  // namespace fencecheck
