// The rows of the command line.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <stdexcept>
#include <tuple>

#include "checker/options.hpp"
#include "encoders/report/issues.hpp"

namespace fencecheck {
namespace {

template <class Table>
std::vector<Choice> choices(const Table& table) {
  std::vector<Choice> result;
  for (const auto& row : table) result.push_back({row.id, row.says});
  return result;
}

std::vector<Choice> topics() {
  std::vector<Choice> result;
  for (const IssueRule& row : issue_rules()) result.push_back({row.id, row.says});
  return result;
}
std::vector<Choice> stories() { return choices(story_mode_table); }
std::vector<Choice> views() { return choices(view_table); }
std::vector<Choice> diagram_formats() { return choices(diagram_format_table); }
std::vector<Choice> formats() { return choices(report_format_table); }
std::vector<Choice> encodings() { return choices(encoding_table); }
std::vector<Choice> engines() { return choices(engine_table); }
std::vector<Choice> unknown_gates() {
  return {{"fail", "an unknown answer makes the exit status 2"}, {"ok", "it does not count"}};
}

// The whole argument as a number between two bounds.
template <class Number>
Number number(const std::string& text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least && value <= most))
    throw std::invalid_argument(fmt::format("'{}' is no number from {} to {}", text, least, most));
  return value;
}

// An empty argument is a variable of a script that was not set.
std::string named(const std::string& argument) {
  if (argument.empty()) throw std::invalid_argument("the argument is empty");
  return argument;
}

// "FORMAT" or "FORMAT=FILE"; "-" is standard output.
void add_report(Options& options, const std::string& argument) {
  const std::size_t equals = argument.find('=');
  const std::string word = argument.substr(0, equals);
  const ReportFormat* const format = find_row(report_format_table, word);
  if (format == nullptr) {
    std::vector<std::string_view> known;
    for (const ReportFormat& row : report_format_table) known.push_back(row.id);
    const std::string_view meant = nearest(word, known);
    throw std::invalid_argument(fmt::format("no format is called '{}'{}", word,
                                            meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
  }
  std::string file = equals == std::string::npos ? "" : argument.substr(equals + 1);
  if (equals != std::string::npos && file.empty())
    throw std::invalid_argument(fmt::format("'{}' names no file", argument));
  file = file == "-" ? "" : std::filesystem::path(file).lexically_normal().string();
  for (const ReportRequest& other : options.reports)
    if (other.file == file)
      throw std::invalid_argument(fmt::format("'{}' and '{}' both go to {}", other.format->id, word,
                                              file.empty() ? "standard output" : "'" + file + "'"));
  options.reports.push_back({format, std::move(file)});
}

constexpr CommandSet only_check{.check = true};
constexpr CommandSet only_draw{.draw = true};
constexpr CommandSet only_encode{.encode = true};
constexpr CommandSet check_or_draw{.check = true, .draw = true};
constexpr CommandSet only_record{.record = true};
constexpr CommandSet reporting{.check = true, .conform = true};
constexpr CommandSet reading{.check = true, .draw = true, .conform = true};

const auto commands = std::to_array<CommandInfo>({
    {Command::check, "check", "decide scenarios, traces and graphs, and explain what is wrong",
     "fencecheck check cases/indefinite/future-fence.yaml", "INPUT",
     "Files and folders: scenarios, traces, graphs, kernel logs; - for standard input", 1, 0, nullptr},
    {Command::draw, "draw", "draw the dependency graph or a counterexample",
     "fencecheck draw cases/indefinite/future-fence.yaml --view classes -o cycle.svg", "INPUT",
     "A scenario, a trace, a graph or a kernel log; several traces and logs of one machine", 1, 0, nullptr},
    {Command::encode, "encode", "write a scenario in the language of another checker",
     "fencecheck encode cases/indefinite/future-fence.yaml --to promela -o model.pml", "INPUT", "A scenario", 1, 1,
     nullptr},
    {Command::conform, "conform",
     "compare the dependencies of a trace or a kernel log with those that a design permits",
     "fencecheck conform cases/conform/pipeline.yaml cases/conform/pipeline-conforming.trace", "INPUT",
     "DESIGN, a scenario with seen-as keys, and RECORDING", 2, 2, nullptr},
    {Command::verify, "verify", "check the certificate of a design, without searching for it",
     "fencecheck verify cases/designs/drm-sched+dependency.yaml drm-sched.json", "INPUT",
     "DESIGN, a scenario with templates, and CERTIFICATE, as check --certificate writes it", 2, 2, nullptr},
    {Command::record, "record", "print, or run, the command that records what this kernel offers",
     "fencecheck record --run -- sleep 30", "COMMAND", "What to record; without it, until it is interrupted", 0, 0,
     nullptr},
    {Command::explain, "explain", "say what a finding or a rule means", "fencecheck explain FDG020", "TOPIC",
     "The id of a finding or a rule, as printed in brackets", 1, 1, topics},
    {Command::schema, "schema", "print the JSON Schema of scenarios, for editors",
     "fencecheck schema > fencecheck.json", "", "", 0, 0, nullptr},
});
static_assert(std::tuple_size_v<decltype(commands)> == static_cast<std::size_t>(Command::last_) + 1);

const auto rows = std::to_array<OptionInfo>({
    {"", "--report", "FORMAT[=FILE]", "", "Write a report in this format to a file, or instead of the text", reporting,
     Argument::word, formats, true, add_report},
    {"", "--terse", "", "", "One line for each finding: the same as --report terse", reporting, Argument::none,
     nullptr, false, [](Options& options, const std::string&) { add_report(options, "terse"); }},
    {"", "--story", "WHEN", "auto", "Of which findings the text tells the whole story", reporting, Argument::word,
     stories, false,
     [](Options& options, const std::string& word) { options.story = find_row(story_mode_table, word)->mode; }},
    {"", "--unknown", "GATE", "fail", "Whether an unknown answer counts for the exit status", reporting,
     Argument::word, unknown_gates, false,
     [](Options& options, const std::string& word) { options.unknown_fails = word == "fail"; }},
    {"", "--certificate", "FILE", "", "Write why the design cannot deadlock, whatever the number of instances, as JSON",
     only_check, Argument::file, nullptr, false,
     [](Options& options, const std::string& file) { options.certificate = named(file); }},
    {"", "--baseline", "FILE", "", "Known findings, which do not count: one FINGERPRINT RULE a line", reporting,
     Argument::file, nullptr, false, [](Options& options, const std::string& file) { options.baseline = named(file); }},
    {"", "--baseline-strict", "", "", "Entries of the baseline that no finding has count as findings", reporting,
     Argument::none, nullptr, false, [](Options& options, const std::string&) { options.baseline_strict = true; }},
    {"", "--update-baseline", "", "", "Write the baseline anew: add what is new, remove what is gone", reporting,
     Argument::none, nullptr, false, [](Options& options, const std::string&) { options.update_baseline = true; }},
    {"", "--findings", "NUMBER", "100", "Findings of each input to report; more are counted", reporting,
     Argument::number, nullptr, false,
     [](Options& options, const std::string& text) {
       options.most_findings = number(text, std::size_t{1}, std::size_t{1'000'000});
     }},
    {"", "--late", "SECONDS", "", "In traces, longer waits and later fences are findings", reading, Argument::number,
     nullptr, false,
     [](Options& options, const std::string& text) {
       options.late = static_cast<std::uint64_t>(number(text, 0.0, 1e9) * 1e9);
     }},
    {"", "--window", "EVENTS", "20000",
     "In traces, lock and fence events whose order is looked at together, for hangs in another order", only_check,
     Argument::number, nullptr, false,
     [](Options& options, const std::string& text) {
       options.window = number(text, std::size_t{2}, std::size_t{100'000'000});
     }},
    {"", "--timing", "", "", "Report how long each input took; reports then differ from run to run", only_check,
     Argument::none, nullptr, false, [](Options& options, const std::string&) { options.timing = true; }},
    {"-j", "--jobs", "NUMBER", "0", "Inputs to check at once; 0 for one on each processor", only_check,
     Argument::number, nullptr, false,
     [](Options& options, const std::string& text) { options.jobs = number(text, 0U, 1024U); }},
    {"", "--watch", "", "",
     "Check again what changes, and say which edge closed a cycle, until interrupted", only_check,
     Argument::none, nullptr, false, [](Options& options, const std::string&) { options.watch = true; }},
    {"", "--combine", "", "", "The traces and kernel logs are of one machine: report also what they say together",
     only_check, Argument::none, nullptr, false,
     [](Options& options, const std::string&) { options.combine = true; }},
    {"", "--merge", "", "",
     "The inputs are parts of one trace with one clock: read them as one, in the order of time", check_or_draw,
     Argument::none, nullptr, false, [](Options& options, const std::string&) { options.merge = true; }},
    {"-o", "--output", "FILE", "", "Write to this file; its ending is the format: .dot, .svg, .png, .rst, .mmd",
     only_draw, Argument::file, nullptr, false,
     [](Options& options, const std::string& file) { options.output = file == "-" ? "" : named(file); }},
    {"", "--view", "VIEW", "instances", "What to draw", only_draw, Argument::word, views, false,
     [](Options& options, const std::string& word) { options.diagram.view = find_row(view_table, word)->view; }},
    {"", "--to", "FORMAT", "", "The format, whatever the output is called; dot if nothing says another", only_draw,
     Argument::word, diagram_formats, false,
     [](Options& options, const std::string& word) { options.format = find_row(diagram_format_table, word)->format; }},
    {"-o", "--output", "FILE", "", "Write to this file, not to standard output", only_encode, Argument::file,
     nullptr, false,
     [](Options& options, const std::string& file) { options.output = file == "-" ? "" : named(file); }},
    {"", "--to", "FORMAT", "promela", "The language", only_encode, Argument::word, encodings, false,
     [](Options& options, const std::string& word) { options.encoding = find_row(encoding_table, word)->encoding; }},
    {"", "--most", "COUNT", "60", "Vertices or steps to draw, the rest is counted; 0 for everything", only_draw,
     Argument::number, nullptr, false,
     [](Options& options, const std::string& text) {
       options.diagram.most = number(text, std::size_t{0}, std::size_t{1'000'000});
     }},
    {"", "--finding", "FINGERPRINT", "", "With --view schedule: of the finding with this fingerprint, not of the first",
     only_draw, Argument::number, nullptr, false,
     [](Options& options, const std::string& text) { options.diagram.fingerprint = named(text); }},
    {"", "--timeout", "SECONDS", "60", "Time for each input; 0 for no limit; what it cuts short is unknown", reading,
     Argument::number, nullptr, false,
     [](Options& options, const std::string& text) {
       const double seconds = number(text, 0.0, 1e9);
       options.timeout.reset();
       if (seconds > 0) options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
     }},
    {"", "--memory", "MEGABYTES", "4096",
     "Memory for the solver, of all inputs together, and for explored states, at least 64; 0 for no limit; "
     "what it cuts short is unknown", reading, Argument::number,
     nullptr, false,
     [](Options& options, const std::string& text) {
       options.memory.reset();
       if (text != "0") options.memory = number(text, std::uint64_t{64}, std::uint64_t{1} << 20U) << 20U;
     }},
    {"", "--engine", "ENGINE", "auto", "What decides scenarios", reading, Argument::word, engines, false,
     [](Options& options, const std::string& word) { options.engine = find_row(engine_table, word)->engine; }},
    {"", "--no-reduction", "", "", "Look at every interleaving, also where reductions make it needless", reading,
     Argument::none, nullptr, false, [](Options& options, const std::string&) { options.reductions = false; }},
    {"", "--run", "", "", "Do it, and say whether the buffers were large enough", only_record, Argument::none, nullptr,
     false, [](Options& options, const std::string&) { options.run = true; }},
    {"", "--locks", "", "", "Record lockdep's events too: very many", only_record, Argument::none, nullptr, false,
     [](Options& options, const std::string&) { options.record.locks = true; }},
    {"-o", "--output", "FILE", "fencecheck.dat", "Where the trace goes", only_record, Argument::file, nullptr, false,
     [](Options& options, const std::string& file) { options.record.output = file; }},
    {"-b", "--buffer", "KILOBYTES", "20000", "The ring buffer of each CPU", only_record, Argument::number, nullptr,
     false,
     [](Options& options, const std::string& text) {
       options.record.kilobytes = number(text, std::uint64_t{1}, std::uint64_t{1} << 30U);
     }},
    {"", "--tracefs", "FOLDER", "/sys/kernel/tracing", "Where tracefs is mounted", only_record, Argument::file, nullptr,
     false, [](Options& options, const std::string& folder) { options.record.tracefs = folder; }},
});

}  // namespace

std::span<const CommandInfo> command_table() { return commands; }
std::span<const OptionInfo> option_table() { return rows; }

}  // namespace fencecheck
