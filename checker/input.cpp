#include "checker/input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <set>

#include "checker/output_file.hpp"
#include "graph/input/kernel_log.hpp"
#include "graph/input/read_perfetto.hpp"
#include "graph/input/read_snapshot.hpp"
#include "graph/input/read_trace_dat.hpp"

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

constexpr auto endings = std::to_array<std::string_view>(
    {".yaml", ".yml", ".dot", ".gv", ".trace", ".ftrace", ".txt", ".dat", ".pftrace", ".html", ".dmesg", ".log"});

bool has_input_ending(const fs::path& path) {
  return std::ranges::find(endings, path.extension().string()) != endings.end();
}

// What stands in one folder: inputs, and what looks like one and cannot be read; folders go to `worklist`.
void look_into(const fs::path& folder, std::vector<fs::path>& worklist, std::vector<InputFile>& result) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code unknown;
    const fs::file_status status = entry->status(unknown);
    if (fs::is_directory(status) && !entry->is_symlink(unknown)) {
      worklist.push_back(entry->path());
    } else if (has_input_ending(entry->path())) {
      if (fs::is_regular_file(status)) result.push_back({entry->path().string(), true});
      if (!fs::exists(status)) result.push_back({entry->path().string(), true, "a link to nothing, or not accessible"});
    }
  }
  if (error) result.push_back({folder.string(), true, fmt::format("cannot be read: {}", error.message())});
}

std::vector<InputFile> files_below(const fs::path& folder, const std::vector<std::string>& apart) {
  std::vector<InputFile> result;
  std::vector<fs::path> worklist{folder};
  while (!worklist.empty()) {
    const fs::path next = std::move(worklist.back());
    worklist.pop_back();
    look_into(next, worklist, result);
  }
  std::erase_if(result, [&](const InputFile& file) {
    return std::ranges::any_of(apart, [&](const std::string& other) { return same_file(file.path, other); });
  });
  std::ranges::sort(result, {}, &InputFile::path);
  return result;
}

std::string_view first_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const std::size_t start = line.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view{} : line.substr(start);
}

bool starts_with_word(std::string_view line, std::string_view word) {
  return line.starts_with(word) &&
         (line.size() == word.size() || std::isalnum(static_cast<unsigned char>(line[word.size()])) == 0);
}

bool looks_like_dot(std::string_view line) {
  return starts_with_word(line, "digraph") || starts_with_word(line, "graph") || starts_with_word(line, "strict");
}

// "comm-pid [cpu] ... time: event: …", or one of the lines that trace-cmd writes first.
bool looks_like_trace(std::string_view line) {
  if (line.starts_with("<!DOCTYPE html") || line.starts_with("<!doctype html") || line.starts_with("<html"))
    return true;
  if (line == "TRACE:" || line.starts_with("capturing trace...")) return true;
  if (line.starts_with("cpus=") || line.starts_with("version = ") || line.starts_with("CPU")) return true;
  const std::size_t open = line.find(" [");
  if (open == std::string_view::npos) return false;
  std::size_t i = open + 2;
  while (i < line.size() && std::isdigit(static_cast<unsigned char>(line[i])) != 0) ++i;
  return i > open + 2 && i < line.size() && line[i] == ']';
}

// "key:" or a flow mapping, or YAML's own marks.
bool looks_like_yaml(std::string_view line) {
  if (line.starts_with("---") || line.starts_with('{') || line.starts_with("- ") || line.starts_with('%')) return true;
  if (line.starts_with('"') || line.starts_with('\'')) return true;
  std::size_t i = 0;
  while (i < line.size() &&
         (std::isalnum(static_cast<unsigned char>(line[i])) != 0 || line[i] == '_' || line[i] == '-'))
    ++i;
  return i > 0 && i < line.size() && line[i] == ':' && (i + 1 == line.size() || line[i + 1] == ' ');
}

// The kind of the first line that is no comment; comments alone may tell it too.
std::optional<InputKind> kind_of_text(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  bool in_comment = false;
  bool tracer = false;
  while (!text.empty()) {
    const std::string_view rest = text;
    std::string_view line = first_line(text);
    if (const std::size_t end = line.find("*/"); line.starts_with("/*") && end != std::string_view::npos) {
      line.remove_prefix(std::min(line.find_first_not_of(" \t", end + 2), line.size()));
    }
    if (line.starts_with("# tracer:") || line.find("latency trace v") != std::string_view::npos) tracer = true;
    if (line.starts_with("/*")) in_comment = true;
    const bool comment = in_comment || line.empty() || line.starts_with('#') || line.starts_with("//");
    if (in_comment && line.find("*/") != std::string_view::npos) in_comment = false;
    if (comment) continue;
    if (tracer) return InputKind::trace;
    if (without_log_prefix(line).prefixed) return InputKind::snapshot;
    if (looks_like_trace(line)) return InputKind::trace;
    if (looks_like_dot(line)) return InputKind::graph;
    if (!starts_with_word(line, "fencecheck") && looks_like_snapshot(rest)) return InputKind::snapshot;
    if (looks_like_yaml(line)) return InputKind::scenario;
    return std::nullopt;
  }
  return tracer ? std::optional(InputKind::trace) : std::nullopt;
}

}  // namespace

std::vector<InputFile> input_files(const std::vector<std::string>& arguments, const std::vector<std::string>& apart) {
  std::vector<InputFile> result;
  for (const std::string& argument : arguments) {
    if (argument == "-") {
      result.push_back({argument, false});
      continue;
    }
    std::error_code error;
    const fs::file_status status = fs::status(argument, error);
    if (!fs::exists(status)) {
      result.push_back({argument, false, "no such file or folder"});
    } else if (!fs::is_directory(status)) {
      result.push_back({argument, false});
    } else if (std::vector<InputFile> files = files_below(argument, apart); files.empty()) {
      result.push_back({argument, false, fmt::format("the folder holds no input (*{})", fmt::join(endings, ", *"))});
    } else {
      result.insert(result.end(), files.begin(), files.end());
    }
  }
  std::set<std::string> seen;  // a file in two of the folders, or named twice
  std::erase_if(result, [&](const InputFile& file) {
    return !seen.insert(fs::path(file.path).lexically_normal().string()).second;
  });
  return result;
}

std::optional<InputKind> kind_of(std::string_view beginning, Diagnostics& diagnostics) {
  if (beginning.empty()) {
    diagnostics.error({}, "empty: expected a scenario, a trace, a graph or a kernel log");
    return std::nullopt;
  }
  if (is_trace_dat(beginning)) return InputKind::trace_dat;
  if (is_perfetto(beginning)) return InputKind::perfetto;
  if (const std::size_t zero = beginning.find('\0'); zero != std::string_view::npos) {
    const auto line = static_cast<std::uint32_t>(std::ranges::count(beginning.substr(0, zero), '\n')) + 1;
    const std::size_t start = beginning.substr(0, zero).rfind('\n');
    const std::size_t column = start == std::string_view::npos ? zero + 1 : zero - start;
    diagnostics.error({line, static_cast<std::uint32_t>(column), 1}, "binary: holds a NUL byte");
    return std::nullopt;
  }
  const auto kind = kind_of_text(beginning);
  if (!kind)
    diagnostics.error({1, 0, 1},
                      "neither a scenario (YAML), nor a trace (ftrace text, trace.dat, Perfetto), nor a graph (DOT), "
                      "nor a kernel log");
  return kind;
}

}  // namespace fencecheck
