// Every case has the verdict it expects; every twin `shape+fix` holds and its stem does not.
#include <filesystem>

#include "checker/check.hpp"
#include "checker/decide.hpp"
#include "checker/explore.hpp"
#include "checker/input.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"
#include "tests/catch.hpp"
#include "tests/support/golden.hpp"

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> case_files() {
  std::vector<std::string> result;
  for (const InputFile& file : input_files({FENCECHECK_SOURCE_DIR "/cases"})) result.push_back(file.path);
  return result;
}

TEST_CASE("every case has what it expects") {
  for (const std::string& path : case_files()) {
    INFO(path);
    const Checked checked = check_file(path, {});
    REQUIRE(checked.report.has_value());
    CHECK(checked.report->expect.has_value());
    CHECK(outcome(*checked.report).complaint.empty());
    for (const Answer& answer : checked.report->answers)
      CHECK((answer.verdict != Verdict::unknown || !answer.reason.empty()));
  }
}

TEST_CASE("every twin holds, and what it repairs does not") {
  unsigned twins = 0;
  for (const std::string& path : case_files()) {
    const std::string stem = fs::path(path).stem().string();
    const std::size_t plus = stem.find('+');
    if (plus == std::string::npos) continue;
    INFO(path);
    ++twins;
    const std::string broken =
        (fs::path(path).parent_path() / (stem.substr(0, plus) + fs::path(path).extension().string())).string();
    REQUIRE(fs::exists(broken));
    CHECK(outcome(*check_file(path, {}).report).verdict == Verdict::holds);
    CHECK(outcome(*check_file(broken, {}).report).verdict == Verdict::violated);
  }
  CHECK(twins >= 20);
}

TEST_CASE("exploration confirms the verdict of every scenario") {
  for (const std::string& path : case_files()) {
    if (fs::path(path).extension() != ".yaml") continue;
    INFO(path);
    Diagnostics diagnostics;
    const auto scenario =
        read_yaml({path, test::read_file(fs::relative(path, FENCECHECK_SOURCE_DIR).string()), {}}, diagnostics);
    REQUIRE(scenario.has_value());
    const auto system = lower(*scenario, diagnostics);
    REQUIRE(system.has_value());
    const Exploration all = explore(*system, initial_state(*system), {});
    REQUIRE(all.gave_up.empty());
    const Decision decision = decide(*system, dependencies(*system), {});
    const bool deadlock = !decision.findings.empty() && decision.findings.front().kind == FindingKind::deadlock;
    const bool hang = !decision.findings.empty() && decision.findings.front().kind != FindingKind::contract;
    CHECK(hang == all.hang.has_value());
    CHECK(deadlock == all.for_ever.has_value());
    CHECK_FALSE(all.cut_off);
  }
}

}  // namespace
}  // namespace fencecheck
