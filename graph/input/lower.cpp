#include "graph/input/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "graph/input/lowering.hpp"

namespace fencecheck {
namespace lowering {
namespace {

void for_each_block(const StepDeclaration& step, const std::function<void(const Block&)>& visit) {
  if (const auto* submit = std::get_if<SubmitStep>(&step.what)) visit(submit->runs);
  if (const auto* wait = std::get_if<WaitStep>(&step.what)) visit(wait->on_timeout);
  if (const auto* transaction = std::get_if<TransactionStep>(&step.what)) visit(transaction->steps);
  if (const auto* attempt = std::get_if<TryLockStep>(&step.what)) {
    visit(attempt->steps);
    visit(attempt->otherwise);
  }
  if (const auto* choose = std::get_if<ChooseStep>(&step.what))
    for (const Block& branch : choose->branches) visit(branch);
}

// Every step of a block and of the blocks inside it, in the order of the text.
// Recursion is bounded by the reader's limit on nesting.
void for_each_step(const Block& block, const std::function<void(const StepDeclaration&)>& visit) {
  for (const StepDeclaration& step : block) {
    visit(step);
    for_each_block(step, [&](const Block& inner) { for_each_step(inner, visit); });
  }
}

bool has_action(const System& system, const std::function<bool(const Action&)>& matches) {
  return std::ranges::any_of(system.threads, [&](const Thread& thread) {
    return std::ranges::any_of(thread.program, [&](const Step& step) { return matches(step.action); });
  });
}

}  // namespace

Lowering::Lowering(const Scenario& scenario, Diagnostics& diagnostics, TransactionCounts transactions)
    : scenario_(scenario), diagnostics_(diagnostics), transactions_(std::move(transactions)), symbols_(diagnostics) {}

void Lowering::declare_fence(const FenceDeclaration& fence) {
  symbols_.declare(fence.name, SymbolKind::fence, static_cast<std::uint32_t>(system_.fences.size()));
  const bool derived = fence.imports || !fence.array.empty();
  const auto is_itself = [&](const Name& name) { return name.text == fence.name.text; };
  if ((fence.imports && is_itself(*fence.imports)) || std::ranges::any_of(fence.array, is_itself))
    diagnostics_.error(fence.name.at, fmt::format("'{}' stands for itself", fence.name.text));
  if (derived && info(fence.kind).user_controlled)
    diagnostics_.error(fence.name.at,
                       fmt::format("'{}' stands for other fences, so it must be of kind 'kernel'", fence.name.text));
  system_.fences.push_back({fence.name.text, fence.kind, info(fence.kind).user_controlled, fence.name.at});
}

void Lowering::declare_timeline(const TimelineDeclaration& timeline) {
  symbols_.declare(timeline.name, SymbolKind::timeline, static_cast<std::uint32_t>(timelines_.size()));
  timelines_.push_back({static_cast<std::uint32_t>(system_.fences.size()), timeline.points});
  for (std::uint32_t point = 1; point <= timeline.points; ++point)
    system_.fences.push_back({fmt::format("{}:{}", timeline.name.text, point), timeline.kind,
                              info(timeline.kind).user_controlled, timeline.name.at});
}

void Lowering::declare_buffer(const BufferDeclaration& buffer) {
  symbols_.declare(buffer.name, SymbolKind::buffer, static_cast<std::uint32_t>(buffers_.size()));
  const ReservationId reservation{static_cast<std::uint32_t>(system_.reservations.size())};
  const LockId lock{static_cast<std::uint32_t>(system_.locks.size())};
  std::optional<std::uint32_t> region;
  if (buffer.region) region = symbols_.find(*buffer.region, SymbolKind::region);
  system_.reservations.push_back({buffer.name.text, buffer.name.at});
  system_.locks.push_back({buffer.name.text, LockKind::ww, buffer.name.at});
  buffers_.push_back({reservation, lock, region, buffer.pinned});
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
  for (const QueueDeclaration& queue : scenario_.queues) {
    symbols_.declare(queue.name, SymbolKind::queue, static_cast<std::uint32_t>(system_.queues.size()));
    system_.queues.push_back({queue.name.text, queue.width, queue.name.at});
  }
}

// A job without `out` signals a kernel fence of its own name, which other
// threads may wait for; so these names must be known before any step is read.
void Lowering::declare_job_fences() {
  const auto declare = [&](const StepDeclaration& step) {
    const auto* submit = std::get_if<SubmitStep>(&step.what);
    if (submit == nullptr || submit->out) return;
    symbols_.declare(submit->job, SymbolKind::fence, static_cast<std::uint32_t>(system_.fences.size()));
    system_.fences.push_back({submit->job.text, FenceKind::kernel, false, submit->job.at});
    (void)symbols_.find(submit->job, SymbolKind::fence);  // a completion fence need not be waited for
  };
  for (const auto* procedures : {&scenario_.procedures, &scenario_.shrinkers, &scenario_.notifiers})
    for (const ProcedureDeclaration& procedure : *procedures) for_each_step(procedure.steps, declare);
  for (const ThreadDeclaration& thread : scenario_.threads) for_each_step(thread.steps, declare);
}

void Lowering::add_thread(const Name& name, ThreadKind kind, std::vector<Step> program) {
  Thread thread;
  thread.name = name.text;
  thread.kind = kind;
  thread.program = std::move(program);
  thread.at = name.at;
  system_.threads.push_back(std::move(thread));
}

void Lowering::lower_threads() {
  for (const ThreadDeclaration& thread : scenario_.threads) {
    Program program;
    lower_block(program, {thread.kind, thread.name.text, false, {}, {}}, thread.steps);
    for (const Held& held : program.held)
      diagnostics_.error(held.at, fmt::format("lock '{}' is never released: thread '{}' ends holding it",
                                              system_[held.lock].name, thread.name.text));
    add_thread(thread.name, thread.kind, program.finish());
  }
}

// Fences that stand for others are signalled by a callback; fences with a
// fallback have a timer that fires only when nothing else can happen.
void Lowering::add_callbacks_and_timers() {
  for (const FenceDeclaration& declared : scenario_.fences) {
    if (!declared.imports && declared.array.empty() && !declared.timeout) continue;
    const auto self = fence(declared.name);
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
      const auto* wait = std::get_if<Wait>(&action);
      const auto* signal = std::get_if<Signal>(&action);
      return (wait != nullptr && std::ranges::find(wait->fences, FenceId{i}) != wait->fences.end()) ||
             (signal != nullptr && std::ranges::find(signal->fences, FenceId{i}) != signal->fences.end());
    };
    if (has_action(system_, used) && !has_action(system_, published)) system_.fences[i].published = true;
  }
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
    if (!timeline_point && !has_action(system_, signals) && !has_action(system_, expires))
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

std::optional<System> Lowering::run() {
  for (std::uint32_t i = 0; i < scenario_.procedures.size(); ++i)
    symbols_.declare(scenario_.procedures[i].name, SymbolKind::procedure, i);
  for (std::uint32_t i = 0; i < scenario_.shrinkers.size(); ++i)
    symbols_.declare(scenario_.shrinkers[i].name, SymbolKind::shrinker, i);
  for (std::uint32_t i = 0; i < scenario_.notifiers.size(); ++i)
    symbols_.declare(scenario_.notifiers[i].name, SymbolKind::notifier, i);
  for (std::uint32_t i = 0; i < scenario_.threads.size(); ++i)
    symbols_.declare(scenario_.threads[i].name, SymbolKind::thread, i);
  declare_objects();
  declare_job_fences();
  lower_threads();
  add_callbacks_and_timers();
  mark_published();
  system_.userspace_may_stop = scenario_.userspace_may_stop;
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
  return lowering::Lowering(scenario, diagnostics, counting.transactions_seen()).run();
}

}  // namespace fencecheck
