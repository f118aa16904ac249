#include "graph/input/program.hpp"

namespace fencecheck {

void Program::connect(StepIndex target) {
  for (const OpenEnd& end : ends_) {
    Step& step = steps_[end.step];
    if (end.timeout)
      step.timeout->next = target;
    else
      step.next[end.branch] = target;
  }
  ends_.clear();
}

StepIndex Program::add(Step step) {
  const auto index = static_cast<StepIndex>(steps_.size());
  connect(index);
  for (std::uint32_t branch = 0; branch < step.next.size(); ++branch) ends_.push_back({index, branch, false});
  steps_.push_back(std::move(step));
  return index;
}

std::vector<Step> Program::finish() {
  join(std::exchange(exits_, {}));
  connect(static_cast<StepIndex>(steps_.size()));
  return std::move(steps_);
}

namespace {

template <class Function>
void for_each_successor(Step& step, const Function& function) {
  for (StepIndex& next : step.next) function(next);
  if (step.timeout) function(step.timeout->next);
}

bool leads_to(std::vector<Step>& steps, StepIndex goal) {
  bool result = false;
  for (Step& step : steps) for_each_successor(step, [&](const StepIndex& next) { result = result || next == goal; });
  return result;
}

}  // namespace

std::vector<Step> with_first_step_apart(std::vector<Step> steps) {
  const auto end = static_cast<StepIndex>(steps.size());
  if (!leads_to(steps, 0) || !leads_to(steps, end)) return steps;
  steps.push_back(steps.front());
  for (Step& step : steps)
    for_each_successor(step, [&](StepIndex& next) { next = next == end ? end + 1 : next == 0 ? end : next; });
  return steps;
}

}  // namespace fencecheck
