// One event after the other, each changing only what is alive.
#include "graph/input/reconstruction.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fencecheck::observed {
namespace {

// Longest pause between two waits of one need: a signal handler takes milliseconds.
constexpr std::uint64_t restart_limit = 1'000'000'000;  // ns
// Effects may be recorded before their causes on another CPU (trace-facts 0.9).
constexpr std::uint64_t clock_skew = 100'000;  // ns
// A container asks one member after the other.
constexpr std::uint64_t burst_limit = 100'000;  // ns

constexpr std::size_t armed_limit = 32;  // fences of jobs that were armed and not pushed

// Events of one interrupt follow each other more closely than this.
constexpr std::uint64_t one_interrupt = 1'000'000;  // ns

// Work items that recover hung hardware: parts of their functions' names.
constexpr auto recovery_functions = std::to_array<std::string_view>(
    {"drm_sched_job_timedout", "recover_worker", "gt_reset_worker", "panthor_device_reset_work", "panfrost_reset_work",
     "amdgpu_amdkfd_reset_work", "amdgpu_debugfs_reset_work", "amdgpu_device_xgmi_reset_func",
     "amdgpu_userq_reset_work", "amdgpu_userq_hang_detect_work", "reset_fail_worker_func"});

bool own_work(const TraceRecord& record) { return record.context != TraceContext::interrupt; }

// X, Z and x are letters, or bits of the number (include/linux/sched.h).
bool has_exited(std::string_view state) {
  constexpr std::uint64_t exit_dead_or_zombie = 0x30;
  std::uint64_t number = 0;
  for (const char digit : state) {
    if (digit < '0' || digit > '9') return state.find_first_of("XZx") != std::string_view::npos;
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return (number & exit_dead_or_zombie) != 0;
}

}  // namespace

void Reconstruction::apply(const TraceRecord& record) {
  recorded_.note(record.kind);
  if (record.kind == TraceEventKind::stack) {
    const auto known = tasks_.find(record.pid);
    if (known == tasks_.end() || known->second.last_wait == nullptr) return;
    known->second.last_wait->stack.assign(record.frames.begin(), record.frames.end());
    known->second.last_wait.reset();
    return;
  }
  if (own_work(record)) {
    Task& task = task_of(record.pid);
    if (task.exited.seen()) task = {};  // the pid is used again
    task.last_wait.reset();
    name_task(task, record);
  }
  switch (record.kind) {
    case TraceEventKind::fence_init:
      return create(record);
    case TraceEventKind::fence_emit:
      return emit(record);
    case TraceEventKind::fence_enable_signal:
      return ask(record);
    case TraceEventKind::fence_signaled:
    case TraceEventKind::request_done:
      return signal(life_of(record, record.fence()), record);
    case TraceEventKind::fence_destroy:
      return destroy(record);
    case TraceEventKind::wait_start:
      return start_wait(record);
    case TraceEventKind::wait_end:
      return end_wait(record);
    case TraceEventKind::job_queue:
      return queue_job(record);
    case TraceEventKind::job_dependency:
    case TraceEventKind::job_blocked:
      return add_dependency(record);
    case TraceEventKind::job_run:
      return run_job(record);
    case TraceEventKind::job_done:
      if (const auto job = find_job(record)) signal(job->finished, record);
      return;
    case TraceEventKind::chain_members:
    case TraceEventKind::array_members:
    case TraceEventKind::job_hardware:
      return take_members(record);
    case TraceEventKind::queue_fence:
      return queue_user_fence(record);
    case TraceEventKind::queue_dependency:
      queue_dependencies_[static_cast<std::uint32_t>(record.number(TraceField::context))].push_back(
          {life_of(record, record.dependency()), record.line});
      return;
    case TraceEventKind::recovery:
      last_recovery_ = mark(record, true);
      return;
    case TraceEventKind::eviction:
      ++evictions_;
      return;
    case TraceEventKind::mmap_lock_wait:
    case TraceEventKind::mmap_lock_taken:
    case TraceEventKind::mmap_lock_released:
    case TraceEventKind::lock_acquire:
    case TraceEventKind::lock_contended:
    case TraceEventKind::lock_acquired:
    case TraceEventKind::lock_release:
    case TraceEventKind::contention_begin:
    case TraceEventKind::contention_end:
      return take_lock_event(record);
    default:
      return take_task_event(record);
  }
}

void Reconstruction::create(const TraceRecord& record) {
  const Fence known = find(record.fence());
  // xe and i915 announce a fence by an event of their own as well.
  const bool announced = known && known->created.seen() && !record.has(TraceField::driver);
  // Another CPU's event about it may be recorded before.
  const bool early = known && !known->created.seen() && facts_.timed && record.time <= known->first.time + clock_skew;
  const bool same = known && !known->signalled.seen() && (announced || early);
  const Fence life = same ? known : new_life(record, record.fence());
  if (!life->created.seen()) life->created = mark(record, true);
  ++fence_events_;
  ++created_;
  if (!own_work(record)) return;
  Task& task = task_of(record.pid);
  task.interrupted.reset();
  const std::string_view driver = record.word(TraceField::driver);
  if (driver == "drm_sched") {
    task.scheduler_fences.push_back(life);
    if (task.scheduler_fences.size() > armed_limit) task.scheduler_fences.erase(task.scheduler_fences.begin());
  } else if (task.running && !task.running->hardware && !life->container) {
    task.running->hardware = life;
  }
  std::vector<FenceKey> members;
  if (driver == "dma_fence_chain") members = std::exchange(task.chain_members, {});
  if (const auto array = array_members_.find(record.fence()); array != array_members_.end()) {
    members = std::move(array->second);
    array_members_.erase(array);
  }
  for (const FenceKey key : members) {
    if (const Fence member = find(key)) life->members.push_back(member);
  }
}

// virtio_gpu creates fences with the number 0 and numbers them here (trace-facts 0.4).
void Reconstruction::emit(const TraceRecord& record) {
  ++fence_events_;
  const auto unnumbered = current_.find({record.fence().context, 0});
  if (unnumbered == current_.end() || current_.contains(record.fence())) return;
  const Fence life = unnumbered->second;
  if (!life->created.seen() || life->created.pid != record.pid) return;
  current_.erase(unnumbered);
  life->key = record.fence();
  current_.emplace(life->key, life);
}

// A container asks its members at once, so that what the same task asks next is
// one of them (trace-facts 0.5).
void Reconstruction::ask(const TraceRecord& record) {
  ++fence_events_;
  const Fence life = life_of(record, record.fence());
  Task& task = task_of(record.pid);
  Fence burst = std::exchange(task.burst, nullptr);
  if (facts_.timed && record.time > std::exchange(task.asked, record.time) + burst_limit) burst.reset();
  if (burst && burst != life && (burst->members.empty() || burst->inferred)) {
    if (!burst->inferred) ++inferred_;
    burst->inferred = true;
    burst->members.push_back(life);
  }
  task.burst = life->container ? life : burst;
}

void Reconstruction::signal(const Fence& life, const TraceRecord& record) {
  ++fence_events_;
  if (own_work(record)) task_of(record.pid).interrupted.reset();
  members_signalled_.clear();
  if (life->signalled.seen()) return;
  slowest_ = std::max(slowest_, age(*life, record.time));
  life->signalled = mark(record, false);
  members_signalled_ = std::exchange(life->members, {});
  const Signaller who = signaller(*life);
  if (who == Signaller::interrupt) interrupt_driven_.insert(life->driver);
  if (who == Signaller::task && life->user_signalled != nullptr && life->created.seen() &&
      life->created.pid != record.pid) {
    delegating_.insert(life->created.pid);
  }
  if (const auto job = life->job.lock()) {
    if (life->scheduled) {  // run_job has returned
      job->running = false;
      if (const auto worker = tasks_.find(job->run.pid); worker != tasks_.end() && worker->second.running == job) {
        worker->second.running.reset();
      }
    } else {
      finish_job(job);
    }
  }
  for (const auto& each : life->waits) {
    const WaitRef wait = each.lock();
    if (!wait || (wait->how == WaitEnd::gave_up && (!facts_.timed || record.time > wait->end + clock_skew))) continue;
    wait->how = WaitEnd::signal;
    wait->end = record.time;
    wait->end_line = record.line;
  }
  life->waits.clear();
  signalled_.push_back(life);
  if (signalled_.size() <= signalled_limit) return;
  if (const Fence old = signalled_.front().lock()) {
    if (const auto known = current_.find(old->key); known != current_.end() && known->second == old)
      current_.erase(known);
  }
  signalled_.pop_front();
}

void Reconstruction::destroy(const TraceRecord& record) {
  ++fence_events_;
  const auto known = current_.find(record.fence());
  if (known == current_.end()) return;
  if (!known->second->signalled.seen()) slowest_ = std::max(slowest_, age(*known->second, record.time));
  if (const auto job = known->second->job.lock(); job && !known->second->scheduled) finish_job(job);
  current_.erase(known);
}

void Reconstruction::start_wait(const TraceRecord& record) {
  ++fence_events_;
  if (!own_work(record)) return;
  const Fence life = life_of(record, record.fence());
  Task& task = task_of(record.pid);
  const WaitSpan span{record.time, 0, record.line, 0};
  const auto again = std::ranges::find(task.open, life, &Wait::fence);
  const WaitRef before = std::exchange(task.interrupted, nullptr);
  task.burst.reset();
  if (life->signalled.seen()) return;
  WaitRef wait;
  if (again != task.open.end()) {  // the end of the wait before was not recorded, or another event says the same
    wait = *again;
    if (record.row->system == "i915" || wait->spans.back().line == record.line) return;
    wait->spans.back().end = record.time;
    wait->spans.back().end_line = record.line;
    wait->spans.push_back(span);
  } else if (before && before->fence == life &&
             (!facts_.timed || record.time - before->spans.back().end <= restart_limit)) {
    wait = before;
    wait->how = WaitEnd::open;
    wait->spans.push_back(span);
    task.open.push_back(wait);
  } else {
    wait = std::make_shared<Wait>();
    wait->pid = record.pid;
    wait->fence = life;
    wait->spans.push_back(span);
    wait->text = told(record);
    if (!task.reclaim.empty()) wait->under = task.reclaim.back();
    task.open.push_back(wait);
    std::erase_if(life->waits, [](const std::weak_ptr<Wait>& each) { return each.expired(); });
    life->waits.push_back(wait);
  }
  task.last_wait = wait;
}

void Reconstruction::end_wait(const TraceRecord& record) {
  ++fence_events_;
  if (!own_work(record)) return;
  Task& task = task_of(record.pid);
  const auto last = std::find_if(task.open.rbegin(), task.open.rend(), [&](const WaitRef& wait) {
    return wait->fence && wait->fence->key == record.fence();
  });
  if (last == task.open.rend()) return;
  const WaitRef wait = *last;
  wait->spans.back().end = record.time;
  wait->spans.back().end_line = record.line;
  const Mark& signalled = wait->fence->signalled;
  wait->how = signalled.seen() ? WaitEnd::signal : WaitEnd::gave_up;
  wait->end = signalled.seen() ? signalled.time : record.time;
  wait->end_line = signalled.seen() ? signalled.line : record.line;
  if (!signalled.seen()) task.interrupted = wait;
  task.open.erase(std::next(last).base());
}

void Reconstruction::take_members(const TraceRecord& record) {
  const FenceKey first = record.dependency();
  const FenceKey second = record.key(TraceField::dep2_context, TraceField::dep2_seqno);
  if (record.kind == TraceEventKind::job_hardware) {
    const Fence scheduled = find(record.fence());
    if (const auto job = scheduled ? scheduled->job.lock() : nullptr) job->hardware = find(first);
  } else if (record.kind == TraceEventKind::array_members) {
    array_members_[record.fence()] = {first, second};
  } else {
    task_of(record.pid).chain_members = {first, second};
  }
}

void Reconstruction::take_task_event(const TraceRecord& record) {
  if (record.kind == TraceEventKind::task_switch) {
    if (own_work(record)) task_of(record.pid).burst.reset();
    if (has_exited(record.word(TraceField::state))) exit(static_cast<Pid>(record.number(TraceField::pid)), record);
    return;
  }
  Task& task = task_of(record.pid);
  const auto section = [&](std::string_view name) { task.reclaim.emplace_back(name); };
  const std::string_view function = record.word(TraceField::function);
  switch (record.kind) {
    case TraceEventKind::reclaim_begin:
      return section("direct reclaim");
    case TraceEventKind::shrink_begin:
      return section(function.empty() ? std::string_view("a shrinker") : function.substr(0, function.find('+')));
    case TraceEventKind::reclaim_end:
    case TraceEventKind::shrink_end:
      if (!task.reclaim.empty()) task.reclaim.pop_back();
      return;
    case TraceEventKind::work_begin:
      task.work = function;
      task.recovering = std::ranges::any_of(
          recovery_functions, [&](std::string_view part) { return function.find(part) != std::string_view::npos; });
      if (task.recovering) last_recovery_ = mark(record, true);
      return;
    case TraceEventKind::work_end:
      task.work.clear();
      task.recovering = false;
      task.running.reset();
      return;
    case TraceEventKind::task_waking:
      task_of(static_cast<Pid>(record.number(TraceField::pid))).roused = mark(record, false);
      if (own_work(record)) task_of(static_cast<Pid>(record.number(TraceField::pid))).woken = mark(record, false);
      return;
    case TraceEventKind::task_blocked:
      if (const WaitRef wait = waiting(static_cast<Pid>(record.number(TraceField::pid))); wait && wait->stack.empty()) {
        wait->stack.emplace_back(function);
      }
      return;
    default:
      return;
  }
}

void Reconstruction::exit(Pid pid, const TraceRecord& record) {
  const auto known = tasks_.find(pid);
  if (known == tasks_.end()) return;
  Task& task = known->second;
  task.exited = mark(record, false);
  for (const WaitRef& wait : task.open) {
    wait->spans.back().end = wait->end = record.time;
    wait->spans.back().end_line = wait->end_line = record.line;
    wait->how = WaitEnd::gave_up;
  }
  task.open.clear();
  task.interrupted.reset();
  task.last_wait.reset();
  task.running.reset();
  while (!task.held.empty()) release(pid, task.held.back().address, {});
  if (tasks_.size() > tasks_limit) {
    std::erase_if(tasks_, [](const auto& each) { return each.second.exited.seen(); });
    recent_.fill({});
  }
}

void Reconstruction::name_task(Task& task, const TraceRecord& record) {
  const bool at_wait = record.kind == TraceEventKind::wait_start;
  if (task.comm != 0 && (!at_wait || task.named_at_wait)) return;
  if (record.comm == "<...>" || record.comm.empty()) return;  // the kernel had forgotten it
  task.comm = intern(record.comm);
  task.named_at_wait = at_wait;
}

Task& Reconstruction::task_of(Pid pid) {
  auto& [known, task] = recent_[pid % recent_.size()];
  if (task == nullptr || known != pid) {
    known = pid;
    task = &tasks_[pid];
  }
  return *task;
}

Fence Reconstruction::find(FenceKey key) const {
  const auto known = current_.find(key);
  return known == current_.end() ? nullptr : known->second;
}

Fence Reconstruction::life_of(const TraceRecord& record, FenceKey key) {
  const Fence known = find(key);
  if (!known) return new_life(record, key);
  if (key == record.fence()) learn_names(*known, record);
  return known;
}

Fence Reconstruction::new_life(const TraceRecord& record, FenceKey key) {
  const auto life = std::make_shared<FenceLife>();
  life->key = key;
  life->first = mark(record, false);
  if (key == record.fence()) learn_names(*life, record);
  Fence& current = current_[key];
  if (current && !current->signalled.seen()) slowest_ = std::max(slowest_, age(*current, record.time));
  current = life;
  return life;
}

// After the signal, Linux 6.17 and later prints stand-in names, cut to the
// length of the real ones if it signals at that very moment (trace-facts 0.1).
void Reconstruction::learn_names(FenceLife& life, const TraceRecord& record) {
  const std::string_view timeline = record.word(TraceField::timeline);
  std::string_view driver = record.word(TraceField::driver);
  if (record.row->system == "i915") driver = "i915";
  if (record.row->system != "dma_fence" && record.row->system != "fence" && record.row->system != "i915") return;
  if (life.driver != 0 || driver.starts_with("detached-") || timeline == "signaled-timeline") return;
  life.driver = intern(driver);
  life.timeline = intern(timeline);
  life.user_signalled = user_signalled(driver);
  life.container = driver == "dma_fence_array" || driver == "dma_fence_chain";
  scheduled_fences_ = scheduled_fences_ || driver == "drm_sched" || driver == "amd_sched";
  any_user_signalled_ = any_user_signalled_ || life.user_signalled != nullptr;
}

std::uint64_t Reconstruction::age(const FenceLife& life, std::uint64_t time) const {
  const std::uint64_t begin = life.created.seen() ? life.created.time : facts_.first_time;
  return time > begin ? time - begin : 0;
}

std::uint64_t Reconstruction::slowest_fence() const {
  std::uint64_t slowest = slowest_;
  for (const auto& [key, life] : current_)
    if (!life->signalled.seen()) slowest = std::max(slowest, age(*life, facts_.last_time));
  return slowest;
}

const Task* Reconstruction::task(Pid pid) const {
  const auto known = tasks_.find(pid);
  return known == tasks_.end() ? nullptr : &known->second;
}

WaitRef Reconstruction::waiting(Pid pid) const {
  const Task* known = task(pid);
  if (known == nullptr) return nullptr;
  for (auto wait = known->open.rbegin(); wait != known->open.rend(); ++wait) {
    if (!(*wait)->fence || !(*wait)->fence->signalled.seen()) return *wait;
  }
  const WaitRef& before = known->interrupted;
  if (!before || before->fence->signalled.seen()) return nullptr;
  const bool recent = !facts_.timed || facts_.last_time - before->spans.back().end <= restart_limit;
  return recent ? before : nullptr;
}

std::optional<Pid> Reconstruction::owner(const FenceLife& life) const {
  if (life.user_signalled == nullptr || !life.created.seen()) return std::nullopt;
  const bool known = life.created.context != TraceContext::interrupt && !delegating_.contains(life.created.pid);
  return known ? std::optional(life.created.pid) : std::nullopt;
}

Signaller Reconstruction::signaller(const FenceLife& life) const {
  if (!life.signalled.seen()) return Signaller::unseen;
  const bool has_timer = life.user_signalled != nullptr && life.user_signalled->fallback_timer.count() > 0;
  if (life.signalled.context == TraceContext::interrupt) return has_timer ? Signaller::timer : Signaller::interrupt;
  // Without flags the timer's interrupt looks like the task that it interrupted.
  if (has_timer && life.signalled.context == TraceContext::unmarked && life.created.seen() && facts_.timed) {
    const std::uint64_t begin = life.created.time;
    const std::uint64_t age = life.signalled.time > begin ? life.signalled.time - begin : 0;
    if (age >= static_cast<std::uint64_t>(life.user_signalled->fallback_timer.count()) * 1'000'000) {
      return Signaller::timer;
    }
  }
  return Signaller::task;
}

bool Reconstruction::knows_signal(Pid pid, const FenceLife& life) const {
  const Mark& signalled = life.signalled;
  if (!signalled.seen()) return false;
  if (signalled.context != TraceContext::interrupt && signalled.pid == pid) return true;
  const Task* known = task(pid);
  if (known == nullptr) return false;
  const Mark& roused = known->roused;
  const bool same = roused.line > signalled.line && roused.pid == signalled.pid && roused.context == signalled.context;
  return same && (signalled.context != TraceContext::interrupt || roused.time <= signalled.time + one_interrupt);
}

std::string Reconstruction::task_name(Pid pid) const {
  const Task* known = task(pid);
  return fmt::format("{}-{}", known == nullptr || known->comm == 0 ? "<...>" : names_[known->comm], pid);
}

std::string Reconstruction::fence_name(const FenceLife& life) const {
  const std::string key = fmt::format("{}:{}", life.key.context, life.key.seqno);
  if (life.driver == 0) return key;
  return fmt::format("{}/{} {}", names_[life.driver], names_[life.timeline], key);
}

std::string Reconstruction::job_name(const Job& job) const {
  const FenceKey key = job.finished->key;
  if (job.ring == 0) return fmt::format("job {}:{}", key.context, key.seqno);
  return fmt::format("job {}:{} of ring {}", key.context, key.seqno, names_[job.ring]);
}

std::uint32_t Reconstruction::intern(std::string_view name) {
  const auto known = name_ids_.find(name);
  if (known != name_ids_.end()) return known->second;
  names_.emplace_back(name);
  const auto index = static_cast<std::uint32_t>(names_.size() - 1);
  name_ids_.emplace(names_.back(), index);
  return index;
}

std::uint32_t Reconstruction::ring_of(const TraceRecord& record) {
  const std::string_view ring = record.word(TraceField::ring);
  const std::string_view device = record.word(TraceField::driver);
  return device.empty() ? intern(ring) : intern(fmt::format("{} {}", device, ring));
}

Mark Reconstruction::mark(const TraceRecord& record, bool with_text) const {
  return {record.time, record.line, record.pid, record.context, with_text ? told(record) : std::string{}};
}

}  // namespace fencecheck::observed
