// One line for each thing to look at, in the form of checkpatch.pl --terse --show-types.
#include <fmt/format.h>

#include "encoders/report/issues.hpp"
#include "encoders/report/report_formats.hpp"

namespace fencecheck {
namespace {

constexpr std::array<std::string_view, 3> levels{"ERROR", "WARNING", "CHECK"};

}  // namespace

std::string write_terse(const Run& run, const Style&) {
  std::string text;
  std::array<std::size_t, levels.size()> total{};
  for (const Issue& issue : issues(run)) {
    if (issue.excuse != Excuse::none) continue;
    const auto level = static_cast<std::size_t>(issue.severity);
    ++total.at(level);
    text += fmt::format("{}:{}: {}:{}: {}\n", printable(issue.source->name), std::max(1U, issue.at.line),
                        levels.at(level), issue.rule, issue.message);
  }
  return text + fmt::format("total: {} errors, {} warnings, {} checks, {} checked\n", total[0], total[1], total[2],
                            quantity(run.inputs.size(), "input"));
}

}  // namespace fencecheck
