// A hang, told: the message, the parties with their waits, the notes.
#include "graph/input/observed_findings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/input/wait_site.hpp"

namespace fencecheck::observed {
namespace {

std::string key_of(const FenceLife& life) { return fmt::format("{}:{}", life.key.context, life.key.seqno); }

// What every sentence about one hang needs at hand.
class Teller {
 public:
  Teller(const Reconstruction& seen, const ObservedHang& hang) : seen_(seen), hang_(hang) {}
  Finding tell() const;

 private:
  [[nodiscard]] std::string message() const;
  [[nodiscard]] std::string ending() const;
  [[nodiscard]] std::string path() const;
  [[nodiscard]] Party party(std::size_t index) const;
  [[nodiscard]] Party idle_party() const;
  [[nodiscard]] std::vector<WaitInterval> intervals(const Wait& wait) const;
  [[nodiscard]] std::string ended_by(const Wait& wait, std::size_t span) const;
  [[nodiscard]] std::string signalled_by(const FenceLife& life) const;
  [[nodiscard]] std::string releaser(std::size_t index) const;
  [[nodiscard]] std::string owes(const WaitStep& step) const;
  [[nodiscard]] std::vector<std::string> notes() const;
  [[nodiscard]] Causes causes() const;
  [[nodiscard]] std::uint64_t longest() const;
  [[nodiscard]] std::optional<Pid> idle() const;
  [[nodiscard]] const FenceLife* timed_fence() const;
  [[nodiscard]] bool timed() const { return seen_.facts().timed; }
  [[nodiscard]] std::string timer(const FenceLife& life) const;
  [[nodiscard]] std::string name(const Actor& actor) const { return actor_name(seen_, actor); }

  const Reconstruction& seen_;
  const ObservedHang& hang_;
};

Finding Teller::tell() const {
  Finding finding;
  finding.kind = hang_.kind;
  const bool inferred = std::ranges::any_of(hang_.path, &WaitStep::inferred);
  finding.strength = inferred ? Strength::potential : Strength::observed;
  std::uint32_t closing = 0;
  for (const WaitStep& step : hang_.path) {
    if (step.wait) closing = std::max(closing, step.line);
  }
  finding.at = {hang_.closed ? closing : hang_.breaking->first().line, 0, 1};
  finding.message = message();
  for (std::size_t index = 0; index < hang_.path.size(); ++index) finding.parties.push_back(party(index));
  if (idle()) finding.parties.push_back(idle_party());
  finding.closed = hang_.closed;
  if (hang_.kind == FindingKind::stall && timed()) finding.lasts = Microseconds(longest() / 1000);
  finding.needs = causes();
  finding.notes = notes();
  finding.fingerprint = fingerprint(finding);
  return finding;
}

// Without lockdep's knowledge of why, the arrows themselves say which causes a hang needs.
Causes Teller::causes() const {
  Causes causes;
  for (const WaitStep& step : hang_.path) {
    const bool user = step.fence && step.fence->user_signalled != nullptr;
    causes = causes.with(user ? Cause::userspace : step.cause);
  }
  return causes;
}

// Of a chain: who owes its last fence and does not wait.
std::optional<Pid> Teller::idle() const {
  const Actor& last = hang_.path.back().owner;
  return !hang_.closed && last.kind == Actor::Kind::task ? std::optional(last.pid) : std::nullopt;
}

// The fence nearest to the end of the path that a timer signalled.
const FenceLife* Teller::timed_fence() const {
  for (auto step = hang_.path.rbegin(); step != hang_.path.rend(); ++step) {
    if (step->fence && step->fence->user_signalled != nullptr && seen_.signaller(*step->fence) == Signaller::timer) {
      return step->fence.get();
    }
  }
  return nullptr;
}

std::string Teller::message() const {
  const std::size_t size = hang_.path.size();
  if (!hang_.closed && hang_.how == HangEnd::timer) {
    const FenceLife* missed = timed_fence();
    const auto step =
        std::ranges::find_if(hang_.path, [&](const WaitStep& each) { return each.fence.get() == missed; });
    const bool last = step + 1 == hang_.path.end();
    return fmt::format("{} waits for {}, which {} does not signal{}; {}", name(step->waiter),
                       awaited_name(seen_, *step), step->owner.kind == Actor::Kind::task ? name(step->owner) : "nobody",
                       last ? "" : " because it waits itself", ending());
  }
  if (!hang_.closed) {
    return fmt::format("{} waits for {}{}, which did not signal by itself; {}", name(hang_.path.front().waiter),
                       size == 1 ? "" : "what ends at ", awaited_name(seen_, hang_.path.back()), ending());
  }
  if (size == 1) {
    return fmt::format("{} waits for its own {}; {}", name(hang_.path[0].waiter), awaited_name(seen_, hang_.path[0]),
                       ending());
  }
  const bool tasks =
      std::ranges::all_of(hang_.path, [](const WaitStep& step) { return step.waiter.kind == Actor::Kind::task; });
  return fmt::format("{} {} wait for each other: {}; {}", size, tasks ? "tasks" : "parties", path(), ending());
}

// "client-0-104 -> client-1-105 -> client-0-104"
std::string Teller::path() const {
  std::string path;
  for (const WaitStep& step : hang_.path) path += name(step.waiter) + " -> ";
  return path + name(hang_.path.front().waiter);
}

std::string Teller::ending() const {
  const std::string after = timed() ? " after " + duration(longest()) : "";
  switch (hang_.how) {
    case HangEnd::timer:
      return fmt::format("ended{} by {}", after, timer(*timed_fence()));
    case HangEnd::recovery:
      return fmt::format("ended{} by recovery: {} (line {}){}", after, hang_.recovery, hang_.ended.line,
                         hang_.inferred ? ", as it seems: interrupts signal this driver's other fences" : "");
    case HangEnd::open:
      return fmt::format("still waiting at the end of the trace{}", after.empty() ? "" : "," + after);
    case HangEnd::gave_up:
      break;
  }
  const std::string gave_up = fmt::format("{} gave up{}", seen_.task_name(hang_.breaking->pid), after);
  return hang_.kind == FindingKind::deadlock ? "no fence ever signalled, " + gave_up : "ended when " + gave_up;
}

Party Teller::party(std::size_t index) const {
  const WaitStep& mine = hang_.path[index];
  Party party;
  party.name = name(mine.waiter);
  if (hang_.closed || index > 0) {
    party.holds.push_back(owes(hang_.path[index > 0 ? index - 1 : hang_.path.size() - 1]));
  }
  party.waits_for = awaited_name(seen_, mine);
  party.cause = mine.cause;
  party.released_by = releaser(index);
  party.at = {mine.line, 0, 1};
  if (mine.wait) party.waits = intervals(*mine.wait);
  return party;
}

Party Teller::idle_party() const {
  const WaitStep& last = hang_.path.back();
  Party party;
  party.name = name(last.owner);
  party.holds.push_back(owes(last));
  party.cause = Cause::userspace;
  party.at = {last.fence->created.line, 0, 1};
  const Task* task = seen_.task(last.owner.pid);
  party.released_by = task == nullptr || !task->exited.seen()
                          ? "nothing: it was not waiting, and did not signal"
                          : fmt::format("nothing: it exited at line {}", task->exited.line);
  return party;
}

// What the owner of this step has that its waiter needs.
std::string Teller::owes(const WaitStep& step) const {
  if (step.fence) {
    const bool container = step.owner.kind == Actor::Kind::container;
    if (hang_.hindsight && &step == &hang_.path.back()) {
      return fmt::format("owes {}, which it signalled at line {}", awaited_name(seen_, step),
                         step.fence->signalled.line);
    }
    if (container) return fmt::format("is {}", awaited_name(seen_, step));
    const bool job = step.owner.kind == Actor::Kind::job;
    const std::uint32_t line = job ? step.owner.job->queued.line : step.fence->created.line;
    return fmt::format("owes {}, {} at line {}", awaited_name(seen_, step), job ? "pushed" : "created", line);
  }
  if (!step.wait) return fmt::format("runs {}", name(step.waiter));
  if (hang_.hindsight && &step == &hang_.path.back()) {
    return fmt::format("holds {}: it woke {} when it released it", awaited_name(seen_, step), name(step.waiter));
  }
  return fmt::format("holds {}", awaited_name(seen_, step));
}

std::string Teller::releaser(std::size_t index) const {
  const WaitStep& step = hang_.path[index];
  const bool last = index + 1 == hang_.path.size();
  if (last && !hang_.closed && step.owner.kind == Actor::Kind::hardware) {
    return "released when the hardware finishes the job, which it did not";
  }
  const std::string act = step.fence  ? "signals " + key_of(*step.fence)
                          : step.wait ? "releases the lock"
                                      : "returns from run_job";
  const std::string released = fmt::format("released when {} {}", name(step.owner), act);
  if (!last || hang_.closed) return released + ", which it does only after its own wait";
  return released +
         (step.owner.kind == Actor::Kind::task ? ", which it did not do" : "; who has to is not in the trace");
}

std::vector<WaitInterval> Teller::intervals(const Wait& wait) const {
  std::vector<WaitInterval> intervals;
  for (std::size_t index = 0; index < wait.spans.size(); ++index) {
    const WaitSpan& span = wait.spans[index];
    WaitInterval interval;
    if (timed()) {
      const std::uint64_t end = span.end_line == 0 ? seen_.facts().last_time : span.end;
      interval.begin = Microseconds(span.begin / 1000);
      interval.length = Microseconds(end > span.begin ? (end - span.begin) / 1000 : 0);
    }
    interval.ended_by = ended_by(wait, index);
    interval.at = {span.line, 0, 1};
    intervals.push_back(std::move(interval));
  }
  return intervals;
}

std::string Teller::ended_by(const Wait& wait, std::size_t span) const {
  if (span + 1 < wait.spans.size()) return "interrupted or timed out, then restarted";
  if (wait.how == WaitEnd::gave_up) return "interrupted or timed out";
  if (wait.how == WaitEnd::open) return "still waiting at the end of the trace";
  if (wait.fence) return "signal by " + signalled_by(*wait.fence);
  const WaitStep& last = hang_.path.back();
  const bool woken = hang_.hindsight && last.wait.get() == &wait;
  return woken ? fmt::format("until {} released the lock", name(last.owner)) : "until the lock was released";
}

std::string Teller::signalled_by(const FenceLife& life) const {
  const Signaller who = seen_.signaller(life);
  if (who == Signaller::timer) return timer(life);
  return who == Signaller::task ? seen_.task_name(life.signalled.pid) : "an interrupt";
}

// "vgem's 10 s timer"
std::string Teller::timer(const FenceLife& life) const {
  return fmt::format("{}'s {} s timer", life.user_signalled->driver,
                     life.user_signalled->fallback_timer.count() / 1000);
}

std::vector<std::string> Teller::notes() const {
  std::vector<std::string> notes;
  for (const WaitStep& step : hang_.path) {
    if (step.inferred)
      notes.push_back(
          fmt::format("that {} is a member of {} is inferred", awaited_name(seen_, step), name(step.waiter)));
    if (!step.wait) continue;
    if (const std::string site = wait_site(step.wait->stack); !site.empty()) {
      notes.push_back(fmt::format("{} waits in {} (line {})", name(step.waiter), site, step.line));
    }
    if (!step.wait->under.empty())
      notes.push_back(fmt::format("{} waits inside {}", name(step.waiter), step.wait->under));
  }
  for (const WaitRef& wait : hang_.followers) {
    notes.push_back(fmt::format("{} waited for {} too{}", seen_.task_name(wait->pid),
                                wait->fence ? "fence " + seen_.fence_name(*wait->fence) : "a lock",
                                timed() ? ", " + duration(waited(seen_.facts(), *wait)) : ""));
  }
  if (hang_.how != HangEnd::open) return notes;
  for (const WaitStep& step : hang_.path) {
    const UserSignalledInfo* row = step.fence ? step.fence->user_signalled : nullptr;
    if (row == nullptr || row->fallback_timer.count() == 0) continue;
    notes.push_back(fmt::format("{} had not fired when the recording ended", timer(*step.fence)));
    break;
  }
  return notes;
}

std::uint64_t Teller::longest() const {
  std::uint64_t longest = 0;
  for (const WaitStep& step : hang_.path) {
    if (step.wait) longest = std::max(longest, waited(seen_.facts(), *step.wait));
  }
  return longest;
}

// The last that was seen of what a chain ends at.
std::string last_sign(const Reconstruction& seen, const WaitPath& path) {
  if (path.empty()) return "";
  const WaitStep& last = path.back();
  if (!last.fence) return last.wait ? ", whose holder is not in the trace" : "";
  const FenceLife& life = *last.fence;
  if (last.owner.kind == Actor::Kind::hardware)
    return fmt::format("; the hardware has it since line {}", last.waiter.job->run.line);
  if (last.owner.kind == Actor::Kind::task) {
    const Task* task = seen.task(last.owner.pid);
    const bool gone = task != nullptr && task->exited.seen();
    const bool itself = last.waiter == last.owner;
    return fmt::format("; {} has to signal it{}", itself ? "that is its own fence: it" : seen.task_name(last.owner.pid),
                       gone ? fmt::format(", and exited at line {}", task->exited.line) : "");
  }
  if (last.owner.kind != Actor::Kind::nobody || !life.created.seen()) return "";
  std::string text = fmt::format("; {} created it at line {}", seen.task_name(life.created.pid), life.created.line);
  const auto own =
      std::ranges::find_if(path, [&](const WaitStep& step) { return step.waiter == task_actor(life.created.pid); });
  return own == path.end() ? text : text + " and waits itself: a cycle, if it has to signal it";
}

// Where a chain goes from its first step on, and how it ends.
std::string end_of(const Reconstruction& seen, const WaitPath& path) {
  std::string text;
  for (const WaitStep& step : path) {
    if (&step != &path.front())
      text += fmt::format("; {} waits for {}", actor_name(seen, step.waiter), awaited_name(seen, step));
  }
  return text + last_sign(seen, path);
}

}  // namespace

std::string duration(std::uint64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds);
  if (nanoseconds >= 1'000'000'000) return fmt::format("{:.1f} s", value / 1e9);
  if (nanoseconds >= 1'000'000) return fmt::format("{:.1f} ms", value / 1e6);
  return fmt::format("{:.1f} us", value / 1e3);
}

std::string actor_name(const Reconstruction& seen, const Actor& actor) {
  switch (actor.kind) {
    case Actor::Kind::task:
      return seen.task_name(actor.pid);
    case Actor::Kind::job:
      return seen.job_name(*actor.job);
    case Actor::Kind::container:
      return "fence " + seen.fence_name(*actor.container);
    case Actor::Kind::hardware:
      return "the hardware";
    case Actor::Kind::nobody:
      break;
  }
  return "somebody";
}

std::string awaited_name(const Reconstruction& seen, const WaitStep& step) {
  if (step.fence) return "fence " + seen.fence_name(*step.fence);
  if (!step.wait) {
    return fmt::format("{} {}", step.waiter.job->running ? "run_job in" : "its ring's worker",
                       actor_name(seen, step.owner));
  }
  return step.wait->lock_name.empty() ? fmt::format("lock {:x}", step.wait->lock) : "lock " + step.wait->lock_name;
}

namespace {

// "job 8:49 of ring gfx, queued at line 3, had not run when the recording ended, 60.0 s later; ..."
std::string describe_job(const Reconstruction& seen, const Late& late) {
  const Job& job = *late.job;
  std::string text = fmt::format("{}, queued at line {}, ", seen.job_name(job), job.queued.line);
  if (job.finished->signalled.seen())
    return text + fmt::format("took {} until its fence signalled (line {})", duration(late.lasted),
                              job.finished->signalled.line);
  text += fmt::format("had not {} when the recording ended, {} later", job.run.seen() ? "finished" : "run",
                      duration(late.lasted));
  for (const WaitStep& step : late.path) {
    const std::string waiter = step.waiter.job == late.job ? "it" : actor_name(seen, step.waiter);
    text += fmt::format("; {} waits for {}", waiter, awaited_name(seen, step));
  }
  return text + last_sign(seen, late.path);
}

}  // namespace

std::string describe(const Reconstruction& seen, const Late& late) {
  if (late.job) return describe_job(seen, late);
  const Wait& wait = *late.wait;
  const bool open = wait.how == WaitEnd::open;
  const std::string what = wait.fence               ? "fence " + seen.fence_name(*wait.fence)
                           : wait.lock_name.empty() ? fmt::format("lock {:x}", wait.lock)
                                                    : "lock " + wait.lock_name;
  return fmt::format("{} {} {} for {} (line {}){}{}", seen.task_name(wait.pid), open ? "had been waiting" : "waited",
                     duration(waited(seen.facts(), wait)), what, wait.first().line,
                     open ? " when the recording ended" : ", and the trace does not show why", end_of(seen, late.path));
}

Finding describe(const Reconstruction& seen, const ObservedHang& hang) { return Teller(seen, hang).tell(); }

}  // namespace fencecheck::observed
