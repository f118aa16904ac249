// The command line as tables: commands, options, exit statuses.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checker/record.hpp"
#include "encoders/dot.hpp"

namespace fencecheck {

// What a shell script can test. 64 and up are those of sysexits.h.
enum class ExitStatus : std::uint8_t {
  nothing_found = 0,
  findings = 1,
  unknown = 2,
  usage = 64,
  bad_input = 65,
  internal = 70
};

struct ExitStatusInfo {
  ExitStatus status;
  std::string_view says;
};
inline constexpr auto exit_status_table = std::to_array<ExitStatusInfo>({
    {ExitStatus::nothing_found, "nothing found, or exactly what each input expects"},
    {ExitStatus::findings, "findings, or an expect: that is not met"},
    {ExitStatus::unknown, "no finding, but some answer is unknown"},
    {ExitStatus::usage, "the command line is wrong"},
    {ExitStatus::bad_input, "an input is missing or makes no sense"},
    {ExitStatus::internal, "a defect of fencecheck, or the machine failed"},
});

enum class Command : std::uint8_t { check, draw, conform, record, explain, schema, last_ = schema };

struct CommandInfo {
  Command command;
  std::string_view id;
  std::string_view says;
  std::string_view example;
};
inline constexpr auto command_table = std::to_array<CommandInfo>({
    {Command::check, "check", "decide scenarios, traces and graphs, and explain what is wrong",
     "fencecheck check cases/indefinite/future-fence.yaml"},
    {Command::draw, "draw", "draw the dependency graph as DOT, SVG or PNG",
     "fencecheck draw cases/indefinite/future-fence.yaml --view classes -o cycle.svg"},
    {Command::conform, "conform",
     "compare the dependencies of a trace or a kernel log with those that a design permits",
     "fencecheck conform cases/conform/pipeline.yaml cases/conform/pipeline-conforming.trace"},
    {Command::record, "record", "print, or run, the command that records what this kernel offers",
     "fencecheck record --run -- sleep 30"},
    {Command::explain, "explain", "say what a finding or a rule means", "fencecheck explain FDG020"},
    {Command::schema, "schema", "print the JSON Schema of scenarios, for editors",
     "fencecheck schema > fencecheck.json"},
});
static_assert(covers(command_table, &CommandInfo::command, Command::last_));

enum class StoryMode : std::uint8_t { automatic, always, never, last_ = never };

struct Options {
  Command command = Command::check;
  std::vector<std::string> inputs;
  std::string output;    // draw: a file; empty: standard output
  bool combine = false;  // check: traces and kernel logs are of one machine
  RecordOptions record;
  bool run = false;  // record: do it
  DotView view = DotView::instances;
  std::string topic;  // explain
  StoryMode story = StoryMode::automatic;
  std::optional<std::chrono::milliseconds> timeout{std::chrono::minutes{1}};  // of each input
  std::optional<std::uint64_t> memory;                                        // bytes
};

struct Parsed {
  std::optional<Options> options;  // nothing: print `text` and stop
  ExitStatus status = ExitStatus::nothing_found;
  std::string text;
};

[[nodiscard]] Parsed parse_options(int argc, const char* const* argv);

}  // namespace fencecheck
