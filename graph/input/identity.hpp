// What makes two things of two recordings of one machine the same (Vertex::identity).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fencecheck {

// Threads are known by their number; a comm changes and is cut to 15 bytes.
inline std::string task_identity(std::uint32_t pid) { return "task " + std::to_string(pid); }

// Tracepoints print the low 32 bits of each number only (trace-facts 0.2).
inline std::string fence_identity(std::uint64_t context, std::uint64_t seqno) {
  constexpr std::uint64_t low = 0xffffffffU;
  return "fence " + std::to_string(context & low) + ":" + std::to_string(seqno & low);
}

// A lock by its address, a class of locks by its name.
inline std::string lock_identity(std::string_view address_or_class) { return "lock " + std::string(address_or_class); }

}  // namespace fencecheck
