// Lowerings of work items, of user queues, and of eviction fences.
#include <fmt/format.h>

#include <algorithm>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {

// Works are the first threads, so that steps can refer to them: work i is thread i.
void Lowering::declare_works() {
  for (const WorkDeclaration& work : scenario_.works) {
    add_thread(work.name, ThreadKind::worker, {});
    const auto queue = symbols_.find(work.queue, SymbolKind::queue);
    if (!queue) continue;
    const QueueKind kind = scenario_.queues[*queue].kind;
    if (kind != QueueKind::worker)
      diagnostics_.error(work.queue.at, fmt::format("'{}' is of kind '{}'; works run on queues of kind 'worker'",
                                                    work.queue.text, info(kind).id));
    system_.threads.back().queue = QueueId{*queue};
  }
}

void Lowering::connect_works() {
  for (const FenceDeclaration& declared : scenario_.fences) {
    if (!declared.on_wait) continue;
    const auto work = symbols_.find(*declared.on_wait, SymbolKind::work);
    const auto made = fence(declared.name);
    if (work && made) system_.fences[made->index].on_wait = ThreadId{*work};
  }
}

void Lowering::lower_work(std::uint32_t index) {
  const WorkDeclaration& work = scenario_.works[index];
  const std::optional<QueueId> queue = system_.threads[index].queue;
  if (!queue) return;
  Program program;
  Frame frame{ThreadKind::worker, work.name.text, false, {}, {}};
  frame.on_wait = std::ranges::any_of(scenario_.fences, [&](const FenceDeclaration& each) {
    return each.on_wait && each.on_wait->text == work.name.text;
  });
  add(program, frame, work.name.at, Cause::scheduling, Begin{});
  add_worker(program, frame, work.name.at, queue->index);
  lower_block(program, frame, work.steps);
  check_released(program, fmt::format("work '{}'", work.name.text));
  if (program.reachable()) {
    add(program, frame, work.name.at, Cause::explicit_sync, Finish{});
    program.back_to(0);
  }
  system_.threads[index].program = program.finish();
  assign_memory(ThreadId{index}, work.group, work.address_space);
}

// Without a rescuer a work may need a new worker, for which there is no memory
// as long as somebody is inside reclaim.
void Lowering::add_worker(Program& program, const Frame& frame, Place at, std::uint32_t queue) {
  if (scenario_.queues[queue].rescuer) return;
  Frame inner = frame;
  inner.context = fmt::format("a new worker for queue '{}'", scenario_.queues[queue].name.text);
  Choose choose{{Branch{}, Branch{{}, Cause::memory_management}}};
  const StepIndex choice = add(program, inner, at, Cause::explicit_sync, std::move(choose));
  (void)program.take_ends();
  program.from(Program::branch_of(choice, 1));
  add(program, inner, at, Cause::memory_management, Take{*worker_memory_, features_.programs});
  add(program, inner, at, Cause::memory_management, Give{*worker_memory_, features_.programs});
  program.join(Program::branch_of(choice, 0));
}

void Lowering::begin_reclaim(Program& program, const Frame& frame, Place at) {
  if (worker_memory_) add(program, frame, at, Cause::memory_management, Take{*worker_memory_, 1});
}

void Lowering::end_reclaim(Program& program, const Frame& frame, Place at) {
  if (worker_memory_) add(program, frame, at, Cause::memory_management, Give{*worker_memory_, 1});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const WorkStep& step) {
  const auto index = symbols_.find(step.work, SymbolKind::work);
  if (!index) return;
  const ThreadId work{*index};
  if (!system_[work].queue) return;  // reported already
  if (step.verb == WorkStep::Verb::queue) add(program, frame, at, Cause::explicit_sync, Push{work});
  if (step.verb == WorkStep::Verb::cancel) add(program, frame, at, Cause::scheduling, Cancel{work});
  if (step.verb != WorkStep::Verb::queue)
    add(program, frame, at, Cause::scheduling, Flush{work, step.verb == WorkStep::Verb::cancel});
}

// User queues.

std::optional<std::uint32_t> Lowering::user_queue(const Name& name) {
  const auto index = symbols_.find(name, SymbolKind::queue);
  if (!index || queues_[*index].gate) return index;
  diagnostics_.error(name.at, fmt::format("'{}' is of kind '{}', not a user queue", name.text,
                                          info(scenario_.queues[*index].kind).id));
  return std::nullopt;
}

// What a condition tests: a variable, or whether a user queue may run.
std::optional<VariableId> Lowering::condition(const Name& name) {
  const Symbol* symbol = symbols_.look_up(name.text);
  if (symbol != nullptr && symbol->kind == SymbolKind::queue) {
    const auto queue = user_queue(name);
    return queue ? queues_[*queue].gate : std::nullopt;
  }
  const auto index = symbols_.find(name, SymbolKind::variable);
  return index ? std::optional(VariableId{*index}) : std::nullopt;
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const GateStep& step) {
  if (const auto queue = user_queue(step.queue))
    add(program, frame, at, Cause::explicit_sync, Assign{*queues_[*queue].gate, step.open ? 1 : 0});
}

// A job's hardware use is known only when all jobs are: until then the number
// is that of the name in kills_, after all uses that there can be.
namespace {
constexpr std::uint32_t unresolved = 1U << 31U;
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const KillStep& step) {
  const Symbol* symbol = symbols_.look_up(step.hardware.text);
  if (symbol == nullptr || symbol->kind != SymbolKind::queue) {
    add(program, frame, at, Cause::explicit_sync,
        Kill{HardwareUseId{unresolved + static_cast<std::uint32_t>(kills_.size())}});
    kills_.push_back(step.hardware);
    return;
  }
  const auto queue = user_queue(step.hardware);
  if (queue && queues_[*queue].use)
    add(program, frame, at, Cause::explicit_sync, Kill{*queues_[*queue].use});
  else if (queue)
    diagnostics_.error(step.hardware.at, fmt::format("'{}' has no address space", step.hardware.text));
}

void Lowering::resolve_kills() {
  const auto use_of = [&](const Name& job) -> HardwareUseId {
    for (std::uint32_t i = 0; i < system_.uses.size(); ++i)
      if (system_.uses[i].job && system_[*system_.uses[i].job].name == job.text) return HardwareUseId{i};
    const bool is_job = std::ranges::find(submitted_, job.text) != submitted_.end();
    diagnostics_.error(job.at, is_job ? fmt::format("job '{}' uses no memory that is tracked", job.text)
                                      : fmt::format("no user queue or job is called '{}'", job.text));
    return {};
  };
  std::vector<HardwareUseId> uses;
  for (const Name& job : kills_) uses.push_back(use_of(job));
  for (Thread& thread : system_.threads)
    for (Step& step : thread.program)
      if (auto* kill = std::get_if<Kill>(&step.action); kill != nullptr && kill->use.index >= unresolved)
        kill->use = uses[kill->use.index - unresolved];
}

// A doorbell: neither locks nor fences that others could find.
void Lowering::submit_to_ring(Program& program, const Frame& frame, Place at, const SubmitStep& step,
                              std::uint32_t queue, FenceId out) {
  if (!step.uses.empty())
    diagnostics_.error(step.uses.front().buffer.at,
                       "the kernel does not see what a doorbell submits: a user queue uses "
                       "the buffers of its address space");
  const auto job = add_job(frame, at, step, queue, out, std::nullopt);
  if (!job) return;
  begin_again(program, frame, at, step, *job, out);
  add(program, frame, at, Cause::explicit_sync, Push{*job});
}

// A job in a loop or in a work: its last run is over before it has a new fence.
void Lowering::begin_again(Program& program, const Frame& frame, Place at, const SubmitStep& step, ThreadId job,
                           FenceId out) {
  if (!features_.repeated.contains(step.job.text)) return;
  if (system_[out].context != 0)
    diagnostics_.error(
        step.out.value_or(step.job).at,
        fmt::format("job '{}' may be submitted again, and a point of a timeline signals once", step.job.text));
  add(program, frame, at, Cause::scheduling, Flush{job, false, true});
  if (!user_controlled(out)) add(program, frame, at, Cause::explicit_sync, Renew{out});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const WaitSubmissionsStep& step) {
  const auto queue = user_queue(step.queue);
  if (!queue) return;
  const DependencySetId set = new_set(fmt::format("the submissions of '{}'", step.queue.text), at);
  add(program, frame, at, Cause::explicit_sync, Collect{*queues_[*queue].submissions, Usage::bookkeep, set});
  const Cause cause = frame.kind == ThreadKind::user ? Cause::userspace : Cause::explicit_sync;
  add_wait_set(program, frame, at, cause_of_wait(frame, cause), set);
  limit_wait(program, step.timeout, step.interruptible);
}

// Eviction fences.

void Lowering::reserve_slot(Program& program, const Frame& frame, Place at, ReservationId reservation) {
  if (features_.counts_slots) add(program, frame, at, Cause::explicit_sync, Reserve{reservation, 1});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const RearmStep& step) {
  const auto space = address_space(step.address_space);
  if (!space) return;
  const auto renewed = step.fence ? fence(*step.fence) : eviction_fences_[space->index];
  if (!renewed) {
    if (!step.fence)
      diagnostics_.error(step.address_space.at, fmt::format("'{}' has no fence", step.address_space.text));
    return;
  }
  if (user_controlled(*renewed)) {
    diagnostics_.error(step.fence->at, fmt::format("'{}' is a {} fence; an eviction fence is a kernel fence",
                                                   step.fence->text, info(system_[*renewed].kind).id));
    return;
  }
  for (const BufferId buffer : system_[*space].buffers) reserve_slot(program, frame, at, system_[buffer].reservation);
  add(program, frame, at, Cause::explicit_sync, Renew{*renewed});
  add(program, frame, at, Cause::explicit_sync, Publish{*renewed});
  for (const BufferId buffer : system_[*space].buffers)
    add(program, frame, at, Cause::explicit_sync, Attach{system_[buffer].reservation, *renewed, Usage::bookkeep});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const DetachStep& step) {
  const auto index = buffer(step.buffer);
  const auto detached = fence(step.fence);
  if (index && detached) add(program, frame, at, Cause::explicit_sync, Detach{buffers_[*index].reservation, *detached});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const ReserveStep& step) {
  const auto index = buffer(step.buffer);
  if (!index) return;
  if (!program.holds(buffers_[*index].lock))
    diagnostics_.error(step.buffer.at, fmt::format("the reservation of '{}' is not held here", step.buffer.text));
  add(program, frame, at, Cause::explicit_sync, Reserve{buffers_[*index].reservation, step.slots});
}

}  // namespace fencecheck::lowering
