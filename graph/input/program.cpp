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

}  // namespace fencecheck
