// The dependency graph of what a trace shows, for drawings.
#pragma once

#include <map>

#include "graph/dependency_graph.hpp"
#include "graph/input/wait_graph.hpp"

namespace fencecheck::observed {

class ObservedGraph {
 public:
  ObservedGraph(const Reconstruction& seen, DependencyGraph& graph) : seen_(seen), graph_(graph) {}
  // A task's wait, and who owes what it waits for.
  void add(const Wait& wait);
  // All steps of a path; the walk through what is drawn for it.
  Cycle add(const WaitPath& path);
  [[nodiscard]] std::size_t tasks() const { return tasks_.size(); }
  [[nodiscard]] std::size_t fences() const { return fences_.size(); }

 private:
  VertexId task(Pid pid, std::uint32_t line);
  VertexId fence(const Fence& fence);
  VertexId job(const std::shared_ptr<Job>& job);
  VertexId lock(const Wait& wait);
  VertexId actor(const Actor& actor, std::uint32_t line);
  static Place until(const Wait* wait);
  EdgeId edge(VertexId from, VertexId to, Edge properties);

  const Reconstruction& seen_;
  DependencyGraph& graph_;
  std::map<Pid, VertexId> tasks_;
  std::map<Fence, VertexId> fences_;
  std::map<std::shared_ptr<Job>, VertexId> jobs_;
  std::map<std::uint64_t, VertexId> locks_;
};

}  // namespace fencecheck::observed
