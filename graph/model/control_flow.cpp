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

// Reverse postorder of a depth-first search: predecessors first, but for those
// along an edge that closes a loop.
struct Search {
  const Thread& thread;
  Ways ways;
  std::vector<std::uint8_t> colour;  // 0 not seen, 1 on the way, 2 done
  std::vector<StepIndex> postorder;
  bool cyclic = false;

  void run() {
    struct Frame {
      StepIndex step;
      std::size_t tried = 0;
    };
    colour.assign(thread.end() + 1U, 0);
    std::vector<Frame> way{{0}};
    colour[0] = 1;
    while (!way.empty()) {
      Frame& frame = way.back();
      const auto next =
          frame.step == thread.end() ? decltype(successors({}, ways)){} : successors(thread.program[frame.step], ways);
      if (frame.tried == next.size()) {
        colour[frame.step] = 2;
        postorder.push_back(frame.step);
        way.pop_back();
        continue;
      }
      const StepIndex target = next[frame.tried++].first;
      if (colour[target] == 1) cyclic = true;
      if (colour[target] != 0) continue;
      colour[target] = 1;
      way.push_back({target});
    }
  }
};

void order_steps(const Thread& thread, Ways ways, ControlFlow& flow) {
  Search search{thread, ways, {}, {}};
  search.run();
  flow.cyclic = search.cyclic;
  flow.topological.assign(search.postorder.rbegin(), search.postorder.rend());
  for (StepIndex i = 0; i < thread.end(); ++i)
    if (search.colour[i] != 0)
      for (const auto& [next, branch] : successors(thread.program[i], ways))
        flow.predecessors[next].emplace_back(i, branch);
}

std::vector<HeldLock> held_after(const System& system, const Step& step, StepIndex index, std::uint32_t branch,
                                 std::vector<HeldLock> held) {
  const auto take = [&](LockId lock, bool shared, bool ticket) {
    const auto place = std::ranges::upper_bound(held, lock, {}, &HeldLock::lock);
    held.insert(place, HeldLock{lock, shared, ticket, index});
  };
  if (const auto* acquire = std::get_if<Acquire>(&step.action)) take(acquire->lock, acquire->shared, false);
  if (const auto* attempt = std::get_if<TryAcquire>(&step.action); attempt != nullptr && branch == 0)
    take(attempt->lock, attempt->shared, false);
  if (const auto* acquire = std::get_if<AcquireWithTicket>(&step.action); acquire != nullptr && branch == 0)
    take(acquire->lock, false, true);
  if (const auto* pick = std::get_if<PickVictim>(&step.action);
      pick != nullptr && pick->locking == VictimLocking::trylock && !pick->confirms && branch < system.buffers.size())
    take(system.buffers[branch].lock, false, false);
  if (const auto* release = std::get_if<Release>(&step.action)) {
    const auto last = std::ranges::upper_bound(held, release->lock, {}, &HeldLock::lock);
    if (last != held.begin() && std::prev(last)->lock == release->lock) held.erase(std::prev(last));
  }
  return held;
}

void flow_facts(const System& system, const Thread& thread, Ways ways, ControlFlow& flow) {
  std::vector<bool> known(thread.end() + 1U, false);
  if (!flow.topological.empty()) known[0] = true;
  for (const StepIndex step : flow.topological) {
    if (step == thread.end()) continue;
    const auto ticket = std::holds_alternative<TakeTicket>(thread.program[step].action) ? step : flow.ticket[step];
    for (const auto& [next, branch] : successors(thread.program[step], ways)) {
      std::vector<HeldLock> held = held_after(system, thread.program[step], step, branch, flow.held[step]);
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

ControlFlow control_flow(const System& system, const Thread& thread, Ways ways) {
  ControlFlow flow;
  flow.predecessors.resize(thread.end() + 1U);
  flow.held.resize(thread.end() + 1U);
  flow.ticket.resize(thread.end() + 1U);
  order_steps(thread, ways, flow);
  flow_facts(system, thread, ways, flow);
  return flow;
}

std::vector<std::int64_t> taken_on_the_way(const System& system, ThreadId thread, StepIndex to, Causes causes) {
  std::vector<std::int64_t> result(system.pools.size(), 0);
  if (result.empty()) return result;
  const std::vector<Step>& program = system[thread].program;
  std::vector<std::optional<StepIndex>> before(program.size() + 1);
  std::vector<StepIndex> worklist{0};
  for (std::size_t i = 0; i < worklist.size() && !before[to]; ++i)
    if (worklist[i] != program.size())
      for (const StepIndex next : program[worklist[i]].next)
        if (next != 0 && !before[next]) {
          before[next] = worklist[i];
          worklist.push_back(next);
        }
  for (StepIndex at = to; at != 0 && before[at]; at = *before[at]) {
    const Step& step = program[*before[at]];
    if (!causes.has(step.cause)) continue;
    if (const auto* take = std::get_if<Take>(&step.action)) result[take->pool.index] += take->amount;
    if (const auto* give = std::get_if<Give>(&step.action)) result[give->pool.index] -= give->amount;
  }
  return result;
}

}  // namespace fencecheck
