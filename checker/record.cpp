// The folder of events is the kernel's own list of what it offers.
#include "checker/record.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

std::string name_of(const WantedEvent& row) {
  return row.event.empty() ? std::string(row.system) : fmt::format("{}:{}", row.system, row.event);
}

std::string read_small(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  return std::move(text).str();
}

// One that other tools and other machines can be aligned with; empty for the default.
std::string clock_of(const fs::path& tracefs) {
  std::istringstream words(read_small(tracefs / "trace_clock"));
  std::vector<std::string> offered;
  for (std::string word; words >> word;) {
    std::erase_if(word, [](char c) { return c == '[' || c == ']'; });
    offered.push_back(word);
  }
  for (const char* wanted : {"boot", "mono"})
    if (std::ranges::find(offered, wanted) != offered.end()) return wanted;
  return {};
}

std::uint64_t number_behind(const std::string& text, std::string_view key) {
  const std::size_t at = text.starts_with(key) ? 0 : text.find("\n" + std::string(key));
  if (at == std::string::npos) return 0;
  const std::size_t begin = text.find_first_of("0123456789", text.find(':', at));
  std::uint64_t value = 0;
  for (std::size_t i = begin; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0; ++i)
    value = value * 10 + static_cast<std::uint64_t>(text[i] - '0');
  return value;
}

bool plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("-_./:=,+@%").find(c) != std::string_view::npos;
}

}  // namespace

std::optional<Recording> plan_recording(const RecordOptions& options, std::string& error) {
  const fs::path tracefs = options.tracefs;
  const fs::path events = tracefs / "events";
  std::error_code failed;
  const fs::directory_iterator readable(events, failed);
  if (failed) {
    error = fmt::format("{}: error: cannot be read: {}; tracefs must be mounted, and only root may read it",
                        events.string(), failed.message());
    return std::nullopt;
  }
  Recording recording;
  recording.command = {"trace-cmd", "record"};
  if (const std::string clock = clock_of(tracefs); !clock.empty())
    recording.command.insert(recording.command.end(), {"-C", clock});
  recording.command.insert(recording.command.end(), {"-b", std::to_string(options.kilobytes)});
  for (const WantedEvent& row : wanted_event_table) {
    if (row.need == Need::costly && !options.locks) {
      if (!row.lacks.empty())
        recording.lacks.push_back(
            fmt::format("{} is left out, see --locks: the answers will not say {}", name_of(row), row.lacks));
      continue;
    }
    if (fs::exists(events / row.system / row.event, failed)) {
      recording.command.insert(recording.command.end(), {"-e", name_of(row)});
      continue;
    }
    if (row.need == Need::required) recording.enough = false;
    if (!row.lacks.empty())
      recording.lacks.push_back(
          fmt::format("this kernel has no event {}: the answers will not say {}", name_of(row), row.lacks));
  }
  // Stacks where somebody waits tell why: reclaim, a notifier, a reset.
  if (fs::exists(events / "dma_fence" / "dma_fence_wait_start", failed))
    recording.command.insert(recording.command.end(), {"-e", "dma_fence:dma_fence_wait_start", "-R", "stacktrace"});
  recording.command.insert(recording.command.end(), {"-o", options.output});
  recording.command.insert(recording.command.end(), options.command.begin(), options.command.end());
  return recording;
}

std::optional<std::vector<BufferLoss>> buffer_losses(const fs::path& tracefs) {
  std::error_code failed;
  fs::directory_iterator folders(tracefs / "per_cpu", failed);
  if (failed) return std::nullopt;
  std::vector<BufferLoss> losses;
  std::size_t seen = 0;
  for (const fs::directory_entry& entry : folders) {
    const std::string text = read_small(entry.path() / "stats");
    if (text.empty()) continue;
    ++seen;
    const BufferLoss loss{entry.path().filename().string(), number_behind(text, "overrun:"),
                          number_behind(text, "dropped events:")};
    if (loss.overrun + loss.dropped > 0) losses.push_back(loss);
  }
  if (seen == 0) return std::nullopt;
  std::ranges::sort(losses, [](const BufferLoss& a, const BufferLoss& b) {
    return std::pair(a.cpu.size(), a.cpu) < std::pair(b.cpu.size(), b.cpu);
  });
  return losses;
}

std::string shell_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    if (!word.empty() && std::ranges::all_of(word, plain)) {
      text += word;
      continue;
    }
    text += '\'';
    for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += '\'';
  }
  return text;
}

std::optional<int> run_command(const std::vector<std::string>& words) {
  std::vector<std::string> copies = words;
  std::vector<char*> arguments;
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, arguments.front(), nullptr, nullptr, arguments.data(), environ) != 0) return std::nullopt;
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace fencecheck
