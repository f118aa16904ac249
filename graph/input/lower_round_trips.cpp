// How often user threads enter the kernel, and for how many submissions.
#include <algorithm>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {
namespace {

RoundTrips both(RoundTrips a, const RoundTrips& b) {
  a.fewest += b.fewest;
  a.most += b.most;
  a.fewest_submissions += b.fewest_submissions;
  a.most_submissions += b.most_submissions;
  return a;
}

RoundTrips either(RoundTrips a, const RoundTrips& b) {
  a.fewest = std::min(a.fewest, b.fewest);
  a.most = std::max(a.most, b.most);
  a.fewest_submissions = std::min(a.fewest_submissions, b.fewest_submissions);
  a.most_submissions = std::max(a.most_submissions, b.most_submissions);
  return a;
}

template <class... Steps>
bool is_one_of(const StepDeclaration::What& what) {
  return (std::holds_alternative<Steps>(what) || ...);
}

}  // namespace

// What userspace cannot do itself. It has locks and counters of its own, rings
// its doorbells, and polls fences that it controls.
bool Lowering::enters_kernel(const StepDeclaration& step) const {
  const auto of_kernel = [&](const Name& name) {
    const Symbol* symbol = symbols_.look_up(name.text.substr(0, name.text.find(':')));
    if (symbol == nullptr) return false;
    if (symbol->kind == SymbolKind::timeline) return !user_controlled(FenceId{timelines_[symbol->index].first});
    return symbol->kind == SymbolKind::fence && !user_controlled(FenceId{symbol->index});
  };
  if (const auto* submit = std::get_if<SubmitStep>(&step.what)) return !submit->doorbell;
  if (const auto* wait = std::get_if<WaitStep>(&step.what)) return std::ranges::any_of(wait->fences, of_kernel);
  if (const auto* signal = std::get_if<SignalStep>(&step.what)) return std::ranges::any_of(signal->fences, of_kernel);
  return !is_one_of<LockStep, TryLockStep, UnlockStep, TakeStep, GiveStep, SetStep, WhenStep, IfStep, ChooseStep,
                    LoopStep, RetryStep, CallStep>(step.what);
}

// Loops once.
RoundTrips Lowering::count(const StepDeclaration& step, bool inside, std::vector<std::string>& calls) const {
  RoundTrips result;
  const bool enters = !inside && enters_kernel(step);
  if (enters) result.fewest = result.most = 1;
  if (const auto* submit = std::get_if<SubmitStep>(&step.what)) {
    // Where there are user queues, a kernel job is an aid (a fence job), no submission.
    if (submit->doorbell || rings_.empty()) result.fewest_submissions = result.most_submissions = 1;
    return result;
  }
  if (const auto* called = std::get_if<CallStep>(&step.what)) {
    const Symbol* symbol = symbols_.look_up(called->procedure.text);
    if (symbol == nullptr || symbol->kind != SymbolKind::procedure) return result;
    if (std::ranges::find(calls, called->procedure.text) != calls.end()) return result;
    calls.push_back(called->procedure.text);
    result = both(result, count(scenario_.procedures[symbol->index].steps, inside, calls));
    calls.pop_back();
    return result;
  }
  const std::vector<const Block*> blocks = blocks_of(step);
  if (blocks.empty()) return result;
  const bool within = inside || (enters && !is_one_of<VmBindStep>(step.what));  // userspace handles its errors
  RoundTrips ways = count(*blocks.front(), within, calls);
  for (std::size_t i = 1; i < blocks.size(); ++i) ways = either(ways, count(*blocks[i], within, calls));
  if (is_one_of<WaitStep, ValidateStep, VmBindStep>(step.what)) ways = either(ways, {});  // only if it fails
  return both(result, ways);
}

RoundTrips Lowering::count(const Block& block, bool inside, std::vector<std::string>& calls) const {
  RoundTrips result;
  for (const StepDeclaration& step : block) result = both(result, count(step, inside, calls));
  return result;
}

void Lowering::count_round_trips() {
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
    const Symbol* symbol = symbols_.look_up(system_.threads[i].name);
    if (system_.threads[i].kind != ThreadKind::user || symbol == nullptr || symbol->kind != SymbolKind::thread)
      continue;
    std::vector<std::string> calls;
    RoundTrips trips = count(scenario_.threads[symbol->index].steps, false, calls);
    trips.thread = ThreadId{i};
    if (trips.most_submissions > 0) system_.round_trips.push_back(trips);
  }
}

}  // namespace fencecheck::lowering
