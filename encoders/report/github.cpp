// Workflow commands of GitHub Actions: annotations beside the lines of a change.
#include <fmt/format.h>

#include "encoders/report/issues.hpp"
#include "encoders/report/paths.hpp"
#include "encoders/report/report_formats.hpp"

namespace fencecheck {
namespace {

std::string escaped(std::string_view text, bool property) {
  std::string result;
  for (const char byte : text) {
    const bool special = byte == '%' || byte == '\r' || byte == '\n' || (property && (byte == ':' || byte == ','));
    result += special ? fmt::format("%{:02X}", static_cast<unsigned char>(byte)) : std::string(1, byte);
  }
  return result;
}

std::string position(Place at) {
  if (at.column == 0) return fmt::format(",line={}", std::max(1U, at.line));
  return fmt::format(",line={},col={},endColumn={}", at.line, at.column, at.column + at.length);
}

}  // namespace

std::string write_github(const Run& run, const Style&) {
  static constexpr std::array<std::string_view, 3> commands{"error", "warning", "notice"};  // by Severity
  std::string text;
  for (const Issue& issue : issues(run)) {
    if (issue.excuse != Excuse::none) continue;
    std::string message = issue.message;
    if (issue.finding != nullptr) message += fmt::format("\nfix: {}", fix_of(*issue.finding));
    text += fmt::format("::{} file={}{},title={}::{}\n", commands.at(static_cast<std::size_t>(issue.severity)),
                        escaped(report_path(run, *issue.source), true), position(issue.at),
                        escaped(fmt::format("fencecheck {}", issue.rule), true), escaped(message, false));
  }
  return text;
}

}  // namespace fencecheck
