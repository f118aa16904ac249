#include "graph/model/system.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "graph/model/overloaded.hpp"
#include "graph/model/page_tables.hpp"

namespace fencecheck {
namespace {

// The job that a step puts onto its queue, takes off it or waits for.
std::optional<ThreadId> job_of(const Action& action) {
  return std::visit(overloaded{
                        [](const Push& push) { return std::optional(push.job); },
                        [](const Flush& flush) { return std::optional(flush.work); },
                        [](const Cancel& cancel) { return std::optional(cancel.work); },
                        [](const auto&) { return std::optional<ThreadId>(); },
                    },
                    action);
}

std::optional<std::string> check_step(const System& system, const Thread& thread, const Step& step) {
  if (step.next.size() != successors(system, step.action))
    return fmt::format("a step of '{}' has the wrong successors", thread.name);
  if (step.next.size() > most_branches)
    return fmt::format("a step of '{}' has more than {} branches", thread.name, most_branches);
  const auto in_range = [&](StepIndex next) { return next <= thread.end(); };
  if (!std::ranges::all_of(step.next, in_range) || (step.timeout && !in_range(step.timeout->next)))
    return fmt::format("a step of '{}' leads outside its program", thread.name);
  if (const auto job = job_of(step.action); job && !system[*job].queue)
    return fmt::format("a step of '{}' handles '{}', which has no queue", thread.name, system[*job].name);
  if (const auto* pick = std::get_if<PickVictim>(&step.action);
      pick != nullptr && pick->for_buffer.has_value() == pick->over_limit.has_value())
    return fmt::format("a step of '{}' evicts for a buffer or for a limit, not for both or neither", thread.name);
  if (thread.queue && !std::holds_alternative<Finish>(step.action) &&
      std::ranges::find(step.next, 0U) != step.next.end())
    return fmt::format("job '{}' starts again without Finish", thread.name);
  return std::nullopt;
}

std::optional<std::string> check_objects(const System& system) {
  for (const Fence& fence : system.fences)
    if (fence.on_wait && !system[*fence.on_wait].queue)
      return fmt::format("fence '{}' queues '{}', which has no queue", fence.name, system[*fence.on_wait].name);
  for (const HardwareUse& use : system.uses)
    if (use.gate.has_value() == use.job.has_value())
      return fmt::format("hardware '{}' is of a queue or of a job, not of both or neither", use.name);
  return std::nullopt;
}

std::string names(const System& system, const std::vector<FenceId>& fences, std::string_view joined_by) {
  std::vector<std::string> quoted;
  for (const FenceId fence : fences) quoted.push_back(fmt::format("'{}'", system[fence].name));
  return fmt::format("{}", fmt::join(quoted, joined_by));
}

std::string tests(const System& system, const Branch& branch) {
  std::vector<std::string> parts;
  for (const Test& test : branch.tests)
    parts.push_back(fmt::format("{} {} {}", system[test.variable].name, test.equal ? "=" : "!=", test.value));
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::string describe_choice(const System& system, const Choose& choose) {
  std::vector<std::string> ways;
  for (const Branch& branch : choose.branches)
    if (!branch.tests.empty()) ways.push_back(tests(system, branch));
  if (ways.empty()) return "goes one of several ways";
  if (never_waits(choose)) return "looks whether " + ways.front();
  return fmt::format("waits until {}", fmt::join(ways, " or "));
}

std::string describe_assignment(const System& system, const Assign& assign) {
  if (const auto queue = gated_by(system, assign.variable))
    return fmt::format("{} queue '{}'", assign.value == 0 ? "suspends" : "resumes", system[*queue].name);
  return fmt::format("sets {} = {}", system[assign.variable].name, assign.value);
}

// Can a step of this kind ever keep its thread waiting?
bool may_wait(const Action& action) {
  if (const auto* choose = std::get_if<Choose>(&action)) return !never_waits(*choose);
  return std::holds_alternative<Wait>(action) || std::holds_alternative<WaitSet>(action) ||
         std::holds_alternative<Acquire>(action) || std::holds_alternative<AcquireWithTicket>(action) ||
         std::holds_alternative<TryAcquire>(action) || std::holds_alternative<Take>(action) ||
         std::holds_alternative<Begin>(action) || std::holds_alternative<Flush>(action) ||
         std::holds_alternative<Allocate>(action) || std::holds_alternative<PickVictim>(action);
}

}  // namespace

bool never_waits(const Choose& choose) {
  const auto is_otherwise = [&](const Test& test) {
    return std::ranges::any_of(choose.branches, [&](const Branch& branch) {
      return !branch.cause && branch.tests.size() == 1 && branch.tests.front().variable == test.variable &&
             branch.tests.front().value == test.value && branch.tests.front().equal != test.equal;
    });
  };
  return std::ranges::any_of(choose.branches, [&](const Branch& branch) {
    return !branch.cause && std::ranges::all_of(branch.tests, is_otherwise);
  });
}

bool repeats(const Thread& thread) {
  return std::ranges::any_of(
      thread.program, [](const Step& step) { return std::ranges::find(step.next, StepIndex{0}) != step.next.end(); });
}

std::size_t successors(const System& system, const Action& action) {
  return std::visit(overloaded{
                        [](const Allocate&) -> std::size_t { return 3; },
                        [&](const PickVictim&) -> std::size_t { return system.buffers.size() + 1; },
                        [&](const Locate& locate) { return system[locate.buffer].placements.size() + 2; },
                        [](const TryAcquire&) -> std::size_t { return 2; },
                        [](const AcquireWithTicket&) -> std::size_t { return 2; },
                        [](const Cutoff&) -> std::size_t { return 0; },
                        [](const Choose& choose) { return choose.branches.size(); },
                        [](const auto&) -> std::size_t { return 1; },
                    },
                    action);
}

std::vector<FenceId> signalled_by_kill(const System& system, const Thread& job) {
  std::vector<FenceId> result;
  const auto is_earlier_point = [&](FenceId fence, const Signal& signal) {
    return system[fence].context != 0 && std::ranges::any_of(signal.fences, [&](FenceId other) {
             return system[other].context == system[fence].context && system[other].point > system[fence].point;
           });
  };
  for (const Step& step : job.program)
    if (const auto* signal = std::get_if<Signal>(&step.action))
      std::ranges::copy_if(signal->fences, std::back_inserter(result), [&](FenceId fence) {
        return !info(system[fence].kind).user_controlled && !is_earlier_point(fence, *signal);
      });
  return result;
}

std::vector<ThreadId> jobs_of_gate(const System& system, VariableId gate) {
  std::vector<ThreadId> result;
  for (std::uint32_t i = 0; i < system.threads.size(); ++i)
    if (const auto& queue = system.threads[i].queue; queue && system[*queue].gate == gate) result.push_back({i});
  return result;
}

std::optional<std::string> check_system(const System& system) {
  if (auto wrong = check_objects(system)) return wrong;
  if (auto wrong = check_page_tables(system); !wrong.empty()) return wrong;
  for (const Thread& thread : system.threads) {
    for (const Step& step : thread.program)
      if (auto wrong = check_step(system, thread, step)) return wrong;
    if (thread.queue && (thread.program.empty() || !std::holds_alternative<Begin>(thread.program.front().action)))
      return fmt::format("job '{}' does not start with Begin", thread.name);
  }
  return std::nullopt;
}

std::optional<QueueId> gated_by(const System& system, VariableId variable) {
  const auto queue = std::ranges::find(system.queues, variable, &Queue::gate);
  if (queue == system.queues.end()) return std::nullopt;
  return QueueId{static_cast<std::uint32_t>(queue - system.queues.begin())};
}

Causes causes_of(const System& system) {
  Causes causes;
  if (system.userspace_may_stop) causes = causes.with(Cause::userspace);
  const auto is_gated = [](const Queue& queue) { return queue.gate.has_value(); };
  if (std::ranges::any_of(system.queues, is_gated)) causes = causes.with(Cause::memory_management);
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program) {
      if (may_wait(step.action)) causes = causes.with(step.cause);
      if (const auto* choose = std::get_if<Choose>(&step.action))
        for (const Branch& branch : choose->branches)
          if (branch.cause) causes = causes.with(*branch.cause);
    }
  return causes;
}

std::string title(const Thread& thread) {
  if (!thread.queue) return fmt::format("{} '{}'", info(thread.kind).id, thread.name);
  return fmt::format("{} '{}'", repeats(thread) ? "work" : "job", thread.name);
}

namespace {

std::string purpose(const System& system, const PickVictim& pick) {
  if (pick.over_limit) return fmt::format("for the limit of group '{}'", system[*pick.over_limit].name);
  return fmt::format("for '{}'", system[*pick.for_buffer].name);
}

// Steps of memory management and of work items.
std::string tell(const System& system, const Capture& capture) {
  return fmt::format("looks up fence{} {}", capture.fences.size() == 1 ? "" : "s", names(system, capture.fences, ", "));
}

std::string tell(const System& system, const Trigger& trigger) {
  return fmt::format("asks for the signal of {}", system[trigger.set].name);
}

std::string tell(const System& system, const Renew& renew) {
  return fmt::format("makes a new fence '{}'", system[renew.fence].name);
}

std::string tell(const System& system, const Detach& detach) {
  return fmt::format("takes fence '{}' out of '{}'", system[detach.fence].name, system[detach.reservation].name);
}

std::string tell(const System& system, const Inherit& inherit) {
  return fmt::format("attaches the fences of {} to '{}' as kernel", system[inherit.from].name, system[inherit.to].name);
}

std::string tell(const System& system, const Reserve& reserve) {
  return fmt::format("reserves {} fence slot{} of '{}'", reserve.slots, reserve.slots == 1 ? "" : "s",
                     system[reserve.reservation].name);
}

std::string tell(const System& system, const Flush& flush) {
  return fmt::format("waits until work '{}' is neither queued nor runs", system[flush.work].name);
}

std::string tell(const System& system, const Cancel& cancel) {
  return fmt::format("takes work '{}' off its queue", system[cancel.work].name);
}

std::string tell(const System& system, const Allocate& allocate) {
  return fmt::format("allocates {} for '{}' in '{}'", dmem::bytes_text(system[allocate.buffer].size),
                     system[allocate.buffer].name, system[allocate.region].name);
}

std::string tell(const System& system, const PickVictim& pick) {
  if (pick.confirms) return fmt::format("looks again at '{}', whose lock it has by now", system[*pick.confirms].name);
  return fmt::format("looks for a buffer of '{}' to evict {}{}", system[pick.region].name, purpose(system, pick),
                     pick.ignore_low ? ", ignoring low" : "");
}

std::string tell(const System& system, const Locate& locate) {
  return fmt::format("looks where '{}' is, to {}", system[locate.buffer].name,
                     locate.to ? fmt::format("move it to '{}'", system[*locate.to].name) : "evict it");
}

std::string tell(const System& system, const Relocate& move) {
  return move.to ? fmt::format("moves '{}' to '{}'", system[move.buffer].name, system[*move.to].name)
                 : fmt::format("moves '{}' out", system[move.buffer].name);
}

std::string tell(const System& system, const Unmap& unmap) {
  return fmt::format("unmaps '{}'", system[unmap.buffer].name);
}

std::string tell(const System& system, const Map& map) {
  return fmt::format("maps '{}' in '{}'", system[map.buffer].name, system[map.space].name);
}

std::string tell(const System& system, const Pin& pin) {
  return fmt::format("{} '{}'", pin.amount > 0 ? "pins" : "unpins", system[pin.buffer].name);
}

std::string tell(const System& system, const Kill& kill) { return fmt::format("kills '{}'", system[kill.use].name); }

std::string tell(const System& system, const Deny& deny) {
  return fmt::format("gets no memory for '{}'", system[deny.buffer].name);
}

std::string tell(const System&, const WriteRanges& write) { return write.says; }

std::string tell(const System& system, const SetLimit& limit) {
  return fmt::format("sets dmem.max of group '{}' in '{}' to {}", system[limit.group].name, system[limit.region].name,
                     dmem::bytes_text(limit.max));
}

}  // namespace

std::string describe(const System& system, const Thread& thread, const Step& step) {
  return std::visit(
      overloaded{
          [&](const Wait& wait) {
            const char* join = wait.join == Join::any ? " or " : " and ";
            return fmt::format("waits for fence{} {}", wait.fences.size() == 1 ? "" : "s",
                               names(system, wait.fences, join));
          },
          [&](const WaitSet& wait) {
            std::vector<std::string> sets;
            for (const DependencySetId set : wait.sets()) sets.push_back(system[set].name);
            return fmt::format("waits for the fences of {}", fmt::join(sets, " or "));
          },
          [&](const Publish& publish) { return fmt::format("publishes fence '{}'", system[publish.fence].name); },
          [&](const Signal& signal) { return "signals " + names(system, signal.fences, ", "); },
          [&](const Acquire& acquire) {
            return fmt::format("takes lock '{}'{}", system[acquire.lock].name, acquire.shared ? " shared" : "");
          },
          [&](const TryAcquire& attempt) { return fmt::format("tries lock '{}'", system[attempt.lock].name); },
          [](const TakeTicket&) { return std::string("begins a ww transaction"); },
          [&](const AcquireWithTicket& acquire) {
            return fmt::format("takes lock '{}' with its ticket", system[acquire.lock].name);
          },
          [&](const Release& release) { return fmt::format("releases lock '{}'", system[release.lock].name); },
          [&](const Take& take) { return fmt::format("takes {} of pool '{}'", take.amount, system[take.pool].name); },
          [&](const Give& give) {
            return fmt::format("gives {} back to pool '{}'", give.amount, system[give.pool].name);
          },
          [&](const Push& push) {
            const Thread& job = system[push.job];
            return fmt::format("pushes job '{}' onto queue '{}'", job.name, system[*job.queue].name);
          },
          [&](const Begin&) { return fmt::format("starts on queue '{}'", system[*thread.queue].name); },
          [&](const Finish&) { return fmt::format("leaves queue '{}'", system[*thread.queue].name); },
          [&](const Attach& attach) {
            return fmt::format("attaches fence '{}' to '{}' as {}", system[attach.fence].name,
                               system[attach.reservation].name, info(attach.usage).id);
          },
          [&](const Collect& collect) {
            return fmt::format("looks up the fences of '{}' up to {}", system[collect.reservation].name,
                               info(collect.up_to).id);
          },
          [&](const Assign& assign) { return describe_assignment(system, assign); },
          [&](const Choose& choose) { return describe_choice(system, choose); },
          [&](const Expire& expire) { return fmt::format("fires and signals '{}'", system[expire.fence].name); },
          [](const Cutoff& cutoff) { return "reaches a bound: " + cutoff.bound; },
          [&](const auto& other) { return tell(system, other); },
      },
      step.action);
}

}  // namespace fencecheck
