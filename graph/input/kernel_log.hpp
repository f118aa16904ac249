// The lines of a kernel log, as the kernel meant them.
//
// Between printk and us somebody may have put a time, a caller ("[ T123]"), a
// level, syslog's date and host, or a mail's quotation marks before each line,
// and a mailer may have broken lines in two. All of that is taken off again:
// a piece without a prefix that follows a line with one is its continuation,
// unless it is indented, as printk's own further lines are (trace-facts 4.4, 4.6).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fencecheck {

struct LogLine {
  std::string text;        // without prefix and without blanks at both ends
  std::uint32_t line = 0;  // of its first piece, from 1
};

// O(text).
[[nodiscard]] std::vector<LogLine> kernel_log_lines(std::string_view text);

// The line behind its prefixes; `prefixed` says whether there was a time or a syslog header.
struct Unprefixed {
  std::string_view text;
  bool prefixed = false;
};
[[nodiscard]] Unprefixed without_log_prefix(std::string_view line);

// "dma_fence_wait_timeout" of "? dma_fence_wait_timeout+0x108/0x130 [amdgpu]"
// and of arm's "[<c0112e18>] (unwind_backtrace) from …"; empty if the line is no
// frame. A name alone counts only where a stack is `expected`.
struct StackFrame {
  std::string_view function;
  bool certain = true;  // false: found on the stack, may be left over from an earlier call
};
[[nodiscard]] StackFrame parse_stack_frame(std::string_view text, bool expected);

// Does one of the frames begin with this?
[[nodiscard]] bool has_frame(const std::vector<std::string>& stack, std::string_view beginning);

}  // namespace fencecheck
