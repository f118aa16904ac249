// Tasks that do not get on: hung-task and lockup reports, and the states that sysrq prints.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "graph/input/kernel_log.hpp"
#include "graph/input/snapshot.hpp"

namespace fencecheck {

// A headline about one task: "INFO: task c:1 blocked for more than 120 seconds.",
// "INFO: task c:1 is blocked on a mutex likely owned by task d:2.",
// "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [c:1]", "task:d state:D … pid:2".
struct BlockedHeadline {
  BlockedTask task;
  std::optional<TaskId> owner;  // of the lock that `task` waits for
  bool state = false;           // "task:…": the task's own line, its stack follows
};
[[nodiscard]] std::optional<BlockedHeadline> parse_blocked_headline(const LogLine& line);

// Adds what a report of hung tasks or a lockup says; `report` begins at a
// headline and ends before the next one. O(report + tasks known).
void read_blocked(std::span<const LogLine> report, Snapshot& snapshot);

// Of a line that says that a job timed out, without its place; `where` is empty if it says no such thing.
[[nodiscard]] JobTimeout timed_out(std::string_view line);

// What a task with this stack waits for.
[[nodiscard]] BlockedOn blocked_on(const std::vector<std::string>& stack);

}  // namespace fencecheck
