// Schedules as a trace in Chrome's trace event format, which Perfetto loads too.
//
// A finding is a process, a thread of the schedule a thread. A schedule has an
// order and no clock: each step is one millisecond long, so that the ruler counts
// steps. Waits are slices, and a flow arrow leads from the step that ended a wait
// to the step that went on, and from what is stuck to what it waits for.
// Findings of traces have real times.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "encoders/report/paths.hpp"
#include "encoders/report/report_formats.hpp"
#include "encoders/sequence.hpp"

namespace fencecheck {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t step_length = 1000;  // microseconds

class Process {
 public:
  Process(Json& events, std::size_t& flows, std::size_t pid, const std::string& name)
      : events_(events), flows_(flows), pid_(pid) {
    event("M", 0, {{"name", "process_name"}, {"args", {{"name", name}}}});
    event("M", 0, {{"name", "process_sort_index"}, {"args", {{"sort_index", pid}}}});
  }

  void thread(std::size_t tid, const std::string& name) {
    event("M", tid, {{"name", "thread_name"}, {"args", {{"name", name}}}});
    event("M", tid, {{"name", "thread_sort_index"}, {"args", {{"sort_index", tid}}}});
  }

  void slice(std::size_t tid, std::string_view category, const std::string& name, std::int64_t begin,
             std::int64_t length, Json arguments) {
    event("X", tid,
          {{"name", name}, {"cat", category}, {"ts", begin}, {"dur", length}, {"args", std::move(arguments)}});
  }

  // Each end lies inside a slice, which the arrow then belongs to.
  void flow(std::string_view name, std::size_t from, std::int64_t begin, std::size_t to, std::int64_t end) {
    const std::size_t id = ++flows_;
    event("s", from, {{"name", name}, {"cat", "flow"}, {"id", id}, {"ts", begin}});
    event("f", to, {{"name", name}, {"cat", "flow"}, {"id", id}, {"ts", end}, {"bp", "e"}});
  }

 private:
  void event(std::string_view phase, std::size_t tid, const Json& rest) {
    Json whole{{"ph", phase}, {"pid", pid_}, {"tid", tid}};
    whole.update(rest);
    events_.push_back(std::move(whole));
  }

  Json& events_;
  std::size_t& flows_;
  std::size_t pid_;
};

Json arguments(const Finding& finding, const ScheduleStep& step) {
  Json result = Json::object();
  if (!step.context.empty()) result["why"] = step.context;
  if (step.at.line != 0) result["line"] = step.at.line;
  for (const StateChange& change : step.changes) {
    const ObjectState& object = finding.objects[change.object];
    result[fmt::format("{} '{}'", object.kind, object.name)] = change.value;
  }
  return result;
}

void add_schedule(Process& process, const Finding& finding) {
  const Sequence drawn = sequence(finding, {}, 0);
  for (std::size_t lane = 0; lane < drawn.lanes.size(); ++lane) process.thread(lane + 1, drawn.lanes[lane]);
  const auto completed = static_cast<std::int64_t>(std::ranges::count(finding.schedule, false, &ScheduleStep::blocks));
  const std::int64_t end = (completed + 2) * step_length;
  std::vector<std::int64_t> free_at(drawn.lanes.size(), 0);  // since when the thread is at its next step
  for (std::size_t i = 0; i < finding.schedule.size(); ++i) {
    const ScheduleStep& step = finding.schedule[i];
    const std::size_t lane = drawn.steps[i].lane;
    const std::int64_t begin = step.blocks ? end : static_cast<std::int64_t>(i) * step_length;
    const bool waited = step.blocks || step.released_by;
    if (waited && begin > free_at[lane])
      process.slice(lane + 1, info(step.cause).id,
                    step.blocks ? fmt::format("{}, {}", step.action, how_long(finding, step))
                                : fmt::format("{}: has to wait", step.action),
                    free_at[lane], begin - free_at[lane], arguments(finding, step));
    if (!step.blocks) process.slice(lane + 1, "step", step.action, begin, step_length, arguments(finding, step));
    free_at[lane] = begin + step_length;
  }
  for (const SequenceArrow& arrow : drawn.arrows) {
    const auto middle = [&](std::size_t step) {
      return static_cast<std::int64_t>(step) * step_length + step_length / 2;
    };
    process.flow(arrow.label, drawn.steps[arrow.from].lane + 1, arrow.waits ? end - 2 : middle(arrow.from),
                 drawn.steps[arrow.to].lane + 1, arrow.waits ? end - 1 : middle(arrow.to));
  }
}

// Waits that were observed. Those of one party that overlap get tracks of their own.
void add_waits(Process& process, const Finding& finding) {
  std::size_t tid = 0;
  for (const Party& party : finding.parties) {
    std::vector<const WaitInterval*> waits;
    for (const WaitInterval& wait : party.waits) waits.push_back(&wait);
    std::ranges::stable_sort(waits, {}, [](const WaitInterval* wait) { return wait->begin; });
    std::vector<std::pair<std::size_t, Microseconds>> tracks;  // and when each is free again
    for (const WaitInterval* wait : waits) {
      auto track = std::ranges::find_if(tracks, [&](const auto& each) { return each.second <= wait->begin; });
      if (track == tracks.end()) {
        track = tracks.insert(track, {++tid, Microseconds{0}});
        process.thread(tid, party.name);
      }
      track->second = wait->begin + wait->length;
      process.slice(track->first, info(party.cause).id, "waits for " + party.waits_for, wait->begin.count(),
                    wait->length.count(), {{"ended by", wait->ended_by}});
    }
  }
}

}  // namespace

std::string write_perfetto(const Run& run, const Style&) {
  Json events = Json::array();
  std::size_t flows = 0;
  std::size_t pid = 0;
  for (const Checked& input : run.inputs) {
    if (!input.report) continue;
    for (const Finding& finding : input.report->findings) {
      const bool observed = std::ranges::any_of(finding.parties, [](const Party& each) { return !each.waits.empty(); });
      if (finding.schedule.empty() && !observed) continue;
      Process process(events, flows, ++pid,
                      fmt::format("{}: {}: {} {}", report_path(run, input.source), info(finding.kind).id,
                                  finding.message, finding.fingerprint));
      if (observed)
        add_waits(process, finding);
      else
        add_schedule(process, finding);
    }
  }
  const Json trace{{"traceEvents", std::move(events)},
                   {"displayTimeUnit", "ms"},
                   {"otherData", {{"made by", "fencecheck " + run.version}, {"time", "schedules: 1 ms is one step"}}}};
  return trace.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fencecheck
