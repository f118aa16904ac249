#include "encoders/report/columns.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace fencecheck {
namespace {

constexpr std::size_t narrowest = 18;  // columns for one thread
constexpr std::size_t gutter = 13;     // "  12   123  "
constexpr std::string_view between = "  ";

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

// The byte behind the first `columns` code points.
std::size_t byte_at(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (continues(text[at])) continue;
    if (columns == 0) return at;
    --columns;
  }
  return at;
}

// One line of the table: the cell of one thread, wrapped.
struct Row {
  std::string number;
  std::string line;
  std::size_t column = 0;
  std::string text;
};

std::vector<std::string> threads_of(const std::vector<ScheduleStep>& schedule) {
  std::vector<std::string> threads;
  for (const ScheduleStep& step : schedule)
    if (std::ranges::find(threads, step.thread) == threads.end()) threads.push_back(step.thread);
  return threads;
}

// The question is who has how much: the answer names it whenever it changes.
bool is_about_amounts(FindingKind kind) {
  return kind == FindingKind::job_killed || kind == FindingKind::starvation || kind == FindingKind::isolation;
}

std::string amounts(const Finding& finding, const ScheduleStep& step) {
  std::vector<std::string> parts;
  for (const StateChange& change : step.changes) {
    const ObjectState& object = finding.objects[change.object];
    if (object.kind == "region" || object.kind == "group")
      parts.push_back(fmt::format("{} {}: {}", object.kind, object.name, change.value));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

// A change of context has a row of its own, in front of the steps it explains.
std::vector<Row> rows_of(const Finding& finding, const std::vector<std::string>& threads) {
  const std::vector<ScheduleStep>& schedule = finding.schedule;
  std::vector<Row> rows;
  std::vector<std::string> contexts(threads.size());
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    const ScheduleStep& step = schedule[i];
    const auto column = static_cast<std::size_t>(std::ranges::find(threads, step.thread) - threads.begin());
    if (step.context != contexts[column]) {
      contexts[column] = step.context;
      if (!step.context.empty()) rows.push_back({"", "", column, "(" + step.context + ")"});
    }
    rows.push_back({step.blocks ? "*" : std::to_string(i + 1), step.at.line == 0 ? "" : std::to_string(step.at.line),
                    column, step.blocks ? fmt::format("{} -- {}", step.action, how_long(finding, step)) : step.action});
    if (!is_about_amounts(finding.kind)) continue;
    if (const std::string now = amounts(finding, step); !now.empty()) rows.push_back({"", "", column, "(" + now + ")"});
  }
  return rows;
}

// What each column needs, or an equal share if that is too much; empty if the shares are too narrow.
std::vector<std::size_t> widths_of(const std::vector<std::string>& threads, const std::vector<Row>& rows,
                                   std::size_t width) {
  std::vector<std::size_t> widths;
  for (const std::string& thread : threads) widths.push_back(columns_of(thread));
  for (const Row& row : rows) widths[row.column] = std::max(widths[row.column], columns_of(row.text));
  std::vector<std::size_t> order(widths.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return widths[i]; });
  const std::size_t fixed = gutter + between.size() * (threads.size() - 1);
  std::size_t left = width > fixed ? width - fixed : 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t share = left / (order.size() - i);
    if (share < narrowest && share < widths[order[i]]) return {};
    widths[order[i]] = std::min(widths[order[i]], share);
    left -= widths[order[i]];
  }
  return widths;
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t columns = columns_of(text);
  return std::string(text) + std::string(width > columns ? width - columns : 0, ' ');
}

// The threads' names, each above its column, in as many lines as the longest needs.
std::vector<std::string> headings(const std::vector<std::string>& threads, const std::vector<std::size_t>& widths) {
  std::vector<std::vector<std::string>> names;
  std::size_t height = 0;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    names.push_back(wrapped(threads[i], widths[i]));
    height = std::max(height, names.back().size());
  }
  std::vector<std::string> lines;
  for (std::size_t row = 0; row < height; ++row) {
    std::string line = row == 0 ? "step  line  " : std::string(std::string_view("step  line  ").size(), ' ');
    for (std::size_t i = 0; i < names.size(); ++i)
      line += (i == 0 ? "" : std::string(between)) + padded(row < names[i].size() ? names[i][row] : "", widths[i]);
    lines.push_back(trimmed(line));
  }
  return lines;
}

// A name in the middle of which something is left out, so that both ends tell it from others.
std::string shortened(const std::string& name, std::size_t width) {
  constexpr std::string_view gap = "..";
  const std::size_t columns = columns_of(name);
  if (columns <= width || width <= gap.size()) return name.substr(0, byte_at(name, width));
  const std::size_t kept = width - gap.size();
  const std::size_t tail = kept / 2;
  return name.substr(0, byte_at(name, kept - tail)) + std::string(gap) + name.substr(byte_at(name, columns - tail));
}

std::vector<std::string> side_by_side(const std::vector<std::string>& threads, const std::vector<Row>& rows,
                                      const std::vector<std::size_t>& widths) {
  std::vector<std::string> lines = headings(threads, widths);
  for (const Row& row : rows) {
    std::size_t before = 0;
    for (std::size_t i = 0; i < row.column; ++i) before += widths[i] + between.size();
    bool first = true;
    for (const std::string& piece : wrapped(row.text, widths[row.column])) {
      lines.push_back(trimmed(fmt::format("{:>4}  {:>4}  {}{}", first ? row.number : "", first ? row.line : "",
                                          std::string(before, ' '), piece)));
      first = false;
    }
  }
  return lines;
}

std::vector<std::string> one_below_the_other(const std::vector<std::string>& threads, const std::vector<Row>& rows,
                                             std::size_t width) {
  std::size_t names = 0;
  for (const std::string& thread : threads) names = std::max(names, columns_of(thread));
  names = std::min(names, width / 3);
  const std::size_t rest = std::max(narrowest, width - std::min(width, gutter + names + between.size()));
  std::vector<std::string> lines{"step  line"};
  for (const Row& row : rows) {
    bool first = true;
    const std::string name = shortened(threads[row.column], names);
    for (const std::string& piece : wrapped(row.text, rest)) {
      lines.push_back(trimmed(fmt::format("{:>4}  {:>4}  {}{}{}", first ? row.number : "", first ? row.line : "",
                                          padded(first ? name : "", names), between, piece)));
      first = false;
    }
  }
  return lines;
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char byte) { return !continues(byte); }));
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  while (columns_of(text) > width) {
    const std::size_t limit = byte_at(text, width);
    const std::size_t blank = text.substr(0, limit + 1).rfind(' ');
    const bool cut = blank == std::string_view::npos || blank == 0;
    lines.emplace_back(text.substr(0, cut ? std::max<std::size_t>(limit, 1) : blank));
    text.remove_prefix(cut ? std::max<std::size_t>(limit, 1) : blank + 1);
  }
  lines.emplace_back(text);
  return lines;
}

std::vector<std::string> schedule_lines(const Finding& finding, std::size_t width) {
  const std::vector<std::string> threads = threads_of(finding.schedule);
  const std::vector<Row> rows = rows_of(finding, threads);
  const std::vector<std::size_t> widths = widths_of(threads, rows, width);
  return widths.empty() ? one_below_the_other(threads, rows, width) : side_by_side(threads, rows, widths);
}

}  // namespace fencecheck
