// The dependency graph in DOT, for people.
//
// Three views. *Instances*: every vertex, fences in two clusters as in the
// kernel's documentation; an arrow u -> v says that u waits for v. *Cycle*: the
// same, only the given cycles. *Classes*: the diagram of the kernel's
// documentation (driver-api/dma-buf.rst, Indefinite DMA Fences), in its style
// and with its direction: there an arrow leads from what holds something up to
// what it holds up, so it is turned round against the other two.
//
// Causes are told apart by colour, arrow head and label, so that a print in
// grey loses nothing; waits for all are solid, for one of several dashed; given
// cycles are bold and red. Names are numbers in the order of the graph, labels
// are plain (no HTML), and the same graph gives the same bytes. read_dot reads
// what is written here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/dependency_graph.hpp"

namespace fencecheck {

enum class DotView : std::uint8_t { instances, classes, cycle, last_ = cycle };

struct DotViewInfo {
  DotView view;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto dot_view_table = std::to_array<DotViewInfo>({
    {DotView::instances, "instances", "every fence, lock, pool, job and task"},
    {DotView::classes, "classes",
     "kernel fences against user-controlled ones, as the kernel's documentation draws them"},
    {DotView::cycle, "cycle", "only what is on a cycle that was found"},
});
static_assert(covers(dot_view_table, &DotViewInfo::view, DotView::last_));
constexpr const DotViewInfo& info(DotView view) { return dot_view_table[static_cast<std::size_t>(view)]; }

struct DotOptions {
  DotView view = DotView::instances;
  std::string title;          // the graph's name; empty: "dependencies"
  std::vector<Cycle> cycles;  // of the graph that is drawn; to be highlighted
  bool labels = true;         // write causes on the arrows
};

// Throws std::runtime_error only if memory or libcgraph fails. Not for several
// threads at once: libcgraph has global state. O(V + E) beside libcgraph.
[[nodiscard]] std::string to_dot(const DependencyGraph& graph, const DotOptions& options = {});

// The graph of classes: kernel fences, jobs and tasks are one vertex, "Kernel DMA
// Fences"; whatever of these userspace controls is another, "userspace
// controlled fences"; locks and pools stay, by name. Parallel edges of one cause
// are one, dashed if all are; edges inside one of the two classes are left out.
// A kernel fence that waits for a user-controlled one because it was asked
// to has the cause userspace, whatever it was called: the document's "future
// fence, fence proxy, ...". Edges say "waits for", as everywhere. O(E log E).
[[nodiscard]] std::shared_ptr<const DependencyGraph> group_by_class(const DependencyGraph& graph);

}  // namespace fencecheck
