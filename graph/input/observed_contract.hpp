// Rules of the DMA-fence contract that a trace shows to be broken, whether or not anything hung.
//
// A task is in the signalling path between run_job's begin and the signal of
// the scheduled fence, and, where lockdep's events are recorded, between
// dma_fence_begin_signalling() and dma_fence_end_signalling().
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/input/reconstruction.hpp"
#include "graph/model/finding.hpp"

namespace fencecheck::observed {

class ContractWatch {
 public:
  explicit ContractWatch(const Reconstruction& now) : now_(now) {}
  // Around each Reconstruction::apply().
  void before(const TraceRecord& record);
  void after(const TraceRecord& record);
  // One for each rule and place of the code, as far as that is known; in the order of the trace.
  [[nodiscard]] std::vector<Finding> findings() const;

 private:
  struct Use {  // of a lock
    std::string name;
    Pid pid = 0;
    std::uint32_t line = 0;
    std::string what;  // "job 8:49 of ring gfx"
    bool shared = false;
  };
  using LockOfRing = std::pair<std::uint64_t, std::uint32_t>;  // address, ring

  void take_lock(const TraceRecord& record);
  void take_wait(const TraceRecord& record);
  void meet(LockOfRing lock);
  struct Broken {
    Finding finding;
    std::vector<EventGroup> rests_on;  // without them a lock, an annotation or run_job would seem never to end
    std::uint32_t ring = 0;            // whose worker it takes to be one thread; 0: none
  };

  void report(Rule rule, const std::string& key, std::uint32_t line, std::string message, std::vector<Party> parties,
              std::vector<EventGroup> rests_on, std::uint32_t ring = 0);
  [[nodiscard]] bool in_run_job(const Task& task) const;
  [[nodiscard]] std::vector<EventGroup> ends_of_section(Pid pid) const;
  [[nodiscard]] std::string section(Pid pid) const;

  const Reconstruction& now_;
  std::vector<Broken> broken_;
  std::set<std::pair<Rule, std::string>> known_;
  std::map<LockOfRing, Use> in_run_job_;
  std::map<LockOfRing, Use> over_wait_;
};

}  // namespace fencecheck::observed
