#include "graph/input/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "graph/input/lowering.hpp"
#include "graph/input/templates.hpp"

namespace fencecheck {
namespace lowering {
namespace {

bool has_action(const System& system, const std::function<bool(const Action&)>& matches) {
  return std::ranges::any_of(system.threads, [&](const Thread& thread) {
    return std::ranges::any_of(thread.program, [&](const Step& step) { return matches(step.action); });
  });
}

}  // namespace

Lowering::Lowering(const Scenario& scenario, Diagnostics& diagnostics, TransactionCounts transactions)
    : scenario_(scenario),
      diagnostics_(diagnostics),
      transactions_(std::move(transactions)),
      symbols_(diagnostics),
      features_(features_of(scenario)) {}

void Lowering::declare_fence(const FenceDeclaration& fence) {
  symbols_.declare(fence.name, SymbolKind::fence, static_cast<std::uint32_t>(system_.fences.size()));
  const bool derived = fence.imports || !fence.array.empty();
  const auto is_itself = [&](const Name& name) { return name.text == fence.name.text; };
  if ((fence.imports && is_itself(*fence.imports)) || std::ranges::any_of(fence.array, is_itself))
    diagnostics_.error(fence.name.at, fmt::format("'{}' stands for itself", fence.name.text));
  if (derived && info(fence.kind).user_controlled)
    diagnostics_.error(fence.name.at,
                       fmt::format("'{}' stands for other fences, so it must be of kind 'kernel'", fence.name.text));
  if (fence.on_wait && info(fence.kind).user_controlled)
    diagnostics_.error(fence.on_wait->at,
                       fmt::format("'{}' is a {} fence; only waiting for a kernel fence queues a work", fence.name.text,
                                   info(fence.kind).id));
  system_.fences.push_back({fence.name.text, fence.kind, info(fence.kind).user_controlled, fence.name.at});
}

void Lowering::declare_timeline(const TimelineDeclaration& timeline) {
  symbols_.declare(timeline.name, SymbolKind::timeline, static_cast<std::uint32_t>(timelines_.size()));
  timelines_.push_back({static_cast<std::uint32_t>(system_.fences.size()), timeline.points});
  const auto context = static_cast<std::uint32_t>(timelines_.size());
  for (std::uint32_t point = 1; point <= timeline.points; ++point)
    system_.fences.push_back({fmt::format("{}:{}", timeline.name.text, point), timeline.kind,
                              info(timeline.kind).user_controlled, timeline.name.at, context, point});
}

void Lowering::declare_buffer(const BufferDeclaration& buffer) {
  symbols_.declare(buffer.name, SymbolKind::buffer, static_cast<std::uint32_t>(buffers_.size()));
  const ReservationId reservation{static_cast<std::uint32_t>(system_.reservations.size())};
  const LockId lock{static_cast<std::uint32_t>(system_.locks.size())};
  std::optional<std::uint32_t> region;
  if (buffer.region) region = symbols_.find(*buffer.region, SymbolKind::region);
  system_.reservations.push_back({buffer.name.text, buffer.name.at, lock, features_.counts_slots});
  system_.locks.push_back({buffer.name.text, LockKind::ww, buffer.name.at});
  buffers_.push_back({reservation, lock, region, buffer.pinned});
}

void Lowering::declare_queue(const QueueDeclaration& queue) {
  symbols_.declare(queue.name, SymbolKind::queue, static_cast<std::uint32_t>(system_.queues.size()));
  QueueObjects& objects = queues_.emplace_back();
  if (queue.kind == QueueKind::user) {
    objects.gate = VariableId{static_cast<std::uint32_t>(system_.variables.size())};
    system_.variables.push_back({queue.name.text, queue.suspended ? 0 : 1, queue.name.at});
    objects.submissions = ReservationId{static_cast<std::uint32_t>(system_.reservations.size())};
    system_.reservations.push_back({fmt::format("submissions of {}", queue.name.text), queue.name.at});
  }
  system_.queues.push_back({queue.name.text, queue.width, queue.name.at, objects.gate});
}

void Lowering::declare_objects() {
  for (std::uint32_t i = 0; i < scenario_.regions.size(); ++i)
    symbols_.declare(scenario_.regions[i].name, SymbolKind::region, i);
  for (const LockDeclaration& lock : scenario_.locks) {
    symbols_.declare(lock.name, SymbolKind::lock, static_cast<std::uint32_t>(system_.locks.size()));
    system_.locks.push_back({lock.name.text, lock.kind, lock.name.at});
  }
  for (std::uint32_t i = 0; i < scenario_.locks.size(); ++i)
    if (system_.locks[i].kind == LockKind::rwsem) {
      lines_.emplace(LockId{i}, LockId{static_cast<std::uint32_t>(system_.locks.size())});
      system_.locks.push_back(
          {fmt::format("waiting line of {}", system_.locks[i].name), LockKind::mutex, system_.locks[i].at});
    }
  for (const BufferDeclaration& buffer : scenario_.buffers) declare_buffer(buffer);
  for (const FenceDeclaration& fence : scenario_.fences) declare_fence(fence);
  for (const TimelineDeclaration& timeline : scenario_.timelines) declare_timeline(timeline);
  for (const VariableDeclaration& variable : scenario_.variables) {
    symbols_.declare(variable.name, SymbolKind::variable, static_cast<std::uint32_t>(system_.variables.size()));
    system_.variables.push_back({variable.name.text, variable.initial, variable.name.at});
  }
  for (const PoolDeclaration& pool : scenario_.pools) {
    symbols_.declare(pool.name, SymbolKind::pool, static_cast<std::uint32_t>(system_.pools.size()));
    system_.pools.push_back({pool.name.text, pool.capacity, pool.name.at});
  }
  for (const QueueDeclaration& queue : scenario_.queues) declare_queue(queue);
  declare_syncobjs();
  if (features_.worker_memory) {
    worker_memory_ = PoolId{static_cast<std::uint32_t>(system_.pools.size())};
    system_.pools.push_back({"memory for new workers", features_.programs, {}});
  }
}

// A job without `out` signals a kernel fence of its own name, which other
// threads may wait for; so these names must be known before any step is read.
void Lowering::declare_job_fences() {
  const auto declare = [&](const StepDeclaration& step) {
    const auto* submit = std::get_if<SubmitStep>(&step.what);
    if (submit != nullptr && submit->doorbell) rings_.emplace(submit->out.value_or(submit->job).text, submit->queue);
    const auto* bind = std::get_if<VmBindStep>(&step.what);
    const Name* job = nullptr;
    if (submit != nullptr && !submit->out) job = &submit->job;
    if (bind != nullptr && bind->job && !bind->out) job = &*bind->job;
    if (job == nullptr) return;
    symbols_.declare(*job, SymbolKind::fence, static_cast<std::uint32_t>(system_.fences.size()));
    system_.fences.push_back({job->text, FenceKind::kernel, false, job->at});
    (void)symbols_.find(*job, SymbolKind::fence);  // a completion fence need not be waited for
  };
  for_each_step(scenario_, declare);
}

void Lowering::add_thread(const Name& name, ThreadKind kind, std::vector<Step> program) {
  Thread thread;
  thread.name = name.text;
  thread.kind = kind;
  thread.program = std::move(program);
  thread.at = name.at;
  system_.threads.push_back(std::move(thread));
}

void Lowering::check_released(const Program& program, std::string_view who) {
  if (!program.reachable()) return;
  for (const Held& held : program.held)
    diagnostics_.error(held.at,
                       fmt::format("lock '{}' is never released: {} ends holding it", system_[held.lock].name, who));
}

void Lowering::lower_thread(const ThreadDeclaration& thread) {
  Program program;
  Frame frame{thread.kind, thread.name.text, false, {}, {}};
  const bool frees_memory = thread.kind == ThreadKind::reclaim && worker_memory_;
  frame.may_leave = !frees_memory;
  if (frees_memory) begin_reclaim(program, frame, thread.name.at);
  lower_block(program, frame, thread.steps);
  if (frees_memory && program.reachable()) end_reclaim(program, frame, thread.name.at);
  check_released(program, fmt::format("thread '{}'", thread.name.text));
  const ThreadId id{static_cast<std::uint32_t>(system_.threads.size())};
  if (thread.kind != ThreadKind::user && program.may_go_on()) program.set_apart(0);
  add_thread(thread.name, thread.kind, program.finish());
  assign_memory(id, thread.group, thread.address_space);
}

void Lowering::lower_threads() {
  for (std::uint32_t i = 0; i < scenario_.works.size(); ++i) lower_work(i);
  for (const ThreadDeclaration& thread : scenario_.threads) lower_thread(thread);
  add_background_reclaim();
}

// kswapd runs shrinkers, and notifiers fire, whoever allocates. Where an allocation of the scenario runs them anyway,
// what it holds meanwhile makes the worse case.
void Lowering::add_background_reclaim() {
  if (!scenario_.memory_pressure) return;
  const auto add_all = [&](const std::vector<ProcedureDeclaration>& procedures, std::string_view who) {
    for (const ProcedureDeclaration& each : procedures)
      if (!run_by_allocations_.contains(each.name.text)) add_background_reclaim(each, who);
  };
  add_all(scenario_.shrinkers, "kswapd");
  add_all(scenario_.notifiers, "invalidation");
}

void Lowering::add_background_reclaim(const ProcedureDeclaration& procedure, std::string_view who) {
  Program program;
  Frame frame{ThreadKind::reclaim, procedure.name.text, false, {}, {}};
  frame.reclaim = true;
  frame.may_leave = false;
  frame.calls.push_back(procedure.name.text);
  begin_reclaim(program, frame, procedure.name.at);
  lower_block(program, frame, procedure.steps);
  if (program.reachable()) end_reclaim(program, frame, procedure.name.at);
  check_released(program, fmt::format("'{}'", procedure.name.text));
  if (program.may_go_on()) program.set_apart(0);
  add_thread({fmt::format("{}: {}", who, procedure.name.text), procedure.name.at}, ThreadKind::reclaim,
             program.finish());
}

// Fences that stand for others are signalled by a callback; fences with a
// fallback have a timer that fires only when nothing else can happen.
void Lowering::add_callbacks_and_timers() {
  for (const FenceDeclaration& declared : scenario_.fences) {
    if (!declared.imports && declared.array.empty() && !declared.timeout) continue;
    const auto self = fence(declared.name);
    if (self) system_.fences[self->index].members = fences(declared.array);
    std::vector<Name> awaited = declared.array;
    if (declared.imports) awaited.push_back(*declared.imports);
    if (self && !awaited.empty()) {
      Program program;
      const Frame frame{ThreadKind::callback, declared.name.text, false, "", {}};
      WaitStep wait;
      add_wait(program, frame, declared.name.at, wait, fences(awaited));
      add(program, frame, declared.name.at, Cause::explicit_sync, Signal{{*self}});
      add_thread({declared.name.text + (declared.imports ? " (import)" : " (array)"), declared.name.at},
                 ThreadKind::callback, program.finish());
    }
    if (self && declared.timeout) {
      Program program;
      add(program, {ThreadKind::timer, declared.name.text, false, "", {}}, declared.name.at, Cause::reset,
          Expire{*self});
      add_thread({fmt::format("timer of '{}'", declared.name.text), declared.name.at}, ThreadKind::timer,
                 program.finish());
      system_.threads.back().expires_after = declared.timeout;
    }
  }
}

// A kernel fence that steps wait for or signal, and no step publishes, has been
// published before the scenario begins.
void Lowering::mark_published() {
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i) {
    const auto published = [&](const Action& action) {
      const auto* publish = std::get_if<Publish>(&action);
      return publish != nullptr && publish->fence.index == i;
    };
    const auto used = [&](const Action& action) {
      const auto names_it = [&](const auto* step) {
        return step != nullptr && std::ranges::find(step->fences, FenceId{i}) != step->fences.end();
      };
      return names_it(std::get_if<Wait>(&action)) || names_it(std::get_if<Capture>(&action)) ||
             names_it(std::get_if<Signal>(&action));
    };
    if (rings_.contains(system_.fences[i].name)) continue;  // the kernel has not seen it
    if (has_action(system_, used) && !has_action(system_, published)) system_.fences[i].published = true;
  }
}

// Jobs on user queues and long-running jobs may poll for ever: nothing is owed.
bool Lowering::only_polled(FenceId fence) const {
  if (!user_controlled(fence)) return false;
  const auto may_run_for_ever = [&](std::uint32_t thread) {
    const auto& queue = system_.threads[thread].queue;
    if (queue && system_[*queue].gate) return true;
    return std::ranges::any_of(system_.uses, [&](const HardwareUse& use) {
      return use.job == ThreadId{thread} && system_[use.space].mode != AddressSpaceMode::dma_fence;
    });
  };
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (const Step& step : system_.threads[i].program)
      if (const auto* wait = std::get_if<Wait>(&step.action);
          wait != nullptr && std::ranges::find(wait->fences, fence) != wait->fences.end() && !may_run_for_ever(i))
        return false;
  return true;
}

void Lowering::warn_about_fences() {
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i) {
    const auto signals = [&](const Action& action) {
      const auto* signal = std::get_if<Signal>(&action);
      return signal != nullptr && std::ranges::find(signal->fences, FenceId{i}) != signal->fences.end();
    };
    const auto expires = [&](const Action& action) {
      const auto* expire = std::get_if<Expire>(&action);
      return expire != nullptr && expire->fence.index == i;
    };
    const bool timeline_point = system_.fences[i].name.find(':') != std::string::npos;
    if (!timeline_point && !has_action(system_, signals) && !has_action(system_, expires) && !only_polled(FenceId{i}))
      diagnostics_.warning(system_.fences[i].at, fmt::format("nothing signals fence '{}'", system_.fences[i].name));
  }
}

std::optional<FenceId> Lowering::fence(const Name& name) {
  const std::size_t colon = name.text.find(':');
  if (colon == std::string::npos) {
    const auto index = symbols_.find(name, SymbolKind::fence);
    return index ? std::optional(FenceId{*index}) : std::nullopt;
  }
  const auto index = symbols_.find({name.text.substr(0, colon), name.at}, SymbolKind::timeline);
  if (!index) return std::nullopt;
  const TimelineObjects& timeline = timelines_[*index];
  std::uint32_t point = 0;
  const char* end = name.text.data() + name.text.size();
  const auto [stopped, error] = std::from_chars(name.text.data() + colon + 1, end, point);
  if (error == std::errc{} && stopped == end && point >= 1 && point <= timeline.points)
    return FenceId{timeline.first + point - 1};
  diagnostics_.error(name.at,
                     fmt::format("timeline '{}' has points 1 to {}", name.text.substr(0, colon), timeline.points));
  return std::nullopt;
}

std::vector<FenceId> Lowering::fences(const std::vector<Name>& names) {
  std::vector<FenceId> result;
  for (const Name& name : names)
    if (const auto id = fence(name); id && std::ranges::find(result, *id) == result.end()) result.push_back(*id);
  return result;
}

std::optional<LockId> Lowering::lock(const Name& name) {
  if (const Symbol* symbol = symbols_.look_up(name.text); symbol != nullptr && symbol->kind == SymbolKind::buffer)
    return buffers_[*symbols_.find(name, SymbolKind::buffer)].lock;
  const auto index = symbols_.find(name, SymbolKind::lock);
  return index ? std::optional(LockId{*index}) : std::nullopt;
}

std::optional<std::uint32_t> Lowering::buffer(const Name& name) { return symbols_.find(name, SymbolKind::buffer); }

bool Lowering::user_controlled(FenceId fence) const { return info(system_[fence].kind).user_controlled; }

DependencySetId Lowering::new_set(std::string name, Place at) {
  const DependencySetId set{static_cast<std::uint32_t>(system_.sets.size())};
  system_.sets.push_back({std::move(name), at});
  return set;
}

// What is looked up by its place in the scenario.
void Lowering::declare_names() {
  const auto declare = [&](const auto& declarations, SymbolKind kind) {
    for (std::uint32_t i = 0; i < declarations.size(); ++i) symbols_.declare(declarations[i].name, kind, i);
  };
  declare(scenario_.procedures, SymbolKind::procedure);
  declare(scenario_.shrinkers, SymbolKind::shrinker);
  declare(scenario_.notifiers, SymbolKind::notifier);
  declare(scenario_.groups, SymbolKind::group);
  declare(scenario_.address_spaces, SymbolKind::address_space);
  declare(scenario_.works, SymbolKind::work);
  declare(scenario_.threads, SymbolKind::thread);
}

std::optional<System> Lowering::run() {
  declare_names();
  declare_objects();
  declare_job_fences();
  declare_works();
  declare_memory();
  declare_page_tables();
  lower_threads();
  check_bind_queues();
  check_notifiers();
  connect_works();
  resolve_kills();
  add_callbacks_and_timers();
  mark_published();
  if (!rings_.empty() || features_.tracks_memory) count_round_trips();
  system_.userspace_may_stop = scenario_.userspace_may_stop;
  system_.swap = scenario_.swap;
  system_.kernel = scenario_.kernel;
  if (!diagnostics_.ok()) return std::nullopt;
  symbols_.warn_unused();
  warn_about_fences();
  if (const auto wrong = check_system(system_)) {
    diagnostics_.error({}, *wrong);
    return std::nullopt;
  }
  return std::move(system_);
}

}  // namespace lowering

std::optional<System> lower(const Scenario& scenario, Diagnostics& diagnostics) {
  Diagnostics counted_only;  // the first pass only counts transactions; the second reports
  lowering::Lowering counting(scenario, counted_only, {});
  (void)counting.run();
  Diagnostics said;
  std::optional<System> system = lowering::Lowering(scenario, said, counting.transactions_seen()).run();
  append_once_for_all(said, scenario.templates, diagnostics);
  return system;
}

}  // namespace fencecheck
