// Sums only: nothing of a fence is kept.
#include "graph/input/timeline_summary.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/input/observed_findings.hpp"

namespace fencecheck::observed {

void TimelineSummary::after(const TraceRecord& record) {
  constexpr std::size_t most = 10'000;  // some drivers give every fence a name of its own
  if (record.kind == TraceEventKind::job_dependency || record.kind == TraceEventKind::job_blocked) {
    const auto job = now_.find_job(record);
    if (!job) return;
    std::uint32_t& depth = figures_[{job->finished->driver, job->finished->timeline}].depth;
    depth = std::max(depth, job->depth);
    return;
  }
  if (record.kind == TraceEventKind::job_done) {  // the scheduler's word for a signal that follows
    jobs_done_.insert(record.line);
    if (jobs_done_.size() > most) jobs_done_.erase(jobs_done_.begin());
    return;
  }
  const bool begins = record.kind == TraceEventKind::fence_init;
  const bool ends = record.kind == TraceEventKind::fence_signaled || record.kind == TraceEventKind::request_done;
  if (!begins && !ends) return;
  const Fence fence = now_.find(record.fence());
  if (!fence || fence->driver == 0) return;
  const Mark& mark = begins ? fence->created : fence->signalled;
  if (mark.line != record.line && jobs_done_.erase(mark.line) == 0) return;  // another event has said so before
  const std::pair names{fence->driver, fence->timeline};
  TimelineFigures& mine = figures_[figures_.size() < most || figures_.contains(names) ? names : std::pair{0U, 0U}];
  if (begins) {
    ++mine.created;
    return;
  }
  if (!fence->created.seen()) return;
  ++mine.signalled;
  const std::uint64_t took = mark.time > fence->created.time ? mark.time - fence->created.time : 0;
  mine.total += took;
  if (took <= mine.longest && mine.longest_line != 0) return;
  mine.longest = took;
  mine.longest_line = record.line;
}

std::vector<std::string> TimelineSummary::lines(std::size_t most) const {
  using Row = std::pair<std::pair<std::uint32_t, std::uint32_t>, TimelineFigures>;
  std::vector<Row> rows(figures_.begin(), figures_.end());
  std::ranges::stable_sort(rows, std::greater{}, [](const Row& row) { return row.second.created; });
  std::vector<std::string> lines;
  for (const auto& [names, each] : rows) {
    if (lines.size() == most) {
      lines.push_back(fmt::format("and {} more timelines", rows.size() - most));
      break;
    }
    const std::string name =
        names.first == 0 ? "others" : fmt::format("{}/{}", now_.name(names.first), now_.name(names.second));
    std::string line =
        fmt::format("{}: {} fence{}, {} signalled", name, each.created, each.created == 1 ? "" : "s", each.signalled);
    if (now_.facts().timed && each.signalled != 0) {
      line += fmt::format(", after {} on average and {} at most (line {})", duration(each.total / each.signalled),
                          duration(each.longest), each.longest_line);
    }
    if (each.depth > 1) line += fmt::format("; {} jobs on the longest chain of dependencies", each.depth);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace fencecheck::observed
