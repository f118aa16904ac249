// Lowerings of submissions and of memory management; see lower_steps.cpp for the rest.
#include <fmt/format.h>

#include <algorithm>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {
std::vector<std::uint32_t> Lowering::used_buffers(const SubmitStep& step) {
  std::vector<std::uint32_t> result;
  for (const SubmitStep::Use& use : step.uses)
    if (const auto index = buffer(use.buffer)) result.push_back(*index);
  return result;
}

// Under the reservation locks: what to wait for, then the fence for those who
// come later. Explicitly synchronised jobs wait for memory management only.
void Lowering::attach_uses(Program& program, const Frame& frame, Place at, const SubmitStep& step, FenceId out,
                           DependencySetId set) {
  for (const SubmitStep::Use& use : step.uses)
    if (const auto index = buffer(use.buffer)) {
      const Usage query = step.implicit_sync ? info(use.usage).implicit_query : Usage::kernel;
      add(program, frame, at, Cause::explicit_sync, Collect{buffers_[*index].reservation, query, set});
    }
  if (user_controlled(out)) return;
  for (const std::uint32_t index : used_buffers(step)) reserve_slot(program, frame, at, buffers_[index].reservation);
  add(program, frame, at, Cause::explicit_sync, Publish{out});
  for (const SubmitStep::Use& use : step.uses)
    if (const auto index = buffer(use.buffer)) {
      const Usage usage = step.implicit_sync ? use.usage : Usage::bookkeep;
      add(program, frame, at, Cause::explicit_sync, Attach{buffers_[*index].reservation, out, usage});
    }
}

std::optional<ThreadId> Lowering::add_job(const Frame& frame, Place at, const SubmitStep& step, std::uint32_t queue,
                                          FenceId out, std::optional<DependencySetId> set,
                                          std::optional<DependencySetId> looked_up) {
  if (std::ranges::find(submitted_, step.job.text) != submitted_.end()) {
    diagnostics_.error(step.job.at, fmt::format("job '{}' is submitted twice", step.job.text));
    return std::nullopt;
  }
  submitted_.push_back(step.job.text);
  const Frame job_frame{info(scenario_.queues[queue].kind).runs, step.job.text, false, {}, frame.calls};
  Program program;
  add(program, job_frame, at, Cause::scheduling, Begin{});
  add_worker(program, job_frame, at, queue);
  if (!step.in.empty()) add_wait(program, job_frame, step.in.front().at, {}, fences(step.in));
  if (looked_up) add_wait_set(program, job_frame, at, Cause::explicit_sync, *looked_up);
  if (set) add_wait_set(program, job_frame, at, Cause::implicit_sync, *set);
  // A job of a VM that has been banned signals without having run.
  OpenEnds cancelled;
  if (const BindObjects* binds = binds_of(scenario_.queues[queue].address_space); binds != nullptr && binds->banned) {
    go_on_if(program, job_frame, at, {*binds->banned, 0, true}, cancelled);
    OpenEnds goes_on = program.take_ends();
    program.from(std::move(cancelled));
    add(program, job_frame, at, Cause::explicit_sync, signal_of({out}));
    cancelled = program.take_ends();
    program.from(std::move(goes_on));
  }
  const StepIndex begins = program.size();
  lower_block(program, job_frame, step.runs);
  check_released(program, fmt::format("job '{}'", step.job.text));
  const StepIndex ends = add(program, job_frame, at, Cause::explicit_sync, signal_of({out}));
  program.join(cancelled);
  add(program, job_frame, at, Cause::explicit_sync, Finish{});
  if (features_.repeated.contains(step.job.text)) program.back_to(0);
  const ThreadId id{static_cast<std::uint32_t>(system_.threads.size())};
  add_thread(step.job, job_frame.kind, program.finish());
  system_.threads.back().queue = QueueId{queue};
  add_hardware_use(step, queue, id, begins, ends);
  return id;
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const SubmitStep& step) {
  const auto queue = symbols_.find(step.queue, SymbolKind::queue);
  if (queue && scenario_.queues[*queue].kind == QueueKind::bind)
    diagnostics_.error(step.queue.at, fmt::format("'{}' is a bind queue: 'vm-bind' submits to it", step.queue.text));
  Submission more;
  submit(program, frame, at, step, more);
}

void Lowering::submit(Program& program, const Frame& frame, Place at, const SubmitStep& step, Submission& more) {
  const auto queue = symbols_.find(step.queue, SymbolKind::queue);
  const auto out = fence(step.out.value_or(step.job));
  const std::vector<std::uint32_t> used = used_buffers(step);
  if (!queue || !out) return;
  const bool ring = queues_[*queue].gate.has_value();
  if (ring != step.doorbell) {
    const std::string_view why =
        ring ? "is a user queue: it is written to by 'doorbell'" : "is no user queue: it has no doorbell";
    diagnostics_.error(step.queue.at, fmt::format("'{}' {}", step.queue.text, why));
    return;
  }
  if (ring) {
    submit_to_ring(program, frame, at, step, *queue, *out);
    return;
  }
  check_submission(program, frame, at, step, *out);
  Frame inner = frame;
  if (inner.context.empty()) inner.context = fmt::format("submitting job '{}'", step.job.text);
  OpenEnds refused;
  if (const BindObjects* binds = binds_of(scenario_.queues[*queue].address_space); binds != nullptr && binds->banned)
    go_on_if(program, inner, at, {*binds->banned, 0, true}, refused);
  std::optional<DependencySetId> looked_up;
  if (!step.in_syncobjs.empty()) {
    looked_up = new_set(fmt::format("the in-syncobjs of job '{}'", step.job.text), at);
    look_up_all(program, inner, at, step.in_syncobjs, step.wait_for_submit, *looked_up, refused);
  }
  std::optional<DependencySetId> set;
  std::vector<LockId> locks;
  for (const std::uint32_t index : used)
    if (!program.holds(buffers_[index].lock) && std::ranges::find(locks, buffers_[index].lock) == locks.end())
      locks.push_back(buffers_[index].lock);
  if (!used.empty()) {
    set = new_set(fmt::format("the buffers of job '{}'", step.job.text), at);
  }
  const auto job = add_job(frame, at, step, *queue, *out, set, looked_up);
  more.job = job;
  if (job) begin_again(program, inner, at, step, *job, *out);
  acquire_together(program, inner, at, locks, true);
  if (set)
    attach_uses(program, inner, at, step, *out, *set);
  else if (!user_controlled(*out))
    add(program, inner, at, Cause::explicit_sync, Publish{*out});
  hold_fence(program, inner, at, step.out_syncobjs, *out);
  map_uses(program, inner, at, step);
  if (job) add(program, inner, at, Cause::explicit_sync, Push{*job, more.asks});
  for (const LockId id : locks) release(program, inner, at, id);
  program.join(refused);
}

// Eviction waits for every fence attached to the buffer at that moment, however
// it got there: memory may move only when nobody uses it any more.
void Lowering::evict(Program& program, const Frame& frame, Place at, std::uint32_t buffer, EvictStep::Locking locking,
                     const std::optional<Name>& by) {
  CopyJobs copies;
  Frame inner = frame;
  inner.reclaim = true;
  const LockId lock = buffers_[buffer].lock;
  if (locking == EvictStep::Locking::held) {
    if (!program.holds(lock))
      diagnostics_.error(at,
                         fmt::format("the reservation of '{}' is not held here", scenario_.buffers[buffer].name.text));
    take_away(program, inner, at, buffer, by, copies);
    return;
  }
  if (locking == EvictStep::Locking::lock) {
    acquire(program, inner, at, lock, false);
    take_away(program, inner, at, buffer, by, copies);
    release(program, inner, at, lock);
    return;
  }
  if (program.holds(lock)) return;  // by this very thread: the attempt fails for certain
  const StepIndex attempt = add(program, inner, at, Cause::lock, TryAcquire{lock, false});
  (void)program.take_ends();
  program.from(Program::branch_of(attempt, 0));
  take_away(program, inner, at, buffer, by, copies);
  add(program, inner, at, Cause::lock, Release{lock});
  program.join(Program::branch_of(attempt, 1));
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const EvictStep& step) {
  const auto index = buffer(step.buffer);
  if (!index) return;
  if (buffers_[*index].pinned) {
    diagnostics_.error(step.buffer.at, fmt::format("'{}' is pinned and cannot be evicted", step.buffer.text));
    return;
  }
  Frame inner = frame;
  if (inner.context.empty()) inner.context = fmt::format("evicting '{}'", step.buffer.text);
  evict(program, inner, at, *index, step.locking, step.by);
}

// The buffers that an allocation of device memory may evict.
std::vector<std::uint32_t> Lowering::victims(const AllocStep& step) {
  std::optional<std::uint32_t> region;
  std::optional<std::uint32_t> self;
  if (step.region) region = symbols_.find(*step.region, SymbolKind::region);
  if (step.buffer) {
    self = buffer(*step.buffer);
    if (self) region = buffers_[*self].region;
    if (self && !region)
      diagnostics_.error(step.buffer->at, fmt::format("buffer '{}' is in no region", step.buffer->text));
  }
  std::vector<std::uint32_t> result;
  for (std::uint32_t i = 0; region && i < buffers_.size(); ++i)
    if (buffers_[i].region == region && !buffers_[i].pinned && i != self) result.push_back(i);
  return result;
}

// Memory is either plentiful, or the allocating thread itself frees some, with
// all the locks it holds. Reclaim does not enter reclaim again (PF_MEMALLOC).
void Lowering::lower_what(Program& program, const Frame& frame, Place at, const AllocStep& step) {
  if (features_.tracks_memory && step.region) {
    diagnostics_.error(step.region->at, "where memory is tracked, only a buffer is allocated: which one?");
    return;
  }
  if (features_.tracks_memory && step.buffer) {
    const bool no_evict = !info(step.gfp).shrinkers && !info(step.gfp).notifiers;
    lower_what(program, frame, at, ValidateStep{step.buffer, std::nullopt, no_evict, std::nullopt});
    return;
  }
  const std::vector<std::uint32_t> evictable = victims(step);
  const bool may_wait = info(step.gfp).shrinkers || info(step.gfp).notifiers;
  if (frame.reclaim || !scenario_.memory_pressure || !may_wait) return;
  reclaim(program, frame, at, step, evictable);
}

void Lowering::reclaim(Program& program, const Frame& frame, Place at, const AllocStep& step,
                       const std::vector<std::uint32_t>& evictable) {
  std::vector<const ProcedureDeclaration*> procedures;
  const bool device_memory = step.region || step.buffer;
  if (info(step.gfp).shrinkers && !device_memory)
    for (const ProcedureDeclaration& shrinker : scenario_.shrinkers) procedures.push_back(&shrinker);
  if (info(step.gfp).notifiers && !device_memory)
    for (const ProcedureDeclaration& notifier : scenario_.notifiers) procedures.push_back(&notifier);
  const std::size_t ways = 1 + evictable.size() + procedures.size();
  if (ways == 1) return;
  if (ways > most_branches) {
    diagnostics_.error(at, fmt::format("this allocation could evict or run {} things; at most {} are covered", ways - 1,
                                       most_branches - 1));
    return;
  }
  Choose choose;
  choose.branches.resize(ways);
  for (std::size_t i = 1; i < ways; ++i) choose.branches[i].cause = Cause::memory_management;
  const StepIndex choice = add(program, frame, at, Cause::explicit_sync, choose);
  (void)program.take_ends();
  const std::vector<Held> held = program.held;
  std::vector<Arm> arms{{Program::branch_of(choice, 0), held}};
  Frame inner = frame;
  inner.reclaim = true;
  inner.may_leave = false;
  inner.loops.clear();
  std::uint32_t branch = 1;
  for (const std::uint32_t index : evictable) {
    inner.context =
        fmt::format("evicting '{}' for the allocation on line {}", scenario_.buffers[index].name.text, at.line);
    program.from(Program::branch_of(choice, branch++));
    program.held = held;
    begin_reclaim(program, inner, at);
    evict(program, inner, at, index, EvictStep::Locking::trylock, std::nullopt);
    end_reclaim(program, inner, at);
    arms.push_back({program.take_ends(), program.held});
  }
  for (const ProcedureDeclaration* procedure : procedures) {
    inner.context = fmt::format("reclaim by '{}' for the allocation on line {}", procedure->name.text, at.line);
    inner.calls.push_back(procedure->name.text);
    run_by_allocations_.insert(procedure->name.text);
    program.from(Program::branch_of(choice, branch++));
    program.held = held;
    begin_reclaim(program, inner, at);
    lower_block(program, inner, procedure->steps);
    if (program.reachable()) end_reclaim(program, inner, at);
    arms.push_back({program.take_ends(), program.held});
    inner.calls.pop_back();
  }
  join_arms(program, at, arms);
}

}  // namespace fencecheck::lowering
