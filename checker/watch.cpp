#include "checker/watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "checker/budget.hpp"
#include "checker/gate.hpp"
#include "checker/input.hpp"
#include "checker/interrupt.hpp"
#include "checker/run_checks.hpp"
#include "encoders/report/text.hpp"

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds pause{500};

// An edge without its place: lines shift.
using EdgeKey = std::tuple<std::string, std::string, Cause>;

EdgeKey key(const DependencyGraph& graph, EdgeId edge) {
  return {graph[boost::source(edge, graph)].name, graph[boost::target(edge, graph)].name, graph[edge].cause};
}

std::set<EdgeKey> edges_of(const Checked& checked) {
  std::set<EdgeKey> result;
  if (!checked.report) return result;
  const DependencyGraph& graph = *checked.report->graph;
  for (const EdgeId edge : boost::make_iterator_range(boost::edges(graph))) result.insert(key(graph, edge));
  return result;
}

std::map<std::string, const Finding*> findings_of(const Checked& checked) {
  std::map<std::string, const Finding*> result;
  if (!checked.report) return result;
  for (const Finding& finding : checked.report->findings) result.emplace(finding.fingerprint, &finding);
  return result;
}

// The edges of cycles that were not there before.
std::string new_edges(const Checked& before, const Checked& after) {
  const std::set<EdgeKey> old = edges_of(before);
  const DependencyGraph& graph = *after.report->graph;
  std::set<EdgeKey> told;
  std::string text;
  for (const Cycle& cycle : after.report->cycles)
    for (const EdgeId edge : cycle) {
      if (old.contains(key(graph, edge)) || !told.insert(key(graph, edge)).second) continue;
      text += fmt::format("{}: closed the cycle: '{}' now waits for '{}' [{}]\n",
                          position(after.source, {graph[edge].at.line, graph[edge].at.column, 1}),
                          graph[boost::source(edge, graph)].name, graph[boost::target(edge, graph)].name,
                          info(graph[edge].cause).id);
    }
  if (text.empty())
    text = fmt::format("{}: no new edge of the dependency graph is on a cycle that was found\n",
                       printable(after.source.name));
  return text;
}

// What tells that a file was written: when, and how long it is.
using Stamp = std::pair<fs::file_time_type, std::uintmax_t>;

Stamp stamp_of(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  const auto size = error ? 0 : fs::file_size(path, error);
  return {error ? fs::file_time_type::min() : time, error ? 0 : size};
}

class Watcher {
 public:
  Watcher(const Options& options, const Style& style) : options_(options), style_(style) {}
  void round();
  [[nodiscard]] ExitStatus status() const;

 private:
  const Options& options_;
  const Style& style_;
  std::map<std::string, Stamp> stamps_;
  std::map<std::string, Checked> last_;
  std::map<std::string, Checked> usable_;  // the last state that could be checked: editors write in pieces
};

// Whatever was written since the last round, or is new; what vanished is forgotten unless it was named.
void Watcher::round() {
  std::vector<InputFile> changed;
  std::set<std::string> present;
  for (const InputFile& file : input_files(options_.operands)) {
    present.insert(file.path);
    const Stamp stamp = stamp_of(file.path);
    const auto known = stamps_.find(file.path);
    if (known != stamps_.end() && known->second == stamp) continue;
    stamps_[file.path] = stamp;
    changed.push_back(file);
  }
  std::string text;
  for (const auto& [path, stamp] : stamps_)
    if (!present.contains(path)) text += fmt::format("{}: not there any more\n", printable(path));
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  std::erase_if(stamps_, [&](const auto& each) { return !present.contains(each.first); });
  std::erase_if(last_, [&](const auto& each) { return !present.contains(each.first); });
  if (changed.empty()) return;
  Run run = run_checks(changed, options_, {[](std::size_t, std::size_t) {}, [](const Checked&) {}}, nullptr);
  if (interrupted()) return;
  for (Checked& input : run.inputs) {
    text = to_text(input, style_);
    if (const auto before = usable_.find(input.source.name); before != usable_.end())
      text += difference(before->second, input);
    if (input.report) usable_.insert_or_assign(input.source.name, input);
    (void)std::fwrite(text.data(), 1, text.size(), stdout);
    last_.insert_or_assign(input.source.name, std::move(input));
  }
  std::fputs("watching; stop with Ctrl-C\n", stdout);
  std::fflush(stdout);
}

ExitStatus Watcher::status() const {
  Run run;
  for (const auto& [path, checked] : last_) run.inputs.push_back(checked);
  return exit_status(run);
}

}  // namespace

std::string difference(const Checked& before, const Checked& after) {
  if (!after.report || !before.report) return {};
  const auto old = findings_of(before);
  const auto now = findings_of(after);
  std::string text;
  bool fresh = false;
  for (const auto& [fingerprint, finding] : now) {
    if (old.contains(fingerprint)) continue;
    fresh = true;
    text += fmt::format("{}: new: {} [{}]\n", position(after.source, finding->at), finding->message, id_of(*finding));
  }
  if (fresh) text += new_edges(before, after);
  for (const auto& [fingerprint, finding] : old)
    if (!now.contains(fingerprint))
      text += fmt::format("{}: gone: {} [{}]\n", printable(after.source.name), finding->message, id_of(*finding));
  return text;
}

ExitStatus watch(const Options& options, const Style& style) {
  Watcher watcher(options, style);
  while (!interrupted()) {
    watcher.round();
    std::this_thread::sleep_for(pause);
  }
  return watcher.status();
}

}  // namespace fencecheck
