#include "checker/option_pages.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "checker/options.hpp"

namespace fencecheck {
namespace {

constexpr std::string_view made_from = "made from the tables in checker/option_table.cpp; do not edit";

std::vector<const OptionInfo*> options_of(Command command) {
  std::vector<const OptionInfo*> result;
  for (const OptionInfo& row : option_table())
    if (row.commands.has(command)) result.push_back(&row);
  return result;
}

std::vector<std::string_view> ids(Choices words) {
  std::vector<std::string_view> result;
  if (words == nullptr) return result;
  for (const Choice& choice : words()) result.push_back(choice.id);
  return result;
}

// Text of a manual page: a '-' is a minus, a line must not begin with a dot or an apostrophe.
std::string roff(std::string_view text) {
  std::string result;
  if (text.starts_with('.') || text.starts_with('\'')) result += "\\&";
  for (const char byte : text) {
    if (byte == '-' || byte == '\\') result += '\\';
    result += byte == '\\' ? 'e' : byte;
  }
  return result;
}

std::string roff_option(const OptionInfo& row) {
  std::string text = ".TP\n";
  if (!row.letter.empty()) text += fmt::format("\\fB{}\\fR, ", roff(row.letter));
  text += fmt::format("\\fB{}\\fR", roff(row.name));
  if (!row.argument.empty()) text += fmt::format(" \\fI{}\\fR", roff(row.argument));
  text += fmt::format("\n{}.\n", roff(row.says));
  if (!row.standard.empty()) text += fmt::format("The default is {}.\n", roff(row.standard));
  if (row.repeatable) text += "May be given several times.\n";
  if (row.words == nullptr) return text;
  text += ".RS\n";
  for (const Choice& choice : row.words())
    text += fmt::format(".TP\n\\fB{}\\fR\n{}.\n", roff(choice.id), roff(choice.says));
  return text + ".RE\n";
}

std::string roff_command(const CommandInfo& row) {
  std::string text = fmt::format(".SS {}\nfencecheck {}", row.id, row.id);
  if (!options_of(row.command).empty()) text += " [\\fIOPTION\\fR]...";
  if (!row.operand.empty()) text += fmt::format(" \\fI{}\\fR{}", row.operand, row.most != 1 ? "..." : "");
  text += fmt::format("\n.PP\n{}.\n", roff(row.says));
  if (!row.operand.empty()) text += fmt::format(".TP\n\\fI{}\\fR\n{}.\n", row.operand, roff(row.operand_says));
  for (const OptionInfo* option : options_of(row.command)) text += roff_option(*option);
  return text;
}

// In single quotes of a POSIX shell.
std::string in_quotes(std::string_view text) {
  std::string result = "'";
  for (const char byte : text) result += byte == '\'' ? std::string("'\\''") : std::string(1, byte);
  return result + "'";
}

// Both spellings of an option, separated.
std::string names(const OptionInfo& row, std::string_view separator) {
  return row.letter.empty() ? std::string(row.name) : fmt::format("{}{}{}", row.letter, separator, row.name);
}

std::string bash_values(const OptionInfo& row) {
  if (row.completes == Argument::word)
    return fmt::format("mapfile -t COMPREPLY < <(compgen -W {} -- \"$current\")",
                       in_quotes(fmt::format("{}", fmt::join(ids(row.words), " "))));
  return row.completes == Argument::file ? "mapfile -t COMPREPLY < <(compgen -f -- \"$current\")" : "COMPREPLY=()";
}

// In zsh a ':' and brackets end a description.
std::string zsh_text(std::string_view text) {
  std::string result;
  for (const char byte : text) {
    if (byte == ':' || byte == '[' || byte == ']') result += '\\';
    result += byte;
  }
  return result;
}

std::string zsh_option(const OptionInfo& row) {
  std::string values;
  if (!row.argument.empty()) {
    const std::string_view action = row.completes == Argument::file ? "_files" : "";
    values = row.completes == Argument::word
                 ? fmt::format(":{}:({})", zsh_text(row.argument), fmt::join(ids(row.words), " "))
                 : fmt::format(":{}:{}", zsh_text(row.argument), action);
  }
  std::string text;
  for (const std::string_view name : {row.letter, row.name})
    if (!name.empty())
      text += fmt::format("        {} \\\n", in_quotes(fmt::format("{}{}[{}]{}", row.repeatable ? "*" : "", name,
                                                                   zsh_text(row.says), values)));
  return text;
}

std::string fish_option(const CommandInfo& command, const OptionInfo& row) {
  std::string text = fmt::format("complete -c fencecheck -n '__fish_seen_subcommand_from {}'", command.id);
  if (!row.letter.empty()) text += fmt::format(" -s {}", row.letter.substr(1));
  text += fmt::format(" -l {}", row.name.substr(2));
  if (row.completes == Argument::file) text += " -rF";
  if (row.completes == Argument::number) text += " -x";
  if (row.completes == Argument::word)
    text += fmt::format(" -x -a {}", in_quotes(fmt::format("{}", fmt::join(ids(row.words), " "))));
  return text + fmt::format(" -d {}\n", in_quotes(row.says));
}

}  // namespace

std::string manual_page() {
  std::string text = fmt::format(
      ".\\\" {}\n.TH FENCECHECK 1 \"\" \"fencecheck {}\" \"User Commands\"\n.SH NAME\n"
      "fencecheck \\- a model checker for GPU fencing designs\n.SH SYNOPSIS\n",
      made_from, FENCECHECK_VERSION);
  for (const CommandInfo& row : command_table())
    text += fmt::format(".B fencecheck {}\n{}.br\n", row.id,
                        row.operand.empty() ? ""
                                            : fmt::format("[\\fIOPTION\\fR]... \\fI{}\\fR{}\n", row.operand,
                                                          row.most != 1 ? "..." : ""));
  text +=
      ".SH DESCRIPTION\nDecides whether a fencing design, or what a trace shows, can deadlock, and if so, exactly "
      "how.\n"
      ".SH COMMANDS\n";
  for (const CommandInfo& row : command_table()) text += roff_command(row);
  text += ".SH EXIT STATUS\n";
  for (const ExitStatusInfo& row : exit_status_table)
    text += fmt::format(".TP\n.B {}\n{}.\n", static_cast<int>(row.status), roff(row.says));
  text +=
      ".PP\nOf several inputs the worst counts: 70, 65, 1, 2, 0. It never depends on the format of a report.\n"
      ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nIf set and not empty, nothing is coloured. Colours are for terminals only.\n"
      ".TP\n.B COLUMNS\nThe width of the text; else that of the terminal, else 100.\n"
      ".SH EXAMPLES\n";
  for (const CommandInfo& row : command_table()) text += fmt::format(".PP\n.EX\n{}\n.EE\n", roff(row.example));
  return text;
}

std::string bash_completion() {
  std::vector<std::string_view> commands;
  for (const CommandInfo& row : command_table()) commands.push_back(row.id);
  std::string text = fmt::format(
      "# {}\n_fencecheck() {{\n  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}\n"
      "  local command=${{COMP_WORDS[1]-}}\n  COMPREPLY=()\n"
      "  # '=' is a word of its own: --report = sarif\n"
      "  if [[ $previous == '=' ]]; then previous=${{COMP_WORDS[COMP_CWORD - 2]}}; fi\n"
      "  if [[ $current == '=' ]]; then current=''; fi\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- \"$current\")\n    return\n  fi\n"
      "  case $command:$previous in\n",
      made_from, fmt::join(commands, " "));
  for (const CommandInfo& row : command_table())
    for (const OptionInfo* option : options_of(row.command))
      if (!option->argument.empty())
        text += fmt::format("    {0}:{1})\n      {2}\n      return\n      ;;\n", row.id,
                            names(*option, fmt::format(" | {}:", row.id)), bash_values(*option));
  text += "  esac\n  case $command:$current in\n";
  for (const CommandInfo& row : command_table()) {
    std::string words = "--help";
    for (const OptionInfo* option : options_of(row.command)) words += " " + names(*option, " ");
    text += fmt::format("    {}:-*) mapfile -t COMPREPLY < <(compgen -W {} -- \"$current\") ;;\n", row.id,
                        in_quotes(words));
    if (row.operand_words != nullptr)
      text += fmt::format("    {}:*) mapfile -t COMPREPLY < <(compgen -W {} -- \"$current\") ;;\n", row.id,
                          in_quotes(fmt::format("{}", fmt::join(ids(row.operand_words), " "))));
    else if (!row.operand.empty())
      text += fmt::format("    {}:*) mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n", row.id);
  }
  return text + "  esac\n}\ncomplete -o filenames -F _fencecheck fencecheck\n";
}

std::string zsh_completion() {
  std::string text =
      fmt::format("#compdef fencecheck\n# {}\n_fencecheck() {{\n  local -a commands\n  commands=(\n", made_from);
  for (const CommandInfo& row : command_table())
    text += fmt::format("    {}\n", in_quotes(fmt::format("{}:{}", row.id, zsh_text(row.says))));
  text +=
      "  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n"
      "  local command=${words[2]}\n  shift words\n  ((CURRENT--))\n  case $command in\n";
  for (const CommandInfo& row : command_table()) {
    text += fmt::format("    {})\n      _arguments \\\n", row.id);
    for (const OptionInfo* option : options_of(row.command)) text += zsh_option(*option);
    std::string operand;
    if (row.operand_words != nullptr)
      operand = fmt::format("1:{}:({})", row.operand, fmt::join(ids(row.operand_words), " "));
    else if (!row.operand.empty())
      operand = fmt::format("{}:{}:_files", row.most != 1 ? "*" : "1", row.operand);
    if (!operand.empty()) text += fmt::format("        {} \\\n", in_quotes(operand));
    text += "        '--help[Print help]'\n      ;;\n";
  }
  return text + "  esac\n}\n_fencecheck \"$@\"\n";
}

std::string fish_completion() {
  std::string text = fmt::format("# {}\n", made_from);
  for (const CommandInfo& row : command_table())
    text +=
        fmt::format("complete -c fencecheck -n __fish_use_subcommand -f -a {} -d {}\n", row.id, in_quotes(row.says));
  for (const CommandInfo& row : command_table()) {
    for (const OptionInfo* option : options_of(row.command)) text += fish_option(row, *option);
    if (row.operand_words == nullptr) continue;
    text += fmt::format("complete -c fencecheck -n '__fish_seen_subcommand_from {}' -f -a {}\n", row.id,
                        in_quotes(fmt::format("{}", fmt::join(ids(row.operand_words), " "))));
  }
  return text;
}

std::string reports_table() {
  std::string text = "| format | what it is |\n|---|---|\n";
  for (const ReportFormat& row : report_format_table) text += fmt::format("| `{}` | {} |\n", row.id, row.says);
  return text;
}

}  // namespace fencecheck
