#include "checker/hang_findings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "checker/explore.hpp"
#include "checker/livelock.hpp"
#include "checker/replay.hpp"

namespace fencecheck {
namespace {

constexpr std::uint64_t most_states_beyond = 300'000;  // of a hang that a timeout may end

[[noreturn]] void disagree(const std::string& why) {
  throw std::logic_error("an engine and the operational semantics disagree: " + why);
}

// The causes at work in this hang: of the waits on the knot, and of the choices
// that led there.
Causes causes_at_work(const System& system, const Hang& hang) {
  Causes causes;
  if (system.userspace_may_stop) causes = causes.with(Cause::userspace);
  for (const Link& link : hang.knot.links) causes = causes.with(cause_of_wait(system, hang.last, link.thread));
  State state = initial_state(system);
  for (const Move& move : hang.schedule) {
    const Step& step = system[move.thread].program[state.at[move.thread.index]];
    if (const auto* choose = std::get_if<Choose>(&step.action))
      if (const auto& cause = choose->branches[move.branch].cause) causes = causes.with(*cause);
    state = after(system, std::move(state), move);
  }
  return causes;
}

std::string route(const Knot& knot, const System& system) {
  std::vector<std::string> names;
  for (const Link& link : knot.links) names.push_back(system[link.thread].name);
  if (knot.closed && !names.empty()) names.push_back(names.front());
  return fmt::format("{}", fmt::join(names, " -> "));
}

// Is some thread still on its way to signal the fence?
bool can_signal(const System& system, const State& last, const Obligation& fence) {
  return !helpers(system, last, {Blocker::Kind::fence, fence.index, {}, {}}).empty();
}

std::string sentence(const Hang& hang, const System& system, bool stall) {
  const Knot& knot = hang.knot;
  const Obligation& obligation = hang.owed.front();
  const bool stopped = system.userspace_may_stop && can_signal(system, hang.last, obligation);
  if (knot.links.empty() && obligation.kind == Obligation::Kind::fence && !stopped)
    return fmt::format("kernel fence '{}' is published and nobody signals it", system.fences[obligation.index].name);
  if (knot.links.empty()) return "userspace stops while the kernel still owes something";
  if (!knot.closed)
    return fmt::format("{} is stuck {}: {}", system[knot.links.front().thread].name,
                       stall ? "until a timeout" : "for ever", route(knot, system));
  if (knot.links.size() == 1) return fmt::format("'{}' waits for itself", system[knot.links.front().thread].name);
  return fmt::format("{} parties wait for each other: {}", knot.links.size(), route(knot, system));
}

// The place to point at: the wait that userspace could not foresee, if there is one.
Place closing_place(const std::vector<Party>& parties) {
  for (const Cause cause : {Cause::memory_management, Cause::implicit_sync, Cause::lock, Cause::scheduling})
    for (const Party& party : parties)
      if (party.cause == cause) return party.at;
  return parties.empty() ? Place{} : parties.front().at;
}

std::string debt_name(const System& system, const Obligation& obligation) {
  switch (obligation.kind) {
    case Obligation::Kind::fence:
      return fmt::format("the signal of fence '{}'", system.fences[obligation.index].name);
    case Obligation::Kind::lock:
      return fmt::format("the release of lock '{}'", system.locks[obligation.index].name);
    case Obligation::Kind::job:
    case Obligation::Kind::thread:
      return fmt::format("what '{}' has to do", system.threads[obligation.index].name);
  }
  return {};
}

// Of a cycle of nothing but locks: what lockdep would be told. Empty for others.
std::string fix_of_locks(const Knot& knot, const System& system) {
  const auto is_lock = [](const Link& link) { return link.waits_for.kind == Blocker::Kind::lock; };
  if (!knot.closed || knot.links.size() < 2 || !std::ranges::all_of(knot.links, is_lock)) return {};
  const bool reservations = std::ranges::all_of(
      knot.links, [&](const Link& link) { return system.locks[link.waits_for.index].kind == LockKind::ww; });
  return reservations ? "lock them in one ww transaction (drm_exec, or ww_acquire_ctx), which backs off on -EDEADLK"
                      : "take these locks in one order everywhere, or drop the first before the second is taken";
}

// How many lines of the story these moves take.
std::size_t told(const System& system, const std::vector<Move>& moves) { return story(system, moves, {}).steps.size(); }

Place place_of(const System& system, const Obligation& obligation) {
  switch (obligation.kind) {
    case Obligation::Kind::fence:
      return system.fences[obligation.index].at;
    case Obligation::Kind::lock:
      return system.locks[obligation.index].at;
    case Obligation::Kind::job:
    case Obligation::Kind::thread:
      return system.threads[obligation.index].at;
  }
  return {};
}

// A published fence that no thread is on its way to signal.
bool is_lost(const Hang& hang, const System& system) {
  const Obligation& obligation = hang.owed.front();
  return hang.knot.links.empty() && obligation.kind == Obligation::Kind::fence &&
         !can_signal(system, hang.last, obligation);
}

}  // namespace

// Whatever a system can ever owe.
std::vector<Obligation> every_obligation(const System& system) {
  std::vector<Obligation> all;
  for (std::uint32_t i = 0; i < system.fences.size(); ++i) all.push_back({Obligation::Kind::fence, i});
  for (std::uint32_t i = 0; i < system.locks.size(); ++i) all.push_back({Obligation::Kind::lock, i});
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    for (const auto kind : {Obligation::Kind::job, Obligation::Kind::thread}) all.push_back({kind, i});
  return all;
}

Hang HangFindings::examined(std::vector<Move> schedule, const std::vector<Obligation>& asked) const {
  schedule = with_fewer_switches(system_, schedule);
  auto outcome = replay(system_, schedule);
  if (const auto* refuted = std::get_if<Refuted>(&outcome)) disagree(refuted->why);
  Replayed& replayed = std::get<Replayed>(outcome);
  const auto target = std::ranges::find_if(
      replayed.owed, [&](const Obligation& each) { return std::ranges::find(asked, each) != asked.end(); });
  if (target == replayed.owed.end()) disagree("what was asked for is discharged in the end");
  Knot chain = knot(system_, replayed.last, {*target});
  std::vector<Obligation> owed{*target};
  for (const Obligation& each : obligations(system_, replayed.last, chain))
    if (each != *target) owed.push_back(each);
  return {std::move(schedule), std::move(replayed.last), std::move(owed), std::move(chain)};
}

// Can these obligations still end undischarged while only `causes` make anybody wait?
std::optional<bool> HangFindings::still_hangs(Causes causes, const std::vector<Obligation>& owed) const {
  const Search witness = still_hangs_(causes, owed);
  if (std::holds_alternative<GaveUp>(witness)) return std::nullopt;
  const auto* schedule = std::get_if<std::vector<Move>>(&witness);
  if (schedule == nullptr) return false;
  const auto outcome = replay(system_, *schedule, causes);
  if (const auto* refuted = std::get_if<Refuted>(&outcome)) disagree(refuted->why);
  const bool still_owed = std::ranges::any_of(std::get<Replayed>(outcome).owed, [&](const Obligation& each) {
    return std::ranges::find(owed, each) != owed.end();
  });
  if (!still_owed) disagree("what was asked for is discharged in the end");
  return true;
}

// The smallest set of causes with which the same obligations can still end
// undischarged: among those at work in this hang if they suffice, else among all.
Causes HangFindings::needs(const Hang& hang) const {
  Causes relevant = causes_at_work(system_, hang);
  if (still_hangs(relevant, hang.owed) != true) relevant = causes_of(system_);
  return how_ == Needs::smallest ? smallest(relevant, hang.owed) : irreducible(relevant, hang.owed);
}

Causes HangFindings::smallest(Causes among, const std::vector<Obligation>& owed) const {
  std::vector<Cause> candidates;
  for (const CauseInfo& row : cause_table)
    if (among.has(row.cause)) candidates.push_back(row.cause);
  for (int size = 0; size < static_cast<int>(candidates.size()); ++size)
    for (unsigned subset = 0; subset < 1U << candidates.size(); ++subset) {
      if (std::popcount(subset) != size) continue;
      Causes causes;
      for (std::size_t i = 0; i < candidates.size(); ++i)
        if ((subset >> i & 1U) != 0) causes = causes.with(candidates[i]);
      const std::optional<bool> hangs = still_hangs(causes, owed);
      if (!hangs) return among;
      if (*hangs) return causes;
    }
  return among;
}

Causes HangFindings::irreducible(Causes among, const std::vector<Obligation>& owed) const {
  for (const CauseInfo& row : cause_table)
    if (among.has(row.cause) && still_hangs(among.without(row.cause), owed) == true) among = among.without(row.cause);
  return among;
}

namespace {

// Timeouts that fire one after the other, the shortest first, and let everybody go on in between.
class Clock {
 public:
  Clock(const System& system, State state) : system_(system), state_(std::move(state)) { look(); }
  // The next one; nothing if there is none.
  std::optional<Move> fire();
  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] Milliseconds now() const { return now_; }

 private:
  // The waits that have begun by now, and when they give up.
  void look();

  const System& system_;
  State state_;
  Milliseconds now_{0};
  std::vector<std::pair<Move, Milliseconds>> pending_;
};

void Clock::look() {
  const std::vector<Move> all = timeouts(system_, state_);
  std::erase_if(pending_, [&](const auto& each) { return std::ranges::find(all, each.first) == all.end(); });
  for (const Move& move : all) {
    if (std::ranges::find(pending_, move, [](const auto& each) { return each.first; }) != pending_.end()) continue;
    const Thread& thread = system_[move.thread];
    const Step& step = thread.program[state_.at[move.thread.index]];
    const Milliseconds after = thread.expires_after.value_or(step.timeout ? step.timeout->after : Milliseconds{0});
    pending_.emplace_back(move, now_ + after);
  }
}

std::optional<Move> Clock::fire() {
  constexpr std::size_t most_moves = 10'000;
  if (pending_.empty()) return std::nullopt;
  const std::pair<Move, Milliseconds> next =
      *std::ranges::min_element(pending_, {}, [](const auto& each) { return each.second; });
  const Move move = next.first;
  now_ = next.second;
  std::erase_if(pending_, [&](const auto& each) { return each.first.thread == move.thread; });
  advance(system_, state_, move);
  for (std::size_t i = 0; i < most_moves && !at_rest(system_, state_); ++i)
    advance(system_, state_, moves(system_, state_).front());
  look();
  return move;
}

std::string ended_by(const Thread& thread) {
  return thread.expires_after ? fmt::format("{}: its fence signals although the work is not done", thread.name)
                              : fmt::format("the wait of '{}'", thread.name);
}

}  // namespace

// Which timeouts end the hang, and when it is over if everybody goes on at once.
void HangFindings::add_stall(Finding& finding, const Hang& hang) const {
  constexpr int most_timeouts = 100;
  Clock clock(system_, hang.last);
  for (int i = 0; i < most_timeouts; ++i) {
    const std::optional<Move> fired = clock.fire();
    if (!fired) return;
    const std::string by = ended_by(system_[fired->thread]);
    if (std::ranges::find(finding.killed, by) == finding.killed.end()) finding.killed.push_back(by);
    finding.lasts = clock.now();
    const std::vector<Obligation> left = owed(system_, clock.state());
    if (std::ranges::find(left, hang.owed.front()) == left.end()) return;
  }
}

// Whoever gives up may try again, and never get further.
bool HangFindings::comes_back(Finding& finding, const Hang& hang) {
  if (!may_run_for_ever(system_)) return false;
  LivelockOptions options;
  options.max_states = most_states_beyond;
  options.budget = budget_;
  const Undischarged beyond = never_discharged(system_, hang.last, options);
  if (!beyond.gave_up.empty()) {
    finding.notes.push_back(fmt::format("whether the timeouts ever help was not decided: {}", beyond.gave_up));
    return false;
  }
  const std::size_t before = hopeless_.size();
  for (const Debt& each : beyond.never)
    if (std::ranges::find(hang.owed, each.obligation) != hang.owed.end()) hopeless_.push_back(each);
  return hopeless_.size() > before;
}

// A hang is a stall if, whatever timeouts fire, everything owed is discharged in the end.
void HangFindings::classify(Finding& finding, Hang& hang) {
  if (timeouts(system_, hang.last).empty()) return;
  if (comes_back(finding, hang)) {
    finding.notes.emplace_back("timeouts fire, and do not help: whoever gives up tries again");
    return;
  }
  ExploreOptions options;
  options.budget = budget_;
  const Exploration beyond = explore(system_, hang.last, options);
  if (beyond.for_ever) {
    std::vector<Move> whole = hang.schedule;
    whole.insert(whole.end(), beyond.for_ever->begin(), beyond.for_ever->end());
    hang = examined(std::move(whole), every_obligation(system_));
    finding.notes.emplace_back("timeouts fire, and do not help");
    return;
  }
  finding.kind = FindingKind::stall;
  if (!beyond.gave_up.empty())
    finding.notes.push_back(fmt::format("whether the timeouts always help was not decided: {}", beyond.gave_up));
  add_stall(finding, hang);
}

void HangFindings::add_story(Finding& finding, const std::vector<Move>& schedule, const Knot& knot) const {
  Story told = story(system_, schedule, knot);
  finding.schedule = std::move(told.steps);
  finding.objects = std::move(told.objects);
}

bool HangFindings::is_known(const Finding& finding) const {
  return std::ranges::any_of(decision.findings,
                             [&](const Finding& other) { return other.fingerprint == finding.fingerprint; });
}

// Does somebody in the knot wait where the kernel would not?
std::string HangFindings::doubt(const Hang& hang) const {
  for (const Link& link : hang.knot.links) {
    const Thread& thread = system_[link.thread];
    const auto* flush = std::get_if<Flush>(&thread.program[hang.last.at[link.thread.index]].action);
    if (flush != nullptr && flush->stands_in)
      return fmt::format(
          "'{}' waits for the last turn of '{}' before it submits it again, where the kernel would make "
          "another job: what follows then was not explored",
          thread.name, system_[flush->work].name);
  }
  return {};
}

void HangFindings::add(Hang hang) {
  if (std::string doubtful_here = doubt(hang); !doubtful_here.empty()) {
    doubtful = std::move(doubtful_here);
    return;
  }
  Finding finding;
  finding.kind = is_lost(hang, system_) ? FindingKind::lost_fence : FindingKind::deadlock;
  finding.strength = Strength::confirmed;
  classify(finding, hang);
  finding.closed = hang.knot.closed;
  finding.parties = parties(system_, hang.last, hang.knot);
  finding.at = finding.parties.empty() ? place_of(system_, hang.owed.front()) : closing_place(finding.parties);
  finding.message = sentence(hang, system_, finding.kind == FindingKind::stall);
  finding.fingerprint = fingerprint(finding);
  if (is_known(finding)) return;
  finding.fix = fix_of_locks(hang.knot, system_);
  finding.needs = needs(hang);
  add_story(finding, hang.schedule, hang.knot);
  if (finding.needs == Causes{}.with(Cause::userspace))
    finding.notes.push_back(
        "only waits that userspace controls are needed: the kernel made itself depend on userspace");
  if (const Cycle found = cycle(system_, graph_, hang.knot); !found.empty()) decision.cycles.push_back(found);
  decision.findings.push_back(std::move(finding));
}

void HangFindings::add(const Incident& incident, const std::vector<Move>& way) {
  Finding finding;
  finding.kind = incident.kind;
  finding.rule = incident.rule;
  finding.strength = Strength::confirmed;
  finding.at = incident.at;
  finding.message = incident.what;
  finding.closed = false;
  finding.parties.push_back({incident.subject, {}, incident.about, Cause::memory_management, {}, incident.at, {}});
  finding.fingerprint = fingerprint(finding);
  if (is_known(finding)) return;
  if (const auto refuted = replay_incident(system_, way, incident)) disagree(refuted->why);
  finding.parties.clear();
  add_story(finding, way, {});
  finding.notes = incident.numbers;
  finding.fix = incident.fix;
  decision.findings.push_back(std::move(finding));
}

// Who goes round, in the order of their first move on the cycle.
std::vector<ThreadId> HangFindings::movers(const Lasso& lasso) {
  std::vector<ThreadId> result;
  for (const Move& move : lasso.cycle)
    if (std::ranges::find(result, move.thread) == result.end()) result.push_back(move.thread);
  return result;
}

// Who is stuck beside it: a chain of threads that wait for each other, or for nobody, while others go round.
std::optional<Hang> HangFindings::stuck_beside(const Lasso& lasso) const {
  const auto* debt = std::get_if<Debt>(&lasso.harm);
  if (debt == nullptr) return std::nullopt;
  State last = initial_state(system_);
  for (const Move& move : lasso.stem) last = after(system_, std::move(last), move);
  Knot chain = knot(system_, last, {debt->obligation});
  const std::vector<ThreadId> moving = movers(lasso);
  const auto goes_on = [&](ThreadId thread) { return std::ranges::find(moving, thread) != moving.end(); };
  const std::vector<Move> able = moves(system_, last);
  const auto is_stuck = [&](ThreadId thread) {
    return !goes_on(thread) && std::ranges::find(able, thread, &Move::thread) == able.end();
  };
  if (!std::ranges::all_of(chain.links, is_stuck, &Link::thread)) return std::nullopt;
  const bool nobody_helps =
      chain.links.empty()
          ? debt->obligation.kind == Obligation::Kind::fence && !can_signal(system_, last, debt->obligation)
          : chain.closed || helpers(system_, last, chain.links.back().waits_for).empty();
  if (!nobody_helps) return std::nullopt;
  return Hang{lasso.stem, std::move(last), {debt->obligation}, std::move(chain)};
}

void HangFindings::add_stuck_beside(const Lasso& lasso, const Hang& hang) {
  Finding finding;
  finding.kind = is_lost(hang, system_) ? FindingKind::lost_fence : FindingKind::deadlock;
  finding.strength = Strength::confirmed;
  finding.closed = hang.knot.closed;
  finding.parties = parties(system_, hang.last, hang.knot);
  finding.at = finding.parties.empty() ? place_of(system_, hang.owed.front()) : closing_place(finding.parties);
  finding.message = sentence(hang, system_, false);
  finding.fingerprint = fingerprint(finding);
  if (is_known(finding)) return;
  finding.fix = fix_of_locks(hang.knot, system_);
  add_story(finding, hang.schedule, hang.knot);
  std::vector<std::string> names;
  for (const ThreadId thread : movers(lasso)) names.push_back(fmt::format("'{}'", system_[thread].name));
  finding.notes.push_back(fmt::format("meanwhile {} run{} on, and {} not help", fmt::join(names, ", "),
                                      names.size() == 1 ? "s" : "", names.size() == 1 ? "does" : "do"));
  if (const Cycle found = cycle(system_, graph_, hang.knot); !found.empty()) decision.cycles.push_back(found);
  decision.findings.push_back(std::move(finding));
}

// What a lasso shows: which finding, where, and what goes on or stays undone.
struct HangFindings::Told {
  FindingKind kind = FindingKind::livelock;
  Place at;
  std::string what;
  std::string released_by;
  std::string fix;
};

HangFindings::Told HangFindings::told_of(const Lasso& lasso) const {
  if (const auto* debt = std::get_if<Debt>(&lasso.harm))
    return {FindingKind::livelock, place_of(system_, debt->obligation),
            debt_name(system_, debt->obligation) + " is never done", "no step of the cycle discharges what is owed",
            "bound the retries, or wait for what has to change: a lock or a fence, whose turn comes, rather than a "
            "condition or a trylock"};
  if (const auto* buffer = std::get_if<BufferId>(&lasso.harm))
    return {FindingKind::livelock,
            system_[*buffer].at,
            fmt::format("'{}' is evicted and restored again and again, though userspace asks for nothing",
                        system_[*buffer].name),
            "what it restores is evicted for the next, and the other way round",
            {}};
  const HardwareUse& use = system_[std::get<HardwareUseId>(lasso.harm)];
  return {FindingKind::lost_wakeup,
          use.at,
          fmt::format("user queue '{}' stays suspended: nobody is left who would resume it", use.name),
          "no step of the cycle resumes the queue",
          {}};
}

void HangFindings::add(const Lasso& lasso) {
  if (const std::string why = refute(system_, lasso); !why.empty()) disagree(why);
  if (const auto* debt = std::get_if<Debt>(&lasso.harm))
    if (std::ranges::find(hopeless_, *debt) != hopeless_.end()) return;  // a hang says so
  if (const auto hang = stuck_beside(lasso)) {
    add_stuck_beside(lasso, *hang);
    return;
  }
  const Told told_here = told_of(lasso);
  Finding finding;
  finding.kind = told_here.kind;
  finding.strength = Strength::confirmed;
  finding.closed = false;
  std::vector<std::string> names;
  for (const ThreadId thread : movers(lasso)) {
    const Thread& who = system_[thread];
    names.push_back(fmt::format("'{}'", who.name));
    finding.parties.push_back({title(who),
                               {},
                               "its next turn: it goes round without end",
                               Cause::scheduling,
                               told_here.released_by,
                               who.at,
                               {}});
  }
  finding.at = told_here.at;
  finding.message =
      fmt::format("{} go{} on for ever, and {}", fmt::join(names, ", "), names.size() == 1 ? "es" : "", told_here.what);
  finding.fix = told_here.fix;
  finding.fingerprint = fingerprint(finding);
  if (is_known(finding)) return;
  std::vector<Move> way = lasso.stem;
  way.insert(way.end(), lasso.cycle.begin(), lasso.cycle.end());
  add_story(finding, way, {});
  finding.notes.push_back(fmt::format(
      "from step {} on it repeats; fairness: every thread{} goes on if it can all the time",
      told(system_, lasso.stem) + 1, std::holds_alternative<HardwareUseId>(lasso.harm) ? "" : " but userspace"));
  for (const ThreadId thread : lasso.waiting)
    finding.notes.push_back(fmt::format("'{}' could go on, and need not", system_[thread].name));
  decision.findings.push_back(std::move(finding));
}

}  // namespace fencecheck
