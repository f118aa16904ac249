#include "graph/model/control_flow.hpp"

#include <algorithm>

namespace fencecheck {
namespace {

// Where a step leads, and along which branch; a timeout counts as the first.
std::vector<std::pair<StepIndex, std::uint32_t>> successors(const Step& step, Ways ways) {
  std::vector<std::pair<StepIndex, std::uint32_t>> result;
  for (std::uint32_t branch = 0; branch < step.next.size(); ++branch) result.emplace_back(step.next[branch], branch);
  if (ways == Ways::all && step.timeout) result.emplace_back(step.timeout->next, 0);
  return result;
}

// Steps that no way leads to (after a timeout, beyond a cut) must not hold back the others.
std::vector<bool> reachable_steps(const Thread& thread, Ways ways) {
  std::vector<bool> seen(thread.end() + 1U, false);
  std::vector<StepIndex> todo{0};
  while (!todo.empty()) {
    const StepIndex step = todo.back();
    todo.pop_back();
    if (seen[step]) continue;
    seen[step] = true;
    if (step == thread.end()) continue;
    for (const auto& [next, branch] : successors(thread.program[step], ways)) todo.push_back(next);
  }
  return seen;
}

void order_steps(const Thread& thread, Ways ways, ControlFlow& flow) {
  const std::vector<bool> seen = reachable_steps(thread, ways);
  std::vector<std::uint32_t> incoming(thread.end() + 1U, 0);
  for (StepIndex i = 0; i < thread.end(); ++i)
    if (seen[i])
      for (const auto& [next, branch] : successors(thread.program[i], ways)) {
        flow.predecessors[next].emplace_back(i, branch);
        ++incoming[next];
      }
  std::vector<StepIndex> ready;
  if (incoming[0] == 0) ready.push_back(0);
  while (!ready.empty()) {
    const StepIndex step = ready.back();
    ready.pop_back();
    flow.topological.push_back(step);
    if (step == thread.end()) continue;
    for (const auto& [next, branch] : successors(thread.program[step], ways))
      if (--incoming[next] == 0) ready.push_back(next);
  }
  const auto reachable = static_cast<std::size_t>(std::ranges::count(seen, true));
  flow.cyclic = flow.topological.size() != reachable;
}

std::vector<HeldLock> held_after(const Step& step, StepIndex index, std::uint32_t branch, std::vector<HeldLock> held) {
  const auto take = [&](LockId lock, bool shared, bool ticket) {
    const auto place = std::ranges::upper_bound(held, lock, {}, &HeldLock::lock);
    held.insert(place, HeldLock{lock, shared, ticket, index});
  };
  if (const auto* acquire = std::get_if<Acquire>(&step.action)) take(acquire->lock, acquire->shared, false);
  if (const auto* attempt = std::get_if<TryAcquire>(&step.action); attempt != nullptr && branch == 0)
    take(attempt->lock, attempt->shared, false);
  if (const auto* acquire = std::get_if<AcquireWithTicket>(&step.action); acquire != nullptr && branch == 0)
    take(acquire->lock, false, true);
  if (const auto* release = std::get_if<Release>(&step.action)) {
    const auto last = std::ranges::upper_bound(held, release->lock, {}, &HeldLock::lock);
    if (last != held.begin() && std::prev(last)->lock == release->lock) held.erase(std::prev(last));
  }
  return held;
}

void flow_facts(const Thread& thread, Ways ways, ControlFlow& flow) {
  std::vector<bool> known(thread.end() + 1U, false);
  if (!flow.topological.empty()) known[0] = true;
  for (const StepIndex step : flow.topological) {
    if (step == thread.end()) continue;
    const auto ticket = std::holds_alternative<TakeTicket>(thread.program[step].action) ? step : flow.ticket[step];
    for (const auto& [next, branch] : successors(thread.program[step], ways)) {
      std::vector<HeldLock> held = held_after(thread.program[step], step, branch, flow.held[step]);
      const bool cutoff = next != thread.end() && std::holds_alternative<Cutoff>(thread.program[next].action);
      if (known[next] && held != flow.held[next] && !cutoff) flow.consistent = false;
      if (known[next]) continue;
      known[next] = true;
      flow.held[next] = std::move(held);
      flow.ticket[next] = ticket;
    }
  }
}

}  // namespace

ControlFlow control_flow(const Thread& thread, Ways ways) {
  ControlFlow flow;
  flow.predecessors.resize(thread.end() + 1U);
  flow.held.resize(thread.end() + 1U);
  flow.ticket.resize(thread.end() + 1U);
  order_steps(thread, ways, flow);
  if (!flow.cyclic) flow_facts(thread, ways, flow);
  return flow;
}

}  // namespace fencecheck
