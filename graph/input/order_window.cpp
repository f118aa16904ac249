// From the happenings of a window to a system: what matters is chosen, then written as programs.
#include "graph/input/order_window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <optional>
#include <set>
#include <stdexcept>

namespace fencecheck::observed {
namespace {

using Kind = Happening::Kind;

constexpr std::uint32_t hardware_width = 4096;  // jobs that hardware has at once: nothing in a trace says how many

// A task, or one run_job.
struct ActorKey {
  Pid pid = 0;
  std::optional<FenceKey> job;  // its finished fence
  friend auto operator<=>(const ActorKey&, const ActorKey&) = default;
};

struct JobOrder {
  bool operator()(const std::shared_ptr<Job>& a, const std::shared_ptr<Job>& b) const {
    return a->finished->key < b->finished->key;
  }
};

struct LockUse {
  std::set<std::pair<bool, std::uint64_t>> takers;  // tasks by pid; run_jobs by ring, where one runs at a time
  bool exclusive = false;
};

class WindowModel {
 public:
  WindowModel(const Reconstruction& now, const std::deque<Happening>& window,
              const std::map<Pid, std::vector<Happening>>& held, const std::vector<std::string>& names)
      : now_(now), window_(window), held_(held), names_(names) {}
  std::optional<System> build();

 private:
  // What happened, by who did it.
  void sort_out();
  [[nodiscard]] ActorKey actor_of(const Happening& happening) const;
  [[nodiscard]] std::vector<const Happening*> held_by(const ActorKey& actor) const;

  // What matters.
  void keep_locks();
  void keep_held(std::set<std::uint64_t>& kept) const;
  [[nodiscard]] std::set<std::uint64_t> contended(const std::set<std::uint64_t>& kept) const;
  void choose_actors();
  void extend(const ActorKey& actor, std::uint32_t line);
  void need(const Fence& fence);
  void need(const std::shared_ptr<Job>& job);
  [[nodiscard]] std::vector<Fence> resolved(const Happening& happening) const;
  [[nodiscard]] bool takes_part(const Happening& happening) const;

  // The order that is kept.
  void find_causes(const ActorKey& actor);
  void follow_creation(const Fence& fence, const ActorKey& actor, const Happening& at, const Happening* section);

  // The system.
  void add_threads();
  void write(const ActorKey& actor, Thread& thread);
  void write(Thread& thread, const Happening& happening, std::map<std::uint64_t, std::uint32_t>& depths);
  void write_job(const std::shared_ptr<Job>& job);
  void write_free_hardware();
  FenceId fence(const Fence& fence);
  FenceId order(const std::string& name, std::uint32_t line);
  LockId lock(const Happening& take);
  QueueId queue(const std::string& name, std::uint32_t width);
  static void add(Thread& thread, Action action, Cause cause, std::uint32_t line);

  const Reconstruction& now_;
  const std::deque<Happening>& window_;
  const std::map<Pid, std::vector<Happening>>& held_;
  const std::vector<std::string>& names_;

  std::map<ActorKey, std::vector<const Happening*>> sequences_;
  std::map<Fence, const Happening*> created_, signalled_;
  std::map<Fence, std::shared_ptr<Job>> hardware_of_;
  std::map<std::shared_ptr<Job>, const Happening*, JobOrder> ran_, queued_;
  std::map<const Happening*, std::vector<const Happening*>> wakes_before_;

  std::set<std::uint64_t> kept_;
  std::map<ActorKey, std::uint32_t> reach_;  // up to which line each takes part
  std::set<std::shared_ptr<Job>, JobOrder> jobs_;
  std::set<Fence> needed_;

  std::map<const Happening*, std::vector<FenceId>> before_;  // waits for what came first
  std::map<const Happening*, std::vector<FenceId>> after_;   // signals of the same

  System system_;
  std::map<Fence, FenceId> fences_;
  std::map<Fence, FenceId> creations_;
  std::map<std::uint64_t, LockId> locks_;
  std::map<std::string, QueueId> queues_;
  std::map<ActorKey, ThreadId> threads_;
  std::map<std::shared_ptr<Job>, ThreadId, JobOrder> entities_;
};

ActorKey WindowModel::actor_of(const Happening& happening) const {
  if (happening.kind == Kind::queue) return {happening.pid, std::nullopt};
  if (happening.kind == Kind::signal && happening.fence->scheduled) {  // the end of run_job
    const auto job = happening.fence->job.lock();
    if (job && ran_.contains(job)) return {job->run.pid, job->finished->key};
  }
  if (happening.job && ran_.contains(happening.job)) return {happening.pid, happening.job->finished->key};
  return {happening.pid, std::nullopt};
}

std::vector<const Happening*> WindowModel::held_by(const ActorKey& actor) const {
  std::vector<const Happening*> result;
  const auto known = held_.find(actor.pid);
  if (known == held_.end() || actor.job) return result;  // a run_job that is seen whole began without locks of its own
  for (const Happening& each : known->second)
    if (!each.job) result.push_back(&each);
  return result;
}

void WindowModel::sort_out() {
  std::map<Pid, std::vector<const Happening*>> woken;
  for (const Happening& each : window_) {
    if (each.kind == Kind::run) ran_.try_emplace(each.job, &each);
    if (each.kind == Kind::run && each.job->hardware) hardware_of_.try_emplace(each.job->hardware, each.job);
    if (each.kind == Kind::queue) queued_.try_emplace(each.job, &each);
    if (each.kind == Kind::create) created_.try_emplace(each.fence, &each);
    // Several events may say that a fence has signalled; the first one counts.
    if (each.kind == Kind::signal && !signalled_.try_emplace(each.fence, &each).second) continue;
    if (each.hardware) continue;
    sequences_[actor_of(each)].push_back(&each);
    if (const auto waking = woken.find(each.pid); waking != woken.end()) {
      wakes_before_[&each] = std::move(waking->second);
      woken.erase(waking);
    }
    if (each.kind == Kind::wake) woken[each.woken].push_back(&each);
  }
}

// Its fences that are signalled in the window: of others it is not known who would.
std::vector<Fence> WindowModel::resolved(const Happening& happening) const {
  std::vector<Fence> result = happening.members;
  if (result.empty()) result.push_back(happening.fence);
  std::erase_if(result, [&](const Fence& each) { return !signalled_.contains(each); });
  return result;
}

// The locks held over a wait, and those held while such a lock is taken.
void WindowModel::keep_held(std::set<std::uint64_t>& kept) const {
  for (const auto& [actor, sequence] : sequences_) {
    std::vector<std::uint64_t> held;
    for (const Happening* each : held_by(actor)) held.push_back(each->lock);
    for (const Happening* each : sequence) {
      const bool waits = each->kind == Kind::wait && !resolved(*each).empty();
      if (waits || (each->kind == Kind::take && kept.contains(each->lock))) kept.insert(held.begin(), held.end());
      if (each->kind == Kind::take) held.push_back(each->lock);
      if (each->kind != Kind::release) continue;
      const auto last = std::find(held.rbegin(), held.rend(), each->lock);
      if (last != held.rend()) held.erase(std::next(last).base());
    }
  }
}

// Those for which two threads can be in each other's way.
std::set<std::uint64_t> WindowModel::contended(const std::set<std::uint64_t>& kept) const {
  std::map<std::uint64_t, LockUse> uses;
  for (const auto& [actor, sequence] : sequences_) {
    const auto use = [&](const Happening& take) {
      LockUse& of = uses[take.lock];
      of.takers.insert(take.job ? std::pair(true, std::uint64_t{take.job->ring})
                                : std::pair(false, std::uint64_t{take.pid}));
      of.exclusive = of.exclusive || !take.shared;
    };
    for (const Happening* each : held_by(actor)) use(*each);
    for (const Happening* each : sequence)
      if (each->kind == Kind::take) use(*each);
  }
  std::set<std::uint64_t> result;
  for (const std::uint64_t lock : kept)
    if (uses[lock].takers.size() > 1 && uses[lock].exclusive) result.insert(lock);
  return result;
}

void WindowModel::keep_locks() {
  std::set<std::uint64_t> kept;
  for (std::size_t before = kept.size() + 1; before != kept.size();) {
    before = kept.size();
    keep_held(kept);
  }
  kept_ = contended(kept);
}

bool WindowModel::takes_part(const Happening& happening) const {
  const auto reach = reach_.find(actor_of(happening));
  return !happening.hardware && reach != reach_.end() && happening.line <= reach->second;
}

// The thread takes part up to this line: what it waits for until then is needed.
void WindowModel::extend(const ActorKey& actor, std::uint32_t line) {
  if (actor.job) {
    const auto run =
        std::ranges::find_if(ran_, [&](const auto& each) { return each.first->finished->key == *actor.job; });
    if (run != ran_.end() && !jobs_.contains(run->first)) need(run->first);
  }
  const auto [reach, fresh] = reach_.try_emplace(actor, 0);
  const std::uint32_t from = std::exchange(reach->second, std::max(reach->second, line));
  const auto sequence = sequences_.find(actor);
  if (line <= from || sequence == sequences_.end()) return;
  for (const Happening* each : sequence->second) {
    if (each->line <= from || each->line > line || each->kind != Kind::wait) continue;
    for (const Fence& fence : resolved(*each)) need(fence);
  }
}

void WindowModel::need(const Fence& fence) {
  const auto signal = signalled_.find(fence);
  if (signal == signalled_.end() || !needed_.insert(fence).second) return;
  if (!signal->second->hardware) return extend(actor_of(*signal->second), signal->second->line);
  const auto known = hardware_of_.find(fence);
  const auto job = known != hardware_of_.end() ? known->second : fence->job.lock();
  if (job && ran_.contains(job)) need(job);
}

// Also the jobs of its entity in front of it, and who queued it.
void WindowModel::need(const std::shared_ptr<Job>& job) {
  for (auto each = job; each && ran_.contains(each) && jobs_.insert(each).second; each = each->previous.lock()) {
    const auto run = sequences_.find({each->run.pid, each->finished->key});
    extend({each->run.pid, each->finished->key}, run == sequences_.end() ? 0 : run->second.back()->line);
    for (const Dependency& dependency : each->dependencies) need(dependency.fence);
    if (const auto queue = queued_.find(each); queue != queued_.end())
      extend(actor_of(*queue->second), queue->second->line);
  }
}

// Whoever takes such a lock, up to the end of its last section; then what that needs.
void WindowModel::choose_actors() {
  for (const auto& [actor, sequence] : sequences_) {
    std::uint32_t last = 0;
    std::set<std::uint64_t> held;
    for (const Happening* each : held_by(actor))
      if (kept_.contains(each->lock)) held.insert(each->lock);
    for (const Happening* each : sequence) {
      if (each->kind == Kind::take && kept_.contains(each->lock)) held.insert(each->lock);
      if (!held.empty()) last = each->line;
      if (each->kind == Kind::release) held.erase(each->lock);
    }
    if (last == 0) continue;
    extend(actor, last);
  }
}

FenceId WindowModel::fence(const Fence& fence) {
  const auto [known, fresh] = fences_.try_emplace(fence, FenceId{static_cast<std::uint32_t>(system_.fences.size())});
  if (fresh) {
    fencecheck::Fence made{now_.fence_name(*fence), FenceKind::kernel, true, {fence->created.line, 0, 1}};
    system_.fences.push_back(std::move(made));
  }
  return known->second;
}

// Something that another thread does first.
FenceId WindowModel::order(const std::string& name, std::uint32_t line) {
  system_.fences.push_back({name, FenceKind::kernel, false, {line, 0, 1}});
  return {static_cast<std::uint32_t>(system_.fences.size() - 1)};
}

LockId WindowModel::lock(const Happening& take) {
  const auto [known, fresh] = locks_.try_emplace(take.lock, LockId{static_cast<std::uint32_t>(system_.locks.size())});
  if (fresh) system_.locks.push_back({names_.at(take.name), LockKind::mutex, {take.line, 0, 1}});
  return known->second;
}

QueueId WindowModel::queue(const std::string& name, std::uint32_t width) {
  const auto [known, fresh] = queues_.try_emplace(name, QueueId{static_cast<std::uint32_t>(system_.queues.size())});
  if (fresh) system_.queues.push_back({name, width, {}});
  return known->second;
}

void WindowModel::add(Thread& thread, Action action, Cause cause, std::uint32_t line) {
  Step step;
  step.action = std::move(action);
  step.next = {static_cast<StepIndex>(thread.program.size() + 1)};
  step.cause = cause;
  step.at = {line, 0, 1};
  thread.program.push_back(std::move(step));
}

// What is done to a fence follows its creation; where that came before the
// section around it, the section follows it too: that is how the task came to know the fence.
void WindowModel::follow_creation(const Fence& fence, const ActorKey& actor, const Happening& at,
                                  const Happening* section) {
  const auto creation = created_.find(fence);
  if (creation == created_.end() || !takes_part(*creation->second) || actor_of(*creation->second) == actor) return;
  const auto known = creations_.find(fence);
  const FenceId order_of = known != creations_.end()
                               ? known->second
                               : order("the creation of " + now_.fence_name(*fence), creation->second->line);
  if (creations_.try_emplace(fence, order_of).second) after_[creation->second].push_back(order_of);
  const bool outside = section != nullptr && creation->second->line < section->line;
  before_[outside ? section : &at].push_back(order_of);
}

void WindowModel::find_causes(const ActorKey& actor) {
  const Happening* section = nullptr;
  std::set<std::uint64_t> held;
  for (const Happening* each : sequences_[actor]) {
    if (!takes_part(*each)) continue;
    if (each->kind == Kind::take && kept_.contains(each->lock) && held.insert(each->lock).second && held.size() == 1)
      section = each;
    if (each->kind == Kind::release && held.erase(each->lock) == 1 && held.empty()) section = nullptr;
    if (each->kind == Kind::wait || (each->kind == Kind::signal && needed_.contains(each->fence))) {
      for (const Fence& fence : resolved(*each)) follow_creation(fence, actor, *each, section);
    }
    const auto wakes = wakes_before_.find(each);
    if (wakes == wakes_before_.end()) continue;
    for (const Happening* wake : wakes->second) {
      if (!takes_part(*wake) || actor_of(*wake) == actor) continue;
      const FenceId woken =
          order(fmt::format("{} waking {}", now_.task_name(wake->pid), now_.task_name(wake->woken)), wake->line);
      after_[wake].push_back(woken);
      before_[each].push_back(woken);
    }
  }
}

void WindowModel::write(Thread& thread, const Happening& happening, std::map<std::uint64_t, std::uint32_t>& depths) {
  if (const auto first = before_.find(&happening); first != before_.end())
    add(thread, fencecheck::Wait{first->second, Join::all}, Cause::explicit_sync, happening.line);
  switch (happening.kind) {
    case Kind::take:
      if (kept_.contains(happening.lock) && depths[happening.lock]++ == 0)
        add(thread, Acquire{lock(happening), happening.shared}, Cause::lock, happening.line);
      break;
    case Kind::release:
      if (const auto held = depths.find(happening.lock);
          held != depths.end() && held->second > 0 && --held->second == 0)
        add(thread, Release{locks_.at(happening.lock)}, Cause::lock, happening.line);
      break;
    case Kind::wait: {
      std::vector<FenceId> awaited;
      for (const Fence& each : resolved(happening)) awaited.push_back(fence(each));
      if (!awaited.empty()) add(thread, fencecheck::Wait{awaited, Join::all}, Cause::explicit_sync, happening.line);
      break;
    }
    case Kind::signal:
      if (needed_.contains(happening.fence))
        add(thread, Signal{{fence(happening.fence)}}, Cause::explicit_sync, happening.line);
      break;
    case Kind::queue:
      if (const auto job = entities_.find(happening.job); job != entities_.end())
        add(thread, Push{job->second}, Cause::scheduling, happening.line);
      break;
    case Kind::create:
    case Kind::run:
    case Kind::wake:
      break;
  }
  if (const auto then = after_.find(&happening); then != after_.end())
    add(thread, Signal{then->second}, Cause::explicit_sync, happening.line);
}

void WindowModel::write(const ActorKey& actor, Thread& thread) {
  std::map<std::uint64_t, std::uint32_t> depths;
  for (const Happening* each : held_by(actor)) write(thread, *each, depths);
  std::uint32_t last = 0;
  for (const Happening* each : sequences_[actor]) {
    if (!takes_part(*each)) continue;
    write(thread, *each, depths);
    last = each->line;
  }
  for (const auto& [address, depth] : depths)  // whatever it does later, it lets go
    if (depth > 0) add(thread, Release{locks_.at(address)}, Cause::lock, last);
}

// A job goes through three hands: its entity, where it waits for its
// dependencies; the worker of its ring, which calls run_job; hardware.
void WindowModel::write_job(const std::shared_ptr<Job>& job) {
  const std::string name = now_.job_name(*job);
  const std::uint32_t line = job->run.line;
  const ActorKey run{job->run.pid, job->finished->key};
  const ThreadId worker = threads_.at(run);
  const ThreadId hardware{static_cast<std::uint32_t>(system_.threads.size())};

  std::vector<FenceId> done;
  for (const Fence& each : {job->hardware, job->finished}) {
    const auto signal = each ? signalled_.find(each) : signalled_.end();
    if (signal != signalled_.end() && signal->second->hardware && needed_.contains(each)) done.push_back(fence(each));
  }
  Thread completion;
  completion.name = "hardware for " + name;
  completion.kind = ThreadKind::engine;
  completion.queue = queue("hardware of ring " + now_.name(job->ring), hardware_width);
  completion.at = {line, 0, 1};
  add(completion, Begin{}, Cause::scheduling, line);
  if (!done.empty()) add(completion, Signal{done}, Cause::explicit_sync, line);
  add(completion, Finish{}, Cause::scheduling, line);
  system_.threads.push_back(std::move(completion));

  Thread& entity = system_.threads[entities_.at(job).index];
  std::vector<FenceId> dependencies;
  for (const Dependency& each : job->dependencies)
    if (signalled_.contains(each.fence)) dependencies.push_back(fence(each.fence));
  add(entity, Begin{}, Cause::scheduling, job->queued.line);
  if (!dependencies.empty())
    add(entity, fencecheck::Wait{dependencies, Join::all}, Cause::explicit_sync, job->queued.line);
  add(entity, Push{worker}, Cause::scheduling, line);
  add(entity, Finish{}, Cause::scheduling, line);

  Thread program = std::move(system_.threads[worker.index]);
  add(program, Begin{}, Cause::scheduling, line);
  write(run, program);
  add(program, Push{hardware}, Cause::scheduling, line);
  add(program, Finish{}, Cause::scheduling, line);
  system_.threads[worker.index] = std::move(program);
}

// Fences that an interrupt signalled and no job of the window explains.
void WindowModel::write_free_hardware() {
  for (const Happening& each : window_) {
    if (each.kind != Kind::signal || !each.hardware || !needed_.contains(each.fence)) continue;
    const Fence& done = each.fence;
    const auto known = hardware_of_.find(done);
    const auto job = known != hardware_of_.end() ? known->second : done->job.lock();
    if (job && jobs_.contains(job)) continue;
    Thread thread;
    thread.name = "hardware for " + now_.fence_name(*done);
    thread.kind = ThreadKind::engine;
    thread.at = {each.line, 0, 1};
    if (const auto creation = creations_.find(done); creation != creations_.end())
      add(thread, fencecheck::Wait{{creation->second}, Join::all}, Cause::explicit_sync, each.line);
    add(thread, Signal{{fence(done)}}, Cause::explicit_sync, each.line);
    system_.threads.push_back(std::move(thread));
  }
}

void WindowModel::add_threads() {
  for (const auto& [actor, reach] : reach_) {
    Thread thread;
    thread.name = now_.task_name(actor.pid);
    const bool worker = thread.name.starts_with("kworker/") || actor.job;
    thread.kind = worker ? ThreadKind::worker : ThreadKind::ioctl;
    threads_.emplace(actor, ThreadId{static_cast<std::uint32_t>(system_.threads.size())});
    system_.threads.push_back(std::move(thread));
  }
  for (const std::shared_ptr<Job>& job : jobs_) {
    Thread& run = system_.threads[threads_.at({job->run.pid, job->finished->key}).index];
    run.name = fmt::format("run_job of {}", now_.job_name(*job));
    run.queue = queue("worker of ring " + now_.name(job->ring), 1);
    run.at = {job->run.line, 0, 1};
    Thread entity;
    entity.name = now_.job_name(*job);
    entity.kind = ThreadKind::worker;
    entity.queue = queue(fmt::format("entity {}", job->finished->key.context), 1);
    entity.at = {job->queued.line, 0, 1};
    entities_.emplace(job, ThreadId{static_cast<std::uint32_t>(system_.threads.size())});
    system_.threads.push_back(std::move(entity));
  }
}

std::optional<System> WindowModel::build() {
  sort_out();
  keep_locks();
  if (kept_.empty()) return std::nullopt;
  choose_actors();
  if (needed_.empty()) return std::nullopt;
  for (const auto& [actor, reach] : reach_) find_causes(actor);
  add_threads();
  for (const auto& [actor, thread] : threads_) {
    if (actor.job) continue;
    Thread program = std::move(system_.threads[thread.index]);
    write(actor, program);
    system_.threads[thread.index] = std::move(program);
  }
  Thread before;  // of the window
  before.name = "what was queued before";
  before.kind = ThreadKind::worker;
  std::vector<std::shared_ptr<Job>> queued_before;
  for (const std::shared_ptr<Job>& job : jobs_) {
    write_job(job);
    if (!queued_.contains(job)) queued_before.push_back(job);
  }
  std::ranges::sort(queued_before, {}, [](const auto& job) { return job->queued.line; });
  for (const auto& job : queued_before) add(before, Push{entities_.at(job)}, Cause::scheduling, job->queued.line);
  if (!queued_before.empty()) system_.threads.push_back(std::move(before));
  write_free_hardware();
  if (const auto wrong = check_system(system_)) throw std::logic_error("the system of a window: " + *wrong);
  return std::move(system_);
}

}  // namespace

std::optional<System> another_order(const Reconstruction& now, const std::deque<Happening>& window,
                                    const std::map<Pid, std::vector<Happening>>& held,
                                    const std::vector<std::string>& names) {
  return WindowModel(now, window, held, names).build();
}

}  // namespace fencecheck::observed
