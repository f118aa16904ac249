// The command line as tables: commands, options, exit statuses. The parser, the
// help, the completions and the manual page are made from them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checker/record.hpp"
#include "encoders/diagram.hpp"
#include "encoders/encode.hpp"
#include "encoders/report/report_formats.hpp"
#include "graph/model/engine.hpp"

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

enum class Command : std::uint8_t { check, draw, encode, conform, verify, record, explain, schema, last_ = schema };

// A word that an option or an operand may be, and what it means.
struct Choice {
  std::string_view id;
  std::string_view says;
};
using Choices = std::vector<Choice> (*)();

// What a shell offers for an argument that is not one of a few words.
enum class Argument : std::uint8_t { none, word, file, number };

struct CommandInfo {
  Command command;
  std::string_view id;
  std::string_view says;
  std::string_view example;
  std::string_view operand;  // "INPUT"; empty: takes none
  std::string_view operand_says;
  std::size_t least;      // operands
  std::size_t most;       // 0: any number
  Choices operand_words;  // none: the operands are files
};
[[nodiscard]] std::span<const CommandInfo> command_table();

// A report that was asked for.
struct ReportRequest {
  const ReportFormat* format = nullptr;
  std::string file;  // empty: standard output
};

// What the command line asks for; the defaults are those of the option table.
struct Options {
  Command command = Command::check;
  std::vector<std::string> operands;
  std::string output;                     // draw: a file; empty: standard output
  std::optional<DiagramFormat> format;    // draw; none: by the output's ending
  Encoding encoding = Encoding::promela;  // encode
  DiagramOptions diagram;
  bool combine = false;  // check: traces and kernel logs are of one machine
  bool merge = false;    // check, draw: the inputs are parts of one trace
  RecordOptions record;  // without its command: these are the operands
  bool run = false;      // record: do it
  StoryMode story = StoryMode::automatic;
  std::vector<ReportRequest> reports;
  bool unknown_fails = true;
  std::string certificate;  // check: a file; empty: none
  std::string baseline;     // a file; empty: none
  bool baseline_strict = false;
  bool update_baseline = false;
  std::size_t most_findings = 0;  // of each input
  bool timing = false;
  unsigned jobs = 0;  // 0: one for each processor
  bool watch = false;
  std::optional<std::chrono::milliseconds> timeout;  // of each input
  std::optional<std::uint64_t> memory;               // bytes
  Engine engine = Engine::automatic;
  bool reductions = true;
  std::optional<std::uint64_t> late;  // ns: longer waits in traces are findings
  std::size_t window = 0;             // events of traces whose order is looked at together
};

// The commands that know an option.
struct CommandSet {
  bool check = false;
  bool draw = false;
  bool encode = false;
  bool conform = false;
  bool record = false;
  [[nodiscard]] constexpr bool has(Command command) const {
    return (command == Command::check && check) || (command == Command::draw && draw) ||
           (command == Command::encode && encode) || (command == Command::conform && conform) ||
           (command == Command::record && record);
  }
};

struct OptionInfo {
  std::string_view letter;    // "-o"; empty: none
  std::string_view name;      // "--output"
  std::string_view argument;  // "FILE"; empty: a flag
  std::string_view standard;  // what holds without the option, as it would be written; may be empty
  std::string_view says;      // a sentence without full stop
  CommandSet commands;
  Argument completes;  // Argument::word: one of `words`
  Choices words;
  bool repeatable;
  // Puts the argument, which is one of the words if there are any, into the
  // options. Throws std::invalid_argument, saying what is wrong with it.
  void (*set)(Options& options, const std::string& argument);
};
[[nodiscard]] std::span<const OptionInfo> option_table();

struct Parsed {
  std::optional<Options> options;  // nothing: print `text` and stop
  ExitStatus status = ExitStatus::nothing_found;
  std::string text;
};

[[nodiscard]] Parsed parse_options(int argc, const char* const* argv);

}  // namespace fencecheck
