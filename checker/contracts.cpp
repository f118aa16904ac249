#include "checker/contracts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fencecheck {
namespace {

// A wait for any of several fences, one of which the kernel controls, does not depend on userspace.
bool has_kernel_alternative(const DependencyGraph& graph, const EdgeId& edge) {
  if (!graph[edge].any) return false;
  const auto others = boost::make_iterator_range(boost::out_edges(boost::source(edge, graph), graph));
  return std::any_of(others.begin(), others.end(), [&](const EdgeId& other) {
    return graph[other].any && graph[other].at == graph[edge].at && !graph[boost::target(other, graph)].user_controlled;
  });
}

// The edges to user-controlled fences that can be reached from a kernel fence
// without passing another fence: through its job, the jobs in front of it, and
// the locks and pools that the flow needs.
std::vector<EdgeId> ways_to_userspace(const DependencyGraph& graph, VertexId fence) {
  std::vector<EdgeId> result;
  std::vector<bool> seen(boost::num_vertices(graph), false);
  std::vector<VertexId> worklist{fence};
  while (!worklist.empty()) {
    const VertexId vertex = worklist.back();
    worklist.pop_back();
    if (seen[vertex]) continue;
    seen[vertex] = true;
    for (const EdgeId edge : boost::make_iterator_range(boost::out_edges(vertex, graph))) {
      const Vertex& next = graph[boost::target(edge, graph)];
      if (next.kind != VertexKind::fence)
        worklist.push_back(boost::target(edge, graph));
      else if (next.user_controlled && !has_kernel_alternative(graph, edge))
        result.push_back(edge);
    }
  }
  return result;
}

Finding contract(Rule rule, Place at, std::string message) {
  Finding finding;
  finding.kind = FindingKind::contract;
  finding.strength = Strength::potential;
  finding.rule = rule;
  finding.at = at;
  finding.message = std::move(message);
  finding.closed = false;
  return finding;
}

// FDG020.
void find_indefinite_fences(const System& system, const SystemGraph& graph, std::vector<Finding>& out) {
  const DependencyGraph& g = *graph.graph;
  for (std::uint32_t i = 0; i < system.fences.size(); ++i) {
    if (info(system.fences[i].kind).user_controlled) continue;
    for (const EdgeId& edge : ways_to_userspace(g, graph.fences[i])) {
      const Vertex& user = g[boost::target(edge, g)];
      const std::string kernel = fmt::format("kernel fence '{}'", system.fences[i].name);
      const std::string awaited = fmt::format("{} '{}'", user.detail, user.name);
      Finding finding = contract(Rule::indefinite_fence, g[edge].at,
                                 fmt::format("{} depends on {}, which userspace controls", kernel, awaited));
      finding.needs = Causes{}.with(Cause::userspace);
      finding.parties.push_back({kernel, {}, awaited, g[edge].cause, g[edge].label, g[edge].at, {}});
      out.push_back(std::move(finding));
    }
  }
}

// FDG041: what is waited for through a container is not what replacing, pruning and testing the object see.
void find_containers(const System& system, std::vector<Finding>& out) {
  const auto is_container = [&](FenceId fence) { return !system[fence].members.empty(); };
  const auto add = [&](Place at, FenceId fence, const std::string& into) {
    Finding finding = contract(Rule::container, at,
                               fmt::format("fence '{}' is an array, and is added to {}", system[fence].name, into));
    finding.parties.push_back({fmt::format("kernel fence '{}'", system[fence].name),
                               {},
                               into,
                               Cause::implicit_sync,
                               "its members are",
                               at,
                               {}});
    out.push_back(std::move(finding));
  };
  for (const Fence& fence : system.fences)
    for (const FenceId member : fence.members)
      if (is_container(member)) add(fence.at, member, fmt::format("the array '{}'", fence.name));
  for (const Reservation& reservation : system.reservations)
    for (const Attachment& each : reservation.attached)
      if (is_container(each.fence))
        add(reservation.at, each.fence, fmt::format("the reservation object of '{}'", reservation.name));
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program)
      if (const auto* attach = std::get_if<Attach>(&step.action); attach != nullptr && is_container(attach->fence))
        add(step.at, attach->fence, fmt::format("the reservation object of '{}'", system[attach->reservation].name));
}

// What the lowering has seen in the text of binds, syncobjs and user memory.
void find_breaches(const System& system, std::vector<Finding>& out) {
  for (const RuleBreach& each : system.breaches) {
    Finding finding = contract(each.rule, each.at, each.what);
    finding.parties.push_back({each.who, {}, each.meets, each.cause, std::string(info(each.rule).says), each.at, {}});
    out.push_back(std::move(finding));
  }
}

}  // namespace

std::vector<Finding> broken_contracts(const System& system, const SystemGraph& graph) {
  std::vector<Finding> all;
  find_indefinite_fences(system, graph, all);
  find_containers(system, all);
  find_breaches(system, all);
  std::vector<Finding> result;
  for (Finding& finding : all) {
    finding.fingerprint = fingerprint(finding);
    const auto same = [&](const Finding& other) { return other.fingerprint == finding.fingerprint; };
    if (std::ranges::none_of(result, same)) result.push_back(std::move(finding));
  }
  return result;
}

}  // namespace fencecheck
