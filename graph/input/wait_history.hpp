// The lives of the fences in a trace, and what each task needed.
//
// A *life* of a fence goes from its creation to its signal; a key that is used
// again starts a new life. A *need* is one task waiting for one life: several
// waits count as one need if the task did nothing else in between, as when a
// signal handler interrupts an ioctl and the kernel restarts it. A need ends
// with the signal, or when the task gives up, or it is still open at the end.
// A wait for a fence that has already signalled is no need.
//
// Moments are indices into Trace::events, so that file order decides.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/input/trace.hpp"

namespace fencecheck {

using Moment = std::uint32_t;  // index into Trace::events
using LifeId = std::uint32_t;  // index into WaitHistory::lives
using NeedId = std::uint32_t;  // index into WaitHistory::needs
using Pid = std::uint32_t;
inline constexpr Moment never = std::numeric_limits<Moment>::max();

struct FenceLife {
  FenceKey key;
  std::uint32_t driver = 0;  // index into Trace::names; the first names that were not detached
  std::uint32_t timeline = 0;
  Moment created = never;
  Moment signalled = never;
  const UserSignalledInfo* user_signalled = nullptr;
};

struct WaitSpan {
  Moment begin = never;
  Moment end = never;  // never: open at the end of the trace, or the end was not recorded
};

enum class NeedEnd : std::uint8_t { signal, gave_up, open };

struct Need {
  Pid pid = 0;
  LifeId life = 0;
  std::vector<WaitSpan> spans;  // at least one
  NeedEnd how = NeedEnd::open;
  Moment end = never;  // the signal, the end of the last wait, or `never`
  [[nodiscard]] Moment begin() const { return spans.front().begin; }
};

// Who signalled a life. `timer` only for drivers with a fallback timer; `unseen`: nobody in this trace.
enum class Signaller : std::uint8_t { unseen, task, interrupt, timer };

struct WaitHistory {
  std::vector<FenceLife> lives;        // in the order of creation, or of the first event
  std::vector<Need> needs;             // in the order of their begin
  std::map<Pid, std::uint32_t> comms;  // index into Trace::names; as at the first wait if there is one
  std::map<Pid, Moment> exits;         // tasks that were seen to exit
  std::set<Pid> delegating;            // creators whose fences another task has signalled: they owe nothing
};

[[nodiscard]] WaitHistory wait_history(const Trace& trace);

[[nodiscard]] Signaller signaller(const Trace& trace, const FenceLife& life);

// The task that has to signal the fence, if that can be known: the creator of a
// fence of user_signalled_table.
[[nodiscard]] std::optional<Pid> owner(const Trace& trace, const WaitHistory& history, const FenceLife& life);

// "client-0-104"
[[nodiscard]] std::string task_name(const Trace& trace, const WaitHistory& history, Pid pid);

// "vgem/unbound 4:1"; "4:1" if the names were never seen.
[[nodiscard]] std::string fence_name(const Trace& trace, const FenceLife& life);

}  // namespace fencecheck
