// One pass over the events; what each need came to is settled at the end.
#include "graph/input/wait_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace fencecheck {
namespace {

// Longest pause between two waits of one need: a signal handler takes milliseconds.
constexpr std::uint64_t restart_limit = 1'000'000'000;  // ns
// Effects may be recorded before their causes on another CPU (trace-facts 0.9).
constexpr std::uint64_t clock_skew = 100'000;  // ns

struct KeyHash {
  std::size_t operator()(FenceKey key) const {
    return std::hash<std::uint64_t>{}(std::uint64_t{key.context} << 32U | key.seqno);
  }
};

class HistoryBuilder {
 public:
  explicit HistoryBuilder(const Trace& trace) : trace_(trace) {}
  WaitHistory build();

 private:
  void take(Moment now);
  void create(Moment now);
  void emit(Moment now);
  void start_wait(Moment now);
  void end_wait(Moment now);
  void exit(Moment now);
  void settle(Need& need) const;
  void name_task(const TraceEvent& event);
  void find_delegates();
  LifeId life_of(const TraceEvent& event);
  LifeId new_life(const TraceEvent& event);
  void learn_names(FenceLife& life, const TraceEvent& event) const;
  bool restarts(const Need& need, LifeId life, Moment now) const;

  const Trace& trace_;
  WaitHistory history_;
  std::unordered_map<FenceKey, LifeId, KeyHash> current_;
  std::unordered_map<Pid, std::vector<NeedId>> open_;  // innermost wait last
  std::unordered_map<Pid, NeedId> interrupted_;        // given up, and nothing else done since
  std::map<Pid, bool> named_at_wait_;
};

WaitHistory HistoryBuilder::build() {
  for (Moment now = 0; now < trace_.events.size(); ++now) take(now);
  for (Need& need : history_.needs) settle(need);
  find_delegates();
  return std::move(history_);
}

void HistoryBuilder::take(Moment now) {
  const TraceEvent& event = trace_.events[now];
  if (event.kind == TraceEventKind::sched_switch) return exit(now);
  const bool own_work = event.context != TraceContext::interrupt;
  if (own_work) name_task(event);
  const bool other_work = event.kind == TraceEventKind::init || event.kind == TraceEventKind::signaled;
  if (own_work && other_work) interrupted_.erase(event.pid);
  if (event.kind == TraceEventKind::init) return create(now);
  if (event.kind == TraceEventKind::emit) return emit(now);
  if (event.kind == TraceEventKind::wait_start && own_work) return start_wait(now);
  if (event.kind == TraceEventKind::wait_end && own_work) return end_wait(now);
  const LifeId id = life_of(event);
  FenceLife& life = history_.lives[id];
  if (event.kind == TraceEventKind::signaled && life.signalled == never) life.signalled = now;
  if (event.kind == TraceEventKind::destroy) current_.erase(event.fence);
}

void HistoryBuilder::create(Moment now) {
  const TraceEvent& event = trace_.events[now];
  history_.lives[new_life(event)].created = now;
}

// virtio_gpu creates fences with the number 0 and numbers them here (trace-facts 0.4).
void HistoryBuilder::emit(Moment now) {
  const TraceEvent& event = trace_.events[now];
  const auto unnumbered = current_.find({event.fence.context, 0});
  if (unnumbered == current_.end() || current_.contains(event.fence)) return;
  const LifeId id = unnumbered->second;
  FenceLife& life = history_.lives[id];
  if (life.created == never || trace_.events[life.created].pid != event.pid) return;
  current_.erase(unnumbered);
  life.key = event.fence;
  current_.emplace(event.fence, id);
}

void HistoryBuilder::start_wait(Moment now) {
  const TraceEvent& event = trace_.events[now];
  const LifeId id = life_of(event);
  if (history_.lives[id].signalled != never) return;
  std::vector<NeedId>& open = open_[event.pid];
  const auto again = std::ranges::find_if(open, [&](NeedId need) { return history_.needs[need].life == id; });
  const auto before = interrupted_.find(event.pid);
  if (again != open.end()) {  // the end of the wait before was not recorded
    history_.needs[*again].spans.back().end = now;
    history_.needs[*again].spans.push_back({now, never});
  } else if (before != interrupted_.end() && restarts(history_.needs[before->second], id, now)) {
    history_.needs[before->second].spans.push_back({now, never});
    open.push_back(before->second);
  } else {
    open.push_back(static_cast<NeedId>(history_.needs.size()));
    history_.needs.push_back({event.pid, id, {{now, never}}});
  }
  interrupted_.erase(event.pid);
}

bool HistoryBuilder::restarts(const Need& need, LifeId life, Moment now) const {
  const std::uint64_t paused = trace_.events[now].time - trace_.events[need.spans.back().end].time;
  return need.life == life && (!trace_.timed || paused <= restart_limit);
}

void HistoryBuilder::end_wait(Moment now) {
  const TraceEvent& event = trace_.events[now];
  std::vector<NeedId>& open = open_[event.pid];
  const auto last = std::find_if(open.rbegin(), open.rend(), [&](NeedId need) {
    return history_.lives[history_.needs[need].life].key == event.fence;
  });
  if (last == open.rend()) return;
  Need& need = history_.needs[*last];
  need.spans.back().end = now;
  if (history_.lives[need.life].signalled == never) interrupted_[event.pid] = *last;
  open.erase(std::next(last).base());
}

void HistoryBuilder::exit(Moment now) {
  const Pid pid = trace_.events[now].pid;
  history_.exits.emplace(pid, now);
  for (const NeedId need : open_[pid]) history_.needs[need].spans.back().end = now;
  open_[pid].clear();
  interrupted_.erase(pid);
}

// How a need ended can be said only when the signal is known.
void HistoryBuilder::settle(Need& need) const {
  const Moment signalled = history_.lives[need.life].signalled;
  const Moment end = need.spans.back().end;
  const auto soon_after = [&] {
    return trace_.timed && trace_.events[signalled].time <= trace_.events[end].time + clock_skew;
  };
  if (signalled != never && (end == never || signalled < end || soon_after())) {
    need.how = NeedEnd::signal;
    need.end = signalled;
  } else if (end != never) {
    need.how = NeedEnd::gave_up;
    need.end = end;
  }
}

void HistoryBuilder::name_task(const TraceEvent& event) {
  if (trace_.names[event.comm] == "<...>") return;  // the kernel had forgotten it
  const bool at_wait = event.kind == TraceEventKind::wait_start;
  if (!history_.comms.contains(event.pid) || (at_wait && !named_at_wait_[event.pid])) {
    history_.comms[event.pid] = event.comm;
    named_at_wait_[event.pid] = at_wait;
  }
}

void HistoryBuilder::find_delegates() {
  for (const FenceLife& life : history_.lives) {
    if (life.user_signalled == nullptr || life.created == never || signaller(trace_, life) != Signaller::task) continue;
    const Pid creator = trace_.events[life.created].pid;
    if (trace_.events[life.signalled].pid != creator) history_.delegating.insert(creator);
  }
}

LifeId HistoryBuilder::life_of(const TraceEvent& event) {
  const auto known = current_.find(event.fence);
  if (known == current_.end()) return new_life(event);
  learn_names(history_.lives[known->second], event);
  return known->second;
}

LifeId HistoryBuilder::new_life(const TraceEvent& event) {
  const auto id = static_cast<LifeId>(history_.lives.size());
  FenceLife& life = history_.lives.emplace_back();
  life.key = event.fence;
  learn_names(life, event);
  current_[event.fence] = id;
  return id;
}

// After the signal, Linux 6.17 and later prints stand-in names, cut to the
// length of the real ones if it signals at that very moment (trace-facts 0.1).
void HistoryBuilder::learn_names(FenceLife& life, const TraceEvent& event) const {
  const std::string& driver = trace_.names[event.driver];
  const std::string& timeline = trace_.names[event.timeline];
  if (life.driver != 0 || driver.starts_with("detached-") || timeline == "signaled-timeline") return;
  life.driver = event.driver;
  life.timeline = event.timeline;
  life.user_signalled = user_signalled(driver);
}

}  // namespace

WaitHistory wait_history(const Trace& trace) { return HistoryBuilder(trace).build(); }

Signaller signaller(const Trace& trace, const FenceLife& life) {
  if (life.signalled == never) return Signaller::unseen;
  const TraceEvent& signal = trace.events[life.signalled];
  const bool has_timer = life.user_signalled != nullptr && life.user_signalled->fallback_timer.count() > 0;
  if (signal.context == TraceContext::interrupt) return has_timer ? Signaller::timer : Signaller::interrupt;
  // Without flags the timer's interrupt looks like the task that it interrupted.
  if (has_timer && signal.context == TraceContext::unmarked && life.created != never && trace.timed) {
    const std::uint64_t begin = trace.events[life.created].time;
    const std::uint64_t age = signal.time > begin ? signal.time - begin : 0;
    const auto timer = static_cast<std::uint64_t>(life.user_signalled->fallback_timer.count()) * 1'000'000;
    if (age >= timer) return Signaller::timer;
  }
  return Signaller::task;
}

std::optional<Pid> owner(const Trace& trace, const WaitHistory& history, const FenceLife& life) {
  if (life.user_signalled == nullptr || life.created == never) return std::nullopt;
  const TraceEvent& creation = trace.events[life.created];
  if (creation.context == TraceContext::interrupt || history.delegating.contains(creation.pid)) return std::nullopt;
  return creation.pid;
}

std::string task_name(const Trace& trace, const WaitHistory& history, Pid pid) {
  const auto comm = history.comms.find(pid);
  return fmt::format("{}-{}", comm == history.comms.end() ? "<...>" : trace.names[comm->second], pid);
}

std::string fence_name(const Trace& trace, const FenceLife& life) {
  const std::string key = fmt::format("{}:{}", life.key.context, life.key.seqno);
  if (life.driver == 0) return key;
  return fmt::format("{}/{} {}", trace.names[life.driver], trace.names[life.timeline], key);
}

}  // namespace fencecheck
