// The dependency graph of a snapshot.
//
// From a report of lockdep: classes of locks; A -> B if B was taken while A was
// held, so that whoever releases A may have to wait for B. From blocked tasks: a
// task waits for a lock or a fence, a lock for its holders. Nothing in a log says
// who signals a fence; where other blocked tasks run jobs or recover hardware
// (signalling_flow_table) the fence is taken to need them, and the edge is
// *inferred*. From debugfs: fences, which nobody in the list waits for.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/dependency_graph.hpp"
#include "graph/input/snapshot.hpp"

namespace fencecheck {

class SnapshotGraph {
 public:
  explicit SnapshotGraph(const Snapshot& snapshot);

  [[nodiscard]] std::shared_ptr<const DependencyGraph> graph() const { return graph_; }
  // The cycle that a report prints, beginning with the lock whose taking was
  // reported; empty if the report does not show one.
  [[nodiscard]] const Cycle& cycle_of(std::size_t splat) const { return cycles_[splat]; }
  [[nodiscard]] bool inferred(VertexId from, VertexId to) const { return inferred_.contains({from, to}); }
  // Of Snapshot::blocked; null_vertex() if nothing was made of it.
  [[nodiscard]] VertexId task(std::size_t blocked) const { return tasks_[blocked]; }
  // What a blocked task waits for, if that is a lock or a fence.
  [[nodiscard]] std::optional<VertexId> awaited(std::size_t blocked) const { return awaited_[blocked]; }

 private:
  void add_splat(const Splat& splat);
  void add_fences();
  void add_blocked();
  void add_holders(std::size_t blocked, const LockUse* lock);
  void add_signallers(std::size_t blocked);
  VertexId vertex(const Vertex& vertex);
  VertexId lock_class(const std::string& name, Place at);
  VertexId task_vertex(const TaskId& task, Place at);
  const LockUse* awaited_lock(const BlockedTask& task) const;
  EdgeId edge(VertexId from, VertexId to, const Edge& says);

  const Snapshot& snapshot_;
  std::shared_ptr<DependencyGraph> graph_;
  std::map<std::string, VertexId> known_;  // by identity
  std::vector<Cycle> cycles_;
  std::set<std::pair<VertexId, VertexId>> inferred_;
  std::vector<VertexId> tasks_;
  std::vector<std::optional<VertexId>> awaited_;
};

// "ring0:155"
[[nodiscard]] std::string task_name(const TaskId& task);

// The function that waits, behind the frames of the lock or the fence: "msm_job_run".
[[nodiscard]] std::string waiting_function(const BlockedTask& task);

}  // namespace fencecheck
