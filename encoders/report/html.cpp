// The report as one page: the run as JSON, and a script that shows it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "encoders/diagram.hpp"
#include "encoders/dot.hpp"
#include "encoders/render.hpp"
#include "encoders/report/html/page.hpp"
#include "encoders/report/paths.hpp"
#include "encoders/report/report_formats.hpp"
#include "encoders/report/text.hpp"

namespace fencecheck {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t most_drawn = 40;      // vertices of a graph
constexpr std::size_t most_quoted = 2000;   // lines of a source; of longer ones only what is near something named
constexpr std::uint32_t lines_around = 4;   // of such a line
constexpr std::size_t longest_line = 400;   // bytes
constexpr std::size_t most_mistakes = 100;  // of an input that is not usable

Json of(const WaitInterval& wait) {
  return fmt::format("from {:.6f} for {}: {}", static_cast<double>(wait.begin.count()) / 1e6, to_text(wait.length),
                     wait.ended_by);
}

Json of(const Party& party) {
  Json waits = Json::array();
  for (const WaitInterval& wait : party.waits) waits.push_back(of(wait));
  const std::string context = party.context.empty() ? "" : ", " + party.context;
  return {{"name", party.name},
          {"holds", party.holds},
          {"waits_for", party.waits_for.empty() ? "" : party.waits_for + context},
          {"cause", info(party.cause).id},
          {"released_by", party.released_by},
          {"line", party.at.line},
          {"waits", waits}};
}

Json of(const Finding& finding, const ScheduleStep& step, std::size_t lane) {
  Json sets = Json::array();
  for (const StateChange& change : step.changes) sets.push_back({change.object, change.value});
  return {{"lane", lane},
          {"does", step.action},
          {"why", step.context},
          {"line", step.at.line},
          {"stuck", how_long(finding, step)},
          {"timeout", step.timeout},
          {"cause", info(step.cause).id},
          {"by", step.released_by ? Json(*step.released_by) : Json()},
          {"sets", sets}};
}

// What a reader of the list has to know beside the verdict.
std::string outcome_of(const Checked& input) {
  if (input.outcome.expected) return "as expected";
  if (!input.outcome.complaint.empty()) return input.outcome.complaint;
  if (input.interrupted) return "interrupted";
  return input.report && all_known(*input.report) ? "all known" : "";
}

Json of(const Checked& input, const Finding& finding) {
  std::vector<std::string> lanes;
  Json steps = Json::array();
  for (const ScheduleStep& step : finding.schedule) {
    auto lane = std::ranges::find(lanes, step.thread);
    if (lane == lanes.end()) lane = lanes.insert(lane, step.thread);
    steps.push_back(of(finding, step, static_cast<std::size_t>(lane - lanes.begin())));
  }
  Json objects = Json::array();
  for (const ObjectState& each : finding.objects)
    objects.push_back({{"kind", each.kind}, {"name", each.name}, {"value", each.value}});
  Json parties = Json::array();
  for (const Party& party : finding.parties) parties.push_back(of(party));
  return {{"fingerprint", finding.fingerprint},
          {"kind", info(finding.kind).id},
          {"rule", finding.rule ? info(*finding.rule).id : ""},
          {"strength", name(finding.strength)},
          {"message", finding.message},
          {"excuse", info(excuse(input, finding)).id},
          {"known", finding.known ? *finding.known : ""},
          {"count", finding.count},
          {"line", finding.at.line},
          {"needs", info(finding.kind).hang ? to_text(finding.needs) : ""},
          {"lasts", finding.lasts ? to_text(*finding.lasts) : ""},
          {"killed", finding.killed},
          {"notes", finding.notes},
          {"fix", fix_of(finding)},
          {"see", finding.rule ? info(*finding.rule).reference : info(finding.kind).reference},
          {"closed", finding.closed},
          {"parties", parties},
          {"lanes", lanes},
          {"objects", objects},
          {"steps", steps}};
}

// The lines that findings and messages name.
std::set<std::uint32_t> named_lines(const Checked& input, const std::vector<Diagnostic>& messages) {
  std::set<std::uint32_t> lines;
  for (const Diagnostic& each : messages) lines.insert(each.at.line);
  if (!input.report) return lines;
  for (const Finding& finding : input.report->findings) {
    lines.insert(finding.at.line);
    for (const Party& party : finding.parties) lines.insert(party.at.line);
    for (const ScheduleStep& step : finding.schedule) lines.insert(step.at.line);
  }
  return lines;
}

std::string shown(std::string_view line) {
  std::string text = printable(line.substr(0, longest_line));
  return line.size() > longest_line ? text + "…" : text;
}

// Pairs of a number and a line: the whole source if it is short.
Json source(const Checked& input, const std::vector<Diagnostic>& messages) {
  Json result = Json::array();
  const std::string_view text = input.source.text;
  const auto count = static_cast<std::size_t>(std::ranges::count(text, '\n')) + input.source.kept.size();
  const std::set<std::uint32_t> named = named_lines(input, messages);
  const auto near = [&](std::uint32_t number) {
    const auto next = named.lower_bound(number > lines_around ? number - lines_around : 1);
    return next != named.end() && *next <= number + lines_around;
  };
  const auto add = [&](std::uint32_t number, std::string_view line) {
    if (count < most_quoted || near(number)) result.push_back({number, shown(line)});
  };
  for (const auto& [number, line] : input.source.kept) add(number, line);
  std::uint32_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    add(number, text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

// A picture without what only a file needs.
std::string inlined(std::string svg) {
  svg.erase(0, svg.find("<svg"));
  for (std::size_t begin = svg.find("<!--"); begin != std::string::npos; begin = svg.find("<!--", begin))
    svg.erase(begin, svg.find("-->", begin) + 4 - begin);
  return svg;
}

Json graphs(const Report& report) {
  Json result = Json::array();
  for (const View view : {View::cycle, View::instances, View::classes}) {
    if (view == View::cycle && report.cycles.empty()) continue;
    const Drawing drawing = draw(*report.graph, {view, report.title, report.cycles, true, most_drawn});
    if (drawing.arrows.empty()) continue;
    result.push_back({{"view", info(view).id},
                      {"says", info(view).says},
                      {"words", in_words(drawing)},
                      {"svg", inlined(render(to_dot(drawing), Picture::svg))}});
  }
  return result;
}

Json of(const Loss& loss) {
  return fmt::format("{}: {} {}{}", loss.gap ? "loss" : "skipped", loss.count, loss.what,
                     loss.first.line == 0 ? "" : fmt::format(", first at line {}", loss.first.line));
}

Json of(const Run& run, const Checked& input) {
  std::vector<Diagnostic> messages = input.report ? input.report->warnings : input.diagnostics.sorted();
  Json left_out = Json::array();
  if (messages.size() > most_mistakes) {
    left_out.push_back(fmt::format("{} more messages are not shown", messages.size() - most_mistakes));
    messages.resize(most_mistakes);
  }
  Json said = Json::array();
  for (const Diagnostic& each : messages)
    said.push_back({{"severity", name(each.severity)}, {"message", each.message}, {"line", each.at.line}});
  Json result{{"name", report_path(run, input.source)},
              {"title", input.report ? input.report->title : report_path(run, input.source)},
              {"verdict", input.report ? name(input.outcome.verdict) : "error"},
              {"result", info(input.result).id},
              {"outcome", outcome_of(input)},
              {"kind", input.report ? input.report->kind : ""},
              {"size", input.report ? input.report->size : ""},
              {"messages", said},
              {"answers", Json::array()},
              {"losses", Json::array()},
              {"assumptions", Json::array()},
              {"findings", Json::array()},
              {"source", source(input, messages)},
              {"graphs", Json::array()}};
  if (input.report) {
    const Report& report = *input.report;
    for (const Answer& each : report.answers)
      result["answers"].push_back(
          {{"property", each.property}, {"verdict", name(each.verdict)}, {"reason", each.reason}});
    for (const Loss& each : report.losses) result["losses"].push_back(of(each));
    result["assumptions"] = report.assumptions;
    for (const Finding& each : report.findings) result["findings"].push_back(of(input, each));
    result["graphs"] = graphs(report);
    if (const std::uint64_t cut = fencecheck::left_out(report); cut > 0)
      left_out.push_back(fmt::format("{} {} not shown; --findings raises the limit", quantity(cut, "more finding"),
                                     cut == 1 ? "is" : "are"));
  }
  result["left_out"] = left_out;
  return result;
}

// Inside a script element a text must not end it, nor begin a comment.
std::string for_script(const std::string& json) {
  std::string result;
  for (const char byte : json) {
    if (byte == '<')
      result += "\\u003c";
    else
      result += byte;
  }
  return result;
}

}  // namespace

std::string write_html(const Run& run, const Style& style) {
  Json data{{"version", run.version},
            {"summary", summary(run, {style.story, false, 0})},
            {"causes", Json::object()},
            {"inputs", Json::array()}};
  for (const CauseInfo& row : cause_table) data["causes"][std::string(row.id)] = row.colour;
  for (const Checked& input : run.inputs) data["inputs"].push_back(of(run, input));
  const std::string json = for_script(data.dump(-1, ' ', false, Json::error_handler_t::replace));
  const std::map<std::string_view, std::string_view> pieces{
      {"@STYLE@", html::style}, {"@SCRIPT@", html::script}, {"@DATA@", json}};
  std::string page;
  for (std::string_view rest = html::page; !rest.empty();) {
    const std::size_t at = std::min(rest.find('@'), rest.size());
    page += rest.substr(0, at);
    rest.remove_prefix(at);
    const auto piece = std::ranges::find_if(pieces, [&](const auto& each) { return rest.starts_with(each.first); });
    if (piece != pieces.end()) {
      page += piece->second;
      rest.remove_prefix(piece->first.size());
    } else if (!rest.empty()) {
      page += rest.front();
      rest.remove_prefix(1);
    }
  }
  return page;
}

}  // namespace fencecheck
