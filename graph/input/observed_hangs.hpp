// Hangs that a trace shows: closed cycles of waits, and waits that only a timer ended.
//
// At every moment each task waits for at most one fence (its innermost wait),
// and a fence of user_signalled_table is owed by the task that created it. So
// "waits for what … owes" is a partial function of tasks, and the wait that
// closes a cycle is the one from which the walk comes back to its own task.
// Nothing is concluded about fences of other drivers: who submitted work to
// hardware does not signal it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "graph/input/trace.hpp"
#include "graph/input/wait_history.hpp"

namespace fencecheck {

// Shorter waits that give up may be polls, and are not reported.
inline constexpr std::uint64_t long_wait = 1'000'000'000;  // ns

struct ObservedHang {
  FindingKind kind = FindingKind::stall;
  std::vector<NeedId> needs;      // each waits for a fence that the task of the next one owes
  bool closed = true;             // the last waits for a fence that the task of the first one owes
  std::optional<Pid> idle;        // not closed: who owes the last fence and does not wait; nothing if unknown
  NeedId closing = 0;             // the need that began last
  NeedId breaking = 0;            // the need that ended first
  std::vector<NeedId> followers;  // needs from outside that ended in the same way
};

struct Hangs {
  std::vector<ObservedHang> found;  // in the order of the trace
  std::size_t short_lived = 0;      // cycles and timer-ended waits that were shorter than long_wait
  std::size_t hidden = 0;           // hangs that events missing from the trace may have ended
};

// O(events + waits * length of the chains they close).
[[nodiscard]] Hangs find_hangs(const Trace& trace, const WaitHistory& history);

// From the first wait's begin to the signal, to the last wait's end, or to the
// end of the trace; in nanoseconds; 0 if the clock only counts.
[[nodiscard]] std::uint64_t waited(const Trace& trace, const Need& need);

}  // namespace fencecheck
