// Where each report begins and ends; what it says is read by read_splat, read_blocked and ListReader.
#include "graph/input/read_snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "graph/input/expect_line.hpp"
#include "graph/input/kernel_log.hpp"
#include "graph/input/read_blocked.hpp"
#include "graph/input/read_lists.hpp"
#include "graph/input/read_splat.hpp"

namespace fencecheck {
namespace {

// Reports that are recognised and not analysed; `hides`: what they tell may be a hang.
struct OtherReport {
  std::string_view words;
  std::string_view what;
  bool hides;
};
constexpr auto other_table = std::to_array<OtherReport>({
    {"INFO: rcu_", "reports of stalled RCU readers, which are not analysed", true},
    {"rcu: INFO: ", "reports of stalled RCU readers, which are not analysed", true},
    {"Watchdog detected hard LOCKUP", "reports of hard lockups, which are not analysed", true},
    {"WARNING: bad unlock balance detected", "reports of locks released by others, which are not analysed", true},
    {"WARNING: held lock freed", "reports of locks freed while held, which are not analysed", true},
    {"WARNING: lock held when returning to user space", "reports of locks kept for ever, which are not analysed", true},
    {"BUG: workqueue lockup", "reports of stuck workqueues, which are not analysed", true},
    {"BUG: unable to handle", "oopses, after which anything may be stuck", true},
    {"Unable to handle kernel", "oopses, after which anything may be stuck", true},
    {"Internal error: ", "oopses, after which anything may be stuck", true},
    {"Oops: ", "oopses, after which anything may be stuck", true},
    {"kernel BUG at ", "oopses, after which anything may be stuck", true},
    {"BUG: KASAN: ", "reports of KASAN", false},
    {"WARNING: CPU: ", "other warnings of the kernel", false},
    {"WARNING: suspicious RCU usage", "other warnings of the kernel", false},
});

enum class Section : std::uint8_t { splat, blocked, locks, other };

struct Start {
  std::size_t index = 0;
  Section section = Section::other;
  SplatKind kind = SplatKind::circular;
  const OtherReport* other = nullptr;
};

std::optional<Start> start_at(const LogLine& line, std::size_t index) {
  const std::string_view text = line.text;
  if (const SplatInfo* row = splat_headline(text)) return Start{index, Section::splat, row->kind, nullptr};
  if (parse_blocked_headline(line)) return Start{index, Section::blocked, {}, nullptr};
  if (text.starts_with("Showing all locks held in the system")) return Start{index, Section::locks, {}, nullptr};
  for (const OtherReport& row : other_table)
    if (text.starts_with(row.words) ||
        (row.words.starts_with("Watchdog") && text.find(row.words) != std::string_view::npos))
      return Start{index, Section::other, {}, &row};
  return std::nullopt;
}

class SnapshotReader {
 public:
  explicit SnapshotReader(std::vector<LogLine> lines) : lines_(std::move(lines)) {}
  std::optional<Snapshot> read(Diagnostics& diagnostics);

 private:
  void take(const Start& start, std::size_t end);
  void take_locks(std::span<const LogLine> report);
  void take_single_lines();
  void count(std::string_view what, bool gap, Place at);
  void count_incomplete();

  std::vector<LogLine> lines_;
  Snapshot snapshot_;
};

void SnapshotReader::count(std::string_view what, bool gap, Place at) {
  const auto known = std::ranges::find(snapshot_.losses, what, &Loss::what);
  if (known != snapshot_.losses.end()) {
    ++known->count;
  } else {
    snapshot_.losses.push_back({std::string(what), 1, gap, at});
  }
}

void SnapshotReader::take_locks(std::span<const LogLine> report) {
  for (std::size_t i = 0; i < report.size(); ++i) {
    std::size_t used = 0;
    auto held = read_held_locks(report.subspan(i), used);
    if (!held) continue;
    i += used - 1;
    const auto known = std::ranges::find(snapshot_.held, held->task, &HeldLocks::task);
    if (known == snapshot_.held.end())
      snapshot_.held.push_back(std::move(*held));
    else
      *known = std::move(*held);  // the latest list counts
  }
}

void SnapshotReader::take(const Start& start, std::size_t end) {
  const auto report = std::span(lines_).subspan(start.index, end - start.index);
  const Place at{report.front().line, 0, 1};
  switch (start.section) {
    case Section::splat:
      snapshot_.splats.push_back(read_splat(start.kind, report));
      break;
    case Section::blocked:
      read_blocked(report, snapshot_);
      break;
    case Section::locks:
      take_locks(report);
      break;
    case Section::other:
      count(start.other->what, start.other->hides, at);
      break;
  }
}

// Lines that say all they have to say by themselves.
void SnapshotReader::take_single_lines() {
  ListReader lists;
  for (const LogLine& line : lines_) {
    if (lists.line(line, snapshot_)) continue;
    JobTimeout timeout = timed_out(line.text);
    if (timeout.where.empty()) continue;
    timeout.at = {line.line, 0, 1};
    const auto known = std::ranges::find(snapshot_.timeouts, timeout.where, &JobTimeout::where);
    if (known == snapshot_.timeouts.end()) {
      snapshot_.timeouts.push_back(std::move(timeout));
    } else {
      ++known->reports;
      known->said = std::move(timeout.said);
    }
  }
  lists.end(snapshot_);
}

void SnapshotReader::count_incomplete() {
  for (const Splat& splat : snapshot_.splats)
    if (!splat.complete) count("reports of lockdep with parts missing", true, splat.at);
  for (const BlockedTask& task : snapshot_.blocked)
    if (task.stack.empty()) count("blocked tasks without a stack: what they wait for is not known", true, task.at);
}

std::optional<Snapshot> SnapshotReader::read(Diagnostics& diagnostics) {
  std::vector<Start> starts;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (is_expect_line(lines_[i].text)) {
      snapshot_.expect = parse_expect_line(lines_[i].text, lines_[i].line, diagnostics);
    } else if (const auto start = start_at(lines_[i], i)) {
      starts.push_back(*start);
    }
  }
  for (std::size_t i = 0; i < starts.size(); ++i)
    take(starts[i], i + 1 < starts.size() ? starts[i + 1].index : lines_.size());
  take_single_lines();
  count_incomplete();
  return diagnostics.ok() ? std::optional(std::move(snapshot_)) : std::nullopt;
}

bool begins_list(std::string_view text) {
  return text.starts_with("Dma-buf Objects:") || text.starts_with("--- ring ") ||
         (text.starts_with("0x") && text.find(" byte ") != std::string_view::npos);
}

}  // namespace

std::optional<Snapshot> read_snapshot(const Source& source, Diagnostics& diagnostics) {
  return SnapshotReader(kernel_log_lines(source.text)).read(diagnostics);
}

bool looks_like_snapshot(std::string_view beginning) {
  const std::size_t first = beginning.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return false;
  std::string_view line = beginning.substr(first);
  line = line.substr(0, line.find('\n'));
  if (without_log_prefix(line).prefixed) return true;
  return std::ranges::any_of(kernel_log_lines(beginning), [](const LogLine& each) {
    return start_at(each, 0) || begins_list(each.text) || !timed_out(each.text).where.empty();
  });
}

}  // namespace fencecheck
