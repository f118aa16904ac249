// Jobs of GPU schedulers and of user queues: pushed, run, done.
#include <fmt/format.h>

#include <algorithm>

#include "graph/input/reconstruction.hpp"

namespace fencecheck::observed {

// Created before by the same task, scheduled then finished (trace-facts 1.2); several jobs may be armed before the
// first is pushed, and the timeline of a job's fences has the name of its ring.
Fence Reconstruction::armed_by(Task& task, std::string_view ring) {
  std::vector<Fence>& fences = task.scheduler_fences;
  std::erase_if(fences, [&](const Fence& each) { return each->signalled.seen() || find(each->key) != each; });
  std::optional<std::size_t> only;
  std::size_t pairs = 0;
  for (std::size_t i = 0; i + 1 < fences.size(); ++i) {
    if (fences[i + 1]->key != FenceKey{fences[i]->key.context + 1, fences[i]->key.seqno}) continue;
    ++pairs;
    only = i;
    if (names_[fences[i + 1]->timeline] == ring) break;
  }
  if (!only || (pairs > 1 && names_[fences[*only + 1]->timeline] != ring)) return nullptr;
  const Fence finished = fences[*only + 1];
  const auto first = fences.begin() + static_cast<std::ptrdiff_t>(*only);
  fences.erase(first, first + 2);
  return finished;
}

void Reconstruction::queue_job(const TraceRecord& record) {
  ++job_events_;
  Task& task = task_of(record.pid);
  Fence finished;
  if (record.has(TraceField::context)) {
    finished = life_of(record, record.fence());
    task.scheduler_fences.clear();
  } else {
    finished = armed_by(task, record.word(TraceField::ring));
  }
  if (!finished) return;
  auto job = finished->job.lock();
  if (!job) {
    job = std::make_shared<Job>();
    job->finished = finished;
    job->queued = mark(record, true);
    finished->job = job;
    jobs_[finished->key] = job;
    auto& last = last_of_entity_[finished->key.context];
    if (const auto previous = last.lock()) job->previous = previous;
    last = job;
    if (const Fence scheduled = find({finished->key.context - 1, finished->key.seqno});
        scheduled && !scheduled->job.lock()) {
      scheduled->job = job;
      scheduled->scheduled = true;
      scheduled->ring = ring_of(record);
    }
  }
  if (job->ring == 0) job->ring = finished->ring = ring_of(record);
  if (record.has(TraceField::pointer)) {
    job->pointer = record.number(TraceField::pointer);
    job->id = record.number(TraceField::id);
    by_pointer_[job->pointer] = job;
    auto& of_number = by_id_[{job->ring, job->id}];
    if (const auto other = of_number.lock(); other && other != job) shared_names_.insert(job->ring);
    of_number = job;
  }
}

// What a user queue does until this fence is a job, which depends on what the queue was told to wait for before.
void Reconstruction::queue_user_fence(const TraceRecord& record) {
  const Fence finished = life_of(record, record.fence());
  if (finished->signalled.seen() || finished->job.lock()) return;
  const auto job = std::make_shared<Job>();
  job->finished = finished;
  job->queued = mark(record, true);
  job->ring = intern(fmt::format("doorbell {}", record.number(TraceField::id)));
  if (auto told = queue_dependencies_.extract(finished->key.context)) job->dependencies = std::move(told.mapped());
  auto& last = last_of_entity_[finished->key.context];
  if (const auto previous = last.lock()) job->previous = previous;
  last = job;
  finished->job = job;
  jobs_[finished->key] = job;
}

void Reconstruction::add_dependency(const TraceRecord& record) {
  const auto job = find_job(record);
  if (!job) return;
  const Fence fence = life_of(record, record.dependency());
  if (fence == job->finished) return;
  const auto known = std::ranges::find(job->dependencies, fence, &Dependency::fence);
  if (known == job->dependencies.end()) job->dependencies.push_back({fence, record.line});
  if (const auto other = fence->job.lock()) job->depth = std::max(job->depth, other->depth + 1);
}

void Reconstruction::run_job(const TraceRecord& record) {
  const auto job = find_job(record);
  if (!job || job->run.seen()) return;
  job->run = mark(record, true);
  const auto [worker, fresh] = workers_.try_emplace(job->ring, record.pid);
  // Until 6.16 a scheduler has no device in its events, and one thread, or the workers of a queue.
  const auto thread = [](std::string_view name) { return !name.starts_with("kworker/") && !name.starts_with("<...>"); };
  if (job->pointer != 0 && !fresh && worker->second != record.pid && thread(record.comm) &&
      thread(task_name(worker->second)))
    shared_names_.insert(job->ring);
  worker->second = record.pid;
  // Without fence events nothing would say that run_job has returned.
  const Fence scheduled = find({job->finished->key.context - 1, job->finished->key.seqno});
  if (record.context == TraceContext::interrupt || !scheduled || !scheduled->created.seen() ||
      scheduled->signalled.seen())
    return;
  job->running = true;
  task_of(record.pid).running = job;
}

void Reconstruction::finish_job(const std::shared_ptr<Job>& job) {
  job->running = false;
  if (const auto worker = tasks_.find(job->run.pid); worker != tasks_.end() && worker->second.running == job) {
    worker->second.running.reset();
  }
  jobs_.erase(job->finished->key);
  const auto drop = [&](auto& index, const auto& key) {
    const auto known = index.find(key);
    if (known != index.end() && known->second.lock() == job) index.erase(known);
  };
  drop(by_pointer_, job->pointer);
  drop(by_id_, std::pair{job->ring, job->id});
  drop(last_of_entity_, job->finished->key.context);
}

std::vector<std::shared_ptr<Job>> Reconstruction::unfinished_jobs() const {
  std::vector<std::shared_ptr<Job>> jobs;
  for (const auto& [key, job] : jobs_) jobs.push_back(job);
  std::ranges::sort(jobs, {}, [](const std::shared_ptr<Job>& job) { return job->queued.line; });
  return jobs;
}

std::shared_ptr<Job> Reconstruction::find_job(const TraceRecord& record) const {
  if (record.has(TraceField::context)) {
    const auto known = jobs_.find(record.fence());
    return known == jobs_.end() ? nullptr : known->second;
  }
  if (record.has(TraceField::pointer)) {
    const auto known = by_pointer_.find(record.number(TraceField::pointer));
    return known == by_pointer_.end() ? nullptr : known->second.lock();
  }
  const auto ring = name_ids_.find(record.word(TraceField::ring));
  if (ring == name_ids_.end()) return nullptr;
  if (shared_names_.contains(ring->second)) return nullptr;  // it may be a job of the other one
  const auto known = by_id_.find({ring->second, record.number(TraceField::id)});
  return known == by_id_.end() ? nullptr : known->second.lock();
}

std::optional<Pid> Reconstruction::busy_worker(std::uint32_t ring) const {
  const auto worker = workers_.find(ring);
  if (worker == workers_.end()) return std::nullopt;
  const Task* known = task(worker->second);
  const bool busy = known != nullptr && known->running && known->running->ring == ring;
  return busy ? std::optional(worker->second) : std::nullopt;
}

}  // namespace fencecheck::observed
