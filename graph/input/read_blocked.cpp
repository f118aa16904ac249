// Hung-task reports are told by their headlines; a stack belongs to the headline before it.
#include "graph/input/read_blocked.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/input/ftrace_line.hpp"
#include "graph/input/read_splat.hpp"

namespace fencecheck {
namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string_view behind(std::string_view text, std::string_view part) {
  const std::size_t at = text.find(part);
  return at == std::string_view::npos ? std::string_view() : text.substr(at + part.size());
}

std::uint64_t leading_number(std::string_view text) {
  text = trimmed(text);
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  return parse_number(text.substr(0, end)).value_or(0);
}

// "kworker/6:0:9999": the pid is behind the last colon.
std::optional<TaskId> colon_task(std::string_view text) {
  text = trimmed(text);
  while (text.ends_with('.') || text.ends_with(',')) text.remove_suffix(1);
  if (const std::size_t role = text.find(" <"); role != std::string_view::npos) text = text.substr(0, role);
  return parse_task(text, ':');
}

// "INFO: task c:1 blocked for more than 120 seconds.", with "in I/O wait" before "for" in new kernels.
std::optional<BlockedHeadline> parse_hung(std::string_view text) {
  std::string_view rest = behind(text, "INFO: task ");
  const std::size_t blocked = rest.find(" blocked ");
  const std::string_view duration = behind(rest, "for more than ");
  if (blocked == std::string_view::npos || duration.empty()) return std::nullopt;
  const auto task = colon_task(rest.substr(0, blocked));
  if (!task) return std::nullopt;
  BlockedHeadline headline;
  headline.task.task = *task;
  headline.task.seconds = leading_number(duration);
  return headline;
}

// "INFO: task c:1 is blocked on a mutex likely owned by task d:2." (CONFIG_DETECT_HUNG_TASK_BLOCKER)
std::optional<BlockedHeadline> parse_owner(std::string_view text) {
  std::string_view rest = behind(text, "INFO: task ");
  const std::size_t blocked = rest.find(" blocked on a");
  if (blocked == std::string_view::npos) return std::nullopt;
  std::string_view who = rest.substr(0, blocked);
  if (who.ends_with(" is")) who.remove_suffix(3);
  const auto task = colon_task(who);
  if (!task) return std::nullopt;
  BlockedHeadline headline;
  headline.task.task = *task;
  rest = rest.substr(blocked);
  if (const std::string_view owner = behind(rest, " by task "); !owner.empty()) headline.owner = colon_task(owner);
  return headline;
}

// "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [c:1]"
std::optional<BlockedHeadline> parse_soft_lockup(std::string_view text) {
  const std::string_view rest = behind(text, "BUG: soft lockup - CPU#");
  const std::size_t open = rest.rfind('[');
  if (open == std::string_view::npos || !rest.ends_with(']')) return std::nullopt;
  const auto task = parse_task(rest.substr(open + 1, rest.size() - open - 2), ':');
  if (!task) return std::nullopt;
  BlockedHeadline headline;
  headline.task.task = *task;
  headline.task.spinning = true;
  headline.task.seconds = leading_number(behind(rest, "stuck for "));
  return headline;
}

// "task:game.exe:cs0    state:D stack:0     pid:123   tgid:123   ppid:2"
std::optional<BlockedHeadline> parse_state(std::string_view text) {
  if (!text.starts_with("task:")) return std::nullopt;
  const std::size_t state = text.find(" state:");
  const std::string_view pid = behind(text, " pid:");
  if (state == std::string_view::npos || pid.empty()) return std::nullopt;
  BlockedHeadline headline;
  headline.task.task = {std::string(trimmed(text.substr(5, state - 5))),
                        static_cast<std::uint32_t>(leading_number(pid) & 0xffffffffU)};
  headline.state = true;
  return headline;
}

// "kodi-gbm        D    0   464    460 0x0000022c" of 4.x: name, state, free stack, pid, ppid, flags.
std::optional<BlockedHeadline> parse_old_state(std::string_view text) {
  std::vector<std::string_view> words;
  std::string_view rest = text;
  while (!(rest = trimmed(rest)).empty()) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    words.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  if (words.size() < 6 || !words.back().starts_with("0x")) return std::nullopt;
  const std::string_view state = words[words.size() - 5];
  const auto pid = parse_number(words[words.size() - 3]);
  const bool numbers = parse_number(words[words.size() - 4]) && parse_number(words[words.size() - 2]) && pid;
  if (!numbers || (state != "D" && state != "R" && state != "S")) return std::nullopt;
  BlockedHeadline headline;
  headline.task.task = {std::string(trimmed(text.substr(0, static_cast<std::size_t>(state.data() - text.data())))),
                        static_cast<std::uint32_t>(*pid)};
  headline.state = true;
  return headline;
}

// The task's entry; made if it has none.
BlockedTask& entry_of(Snapshot& snapshot, const TaskId& task, Place at) {
  const auto known = std::ranges::find(snapshot.blocked, task, &BlockedTask::task);
  if (known != snapshot.blocked.end()) return *known;
  snapshot.blocked.emplace_back();
  snapshot.blocked.back().task = task;
  snapshot.blocked.back().at = at;
  snapshot.blocked.back().reports = 0;
  return snapshot.blocked.back();
}

// "gfx_0.0.0 drm_sched_run_job_work [gpu_sched]" -> "drm_sched_run_job_work"
std::string work_function(std::string_view text) {
  std::string_view rest = trimmed(text);
  const std::size_t space = rest.find(' ');
  if (space == std::string_view::npos) return {};
  rest = trimmed(rest.substr(space));
  return std::string(rest.substr(0, std::min(rest.find(' '), rest.size())));
}

struct TimeoutLine {
  std::string_view words;   // that a driver prints
  std::string_view before;  // in front of what timed out; empty: the line does not name it
  std::string_view after;   // behind it
  std::string_view what;
};

// trace-facts 4.5
constexpr auto timeout_table = std::to_array<TimeoutLine>({
    {" timeout, signaled seq=", "ring ", " timeout", "on ring"},
    {" timeout, but soft recovered", "ring ", " timeout", "on ring"},
    {"gpu sched timeout, js=", "js=", ",", "on job slot"},
    {"hangcheck detected gpu lockup rb ", "rb ", "!", "on ring buffer"},
    {"Timedout job: seqno=", "guc_id=", ",", "of the exec queue with guc_id"},
    {"GPU HANG: ecode ", "ecode ", ",", "with error code"},
    {"job timeout: pid=", "comm=", ",", "of"},
    {"job timeout, channel ", "channel ", " ", "on channel"},
    {" stalled for more than ", "ring ", " ", "on ring"},
    {"Resetting GPU for hang", "", "", "on the GPU"},
    {"recover hung GPU!", "", "", "on the GPU"},
    {" job timeout", "", "", "on the GPU"},
});

}  // namespace

std::optional<BlockedHeadline> parse_blocked_headline(const LogLine& line) {
  using Parser = std::optional<BlockedHeadline> (*)(std::string_view);
  for (const Parser parser : {Parser{parse_hung}, Parser{parse_owner}, Parser{parse_soft_lockup}, Parser{parse_state},
                              Parser{parse_old_state}}) {
    std::optional<BlockedHeadline> headline = parser(line.text);
    if (!headline) continue;
    headline->task.at = {line.line, 0, 1};
    return headline;
  }
  return std::nullopt;
}

BlockedOn blocked_on(const std::vector<std::string>& stack) {
  for (const std::string& frame : stack)
    for (const BlockingFrame& row : blocking_frame_table)
      if (frame.starts_with(row.frame)) return row.what;
  return BlockedOn::something_else;
}

void read_blocked(std::span<const LogLine> report, Snapshot& snapshot) {
  const auto headline = parse_blocked_headline(report.front());
  BlockedTask& task = entry_of(snapshot, headline->task.task, headline->task.at);
  task.seconds = std::max(task.seconds, headline->task.seconds);
  task.spinning = task.spinning || headline->task.spinning;
  if (headline->task.seconds > 0) ++task.reports;
  if (headline->owner) task.owner = headline->owner;
  bool in_stack = false;
  std::vector<std::string> stack;
  for (const LogLine& line : report.subspan(1)) {
    const std::string_view text = line.text;
    if (text.starts_with("Workqueue:")) task.work = work_function(text.substr(10));
    if (text.starts_with("RIP: ") && task.spinning && stack.empty()) {  // where it spins; not part of the stack
      const std::size_t colon = text.find(':', 5);
      const StackFrame at = parse_stack_frame(text.substr(colon == std::string_view::npos ? 5 : colon + 1), false);
      if (!at.function.empty()) stack.emplace_back(at.function);
    }
    if (text.starts_with("Call Trace:") || text.starts_with("Call trace:")) {
      in_stack = true;
      continue;
    }
    if (!in_stack || text.starts_with('<')) continue;
    const StackFrame frame = parse_stack_frame(text, true);
    if (frame.function.empty()) {
      if (!stack.empty()) break;
      continue;
    }
    if (frame.certain) stack.emplace_back(frame.function);
  }
  if (stack.empty()) return;
  task.stack = std::move(stack);
  task.on = blocked_on(task.stack);
}

JobTimeout timed_out(std::string_view line) {
  for (const TimeoutLine& row : timeout_table) {
    if (!contains(line, row.words)) continue;
    if (row.before.empty()) return {std::string(row.what), std::string(trimmed(line)), 1, {}};
    std::string_view which = behind(line, row.before);
    std::string_view said = behind(which, row.after);
    which = which.substr(0, std::min(which.find(row.after), which.size()));
    while (said.starts_with(',') || said.starts_with(' ')) said.remove_prefix(1);
    return {fmt::format("{} {}", row.what, which), std::string(trimmed(said)), 1, {}};
  }
  return {};
}

}  // namespace fencecheck
