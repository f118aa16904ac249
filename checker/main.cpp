// The command: what it does is the data flow from inputs to text.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>

#include "checker/check.hpp"
#include "checker/combine.hpp"
#include "checker/conform.hpp"
#include "checker/input.hpp"
#include "checker/options.hpp"
#include "checker/record.hpp"
#include "encoders/dot.hpp"
#include "encoders/render.hpp"
#include "encoders/text.hpp"
#include "graph/input/keys.hpp"

namespace fencecheck {
namespace {

void print(std::FILE* to, std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), to); }

Budget budget_of(const Options& options) {
  Budget budget;
  if (options.timeout) budget.deadline = std::chrono::steady_clock::now() + *options.timeout;
  budget.memory = options.memory;
  return budget;
}

bool terminal(std::FILE* stream) { return isatty(fileno(stream)) != 0; }
bool colour(std::FILE* stream) {
  const char* no_color = std::getenv("NO_COLOR");
  return terminal(stream) && (no_color == nullptr || *no_color == '\0');
}

// A line on the terminal that says how far the work is; gone when it is done.
class Progress {
 public:
  explicit Progress(std::size_t total) : total_(terminal(stderr) && total > 1 ? total : 0) {}
  void at(std::size_t number, const std::string& what) const {
    if (total_ != 0) print(stderr, fmt::format("\r\x1b[K[{}/{}] {}", number, total_, what));
  }
  void clear() const {
    if (total_ != 0) print(stderr, "\r\x1b[K");
  }

 private:
  std::size_t total_;
};

// The first mistakes of an input; a file that has more is something else altogether.
void print_diagnostics(const Checked& checked) {
  constexpr std::size_t most = 100;
  const TextOptions options{colour(stderr), true};
  const std::vector<Diagnostic> all = checked.diagnostics.sorted();
  for (std::size_t i = 0; i < std::min(all.size(), most); ++i) print(stderr, to_text(checked.source, all[i], options));
  if (all.size() > most) print(stderr, fmt::format("{}: and {} more\n", checked.source.name, all.size() - most));
}

std::string verdict_line(const Checked& checked, const Outcome& result) {
  const Report& report = *checked.report;
  std::string found;
  for (const Finding& finding : report.findings)
    if (const std::string_view id = info(finding.kind).id; found.find(id) == std::string::npos)
      found += fmt::format("{}{}", found.empty() ? " (" : ", ", id);
  if (!found.empty()) found += ')';
  const std::string expectation = result.expected            ? ", as expected"
                                  : result.complaint.empty() ? ""
                                                             : ": " + result.complaint;
  return fmt::format("{}: {}{}{}\n", checked.source.name, name(result.verdict), found, expectation);
}

ExitStatus status_of(const Outcome& result) {
  if (result.expected) return ExitStatus::nothing_found;
  if (!result.complaint.empty() || result.verdict == Verdict::violated) return ExitStatus::findings;
  return result.verdict == Verdict::unknown ? ExitStatus::unknown : ExitStatus::nothing_found;
}

// Of several inputs the worst status counts: bad input, then findings, then unknown.
ExitStatus worse(ExitStatus a, ExitStatus b) {
  static constexpr auto rank = [](ExitStatus status) {
    static constexpr std::array order{ExitStatus::nothing_found, ExitStatus::unknown,   ExitStatus::findings,
                                      ExitStatus::usage,         ExitStatus::bad_input, ExitStatus::internal};
    return std::ranges::find(order, status) - order.begin();
  };
  return rank(a) < rank(b) ? b : a;
}

ExitStatus tell(const Checked& checked, bool from_folder, const Options& options) {
  if (!checked.report) {
    print_diagnostics(checked);
    return ExitStatus::bad_input;
  }
  const Outcome result = outcome(*checked.report);
  const bool surprise = !result.expected && result.verdict != Verdict::holds;
  const bool story =
      options.story == StoryMode::always || (options.story == StoryMode::automatic && (!from_folder || surprise));
  if (story) print(stdout, to_text(checked.source, *checked.report, {colour(stdout), true}));
  print(stdout, verdict_line(checked, result));
  return status_of(result);
}

bool is_recording(const Checked& checked) {
  return checked.report && (checked.report->kind == "trace" || checked.report->kind == "snapshot");
}

ExitStatus check(const Options& options) {
  std::vector<std::string> errors;
  const std::vector<InputFile> files = input_files(options.inputs, errors);
  for (const std::string& error : errors) print(stderr, error + "\n");
  ExitStatus status = errors.empty() ? ExitStatus::nothing_found : ExitStatus::bad_input;
  const Progress progress(files.size());
  std::vector<Checked> recordings;
  for (std::size_t i = 0; i < files.size() && !interrupted(); ++i) {
    progress.at(i + 1, files[i].path);
    Checked one = check_file(files[i].path, budget_of(options));
    status = worse(status, tell(one, files[i].from_folder, options));
    if (options.combine && is_recording(one)) recordings.push_back(std::move(one));
  }
  progress.clear();
  if (recordings.size() > 1) status = worse(status, tell(combine(recordings), false, options));
  if (options.combine && recordings.size() < 2) {
    print(stderr, "fencecheck: --combine needs two traces or kernel logs or more\n");
    status = worse(status, ExitStatus::usage);
  }
  if (files.size() > 1) print(stdout, fmt::format("SUMMARY: {} inputs\n", files.size()));
  return status;
}

ExitStatus conform(const Options& options) {
  const ConformChecked checked = conform_files(options.inputs.at(0), options.inputs.at(1), budget_of(options));
  if (!checked.design.diagnostics.ok()) print_diagnostics(checked.design);
  return tell(checked.recording, false, options);
}

// What the buffers lost while trace-cmd was running.
ExitStatus tell_losses(const Options& options) {
  const auto losses = buffer_losses(options.record.tracefs);
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
  print(stdout, fmt::format("record again with --buffer {}\n", options.record.kilobytes * 4));
  return ExitStatus::unknown;
}

ExitStatus record(const Options& options) {
  std::string error;
  std::optional<Recording> recording = plan_recording(options.record, error);
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
  const ExitStatus lost = tell_losses(options);
  if (run_command({"trace-cmd", "reset"}) != 0) throw std::runtime_error("'trace-cmd reset' failed");
  return lost;
}

// Files are written whole or not at all.
void write_file(const std::string& path, const std::string& content) {
  const std::string temporary = fmt::format("{}.{}.part", path, getpid());
  std::ofstream out(temporary, std::ios::binary);
  out << content;
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(temporary, path, error);
  if (!out || error) {
    std::filesystem::remove(temporary, error);
    throw std::runtime_error(fmt::format("cannot write '{}'", path));
  }
}

ExitStatus draw(const Options& options) {
  const std::string ending =
      options.output.empty() ? ".dot" : std::filesystem::path(options.output).extension().string();
  const auto* picture = find_row(picture_table, ending.empty() ? "" : ending.substr(1));
  if (picture == nullptr && ending != ".dot" && ending != ".gv") {
    print(stderr, fmt::format("fencecheck: cannot draw '{}': the ending must be .dot, .svg or .png\n", options.output));
    return ExitStatus::usage;
  }
  std::vector<Checked> inputs;
  for (const std::string& path : options.inputs) {
    inputs.push_back(check_file(path, budget_of(options)));
    if (!inputs.back().report) {
      print_diagnostics(inputs.back());
      return ExitStatus::bad_input;
    }
  }
  if (inputs.size() > 1 && !std::ranges::all_of(inputs, is_recording)) {
    print(stderr, "fencecheck: only traces and kernel logs can be drawn together\n");
    return ExitStatus::usage;
  }
  const Checked checked = inputs.size() > 1 ? combine(inputs) : std::move(inputs.front());
  const Report& report = *checked.report;
  const std::string dot = to_dot(*report.graph, {options.view, report.title, report.cycles, true});
  const std::string content = picture == nullptr ? dot : render(dot, picture->picture);
  if (options.output.empty())
    print(stdout, content);
  else
    write_file(options.output, content);
  return ExitStatus::nothing_found;
}

ExitStatus explain(const Options& options) {
  if (const auto* row = find_row(finding_table, options.topic); row != nullptr) {
    print(stdout, fmt::format("{}: {}\nfix: {}\nsee: {}\n", row->id, row->says, row->fix, row->reference));
    return ExitStatus::nothing_found;
  }
  if (const auto* row = find_row(rule_table, options.topic); row != nullptr) {
    print(stdout, fmt::format("{}: {}\nfix: {}\nsee: {}\n", row->id, row->says, row->fix, row->reference));
    return ExitStatus::nothing_found;
  }
  std::vector<std::string_view> known;
  for (const FindingInfo& row : finding_table) known.push_back(row.id);
  for (const RuleInfo& row : rule_table) known.push_back(row.id);
  const std::string_view meant = nearest(options.topic, known);
  print(stderr, fmt::format("fencecheck: no finding or rule is called '{}'{}\n", options.topic,
                            meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
  return ExitStatus::usage;
}

ExitStatus run(const Options& options) {
  switch (options.command) {
    case Command::check:
      return check(options);
    case Command::draw:
      return draw(options);
    case Command::conform:
      return conform(options);
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
  std::signal(SIGINT, [](int) { fencecheck::request_interrupt(); });
  try {
    const fencecheck::Parsed parsed = fencecheck::parse_options(argc, argv);
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
