#include "checker/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

namespace fencecheck {
namespace {

std::string footer() {
  std::string text = "\nExamples:\n";
  for (const CommandInfo& row : command_table) text += fmt::format("  {}\n", row.example);
  text += "\nExit status:\n";
  for (const ExitStatusInfo& row : exit_status_table)
    text += fmt::format("  {:>2}  {}\n", static_cast<int>(row.status), row.says);
  return text;
}

const std::map<std::string, StoryMode>& story_modes() {
  static const std::map<std::string, StoryMode> modes{
      {"auto", StoryMode::automatic}, {"always", StoryMode::always}, {"never", StoryMode::never}};
  return modes;
}

std::map<std::string, DotView> views() {
  std::map<std::string, DotView> result;
  for (const DotViewInfo& row : dot_view_table) result.emplace(row.id, row.view);
  return result;
}

void add_budget(CLI::App& command, Options& options, double& timeout, std::uint64_t& megabytes) {
  (void)options;
  command.add_option("--timeout", timeout, "Seconds for each input; 0 for no limit; what it cuts short is unknown")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  command
      .add_option("--memory", megabytes,
                  "Megabytes for the solver, at least 64; 0 for no limit; what it cuts short is unknown")
      ->check(CLI::Range(std::uint64_t{64}, std::uint64_t{1} << 20U) | CLI::IsMember({"0"}))
      ->capture_default_str();
}

void add_record(CLI::App& command, Options& options) {
  RecordOptions& record = options.record;
  command.add_flag("--run", options.run, "Do it, and say whether the buffers were large enough");
  command.add_flag("--locks", record.locks, "Record lockdep's events too: very many");
  command.add_option("-o,--output", record.output, "Where the trace goes")->capture_default_str();
  command.add_option("-b,--buffer", record.kilobytes, "Kilobytes of the ring buffer of each CPU")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 30U))
      ->capture_default_str();
  command.add_option("--tracefs", record.tracefs, "Where tracefs is mounted")->capture_default_str();
  command.add_option("COMMAND", record.command, "What to record; without it, until it is interrupted");
}

}  // namespace

Parsed parse_options(int argc, const char* const* argv) {
  Options options;
  double timeout = 60;
  std::uint64_t megabytes = 4096;
  std::string view = "instances";
  std::string story = "auto";
  CLI::App app{"fencecheck: can this fencing design, or what this trace shows, deadlock, and if so, exactly how?"};
  app.name("fencecheck");
  app.set_version_flag("--version", "fencecheck " FENCECHECK_VERSION);
  app.require_subcommand(1);
  app.footer(footer());
  std::array<CLI::App*, command_table.size()> commands{};
  for (const CommandInfo& row : command_table) {
    CLI::App* command = app.add_subcommand(std::string(row.id), std::string(row.says));
    command->footer(fmt::format("\nExample:\n  {}\n", row.example));
    commands.at(static_cast<std::size_t>(row.command)) = command;
  }
  CLI::App& check = *commands[static_cast<std::size_t>(Command::check)];
  check.add_option("INPUT", options.inputs, "Files and folders: scenarios, traces, graphs, kernel logs")->required();
  check.add_flag("--combine", options.combine,
                 "The traces and kernel logs are of one machine: report also what they say together");
  check
      .add_option("--story", story,
                  "Tell the whole story of findings: of files named here and of surprises (auto), always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  add_budget(check, options, timeout, megabytes);
  CLI::App& draw = *commands[static_cast<std::size_t>(Command::draw)];
  draw.add_option("INPUT", options.inputs,
                  "A scenario, a trace, a graph or a kernel log; several traces and logs of one machine")
      ->required();
  draw.add_option("-o,--output", options.output, "FILE.dot, FILE.svg or FILE.png; standard output as DOT without it");
  draw.add_option("--view", view, "What to draw")->check(CLI::IsMember(views()))->capture_default_str();
  add_budget(draw, options, timeout, megabytes);
  CLI::App& conform = *commands[static_cast<std::size_t>(Command::conform)];
  conform.add_option("INPUT", options.inputs, "DESIGN, a scenario with seen-as keys, and RECORDING")
      ->required()
      ->expected(2);
  add_budget(conform, options, timeout, megabytes);
  add_record(*commands[static_cast<std::size_t>(Command::record)], options);
  CLI::App& explain = *commands[static_cast<std::size_t>(Command::explain)];
  explain.add_option("TOPIC", options.topic, "The id of a finding or a rule, as printed in brackets")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const bool asked_for = app.exit(error, out, err) == 0;
    return {std::nullopt, asked_for ? ExitStatus::nothing_found : ExitStatus::usage, asked_for ? out.str() : err.str()};
  }
  for (const CommandInfo& row : command_table)
    if (*commands.at(static_cast<std::size_t>(row.command))) options.command = row.command;
  options.view = views().at(view);
  options.story = story_modes().at(story);
  if (timeout > 0)
    options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
  else
    options.timeout.reset();
  if (megabytes > 0) options.memory = megabytes << 20U;
  return {std::move(options), ExitStatus::nothing_found, {}};
}

}  // namespace fencecheck
