// One line of ftrace text, taken apart.
//
// `<comm>-<pid> [(<tgid>)] [<cpu>] [<flags>] <time>: <event>: <arguments>`
// (trace-facts 2.1 and 2.2), or, with the option latency-format,
// `<comm>-<pid> <cpu><flags> <microseconds>us<delay>: <event>: <arguments>`.
// Nothing is copied or allocated: the views point into the line. A comm may
// hold anything, so the pid is the last number before the CPU.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "graph/input/trace_event.hpp"

namespace fencecheck {

struct EventLine {
  std::string_view comm;
  std::string_view event;  // "<stack trace>" for a stack, "" for a call recorded by the function tracer
  std::string_view arguments;
  std::uint64_t time = 0;  // nanoseconds, or a bare number
  std::uint32_t pid = 0;
  std::uint32_t cpu = 0;
  TraceContext context = TraceContext::unmarked;
  bool timed = true;  // false: the time has no decimal point
};

// Nothing if the line is not an event.
[[nodiscard]] std::optional<EventLine> parse_event_line(std::string_view line);

// The same of a trace in latency format, whose times count from its first event.
[[nodiscard]] std::optional<EventLine> parse_latency_line(std::string_view line);

// Without the white space at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

// All of the text as a decimal number. Inline, as it is read several times in each line.
[[nodiscard]] inline std::optional<std::uint64_t> parse_number(std::string_view text) {
  constexpr std::size_t always_fit = 19;  // digits
  std::uint64_t number = 0;
  if (text.empty()) return std::nullopt;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto digit = static_cast<std::uint64_t>(text[at]) - '0';
    if (digit > 9) return std::nullopt;
    if (at >= always_fit && number > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
    number = number * 10 + digit;
  }
  return number;
}

}  // namespace fencecheck
