// Collecting what happens; the system is made in order_window.cpp.
#include <algorithm>

#include "graph/input/lock_names.hpp"
#include "graph/input/order_window.hpp"

namespace fencecheck::observed {
namespace {

// Most events of a trace with scheduler events say nothing about the order, so they had better cost nothing.
bool says_order(TraceEventKind kind) {
  switch (kind) {
    case TraceEventKind::task_switch:
    case TraceEventKind::work_begin:
    case TraceEventKind::work_end:
    case TraceEventKind::stack:
      return false;
    default:
      return true;
  }
}

}  // namespace

OrderWatch::OrderWatch(const Reconstruction& now, std::size_t size, Take take)
    : now_(now), size_(std::max<std::size_t>(size, 2)), take_(std::move(take)) {}

void OrderWatch::after(const TraceRecord& record) {
  recorded_ = recorded_ || record.kind == TraceEventKind::lock_acquire;
  if (!take_ || !says_order(record.kind)) return;
  const bool own = record.context != TraceContext::interrupt;
  const Task* task = own ? now_.task(record.pid) : nullptr;
  Happening happening;
  happening.pid = record.pid;
  happening.hardware = !own;
  happening.line = record.line;
  if (task != nullptr) happening.job = task->running;
  switch (record.kind) {
    case TraceEventKind::lock_acquire:
    case TraceEventKind::mmap_lock_taken:
    case TraceEventKind::lock_release:
    case TraceEventKind::mmap_lock_released:
      if (own) add_lock(record);
      return;
    case TraceEventKind::fence_init: {
      const Fence fence = now_.find(record.fence());
      if (!own || !fence || fence->created.line != record.line) return;
      happening.kind = Happening::Kind::create;
      happening.fence = fence;
      return add(std::move(happening));
    }
    case TraceEventKind::fence_signaled:
    case TraceEventKind::request_done:
    case TraceEventKind::job_done: {
      const Fence fence = now_.find(record.fence());
      if (!fence || !fence->signalled.seen()) return;
      happening.kind = Happening::Kind::signal;
      happening.fence = fence;
      return add(std::move(happening));
    }
    case TraceEventKind::wait_start: {
      const WaitRef wait = own ? now_.waiting(record.pid) : nullptr;
      if (!wait || !wait->fence || wait->first().line != record.line) return;
      happening.kind = Happening::Kind::wait;
      happening.fence = wait->fence;
      happening.members = wait->fence->members;
      return add(std::move(happening));
    }
    case TraceEventKind::job_queue:
    case TraceEventKind::job_run: {
      const auto job = now_.find_job(record);
      const bool queued = record.kind == TraceEventKind::job_queue;
      if (!own || !job || (queued ? job->queued.line : job->run.line) != record.line) return;
      happening.kind = queued ? Happening::Kind::queue : Happening::Kind::run;
      happening.job = job;
      return add(std::move(happening));
    }
    case TraceEventKind::task_waking:
      if (own) add_wake(record);
      return;
    default:
      return;
  }
}

void OrderWatch::add_lock(const TraceRecord& record) {
  const Task* task = now_.task(record.pid);
  Happening happening;
  happening.pid = record.pid;
  happening.job = task == nullptr ? nullptr : task->running;
  happening.lock = record.number(TraceField::address);
  happening.line = record.line;
  if (record.kind == TraceEventKind::lock_release || record.kind == TraceEventKind::mmap_lock_released) {
    happening.kind = Happening::Kind::release;
    return add(std::move(happening));
  }
  if (task == nullptr || task->held.empty() || task->held.back().line != record.line) return;
  const HeldLock& lock = task->held.back();
  if (lock.tried || is_annotation(lock.name) || has_tickets(lock.name)) return;
  const auto [known, fresh] = name_ids_.try_emplace(lock.name, static_cast<std::uint32_t>(names_.size()));
  if (fresh) names_.push_back(lock.name);
  happening.name = known->second;
  happening.shared = lock.shared;
  add(std::move(happening));
}

// What a lock or a fence wakes is known already; anything else is an order of its own.
void OrderWatch::add_wake(const TraceRecord& record) {
  const auto pid = static_cast<Pid>(record.number(TraceField::pid));
  const auto last = last_.find(pid);
  if (pid == record.pid || now_.waiting(pid) || (last != last_.end() && last->second == Happening::Kind::take)) return;
  const Task* task = now_.task(record.pid);
  Happening happening;
  happening.kind = Happening::Kind::wake;
  happening.pid = record.pid;
  happening.job = task == nullptr ? nullptr : task->running;
  happening.woken = pid;
  happening.line = record.line;
  add(std::move(happening));
}

void OrderWatch::add(Happening happening) {
  if (!happening.hardware) last_[happening.pid] = happening.kind;
  if (happening.kind == Happening::Kind::wait) {
    const Task* task = now_.task(happening.pid);
    const bool holds = task != nullptr && std::ranges::any_of(task->held, [](const HeldLock& lock) {
                         return !lock.tried && !is_annotation(lock.name) && !has_tickets(lock.name);
                       });
    happening.seed = holds;
    held_over_ = held_over_ || holds;
    seeds_ += holds ? 1U : 0U;
  }
  window_.push_back(std::move(happening));
  if (window_.size() < size_) return;
  look();
  forget_first_half();
}

void OrderWatch::finish() {
  if (take_) look();
}

void OrderWatch::interrupt() {
  if (window_.empty() && held_.empty()) return;
  finish();
  window_.clear();
  held_.clear();
  last_.clear();
  seeds_ = 0;
}

void OrderWatch::look() {
  if (seeds_ == 0 || window_.empty()) return;
  auto system = another_order(now_, window_, held_, names_);
  if (!system) return;
  take_({std::move(*system), window_.front().line, window_.back().line});
}

// What was taken and not released in it is held when the window begins anew.
void OrderWatch::forget_first_half() {
  slid_ = true;
  for (std::size_t left = size_ / 2; left > 0; --left) {
    const Happening& first = window_.front();
    seeds_ -= first.seed ? 1U : 0U;
    if (first.kind == Happening::Kind::take) held_[first.pid].push_back(first);
    if (const auto known = held_.find(first.pid); first.kind == Happening::Kind::release && known != held_.end()) {
      std::vector<Happening>& held = known->second;
      const auto last =
          std::find_if(held.rbegin(), held.rend(), [&](const Happening& each) { return each.lock == first.lock; });
      if (last != held.rend()) held.erase(std::next(last).base());
      if (held.empty()) held_.erase(known);
    }
    window_.pop_front();
  }
}

}  // namespace fencecheck::observed
