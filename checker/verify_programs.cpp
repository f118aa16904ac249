// Programs without loops are in topological order; a thread's steps are looked at in that order, once.
#include "checker/verify_programs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "graph/model/instance_name.hpp"
#include "graph/model/overloaded.hpp"

namespace fencecheck {
namespace {

class Reader {
 public:
  Reader(const System& system, std::vector<Objection>& objections) : system_(system), objections_(objections) {}
  Programs run();

 private:
  void check_steps();
  void read_all();
  void read_program(std::uint32_t thread);
  static void leave(Reading& reading, StepIndex from, StepIndex to, const Step& step, std::size_t branch);
  void check_locks(std::uint32_t thread);
  void check_jobs();
  void find_publishers();
  void outside(std::string says, Place at);

  const System& system_;
  std::vector<Objection>& objections_;
  std::set<std::string> said_;
  Programs programs_;
};

void Reader::outside(std::string says, Place at) {
  if (said_.insert(instance_name(says).class_name).second)
    objections_.push_back({Objection::Kind::outside, {}, std::move(says), at});
}

// Condition 1: only steps of which the theorem speaks.

// What is not named here is not covered: new steps of the calculus have to be argued first.
template <class Action, class... Covered>
constexpr bool is_one_of = (std::is_same_v<Action, Covered> || ...);
template <class Action>
constexpr bool is_covered =
    is_one_of<Action, Wait, Publish, Signal, Acquire, TryAcquire, TakeTicket, AcquireWithTicket, Release, Push, Begin,
              Finish, Attach, Collect, Cutoff, Capture, Trigger, Detach, Reserve, Locate, Relocate, Unmap, Map, Pin>;

std::string not_covered(const Step& step) {
  if (step.restarts) return "a call that is made again";
  return std::visit(
      overloaded{
          [](const WaitSet& wait) -> std::string {
            return wait.others.empty() ? "" : "a wait for any of several sets";
          },
          [](const Choose& choose) -> std::string { return never_waits(choose) ? "" : "a wait for a variable"; },
          [](const Take&) -> std::string { return "a pool"; },
          [](const Give&) -> std::string { return "a pool"; },
          [](const Expire&) -> std::string { return "a fence with a fallback timer"; },
          [](const Renew&) -> std::string { return "a fence that is made anew"; },
          [](const Inherit&) -> std::string { return "a copy job on an engine"; },
          [](const Flush&) -> std::string { return "a wait for a work, or a job that is submitted again"; },
          [](const Cancel&) -> std::string { return "a work that is cancelled"; },
          [](const Assign&) -> std::string { return ""; },
          [](const Kill&) -> std::string { return "hardware that is killed"; },
          [](const auto& action) -> std::string {
            return is_covered<std::decay_t<decltype(action)>> ? "" : "memory or addresses that are tracked";
          },
      },
      step.action);
}

void Reader::check_steps() {
  for (const Fence& fence : system_.fences)
    if (fence.on_wait || !fence.promises.empty()) outside("a fence whose first waiter starts something", fence.at);
  for (const Queue& queue : system_.queues)
    if (queue.gate) outside("a user queue", queue.at);
  for (const Reservation& reservation : system_.reservations)
    if (reservation.counted) outside("reserved slots", reservation.at);
  for (const PageTable& table : system_.page_tables) outside("page tables", table.at);
  for (const HardwareUse& use : system_.uses) outside("hardware whose memory is tracked", use.at);
  for (const Thread& thread : system_.threads)
    for (StepIndex i = 0; i < thread.end(); ++i) {
      const Step& each = thread.program[i];
      if (const std::string what = not_covered(each); !what.empty()) outside(what, each.at);
      const auto goes_back = [&](StepIndex next) { return next <= i; };
      if (std::ranges::any_of(each.next, goes_back) || (each.timeout && goes_back(each.timeout->next)))
        outside(repeats(thread) ? "a work, or a job that is submitted again" : "a loop", each.at);
    }
}

// Condition 2: what each thread holds and has published; it lets go of every lock.

void Reader::leave(Reading& reading, StepIndex from, StepIndex to, const Step& step, std::size_t branch) {
  Locks may = reading.may_hold[from];
  Locks ticket = reading.with_ticket[from];
  Locks holds = *reading.holds[from];
  Fences publishes = *reading.publishes[from];
  std::visit(overloaded{
                 [&](const Acquire& acquire) {
                   may.insert(acquire.lock.index);
                   if (!acquire.shared) holds.insert(acquire.lock.index);
                 },
                 [&](const TryAcquire& attempt) {
                   if (branch == 0) may.insert(attempt.lock.index);
                   if (branch == 0 && !attempt.shared) holds.insert(attempt.lock.index);
                 },
                 [&](const AcquireWithTicket& acquire) {
                   may.insert(acquire.lock.index);
                   ticket.insert(acquire.lock.index);
                   holds.insert(acquire.lock.index);
                 },
                 [&](const Release& release) {
                   may.erase(release.lock.index);
                   ticket.erase(release.lock.index);
                   holds.erase(release.lock.index);
                 },
                 [&](const Publish& publish) { publishes.insert(publish.fence.index); },
                 [](const auto&) {},
             },
             step.action);
  const auto meet = [](std::optional<std::set<std::uint32_t>>& there, const std::set<std::uint32_t>& here) {
    if (!there)
      there = here;
    else
      std::erase_if(*there, [&](std::uint32_t each) { return !here.contains(each); });
  };
  reading.reached[to] = true;
  reading.may_hold[to].merge(may);
  reading.with_ticket[to].merge(ticket);
  meet(reading.holds[to], holds);
  meet(reading.publishes[to], publishes);
}

// Programs are in topological order: check_steps has refused all others.
void Reader::read_program(std::uint32_t thread) {
  const Thread& who = system_.threads[thread];
  const std::size_t size = who.end() + 1U;
  Reading& reading = programs_.readings[thread];
  reading = {std::vector<std::vector<StepIndex>>(size),
             std::vector<bool>(size),
             std::vector<Locks>(size),
             std::vector<Locks>(size),
             std::vector<std::optional<Locks>>(size),
             std::vector<std::optional<Fences>>(size)};
  reading.reached[0] = true;
  reading.holds[0].emplace();
  reading.publishes[0].emplace();
  if (who.queue && programs_.pushes[thread].size() == 1) {
    const At push = programs_.pushes[thread].front();
    if (const auto& known = programs_.readings[push.thread].publishes; !known.empty() && known[push.step])
      reading.publishes[0] = known[push.step];
  }
  for (StepIndex i = 0; i < who.end(); ++i) {
    if (!reading.reached[i]) continue;
    const Step& each = who.program[i];
    // Wait-die: who holds nothing never backs off.
    const bool first = std::holds_alternative<AcquireWithTicket>(each.action);
    if (first && !reading.with_ticket[i].empty()) outside("a transaction of several locks", each.at);
    if (std::holds_alternative<Cutoff>(each.action)) outside("a bound of the unfolding", each.at);
    for (std::size_t branch = 0; branch < (first ? 1 : each.next.size()); ++branch) {
      reading.next[i].push_back(each.next[branch]);
      leave(reading, i, each.next[branch], each, branch);
    }
    if (!each.timeout) continue;
    reading.next[i].push_back(each.timeout->next);
    leave(reading, i, each.timeout->next, each, 0);
  }
}

// Jobs know what was published before they were pushed: their pushers come first.
void Reader::read_all() {
  programs_.readings.resize(system_.threads.size());
  for (const bool jobs : {false, true})
    for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
      if (system_.threads[i].queue.has_value() == jobs) read_program(i);
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) check_locks(i);
}

void Reader::check_locks(std::uint32_t thread) {
  const Thread& who = system_.threads[thread];
  const Reading& reading = programs_.readings[thread];
  for (StepIndex i = 0; i < who.end(); ++i) {
    const auto twice = [&](LockId lock) {
      if (reading.may_hold[i].contains(lock.index))
        outside(fmt::format("lock '{}', taken by who may hold it", system_[lock].name), who.program[i].at);
    };
    if (const auto* acquire = std::get_if<Acquire>(&who.program[i].action)) twice(acquire->lock);
    if (const auto* attempt = std::get_if<TryAcquire>(&who.program[i].action)) twice(attempt->lock);
    if (const auto* acquire = std::get_if<AcquireWithTicket>(&who.program[i].action)) twice(acquire->lock);
  }
  if (!reading.may_hold[who.end()].empty()) outside("a lock that is not released", who.at);
}

// Condition 3: each job is pushed at one step, by a thread of its own instance that is no job.
void Reader::check_jobs() {
  programs_.pushes.resize(system_.threads.size());
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (StepIndex at = 0; at < system_.threads[i].end(); ++at)
      if (const auto* push = std::get_if<Push>(&system_.threads[i].program[at].action))
        programs_.pushes[push->job.index].push_back({i, at});
  for (std::uint32_t job = 0; job < system_.threads.size(); ++job) {
    const Thread& who = system_.threads[job];
    for (const At& push : programs_.pushes[job]) {
      const Thread& pusher = system_.threads[push.thread];
      if (programs_.pushes[job].size() > 1 || pusher.queue || !same_instance(pusher.name, who.name))
        outside(fmt::format("job '{}', pushed at several steps, by a job, or by another instance", who.name), who.at);
    }
  }
}

// Who alone publishes the fences of a class, in every instance: a thread of the same instance.
void Reader::find_publishers() {
  programs_.publishers.resize(system_.fences.size());
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (StepIndex at = 0; at < system_.threads[i].end(); ++at)
      if (const auto* publish = std::get_if<Publish>(&system_.threads[i].program[at].action))
        if (programs_.readings[i].reached[at]) programs_.publishers[publish->fence.index].push_back({i, at});
  for (std::uint32_t fence = 0; fence < system_.fences.size(); ++fence) {
    const Fence& each = system_.fences[fence];
    std::optional<std::string> alone;
    bool several = each.published || programs_.publishers[fence].empty();
    for (const At& at : programs_.publishers[fence]) {
      const std::string& who = system_.threads[at.thread].name;
      several = several || !same_instance(who, each.name) || (alone && alone != instance_name(who).class_name);
      alone = instance_name(who).class_name;
    }
    if (several) alone.reset();
    const auto [entry, fresh] = programs_.announcer.try_emplace(instance_name(each.name).class_name, alone);
    if (!fresh && entry->second != alone) entry->second.reset();
  }
}

Programs Reader::run() {
  check_steps();
  if (!objections_.empty()) return {};
  check_jobs();
  read_all();
  find_publishers();
  return std::move(programs_);
}

}  // namespace

bool same_instance(const std::string& a, const std::string& b) {
  const InstanceName first = instance_name(a);
  const InstanceName second = instance_name(b);
  return first.template_of == second.template_of && first.index == second.index;
}

Programs read_programs(const System& system, std::vector<Objection>& objections) {
  return Reader(system, objections).run();
}

}  // namespace fencecheck
