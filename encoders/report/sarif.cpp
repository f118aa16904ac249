// SARIF 2.1.0 (OASIS), within the limits of GitHub code scanning: at most 25,000
// results, 1,000 locations of a result and 10,000 steps of its flows.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "encoders/report/issues.hpp"
#include "encoders/report/paths.hpp"
#include "encoders/report/report_formats.hpp"

namespace fencecheck {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t most_results = 25'000;
constexpr std::size_t most_locations = 1'000;
constexpr std::size_t most_steps = 10'000;
constexpr std::size_t longest_description = 1'024;  // characters

Json text(std::string_view words) { return {{"text", words}}; }

// How many code points the first `bytes` of a line are.
std::size_t code_points(std::string_view line, std::size_t bytes) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line.substr(0, bytes), [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U; }));
}

// GitHub wants a line in every place; what has none is put on the first.
Json region(const Source& source, Place at) {
  Json result = {{"startLine", std::max(1U, at.line)}};
  if (at.line == 0 || at.column == 0) return result;
  const std::string_view line = line_of(source, at.line);
  const std::size_t begin = code_points(line, at.column - 1);
  const std::size_t length = code_points(line, at.column - 1 + at.length) - begin;
  result["startColumn"] = begin + 1;
  result["endColumn"] = begin + 1 + std::max<std::size_t>(1, length);
  return result;
}

class Writer {
 public:
  explicit Writer(const Run& run) : run_(run), rules_(issue_rules()) {}
  [[nodiscard]] std::string document() const;

 private:
  [[nodiscard]] Json rules() const;
  [[nodiscard]] Json location(const Source& source, Place at) const;
  [[nodiscard]] Json result(const Issue& issue) const;
  [[nodiscard]] Json related(const Source& source, const Finding& finding) const;
  [[nodiscard]] Json flow(const Source& source, const Finding& finding) const;
  void add_finding(const Issue& issue, Json& result) const;

  const Run& run_;
  std::vector<IssueRule> rules_;
};

Json Writer::rules() const {
  Json result = Json::array();
  for (const IssueRule& rule : rules_) {
    const std::string_view says = rule.says.substr(0, longest_description);
    const bool finding = find_row(finding_table, rule.id) != nullptr || find_row(rule_table, rule.id) != nullptr;
    Json tags = finding ? Json{"deadlock", "external/cwe/cwe-833"} : Json{"input"};
    result.push_back({{"id", rule.id},
                      {"shortDescription", text(says)},
                      {"fullDescription", text(says)},
                      {"help", text(fmt::format("{}. See {}.", rule.fix, rule.reference))},
                      {"defaultConfiguration", {{"level", "error"}}},
                      {"properties", {{"tags", tags}, {"precision", "very-high"}, {"problem.severity", "error"}}}});
  }
  return result;
}

Json Writer::location(const Source& source, Place at) const {
  return {{"physicalLocation",
           {{"artifactLocation", {{"uri", report_uri(run_, source)}}}, {"region", region(source, at)}}}};
}

// What the other parties wait for.
Json Writer::related(const Source& source, const Finding& finding) const {
  Json result = Json::array();
  for (const Party& party : finding.parties) {
    if (party.waits_for.empty() || result.size() == most_locations) continue;
    Json place = location(source, party.at);
    place["id"] = result.size() + 1;
    place["message"] = text(fmt::format("{} waits for {}", party.name, party.waits_for));
    result.push_back(std::move(place));
  }
  return result;
}

// One thread flow for each thread; `executionOrder` interleaves them.
Json Writer::flow(const Source& source, const Finding& finding) const {
  Json threads = Json::array();
  const auto locations = [&](const std::string& thread) -> Json& {
    for (Json& each : threads)
      if (each["id"] == thread) return each["locations"];
    threads.push_back({{"id", thread}, {"locations", Json::array()}});
    return threads.back()["locations"];
  };
  for (std::size_t i = 0; i < std::min(finding.schedule.size(), most_steps); ++i) {
    const ScheduleStep& step = finding.schedule[i];
    Json place = location(source, step.at);
    place["message"] = text(fmt::format("{}{}{}{}{}", step.action, step.context.empty() ? "" : ", ", step.context,
                                        step.blocks ? ", " : "", how_long(finding, step)));
    locations(step.thread)
        .push_back({{"executionOrder", i + 1},
                    {"importance", step.blocks ? "essential" : "important"},
                    {"location", std::move(place)}});
  }
  return {{"message", text("the schedule, interleaved by executionOrder")}, {"threadFlows", std::move(threads)}};
}

// The parties and what each waits for.
Json wait_graph(const Finding& finding) {
  Json nodes = Json::array();
  Json edges = Json::array();
  const std::size_t size = finding.parties.size();
  for (std::size_t i = 0; i < size; ++i) {
    const Party& party = finding.parties[i];
    nodes.push_back({{"id", fmt::format("p{}", i)}, {"label", text(party.name)}});
    if (i + 1 == size && !finding.closed) continue;
    edges.push_back({{"id", fmt::format("w{}", i)},
                     {"label", text(party.waits_for)},
                     {"sourceNodeId", fmt::format("p{}", i)},
                     {"targetNodeId", fmt::format("p{}", (i + 1) % size)}});
  }
  return {{"description", text("who waits for whom")}, {"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

void Writer::add_finding(const Issue& issue, Json& result) const {
  const Finding& finding = *issue.finding;
  if (!finding.parties.empty()) {
    result["relatedLocations"] = related(*issue.source, finding);
    result["graphs"] = Json::array({wait_graph(finding)});
  }
  if (!finding.schedule.empty()) result["codeFlows"] = Json::array({flow(*issue.source, finding)});
  result["occurrenceCount"] = finding.count;
  Json needs = Json::array();
  for (const CauseInfo& row : cause_table)
    if (finding.needs.has(row.cause)) needs.push_back(row.id);
  result["properties"] = {{"strength", name(finding.strength)}, {"needs", std::move(needs)}};
}

Json Writer::result(const Issue& issue) const {
  const auto rule = std::ranges::find(rules_, issue.rule, &IssueRule::id);
  Json result = {{"ruleId", issue.rule},
                 {"ruleIndex", rule - rules_.begin()},
                 {"level", name(issue.severity)},
                 {"message", text(issue.message)},
                 {"locations", Json::array({location(*issue.source, issue.at)})},
                 {"partialFingerprints",
                  {{"primaryLocationLineHash", issue.fingerprint + ":1"}, {"fencecheck/v1", issue.fingerprint}}}};
  if (issue.excuse == Excuse::expected)
    result["suppressions"] = Json::array({{{"kind", "inSource"}, {"justification", "the input expects it"}}});
  if (issue.excuse == Excuse::known)
    result["suppressions"] =
        Json::array({{{"kind", "external"},
                      {"justification", issue.finding == nullptr ? "all of them are known" : *issue.finding->known}}});
  if (issue.finding != nullptr) add_finding(issue, result);
  return result;
}

std::string Writer::document() const {
  const std::vector<Issue> all = issues(run_);
  Json results = Json::array();
  for (std::size_t i = 0; i < std::min(all.size(), most_results); ++i) results.push_back(result(all[i]));
  Json invocation = {{"executionSuccessful", !run_.interrupted}};
  if (all.size() > most_results)
    invocation["toolExecutionNotifications"] =
        Json::array({{{"level", "warning"},
                      {"message", text(fmt::format("{} more results are left out: GitHub takes {}",
                                                   all.size() - most_results, most_results))}}});
  Json driver = {{"name", "fencecheck"}, {"semanticVersion", run_.version}, {"rules", rules()}};
  Json run = {{"tool", {{"driver", std::move(driver)}}},
              {"invocations", Json::array({std::move(invocation)})},
              {"automationDetails", {{"id", "fencecheck/"}}},
              {"columnKind", "unicodeCodePoints"},
              {"results", std::move(results)}};
  const Json document = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                         {"version", "2.1.0"},
                         {"runs", Json::array({std::move(run)})}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string write_sarif(const Run& run, const Style&) { return Writer(run).document(); }

}  // namespace fencecheck
