#include "checker/run_checks.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>

#include "checker/check.hpp"
#include "checker/gate.hpp"
#include "checker/interrupt.hpp"

namespace fencecheck {
namespace {

Checked not_checked(const InputFile& file) {
  Checked checked;
  checked.source.name = file.path;
  Report report;
  report.title = std::filesystem::path(file.path).stem().string();
  report.kind = "input";
  report.size = "not read";
  report.graph = std::make_shared<const DependencyGraph>();
  checked.report = std::move(report);
  return checked;
}

// What is open, or not as expected, may be so because of the interrupt.
bool may_be_due_to_interrupt(const Checked& checked) {
  return !checked.outcome.complaint.empty() || std::ranges::any_of(checked.report->answers, [](const Answer& each) {
    return each.verdict == Verdict::unknown || (each.verdict == Verdict::violated && !each.reason.empty());
  });
}

void mark_interrupted(Checked& checked, const std::string& why) {
  checked.interrupted = true;
  checked.report->answers.push_back({"checked", Verdict::unknown, why});
  checked.outcome = {outcome(*checked.report).verdict, false, {}};
}

Checked check_input(const InputFile& file, const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  Checked checked;
  if (!file.error.empty()) {
    checked.source.name = file.path;
    checked.diagnostics.error({}, file.error);
  } else {
    const bool stopped = interrupted();
    checked = stopped ? not_checked(file) : check_file(file.path, budget_of(options));
    if (stopped)
      mark_interrupted(checked, "interrupted before it was checked");
    else if (interrupted() && checked.report && may_be_due_to_interrupt(checked))
      mark_interrupted(checked, "interrupted before everything was decided");
  }
  if (options.timing) checked.took = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin);
  checked.from_folder = file.from_folder;
  return checked;
}

// New findings stay in front of known ones; else the order is kept.
void cut(Report& report, std::size_t most) {
  if (report.findings.size() <= most) return;
  std::stable_partition(report.findings.begin(), report.findings.end(),
                        [](const Finding& finding) { return !finding.known; });
  for (std::size_t i = most; i < report.findings.size(); ++i) {
    const Finding& finding = report.findings[i];
    const bool known = finding.known.has_value();
    auto row = std::ranges::find_if(report.cut, [&](const CutFindings& each) {
      return each.kind == finding.kind && each.rule == finding.rule && each.known == known;
    });
    if (row == report.cut.end()) row = report.cut.insert(row, {finding.kind, finding.rule, known, 0});
    row->count += finding.count;
  }
  report.findings.resize(most);
}

// Inputs are taken in their order by whoever is free, and handed out in that order.
class Pool {
 public:
  Pool(const std::vector<InputFile>& files, const Options& options)
      : files_(files), options_(options), done_(files.size(), false), results_(files.size()), errors_(files.size()) {
    const unsigned wanted = options.jobs == 0 ? std::thread::hardware_concurrency() : options.jobs;
    const std::size_t threads = std::min<std::size_t>(files.size(), std::max(1U, wanted));
    for (std::size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }
  ~Pool() {
    next_ = files_.size();
    for (std::thread& worker : workers_) worker.join();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Waits until this input, or another, is done. Says how many are.
  std::size_t wait_for_news(std::size_t index) {
    std::unique_lock lock(mutex_);
    const std::size_t before = finished_;
    changed_.wait(lock, [&] { return done_[index] || finished_ != before; });
    return finished_;
  }
  [[nodiscard]] bool done(std::size_t index) {
    const std::unique_lock lock(mutex_);
    return done_[index];
  }
  // Requires: done(index).
  Checked take(std::size_t index) {
    if (errors_[index]) std::rethrow_exception(errors_[index]);
    return std::move(results_[index]);
  }

 private:
  void work() {
    for (std::size_t index = next_++; index < files_.size(); index = next_++) {
      try {
        results_[index] = check_input(files_[index], options_);
      } catch (...) {
        errors_[index] = std::current_exception();
      }
      const std::unique_lock lock(mutex_);
      done_[index] = true;
      ++finished_;
      changed_.notify_one();
    }
  }

  const std::vector<InputFile>& files_;
  const Options& options_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t finished_ = 0;
  std::vector<bool> done_;
  std::vector<Checked> results_;
  std::vector<std::exception_ptr> errors_;
  std::vector<std::thread> workers_;
};

}  // namespace

Budget budget_of(const Options& options) {
  Budget budget;
  if (options.timeout) budget.deadline = std::chrono::steady_clock::now() + *options.timeout;
  budget.memory = options.memory;
  budget.reductions = options.reductions;
  return budget;
}

Run run_checks(const std::vector<InputFile>& files, const Options& options, const RunListener& listener,
               Baseline* baseline) {
  Run run;
  run.version = FENCECHECK_VERSION;
  run.folder = std::filesystem::current_path().string();
  run.unknown_fails = options.unknown_fails;
  run.stale_fails = options.baseline_strict;
  if (baseline != nullptr) run.baseline = baseline->source();
  Pool pool(files, options);
  for (std::size_t i = 0; i < files.size(); ++i) {
    while (!pool.done(i)) listener.progress(pool.wait_for_news(i), files.size());
    Checked input = pool.take(i);
    if (baseline != nullptr) baseline->apply(input, options.update_baseline);
    input.result = result_of(input, options.unknown_fails);
    if (input.report) cut(*input.report, options.most_findings);
    run.inputs.push_back(std::move(input));
    listener.finished(run.inputs.back());
  }
  if (baseline != nullptr && !options.update_baseline) run.stale = baseline->stale();
  run.interrupted = std::ranges::any_of(run.inputs, &Checked::interrupted);
  return run;
}

}  // namespace fencecheck
