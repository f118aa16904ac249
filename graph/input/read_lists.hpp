// What debugfs lists: fences on buffers, and the last fences of hardware rings.
//
// dma_buf/bufinfo of all kernels, amdgpu_gem_info and amdgpu_fence_info
// (trace-facts 4.1, 4.3). Only exported buffers are listed, and never their
// BOOKKEEP fences.
#pragma once

#include <string_view>

#include "graph/input/kernel_log.hpp"
#include "graph/input/snapshot.hpp"

namespace fencecheck {

// Reads the lines of one list, one after the other.
class ListReader {
 public:
  // Is this line part of a list? What it says goes into `snapshot`.
  bool line(const LogLine& line, Snapshot& snapshot);
  // Counts what the lists promised and the text did not have.
  void end(Snapshot& snapshot) const;

 private:
  bool buffer(const LogLine& line, Snapshot& snapshot);
  bool total(const LogLine& line);
  bool ring(const LogLine& line, Snapshot& snapshot);

  std::string on_;    // the buffer of the fences that follow
  std::string ring_;  // the ring of the numbers that follow
  std::uint64_t signalled_ = 0;
  bool has_signalled_ = false;
  std::uint64_t listed_ = 0;  // buffers since the last header
  std::uint64_t missing_ = 0;
  Place missing_at_;
  bool open_ = false;  // a list has begun, and its total has not been seen
  Place open_at_;
};

}  // namespace fencecheck
