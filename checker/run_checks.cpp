#include "checker/run_checks.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>

#include "checker/check.hpp"
#include "checker/combine.hpp"
#include "checker/conform.hpp"
#include "checker/gate.hpp"
#include "checker/interrupt.hpp"

namespace fencecheck {
namespace {

using HowFar = std::function<void(const std::string&)>;

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

// After an input was checked.
void note_interrupt(Checked& checked) {
  if (interrupted() && checked.report && may_be_due_to_interrupt(checked))
    mark_interrupted(checked, "interrupted before everything was decided");
}

// All files as one trace.
Checked check_parts(const std::vector<InputFile>& files, const Options& options, const HowFar& how_far) {
  Budget budget = budget_of(options);
  budget.progress = how_far;
  std::vector<std::string> paths;
  Checked missing;
  for (const InputFile& file : files) {
    paths.push_back(file.path);
    if (!file.error.empty()) missing.diagnostics.error({}, file.path + ": " + file.error);
  }
  missing.source.name = "merged";
  if (!missing.diagnostics.ok()) return missing;
  Checked checked = check_merged(paths, budget, observe_options_of(options));
  note_interrupt(checked);
  return checked;
}

Checked check_input(const InputFile& file, const Options& options, const HowFar& how_far) {
  const auto begin = std::chrono::steady_clock::now();
  Budget budget = budget_of(options);
  budget.progress = how_far;
  Checked checked;
  if (!file.error.empty()) {
    checked.source.name = file.path;
    checked.diagnostics.error({}, file.error);
  } else {
    const bool stopped = interrupted();
    checked = stopped ? not_checked(file) : check_file(file.path, budget, observe_options_of(options));
    if (stopped)
      mark_interrupted(checked, "interrupted before it was checked");
    else
      note_interrupt(checked);
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
      return each.kind == finding.kind && each.rule == finding.rule && each.known == known &&
             each.property == finding.property;
    });
    if (row == report.cut.end()) row = report.cut.insert(row, {finding.kind, finding.rule, known, 0, finding.property});
    row->count += finding.count;
  }
  report.findings.resize(most);
}

// Inputs are taken in their order by whoever is free, and handed out in that order.
class Pool {
 public:
  Pool(const std::vector<InputFile>& files, const Options& options, HowFar how_far)
      : files_(files),
        options_(options),
        how_far_(files.size() == 1 ? std::move(how_far) : HowFar{}),
        done_(files.size(), false),
        results_(files.size()),
        errors_(files.size()) {
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
        results_[index] = check_input(files_[index], options_, how_far_);
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
  HowFar how_far_;
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
  budget.engine = options.engine;
  budget.reductions = options.reductions;
  return budget;
}

ObserveOptions observe_options_of(const Options& options) {
  ObserveOptions observe;
  observe.late = options.late;
  observe.window = options.window;
  return observe;
}

namespace {

// Puts inputs that are checked into the run, one after the other.
class RunBuilder {
 public:
  RunBuilder(const Options& options, const RunListener& listener, Baseline* baseline)
      : options_(options), listener_(listener), baseline_(baseline) {
    run_.version = FENCECHECK_VERSION;
    run_.folder = std::filesystem::current_path().string();
    run_.unknown_fails = options.unknown_fails;
    run_.stale_fails = options.baseline_strict;
    if (baseline != nullptr) run_.baseline = baseline->source();
  }

  void add(Checked input) {
    if (baseline_ != nullptr) baseline_->apply(input, options_.update_baseline);
    input.result = result_of(input, options_.unknown_fails);
    if (input.report) cut(*input.report, options_.most_findings);
    run_.inputs.push_back(std::move(input));
    listener_.finished(run_.inputs.back());
  }
  [[nodiscard]] const std::vector<Checked>& inputs() const { return run_.inputs; }

  Run finish() {
    if (baseline_ != nullptr && !options_.update_baseline) run_.stale = baseline_->stale();
    run_.interrupted = std::ranges::any_of(run_.inputs, &Checked::interrupted);
    return std::move(run_);
  }

 private:
  const Options& options_;
  const RunListener& listener_;
  Baseline* baseline_;
  Run run_;
};

}  // namespace

Run run_checks(const std::vector<InputFile>& files, const Options& options, const RunListener& listener,
               Baseline* baseline) {
  RunBuilder builder(options, listener, baseline);
  if (options.merge) {
    builder.add(check_parts(files, options, listener.how_far));
    return builder.finish();
  }
  Pool pool(files, options, listener.how_far);
  for (std::size_t i = 0; i < files.size(); ++i) {
    while (!pool.done(i)) listener.progress(pool.wait_for_news(i), files.size());
    builder.add(pool.take(i));
  }
  if (options.combine) builder.add(combine(builder.inputs()));
  return builder.finish();
}

Run run_conform(const Options& options, const RunListener& listener, Baseline* baseline) {
  RunBuilder builder(options, listener, baseline);
  for (Checked& input :
       conform_files(options.operands.at(0), options.operands.at(1), budget_of(options), observe_options_of(options))) {
    note_interrupt(input);
    builder.add(std::move(input));
  }
  return builder.finish();
}

}  // namespace fencecheck
