#include "encoders/report/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "encoders/report/columns.hpp"
#include "encoders/report/report_formats.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_mistakes = 100;  // of one input; a file that has more is something else altogether
constexpr std::size_t most_stories = 20;    // of one input; further findings get one line each
constexpr std::size_t usual_width = 100;    // where there is no terminal: fits into a mail
constexpr std::size_t least_width = 40;

enum class Paint : std::uint8_t { error, warning, note, name, good, dim };

class Writer {
 public:
  Writer(const Source& source, const Style& style)
      : source_(source),
        style_(style),
        width_(style.width == 0 ? usual_width : std::max<std::size_t>(style.width, least_width)) {}

  [[nodiscard]] std::string painted(Paint paint, std::string_view text) const;
  void message(Place at, Paint paint, std::string_view level, std::string_view text);
  void diagnostic(const Diagnostic& each);
  void finding(const Checked& input, const Finding& finding, bool story);
  void summary(const Report& report);
  void verdict(const Checked& input);
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...);
    out_ += '\n';
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void party(const Party& party);
  void tell(const Finding& finding);
  void prose(std::size_t indent, std::string_view label, std::string_view text, std::size_t painted_bytes = 0,
             Paint paint = Paint::dim);

  const Source& source_;
  const Style& style_;
  std::size_t width_;
  std::string out_;
};

std::string Writer::painted(Paint paint, std::string_view text) const {
  if (!style_.colour) return std::string(text);
  static constexpr std::array<std::string_view, 6> codes{"1;31", "1;35", "1;36", "1", "1;32", "2"};
  return fmt::format("\x1b[{}m{}\x1b[0m", codes.at(static_cast<std::size_t>(paint)), text);
}

// Messages stay on one line: editors and grep look for them.
void Writer::message(Place at, Paint paint, std::string_view level, std::string_view text) {
  line("{}: {} {}", painted(Paint::name, position(source_, at)), painted(paint, fmt::format("{}:", level)), text);
  out_ += excerpt(source_, at);
}

void Writer::diagnostic(const Diagnostic& each) {
  const Paint paint = each.severity == Severity::error     ? Paint::error
                      : each.severity == Severity::warning ? Paint::warning
                                                           : Paint::note;
  message(each.at, paint, name(each.severity), each.message);
}

// A label and a text, wrapped behind the label; the text begins with some bytes, of one word, in colour.
void Writer::prose(std::size_t indent, std::string_view label, std::string_view text, std::size_t painted_bytes,
                   Paint paint) {
  const std::size_t before = indent + columns_of(label);
  std::vector<std::string> lines = wrapped(text, width_ > before + least_width / 2 ? width_ - before : width_);
  if (painted_bytes > 0)
    lines.front() = painted(paint, lines.front().substr(0, painted_bytes)) + lines.front().substr(painted_bytes);
  for (std::size_t i = 0; i < lines.size(); ++i)
    line("{}{}{}", std::string(indent, ' '), i == 0 ? std::string(label) : std::string(columns_of(label), ' '),
         lines[i]);
}

// Who it is and what it holds; what it waits for and why; what would release it and why that cannot come.
void Writer::party(const Party& party) {
  line("    {}", painted(Paint::name, party.name));
  if (!party.holds.empty()) prose(6, "", fmt::format("{}", fmt::join(party.holds, ", ")));
  if (!party.waits_for.empty()) {
    const std::string where = party.at.line == 0 ? "" : fmt::format(" at line {}", party.at.line);
    prose(6, "waits for ",
          fmt::format("{}{}{} [{}]{}", party.waits_for, party.context.empty() ? "" : ", ", party.context,
                      info(party.cause).id, where));
    for (const WaitInterval& wait : party.waits)
      line("        from {:.6f} for {}: {}", static_cast<double>(wait.begin.count()) / 1e6, to_text(wait.length),
           wait.ended_by);
  }
  if (!party.released_by.empty()) prose(6, "", party.released_by);
}

void Writer::tell(const Finding& finding) {
  if (!finding.parties.empty()) {
    line("  {}:", finding.closed ? "who waits for whom" : "what it comes down to");
    for (const Party& each : finding.parties) party(each);
  }
  if (info(finding.kind).hang) line("  needs: {}", to_text(finding.needs));
  if (finding.lasts) line("  lasts: {}", to_text(*finding.lasts));
  for (const std::string& killed : finding.killed) prose(2, "ended by ", killed);
  for (const std::string& note : finding.notes) prose(2, "note: ", note);
  if (!finding.schedule.empty()) {
    line("  how it happens:");
    for (const std::string& each : schedule_lines(finding, width_ - 2)) line("  {}", each);
  }
  prose(2, "fix: ", fix_of(finding));
  prose(2, "see: ", finding.rule ? info(*finding.rule).reference : info(finding.kind).reference);
  line("  fingerprint: {} ({})", finding.fingerprint, name(finding.strength));
}

void Writer::finding(const Checked& input, const Finding& finding, bool story) {
  const bool known = excuse(input, finding) == Excuse::known;
  const std::string times = finding.count == 1 ? "" : fmt::format(" ({} times)", finding.count);
  const std::string text = fmt::format("{}: {}{} [{}]", info(finding.kind).id, finding.message, times, id_of(finding));
  const Paint paint = known ? Paint::note : Paint::error;
  const std::string_view level = known ? "note" : "error";
  if (!story) {
    line("{}: {} {}", painted(Paint::name, position(source_, finding.at)), painted(paint, fmt::format("{}:", level)),
         text);
    return;
  }
  message(finding.at, paint, level, text);
  if (known) prose(2, "known: ", *finding.known);
  tell(finding);
}

void Writer::summary(const Report& report) {
  line("{}: {} \"{}\" ({})", painted(Paint::name, printable(source_.name)), report.kind, report.title, report.size);
  for (const Loss& loss : report.losses)
    line("  {}: {} {}{}", loss.gap ? painted(Paint::warning, "loss") : "skipped", loss.count, loss.what,
         loss.first.line == 0 ? "" : fmt::format(", first at line {}", loss.first.line));
  for (const Answer& answer : report.answers) {
    const Paint paint = answer.verdict == Verdict::holds      ? Paint::good
                        : answer.verdict == Verdict::violated ? Paint::error
                                                              : Paint::warning;
    const std::string reason = answer.reason.empty() ? "" : fmt::format(" ({})", answer.reason);
    prose(2, answer.property + ": ", fmt::format("{}{}", name(answer.verdict), reason), name(answer.verdict).size(),
          paint);
  }
  for (const std::string& seen : report.summary) prose(2, "seen: ", seen);
  for (const std::string& assumption : report.assumptions) prose(2, "assumed: ", assumption);
  for (const std::string& figure : report.figures) prose(2, "counted: ", figure);
}

// "a.yaml: violated (deadlock), as expected"
void Writer::verdict(const Checked& input) {
  std::vector<std::string_view> kinds;
  const auto add = [&](FindingKind kind) {
    if (std::ranges::find(kinds, info(kind).id) == kinds.end()) kinds.push_back(info(kind).id);
  };
  for (const Finding& each : input.report->findings) add(each.kind);
  for (const CutFindings& each : input.report->cut) add(each.kind);
  const Outcome& outcome = input.outcome;
  const std::string took = input.took ? fmt::format(" in {} ms", input.took->count()) : "";
  line("{}: {}{}{}{}", printable(source_.name), name(outcome.verdict),
       kinds.empty() ? "" : fmt::format(" ({})", fmt::join(kinds, ", ")),
       outcome.expected             ? ", as expected"
       : !outcome.complaint.empty() ? ": " + outcome.complaint
       : input.interrupted          ? ", interrupted"
       : all_known(*input.report)   ? ", all known"
                                    : "",
       took);
}

// The first mistakes of an input that is not usable.
std::string mistakes(const Checked& input, const Style& style) {
  Writer writer(input.source, style);
  const std::vector<Diagnostic> all = input.diagnostics.sorted();
  for (std::size_t i = 0; i < std::min(all.size(), most_mistakes); ++i) writer.diagnostic(all[i]);
  if (all.size() > most_mistakes)
    writer.line("{}: and {} more", printable(input.source.name), all.size() - most_mistakes);
  return writer.take();
}

// "--timeout" of "… was reached (--timeout)": reasons name the option that raises their limit.
std::string_view option_in(std::string_view reason) {
  const std::size_t begin = reason.find("(--");
  const std::size_t end = reason.find(')', begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) return {};
  return reason.substr(begin + 1, end - begin - 1);
}

}  // namespace

std::string to_text(Microseconds length) {
  const auto us = length.count();
  if (us < 1000) return fmt::format("{} us", us);
  if (us < 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(us) / 1e3);
  return fmt::format("{:.1f} s", static_cast<double>(us) / 1e6);
}

std::string to_text(Causes causes) {
  std::vector<std::string_view> ids;
  for (const CauseInfo& row : cause_table)
    if (causes.has(row.cause)) ids.push_back(row.id);
  return ids.empty() ? "nothing" : fmt::format("{}", fmt::join(ids, " + "));
}

std::string to_text(const Checked& input, const Finding& finding, const Style& style) {
  Writer writer(input.source, style);
  writer.finding(input, finding, true);
  return writer.take();
}

std::string to_text(const Checked& input, const Style& style) {
  if (!input.report) return mistakes(input, style);
  const Report& report = *input.report;
  const bool surprise = input.result != Result::passed;
  const bool story =
      style.story == StoryMode::always || (style.story == StoryMode::automatic && (!input.from_folder || surprise));
  const bool brief = style.story == StoryMode::never && surprise;
  Writer writer(input.source, style);
  if (story)
    for (const Diagnostic& warning : report.warnings) writer.diagnostic(warning);
  for (std::size_t i = 0; i < report.findings.size() && (story || brief); ++i)
    writer.finding(input, report.findings[i], story && i < most_stories);
  if (story) writer.summary(report);
  writer.verdict(input);
  return writer.take();
}

std::string stale_lines(const Run& run) {
  std::string text;
  for (std::size_t i = 0; i < std::min(run.stale.size(), most_mistakes); ++i)
    text += fmt::format("{}: {}\n", position(run.baseline, run.stale[i].at), run.stale[i].message());
  if (run.stale.size() > most_mistakes)
    text += fmt::format("{}: and {} more\n", printable(run.baseline.name), run.stale.size() - most_mistakes);
  return text;
}

std::string summary(const Run& run, const Style&) {
  std::array<std::size_t, result_table.size()> counts{};
  std::map<std::string_view, std::size_t> limits;
  std::size_t findings = 0;
  std::size_t known = 0;
  std::size_t interrupted = 0;
  std::string text;
  for (const Checked& input : run.inputs) {
    ++counts.at(static_cast<std::size_t>(input.result));
    if (!input.report) continue;
    findings += input.report->findings.size() + left_out(*input.report);
    known += known_left_out(*input.report);
    interrupted += input.interrupted ? 1 : 0;
    for (const Finding& finding : input.report->findings) known += finding.known ? 1 : 0;
    for (const Answer& answer : input.report->answers)
      if (const std::string_view option = option_in(answer.reason);
          answer.verdict == Verdict::unknown && !option.empty())
        ++limits[option];
    if (const std::uint64_t cut = left_out(*input.report); cut > 0)
      text += fmt::format("{}: {} {} not shown; --findings raises the limit\n", printable(input.source.name),
                          quantity(cut, "more finding"), cut == 1 ? "is" : "are");
  }
  for (const auto& [option, count] : limits)
    text += fmt::format("{} cut short; {} raises the limit\n", quantity(count, "answer was", "answers were"), option);
  text += stale_lines(run);
  text += fmt::format("SUMMARY: {}", quantity(run.inputs.size(), "input"));
  for (const ResultInfo& row : result_table)
    if (const std::size_t count = counts.at(static_cast<std::size_t>(row.result)); count > 0)
      text += fmt::format(", {} {}", count, row.id);
  text += fmt::format("; {}", quantity(findings, "finding"));
  if (known > 0) text += fmt::format(", {} known", known);
  if (baseline_fails(run)) text += fmt::format("; {}", quantity(run.stale.size(), "stale entry", "stale entries"));
  if (interrupted > 0) text += fmt::format("; interrupted, {} not checked", interrupted);
  return text + "\n";
}

std::string write_text(const Run& run, const Style& style) {
  std::string text;
  for (const Checked& input : run.inputs) text += to_text(input, style);
  return text + summary(run, style);
}

}  // namespace fencecheck
