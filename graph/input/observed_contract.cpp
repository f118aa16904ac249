// Each rule is a glance at what the current task is doing when something happens.
#include "graph/input/observed_contract.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/input/lock_names.hpp"

namespace fencecheck::observed {
namespace {

constexpr std::size_t locks_limit = 10'000;

}  // namespace

void ContractWatch::before(const TraceRecord& record) {
  if (record.kind != TraceEventKind::fence_destroy) return;
  const Fence fence = now_.find(record.fence());
  if (!fence || fence->signalled.seen()) return;
  for (const auto& each : fence->waits) {
    const WaitRef wait = each.lock();
    const std::vector<TraceGap>& gaps = now_.facts().gaps;
    const bool may_be_over = wait && !gaps.empty() && gaps.back().to >= wait->first().line;
    if (!wait || wait->how != WaitEnd::open || may_be_over) continue;
    const std::string name = now_.fence_name(*fence);
    report(Rule::destroyed_unsignalled, name, record.line,
           fmt::format("fence {} is freed unsignalled while {} waits for it since line {}", name,
                       now_.task_name(wait->pid), wait->first().line),
           {}, {});
  }
}

void ContractWatch::after(const TraceRecord& record) {
  if (record.context == TraceContext::interrupt) return;
  switch (record.kind) {
    case TraceEventKind::lock_acquire:
      return take_lock(record);
    case TraceEventKind::mmap_lock_wait:
      if (const std::string where = section(record.pid); !where.empty()) {
        report(Rule::mmap_lock_in_signalling, now_.task_name(record.pid), record.line,
               fmt::format("{} takes an mmap_lock in {}", now_.task_name(record.pid), where), {},
               ends_of_section(record.pid));
      }
      return;
    case TraceEventKind::reclaim_begin:
      if (const std::string where = section(record.pid); !where.empty()) {
        report(Rule::reclaim_in_signalling, now_.task_name(record.pid), record.line,
               fmt::format("{} enters reclaim in {}", now_.task_name(record.pid), where), {},
               ends_of_section(record.pid));
      }
      return;
    case TraceEventKind::wait_start:
      return take_wait(record);
    default:
      return;
  }
}

std::string ContractWatch::section(Pid pid) const {
  const Task* task = now_.task(pid);
  if (task == nullptr) return {};
  if (in_run_job(*task)) return "run_job of " + now_.job_name(*task->running);
  return task->annotated > 0 ? "a fence signalling section" : std::string{};
}

// The end of a section that began before events were lost may be among them.
bool ContractWatch::in_run_job(const Task& task) const {
  const std::vector<TraceGap>& gaps = now_.facts().gaps;
  return task.running && (gaps.empty() || gaps.back().to < task.running->run.line);
}

std::vector<EventGroup> ContractWatch::ends_of_section(Pid pid) const {
  const Task* task = now_.task(pid);
  return {task != nullptr && in_run_job(*task) ? EventGroup::signals : EventGroup::releases};
}

void ContractWatch::take_lock(const TraceRecord& record) {
  const Task* task = now_.task(record.pid);
  const std::string where = section(record.pid);
  if (task == nullptr || task->held.empty() || where.empty()) return;
  const HeldLock& lock = task->held.back();
  const std::string who = now_.task_name(record.pid);
  if (lock.name == "fs_reclaim") {
    report(Rule::reclaim_in_signalling, who, record.line,
           fmt::format("{} allocates memory with reclaim in {}", who, where), {}, ends_of_section(record.pid));
  }
  if (lock.tried) return;
  if (lock.name.starts_with("reservation_ww_class_mutex")) {
    report(Rule::reservation_in_signalling, who, record.line,
           fmt::format("{} locks a reservation object in {}", who, where), {}, ends_of_section(record.pid));
  }
  if (lock.name.starts_with("&mm->mmap_lock")) {
    report(Rule::mmap_lock_in_signalling, who, record.line, fmt::format("{} takes an mmap_lock in {}", who, where), {},
           ends_of_section(record.pid));
  }
  if (!in_run_job(*task) || is_annotation(lock.name) || in_run_job_.size() >= locks_limit) return;
  const LockOfRing key{lock.address, task->running->ring};
  in_run_job_.try_emplace(key, Use{lock.name, record.pid, record.line, now_.job_name(*task->running), lock.shared});
  meet(key);
}

void ContractWatch::take_wait(const TraceRecord& record) {
  const Fence fence = now_.find(record.fence());
  const Task* task = now_.task(record.pid);
  if (!fence || task == nullptr || now_.knows_signal(record.pid, *fence)) return;
  const std::string who = now_.task_name(record.pid);
  if (const std::string where = section(record.pid); !where.empty() && !fence->signalled.seen()) {
    report(in_run_job(*task) ? Rule::wait_in_run_job : Rule::wait_in_signalling, who, record.line,
           fmt::format("{} waits for fence {} in {}", who, now_.fence_name(*fence), where), {},
           ends_of_section(record.pid));
  }
  // That the fence has signalled already is luck: the driver's order of lock and wait is the same.
  const auto job = fence->job.lock();
  const std::uint32_t ring = job ? job->ring : fence->ring;
  if ((!job && ring == 0) || over_wait_.size() >= locks_limit) return;
  for (const HeldLock& lock : task->held) {
    if (is_annotation(lock.name)) continue;
    const LockOfRing key{lock.address, ring};
    over_wait_.try_emplace(key, Use{lock.name, record.pid, record.line, now_.fence_name(*fence), lock.shared});
    meet(key);
  }
}

// The lock is taken inside run_job of a ring, and held over a wait for a fence of that ring.
void ContractWatch::meet(LockOfRing lock) {
  const auto taken = in_run_job_.find(lock);
  const auto held = over_wait_.find(lock);
  if (taken == in_run_job_.end() || held == over_wait_.end()) return;
  const Use& worker = taken->second;
  const Use& waiter = held->second;
  if (worker.name != waiter.name || worker.pid == waiter.pid || (worker.shared && waiter.shared)) return;
  Party first;
  first.name = now_.task_name(waiter.pid);
  first.holds = {fmt::format("holds lock {}", waiter.name)};
  first.waits_for = "fence " + waiter.what;
  first.released_by = fmt::format("released after run_job of its job, which the worker calls that is {} here",
                                  now_.task_name(worker.pid));
  first.at = {waiter.line, 0, 1};
  Party second;
  second.name = now_.task_name(worker.pid);
  second.holds = {fmt::format("runs {}", worker.what)};
  second.waits_for = "lock " + worker.name;
  second.cause = Cause::lock;
  second.released_by = fmt::format("released when {} releases it, which it does only after its own wait", first.name);
  second.at = {worker.line, 0, 1};
  report(Rule::lock_held_across_wait, worker.name, std::max(worker.line, waiter.line),
         fmt::format("{} holds lock {} while it waits for fence {} (line {}), and {} takes that lock in run_job of {} "
                     "(line {}): a wait under it for a job whose run_job has yet to take it never ends",
                     first.name, waiter.name, waiter.what, waiter.line, second.name, worker.what, worker.line),
         {first, second}, {EventGroup::releases, EventGroup::signals}, lock.second);
}

void ContractWatch::report(Rule rule, const std::string& key, std::uint32_t line, std::string message,
                           std::vector<Party> parties, std::vector<EventGroup> rests_on, std::uint32_t ring) {
  constexpr std::size_t most = 1000;
  if (broken_.size() >= most || !known_.emplace(rule, key).second) return;
  Finding finding;
  finding.kind = FindingKind::contract;
  finding.strength = Strength::observed;
  finding.rule = rule;
  finding.at = {line, 0, 1};
  finding.message = std::move(message);
  finding.parties = std::move(parties);
  for (const Party& party : finding.parties) finding.needs = finding.needs.with(party.cause);
  finding.fingerprint = fingerprint(finding);
  broken_.push_back({std::move(finding), std::move(rests_on), ring});
}

std::vector<Finding> ContractWatch::findings() const {
  const auto recorded = [&](EventGroup group) { return now_.recorded().has(group); };
  std::vector<Finding> findings;
  for (const Broken& each : broken_)
    if (std::ranges::all_of(each.rests_on, recorded) && !now_.shared_names().contains(each.ring))
      findings.push_back(each.finding);
  return findings;
}

}  // namespace fencecheck::observed
