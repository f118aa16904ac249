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
  if (const auto* choose = std::get_if<Choose>(&step.action))
    step.next.assign(choose->branches.size(), 0);
  else if (std::holds_alternative<TryAcquire>(step.action) || std::holds_alternative<AcquireWithTicket>(step.action))
    step.next.assign(2, 0);
  else if (std::holds_alternative<Allocate>(step.action))
    step.next.assign(3, 0);
  else if (!std::holds_alternative<Cutoff>(step.action) && !std::holds_alternative<PickVictim>(step.action))
    step.next.assign(1, 0);
  for (std::uint32_t branch = 0; branch < step.next.size(); ++branch) ends_.push_back({index, branch, false});
  steps_.push_back(std::move(step));
  return index;
}

std::vector<Step> Program::finish() {
  join(std::exchange(exits_, {}));
  connect(static_cast<StepIndex>(steps_.size()));
  return std::move(steps_);
}

}  // namespace fencecheck
