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

std::optional<StepIndex> Program::set_apart(StepIndex first) {
  const auto is_open = [&](const OpenEnd& end) {
    const auto same = [&](const OpenEnd& each) {
      return each.step == end.step && each.branch == end.branch && each.timeout == end.timeout;
    };
    return std::ranges::any_of(ends_, same) || std::ranges::any_of(exits_, same);
  };
  OpenEnds back;
  for (StepIndex step = first; step < size(); ++step) {
    for (std::uint32_t branch = 0; branch < steps_[step].next.size(); ++branch)
      if (steps_[step].next[branch] == first && !is_open({step, branch, false})) back.push_back({step, branch, false});
    if (steps_[step].timeout && steps_[step].timeout->next == first && !is_open({step, 0, true}))
      back.push_back({step, 0, true});
  }
  if (back.empty()) return std::nullopt;
  const StepIndex copy = size();
  for (OpenEnds* ends : {&ends_, &exits_})
    for (std::size_t i = 0, before = ends->size(); i < before; ++i)
      if ((*ends)[i].step == first) ends->push_back({copy, (*ends)[i].branch, (*ends)[i].timeout});
  const Step again = steps_[first];
  steps_.push_back(again);
  const auto lead = [&](const OpenEnd& end) {
    Step& step = steps_[end.step];
    (end.timeout ? step.timeout->next : step.next[end.branch]) = copy;
  };
  for (OpenEnd end : back) {
    lead(end);
    if (end.step != first) continue;
    end.step = copy;
    lead(end);
  }
  return copy;
}

}  // namespace fencecheck
