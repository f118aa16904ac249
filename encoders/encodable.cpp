#include "encoders/encodable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <iterator>

#include "graph/model/control_flow.hpp"

namespace fencecheck {
namespace {

// Steps whose meaning depends on where memory is, on fences made anew, or on
// work that is queued again, have no formula.
template <class Action>
concept HasNoFormula = std::same_as<Action, Capture> || std::same_as<Action, Trigger> || std::same_as<Action, Renew> ||
    std::same_as<Action, Detach> || std::same_as<Action, Inherit> || std::same_as<Action, Reserve> ||
    std::same_as<Action, Flush> || std::same_as<Action, Cancel> || std::same_as<Action, Allocate> ||
    std::same_as<Action, PickVictim> || std::same_as<Action, Locate> || std::same_as<Action, Relocate> ||
    std::same_as<Action, Unmap> || std::same_as<Action, Map> || std::same_as<Action, Pin> ||
    std::same_as<Action, Kill> || std::same_as<Action, Deny> || std::same_as<Action, SetLimit> ||
    std::same_as<Action, WriteRanges>;

bool has_formula(const Action& action) {
  if (const auto* attach = std::get_if<Attach>(&action); attach != nullptr && attach->replaces) return false;
  if (const auto* wait = std::get_if<WaitSet>(&action); wait != nullptr && !wait->others.empty()) return false;
  if (const auto* push = std::get_if<Push>(&action); push != nullptr && !push->asks.empty()) return false;
  return std::visit([]<class Each>(const Each&) { return !HasNoFormula<Each>; }, action);
}

bool all_have_memory(const System& system, const AddressSpace& space) {
  return std::ranges::all_of(space.buffers, [&](BufferId buffer) { return system[buffer].place.has_value(); });
}

// What goes wrong with memory without a step that has no formula, or is no step.
std::string object_without_formula(const System& system) {
  for (const Queue& queue : system.queues)
    if (queue.gate) return fmt::format("'{}' can be suspended", queue.name);
  for (const Fence& fence : system.fences)
    if (fence.on_wait) return fmt::format("the first wait for '{}' queues work", fence.name);
  for (const Reservation& reservation : system.reservations)
    if (reservation.counted || !reservation.attached.empty())
      return fmt::format("'{}' counts slots or has fences from the start", reservation.name);
  if (!system.page_tables.empty()) return fmt::format("addresses count in '{}'", system.page_tables.front().name);
  for (const HardwareUse& use : system.uses)
    if (const AddressSpace& space = system[use.space]; !space.mapped || !all_have_memory(system, space))
      return fmt::format("not all that '{}' uses is mapped from the start", use.name);
  return {};
}

}  // namespace

std::string not_encodable(const System& system) {
  if (std::string why = object_without_formula(system); !why.empty()) return why;
  for (const Thread& thread : system.threads) {
    for (const Step& step : thread.program)
      if (!has_formula(step.action)) return fmt::format("'{}' {}", thread.name, describe(system, thread, step));
    const ControlFlow flow = control_flow(system, thread);
    if (flow.cyclic) return fmt::format("'{}' contains a loop", thread.name);
    if (!flow.consistent) return fmt::format("'{}' reaches a step with different locks held", thread.name);
  }
  return {};
}

std::vector<ThreadId> push_order(const System& system, QueueId queue) {
  const auto pushes_there = [&](const Step& step) {
    const auto* push = std::get_if<Push>(&step.action);
    return push != nullptr && system[push->job].queue == queue;
  };
  const Thread* pusher = nullptr;
  std::ptrdiff_t pushes = 0;
  for (const Thread& thread : system.threads) {
    const auto here = std::ranges::count_if(thread.program, pushes_there);
    if (here > 0 && pusher != nullptr) return {};
    if (here > 0) pusher = &thread;
    pushes += here;
  }
  std::vector<ThreadId> jobs;
  if (pusher == nullptr) return jobs;
  std::vector<bool> passed(pusher->program.size(), false);
  for (StepIndex index = 0; index < pusher->end() && !passed[index]; index = pusher->program[index].next[0]) {
    const Step& step = pusher->program[index];
    passed[index] = true;
    if (pushes_there(step)) jobs.push_back(std::get<Push>(step.action).job);
    if (step.next.size() != 1) break;  // beyond a branch, some may be left out
  }
  std::vector<ThreadId> once = jobs;
  std::ranges::sort(once);
  once.erase(std::unique(once.begin(), once.end()), once.end());
  return std::ssize(once) == pushes ? jobs : std::vector<ThreadId>{};
}

}  // namespace fencecheck
