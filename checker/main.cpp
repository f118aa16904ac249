// The command: what it does is the data flow from inputs to text.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <optional>
#include <string_view>

#include "checker/baseline.hpp"
#include "checker/certificate.hpp"
#include "checker/check.hpp"
#include "checker/combine.hpp"
#include "checker/design.hpp"
#include "checker/gate.hpp"
#include "checker/input.hpp"
#include "checker/interrupt.hpp"
#include "checker/options.hpp"
#include "checker/output_file.hpp"
#include "checker/progress_bar.hpp"
#include "checker/prove.hpp"
#include "checker/record.hpp"
#include "checker/run_checks.hpp"
#include "checker/verify.hpp"
#include "checker/watch.hpp"
#include "encoders/diagram.hpp"
#include "encoders/report/issues.hpp"
#include "encoders/report/text.hpp"
#include "graph/input/keys.hpp"
#include "graph/input/open_input.hpp"
#include "graph/input/read_yaml.hpp"

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

// COLUMNS, as shells and other tools take it; else the terminal's; 0: neither.
unsigned width_of(std::FILE* stream) {
  if (const char* columns = std::getenv("COLUMNS"); columns != nullptr) {
    const std::string_view text(columns);
    unsigned width = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), width);
    if (error == std::errc{} && end == text.data() + text.size() && width > 0) return width;
  }
  winsize size{};
  return terminal(stream) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Style style_of(std::FILE* stream, const Options& options) { return {options.story, colour(stream), width_of(stream)}; }

// What this run writes.
std::vector<std::string> outputs_of(const Options& options) {
  std::vector<std::string> result;
  for (const ReportRequest& request : options.reports)
    if (!request.file.empty()) result.push_back(request.file);
  if (!options.output.empty()) result.push_back(options.output);
  if (!options.certificate.empty()) result.push_back(options.certificate);
  return result;
}

// Two of the files that the command line names are one, and it would be overwritten; empty: none are.
std::string overwritten(const Options& options) {
  const std::vector<std::string> outputs = outputs_of(options);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto clashes = [&](const std::string& other) { return same_file(outputs[i], other); };
    for (std::size_t j = 0; j < i; ++j)
      if (clashes(outputs[j])) return fmt::format("'{}' and '{}' are one file", outputs[j], outputs[i]);
    if (std::ranges::any_of(options.operands, clashes)) return fmt::format("'{}' is an input", outputs[i]);
    if (!options.baseline.empty() && clashes(options.baseline)) return fmt::format("'{}' is the baseline", outputs[i]);
  }
  if (options.update_baseline &&
      std::ranges::any_of(options.operands, [&](const std::string& each) { return same_file(each, options.baseline); }))
    return fmt::format("'{}' is an input", options.baseline);
  return {};
}

// The report that is printed instead of the text; none: the text.
const ReportRequest* printed_report(const Options& options) {
  const auto found = std::ranges::find_if(options.reports, [](const ReportRequest& each) { return each.file.empty(); });
  return found == options.reports.end() ? nullptr : &*found;
}

constexpr std::string_view no_such_file = "no such file";
constexpr std::uintmax_t largest_baseline = std::uintmax_t{64} << 20U;

// What is wrong with the file, if anything. Pipes and devices may never end.
std::string read_baseline_text(const std::string& path, std::string& text) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return std::string(no_such_file);
  if (!fs::is_regular_file(status)) return "cannot be read: it is no regular file";
  if (fs::file_size(path, error) > largest_baseline) return fmt::format("larger than {} MiB", largest_baseline >> 20U);
  std::ifstream in(path, std::ios::binary);
  text.assign(std::istreambuf_iterator<char>(in), {});
  return in ? "" : "cannot be read";
}

// Nothing if it is not usable; what is wrong is then printed. With --update-baseline it need not exist.
std::optional<Baseline> read_baseline(const Options& options) {
  Checked checked;
  checked.source.name = options.baseline;
  if (const std::string wrong = read_baseline_text(options.baseline, checked.source.text);
      !wrong.empty() && !(wrong == no_such_file && options.update_baseline))
    checked.diagnostics.error({}, wrong);
  Baseline baseline = Baseline::read(checked.source, checked.diagnostics);
  if (checked.diagnostics.ok()) return baseline;
  print(stderr, to_text(checked, {StoryMode::always, colour(stderr), 0}));
  return std::nullopt;
}

Run run_with_progress(const Options& options, Baseline* baseline) {
  const bool conform = options.command == Command::conform;
  std::vector<std::string> apart = outputs_of(options);
  if (!options.baseline.empty()) apart.push_back(options.baseline);
  const std::vector<InputFile> inputs = conform ? std::vector<InputFile>{} : input_files(options.operands, apart);
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

// A baseline is only written by a run that has seen every input; what it removes is said.
void update(const Baseline& baseline, const OutputFile& file, const Run& run) {
  const bool whole = !run.interrupted && std::ranges::none_of(run.inputs, [](const Checked& each) {
    return each.result == Result::unusable;
  });
  if (!whole) {
    print(stderr, fmt::format("{}: not updated: not every input could be checked\n", printable(run.baseline.name)));
    return;
  }
  file.write(baseline.text());
  Run removed;
  removed.baseline = run.baseline;
  removed.stale = baseline.stale();
  if (!removed.stale.empty()) print(stderr, fmt::format("removed from the baseline:\n{}", stale_lines(removed)));
}

// The file is written only if there is a certificate.
void write_certificate(const Options& options, const OutputFile& file, const Run& run) {
  if (run.inputs.size() != 1 || !run.inputs.front().report) return;
  const Checked& input = run.inputs.front();
  Diagnostics unheard;  // said already by the check
  const std::optional<Scenario> design =
      run.interrupted || input.report->kind != "scenario" ? std::nullopt : read_yaml(input.source, unheard);
  Proof proof;
  if (design && any_number(*design))
    proof = prove(input.source);
  else
    proof.why_not = "it is no design with 'instances: many'";
  if (!proof.certificate) {
    print(stderr, fmt::format("{}: not written: {}\n", printable(options.certificate), proof.why_not));
    return;
  }
  proof.certificate->title = input.report->title;
  file.write(to_json(*proof.certificate));
}

ExitStatus check(const Options& options) {
  if (options.watch) return watch(options, style_of(stdout, options));
  std::optional<Baseline> baseline;
  if (!options.baseline.empty() && !(baseline = read_baseline(options))) return ExitStatus::bad_input;
  std::optional<OutputFile> new_baseline;
  if (options.update_baseline) new_baseline.emplace(options.baseline);
  const std::vector<std::string> outputs = outputs_of(options);
  const std::vector<OutputFile> files(outputs.begin(), outputs.end());
  const Run run = run_with_progress(options, baseline ? &*baseline : nullptr);
  auto file = files.begin();
  for (const ReportRequest& request : options.reports)
    if (!request.file.empty()) file++->write(request.format->write(run, {options.story, false, 0}));
  if (!options.certificate.empty()) write_certificate(options, files.back(), run);
  if (new_baseline) update(*baseline, *new_baseline, run);
  const ReportRequest* const printed = printed_report(options);
  const Style style = style_of(stdout, options);
  print(stdout, printed == nullptr ? summary(run, style) : printed->format->write(run, style));
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

// What was not decided, so that a cycle or a schedule may be missing; empty if everything was.
std::string not_decided(const Report& report) {
  for (const Answer& answer : report.answers)
    if (answer.verdict == Verdict::unknown)
      return fmt::format("{} was not decided: {}", answer.property, answer.reason);
  return {};
}

ExitStatus draw(const Options& options) {
  const std::optional<DiagramFormat> format = format_of(options);
  if (!format) {
    print(stderr, fmt::format("fencecheck: cannot draw '{}': its ending names no format; see --to\n", options.output));
    return ExitStatus::usage;
  }
  for (const std::string& input : options.operands)
    if (std::error_code error; std::filesystem::is_directory(input, error)) {
      print(stderr, fmt::format("{}: error: a folder: draw takes files\n", printable(input)));
      return ExitStatus::bad_input;
    }
  std::optional<OutputFile> file;
  if (!options.output.empty()) file.emplace(options.output);
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
  const std::string open = not_decided(*checked.report);
  if (!open.empty()) print(stderr, fmt::format("{}: warning: {}\n", printable(checked.source.name), open));
  const bool shows_findings = options.diagram.view == View::cycle || options.diagram.view == View::schedule;
  const Diagram drawn = diagram(*checked.report, *format, options.diagram, open);
  if (!drawn.problem.empty()) {
    print(stderr, fmt::format("{}: error: {}\n", printable(checked.source.name), drawn.problem));
    return open.empty() ? ExitStatus::usage : ExitStatus::unknown;
  }
  if (file)
    file->write(drawn.content);
  else
    print(stdout, drawn.content);
  return shows_findings && !open.empty() ? ExitStatus::unknown : ExitStatus::nothing_found;
}

ExitStatus encode(const Options& options) {
  Checked checked;
  std::optional<OutputFile> file;
  if (!options.output.empty()) file.emplace(options.output);
  const std::optional<Design> design = read_design(options.operands.front(), checked.source, checked.diagnostics);
  if (!design) {
    print_diagnostics(checked);
    return ExitStatus::bad_input;
  }
  if (const std::string why = not_sayable(design->system, options.encoding); !why.empty()) {
    const EncodingInfo& format = encoding_table.at(static_cast<std::size_t>(options.encoding));
    print(stderr, fmt::format("{}: error: cannot be said in {}: {}\n", printable(checked.source.name), format.id, why));
    return ExitStatus::bad_input;
  }
  const std::string text = encode(design->system, options.encoding);
  if (file)
    file->write(text);
  else
    print(stdout, text);
  return ExitStatus::nothing_found;
}

// Both files are named; what is wrong with either is said with its name.
ExitStatus verify(const Options& options) {
  Checked design;
  Checked given;
  const std::optional<Design> read = read_design(options.operands[0], design.source, design.diagnostics);
  if (read && !any_number(read->scenario)) design.diagnostics.error({}, "no template has 'instances: many'");
  given.source.name = options.operands[1];
  OpenedInput input(given.source.name, given.diagnostics);
  if (given.diagnostics.ok()) given.source.text = read_whole(input.stream(), given.diagnostics);
  if (given.diagnostics.ok()) input.check(given.diagnostics);
  std::optional<Certificate> certificate;
  if (given.diagnostics.ok()) certificate = read_certificate(given.source.text, given.diagnostics);
  std::vector<System> systems;
  if (design.diagnostics.ok()) {
    Diagnostics many;
    systems = systems_for_proof(design.source, many);
    if (systems.empty()) design.diagnostics = many;
  }
  for (Checked* each : {&design, &given})
    if (!each->diagnostics.ok()) print_diagnostics(*each);
  if (!certificate || systems.empty()) return ExitStatus::bad_input;
  std::vector<Objection> objections;
  if (certificate->fingerprint != design_fingerprint(design.source))
    objections.push_back({Objection::Kind::outside, {}, "it is about another text than this design", {}});
  if (certificate->title != read->scenario.title)
    objections.push_back({Objection::Kind::outside, {}, "it is about a design of another title", {}});
  if (objections.empty()) objections = fencecheck::verify(systems, *certificate);
  for (const Objection& each : objections)
    print(stdout, fmt::format("{}: refused: {}\n", printable(position(design.source, each.at)), printable(each.says)));
  if (!objections.empty()) return ExitStatus::findings;
  print(stdout,
        fmt::format("{}: accepted: no deadlock, whatever the number of instances\n", printable(design.source.name)));
  return ExitStatus::nothing_found;
}

ExitStatus explain(const Options& options) {
  const std::string& topic = options.operands.front();
  std::vector<std::string_view> known;
  for (const IssueRule& row : issue_rules()) {
    known.push_back(row.id);
    if (row.id != topic) continue;
    print(stdout, fmt::format("{}: {}\nfix: {}\nsee: {}\n", row.id, row.says, row.fix, row.reference));
    return ExitStatus::nothing_found;
  }
  const std::string_view meant = nearest(topic, known);
  print(stderr, fmt::format("fencecheck: no finding or rule is called '{}'{}\n", printable(topic),
                            meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
  return ExitStatus::usage;
}

ExitStatus run(const Options& options) {
  if (const std::string lost = overwritten(options); !lost.empty()) {
    print(stderr, fmt::format("fencecheck: would be overwritten: {}\n", printable(lost)));
    return ExitStatus::usage;
  }
  switch (options.command) {
    case Command::check:
    case Command::conform:
      return check(options);
    case Command::draw:
      return draw(options);
    case Command::encode:
      return encode(options);
    case Command::verify:
      return verify(options);
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
    std::signal(SIGPIPE, SIG_IGN);  // reports in files are written although nobody reads the text
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
