#include "encoders/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace fencecheck {
namespace {

enum class Paint : std::uint8_t { error, warning, note, name, good, dim };

class Writer {
 public:
  Writer(const Source& source, const TextOptions& options) : source_(source), options_(options) {}

  [[nodiscard]] std::string painted(Paint paint, std::string_view text) const;
  void message(Place at, Paint paint, std::string_view level, std::string_view text);
  void finding(const Finding& finding);
  void summary(const Report& report);
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...);
    out_ += '\n';
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void party(const Finding& finding, std::size_t i);
  void schedule(const std::vector<ScheduleStep>& steps);
  void story(const Finding& finding);

  const Source& source_;
  const TextOptions& options_;
  std::string out_;
};

std::string Writer::painted(Paint paint, std::string_view text) const {
  if (!options_.colour) return std::string(text);
  static constexpr std::array<std::string_view, 6> codes{"1;31", "1;35", "1;36", "1", "1;32", "2"};
  return fmt::format("\x1b[{}m{}\x1b[0m", codes.at(static_cast<std::size_t>(paint)), text);
}

void Writer::message(Place at, Paint paint, std::string_view level, std::string_view text) {
  line("{}: {} {}", painted(Paint::name, position(source_, at)), painted(paint, fmt::format("{}:", level)), text);
  if (const std::string quoted = excerpt(source_, at); !quoted.empty()) {
    out_ += quoted;
    if (!quoted.ends_with('\n')) out_ += '\n';
  }
}

std::string seconds(Microseconds length) {
  const auto us = length.count();
  if (us < 1000) return fmt::format("{} us", us);
  if (us < 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(us) / 1e3);
  return fmt::format("{:.1f} s", static_cast<double>(us) / 1e6);
}

void Writer::party(const Finding& finding, std::size_t i) {
  const Party& party = finding.parties[i];
  line("    {}{}", painted(Paint::name, party.name),
       party.holds.empty() ? "" : fmt::format(" ({})", fmt::join(party.holds, ", ")));
  if (party.waits_for.empty()) return;
  line("      waits for {} [{}]{}", party.waits_for, info(party.cause).id,
       party.at.line == 0 ? "" : fmt::format(" at line {}", party.at.line));
  for (const WaitInterval& wait : party.waits)
    line("        from {:.6f} for {}: {}", static_cast<double>(wait.begin.count()) / 1e6, seconds(wait.length),
         wait.ended_by);
  if (!party.released_by.empty()) line("      {}", party.released_by);
}

// Numbered steps, the threads in columns of one width.
void Writer::schedule(const std::vector<ScheduleStep>& steps) {
  std::size_t width = 0;
  for (const ScheduleStep& step : steps) width = std::max(width, step.thread.size());
  line("  how it happens:");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const ScheduleStep& step = steps[i];
    const std::string number = step.blocks ? "*" : fmt::format("{}", i + 1);
    const std::string where = step.at.line == 0 ? "" : fmt::format("  (line {})", step.at.line);
    const std::string context = step.context.empty() ? "" : ", " + step.context;
    line("    {:>3}  {:<{}}  {}{}{}{}", number, step.thread, width, step.action, context,
         step.blocks ? painted(Paint::error, " -- for ever") : "", painted(Paint::dim, where));
  }
}

void Writer::story(const Finding& finding) {
  if (!finding.parties.empty()) {
    line("  {}:", finding.closed ? "who waits for whom" : "what it comes down to");
    for (std::size_t i = 0; i < finding.parties.size(); ++i) party(finding, i);
  }
  if (finding.kind != FindingKind::contract) line("  needs: {}", to_text(finding.needs));
  if (finding.lasts) line("  lasts: {}", seconds(*finding.lasts));
  for (const std::string& killed : finding.killed) line("  ended by {}", killed);
  for (const std::string& note : finding.notes) line("  note: {}", note);
  if (!finding.schedule.empty()) schedule(finding.schedule);
  line("  fix: {}", finding.rule ? info(*finding.rule).fix : info(finding.kind).fix);
  line("  see: {}", finding.rule ? info(*finding.rule).reference : info(finding.kind).reference);
  line("  fingerprint: {} ({})", finding.fingerprint, name(finding.strength));
}

void Writer::finding(const Finding& finding) {
  const std::string_view id = finding.rule ? info(*finding.rule).id : info(finding.kind).id;
  const std::string text = fmt::format("{}: {} [{}]", info(finding.kind).id, finding.message, id);
  if (!options_.story) {
    line("{}: {} {}", painted(Paint::name, position(source_, finding.at)), painted(Paint::error, "error:"), text);
    return;
  }
  message(finding.at, Paint::error, "error", text);
  story(finding);
}

void Writer::summary(const Report& report) {
  for (const Loss& loss : report.losses)
    line("  {}: {} {}{}", loss.gap ? painted(Paint::warning, "loss") : "skipped", loss.count, loss.what,
         loss.first.line == 0 ? "" : fmt::format(", first at line {}", loss.first.line));
  for (const Answer& answer : report.answers) {
    const Paint paint = answer.verdict == Verdict::holds      ? Paint::good
                        : answer.verdict == Verdict::violated ? Paint::error
                                                              : Paint::warning;
    line("  {}: {}{}", answer.property, painted(paint, name(answer.verdict)),
         answer.reason.empty() ? "" : fmt::format(" ({})", answer.reason));
  }
  if (options_.story)
    for (const std::string& assumption : report.assumptions) line("  assumed: {}", assumption);
}

Paint paint_of(Severity severity) {
  return severity == Severity::error ? Paint::error : severity == Severity::warning ? Paint::warning : Paint::note;
}

}  // namespace

std::string to_text(Causes causes) {
  std::vector<std::string_view> ids;
  for (const CauseInfo& row : cause_table)
    if (causes.has(row.cause)) ids.push_back(row.id);
  return ids.empty() ? "nothing" : fmt::format("{}", fmt::join(ids, " + "));
}

std::string to_text(const Source& source, const Diagnostic& diagnostic, const TextOptions& options) {
  Writer writer(source, options);
  writer.message(diagnostic.at, paint_of(diagnostic.severity), name(diagnostic.severity), diagnostic.message);
  return writer.take();
}

std::string to_text(const Source& source, const Report& report, const TextOptions& options) {
  Writer writer(source, options);
  for (const Diagnostic& warning : report.warnings)
    writer.message(warning.at, paint_of(warning.severity), name(warning.severity), warning.message);
  for (const Finding& finding : report.findings) writer.finding(finding);
  if (options.story) {
    writer.line("{}: {} \"{}\" ({})", writer.painted(Paint::name, source.name), report.kind, report.title, report.size);
    writer.summary(report);
  }
  return writer.take();
}

}  // namespace fencecheck
