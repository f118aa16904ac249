// Which task holds which lock, and who waits for one.
#include <algorithm>

#include "graph/input/reconstruction.hpp"

namespace fencecheck::observed {
namespace {

constexpr std::string_view signalling_map = "dma_fence_map";

}  // namespace

void Reconstruction::take_lock_event(const TraceRecord& record) {
  // An interrupt may release an mmap_lock for its holder (mmap_read_unlock_non_owner).
  if (record.context == TraceContext::interrupt && record.kind != TraceEventKind::mmap_lock_released) return;
  const std::uint64_t address = record.number(TraceField::address);
  std::string_view name = record.word(TraceField::name);
  switch (record.kind) {
    case TraceEventKind::mmap_lock_wait:
      return start_lock_wait(record.pid, address, "mmap_lock", record);
    case TraceEventKind::mmap_lock_taken: {
      const bool taken = name != "false" && name != "0";
      end_lock_wait(record.pid, address, taken, record);
      const std::string_view write = record.word(TraceField::state);
      const bool shared = write == "false" || write == "0";
      if (taken) hold(record.pid, {address, "mmap_lock", record.line, shared, false});
      return;
    }
    case TraceEventKind::mmap_lock_released:
      return release_for_holder(record.pid, address, "mmap_lock");
    case TraceEventKind::lock_acquire: {
      HeldLock lock{address, {}, record.line, false, false};
      if (name.starts_with("try ")) lock.tried = true, name.remove_prefix(4);
      if (name.starts_with("read ")) lock.shared = true, name.remove_prefix(5);
      if (name == signalling_map && lock.tried) ++task_of(record.pid).annotated;
      lock.name = name;
      return hold(record.pid, std::move(lock));
    }
    case TraceEventKind::lock_contended:
      return start_lock_wait(record.pid, address, std::string(name), record);
    case TraceEventKind::lock_acquired:
      return end_lock_wait(record.pid, address, true, record);
    case TraceEventKind::lock_release:
      released_ = {record.pid};
      return release(record.pid, address, name);
    case TraceEventKind::contention_begin:
      return start_lock_wait(record.pid, address, {}, record);
    default:
      return end_lock_wait(record.pid, address, record.number(TraceField::result) == 0, record);
  }
}

void Reconstruction::start_lock_wait(Pid pid, std::uint64_t address, std::string name, const TraceRecord& record) {
  Task& task = task_of(pid);
  const std::uint64_t announced = task.held.empty() || task.held.back().tried ? 0 : task.held.back().address;
  const auto again = std::ranges::find_if(task.open, [&](const WaitRef& wait) {
    return !wait->fence && (wait->lock == address || (name.empty() && announced != 0 && wait->lock == announced));
  });
  if (again != task.open.end()) {  // it gave up spinning and sleeps
    task.last_wait = *again;
    return;
  }
  const auto wait = std::make_shared<Wait>();
  wait->pid = pid;
  wait->lock = address;
  wait->lock_name = std::move(name);
  // On a lockdep kernel the acquisition was announced just before, with a name.
  if (wait->lock_name.empty() && announced != 0) {
    wait->lock_name = task.held.back().name;
    wait->lockdep = announced;
  }
  wait->spans.push_back({record.time, 0, record.line, 0});
  wait->text = told(record);
  task.open.push_back(wait);
  task.last_wait = wait;
}

void Reconstruction::end_lock_wait(Pid pid, std::uint64_t address, bool taken, const TraceRecord& record) {
  Task& task = task_of(pid);
  const auto last = std::find_if(task.open.rbegin(), task.open.rend(),
                                 [&](const WaitRef& wait) { return !wait->fence && wait->lock == address; });
  if (last == task.open.rend()) return;
  const WaitRef wait = *last;
  wait->how = taken ? WaitEnd::signal : WaitEnd::gave_up;
  wait->end = wait->spans.back().end = record.time;
  wait->end_line = wait->spans.back().end_line = record.line;
  task.open.erase(std::next(last).base());
}

void Reconstruction::forget_locks() {
  for (const auto& [lock, holders] : holders_) {
    for (const auto& [pid, line] : holders) {
      task_of(pid).held.clear();
      task_of(pid).annotated = 0;
    }
  }
  holders_.clear();
}

void Reconstruction::hold(Pid pid, HeldLock lock) {
  constexpr std::size_t most = 256;  // lockdep allows 48; more means that releases were lost
  Task& task = task_of(pid);
  if (task.held.size() >= most) task.held.erase(task.held.begin());
  holders_[lock.address].emplace(pid, lock.line);
  task.held.push_back(std::move(lock));
}

void Reconstruction::release(Pid pid, std::uint64_t address, std::string_view name) {
  Task& task = task_of(pid);
  const auto last =
      std::find_if(task.held.rbegin(), task.held.rend(), [&](const HeldLock& lock) { return lock.address == address; });
  if (last == task.held.rend()) return;
  if (name == signalling_map && last->tried && task.annotated > 0) --task.annotated;
  task.held.erase(std::next(last).base());
  if (std::ranges::find(task.held, address, &HeldLock::address) != task.held.end()) return;
  const auto holders = holders_.find(address);
  if (holders == holders_.end()) return;
  holders->second.erase(pid);
  if (holders->second.empty()) holders_.erase(holders);
}

// Who releases an mmap_lock need not be its holder. Which of several readers it is for is not known: none of them is
// taken to hold it any more.
void Reconstruction::release_for_holder(Pid pid, std::uint64_t address, std::string_view name) {
  released_ = {pid};
  const auto holders = holders_.find(address);
  if (holders == holders_.end() || holders->second.contains(pid)) return release(pid, address, name);
  released_.clear();
  for (const auto& [holder, line] : holders->second) released_.push_back(holder);
  for (const Pid holder : released_) release(holder, address, name);
}

// lockdep announces a lock before it is taken: who waits for it does not hold it.
std::vector<Pid> Reconstruction::holders(const Wait& wait) const {
  std::vector<Pid> result;
  for (const std::uint64_t address : {wait.lockdep, wait.lock}) {
    const auto holders = holders_.find(address);
    if (address == 0 || holders == holders_.end()) continue;
    for (const auto& [pid, line] : holders->second) {
      const WaitRef other = waiting(pid);
      const bool waits = other && !other->fence && (other->lock == wait.lock || other->lockdep == address);
      if (pid != wait.pid && !waits) result.push_back(pid);
    }
    if (!result.empty()) break;
  }
  return result;
}

}  // namespace fencecheck::observed
