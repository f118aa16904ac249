#include "graph/dependencies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "graph/model/control_flow.hpp"
#include "graph/model/overloaded.hpp"

namespace fencecheck {
namespace {

struct Target {
  VertexId vertex;
  bool any = false;
};

class Builder {
 public:
  explicit Builder(const System& system) : system_(system), graph_(std::make_shared<DependencyGraph>()) {}
  SystemGraph run();

 private:
  void add_vertices();
  void add_flow(VertexId from, std::uint32_t thread, const std::vector<StepIndex>& steps);
  void add_edge(VertexId from, const Target& to, std::uint32_t thread, const Step& step);
  void add_discharges(std::uint32_t thread);
  void add_sections(std::uint32_t thread);
  void add_job(std::uint32_t thread);
  void add_completion(FenceId fence, std::uint32_t job, const Step& signal);
  std::vector<Target> targets(const Step& step) const;
  std::vector<FenceId> collected(DependencySetId set) const;
  struct Attached {
    FenceId fence;
    std::optional<std::uint32_t> thread;
    const Step* step = nullptr;
  };
  std::vector<Attached> attached(ReservationId reservation, Usage up_to) const;
  std::vector<Attached> attached_or_inherited(ReservationId reservation, Usage up_to) const;
  std::vector<bool> visible(FenceId fence, std::uint32_t thread) const;
  std::vector<StepIndex> leading_to(std::uint32_t thread, StepIndex step, const std::vector<bool>& count) const;
  bool may_precede(std::uint32_t first, std::uint32_t second) const;

  const System& system_;
  std::shared_ptr<DependencyGraph> graph_;
  SystemGraph result_;
  std::vector<ControlFlow> flows_;
  std::vector<std::vector<std::pair<std::uint32_t, StepIndex>>> pushes_;  // of each job: by which thread, at which step
  std::set<std::tuple<VertexId, VertexId, std::uint32_t, std::uint32_t, Cause>> known_;
};

void Builder::add_vertices() {
  const auto add = [&](const Vertex& vertex) { return boost::add_vertex(vertex, *graph_); };
  for (const Fence& fence : system_.fences)
    result_.fences.push_back(add({fence.name, VertexKind::fence, info(fence.kind).user_controlled, fence.at,
                                  fmt::format("{} fence", info(fence.kind).id)}));
  for (const Lock& lock : system_.locks)
    result_.locks.push_back(
        add({lock.name, VertexKind::lock, false, lock.at, fmt::format("{} lock", info(lock.kind).id)}));
  for (const Pool& pool : system_.pools)
    result_.pools.push_back(
        add({pool.name, VertexKind::pool, false, pool.at, fmt::format("pool of {}", pool.capacity)}));
  for (const Variable& variable : system_.variables)
    result_.variables.push_back(add({variable.name, VertexKind::pool, false, variable.at, "variable"}));
  for (const Thread& thread : system_.threads) {
    if (thread.queue)
      result_.threads.push_back(add(
          {thread.name, VertexKind::job, false, thread.at, fmt::format("job on '{}'", system_[*thread.queue].name)}));
    else
      result_.threads.push_back(DependencyGraph::null_vertex());
  }
}

// What may be attached to the reservation object, and by which step; none for
// what is attached from the start.
std::vector<Builder::Attached> Builder::attached(ReservationId reservation, Usage up_to) const {
  std::vector<Attached> result;
  for (const Attachment& each : system_[reservation].attached)
    if (each.usage <= up_to) result.push_back({each.fence, std::nullopt, nullptr});
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (const Step& step : system_.threads[i].program) {
      const auto* attach = std::get_if<Attach>(&step.action);
      if (attach != nullptr && attach->reservation == reservation && attach->usage <= up_to)
        result.push_back({attach->fence, i, &step});
    }
  return result;
}

// With what other reservation objects pass on to this one.
std::vector<Builder::Attached> Builder::attached_or_inherited(ReservationId reservation, Usage up_to) const {
  std::vector<Attached> result = attached(reservation, up_to);
  for (const Thread& thread : system_.threads)
    for (const Step& step : thread.program)
      if (const auto* inherit = std::get_if<Inherit>(&step.action); inherit != nullptr && inherit->to == reservation)
        for (const Attached& each : attached(inherit->from, Usage::bookkeep))
          result.push_back({each.fence, std::nullopt, nullptr});
  return result;
}

// The fences that some Collect or Capture may put into the set. What a thread
// attaches after it has collected is not among them, unless its program loops;
// other programs are in that order.
std::vector<FenceId> Builder::collected(DependencySetId set) const {
  std::vector<FenceId> result;
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (const Step& step : system_.threads[i].program) {
      if (const auto* capture = std::get_if<Capture>(&step.action); capture != nullptr && capture->into == set)
        result.insert(result.end(), capture->fences.begin(), capture->fences.end());
      const auto* collect = std::get_if<Collect>(&step.action);
      if (collect == nullptr || collect->into != set) continue;
      for (const Attached& each : attached_or_inherited(collect->reservation, collect->up_to))
        if (each.thread != i || flows_[i].cyclic || each.step < &step) result.push_back(each.fence);
    }
  return result;
}

std::vector<Target> Builder::targets(const Step& step) const {
  std::vector<Target> result;
  std::visit(overloaded{
                 [&](const Wait& wait) {
                   for (const FenceId fence : wait.fences)
                     result.push_back({result_.fences[fence.index], wait.join == Join::any && wait.fences.size() > 1});
                 },
                 [&](const WaitSet& wait) {
                   for (const DependencySetId set : wait.sets())
                     for (const FenceId fence : collected(set))
                       result.push_back({result_.fences[fence.index], !wait.others.empty()});
                 },
                 [&](const Acquire& acquire) {
                   result.push_back({result_.locks[acquire.lock.index], false});
                 },
                 [&](const AcquireWithTicket& acquire) {
                   result.push_back({result_.locks[acquire.lock.index], false});
                 },
                 [&](const Take& take) {
                   result.push_back({result_.pools[take.pool.index], false});
                 },
                 [&](const Flush& flush) {
                   result.push_back({result_.threads[flush.work.index], false});
                 },
                 [&](const Choose& choose) {
                   if (never_waits(choose)) return;
                   for (const Branch& branch : choose.branches)
                     for (const Test& test : branch.tests)
                       result.push_back({result_.variables[test.variable.index], choose.branches.size() > 1});
                 },
                 [](const auto&) {},
             },
             step.action);
  return result;
}

void Builder::add_edge(VertexId from, const Target& to, std::uint32_t thread, const Step& step) {
  if (!known_.emplace(from, to.vertex, step.at.line, step.at.column, step.cause).second) return;
  const Thread& who = system_.threads[thread];
  std::string label = fmt::format("{} {}", who.name, describe(system_, who, step));
  if (!step.context.empty()) label += ", " + step.context;
  boost::add_edge(from, to.vertex, Edge{step.cause, to.any, std::move(label), step.at}, *graph_);
}

void Builder::add_flow(VertexId from, std::uint32_t thread, const std::vector<StepIndex>& steps) {
  for (const StepIndex index : steps) {
    const Step& step = system_.threads[thread].program[index];
    for (const Target& target : targets(step))
      if (target.vertex != from) add_edge(from, target, thread, step);
  }
}

// The steps of a thread at which somebody may wait for the fence: those after it
// publishes it, unless another thread may do so before. Programs are in
// topological order unless they loop.
std::vector<bool> Builder::visible(FenceId fence, std::uint32_t thread) const {
  const Thread& who = system_.threads[thread];
  std::vector<StepIndex> worklist;
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (StepIndex index = 0; index < system_.threads[i].end(); ++index) {
      const auto* publish = std::get_if<Publish>(&system_.threads[i].program[index].action);
      if (publish == nullptr || publish->fence != fence) continue;
      if (i != thread) return std::vector<bool>(who.end() + 1U, true);
      worklist.push_back(index);
    }
  std::vector<bool> result(who.end() + 1U, worklist.empty());
  if (worklist.empty()) return result;
  if (!flows_[thread].cyclic) {
    std::fill(result.begin() + worklist.front(), result.end(), true);
    return result;
  }
  while (!worklist.empty()) {
    const StepIndex index = worklist.back();
    worklist.pop_back();
    if (result[index]) continue;
    result[index] = true;
    if (index == who.end()) continue;
    for (const StepIndex next : who.program[index].next) worklist.push_back(next);
    if (who.program[index].timeout) worklist.push_back(who.program[index].timeout->next);
  }
  return result;
}

// The steps on some way to `step`, in program order, ways through a timeout
// among them; of those that count.
std::vector<StepIndex> Builder::leading_to(std::uint32_t thread, StepIndex step, const std::vector<bool>& count) const {
  const Thread& who = system_.threads[thread];
  std::vector<std::vector<StepIndex>> before(who.end() + 1U);
  for (StepIndex from = 0; from < who.end(); ++from) {
    if (!count[from]) continue;
    for (const StepIndex next : who.program[from].next) before[next].push_back(from);
    if (who.program[from].timeout) before[who.program[from].timeout->next].push_back(from);
  }
  std::vector<bool> seen(before.size(), false);
  std::vector<StepIndex> worklist{step};
  std::vector<StepIndex> result;
  while (!worklist.empty()) {
    const StepIndex index = worklist.back();
    worklist.pop_back();
    for (const StepIndex from : before[index]) {
      if (seen[from]) continue;
      seen[from] = true;
      result.push_back(from);
      worklist.push_back(from);
    }
  }
  std::ranges::sort(result);
  return result;
}

// A job's fence needs the job, and whatever its submitters wait for between
// publishing the fence and pushing the job.
void Builder::add_completion(FenceId fence, std::uint32_t job, const Step& signal) {
  boost::add_edge(
      result_.fences[fence.index], result_.threads[job],
      Edge{Cause::scheduling, false, fmt::format("signalled by job {}", system_.threads[job].name), signal.at},
      *graph_);
  for (const auto& [pusher, index] : pushes_[job])
    add_flow(result_.fences[fence.index], pusher, leading_to(pusher, index, visible(fence, pusher)));
}

void Builder::add_discharges(std::uint32_t thread) {
  const Thread& who = system_.threads[thread];
  const std::vector<bool> all(who.end() + 1U, true);
  for (StepIndex index = 0; index < who.end(); ++index) {
    if (const auto* signal = std::get_if<Signal>(&who.program[index].action)) {
      for (const FenceId fence : signal->fences) {
        if (who.queue)
          add_completion(fence, thread, who.program[index]);
        else
          add_flow(result_.fences[fence.index], thread, leading_to(thread, index, visible(fence, thread)));
      }
    }
    if (const auto* give = std::get_if<Give>(&who.program[index].action))
      add_flow(result_.pools[give->pool.index], thread, leading_to(thread, index, all));
    if (const auto* assign = std::get_if<Assign>(&who.program[index].action))
      add_flow(result_.variables[assign->variable.index], thread, leading_to(thread, index, all));
  }
}

void Builder::add_sections(std::uint32_t thread) {
  for (const StepIndex index : flows_[thread].topological) {
    if (index == system_.threads[thread].end()) continue;
    for (const HeldLock& held : flows_[thread].held[index]) add_flow(result_.locks[held.lock.index], thread, {index});
  }
}

// Unless one thread pushes both, either job may be in front of the other.
bool Builder::may_precede(std::uint32_t first, std::uint32_t second) const {
  const auto last_by = [&](std::uint32_t job, std::uint32_t pusher) {
    std::optional<StepIndex> last;
    for (const auto& [thread, index] : pushes_[job])
      if (thread == pusher) last = index;
    return last;
  };
  for (const auto& [pusher, index] : pushes_[first]) {
    if (flows_[pusher].cyclic) continue;
    if (const auto after = last_by(second, pusher)) return *last_by(first, pusher) < *after;
  }
  return true;
}

void Builder::add_job(std::uint32_t thread) {
  const Thread& job = system_.threads[thread];
  if (!job.queue) return;
  std::vector<StepIndex> all(job.program.size());
  for (StepIndex i = 0; i < job.end(); ++i) all[i] = i;
  add_flow(result_.threads[thread], thread, all);
  if (const auto& gate = system_[*job.queue].gate)
    add_edge(result_.threads[thread], {result_.variables[gate->index], false}, thread, job.program.front());
  for (std::uint32_t other = 0; other < system_.threads.size(); ++other)
    if (other != thread && system_.threads[other].queue == job.queue && may_precede(other, thread))
      add_edge(result_.threads[thread], {result_.threads[other], false}, thread, job.program.front());
}

SystemGraph Builder::run() {
  for (const Thread& thread : system_.threads) flows_.push_back(control_flow(system_, thread, Ways::all));
  pushes_.resize(system_.threads.size());
  for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread)
    for (StepIndex index = 0; index < system_.threads[thread].end(); ++index)
      if (const auto* push = std::get_if<Push>(&system_.threads[thread].program[index].action))
        pushes_[push->job.index].emplace_back(thread, index);
  add_vertices();
  for (std::uint32_t thread = 0; thread < system_.threads.size(); ++thread) {
    add_discharges(thread);
    add_sections(thread);
    add_job(thread);
    result_.waits.emplace_back();
    for (const Step& step : system_.threads[thread].program)
      for (const Target& target : targets(step)) result_.waits.back().push_back(target.vertex);
  }
  result_.graph = graph_;
  return std::move(result_);
}

}  // namespace

SystemGraph dependencies(const System& system) { return Builder(system).run(); }

std::optional<VertexId> SystemGraph::vertex(const Blocker& blocker) const {
  switch (blocker.kind) {
    case Blocker::Kind::fence:
      return fences[blocker.index];
    case Blocker::Kind::lock:
      return locks[blocker.index];
    case Blocker::Kind::pool:
      return pools[blocker.index];
    case Blocker::Kind::variable:
      return variables[blocker.index];
    case Blocker::Kind::job:
      return threads[blocker.index];
    case Blocker::Kind::push:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<EdgeId> find_edge(const DependencyGraph& graph, VertexId from, VertexId to) {
  const auto [edge, found] = boost::edge(from, to, graph);
  return found ? std::optional(edge) : std::nullopt;
}

}  // namespace fencecheck
