// Who waits for whom at one moment of a trace.
//
// Parties wait, and owe: a task waits for a fence or a lock; a job that has not
// run waits for its dependencies, for the job before it in its entity and for
// the worker of its ring; a job inside run_job waits for that worker; a job
// that has run waits for its hardware fence; a container waits for its members.
// A party needs all of what it waits for, so that a cycle is a deadlock unless
// something outside breaks it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "graph/input/reconstruction.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck::observed {

struct Actor {
  enum class Kind : std::uint8_t { nobody, task, job, container, hardware };
  Kind kind = Kind::nobody;
  Pid pid = 0;
  std::shared_ptr<Job> job;
  Fence container;
  friend bool operator==(const Actor&, const Actor&) = default;
};

// One party waits for one thing, and another one would release it.
struct WaitStep {
  Actor waiter;
  WaitRef wait;  // of a task
  Fence fence;   // what it waits for; nullptr: a lock, or a worker
  Cause cause = Cause::explicit_sync;
  std::uint32_t line = 0;   // where the wait was seen
  std::uint64_t since = 0;  // time
  Actor owner;              // nobody: not known
  bool inferred = false;    // the arrow was concluded, not recorded
};
using WaitPath = std::vector<WaitStep>;  // each step's owner is the waiter of the next

// What this party waits for now. O(dependencies).
[[nodiscard]] std::vector<WaitStep> steps_of(const Reconstruction& now, const Actor& actor);

[[nodiscard]] Actor task_actor(Pid pid);
[[nodiscard]] Actor job_actor(std::shared_ptr<Job> job);

// A way from the task back to itself; nothing if there is none. O(steps).
[[nodiscard]] std::optional<WaitPath> cycle_through(const Reconstruction& now, Pid pid);

// A way from the task to a wait for this fence; nothing if there is none. O(steps).
[[nodiscard]] std::optional<WaitPath> path_to(const Reconstruction& now, Pid pid, const Fence& fence);

// The longest way that a depth-first search meets before anything repeats. O(steps).
[[nodiscard]] WaitPath longest_path(const Reconstruction& now, const Actor& from);

}  // namespace fencecheck::observed
