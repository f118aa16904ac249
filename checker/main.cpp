// The command: what it does is the data flow from inputs to text.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <sstream>

#include "checker/baseline.hpp"
#include "checker/check.hpp"
#include "checker/combine.hpp"
#include "checker/gate.hpp"
#include "checker/input.hpp"
#include "checker/interrupt.hpp"
#include "checker/options.hpp"
#include "checker/output_file.hpp"
#include "checker/progress_bar.hpp"
#include "checker/record.hpp"
#include "checker/run_checks.hpp"
#include "checker/watch.hpp"
#include "encoders/diagram.hpp"
#include "encoders/report/text.hpp"
#include "graph/input/keys.hpp"

namespace fencecheck {
namespace {

void print(std::FILE* to, std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), to); }

bool terminal(std::FILE* stream) { return isatty(fileno(stream)) != 0; }
bool colour(std::FILE* stream) {
  const char* no_color = std::getenv("NO_COLOR");
  return terminal(stream) && (no_color == nullptr || *no_color == '\0');
}

// How far the work on one input is, behind the cursor, which stays where it was.
void show(const std::string& how_far) { print(stderr, fmt::format("\0337  {}\033[K\0338", how_far)); }

Budget shown_budget(const Options& options) {
  Budget budget = budget_of(options);
  if (terminal(stderr)) budget.progress = show;
  return budget;
}

// A line on the terminal that says how far the work is; gone when it is done.
class Progress {
 public:
  explicit Progress(std::size_t total) : shown_(terminal(stderr) && total > 1) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::size_t done, std::size_t total) const {
    const double part = static_cast<double>(done) / static_cast<double>(total);
    if (shown_) print(stderr, fmt::format("\r\x1b[K{} {}/{}", progress_bar(part), done, total));
  }
  void clear() const {
    if (shown_) print(stderr, "\r\x1b[K");
  }

 private:
  bool shown_;
};

unsigned width_of(std::FILE* stream) {
  winsize size{};
  return terminal(stream) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Style style_of(std::FILE* stream, const Options& options) { return {options.story, colour(stream), width_of(stream)}; }

void write_file(const std::string& path, const std::string& content) {
  OutputFile file(path);
  file.write(content);
  file.commit();
}

// The reports that go to files, opened before the work.
std::vector<OutputFile> open_reports(const Options& options) {
  std::vector<OutputFile> files;
  for (const ReportRequest& request : options.reports)
    if (!request.file.empty()) files.emplace_back(request.file);
  return files;
}

// The report that is printed instead of the text; none: the text.
const ReportRequest* printed_report(const Options& options) {
  const auto found = std::ranges::find_if(options.reports, [](const ReportRequest& each) { return each.file.empty(); });
  return found == options.reports.end() ? nullptr : &*found;
}

// Nothing if it is not usable; what is wrong is then printed. With --update-baseline it need not exist.
std::optional<Baseline> read_baseline(const Options& options) {
  Checked checked;
  checked.source.name = options.baseline;
  std::ifstream in(options.baseline, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  checked.source.text = std::move(text).str();
  const bool missing = !std::filesystem::exists(options.baseline);
  if (!(missing && options.update_baseline) && (!in || std::filesystem::is_directory(options.baseline)))
    checked.diagnostics.error({}, missing ? "no such file" : "cannot be read");
  Baseline baseline = Baseline::read(checked.source, checked.diagnostics);
  if (checked.diagnostics.ok()) return baseline;
  print(stderr, to_text(checked, {StoryMode::always, colour(stderr), 0}));
  return std::nullopt;
}

Run run_with_progress(const Options& options, Baseline* baseline) {
  const bool conform = options.command == Command::conform;
  const std::vector<InputFile> inputs = conform ? std::vector<InputFile>{} : input_files(options.operands);
  const Progress progress(inputs.size());
  const bool text = printed_report(options) == nullptr;
  const auto tell = [&](const Checked& input) {
    const bool unusable = input.result == Result::unusable;
    std::FILE* const stream = unusable ? stderr : stdout;
    if (!unusable && !text) return;
    progress.clear();
    print(stream, to_text(input, style_of(stream, options)));
  };
  const RunListener listener{[&](std::size_t done, std::size_t total) { progress.at(done, total); }, tell,
                             shown_budget(options).progress};
  return conform ? run_conform(options, listener, baseline) : run_checks(inputs, options, listener, baseline);
}

// A baseline is only written by a run that has seen every input.
void update(const Baseline& baseline, const Run& run) {
  const bool whole = !run.interrupted && std::ranges::none_of(run.inputs, [](const Checked& each) {
    return each.result == Result::unusable;
  });
  if (whole)
    write_file(run.baseline, baseline.text());
  else
    print(stderr, fmt::format("{}: not updated: not every input could be checked\n", run.baseline));
}

ExitStatus check(const Options& options) {
  if (options.watch) return watch(options, style_of(stdout, options));
  std::optional<Baseline> baseline;
  if (!options.baseline.empty() && !(baseline = read_baseline(options))) return ExitStatus::bad_input;
  std::vector<OutputFile> files = open_reports(options);
  const Run run = run_with_progress(options, baseline ? &*baseline : nullptr);
  auto file = files.begin();
  for (const ReportRequest& request : options.reports)
    if (!request.file.empty()) file++->write(request.format->write(run, {options.story, false, 0}));
  const ReportRequest* const printed = printed_report(options);
  const Style style = style_of(stdout, options);
  print(stdout, printed == nullptr ? summary(run, style) : printed->format->write(run, style));
  for (OutputFile& each : files) each.commit();
  if (baseline && options.update_baseline) update(*baseline, run);
  return exit_status(run);
}

// The mistakes of an input that is to be drawn.
void print_diagnostics(const Checked& checked) {
  print(stderr, to_text(checked, {StoryMode::always, colour(stderr), 0}));
}

// What the buffers lost while trace-cmd was running.
ExitStatus tell_losses(const RecordOptions& options) {
  const auto losses = buffer_losses(options.tracefs);
  if (!losses) {
    print(stderr, "fencecheck: the buffers have no statistics: whether events were lost is not known\n");
    return ExitStatus::unknown;
  }
  for (const BufferLoss& loss : *losses)
    print(stdout, fmt::format("{}: {} events overwritten, {} dropped\n", loss.cpu, loss.overrun, loss.dropped));
  if (losses->empty()) {
    print(stdout, "no event was lost\n");
    return ExitStatus::nothing_found;
  }
  print(stdout, fmt::format("record again with --buffer {}\n", options.kilobytes * 4));
  return ExitStatus::unknown;
}

ExitStatus record(const Options& options) {
  RecordOptions asked = options.record;
  asked.command = options.operands;
  std::string error;
  std::optional<Recording> recording = plan_recording(asked, error);
  if (!recording) {
    print(stderr, error + "\n");
    return ExitStatus::bad_input;
  }
  for (const std::string& lack : recording->lacks) print(stdout, "# " + lack + "\n");
  if (!options.run || !recording->enough) {
    print(stdout, shell_words(recording->command) + "\n");
    return recording->enough ? ExitStatus::nothing_found : ExitStatus::unknown;
  }
  recording->command.insert(recording->command.begin() + 2, "-k");  // keeps the statistics
  print(stdout, shell_words(recording->command) + "\n");
  (void)std::fflush(stdout);
  const std::optional<int> status = run_command(recording->command);
  if (!status) throw std::runtime_error("trace-cmd cannot be started: is it installed?");
  if (*status != 0) throw std::runtime_error(fmt::format("trace-cmd failed with status {}", *status));
  const ExitStatus lost = tell_losses(asked);
  if (run_command({"trace-cmd", "reset"}) != 0) throw std::runtime_error("'trace-cmd reset' failed");
  return lost;
}

// What --to says, else the output's ending; nothing if that says nothing.
std::optional<DiagramFormat> format_of(const Options& options) {
  if (options.format) return options.format;
  if (options.output.empty()) return DiagramFormat::dot;
  const std::string ending = std::filesystem::path(options.output).extension().string();
  const auto row = std::ranges::find(diagram_format_table, ending, &DiagramFormatInfo::ending);
  if (row == diagram_format_table.end()) return std::nullopt;
  return row->format;
}

ExitStatus draw(const Options& options) {
  const std::optional<DiagramFormat> format = format_of(options);
  if (!format) {
    print(stderr, fmt::format("fencecheck: cannot draw '{}': its ending names no format; see --to\n", options.output));
    return ExitStatus::usage;
  }
  std::vector<Checked> inputs;
  if (options.merge)
    inputs.push_back(check_merged(options.operands, shown_budget(options), observe_options_of(options)));
  for (const std::string& path : options.merge ? std::vector<std::string>{} : options.operands)
    inputs.push_back(check_file(path, shown_budget(options), observe_options_of(options)));
  if (const auto wrong = std::ranges::find_if(inputs, [](const Checked& each) { return !each.report; });
      wrong != inputs.end()) {
    print_diagnostics(*wrong);
    return ExitStatus::bad_input;
  }
  if (inputs.size() > 1 && !std::ranges::all_of(inputs, is_recording)) {
    print(stderr, "fencecheck: only traces and kernel logs can be drawn together\n");
    return ExitStatus::usage;
  }
  const Checked checked = inputs.size() > 1 ? combine(inputs) : std::move(inputs.front());
  const Diagram drawn = diagram(*checked.report, *format, options.diagram);
  if (!drawn.problem.empty()) {
    print(stderr, fmt::format("{}: error: {}\n", checked.source.name, drawn.problem));
    return ExitStatus::bad_input;
  }
  if (options.output.empty())
    print(stdout, drawn.content);
  else
    write_file(options.output, drawn.content);
  return ExitStatus::nothing_found;
}

ExitStatus explain(const Options& options) {
  if (const auto* row = find_row(finding_table, options.operands.front()); row != nullptr) {
    print(stdout, fmt::format("{}: {}\nfix: {}\nsee: {}\n", row->id, row->says, row->fix, row->reference));
    return ExitStatus::nothing_found;
  }
  if (const auto* row = find_row(rule_table, options.operands.front()); row != nullptr) {
    print(stdout, fmt::format("{}: {}\nfix: {}\nsee: {}\n", row->id, row->says, row->fix, row->reference));
    return ExitStatus::nothing_found;
  }
  std::vector<std::string_view> known;
  for (const FindingInfo& row : finding_table) known.push_back(row.id);
  for (const RuleInfo& row : rule_table) known.push_back(row.id);
  const std::string_view meant = nearest(options.operands.front(), known);
  print(stderr, fmt::format("fencecheck: no finding or rule is called '{}'{}\n", options.operands.front(),
                            meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
  return ExitStatus::usage;
}

ExitStatus run(const Options& options) {
  switch (options.command) {
    case Command::check:
    case Command::conform:
      return check(options);
    case Command::draw:
      return draw(options);
    case Command::record:
      return record(options);
    case Command::explain:
      return explain(options);
    case Command::schema:
      print(stdout, json_schema());
      return ExitStatus::nothing_found;
  }
  return ExitStatus::internal;
}

}  // namespace
}  // namespace fencecheck

int main(int argc, char** argv) {
  using fencecheck::ExitStatus;
  try {
    const fencecheck::Parsed parsed = fencecheck::parse_options(argc, argv);
    const fencecheck::CatchInterrupts catching;
    const ExitStatus status = parsed.options ? fencecheck::run(*parsed.options) : parsed.status;
    if (!parsed.options) fencecheck::print(status == ExitStatus::nothing_found ? stdout : stderr, parsed.text);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return static_cast<int>(status);
    fencecheck::print(stderr, "fencecheck: standard output cannot be written\n");
  } catch (const std::bad_alloc&) {
    fencecheck::print(stderr, "fencecheck: out of memory\n");
  } catch (const std::logic_error& error) {
    fencecheck::print(stderr, fmt::format("fencecheck: internal error, please report it: {}\n", error.what()));
  } catch (const std::exception& error) {
    fencecheck::print(stderr, fmt::format("fencecheck: {}\n", error.what()));
  }
  return static_cast<int>(ExitStatus::internal);
}
