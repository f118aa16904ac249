// What each timeline did over a whole trace: counts, latencies, the longest chain of dependencies.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/input/reconstruction.hpp"

namespace fencecheck::observed {

struct TimelineFigures {
  std::uint64_t created = 0;
  std::uint64_t signalled = 0;  // of those
  std::uint64_t total = 0;      // ns from creation to signal, of all of them
  std::uint64_t longest = 0;    // ns, and the line of that signal
  std::uint32_t longest_line = 0;
  std::uint32_t depth = 0;  // jobs on the longest chain of dependencies; 0: no jobs
};

class TimelineSummary {
 public:
  explicit TimelineSummary(const Reconstruction& now) : now_(now) {}
  // After each Reconstruction::apply().
  void after(const TraceRecord& record);
  // One line each, those with most fences first; at most `most`, then how many more there are.
  [[nodiscard]] std::vector<std::string> lines(std::size_t most) const;

 private:
  const Reconstruction& now_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, TimelineFigures> figures_;  // by driver and timeline
  std::set<std::uint32_t> jobs_done_;  // lines that ended a job whose fence has not said so yet; the last ones
};

}  // namespace fencecheck::observed
