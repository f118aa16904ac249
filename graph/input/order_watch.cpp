// Collecting what happens; the system is made in order_window.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "graph/input/lock_names.hpp"
#include "graph/input/order_window.hpp"

namespace fencecheck::observed {
namespace {

// Most events of a trace with scheduler events say nothing about the order, so they had better cost nothing.
bool says_order(TraceEventKind kind) {
  switch (kind) {
    case TraceEventKind::task_switch:
    case TraceEventKind::stack:
      return false;
    default:
      return true;
  }
}

}  // namespace

std::set<std::uint32_t> NameOrder::reach(const std::map<std::uint32_t, std::set<std::uint32_t>>& from,
                                         std::uint32_t first) {
  std::set<std::uint32_t> reached{first};
  for (std::vector<std::uint32_t> left{first}; !left.empty();) {
    const auto next = from.find(left.back());
    left.pop_back();
    if (next == from.end()) continue;
    for (const std::uint32_t each : next->second)
      if (reached.insert(each).second) left.push_back(each);
  }
  return reached;
}

void NameOrder::add(std::uint32_t held, std::uint32_t taken) {
  if (held == taken || !after_[held].insert(taken).second) return;
  before_[taken].insert(held);
  const std::set<std::uint32_t> later = reach(after_, taken);
  if (!later.contains(held)) return;
  for (const std::uint32_t each : reach(before_, held))
    if (later.contains(each)) both_.insert(each);
}

OrderWatch::OrderWatch(const Reconstruction& now, std::size_t size, Take take)
    : now_(now), size_(std::max<std::size_t>(size, 2)), take_(std::move(take)) {}

void OrderWatch::after(const TraceRecord& record) {
  recorded_ = recorded_ || record.kind == TraceEventKind::lock_acquire;
  mmap_lock_recorded_ = mmap_lock_recorded_ || record.kind == TraceEventKind::mmap_lock_taken;
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
      if (own || record.kind == TraceEventKind::mmap_lock_released) add_lock(record);
      return;
    case TraceEventKind::lock_acquired:
      if (const auto last = last_.find(record.pid); own && last != last_.end()) last->second.asks = false;
      return;
    case TraceEventKind::work_queued:
    case TraceEventKind::work_begin:
    case TraceEventKind::work_end:
      if (own) take_work(record);
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
      happening.members = now_.members_signalled();
      return add(std::move(happening));
    }
    case TraceEventKind::wait_start:
      if (own) add_wait(record, std::move(happening));
      return;
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

// In another order a wait may come before the signal that it came after, unless that woke the task.
void OrderWatch::add_wait(const TraceRecord& record, Happening happening) {
  const WaitRef wait = now_.waiting(record.pid);
  const bool begins = wait && wait->fence && wait->spans.back().line == record.line;
  happening.fence = begins ? wait->fence : now_.find(record.fence());
  if (!happening.fence) return;
  if (!begins && (!happening.fence->signalled.seen() || now_.knows_signal(record.pid, *happening.fence))) return;
  if (begins) {
    happening.wait = wait;
    happening.span = wait->spans.size() - 1;
    const auto last = last_.find(record.pid);
    if (last != last_.end() && last->second.number >= forgotten_) {
      Happening& before = window_[last->second.number - forgotten_];
      if (before.wait == wait) return static_cast<void>(before.span = happening.span);  // again, as polling does
    }
  }
  happening.kind = Happening::Kind::wait;
  happening.members = happening.fence->members;
  add(std::move(happening));
}

void OrderWatch::take_work(const TraceRecord& record) {
  constexpr std::size_t most = 65'536;  // works that were queued and never began
  const std::uint64_t address = record.number(TraceField::address);
  if (record.kind == TraceEventKind::work_end) {
    works_.erase(record.pid);
  } else if (record.kind == TraceEventKind::work_begin) {
    const auto queued = queued_works_.extract(address);
    works_[record.pid] = {record.line, queued ? queued.mapped() : 0, intern(record.word(TraceField::function))};
  } else {
    queueing_recorded_ = true;
    if (queued_works_.size() >= most) queued_works_.clear();
    queued_works_[address] = record.line;
    const Task* task = now_.task(record.pid);
    Happening happening;
    happening.kind = Happening::Kind::queue_work;
    happening.pid = record.pid;
    happening.job = task == nullptr ? nullptr : task->running;
    happening.line = record.line;
    add(std::move(happening));
  }
}

std::uint32_t OrderWatch::intern(std::string_view name) {
  const auto known = name_ids_.find(name);
  if (known != name_ids_.end()) return known->second;
  const auto index = static_cast<std::uint32_t>(names_.size());
  names_.emplace_back(name);
  name_ids_.emplace(names_.back(), index);
  return index;
}

void OrderWatch::add_lock(const TraceRecord& record) {
  const bool of_mmap =
      record.kind == TraceEventKind::mmap_lock_taken || record.kind == TraceEventKind::mmap_lock_released;
  const std::string_view name = of_mmap ? std::string_view("mmap_lock") : record.word(TraceField::name);
  Happening happening;
  happening.line = record.line;
  if (record.kind == TraceEventKind::lock_release || record.kind == TraceEventKind::mmap_lock_released) {
    if (is_annotation(name)) return;
    happening.kind = Happening::Kind::release;
    happening.lock = {record.number(TraceField::address), intern(name)};
    const std::vector<Pid>& released = now_.released();
    const bool by_stranger = record.context != TraceContext::interrupt && released != std::vector{record.pid};
    if (unsettled_.empty() && (by_stranger || released.size() > 1))
      unsettled_ = fmt::format(
          "an mmap_lock was released (line {}), and which of the tasks that took it held it is not known", record.line);
    for (const Pid pid : released) {
      const Task* task = now_.task(pid);
      happening.pid = pid;
      happening.job = task == nullptr ? nullptr : task->running;
      add(happening);
    }
    return;
  }
  const Task* task = now_.task(record.pid);
  if (task == nullptr || task->held.empty() || task->held.back().line != record.line) return;
  const HeldLock& lock = task->held.back();
  if (is_annotation(lock.name)) return;
  happening.pid = record.pid;
  happening.job = task->running;
  happening.lock = {lock.address, intern(lock.name)};
  happening.shared = lock.shared;
  happening.tried = lock.tried;
  add(std::move(happening));
  if (of_mmap) last_[record.pid].asks = false;
}

// What a lock or a fence wakes is known already; anything else is an order of its own.
void OrderWatch::add_wake(const TraceRecord& record) {
  const auto pid = static_cast<Pid>(record.number(TraceField::pid));
  const auto last = last_.find(pid);
  if (pid == record.pid || now_.waiting(pid) || (last != last_.end() && last->second.asks)) return;
  if (queueing_recorded_ && now_.task_name(pid).starts_with("kworker/")) return;  // what it does was queued
  const Task* task = now_.task(record.pid);
  Happening happening;
  happening.kind = Happening::Kind::wake;
  happening.pid = record.pid;
  happening.job = task == nullptr ? nullptr : task->running;
  happening.woken = pid;
  happening.line = record.line;
  add(std::move(happening));
}

// Marks what another order could hang on.
void OrderWatch::note_locks(Happening& happening) {
  const Task* task = now_.task(happening.pid);
  const bool waits = happening.kind == Happening::Kind::wait;
  if (task == nullptr || (!waits && (happening.kind != Happening::Kind::take || happening.tried))) return;
  for (const HeldLock& lock : task->held) {
    if (is_annotation(lock.name) || lock.line == happening.line) continue;
    if (waits) {
      happening.seed = held_over_ = true;
    } else if (!has_tickets(lock.name) || !has_tickets(names_[happening.lock.second])) {
      order_.add(intern(lock.name), happening.lock.second);
    }
  }
  if (!waits) happening.seed = order_.both_orders().contains(happening.lock.second);
}

void OrderWatch::add(Happening happening) {
  if (!happening.hardware) {
    if (const auto work = works_.find(happening.pid); work != works_.end()) {
      happening.work = work->second.began;
      happening.queued_at = work->second.queued;
      happening.function = work->second.function;
    }
    note_locks(happening);
    const bool asks = happening.kind == Happening::Kind::take && !happening.tried;
    last_[happening.pid] = {asks, forgotten_ + window_.size()};
  }
  seeds_ += happening.seed ? 1U : 0U;
  window_.push_back(std::move(happening));
  if (window_.size() < size_) return;
  look(false);
  forget_first_half();
}

void OrderWatch::finish() {
  if (take_) look(true);
}

void OrderWatch::interrupt() {
  if (window_.empty() && held_.empty()) return;
  finish();
  forgotten_ += window_.size();
  window_.clear();
  held_.clear();
  last_.clear();
  works_.clear();
  queued_works_.clear();
  seeds_ = 0;
}

std::string OrderWatch::unsettled() const {
  if (recorded_) return unsettled_;
  return "of locks only mmap_lock was recorded (lock_acquire needs a kernel with lockdep)";
}

void OrderWatch::look(bool ends) {
  if (seeds_ == 0 || window_.empty()) return;
  OrderWindow window = another_order(now_, {window_, held_, names_, order_.both_orders(), ends});
  window.from = window_.front().line;
  window.to = window_.back().line;
  if (window.system || !window.unsettled.empty()) take_(window);
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
    ++forgotten_;
  }
}

}  // namespace fencecheck::observed
