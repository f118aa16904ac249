// Candidates while the trace is read; which of them count is settled at its end.
#include "graph/input/observed_hangs.hpp"

#include <algorithm>
#include <map>

namespace fencecheck::observed {
namespace {

constexpr std::size_t candidates_limit = 10'000;
constexpr std::size_t pending_limit = 1'000;
constexpr std::size_t late_limit = 1'000;
constexpr std::uint64_t recovery_window = 1'000'000'000;  // ns between a recovery and the signals that it causes

std::optional<std::size_t> step_of(const WaitPath& path, Pid pid) {
  const auto step = std::ranges::find_if(path, [&](const WaitStep& each) { return each.waiter == task_actor(pid); });
  return step == path.end() ? std::nullopt : std::optional(static_cast<std::size_t>(step - path.begin()));
}

// A cycle begins at the wait that began first.
void rotate_to_first(WaitPath& path) {
  const auto line = [](const WaitStep& step) { return step.wait ? step.line : ~std::uint32_t{0}; };
  std::rotate(path.begin(), std::ranges::min_element(path, {}, line), path.end());
}

bool about(const WaitPath& path, const std::shared_ptr<Job>& job) {
  return std::ranges::any_of(path,
                             [&](const WaitStep& step) { return step.waiter.job == job || step.owner.job == job; });
}

std::uint32_t closing_line(const ObservedHang& hang) {
  std::uint32_t last = 0;
  for (const WaitStep& step : hang.path) {
    if (step.wait) last = std::max(last, step.line);
  }
  return last;
}

Mark mark_of(const TraceRecord& record) { return {record.time, record.line, record.pid, record.context, {}}; }

}  // namespace

void HangWatch::before(const TraceRecord& record) {
  switch (record.kind) {
    case TraceEventKind::fence_signaled:
    case TraceEventKind::request_done:
      return see_signal(now_.find(record.fence()), record);
    case TraceEventKind::job_done:
      if (const auto job = now_.find_job(record)) see_signal(job->finished, record);
      return;
    case TraceEventKind::wait_end:
      if (const WaitRef wait = now_.waiting(record.pid);
          wait && wait->fence && wait->fence->key == record.fence() && record.context != TraceContext::interrupt) {
        see_give_up(wait, record);
      }
      return;
    case TraceEventKind::wait_start:
    case TraceEventKind::contention_begin:
    case TraceEventKind::lock_contended:
    case TraceEventKind::mmap_lock_wait:
      if (record.context != TraceContext::interrupt) waiting_.insert(record.pid);
      return;
    default:
      return;
  }
}

void HangWatch::after(const TraceRecord& record) {
  if (signalling_) judge_signal(record);
  const bool taken = record.kind == TraceEventKind::contention_end || record.kind == TraceEventKind::lock_acquired ||
                     record.kind == TraceEventKind::mmap_lock_taken;
  if (!taken || pending_.empty()) return;
  const Task* task = now_.task(record.pid);
  if (task != nullptr && task->woken.seen()) resolve(task->woken.pid, nullptr, record.number(TraceField::address));
}

// Who waits for this fence, directly or not, and how?
void HangWatch::see_signal(const Fence& fence, const TraceRecord& record) {
  if (!fence || fence->signalled.seen()) return;
  signalling_ = fence;
  finishing_ = fence->scheduled ? nullptr : fence->job.lock();
  const bool timed = now_.facts().timed;
  const bool old = !timed || record.time >= fence->first.time + std::min(long_wait, late_);
  const bool has_timer = fence->user_signalled != nullptr && fence->user_signalled->fallback_timer.count() > 0;
  if (!old && !has_timer) return;
  std::erase_if(waiting_, [&](Pid pid) { return !now_.waiting(pid); });
  for (const Pid pid : waiting_) {
    const WaitRef wait = now_.waiting(pid);
    const auto path = path_to(now_, pid, fence);
    if (!path) continue;
    const auto cycle = cycle_through(now_, pid);
    const bool closed = cycle && std::ranges::any_of(*cycle, [&](const WaitStep& step) { return step.fence == fence; });
    WaitPath whole = closed ? *cycle : fence->user_signalled != nullptr ? longest_path(now_, task_actor(pid)) : *path;
    affected_.push_back({wait, std::move(whole), closed});
  }
}

void HangWatch::judge_signal(const TraceRecord& record) {
  const Fence fence = std::exchange(signalling_, nullptr);
  if (const auto job = std::exchange(finishing_, nullptr)) see_job(job, record.time);
  const std::vector<Affected> affected = std::exchange(affected_, {});
  const Signaller who = now_.signaller(*fence);
  bool inferred = false;
  const std::string recovery = who == Signaller::timer ? std::string{} : recovery_by(fence, record, inferred);
  for (const Affected& each : affected) {
    const bool caught = who == Signaller::timer || !recovery.empty();
    if (!long_enough(*each.wait, record.time)) {
      if (who == Signaller::timer) ++hangs_.short_lived;
      add_late(each.wait, each.path);
    } else if (caught && candidates_.size() < candidates_limit) {
      ObservedHang hang;
      hang.how = who == Signaller::timer ? HangEnd::timer : HangEnd::recovery;
      hang.path = each.path;
      hang.closed = each.closed;
      hang.breaking = each.wait;
      hang.ended = mark_of(record);
      hang.recovery = recovery;
      hang.inferred = inferred;
      candidates_.push_back(std::move(hang));
    } else if (asked_ || fence->user_signalled == nullptr || who != Signaller::task) {
      add_late(each.wait, each.path);
    }
  }
  if (who == Signaller::task) resolve(record.pid, fence, 0);
}

// By an event that says so; else by a kernel worker, where interrupts signal this driver's fences.
std::string HangWatch::recovery_by(const Fence& fence, const TraceRecord& record, bool& inferred) const {
  const bool interrupt = record.context == TraceContext::interrupt || now_.task_name(record.pid).starts_with("irq/");
  if (interrupt) return {};
  if (fence->user_signalled != nullptr && now_.owner(*fence) == record.pid) return {};
  const Task* task = now_.task(record.pid);
  if (task != nullptr && task->recovering) return task->work;
  const Mark& last = now_.last_recovery();
  if (last.seen() && now_.facts().timed && record.time >= last.time && record.time - last.time <= recovery_window) {
    return "a reset (line " + std::to_string(last.line) + ")";
  }
  if (!now_.task_name(record.pid).starts_with("kworker/") || fence->user_signalled != nullptr || fence->container ||
      fence->job.lock()) {
    return {};
  }
  inferred = true;
  return now_.task_name(record.pid);
}

void HangWatch::see_give_up(const WaitRef& wait, const TraceRecord& record) {
  const auto cycle = cycle_through(now_, wait->pid);
  if (!long_enough(*wait, record.time)) {
    if (cycle && cycle->size() > 1) ++hangs_.short_lived;
    return;
  }
  if (cycle && cycle->size() > 1) {
    std::erase_if(candidates_, [&](const ObservedHang& each) { return each.breaking == wait; });
    if (candidates_.size() >= candidates_limit) return;
    ObservedHang hang;
    hang.how = HangEnd::gave_up;
    hang.path = *cycle;
    hang.breaking = wait;
    hang.ended = mark_of(record);
    return candidates_.push_back(std::move(hang));
  }
  std::erase_if(pending_, [&](const Pending& each) { return each.wait == wait; });
  if (pending_.size() >= pending_limit) pending_.erase(pending_.begin());
  pending_.push_back({longest_path(now_, task_actor(wait->pid)), wait, mark_of(record)});
}

// `releaser` has released what chains ended at: those in which it waited itself were cycles.
void HangWatch::resolve(Pid releaser, const Fence& fence, std::uint64_t lock) {
  for (Pending& each : pending_) {
    if (each.path.empty()) continue;
    const WaitStep& last = each.path.back();
    const bool same = fence ? last.fence == fence : (last.wait && !last.wait->fence && last.wait->lock == lock);
    const bool known = last.owner.kind != Actor::Kind::nobody;
    const auto from = step_of(each.path, releaser);
    if (!same || known || !from || each.path.size() - *from < 2) continue;
    ObservedHang hang;
    hang.how = HangEnd::gave_up;
    hang.path.assign(each.path.begin() + static_cast<std::ptrdiff_t>(*from), each.path.end());
    hang.path.back().owner = task_actor(releaser);
    hang.hindsight = true;
    hang.breaking = each.wait;
    hang.ended = each.ended;
    for (std::size_t index = 0; index < *from; ++index) {
      if (each.path[index].wait) hang.followers.push_back(each.path[index].wait);
    }
    if (candidates_.size() < candidates_limit) candidates_.push_back(std::move(hang));
    each.path.clear();
  }
}

// Was everything recorded that would show a hang of this wait?
bool HangWatch::explained(const Wait& wait, const WaitPath& path) const {
  if (!wait.fence) return true;
  const auto job = wait.fence->job.lock();
  if (!job && now_.name(wait.fence->driver).ends_with("_sched")) return false;
  if (job && !job->run.seen() && wait.fence->signalled.seen()) return false;
  if (!wait.fence->signalled.seen()) return false;
  const Fence& last = path.empty() ? wait.fence : path.back().fence;
  return !last || last->created.seen() || last->job.lock() != nullptr;
}

void HangWatch::add_late(const WaitRef& wait, const WaitPath& path) {
  const std::uint64_t lasted = waited(now_.facts(), *wait);
  if (!now_.facts().timed || lasted < (explained(*wait, path) ? late_ : std::min(late_, long_wait))) return;
  if (std::ranges::any_of(hangs_.late, [&](const Late& each) { return each.wait == wait; })) return;
  if (hangs_.late.size() < late_limit) {
    hangs_.late.push_back({wait, nullptr, path, lasted});
  } else {
    ++hangs_.late_more;
  }
}

// A job that takes long, whether or not a wait for it was recorded.
void HangWatch::see_job(const std::shared_ptr<Job>& job, std::uint64_t time) {
  const std::uint64_t lasted = time > job->queued.time ? time - job->queued.time : 0;
  if (!now_.facts().timed || lasted < late_) return;
  if (hangs_.late.size() < late_limit) {
    hangs_.late.push_back({nullptr, job, longest_path(now_, job_actor(job)), lasted});
  } else {
    ++hangs_.late_more;
  }
}

Hangs HangWatch::finish(bool at_the_end) {
  if (at_the_end) {
    for (const Pid pid : waiting_) look_at_the_end(pid);
    for (const auto& job : now_.unfinished_jobs()) see_job(job, now_.facts().last_time);
  }
  for (const Pending& each : pending_) {
    if (!each.path.empty() && each.wait->how == WaitEnd::gave_up) add_late(each.wait, each.path);
  }
  std::erase_if(candidates_, [&](const ObservedHang& hang) { return !stands(hang); });
  for (ObservedHang& hang : candidates_) {
    if (hang.closed) rotate_to_first(hang.path);
    hang.kind = hang.how == HangEnd::open ? FindingKind::deadlock : FindingKind::stall;
    const bool signalled =
        std::ranges::any_of(hang.path, [](const WaitStep& step) { return step.fence && step.fence->signalled.seen(); });
    if (hang.how == HangEnd::gave_up && !signalled) hang.kind = FindingKind::deadlock;
  }
  std::ranges::stable_sort(candidates_, {}, closing_line);
  accept_cycles();
  accept_chains();
  tell_late();
  return std::move(hangs_);
}

// What is late because of a hang follows it; a job that somebody is told to wait for is told with the wait.
void HangWatch::tell_late() {
  const auto meets = [](const WaitPath& one, const WaitPath& other) {
    return std::ranges::any_of(one, [&](const WaitStep& mine) {
      return std::ranges::any_of(other, [&](const WaitStep& step) {
        return mine.fence == step.fence && (mine.fence || mine.wait == step.wait);
      });
    });
  };
  const auto follows = [&](const Late& late) {
    if (late.wait && told_.contains(late.wait.get())) return true;
    const auto into = std::ranges::find_if(hangs_.found, [&](const ObservedHang& hang) {
      return meets(late.path, hang.path) || (late.job && about(hang.path, late.job));
    });
    if (into == hangs_.found.end()) return false;
    if (late.wait) into->followers.push_back(late.wait);
    return true;
  };
  std::erase_if(hangs_.late, follows);
  std::set<std::shared_ptr<Job>> awaited;
  for (const Late& late : hangs_.late) {
    for (const WaitStep& step : late.path)
      if (step.owner.job != late.job) awaited.insert(step.owner.job);
    if (late.wait && late.wait->fence) awaited.insert(late.wait->fence->job.lock());
  }
  std::erase_if(hangs_.late, [&](const Late& late) { return late.job && awaited.contains(late.job); });
}

void HangWatch::look_at_the_end(Pid pid) {
  const WaitRef wait = now_.waiting(pid);
  if (!wait) return;
  const TraceFacts& facts = now_.facts();
  const auto cycle = cycle_through(now_, pid);
  if (!cycle || cycle->size() < 2) return add_late(wait, longest_path(now_, task_actor(pid)));
  std::uint64_t closed = 0;
  for (const WaitStep& step : *cycle) {
    if (step.wait) closed = std::max(closed, step.since);
  }
  if (facts.timed && facts.last_time < closed + long_wait) {
    ++hangs_.short_open;
    return;
  }
  ObservedHang hang;
  hang.path = *cycle;
  candidates_.push_back(std::move(hang));
}

// Is it still what it looked like when it was seen?
bool HangWatch::stands(const ObservedHang& hang) const {
  // In hindsight the task has done something else in between, whether or not it waited again.
  if (hang.how == HangEnd::gave_up && !hang.hindsight) {
    const Wait& wait = *hang.breaking;
    if (wait.how != WaitEnd::gave_up || wait.end_line != hang.ended.line) return false;
  }
  if (hang.inferred && !now_.interrupt_driven(hang.path.back().fence->driver)) return false;
  return std::ranges::none_of(hang.path, [&](const WaitStep& step) {
    return step.fence && step.fence->user_signalled != nullptr && step.owner.kind == Actor::Kind::task &&
           now_.delegating().contains(step.owner.pid);
  });
}

// Is anything missing from the trace while the hang lasted?
bool HangWatch::may_have_ended(const ObservedHang& hang) const {
  const std::uint32_t last = hang.ended.seen() ? hang.ended.line : now_.facts().last_line;
  const std::uint32_t first = hang.path.front().line;
  return std::ranges::any_of(now_.facts().gaps, [&](TraceGap gap) { return gap.from <= last && gap.to >= first; });
}

bool HangWatch::long_enough(const Wait& wait, std::uint64_t time) const {
  return !now_.facts().timed || time >= wait.first().begin + long_wait;
}

void HangWatch::accept_cycles() {
  for (ObservedHang& hang : candidates_) {
    if (!hang.closed) continue;
    const bool known = std::ranges::any_of(
        hang.path, [&](const WaitStep& step) { return step.wait && told_.contains(step.wait.get()); });
    if (known) continue;
    for (const WaitStep& step : hang.path) {
      if (step.wait) told_.insert(step.wait.get());
    }
    // A timer or a recovery ends a cycle for sure, whatever else is missing.
    if ((hang.how == HangEnd::open || hang.how == HangEnd::gave_up) && may_have_ended(hang)) {
      if (hangs_.hidden++ == 0) hangs_.first_hidden = hang;
    } else {
      hangs_.found.push_back(hang);
    }
  }
}

// Chains that end at one fence are one problem: the longest is told, the others follow.
void HangWatch::accept_chains() {
  std::map<const FenceLife*, std::size_t> hang_of;  // index into hangs_.found
  const auto follow = [&](ObservedHang& hang, const WaitRef& wait) {
    if (told_.insert(wait.get()).second) hang.followers.push_back(wait);
  };
  for (ObservedHang& chain : candidates_) {
    const WaitRef& wait = chain.path.front().wait;
    if (chain.closed || told_.contains(wait.get())) continue;
    const auto into = std::ranges::find_if(hangs_.found, [&](const ObservedHang& hang) {
      return std::ranges::any_of(chain.path, [&](const WaitStep& mine) {
        return std::ranges::any_of(hang.path,
                                   [&](const WaitStep& step) { return step.wait && step.wait == mine.wait; });
      });
    });
    const auto same_end = hang_of.find(chain.path.back().fence.get());
    if (same_end != hang_of.end()) {
      ObservedHang& hang = hangs_.found[same_end->second];
      if (chain.path.size() <= hang.path.size()) {
        follow(hang, wait);
        continue;
      }
      for (const WaitStep& step : hang.path) {
        const bool kept = std::ranges::any_of(chain.path, [&](const WaitStep& mine) { return mine.wait == step.wait; });
        if (step.wait && !kept) hang.followers.push_back(step.wait);
      }
      hang.path = chain.path;
      for (const WaitStep& step : chain.path) told_.insert(step.wait.get());
    } else if (into != hangs_.found.end()) {
      follow(*into, wait);
    } else {
      for (const WaitStep& step : chain.path) {
        if (step.wait) told_.insert(step.wait.get());
      }
      hang_of.emplace(chain.path.back().fence.get(), hangs_.found.size());
      hangs_.found.push_back(chain);
    }
  }
}

std::uint64_t waited(const TraceFacts& facts, const Wait& wait) {
  if (!facts.timed) return 0;
  const std::uint64_t end = wait.how == WaitEnd::open ? facts.last_time : wait.end;
  return end > wait.first().begin ? end - wait.first().begin : 0;
}

}  // namespace fencecheck::observed
