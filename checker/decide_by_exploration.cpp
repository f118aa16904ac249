#include "checker/decide_by_exploration.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "checker/explore.hpp"
#include "graph/model/incidents.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_findings = 5;           // different knots of one scenario
constexpr std::size_t most_hangs = 200;            // looked at while searching for them
constexpr std::uint64_t most_states = 10'000'000;  // of the system
constexpr std::uint64_t most_for_needs = 300'000;  // each time some causes are switched off

// Hangs that are left while some causes make nobody wait. What was seen to the end answers every further question.
class WithoutSomeCauses {
 public:
  WithoutSomeCauses(const System& system, const Budget& budget) : system_(system), budget_(budget) {}
  [[nodiscard]] Search find_hang(Causes causes, const std::vector<Obligation>& owed);

 private:
  const System& system_;
  const Budget& budget_;
  std::vector<std::pair<Causes, std::vector<Obligation>>> exhausted_;  // with what is ever owed at rest
};

Search WithoutSomeCauses::find_hang(Causes causes, const std::vector<Obligation>& owed) {
  const auto known = std::ranges::find(exhausted_, causes, &decltype(exhausted_)::value_type::first);
  const auto is_ever_owed = [&](const Obligation& each) {
    return std::ranges::find(known->second, each) != known->second.end();
  };
  if (known != exhausted_.end() && std::ranges::none_of(owed, is_ever_owed)) return Exhausted{};
  ExploreOptions options;
  options.causes = causes;
  options.budget = budget_;
  options.asked = owed;
  options.stop_at_hang = true;
  options.max_states = most_for_needs;
  Exploration seen = explore(system_, initial_state(system_), options);
  if (seen.hang) return std::move(*seen.hang);
  if (!seen.gave_up.empty()) return GaveUp{seen.gave_up};
  if (seen.cut_off) return GaveUp{"some execution reaches a bound of the unfolding"};
  exhausted_.emplace_back(causes, std::move(seen.owed));
  return Exhausted{};
}

// Hangs for ever first: what a timeout may end is reported only where no deadlock hides behind it.
void add_hangs(HangFindings& found, const System& system, std::vector<ExploredHang> hangs) {
  std::stable_partition(hangs.begin(), hangs.end(), [](const ExploredHang& hang) { return hang.for_ever; });
  const std::vector<Obligation> any = every_obligation(system);
  for (ExploredHang& hang : hangs)
    if (found.decision.findings.size() < most_findings) found.add(found.examined(std::move(hang.way), any));
}

std::string bounds(const System& system, const Exploration& seen) {
  std::size_t steps = 0;
  for (const Thread& thread : system.threads) steps += thread.program.size();
  return fmt::format("every execution of its {} and {}; {} stored", quantity(system.threads.size(), "thread"),
                     quantity(steps, "step"), quantity(seen.states, "state was", "states were"));
}

std::string unfinished(const Exploration& seen) {
  if (!seen.gave_up.empty()) return seen.gave_up;
  if (!seen.unseen.empty())
    return fmt::format("while others run on for ever {}, and what follows was not explored", seen.unseen);
  return seen.cut_off ? "some execution reaches a bound of the unfolding" : "";
}

// What an address space is compared with counts only where all has come to rest.
std::string never_compared(const System& system, const Exploration& seen) {
  if (seen.rests || system.page_tables.empty()) return {};
  return "it never comes to rest, so that no address space was compared with what was asked for";
}

Answer conclude(std::string_view property, bool violated, const std::string& unfinished, const std::string& bounds) {
  const std::string name(property);
  if (violated) return {name, Verdict::violated, unfinished.empty() ? "" : "there may be more: " + unfinished};
  if (!unfinished.empty()) return {name, Verdict::unknown, unfinished};
  return {name, Verdict::holds, bounds};
}

bool tracks_memory(const System& system) {
  return !system.uses.empty() || !system.page_tables.empty() ||
         std::ranges::any_of(system.regions, [](const Region& region) { return region.capacity != dmem::unlimited; });
}

}  // namespace

Decision decide_by_exploration(const System& system, const SystemGraph& graph, const Budget& budget) {
  WithoutSomeCauses without(system, budget);
  HangFindings found(
      system, graph, budget, HangFindings::Needs::irreducible,
      [&](Causes causes, const std::vector<Obligation>& owed) { return without.find_hang(causes, owed); });
  ExploreOptions options;
  options.budget = budget;
  options.max_states = most_states;
  options.most_hangs = most_hangs;
  options.most_livelocks = 1;
  options.incidents = true;
  Exploration seen = explore(system, initial_state(system), options);
  add_hangs(found, system, std::move(seen.hangs));
  for (const Lasso& lasso : seen.livelocks) found.add(lasso);
  for (const ExploredIncident& each : seen.incidents) found.add(each.incident, each.way);
  const auto violated = [&](std::string_view property) {
    return std::ranges::any_of(found.decision.findings,
                               [&](const Finding& each) { return !each.rule && info(each.kind).property == property; });
  };
  const std::string open_end = found.doubtful.empty() ? unfinished(seen) : found.doubtful;
  const std::string all = bounds(system, seen);
  found.decision.answers.push_back(conclude(deadlock_freedom, violated(deadlock_freedom), open_end, all));
  if (violated(memory_management) || tracks_memory(system)) {
    const std::string unseen = open_end.empty() ? never_compared(system, seen) : open_end;
    found.decision.answers.push_back(conclude(memory_management, violated(memory_management), unseen, all));
  }
  found.decision.engine = Engine::explore;
  return std::move(found.decision);
}

}  // namespace fencecheck
