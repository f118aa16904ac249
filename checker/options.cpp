// The parser, made from the tables.
#include "checker/options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <stdexcept>

#include "graph/model/source.hpp"

namespace fencecheck {
namespace {

std::string footer() {
  std::string text = "\nExamples:\n";
  for (const CommandInfo& row : command_table()) text += fmt::format("  {}\n", row.example);
  text += "\nExit status:\n";
  for (const ExitStatusInfo& row : exit_status_table)
    text += fmt::format("  {:>2}  {}\n", static_cast<int>(row.status), row.says);
  return text;
}

std::string help(const OptionInfo& row) {
  std::string text(row.says);
  if (row.words == nullptr) return text;
  for (const Choice& choice : row.words()) text += fmt::format("\n  {}: {}", choice.id, choice.says);
  return text;
}

// Words that stand alone are checked here; "FORMAT[=FILE]" looks for itself.
void check_word(const OptionInfo& row, const std::string& argument) {
  if (row.words == nullptr || row.argument.find('=') != std::string_view::npos) return;
  std::vector<std::string_view> known;
  for (const Choice& choice : row.words()) known.push_back(choice.id);
  if (std::ranges::find(known, argument) != known.end()) return;
  const std::string_view meant = nearest(argument, known);
  throw std::invalid_argument(fmt::format("'{}' is not one of {}{}", argument, fmt::join(known, ", "),
                                          meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
}

void add(CLI::App& command, const OptionInfo& row, Options& options) {
  const std::string names = fmt::format("{}{}{}", row.letter, row.letter.empty() ? "" : ",", row.name);
  const auto set = [&row, &options](const std::string& argument) {
    try {
      check_word(row, argument);
      row.set(options, argument);
    } catch (const std::invalid_argument& error) {
      throw CLI::ValidationError(std::string(row.name), error.what());
    }
  };
  if (row.argument.empty()) {
    command.add_flag_callback(
        names, [set] { set({}); }, help(row));
    return;
  }
  CLI::Option* const option = command.add_option_function<std::vector<std::string>>(
      names, [set](const std::vector<std::string>& all) { std::ranges::for_each(all, set); }, help(row));
  option->type_name(std::string(row.argument))->type_size(1)->default_str(std::string(row.standard));
  option->expected(1, row.repeatable ? CLI::detail::expected_max_vector_size : 1)->allow_extra_args(false);
}

// A first word that is no command, which the parser would not name; empty if there is none.
std::string unknown_command(int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-') return {};
  const std::string_view word = argv[1];
  std::vector<std::string_view> known;
  for (const CommandInfo& row : command_table()) known.push_back(row.id);
  if (std::ranges::find(known, word) != known.end()) return {};
  const std::string_view meant = nearest(word, known);
  return fmt::format("'{}' is no command; they are {}{}", printable(word), fmt::join(known, ", "),
                     meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant));
}

// Options that need, or exclude, each other; empty if they agree.
std::string contradiction(const Options& options) {
  if (options.baseline.empty() && (options.baseline_strict || options.update_baseline))
    return fmt::format("--{} requires --baseline", options.update_baseline ? "update-baseline" : "baseline-strict");
  if (!options.diagram.fingerprint.empty() && options.diagram.view != View::schedule)
    return "--finding requires --view schedule";
  if (options.watch && (!options.reports.empty() || !options.baseline.empty() || options.combine || options.merge))
    return "--watch excludes --report, --terse, --baseline, --combine and --merge";
  if (!options.certificate.empty() && (options.operands.size() != 1 || options.watch))
    return "--certificate requires exactly one input, and excludes --watch";
  if (options.combine && options.merge) return "--combine excludes --merge";
  return {};
}

}  // namespace

Parsed parse_options(int argc, const char* const* argv) {
  const auto wrong_usage = [](std::string_view why) -> Parsed {
    return {std::nullopt, ExitStatus::usage, fmt::format("{}\nRun with --help for more information.\n", why)};
  };
  if (const std::string wrong = unknown_command(argc, argv); !wrong.empty()) return wrong_usage(wrong);
  Options options;
  for (const OptionInfo& row : option_table())
    if (!row.standard.empty()) row.set(options, std::string(row.standard));
  CLI::App app{"fencecheck: can this fencing design, or what this trace shows, deadlock, and if so, exactly how?"};
  app.name("fencecheck");
  app.set_version_flag("--version", "fencecheck " FENCECHECK_VERSION);
  app.require_subcommand(1);
  app.footer(footer());
  for (const CommandInfo& row : command_table()) {
    CLI::App* const command = app.add_subcommand(std::string(row.id), std::string(row.says));
    command->footer(fmt::format("\nExample:\n  {}\n", row.example));
    command->callback([&options, &row] { options.command = row.command; });
    if (!row.operand.empty()) {
      auto* const operand =
          command->add_option(std::string(row.operand), options.operands, std::string(row.operand_says))
              ->required(row.least > 0);
      operand->expected(static_cast<int>(std::max(row.least, std::size_t{1})),
                        row.most == 0 ? CLI::detail::expected_max_vector_size : static_cast<int>(row.most));
    }
    for (const OptionInfo& option : option_table())
      if (option.commands.has(row.command)) add(*command, option, options);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const bool asked_for = app.exit(error, out, err) == 0;
    return {std::nullopt, asked_for ? ExitStatus::nothing_found : ExitStatus::usage, asked_for ? out.str() : err.str()};
  }
  if (const std::string wrong = contradiction(options); !wrong.empty()) return wrong_usage(wrong);
  return {std::move(options), ExitStatus::nothing_found, {}};
}

}  // namespace fencecheck
