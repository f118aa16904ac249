// One row for each kind of object: its name, its table, and its value in words.
#include "graph/model/snapshot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace fencecheck {
namespace {

std::string list(const std::vector<std::string>& parts, std::string_view nothing) {
  return parts.empty() ? std::string(nothing) : fmt::format("{}", fmt::join(parts, ", "));
}

std::string titles(const System& system, const std::vector<ThreadId>& threads) {
  std::vector<std::string> parts;
  for (const ThreadId thread : threads) parts.push_back(title(system[thread]));
  return list(parts, "nobody");
}

std::string fence(const System& system, const State& state, std::size_t i) {
  if (state.signalled[i]) return "signalled";
  if (info(system.fences[i].kind).user_controlled) return "not signalled";
  return state.published[i] ? "published" : "unpublished";
}

std::string lock(const System& system, const State& state, std::size_t i) {
  const LockState& lock = state.locks[i];
  if (lock.owner)
    return fmt::format("held by {}{}", title(system[*lock.owner]), lock.with_ticket ? " with its ticket" : "");
  return lock.readers.empty() ? "free" : "shared by " + titles(system, lock.readers);
}

std::string variable(const System&, const State& state, std::size_t i) { return fmt::format("{}", state.variables[i]); }

std::string pool(const System& system, const State& state, std::size_t i) {
  return fmt::format("{} of {} taken", state.taken[i], system.pools[i].capacity);
}

std::string queue(const System& system, const State& state, std::size_t i) {
  std::vector<ThreadId> running;
  for (std::uint32_t thread = 0; thread < system.threads.size(); ++thread) {
    const bool begun = state.at[thread] != 0 && state.at[thread] != system.threads[thread].end();
    if (begun && system.threads[thread].queue == QueueId{static_cast<std::uint32_t>(i)}) running.push_back({thread});
  }
  std::vector<std::string> parts;
  if (!running.empty()) parts.push_back(titles(system, running) + " running");
  if (!state.queues[i].waiting.empty()) parts.push_back(titles(system, state.queues[i].waiting) + " waiting");
  return list(parts, "empty");
}

std::string reservation(const System& system, const State& state, std::size_t i) {
  std::vector<std::string> parts;
  for (const Attached& each : state.reservations[i])
    parts.push_back(fmt::format("'{}' as {}", system[each.fence].name, info(each.usage).id));
  return list(parts, "no fences");
}

std::string dependencies(const System& system, const State& state, std::size_t i) {
  std::vector<std::string> parts;
  for (const FenceId each : state.sets[i]) parts.push_back(fmt::format("'{}'", system[each].name));
  return list(parts, "no fences");
}

// The thread's wait-die transaction.
std::string ticket(const System&, const State& state, std::size_t i) {
  return state.tickets[i] == 0 ? "none" : fmt::format("number {} by age", state.tickets[i]);
}

bool always(const System&, std::size_t) { return true; }

bool takes_tickets(const System& system, std::size_t i) {
  return std::ranges::any_of(system.threads[i].program,
                             [](const Step& step) { return std::holds_alternative<TakeTicket>(step.action); });
}

using Value = std::string (*)(const System&, const State&, std::size_t);
using Shown = bool (*)(const System&, std::size_t);

template <class Object>
void add(std::vector<ObjectState>& result, std::string_view kind, const System& system, const State& state,
         const std::vector<Object>& objects, Value value, Shown shown = always) {
  for (std::size_t i = 0; i < objects.size(); ++i)
    if (shown(system, i)) result.push_back({std::string(kind), objects[i].name, value(system, state, i)});
}

}  // namespace

std::vector<ObjectState> snapshot(const System& system, const State& state) {
  std::vector<ObjectState> result;
  add(result, "fence", system, state, system.fences, fence);
  add(result, "lock", system, state, system.locks, lock);
  add(result, "buffer", system, state, system.reservations, reservation);
  add(result, "dependencies", system, state, system.sets, dependencies);
  add(result, "queue", system, state, system.queues, queue);
  add(result, "pool", system, state, system.pools, pool);
  add(result, "variable", system, state, system.variables, variable);
  add(result, "ticket", system, state, system.threads, ticket, takes_tickets);
  return result;
}

}  // namespace fencecheck
