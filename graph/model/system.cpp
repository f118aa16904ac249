#include "graph/model/system.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace fencecheck {
namespace {

template <class... Ts>
struct overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
overloaded(Ts...) -> overloaded<Ts...>;

// How many successors each kind of step has; Choose has one for each branch.
std::size_t successors(const Action& action) {
  return std::visit(overloaded{
                        [](const TryAcquire&) -> std::size_t { return 2; },
                        [](const AcquireWithTicket&) -> std::size_t { return 2; },
                        [](const Cutoff&) -> std::size_t { return 0; },
                        [](const Choose& choose) { return choose.branches.size(); },
                        [](const auto&) -> std::size_t { return 1; },
                    },
                    action);
}

std::optional<std::string> check_step(const Thread& thread, const Step& step) {
  if (step.next.size() != successors(step.action))
    return fmt::format("a step of '{}' has the wrong successors", thread.name);
  if (step.next.size() > most_branches)
    return fmt::format("a step of '{}' has more than {} branches", thread.name, most_branches);
  const auto in_range = [&](StepIndex next) { return next <= thread.end(); };
  if (!std::ranges::all_of(step.next, in_range) || (step.timeout && !in_range(step.timeout->next)))
    return fmt::format("a step of '{}' leads outside its program", thread.name);
  return std::nullopt;
}

std::string names(const System& system, const std::vector<FenceId>& fences, std::string_view joined_by) {
  std::vector<std::string> quoted;
  for (const FenceId fence : fences) quoted.push_back(fmt::format("'{}'", system[fence].name));
  return fmt::format("{}", fmt::join(quoted, joined_by));
}

std::string tests(const System& system, const Choose& choose) {
  std::vector<std::string> parts;
  for (const Branch& branch : choose.branches)
    for (const Test& test : branch.tests)
      parts.push_back(fmt::format("{} {} {}", system[test.variable].name, test.equal ? "=" : "!=", test.value));
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::string describe_choice(const System& system, const Choose& choose) {
  const std::string conditions = tests(system, choose);
  return conditions.empty() ? "goes one of several ways" : "waits until " + conditions;
}

// Can a step of this kind ever keep its thread waiting?
bool may_wait(const Action& action) {
  if (const auto* choose = std::get_if<Choose>(&action))
    return std::ranges::any_of(choose->branches, [](const Branch& branch) { return !branch.tests.empty(); });
  return std::holds_alternative<Wait>(action) || std::holds_alternative<WaitSet>(action) ||
         std::holds_alternative<Acquire>(action) || std::holds_alternative<AcquireWithTicket>(action) ||
         std::holds_alternative<TryAcquire>(action) || std::holds_alternative<Take>(action) ||
         std::holds_alternative<Begin>(action);
}

}  // namespace

std::optional<std::string> check_system(const System& system) {
  for (const Thread& thread : system.threads) {
    for (const Step& step : thread.program)
      if (auto wrong = check_step(thread, step)) return wrong;
    if (thread.queue && (thread.program.empty() || !std::holds_alternative<Begin>(thread.program.front().action)))
      return fmt::format("job '{}' does not start with Begin", thread.name);
  }
  return std::nullopt;
}

Causes causes_of(const System& system) {
  Causes causes;
  if (system.userspace_may_stop) causes = causes.with(Cause::userspace);
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
  return fmt::format("{} '{}'", thread.queue ? "job" : info(thread.kind).id, thread.name);
}

std::string describe(const System& system, const Thread& thread, const Step& step) {
  return std::visit(
      overloaded{
          [&](const Wait& wait) {
            const char* join = wait.join == Join::any ? " or " : " and ";
            return fmt::format("waits for fence{} {}", wait.fences.size() == 1 ? "" : "s",
                               names(system, wait.fences, join));
          },
          [&](const WaitSet& wait) { return fmt::format("waits for the fences of {}", system[wait.set].name); },
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
          [&](const Assign& assign) { return fmt::format("sets {} = {}", system[assign.variable].name, assign.value); },
          [&](const Choose& choose) { return describe_choice(system, choose); },
          [&](const Expire& expire) { return fmt::format("fires and signals '{}'", system[expire.fence].name); },
          [](const Cutoff& cutoff) { return "reaches a bound: " + cutoff.bound; },
      },
      step.action);
}

}  // namespace fencecheck
