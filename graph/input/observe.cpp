// Findings, answers and the graph of a trace.
#include "graph/input/observe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "graph/input/observed_findings.hpp"
#include "graph/input/observed_hangs.hpp"
#include "graph/input/wait_history.hpp"

namespace fencecheck {
namespace {

// Tasks and fences of the trace as vertices, numbered in the order of the waits.
class GraphBuilder {
 public:
  GraphBuilder(const Trace& trace, const WaitHistory& history, DependencyGraph& graph)
      : trace_(trace), history_(history), graph_(graph) {}
  void add(const Need& need);
  [[nodiscard]] Cycle cycle(const ObservedHang& hang) const;
  [[nodiscard]] std::size_t tasks() const { return tasks_.size(); }
  [[nodiscard]] std::size_t fences() const { return fences_.size(); }

 private:
  VertexId task(Pid pid, Moment at);
  VertexId fence(LifeId id);

  const Trace& trace_;
  const WaitHistory& history_;
  DependencyGraph& graph_;
  std::map<Pid, VertexId> tasks_;
  std::map<LifeId, VertexId> fences_;
};

void GraphBuilder::add(const Need& need) {
  const VertexId waiter = task(need.pid, need.begin());
  const VertexId awaited = fence(need.life);
  if (boost::edge(waiter, awaited, graph_).second) return;
  const TraceEvent& event = trace_.events[need.begin()];
  Edge edge;
  edge.cause = wait_cause(trace_.stacks[event.stack]);
  edge.at = {event.line, 0, 1};
  edge.label = trace_.timed ? "waits " + duration(waited(trace_, need)) : "waits";
  boost::add_edge(waiter, awaited, edge, graph_);
}

VertexId GraphBuilder::task(Pid pid, Moment at) {
  const auto known = tasks_.find(pid);
  if (known != tasks_.end()) return known->second;
  const Place place{trace_.events[at].line, 0, 1};
  const VertexId vertex =
      boost::add_vertex(Vertex{task_name(trace_, history_, pid), VertexKind::task, false, place, ""}, graph_);
  return tasks_.emplace(pid, vertex).first->second;
}

VertexId GraphBuilder::fence(LifeId id) {
  const auto known = fences_.find(id);
  if (known != fences_.end()) return known->second;
  const FenceLife& life = history_.lives[id];
  Vertex vertex{fence_name(trace_, life), VertexKind::fence, false, {}, ""};
  if (life.created != never) vertex.at = {trace_.events[life.created].line, 0, 1};
  const VertexId made = boost::add_vertex(vertex, graph_);
  fences_.emplace(id, made);
  if (const auto pid = owner(trace_, history_, life)) {
    const VertexId owing = task(*pid, life.created);
    graph_[owing].user_controlled = true;
    const std::string label = fmt::format("signalled by {}", life.user_signalled->signalled_by);
    boost::add_edge(made, owing, Edge{Cause::userspace, false, label, vertex.at}, graph_);
  }
  return made;
}

Cycle GraphBuilder::cycle(const ObservedHang& hang) const {
  Cycle cycle;
  for (std::size_t index = 0; index < hang.needs.size(); ++index) {
    const Need& need = history_.needs[hang.needs[index]];
    const Need& next = history_.needs[hang.needs[(index + 1) % hang.needs.size()]];
    const VertexId awaited = fences_.at(need.life);
    cycle.push_back(boost::edge(tasks_.at(need.pid), awaited, graph_).first);
    cycle.push_back(boost::edge(awaited, tasks_.at(next.pid), graph_).first);
  }
  return cycle;
}

std::string counted(std::size_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

// The longest need that was not ended by a task whose business that was; nullptr if there is none.
const Need* longest_wait(const Trace& trace, const WaitHistory& history) {
  const Need* longest = nullptr;
  for (const Need& need : history.needs) {
    const FenceLife& life = history.lives[need.life];
    const bool explained =
        need.how == NeedEnd::signal && life.user_signalled != nullptr && signaller(trace, life) == Signaller::task;
    if (explained) continue;
    if (longest == nullptr || waited(trace, need) > waited(trace, *longest)) longest = &need;
  }
  return longest;
}

// A wait for hardware, or for anybody else who is not known, that took too long to call the trace healthy.
std::string unexplained(const Trace& trace, const WaitHistory& history, const Need& need) {
  return fmt::format("{} {} {} for fence {} (line {}){}", task_name(trace, history, need.pid),
                     need.how == NeedEnd::open ? "had been waiting" : "waited", duration(waited(trace, need)),
                     fence_name(trace, history.lives[need.life]), trace.events[need.begin()].line,
                     need.how == NeedEnd::open ? " when the recording ended" : ", and the trace does not show why");
}

std::string gaps(const Trace& trace) {
  std::string gaps;
  for (const Loss& loss : trace.losses) {
    if (!loss.gap) continue;
    gaps += fmt::format("{}{} {} (first at line {})", gaps.empty() ? "" : ", ", loss.count, loss.what, loss.first.line);
  }
  return gaps;
}

Answer answer(const Trace& trace, const WaitHistory& history, std::size_t found) {
  Answer answer{"observed-hangs", Verdict::unknown, ""};
  const Need* longest = longest_wait(trace, history);
  if (found != 0) {
    answer.verdict = Verdict::violated;
    answer.reason = counted(found, "hang") + " in the trace";
  } else if (trace.fences == 0) {
    answer.reason = "the trace holds no dma_fence events: record with 'trace-cmd record -e dma_fence'";
  } else if (const std::string lost = gaps(trace); !lost.empty()) {
    answer.reason = "events are missing, so that finding nothing proves nothing: " + lost;
  } else if (longest != nullptr && waited(trace, *longest) >= late_wait) {
    answer.reason = unexplained(trace, history, *longest);
  } else {
    answer.verdict = Verdict::holds;
    answer.reason = fmt::format("in this recording: {} seen, none in a cycle and none ended by a timer",
                                counted(history.needs.size(), "wait"));
  }
  return answer;
}

bool any_user_signalled(const WaitHistory& history) {
  return std::ranges::any_of(history.lives, [](const FenceLife& life) { return life.user_signalled != nullptr; });
}

// What the answer rests on; each sentence only where it applies.
std::vector<std::string> assumptions(const Trace& trace, const WaitHistory& history, const Hangs& hangs) {
  std::vector<std::string> said;
  const auto say = [&](bool applies, std::string sentence) {
    if (applies) said.push_back(std::move(sentence));
  };
  const auto open = static_cast<std::size_t>(
      std::ranges::count(history.needs, NeedEnd::open, [](const Need& need) { return need.how; }));
  say(any_user_signalled(history), "a fence of sw_sync or vgem is owed by the task that created it");
  for (const Pid pid : history.delegating) {
    say(true, fmt::format("nobody is taken to owe the fences of {}: other tasks signalled some of them",
                          task_name(trace, history, pid)));
  }
  say(trace.fences != 0, "who owes a fence of a hardware driver is not known, so cycles through one are not seen");
  say(trace.fences != 0,
      "waits without dma_fence_wait_start are not seen: poll, syncobj waits, wait-any, scheduler dependencies");
  say(trace.fences != 0 && !trace.marked,
      "without a flags column a signal counts as the named task's own, except by the idle task or once the driver's "
      "timer was due");
  say(!trace.timed, "the trace's clock only counts, so that nothing is said about how long waits lasted");
  say(open != 0,
      fmt::format("{} still open when the recording ended", counted(open, "wait") + (open == 1 ? " was" : " were")));
  say(hangs.short_lived != 0, fmt::format("{} of less than {} not reported",
                                          counted(hangs.short_lived, "cycle or timeout"), duration(long_wait)));
  say(hangs.hidden != 0,
      fmt::format("{} not reported because events are missing that may have ended it", counted(hangs.hidden, "cycle")));
  return said;
}

}  // namespace

Observation observe(const Trace& trace) {
  const WaitHistory history = wait_history(trace);
  Hangs hangs = find_hangs(trace, history);
  std::ranges::stable_sort(hangs.found, {}, &ObservedHang::kind);
  Observation observation;
  const auto graph = std::make_shared<DependencyGraph>();
  GraphBuilder builder(trace, history, *graph);
  for (const Need& need : history.needs) builder.add(need);
  std::map<std::string, std::size_t> known;  // one problem, one finding, which counts how often it happened
  for (const ObservedHang& hang : hangs.found) {
    Finding finding = describe(trace, history, hang);
    const auto [entry, is_new] = known.try_emplace(finding.fingerprint, observation.findings.size());
    if (!is_new) {
      ++observation.findings[entry->second].count;
      continue;
    }
    if (hang.closed) observation.cycles.push_back(builder.cycle(hang));
    observation.findings.push_back(std::move(finding));
  }
  observation.graph = graph;
  observation.answers.push_back(answer(trace, history, hangs.found.size()));
  observation.losses = trace.losses;
  observation.assumptions = assumptions(trace, history, hangs);
  observation.size = fmt::format("{}, {}, {}", counted(builder.tasks(), "task"), counted(builder.fences(), "fence"),
                                 counted(history.needs.size(), "wait"));
  return observation;
}

}  // namespace fencecheck
