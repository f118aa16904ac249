// How the child process of TraceDatReader writes events into its pipe. Both ends are one program.
#pragma once

#include <cstdint>

namespace fencecheck {

struct TraceMessage {
  std::uint64_t time = 0;
  std::uint32_t row = 0;  // of trace_event_table; its size: an event that is not in it
  std::uint32_t present = 0;
  std::uint32_t pid = 0;
  std::uint32_t cpu = 0;
  std::uint8_t interrupt = 0;
};
// Each message begins with one of these characters.
inline constexpr char message_event = 'e';  // TraceMessage, comm, then the fields that are present
inline constexpr char message_stack = 's';  // TraceMessage, number of frames (u32), frames
inline constexpr char message_loss = 'l';   // cpu (u32), count (u64)
inline constexpr char message_error = 'x';  // text
inline constexpr char message_end = '.';

}  // namespace fencecheck
