// From the happenings of a window to a system: what order_choice.cpp chose becomes programs.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "graph/input/order_model.hpp"

namespace fencecheck::observed {
namespace {

using Kind = Happening::Kind;

constexpr std::uint32_t hardware_width = 4096;  // jobs that hardware has at once: nothing in a trace says how many

}  // namespace

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
  if (fresh) system_.locks.push_back({names_.at(take.lock.second), LockKind::mutex, {take.line, 0, 1}});
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
                               : order(std::string(creation_of) + now_.fence_name(*fence), creation->second->line);
  if (creations_.try_emplace(fence, order_of).second) after_[creation->second].push_back(order_of);
  const bool outside = section != nullptr && creation->second->line < section->line;
  before_[outside ? section : &at].push_back(order_of);
}

void WindowModel::find_causes(const ActorKey& actor) {
  const Happening* section = nullptr;
  std::set<LockKey> held;
  for (const Happening* each : sequences_[actor]) {
    if (!takes_part(*each)) continue;
    if (each->kind == Kind::take && kept_.contains(each->lock) && held.insert(each->lock).second && held.size() == 1)
      section = each;
    if (each->kind == Kind::release && held.erase(each->lock) == 1 && held.empty()) section = nullptr;
    for (const Fence& fence : known_at(*each)) follow_creation(fence, actor, *each, section);
    const auto causes = causes_.find(each);
    if (causes == causes_.end()) continue;
    for (const Happening* cause : causes->second) {
      if (!takes_part(*cause) || actor_of(*cause) == actor) continue;
      const FenceId done =
          order(cause->kind == Kind::wake ? fmt::format("{} waking {}", name_of(*cause), now_.task_name(cause->woken))
                                          : fmt::format("{} queueing {}", name_of(*cause), name_of(*each)),
                cause->line);
      after_[cause].push_back(done);
      before_[each].push_back(done);
    }
  }
}

// As Lowering::acquire(): a writer that waits keeps later readers out. A trylock that fails would be another story.
void WindowModel::acquire(Thread& thread, const Happening& take) {
  const LockId taken = lock(take);
  if (take.tried) {
    add(thread, TryAcquire{taken, take.shared}, Cause::lock, take.line);
    const auto busy = static_cast<StepIndex>(thread.program.size());
    thread.program.back().next = {busy + 1, busy};
    add(thread,
        Cutoff{fmt::format("the trylock of {} (line {}) may fail in another order", system_[taken].name, take.line)},
        Cause::lock, take.line);
    thread.program.back().next.clear();
    return;
  }
  if (!queued_for_.contains(take.lock)) return add(thread, Acquire{taken, take.shared}, Cause::lock, take.line);
  const auto [line, fresh] = lines_.try_emplace(take.lock, LockId{static_cast<std::uint32_t>(system_.locks.size())});
  if (fresh) {
    system_.locks[taken.index].kind = LockKind::rwsem;
    system_.locks.push_back({"waiting line of " + system_[taken].name, LockKind::mutex, {take.line, 0, 1}});
  }
  add(thread, Acquire{line->second, false}, Cause::lock, take.line);
  add(thread, Acquire{taken, take.shared}, Cause::lock, take.line);
  add(thread, Release{line->second}, Cause::lock, take.line);
}

void WindowModel::write(Thread& thread, const Happening& happening, std::map<LockKey, std::uint32_t>& depths) {
  if (const auto first = before_.find(&happening); first != before_.end())
    add(thread, fencecheck::Wait{first->second, Join::all}, Cause::explicit_sync, happening.line);
  switch (happening.kind) {
    case Kind::take:
      if (kept_.contains(happening.lock) && depths[happening.lock]++ == 0) acquire(thread, happening);
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
    case Kind::queue_work:
      break;
  }
  if (const auto then = after_.find(&happening); then != after_.end())
    add(thread, Signal{then->second}, Cause::explicit_sync, happening.line);
}

void WindowModel::write(const ActorKey& actor, Thread& thread) {
  std::map<LockKey, std::uint32_t> depths;
  for (const Happening* each : held_by(actor)) write(thread, *each, depths);
  std::uint32_t last = 0;
  for (const Happening* each : sequences_[actor]) {
    if (!takes_part(*each)) continue;
    write(thread, *each, depths);
    last = each->line;
  }
  for (const auto& [key, depth] : depths)  // whatever it does later, it lets go
    if (depth > 0) add(thread, Release{locks_.at(key)}, Cause::lock, last);
}

// A job goes through three hands: its entity, where it waits for its
// dependencies; the worker of its ring, which calls run_job; hardware.
void WindowModel::write_job(const std::shared_ptr<Job>& job) {
  const std::string name = now_.job_name(*job);
  const std::uint32_t line = job->run.line;
  const ActorKey run{job->run.pid, 0, job->finished->key};
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
    for (const Fence& awaited : resolved(each)) dependencies.push_back(fence(awaited));
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
    const auto sequence = sequences_.find(actor);
    thread.name = sequence == sequences_.end() ? now_.task_name(actor.pid) : name_of(*sequence->second.front());
    const bool worker = actor.work != 0 || actor.job || thread.name.starts_with("kworker/");
    thread.kind = worker ? ThreadKind::worker : ThreadKind::ioctl;
    threads_.emplace(actor, ThreadId{static_cast<std::uint32_t>(system_.threads.size())});
    system_.threads.push_back(std::move(thread));
  }
  for (const std::shared_ptr<Job>& job : jobs_) {
    Thread& run = system_.threads[threads_.at({job->run.pid, 0, job->finished->key}).index];
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

OrderWindow WindowModel::build() {
  sort_out();
  OrderWindow result;
  result.unsettled = unsettled(uses());
  keep_locks();
  if (kept_.empty()) return result;
  choose_actors();
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
  result.system = std::move(system_);
  return result;
}

OrderWindow another_order(const Reconstruction& now, const Stretch& stretch) {
  return WindowModel(now, stretch).build();
}

}  // namespace fencecheck::observed
