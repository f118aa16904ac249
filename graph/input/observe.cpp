// Findings, answers and the graph of a trace.
#include "graph/input/observe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "graph/input/observed_contract.hpp"
#include "graph/input/observed_findings.hpp"
#include "graph/input/observed_graph.hpp"
#include "graph/input/observed_hangs.hpp"
#include "graph/input/order_window.hpp"
#include "graph/input/timeline_summary.hpp"

namespace fencecheck {

using namespace observed;  // NOLINT(google-build-using-namespace): what is observed, not what a scenario says

namespace {

constexpr std::size_t summary_lines = 12;

// All that watches while a trace is read.
struct Watch {
  Watch(const TraceFacts& facts, const ObserveOptions& asked)
      : options(asked),
        now(facts),
        hangs(now, asked.late),
        contract(now),
        timelines(now),
        orders(now, asked.window, asked.another_order) {}

  void take(const TraceRecord& record) {
    if (now.facts().gaps.size() != gaps) interrupt();
    if (record.kind == TraceEventKind::task_switch) return now.apply(record);  // most of many traces; nobody else cares
    hangs.before(record);
    contract.before(record);
    now.apply(record);
    hangs.after(record);
    contract.after(record);
    timelines.after(record);
    orders.after(record);
    note_wait(record);
  }

  // A release may be among what is missing.
  void interrupt() {
    gaps = now.facts().gaps.size();
    now.forget_locks();
    orders.interrupt();
  }

  void note_wait(const TraceRecord& record) {
    if (record.kind != TraceEventKind::wait_start || record.context == TraceContext::interrupt) return;
    const WaitRef wait = now.waiting(record.pid);
    if (!wait || wait->first().line != record.line) return;
    ++waits;
    if (drawn.size() < options.drawn) drawn.push_back(wait);
  }

  ObserveOptions options;
  Reconstruction now;
  HangWatch hangs;
  ContractWatch contract;
  TimelineSummary timelines;
  OrderWatch orders;
  std::uint64_t waits = 0;
  std::size_t gaps = 0;  // seen so far
  std::vector<WaitRef> drawn;
};

std::string gaps(const TraceFacts& facts) {
  std::string gaps;
  for (const Loss& loss : facts.losses) {
    if (!loss.gap) continue;
    gaps += fmt::format("{}{} {} (first at line {})", gaps.empty() ? "" : ", ", loss.count, loss.what, loss.first.line);
  }
  return gaps;
}

// The longest of what nothing explains; nullptr if there is none.
const Late* longest(const Hangs& hangs) {
  const auto most = std::ranges::max_element(hangs.late, {}, &Late::lasted);
  return most == hangs.late.end() ? nullptr : &*most;
}

// Why finding no hang says nothing; empty if it says something.
std::string unseen(const Watch& watch) {
  const Reconstruction& now = watch.now;
  if (now.fence_events() == 0)
    return "the trace holds no dma_fence events: record with 'trace-cmd record -e dma_fence'";
  if (now.recorded().has(EventGroup::waits)) return watch.waits == 0 ? "" : now.recorded().lack(hang_needs);
  std::string lacks = now.recorded().lack(hang_needs);
  const bool fast = now.facts().timed && now.slowest_fence() < long_wait;
  return fast && now.recorded().has(EventGroup::creations) && now.recorded().has(EventGroup::signals) ? "" : lacks;
}

std::string shared_names(const Reconstruction& now) {
  if (now.shared_names().empty()) return {};
  return fmt::format("several schedulers have a ring '{}', and their events do not tell which of them they are about",
                     now.name(*now.shared_names().begin()));
}

Answer answer(const Watch& watch, const Hangs& hangs, std::size_t found) {
  const TraceFacts& facts = watch.now.facts();
  Answer answer{std::string(observed_hangs), Verdict::unknown, ""};
  if (found != 0) {
    answer.verdict = Verdict::violated;
    answer.reason = quantity(found, "hang") + " in the trace";
  } else if (!facts.stopped.empty()) {
    answer.reason = fmt::format("not read beyond line {}: {}", facts.last_line, facts.stopped);
  } else if (const Late* late = longest(hangs); late != nullptr) {
    answer.reason = describe(watch.now, *late);
  } else if (hangs.short_open != 0) {
    answer.reason = fmt::format("{} had closed less than {} before the recording ended: record for longer",
                                quantity(hangs.short_open, "cycle of waits", "cycles of waits"), duration(long_wait));
  } else if (const std::string lost = gaps(facts); !lost.empty()) {
    answer.reason = "events are missing, so that finding nothing proves nothing: " + lost;
    if (hangs.first_hidden)
      answer.reason += fmt::format("; perhaps it hung: {} (line {})", describe(watch.now, *hangs.first_hidden).message,
                                   hangs.first_hidden->path.front().line);
  } else if (std::string lacks = unseen(watch); !lacks.empty()) {
    answer.reason = std::move(lacks);
  } else if (std::string shared = shared_names(watch.now); !shared.empty()) {
    answer.reason = std::move(shared);
  } else if (!watch.now.recorded().has(EventGroup::waits)) {
    answer.verdict = Verdict::holds;
    answer.reason =
        fmt::format("no wait was recorded, but every fence signalled within {}: none can have hung for long",
                    duration(watch.now.slowest_fence()));
  } else {
    answer.verdict = Verdict::holds;
    answer.reason = fmt::format("in this recording: {} seen, none in a cycle and none ended by a timer",
                                quantity(watch.waits, "wait"));
  }
  return answer;
}

// Of a trace without findings nothing is said about the contract where too little was recorded to break it.
std::optional<Answer> contract_answer(const Watch& watch, std::size_t found) {
  if (found != 0)
    return Answer{std::string(contract_kept), Verdict::violated, quantity(found, "broken rule") + " in the trace"};
  const bool recorded = watch.now.recorded().lack(contract_needs).empty();
  if (!recorded || !gaps(watch.now.facts()).empty() || !watch.now.shared_names().empty()) return std::nullopt;
  return Answer{std::string(contract_kept), Verdict::holds,
                "as far as locks, reclaim and waits inside run_job were recorded"};
}

// Why no order of the events can be said to go well, nor to hang.
std::string orders_lack(const Reconstruction& now, bool locks) {
  const std::span<const EventGroup> needs(order_needs);
  std::string lacks = now.recorded().lack(locks ? needs : needs.first(3));  // mmap_lock's own events are enough
  if (lacks.empty() && now.scheduled_fences()) lacks = now.recorded().lack(job_order_needs);
  if (lacks.empty()) lacks = shared_names(now);
  return lacks;
}

// What lasts for at least --late is a finding by itself.
Finding late_finding(const Reconstruction& now, const Late& late) {
  Finding finding;
  finding.kind = FindingKind::contract;
  finding.strength = Strength::observed;
  finding.rule = Rule::late_fence;
  finding.at = {late.wait ? late.wait->first().line : late.job->queued.line, 0, 1};
  finding.message = describe(now, late);
  finding.closed = false;
  finding.lasts = Microseconds(late.lasted / 1000);
  finding.fingerprint = fingerprint(finding);
  return finding;
}

// What the answer rests on; each sentence only where it applies.
std::vector<std::string> assumptions(const Watch& watch, const Hangs& hangs) {
  const Reconstruction& now = watch.now;
  std::vector<std::string> said;
  const auto say = [&](bool applies, std::string sentence) {
    if (applies) said.push_back(std::move(sentence));
  };
  const bool fences = now.fence_events() != 0;
  std::uint64_t open = 0;
  for (const auto& [pid, task] : now.tasks()) {
    open += static_cast<std::uint64_t>(std::ranges::count_if(
        task.open, [](const WaitRef& wait) { return wait->how == WaitEnd::open && wait->fence; }));
  }
  say(now.any_user_signalled(), "a fence of sw_sync or vgem is owed by the task that created it");
  for (const Pid pid : now.delegating()) {
    say(true,
        fmt::format("nobody is taken to owe the fences of {}: other tasks signalled some of them", now.task_name(pid)));
  }
  say(fences, "who owes a fence of hardware is not known, so cycles through one are not seen");
  say(fences, "waits without dma_fence_wait_start are not seen: poll, syncobj waits, wait-any");
  say(fences && now.jobs() == 0, "no gpu_scheduler events: what jobs wait for is not known");
  say(fences && !watch.orders.recorded() && !watch.orders.mmap_lock_recorded(),
      "no lock events (lock_acquire needs a kernel with lockdep): locks between tasks and run_job are not seen, nor "
      "what "
      "another order of events could do");
  say(now.inferred_containers() != 0,
      fmt::format("the members of {} are inferred from the order in which signals were asked for",
                  quantity(now.inferred_containers(), "container fence")));
  say(fences && !now.facts().marked,
      "without a flags column a signal counts as the named task's own, except by the idle task or once the driver's "
      "timer was due");
  say(now.facts().clock_assumed,
      "the files that are merged have the same clock, which not all of them name: the order of their events rests on "
      "it");
  say(!now.facts().timed, "the trace's clock only counts, so that nothing is said about how long waits lasted");
  say(open != 0,
      fmt::format("{} still open when the recording ended", quantity(open, "wait") + (open == 1 ? " was" : " were")));
  say(hangs.short_lived != 0,
      fmt::format("{} of less than {} not reported",
                  quantity(hangs.short_lived, "cycle or timeout", "cycles or timeouts"), duration(long_wait)));
  say(hangs.hidden != 0, fmt::format("{} not reported because events are missing that may have ended it",
                                     quantity(hangs.hidden, "cycle")));
  say(watch.waits > watch.drawn.size(),
      fmt::format("only the first {} waits are drawn, and all hangs", watch.drawn.size()));
  return said;
}

void keep(Source& source, std::uint32_t line, const std::string& text) {
  if (line != 0 && !text.empty()) source.kept.emplace(line, text);
}

// The lines that messages about this path point at.
void keep_lines(Source& source, const WaitPath& path) {
  for (const WaitStep& step : path) {
    if (step.wait) keep(source, step.line, step.wait->text);
    if (step.fence) keep(source, step.fence->created.line, step.fence->created.text);
    if (step.waiter.job) {
      keep(source, step.waiter.job->queued.line, step.waiter.job->queued.text);
      keep(source, step.waiter.job->run.line, step.waiter.job->run.text);
    }
  }
}

}  // namespace

Observation observe(const TraceStream& stream, Source& source, const ObserveOptions& options) {
  Watch watch(*stream.facts, options);
  TraceRecord record;
  while (stream.next(record)) watch.take(record);
  watch.orders.finish();
  Hangs hangs = watch.hangs.finish(stream.facts->stopped.empty());
  std::ranges::stable_sort(hangs.found, {}, &ObservedHang::kind);

  Observation observation;
  const auto graph = std::make_shared<DependencyGraph>();
  ObservedGraph drawing(watch.now, *graph);
  for (const WaitRef& wait : watch.drawn) drawing.add(*wait);
  for (const auto& [pid, task] : watch.now.tasks())
    for (const WaitRef& wait : task.open)
      if (wait->fence) drawing.add(*wait);
  std::map<std::string, std::size_t> known;  // one problem, one finding, which counts how often it happened
  for (const ObservedHang& hang : hangs.found) {
    Finding finding = describe(watch.now, hang);
    finding.property = observed_hangs;
    const auto [entry, is_new] = known.try_emplace(finding.fingerprint, observation.findings.size());
    if (!is_new) {
      ++observation.findings[entry->second].count;
      continue;
    }
    keep_lines(source, hang.path);
    Cycle walk = drawing.add(hang.path);
    if (hang.closed) observation.cycles.push_back(std::move(walk));
    observation.findings.push_back(std::move(finding));
  }
  const std::size_t hanging = observation.findings.size();
  std::ranges::copy(watch.contract.findings(), std::back_inserter(observation.findings));
  if (options.late) {
    for (const Late& late : hangs.late) {
      if (late.lasted < *options.late) continue;
      keep_lines(source, late.path);
      if (late.job) keep(source, late.job->queued.line, late.job->queued.text);
      observation.findings.push_back(late_finding(watch.now, late));
    }
  }
  for (const Late& late : hangs.late) (void)drawing.add(late.path);
  observation.graph = graph;
  observation.whole_graph = watch.waits == watch.drawn.size();
  observation.answers.push_back(answer(watch, hangs, hangs.found.size()));
  if (auto contract = contract_answer(watch, observation.findings.size() - hanging)) {
    observation.answers.push_back(std::move(*contract));
  }
  observation.locks_recorded = watch.orders.recorded() || watch.orders.mmap_lock_recorded();
  observation.orders_lack = orders_lack(watch.now, watch.orders.recorded());
  observation.orders_cut = watch.orders.cut();
  observation.orders_unsettled = watch.orders.unsettled();
  observation.losses = stream.facts->losses;
  observation.assumptions = assumptions(watch, hangs);
  observation.summary = watch.timelines.lines(summary_lines);
  observation.size = fmt::format("{}, {}, {}", quantity(drawing.tasks(), "task"), quantity(drawing.fences(), "fence"),
                                 quantity(watch.waits, "wait"));
  if (watch.now.jobs() != 0) observation.size += ", " + quantity(watch.now.jobs(), "job event");
  return observation;
}

}  // namespace fencecheck
