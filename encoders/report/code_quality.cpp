// GitLab's Code Quality report: a JSON array; entries of one fingerprint would
// be shown as one, so that the second such problem of a run gets another.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "encoders/report/issues.hpp"
#include "encoders/report/paths.hpp"
#include "encoders/report/report_formats.hpp"

namespace fencecheck {
namespace {

std::string_view severity(const Issue& issue) {
  static constexpr std::array<std::string_view, 3> plain{"major", "minor", "info"};  // by Severity
  if (issue.finding == nullptr) return plain.at(static_cast<std::size_t>(issue.severity));
  return issue.finding->strength == Strength::potential ? "critical" : "blocker";
}

}  // namespace

std::string write_code_quality(const Run& run, const Style&) {
  using Json = nlohmann::ordered_json;
  Json result = Json::array();
  std::unordered_map<std::string, unsigned> seen;
  for (const Issue& issue : issues(run)) {
    if (issue.excuse != Excuse::none) continue;
    const unsigned before = seen[issue.fingerprint]++;
    result.push_back(
        {{"description", fmt::format("{}: {}", issue.rule, issue.message)},
         {"check_name", issue.rule},
         {"fingerprint", before == 0 ? issue.fingerprint : fingerprint({issue.fingerprint, std::to_string(before)})},
         {"severity", severity(issue)},
         {"location",
          {{"path", report_path(run, *issue.source)}, {"lines", {{"begin", std::max(1U, issue.at.line)}}}}}});
  }
  return result.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fencecheck
