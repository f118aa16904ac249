// Hangs that a trace shows: closed cycles of waits, and waits that only a timer or a recovery ended.
//
// The watch looks at the moment just before a wait ends, when everybody who
// waits still does, and at the end of the trace. A wait that lasted long and
// was given up may turn out later to have been part of a cycle: when the fence
// or the lock at the end of its chain is released by a task of that very chain.
// Nothing is concluded about who signals the fences of hardware.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/input/wait_graph.hpp"
#include "graph/model/finding.hpp"

namespace fencecheck::observed {

// After a wait that took so long, for a reason that the trace does not show, "no hang" cannot be said.
inline constexpr std::uint64_t late_wait = 10'000'000'000;  // ns

// Shorter waits may be polls, and are not reported.
inline constexpr std::uint64_t long_wait = 1'000'000'000;  // ns

enum class HangEnd : std::uint8_t { open, timer, recovery, gave_up };

struct ObservedHang {
  FindingKind kind = FindingKind::stall;
  HangEnd how = HangEnd::open;
  WaitPath path;                   // closed: from the wait that began first
  bool closed = true;              // the last step's owner is the first step's waiter
  bool hindsight = false;          // who releases the last step was seen only when it did
  bool inferred = false;           // that it was a recovery is concluded, not recorded
  WaitRef breaking;                // whose end ended it; nullptr: nobody's
  Mark ended;                      // not seen: open at the end of the trace
  std::string recovery;            // the event, or what it is concluded from
  std::vector<WaitRef> followers;  // from outside, that ended in the same way
};

// A long wait, or a job that took long, that belongs to no hang.
struct Late {
  WaitRef wait;              // nullptr: nobody was seen to wait for the job
  std::shared_ptr<Job> job;  // nullptr: a wait
  WaitPath path;             // what it waited for when it was seen
  std::uint64_t lasted = 0;  // ns
};

struct Hangs {
  std::vector<ObservedHang> found;  // in the order of the trace
  std::vector<Late> late;           // of at least the limit, or not explained, in the order of the trace
  std::size_t late_more = 0;        // that are not in `late`
  std::size_t short_lived = 0;      // cycles and timer-ended waits that were shorter than long_wait
  std::size_t short_open = 0;       // cycles that had closed less than long_wait before the end
  std::size_t hidden = 0;           // hangs that events missing from the trace may have ended
  std::optional<ObservedHang> first_hidden;
};

class HangWatch {
 public:
  // `late`: what somebody asked for; without it only what nothing explains is late.
  HangWatch(const Reconstruction& now, std::optional<std::uint64_t> late)
      : now_(now), late_(late.value_or(late_wait)), asked_(late.has_value()) {}
  // Around each Reconstruction::apply().
  void before(const TraceRecord& record);
  void after(const TraceRecord& record);
  // `at_the_end`: of the trace, so that what is still closed counts.
  [[nodiscard]] Hangs finish(bool at_the_end);

 private:
  struct Affected {
    WaitRef wait;
    WaitPath path;
    bool closed = false;
  };
  struct Pending {  // given up; who releases the end of its path is not known yet
    WaitPath path;
    WaitRef wait;
    Mark ended;
  };

  void see_signal(const Fence& fence, const TraceRecord& record);
  void see_give_up(const WaitRef& wait, const TraceRecord& record);
  void judge_signal(const TraceRecord& record);
  void resolve(Pid releaser, const Fence& fence, std::uint64_t lock);
  [[nodiscard]] bool explained(const Wait& wait, const WaitPath& path) const;
  void add_late(const WaitRef& wait, const WaitPath& path);
  void see_job(const std::shared_ptr<Job>& job, std::uint64_t time);
  void tell_late();
  void look_at_the_end(Pid pid);
  [[nodiscard]] std::string recovery_by(const Fence& fence, const TraceRecord& record, bool& inferred) const;
  [[nodiscard]] bool stands(const ObservedHang& hang) const;
  [[nodiscard]] bool may_have_ended(const ObservedHang& hang) const;
  [[nodiscard]] bool long_enough(const Wait& wait, std::uint64_t time) const;
  void accept_cycles();
  void accept_chains();

  const Reconstruction& now_;
  std::uint64_t late_;
  bool asked_;
  Hangs hangs_;
  std::vector<ObservedHang> candidates_;
  std::vector<Pending> pending_;
  std::vector<Affected> affected_;  // by the signal that is being applied
  Fence signalling_;
  std::shared_ptr<Job> finishing_;  // by the same signal
  std::set<Pid> waiting_;           // may hold some that do not wait any more
  std::set<const Wait*> told_;
};

// From the first wait's begin to the signal, to the last wait's end, or to the
// end of the trace; in nanoseconds; 0 if the clock only counts.
[[nodiscard]] std::uint64_t waited(const TraceFacts& facts, const Wait& wait);

}  // namespace fencecheck::observed
