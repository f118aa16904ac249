// A hang, told: the message, the parties with their waits, the notes.
#include "graph/input/observed_findings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fencecheck {
namespace {

// Frames that every wait has: the tracepoint, the wait itself, the way into the kernel.
constexpr auto common_frames = std::to_array<std::string_view>(
    {"trace_event_raw_event_", "__traceiter_", "dma_fence_wait_timeout", "dma_fence_default_wait", "__x64_sys_",
     "__do_sys_", "__se_sys_", "__arm64_sys_", "x64_sys_call", "do_syscall_64", "entry_SYSCALL", "do_el0_svc",
     "el0_svc", "el0t_64_", "invoke_syscall", "el0_svc_common", "ret_from_fork", "kthread"});

// What every sentence about one hang needs at hand.
class Teller {
 public:
  Teller(const Trace& trace, const WaitHistory& history, const ObservedHang& hang)
      : trace_(trace), history_(history), hang_(hang) {}
  Finding tell() const;

 private:
  [[nodiscard]] std::string message() const;
  [[nodiscard]] std::string ending() const;
  [[nodiscard]] std::string path() const;
  [[nodiscard]] Party party(std::size_t index) const;
  [[nodiscard]] Party idle_party() const;
  [[nodiscard]] std::vector<WaitInterval> intervals(const Need& need) const;
  [[nodiscard]] std::string ended_by(const Need& need, std::size_t span) const;
  [[nodiscard]] std::string signalled_by(const FenceLife& life) const;
  [[nodiscard]] std::string releaser(std::size_t index) const;
  [[nodiscard]] std::string owes(const FenceLife& life) const;
  [[nodiscard]] std::vector<std::string> notes() const;
  [[nodiscard]] std::uint64_t longest() const;

  [[nodiscard]] const Need& need(std::size_t index) const { return history_.needs[hang_.needs[index]]; }
  [[nodiscard]] const Need& breaking() const { return history_.needs[hang_.breaking]; }
  [[nodiscard]] const FenceLife& life(const Need& each) const { return history_.lives[each.life]; }
  [[nodiscard]] std::string task(Pid pid) const { return task_name(trace_, history_, pid); }
  [[nodiscard]] std::string fence(const FenceLife& each) const { return "fence " + fence_name(trace_, each); }
  [[nodiscard]] std::string timer(const FenceLife& each) const;
  [[nodiscard]] Place place(Moment moment) const { return {trace_.events[moment].line, 0, 1}; }
  [[nodiscard]] const std::vector<std::string>& stack(Moment moment) const {
    return trace_.stacks[trace_.events[moment].stack];
  }

  const Trace& trace_;
  const WaitHistory& history_;
  const ObservedHang& hang_;
};

Finding Teller::tell() const {
  Finding finding;
  finding.kind = hang_.kind;
  finding.strength = Strength::observed;
  finding.at = place(history_.needs[hang_.closing].begin());
  finding.message = message();
  for (std::size_t index = 0; index < hang_.needs.size(); ++index) finding.parties.push_back(party(index));
  if (hang_.idle) finding.parties.push_back(idle_party());
  finding.closed = hang_.closed;
  if (hang_.kind == FindingKind::stall && trace_.timed) finding.lasts = Microseconds(longest() / 1000);
  finding.needs = Causes().with(Cause::userspace);
  finding.notes = notes();
  finding.fingerprint = fingerprint(finding);
  return finding;
}

std::string Teller::message() const {
  if (!hang_.closed) {
    const FenceLife& missed = life(breaking());
    const bool last = hang_.breaking == hang_.needs.back();
    std::string who = "nobody";
    if (const auto pid = owner(trace_, history_, missed)) who = task(*pid);
    return fmt::format("{} waits for {}, which {} does not signal{}; {}", task(breaking().pid), fence(missed), who,
                       last ? "" : " because it waits itself", ending());
  }
  if (hang_.needs.size() == 1) {
    return fmt::format("{} waits for its own {}; {}", task(need(0).pid), fence(life(need(0))), ending());
  }
  return fmt::format("{} tasks wait for each other: {}; {}", hang_.needs.size(), path(), ending());
}

// "client-0-104 -> client-1-105 -> client-0-104"
std::string Teller::path() const {
  std::string path;
  for (const NeedId id : hang_.needs) path += task(history_.needs[id].pid) + " -> ";
  return path + task(need(0).pid);
}

std::string Teller::ending() const {
  const std::string after = trace_.timed ? " after " + duration(longest()) : "";
  if (breaking().how == NeedEnd::signal) return fmt::format("ended{} by {}", after, timer(life(breaking())));
  if (breaking().how == NeedEnd::open) {
    return fmt::format("still waiting at the end of the trace{}", after.empty() ? "" : "," + after);
  }
  const std::string gave_up = fmt::format("{} gave up{}", task(breaking().pid), after);
  return hang_.kind == FindingKind::deadlock ? "no fence ever signalled, " + gave_up : "ended when " + gave_up;
}

Party Teller::party(std::size_t index) const {
  const Need& mine = need(index);
  Party party;
  party.name = task(mine.pid);
  if (hang_.closed || index > 0) {
    const std::size_t before = index > 0 ? index - 1 : hang_.needs.size() - 1;
    party.holds.push_back(owes(life(need(before))));
  }
  party.waits_for = fence(life(mine));
  party.cause = wait_cause(stack(mine.begin()));
  party.released_by = releaser(index);
  party.at = place(mine.begin());
  party.waits = intervals(mine);
  return party;
}

Party Teller::idle_party() const {
  Party party;
  party.name = task(*hang_.idle);
  party.holds.push_back(owes(life(need(hang_.needs.size() - 1))));
  party.cause = Cause::userspace;
  party.at = place(life(need(hang_.needs.size() - 1)).created);
  const auto exit = history_.exits.find(*hang_.idle);
  party.released_by = exit == history_.exits.end()
                          ? "nothing: it was not waiting, and did not signal"
                          : fmt::format("nothing: it exited at line {}", trace_.events[exit->second].line);
  return party;
}

std::string Teller::owes(const FenceLife& each) const {
  return fmt::format("owes {}, created at line {}", fence(each), trace_.events[each.created].line);
}

std::string Teller::releaser(std::size_t index) const {
  const std::string key = fmt::format("{}:{}", life(need(index)).key.context, life(need(index)).key.seqno);
  const bool last = index + 1 == hang_.needs.size();
  if (last && !hang_.closed) {
    if (!hang_.idle) return fmt::format("somebody signalling {}; who has to is not in the trace", key);
    return fmt::format("{} signalling {}, which it did not do", task(*hang_.idle), key);
  }
  const std::string next = task(need(last ? 0 : index + 1).pid);
  return fmt::format("{} signalling {}, which it would do only after its own wait", next, key);
}

std::vector<WaitInterval> Teller::intervals(const Need& each) const {
  std::vector<WaitInterval> intervals;
  for (std::size_t index = 0; index < each.spans.size(); ++index) {
    const WaitSpan& span = each.spans[index];
    WaitInterval interval;
    if (trace_.timed) {
      const std::uint64_t begin = trace_.events[span.begin].time;
      const std::uint64_t end = span.end == never ? trace_.last_time : trace_.events[span.end].time;
      interval.begin = Microseconds(begin / 1000);
      interval.length = Microseconds(end > begin ? (end - begin) / 1000 : 0);
    }
    interval.ended_by = ended_by(each, index);
    interval.at = place(span.begin);
    intervals.push_back(std::move(interval));
  }
  return intervals;
}

std::string Teller::ended_by(const Need& each, std::size_t span) const {
  if (span + 1 < each.spans.size()) return "interrupted or timed out, then restarted";
  if (each.how == NeedEnd::gave_up) return "interrupted or timed out";
  if (each.how == NeedEnd::open) return "still waiting at the end of the trace";
  return "signal by " + signalled_by(life(each));
}

std::string Teller::signalled_by(const FenceLife& each) const {
  const Signaller who = signaller(trace_, each);
  if (who == Signaller::timer) return timer(each);
  return who == Signaller::task ? task(trace_.events[each.signalled].pid) : "an interrupt";
}

// "vgem's 10 s timer"
std::string Teller::timer(const FenceLife& each) const {
  return fmt::format("{}'s {} s timer", each.user_signalled->driver,
                     each.user_signalled->fallback_timer.count() / 1000);
}

std::vector<std::string> Teller::notes() const {
  std::vector<std::string> notes;
  for (const NeedId id : hang_.needs) {
    const Need& each = history_.needs[id];
    const std::string site = wait_site(stack(each.begin()));
    if (!site.empty()) {
      notes.push_back(fmt::format("{} waits in {} (line {})", task(each.pid), site, place(each.begin()).line));
    }
  }
  for (const NeedId id : hang_.followers) {
    const Need& each = history_.needs[id];
    notes.push_back(fmt::format("{} waited for {} too{}", task(each.pid), fence(life(each)),
                                trace_.timed ? ", " + duration(waited(trace_, each)) : ""));
  }
  const UserSignalledInfo* row = life(breaking()).user_signalled;
  if (breaking().how == NeedEnd::open && row != nullptr && row->fallback_timer.count() > 0) {
    notes.push_back(fmt::format("{} had not fired when the recording ended", timer(life(breaking()))));
  }
  return notes;
}

std::uint64_t Teller::longest() const {
  std::uint64_t longest = 0;
  for (const NeedId id : hang_.needs) longest = std::max(longest, waited(trace_, history_.needs[id]));
  return longest;
}

}  // namespace

Cause wait_cause(const std::vector<std::string>& stack) {
  for (const WaitSiteInfo& row : wait_site_table) {
    if (std::ranges::any_of(stack, [&](const std::string& frame) { return frame.starts_with(row.frame); })) {
      return row.cause;
    }
  }
  return Cause::explicit_sync;
}

std::string wait_site(const std::vector<std::string>& stack) {
  std::string site;
  for (const std::string& frame : stack) {
    const bool common = std::ranges::any_of(common_frames, [&](auto prefix) { return frame.starts_with(prefix); });
    if (common) continue;
    if (!site.empty()) site += " <- ";
    site += frame;
  }
  return site;
}

std::string duration(std::uint64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds);
  if (nanoseconds >= 1'000'000'000) return fmt::format("{:.1f} s", value / 1e9);
  if (nanoseconds >= 1'000'000) return fmt::format("{:.1f} ms", value / 1e6);
  return fmt::format("{:.1f} us", value / 1e3);
}

Finding describe(const Trace& trace, const WaitHistory& history, const ObservedHang& hang) {
  return Teller(trace, history, hang).tell();
}

}  // namespace fencecheck
