// Every case has the verdict it expects; every twin `shape+fix` holds and its stem does not.
#include <algorithm>
#include <filesystem>
#include <set>

#include "checker/check.hpp"
#include "checker/decide.hpp"
#include "checker/design.hpp"
#include "checker/explore.hpp"
#include "checker/input.hpp"
#include "encoders/encodable.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/golden.hpp"

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

// With less effort than usual (sanitizers) only some of them, spread over all folders.
constexpr std::uint64_t usual_effort = 400;
std::uint64_t stride() { return std::max<std::uint64_t>(1, usual_effort / std::max<std::uint64_t>(1, test::effort())); }

std::vector<std::string> case_files() {
  std::vector<std::string> result;
  const std::vector<InputFile> all = input_files({FENCECHECK_SOURCE_DIR "/cases"});
  for (std::size_t i = 0; i < all.size(); i += stride()) result.push_back(all[i].path);
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
  CHECK(twins * stride() >= 20);
}

// What `kind` says of the reference: hangs, and whether for ever, from its ends; the rest from its incidents.
bool confirms(const Exploration& all, FindingKind kind) {
  const auto is_incident = [&] {
    return std::ranges::any_of(all.incidents, [&](const ExploredIncident& each) { return each.incident.kind == kind; });
  };
  switch (kind) {
    case FindingKind::deadlock:
      return all.for_ever.has_value() || !all.livelocks.empty();  // or beside what runs on
    case FindingKind::lost_fence:                                 // owed by nobody in the end, or replaced before
    case FindingKind::lost_wakeup:
      return all.for_ever.has_value() || is_incident() || !all.livelocks.empty();
    case FindingKind::stall:
      return all.hang.has_value() && !all.for_ever;
    case FindingKind::livelock:
      return !all.livelocks.empty();
    default:
      return is_incident();
  }
}

TEST_CASE("exploration without reductions confirms the verdict of every scenario") {
  std::size_t too_large = 0;  // for exploration without reductions
  std::size_t scenarios = 0;
  for (const std::string& path : case_files()) {
    if (fs::path(path).extension() != ".yaml") continue;
    INFO(path);
    ++scenarios;
    Diagnostics diagnostics;
    const auto scenario =
        read_yaml({path, test::read_file(fs::relative(path, FENCECHECK_SOURCE_DIR).string()), {}}, diagnostics);
    REQUIRE(scenario.has_value());
    const auto system = lower(*scenario, diagnostics);
    REQUIRE(system.has_value());
    ExploreOptions everything;
    everything.incidents = true;
    everything.most_livelocks = 1;
    everything.budget.reductions = false;
    everything.max_states = 25 * test::effort();
    const Exploration all = explore(*system, initial_state(*system), everything);
    if (!all.gave_up.empty()) {
      ++too_large;
      continue;
    }
    const Decision decision = decide(*system, dependencies(*system), {});
    std::set<FindingKind> kinds;
    for (const ExploredIncident& each : all.incidents) kinds.insert(each.incident.kind);
    bool hangs = false;
    for (const Finding& finding : decision.findings) {
      if (finding.strength == Strength::potential) continue;  // of the text, not of executions
      const bool lost = finding.kind == FindingKind::lost_fence && !kinds.contains(finding.kind);
      hangs = hangs || lost || info(finding.kind).hang;
      INFO(info(finding.kind).id);
      CHECK(confirms(all, finding.kind));
    }
    CHECK((hangs == all.hang.has_value() || !all.livelocks.empty()));
    for (const FindingKind kind : kinds)
      CHECK(std::ranges::any_of(decision.findings, [&](const Finding& finding) { return finding.kind == kind; }));
    CHECK_FALSE(all.cut_off);
  }
  CHECK(too_large < scenarios / 3);
}

Verdict deadlock_freedom(const System& system, Engine engine, bool reductions) {
  Budget budget;
  budget.engine = engine;
  budget.reductions = reductions;
  const Decision decision = decide(system, dependencies(system), budget);
  return std::ranges::find(decision.answers, "deadlock-freedom", &Answer::property)->verdict;
}

TEST_CASE("formulas with and without reductions give every case the same verdict") {
  for (const std::string& path : case_files()) {
    if (fs::path(path).extension() != ".yaml") continue;
    INFO(path);
    Source source;
    Diagnostics diagnostics;
    const auto design = read_design(path, source, diagnostics);
    REQUIRE(design.has_value());
    if (!not_encodable(design->system).empty()) continue;
    const Verdict verdict = deadlock_freedom(design->system, Engine::automatic, true);
    const Verdict reduced = deadlock_freedom(design->system, Engine::smt, true);
    CHECK((reduced == verdict || reduced == Verdict::unknown));
    std::size_t steps = 0;
    for (const Thread& thread : design->system.threads) steps += thread.program.size();
    if (steps > 150) continue;  // the plain formula would take its time
    CHECK(deadlock_freedom(design->system, Engine::smt, false) == reduced);
  }
}

}  // namespace
}  // namespace fencecheck
