// Vertices are made once for each identity, edges once for each pair.
#include "graph/input/snapshot_graph.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/input/identity.hpp"
#include "graph/input/lock_rules.hpp"
#include "graph/input/wait_site.hpp"

namespace fencecheck {
namespace {

// Frames that every wait has: not the function that waits.
constexpr auto wait_frames = std::to_array<std::string_view>(
    {"__switch_to", "__schedule", "schedule", "io_schedule", "dma_fence_", "dma_resv_", "mutex_lock", "__mutex_lock",
     "ww_mutex_lock", "__ww_mutex_lock", "rwsem_", "down", "__down", "native_queued_spin", "queued_", "_raw_spin",
     "do_raw_spin", "preempt_schedule"});

Cause cause_of_taking(const std::string& lock, const std::vector<std::string>& frames) {
  if (lock == reclaim_class || lock == notifier_class) return Cause::memory_management;
  if (lock == signalling_class) return wait_cause(frames);
  return Cause::lock;
}

std::string in_site(const std::string& site) { return site.empty() ? "" : " in " + site; }

const ChainLink* link_of(const Splat& splat, std::size_t position) {
  const auto link = std::ranges::find(splat.chain, static_cast<std::uint32_t>(position), &ChainLink::index);
  return link == splat.chain.end() ? nullptr : &*link;
}

bool made_by_interrupt(const Splat& splat, std::size_t position) {
  const bool interrupts = splat.kind == SplatKind::irq_order || splat.kind == SplatKind::irq_inversion ||
                          splat.kind == SplatKind::inconsistent;
  return interrupts && position + 1 == splat.order.size();
}

// How the lock after `position` is taken while that one is held.
Edge taking(const Splat& splat, std::size_t position) {
  const std::size_t next = (position + 1) % splat.order.size();
  const std::string& lock = splat.order[next];
  const ChainLink* link = link_of(splat, next);
  Edge edge;
  edge.cause = cause_of_taking(lock, link != nullptr ? link->frames : splat.stack);
  edge.at = next == 0 && splat.taken ? splat.taken->at : link != nullptr ? link->lock.at : splat.at;
  std::string site = link != nullptr ? link->lock.site : "";
  if (next == 0 && splat.taken && !splat.taken->site.empty()) site = splat.taken->site;
  edge.label = made_by_interrupt(splat, position)
                   ? fmt::format("an interrupt may take '{}' while '{}' is held", lock, splat.order[position])
                   : fmt::format("'{}' is taken{} while '{}' is held", lock, in_site(site), splat.order[position]);
  return edge;
}

}  // namespace

std::string task_name(const TaskId& task) { return fmt::format("{}:{}", task.comm, task.pid); }

std::string waiting_function(const BlockedTask& task) {
  const auto frame = std::ranges::find_if(task.stack, [](const std::string& each) {
    return std::ranges::none_of(wait_frames, [&](std::string_view skipped) { return each.starts_with(skipped); });
  });
  return frame == task.stack.end() ? std::string() : *frame;
}

SnapshotGraph::SnapshotGraph(const Snapshot& snapshot)
    : snapshot_(snapshot), graph_(std::make_shared<DependencyGraph>()) {
  for (const Splat& splat : snapshot.splats) add_splat(splat);
  add_fences();
  add_blocked();
}

VertexId SnapshotGraph::vertex(const Vertex& vertex) {
  const auto [entry, is_new] = known_.try_emplace(vertex.identity, boost::num_vertices(*graph_));
  if (is_new) boost::add_vertex(vertex, *graph_);
  return entry->second;
}

VertexId SnapshotGraph::lock_class(const std::string& name, Place at) {
  Vertex made{name, VertexKind::lock, false, at, "class of locks", lock_identity(name)};
  if (name == signalling_class) {
    made.kind = VertexKind::fence;
    made.detail = "signalling sections of all fences";
  } else if (name == reclaim_class || name == notifier_class) {
    made.kind = VertexKind::pool;
    made.detail = name == reclaim_class ? "memory reclaim" : "MMU notifiers";
  }
  return vertex(made);
}

VertexId SnapshotGraph::task_vertex(const TaskId& task, Place at) {
  return vertex(Vertex{task_name(task), VertexKind::task, false, at, "", task_identity(task.pid)});
}

EdgeId SnapshotGraph::edge(VertexId from, VertexId to, const Edge& says) {
  const auto [known, found] = boost::edge(from, to, *graph_);
  return found ? known : boost::add_edge(from, to, says, *graph_).first;
}

void SnapshotGraph::add_splat(const Splat& splat) {
  Cycle cycle;
  std::vector<VertexId> locks;
  for (std::size_t i = 0; i < splat.order.size(); ++i) {
    const ChainLink* link = link_of(splat, i);
    locks.push_back(lock_class(splat.order[i], link != nullptr ? link->lock.at : splat.at));
  }
  for (std::size_t i = 0; i < locks.size(); ++i)
    cycle.push_back(edge(locks[i], locks[(i + 1) % locks.size()], taking(splat, i)));
  cycles_.push_back(std::move(cycle));
  if (!splat.taken || splat.taken->lock.empty()) return;
  const VertexId taken = lock_class(splat.taken->lock, splat.taken->at);
  for (const LockUse& held : splat.held) {
    if (held.lock == splat.taken->lock) continue;
    const std::string label =
        fmt::format("'{}' is taken{} while '{}' is held", splat.taken->lock, in_site(splat.taken->site), held.lock);
    edge(lock_class(held.lock, held.at), taken,
         Edge{cause_of_taking(splat.taken->lock, splat.stack), false, label, splat.taken->at});
  }
}

void SnapshotGraph::add_fences() {
  for (const ListedFence& fence : snapshot_.fences) {
    // Without a context two buffers may well have different fences of the same number.
    const std::string identity =
        fence.context ? fence_identity(*fence.context, fence.seqno) : "fence " + fence.name + " on " + fence.on;
    const VertexId known = vertex(Vertex{fence.name, VertexKind::fence, false, fence.at, "", identity});
    (*graph_)[known].detail = fmt::format("{}{}{}, {}", fence.usage, fence.usage.empty() ? "" : " fence of ", fence.on,
                                          fence.signalled ? "signalled" : "unsignalled");
    if (!fence.name.ends_with(":" + std::to_string(fence.seqno)) || (*graph_)[known].name.size() < fence.name.size())
      (*graph_)[known].name = fence.name;  // the names of a fence are gone once it has signalled
  }
}

// lockdep counts a lock as held from the moment a task asks for it: the last one
// of a task that is blocked on a lock is the one that it waits for.
const LockUse* SnapshotGraph::awaited_lock(const BlockedTask& task) const {
  const auto list = std::ranges::find(snapshot_.held, task.task, &HeldLocks::task);
  return list == snapshot_.held.end() || list->locks.empty() ? nullptr : &list->locks.back();
}

void SnapshotGraph::add_blocked() {
  for (std::size_t i = 0; i < snapshot_.blocked.size(); ++i) {
    const BlockedTask& task = snapshot_.blocked[i];
    awaited_.emplace_back();
    tasks_.push_back(task_vertex(task.task, task.at));
    Vertex& drawn = (*graph_)[tasks_.back()];
    const SignallingFlow* flow = signalling_flow(task.stack);
    if (drawn.detail.empty() && flow != nullptr) drawn.detail = flow->says;
    if (task.on == BlockedOn::something_else) continue;
    const LockUse* lock = info(task.on).lock ? awaited_lock(task) : nullptr;
    Vertex made{fmt::format("{} that {} waits for", info(task.on).id, task_name(task.task)),
                task.on == BlockedOn::fence ? VertexKind::fence : VertexKind::lock,
                false,
                task.at,
                "",
                fmt::format("{} of task {}", info(task.on).id, task.task.pid)};
    if (lock != nullptr) {
      made.name = lock->lock;
      made.detail = lock->address;
      made.identity = lock_identity(lock->address.empty() ? lock->lock : lock->address);
    }
    awaited_.back() = vertex(made);
    Edge waits{info(task.on).lock ? Cause::lock : wait_cause(task.stack), false, "", task.at};
    const std::string where = waiting_function(task);
    waits.label = fmt::format("{}{}{}", task.spinning ? "spins" : "blocked",
                              task.seconds == 0 ? "" : fmt::format(" for more than {} s", task.seconds),
                              where.empty() ? "" : fmt::format(", in {}()", where));
    edge(tasks_.back(), *awaited_.back(), waits);
  }
  for (std::size_t i = 0; i < snapshot_.blocked.size(); ++i) {
    if (!awaited_[i]) continue;
    if (info(snapshot_.blocked[i].on).lock)
      add_holders(i, awaited_lock(snapshot_.blocked[i]));
    else
      add_signallers(i);
  }
}

void SnapshotGraph::add_holders(std::size_t blocked, const LockUse* lock) {
  const BlockedTask& task = snapshot_.blocked[blocked];
  const VertexId awaited = *awaited_[blocked];
  if (task.owner)
    edge(awaited, task_vertex(*task.owner, task.at),
         Edge{Cause::lock, false, "likely held by it, says the kernel", task.at});
  if (lock == nullptr || lock->address.empty()) return;
  for (const HeldLocks& list : snapshot_.held) {
    if (list.task == task.task) continue;
    for (const LockUse& held : list.locks) {
      const auto other = std::ranges::find(snapshot_.blocked, list.task, &BlockedTask::task);
      const bool waits_too = other != snapshot_.blocked.end() && info(other->on).lock && &held == &list.locks.back();
      if (held.address != lock->address || waits_too) continue;
      edge(awaited, task_vertex(list.task, held.at), Edge{Cause::lock, false, "held" + in_site(held.site), held.at});
    }
  }
}

void SnapshotGraph::add_signallers(std::size_t blocked) {
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < snapshot_.blocked.size(); ++i) {
    const BlockedTask& task = snapshot_.blocked[i];
    if (i != blocked && task.on != BlockedOn::something_else && signalling_flow(task.stack) != nullptr)
      candidates.push_back(i);
  }
  // A worker that runs jobs waits for the fences of others; recovery waits for those of the hung GPU itself.
  const SignallingFlow* own = signalling_flow(snapshot_.blocked[blocked].stack);
  if (candidates.empty() && own != nullptr && own->recovery) candidates.push_back(blocked);
  for (const std::size_t i : candidates) {
    const BlockedTask& task = snapshot_.blocked[i];
    const SignallingFlow* flow = signalling_flow(task.stack);
    edge(*awaited_[blocked], tasks_[i],
         Edge{flow->recovery ? Cause::reset : Cause::scheduling, candidates.size() > 1,
              fmt::format("{} {}, so the fence may need it", task_name(task.task), flow->says), task.at});
    inferred_.emplace(*awaited_[blocked], tasks_[i]);
  }
}

}  // namespace fencecheck
