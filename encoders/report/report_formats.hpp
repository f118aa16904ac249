// The formats of a report: one writer each, one row each.
//
// A writer is a pure function from a run to the bytes of the whole file. It
// decides nothing: what counts as a finding, what excuses it and what the gate
// says stands in the run. Same run, same bytes.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "encoders/report/style.hpp"
#include "graph/model/run.hpp"

namespace fencecheck {

[[nodiscard]] std::string write_text(const Run& run, const Style& style);
[[nodiscard]] std::string write_terse(const Run& run, const Style& style);
[[nodiscard]] std::string write_json(const Run& run, const Style& style);
[[nodiscard]] std::string write_sarif(const Run& run, const Style& style);
[[nodiscard]] std::string write_junit(const Run& run, const Style& style);
[[nodiscard]] std::string write_code_quality(const Run& run, const Style& style);
[[nodiscard]] std::string write_github(const Run& run, const Style& style);
[[nodiscard]] std::string write_ktap(const Run& run, const Style& style);
[[nodiscard]] std::string write_tap(const Run& run, const Style& style);
[[nodiscard]] std::string write_html(const Run& run, const Style& style);
[[nodiscard]] std::string write_perfetto(const Run& run, const Style& style);

struct ReportFormat {
  std::string_view id;
  std::string_view says;
  std::string (*write)(const Run& run, const Style& style);  // only texts for people look at the style
};

inline constexpr auto report_format_table = std::to_array<ReportFormat>({
    {"text", "messages as of a compiler, then the story: what is printed without --report", write_text},
    {"terse", "one line for each finding, as checkpatch.pl --terse prints them", write_terse},
    {"json", "everything, for programs; docs/report.schema.json describes it", write_json},
    {"sarif", "SARIF 2.1.0, for code scanning and editors", write_sarif},
    {"junit", "JUnit XML: one test for each input and property", write_junit},
    {"codequality", "GitLab Code Quality", write_code_quality},
    {"github", "annotations, as workflow commands of GitHub Actions", write_github},
    {"ktap", "KTAP 1, as kernel tests print it", write_ktap},
    {"tap", "TAP 13, flat", write_tap},
    {"html", "one page to read in a browser: schedules to step through, graphs, sources", write_html},
    {"perfetto", "the schedules as a trace, for Perfetto and Chrome's trace viewer", write_perfetto},
});

}  // namespace fencecheck
