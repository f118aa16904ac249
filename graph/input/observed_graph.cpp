// Vertices are numbered in the order of the waits.
#include "graph/input/observed_graph.hpp"

#include <fmt/format.h>

#include "graph/input/identity.hpp"
#include "graph/input/observed_findings.hpp"
#include "graph/input/observed_hangs.hpp"
#include "graph/input/wait_site.hpp"

namespace fencecheck::observed {

void ObservedGraph::add(const Wait& wait) {
  const VertexId waiter = task(wait.pid, wait.first().line);
  const VertexId awaited = fence(wait.fence);
  Edge properties;
  properties.cause = wait.under.empty() ? wait_cause(wait.stack) : Cause::memory_management;
  properties.at = {wait.first().line, 0, 1};
  properties.label = seen_.facts().timed ? "waits " + duration(waited(seen_.facts(), wait)) : "waits";
  properties.until = until(&wait);
  edge(waiter, awaited, std::move(properties));
}

// Where the wait was over.
Place ObservedGraph::until(const Wait* wait) {
  return wait == nullptr || wait->how == WaitEnd::open ? Place{} : Place{wait->end_line, 0, 1};
}

Cycle ObservedGraph::add(const WaitPath& path) {
  Cycle walk;
  for (const WaitStep& step : path) {
    const VertexId waiter = actor(step.waiter, step.line);
    const bool known = step.owner.kind != Actor::Kind::nobody && step.owner.kind != Actor::Kind::hardware;
    const Place at{step.line, 0, 1};
    if (!step.fence && !step.wait) {
      walk.push_back(edge(waiter, actor(step.owner, step.line), Edge{step.cause, false, "needs its worker", at}));
      continue;
    }
    const VertexId awaited = step.fence ? fence(step.fence) : lock(*step.wait);
    if (waiter != awaited)
      walk.push_back(edge(waiter, awaited, Edge{step.cause, false, "waits", at, until(step.wait.get())}));
    if (!known) continue;
    const VertexId owner = actor(step.owner, step.line);
    if (owner == awaited) continue;  // a container is its own party
    const std::string label = step.fence ? "signalled by it" : "held by it";
    walk.push_back(edge(awaited, owner, Edge{step.cause, false, label, at}));
  }
  return walk;
}

EdgeId ObservedGraph::edge(VertexId from, VertexId to, Edge properties) {
  const auto [known, exists] = boost::edge(from, to, graph_);
  if (!exists) return boost::add_edge(from, to, std::move(properties), graph_).first;
  if (properties.until.line == 0) graph_[known].until = {};  // of several waits one was not over
  return known;
}

VertexId ObservedGraph::actor(const Actor& actor, std::uint32_t line) {
  if (actor.kind == Actor::Kind::job) return job(actor.job);
  if (actor.kind == Actor::Kind::container) return fence(actor.container);
  return task(actor.pid, line);
}

VertexId ObservedGraph::task(Pid pid, std::uint32_t line) {
  const auto known = tasks_.find(pid);
  if (known != tasks_.end()) return known->second;
  const Vertex vertex{seen_.task_name(pid), VertexKind::task, false, {line, 0, 1}, "", task_identity(pid)};
  return tasks_.emplace(pid, boost::add_vertex(vertex, graph_)).first->second;
}

VertexId ObservedGraph::fence(const Fence& fence) {
  const auto known = fences_.find(fence);
  if (known != fences_.end()) return known->second;
  Vertex vertex{
      seen_.fence_name(*fence), VertexKind::fence, false, {}, "", fence_identity(fence->key.context, fence->key.seqno)};
  if (fence->created.seen()) vertex.at = {fence->created.line, 0, 1};
  const VertexId made = boost::add_vertex(vertex, graph_);
  fences_.emplace(fence, made);
  if (const auto pid = seen_.owner(*fence)) {
    const VertexId owing = task(*pid, fence->created.line);
    graph_[owing].user_controlled = true;
    const std::string label = fmt::format("signalled by {}", fence->user_signalled->signalled_by);
    const Place signalled{fence->signalled.line, 0, 1};
    boost::add_edge(made, owing, Edge{Cause::userspace, false, label, vertex.at, signalled}, graph_);
  }
  return made;
}

VertexId ObservedGraph::job(const std::shared_ptr<Job>& job) {
  const auto known = jobs_.find(job);
  if (known != jobs_.end()) return known->second;
  const Vertex vertex{seen_.job_name(*job), VertexKind::job, false, {job->queued.line, 0, 1}, ""};
  return jobs_.emplace(job, boost::add_vertex(vertex, graph_)).first->second;
}

VertexId ObservedGraph::lock(const Wait& wait) {
  const auto known = locks_.find(wait.lock);
  if (known != locks_.end()) return known->second;
  const std::string name = wait.lock_name.empty() ? fmt::format("{:x}", wait.lock) : wait.lock_name;
  const Vertex vertex{"lock " + name,
                      VertexKind::lock,
                      false,
                      {wait.first().line, 0, 1},
                      "",
                      lock_identity(fmt::format("{:x}", wait.lock))};
  return locks_.emplace(wait.lock, boost::add_vertex(vertex, graph_)).first->second;
}

}  // namespace fencecheck::observed
