// Reads a dependency graph drawn in DOT, by hand or by to_dot.
//
//   // fencecheck expect: deadlock       what should come out: holds, unknown, or kinds of findings
//   // fencecheck needs: memory-management, userspace
//   // fencecheck arrows: waits-for      what an arrow means: waits-for, or holds-up
//   digraph "Fencing Cycle" { ... }
//
// Such comments stand before the graph. A vertex is called by its label, or
// else by its node's name; it is controlled by userspace if the innermost
// cluster around it that says "user" or "kernel" says so, or else its label or
// name does. Its shape tells its kind (vertex_kind_table). An edge's cause is the
// row of cause_table whose id or diagram text its label holds, or else explicit;
// style=dashed makes it one of several alternatives; dir=back turns it round.
//
// Arrows lead from what waits to what it waits for, unless the comment, or a
// graph attribute `fencecheck` as to_dot writes it, says `holds-up`. Without
// either, the diagram of the kernel's documentation (driver-api/dma-buf.rst,
// Indefinite DMA Fences) is known by its signature: there kernel fences point
// at user-controlled ones with "memory management" for a reason, because they
// hold them up.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "graph/dependency_graph.hpp"
#include "graph/model/report.hpp"

namespace fencecheck {

struct DotGraph {
  std::string title;  // the graph's name, or its label, or the file's name
  std::shared_ptr<const DependencyGraph> graph;
  std::optional<Expectation> expect;
  bool arrows_hold_up = false;  // how the arrows were read; the graph's edges always say "waits for"
};

// The first graph of the text; nothing if there was an error. Never prints and
// never throws for what the text says. Places are best effort: where a name is
// mentioned first, where a pair of names is joined by an arrow; edges that come
// from groups have the place of the node they begin at. Not for several threads
// at once: libcgraph has global state. O(V + E log E) beside libcgraph's reading.
[[nodiscard]] std::optional<DotGraph> read_dot(const Source& source, Diagnostics& diagnostics);

}  // namespace fencecheck
