// Everything a run has, as JSON: docs/report.schema.json describes it. Fields
// are only added; a change of meaning raises `format`.
#include <nlohmann/json.hpp>

#include "encoders/report/paths.hpp"
#include "encoders/report/report_formats.hpp"

namespace fencecheck {
namespace {

using Json = nlohmann::ordered_json;

constexpr int format = 1;

Json json(Place at) {
  if (at.line == 0) return nullptr;
  Json place = {{"line", at.line}};
  if (at.column != 0) place.update({{"column", at.column}, {"length", at.length}});
  return place;
}

Json json(Causes causes) {
  Json ids = Json::array();
  for (const CauseInfo& row : cause_table)
    if (causes.has(row.cause)) ids.push_back(row.id);
  return ids;
}

Json json(const Diagnostic& diagnostic) {
  return {{"severity", name(diagnostic.severity)}, {"at", json(diagnostic.at)}, {"message", diagnostic.message}};
}

template <class Range, class Function>
Json list(const Range& range, Function function) {
  Json result = Json::array();
  for (const auto& each : range) result.push_back(function(each));
  return result;
}

Json json(const WaitInterval& wait) {
  return {{"begin_us", wait.begin.count()},
          {"length_us", wait.length.count()},
          {"ended_by", wait.ended_by},
          {"at", json(wait.at)}};
}

Json json(const Party& party) {
  return {{"name", party.name},
          {"holds", party.holds},
          {"waits_for", party.waits_for},
          {"context", party.context},
          {"cause", info(party.cause).id},
          {"released_by", party.released_by},
          {"at", json(party.at)},
          {"waits", list(party.waits, [](const WaitInterval& each) { return json(each); })}};
}

Json json(const ScheduleStep& step) {
  return {{"thread", step.thread}, {"action", step.action},   {"context", step.context},
          {"blocks", step.blocks}, {"timeout", step.timeout}, {"at", json(step.at)}};
}

Json json(const Checked& input, const Finding& finding) {
  Json result = {{"kind", info(finding.kind).id},
                 {"rule", id_of(finding)},
                 {"strength", name(finding.strength)},
                 {"at", json(finding.at)},
                 {"message", finding.message},
                 {"fingerprint", finding.fingerprint},
                 {"count", finding.count},
                 {"excuse", info(excuse(input, finding)).id},
                 {"closed", finding.closed},
                 {"needs", json(finding.needs)},
                 {"parties", list(finding.parties, [](const Party& each) { return json(each); })},
                 {"schedule", list(finding.schedule, [](const ScheduleStep& each) { return json(each); })},
                 {"killed", finding.killed},
                 {"notes", finding.notes},
                 {"fix", fix_of(finding)}};
  if (finding.lasts) result["lasts_us"] = finding.lasts->count();
  if (finding.known) result["comment"] = *finding.known;
  return result;
}

Json json(const Expectation& expect) {
  Json result = {{"verdict", name(expect.verdict)},
                 {"findings", list(expect.findings, [](FindingKind kind) { return Json(info(kind).id); })},
                 {"at", json(expect.at)}};
  if (expect.needs) result["needs"] = json(*expect.needs);
  return result;
}

void add_report(const Checked& input, const Report& report, Json& result) {
  result.update({{"title", report.title},
                 {"kind", report.kind},
                 {"size", report.size},
                 {"verdict", name(input.outcome.verdict)},
                 {"as_expected", input.outcome.expected}});
  if (report.expect) result["expect"] = json(*report.expect);
  if (!input.outcome.complaint.empty()) result["complaint"] = input.outcome.complaint;
  result["answers"] = list(report.answers, [](const Answer& each) {
    return Json{{"property", each.property}, {"verdict", name(each.verdict)}, {"reason", each.reason}};
  });
  result["findings"] = list(report.findings, [&](const Finding& each) { return json(input, each); });
  result["findings_left_out"] = left_out(report);
  result["losses"] = list(report.losses, [](const Loss& each) {
    return Json{{"what", each.what}, {"count", each.count}, {"gap", each.gap}, {"first", json(each.first)}};
  });
  result["assumptions"] = report.assumptions;
  result["seen"] = report.summary;
  result["figures"] = report.figures;
}

Json json(const Run& run, const Checked& input) {
  Json result = {
      {"input", report_path(run, input.source)}, {"result", info(input.result).id}, {"interrupted", input.interrupted}};
  if (input.took) result["milliseconds"] = input.took->count();
  if (input.report) add_report(input, *input.report, result);
  result["diagnostics"] = list(input.diagnostics.sorted(), [](const Diagnostic& each) { return json(each); });
  return result;
}

Json results(const Run& run) {
  std::array<std::size_t, result_table.size()> counts{};
  for (const Checked& input : run.inputs) ++counts.at(static_cast<std::size_t>(input.result));
  Json summary = {{"inputs", run.inputs.size()}};
  for (const ResultInfo& row : result_table)
    summary[std::string(row.id)] = counts.at(static_cast<std::size_t>(row.result));
  return summary;
}

Json baseline(const Run& run) {
  return {
      {"file", printable(run.baseline.name)},
      {"strict", run.stale_fails},
      {"stale", list(run.stale, [](const StaleEntry& each) {
         return Json{
             {"fingerprint", each.fingerprint}, {"rule", each.rule}, {"comment", each.comment}, {"at", json(each.at)}};
       })}};
}

}  // namespace

std::string write_json(const Run& run, const Style&) {
  Json document = {{"format", format},
                   {"tool", {{"name", "fencecheck"}, {"version", run.version}}},
                   {"interrupted", run.interrupted},
                   {"summary", results(run)}};
  if (!run.baseline.name.empty()) document["baseline"] = baseline(run);
  document["inputs"] = list(run.inputs, [&](const Checked& each) { return json(run, each); });
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fencecheck
