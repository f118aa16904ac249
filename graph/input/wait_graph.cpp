// The arrows of one moment, and depth-first searches over them.
#include "graph/input/wait_graph.hpp"

#include <functional>
#include <set>

#include "graph/input/wait_site.hpp"

namespace fencecheck::observed {
namespace {

bool open(const Fence& fence) { return fence && !fence->signalled.seen(); }

Actor owner_of(const Reconstruction& now, const Fence& fence) {
  if (const auto pid = now.owner(*fence)) return task_actor(*pid);
  if (const auto job = fence->job.lock()) return {Actor::Kind::job, 0, job, nullptr};
  if (fence->container && !fence->members.empty()) return {Actor::Kind::container, 0, nullptr, fence};
  return {};
}

void task_steps(const Reconstruction& now, const Actor& actor, std::vector<WaitStep>& steps) {
  const WaitRef wait = now.waiting(actor.pid);
  if (!wait) return;
  WaitStep step;
  step.waiter = actor;
  step.wait = wait;
  step.fence = wait->fence;
  step.line = wait->first().line;
  step.since = wait->first().begin;
  if (wait->fence) {
    step.cause = wait->under.empty() ? wait_cause(wait->stack) : Cause::memory_management;
    step.owner = owner_of(now, wait->fence);
  } else {
    step.cause = Cause::lock;
    const std::vector<Pid> holders = now.holders(*wait);
    for (const Pid pid : holders) {  // it needs all of them
      step.owner = task_actor(pid);
      steps.push_back(step);
    }
    if (!holders.empty()) return;
  }
  steps.push_back(std::move(step));
}

WaitStep job_step(const Actor& actor, Fence fence, Cause cause, std::uint32_t line, Actor owner) {
  return {actor, nullptr, std::move(fence), cause, line, actor.job->queued.time, std::move(owner), false};
}

void job_steps(const Reconstruction& now, const Actor& actor, std::vector<WaitStep>& steps) {
  const Job& job = *actor.job;
  if (job.running) {
    steps.push_back(job_step(actor, nullptr, Cause::scheduling, job.run.line, task_actor(job.run.pid)));
  } else if (job.run.seen()) {
    if (open(job.hardware)) {
      steps.push_back(job_step(actor, job.hardware, Cause::scheduling, job.run.line, owner_of(now, job.hardware)));
      if (steps.back().owner.kind == Actor::Kind::nobody) steps.back().owner.kind = Actor::Kind::hardware;
    }
  } else {
    const std::size_t before = steps.size();
    for (const Dependency& each : job.dependencies) {
      if (!open(each.fence)) continue;
      steps.push_back(job_step(actor, each.fence, Cause::explicit_sync, each.line, owner_of(now, each.fence)));
    }
    if (const auto previous = job.previous.lock(); previous && !previous->run.seen() && open(previous->finished)) {
      const Actor owner{Actor::Kind::job, 0, previous, nullptr};
      steps.push_back(job_step(actor, previous->finished, Cause::scheduling, job.queued.line, owner));
    }
    if (steps.size() != before) return;
    if (const auto worker = now.busy_worker(job.ring)) {
      steps.push_back(job_step(actor, nullptr, Cause::scheduling, job.queued.line, task_actor(*worker)));
    }
  }
}

using Id = std::pair<Actor::Kind, std::uint64_t>;
Id id_of(const Actor& actor) {
  if (actor.kind == Actor::Kind::job) return {actor.kind, reinterpret_cast<std::uintptr_t>(actor.job.get())};
  if (actor.kind == Actor::Kind::container) {
    return {actor.kind, reinterpret_cast<std::uintptr_t>(actor.container.get())};
  }
  return {actor.kind, actor.pid};
}

// Walks depth first from the actor. `visit` gets the path to each step once and
// says whether the search may stop there.
void walk(const Reconstruction& now, const Actor& from, const std::function<bool(const WaitPath&)>& visit) {
  struct Level {
    std::vector<WaitStep> steps;
    std::size_t next = 0;
  };
  std::set<Id> seen{id_of(from)};
  std::vector<Level> levels{{steps_of(now, from), 0}};
  WaitPath path;
  while (!levels.empty()) {
    Level& level = levels.back();
    if (level.next == level.steps.size()) {
      levels.pop_back();
      if (!path.empty()) path.pop_back();
      continue;
    }
    path.push_back(level.steps[level.next++]);
    if (visit(path)) return;
    const Actor owner = path.back().owner;
    const bool further = owner.kind != Actor::Kind::nobody && owner.kind != Actor::Kind::hardware;
    if (further && seen.insert(id_of(owner)).second) {
      levels.push_back({steps_of(now, owner), 0});
    } else {
      path.pop_back();
    }
  }
}

}  // namespace

Actor task_actor(Pid pid) { return {Actor::Kind::task, pid, nullptr, nullptr}; }

Actor job_actor(std::shared_ptr<Job> job) { return {Actor::Kind::job, 0, std::move(job), nullptr}; }

std::vector<WaitStep> steps_of(const Reconstruction& now, const Actor& actor) {
  std::vector<WaitStep> steps;
  if (actor.kind == Actor::Kind::task) task_steps(now, actor, steps);
  if (actor.kind == Actor::Kind::job) job_steps(now, actor, steps);
  if (actor.kind == Actor::Kind::container) {
    for (const Fence& member : actor.container->members) {
      if (!open(member)) continue;
      steps.push_back({actor, nullptr, member, Cause::explicit_sync, actor.container->first.line,
                       actor.container->first.time, owner_of(now, member), actor.container->inferred});
    }
  }
  return steps;
}

std::optional<WaitPath> cycle_through(const Reconstruction& now, Pid pid) {
  std::optional<WaitPath> found;
  walk(now, task_actor(pid), [&](const WaitPath& path) {
    if (path.back().owner == task_actor(pid)) found = path;
    return found.has_value();
  });
  return found;
}

std::optional<WaitPath> path_to(const Reconstruction& now, Pid pid, const Fence& fence) {
  std::optional<WaitPath> found;
  walk(now, task_actor(pid), [&](const WaitPath& path) {
    if (path.back().fence == fence) found = path;
    return found.has_value();
  });
  return found;
}

WaitPath longest_path(const Reconstruction& now, const Actor& from) {
  WaitPath longest;
  walk(now, from, [&](const WaitPath& path) {
    if (path.size() > longest.size()) longest = path;
    return false;
  });
  return longest;
}

}  // namespace fencecheck::observed
