// Lowerings of what decides where a program goes on.
#include <fmt/format.h>

#include <algorithm>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {

// All conditions hold, or one of them does not: one of the branches is always open.
void Lowering::lower_what(Program& program, const Frame& frame, Place at, const IfStep& step) {
  Choose choose{{Branch{}}};
  for (const Condition& each : step.conditions)
    if (const auto variable = condition(each.variable)) {
      choose.branches.front().tests.push_back({*variable, each.value, true});
      choose.branches.push_back({{{*variable, each.value, false}}, std::nullopt});
    }
  const auto ways = static_cast<std::uint32_t>(choose.branches.size());
  if (ways > most_branches) {
    diagnostics_.error(at, fmt::format("{} conditions; at most {} are covered", ways - 1, most_branches - 1));
    return;
  }
  const StepIndex choice = add(program, frame, at, Cause::explicit_sync, std::move(choose));
  (void)program.take_ends();
  const std::vector<Held> held = program.held;
  OpenEnds otherwise;
  for (std::uint32_t i = 1; i < ways; ++i) otherwise.push_back({choice, i, false});
  std::vector<Arm> arms{lower_arm(program, frame, Program::branch_of(choice, 0), held, step.then)};
  arms.push_back(lower_arm(program, frame, std::move(otherwise), held, step.otherwise));
  join_arms(program, at, arms);
}

void Lowering::lower_what(Program& program, const Frame& frame, Place, const LoopStep& step) {
  Frame inner = frame;
  inner.loops.push_back({step.name.text, program.size(), program.held});
  lower_block(program, inner, step.steps);
}

void Lowering::lower_what(Program& program, const Frame& frame, Place, const RetryStep& step) {
  const auto loop = std::ranges::find(frame.loops.rbegin(), frame.loops.rend(), step.loop.text, &OpenLoop::name);
  if (loop == frame.loops.rend()) {
    diagnostics_.error(step.loop.at, fmt::format("there is no loop '{}' around this step", step.loop.text));
  } else if (program.size() == loop->first) {
    diagnostics_.error(step.loop.at, fmt::format("loop '{}' begins again before it has done anything", step.loop.text));
  } else {
    if (!same_locks(program.held, loop->held))
      diagnostics_.error(step.loop.at, fmt::format("loop '{}' begins again with other locks held than at its beginning",
                                                   step.loop.text));
    program.back_to(loop->first);
  }
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const IoctlStep& step) {
  if (frame.kind != ThreadKind::user || frame.reclaim) {
    diagnostics_.error(at, "this is inside the kernel already: 'ioctl' belongs to threads of kind 'user'");
    return;
  }
  Frame inner = frame;
  inner.kind = ThreadKind::ioctl;
  const std::vector<Held> before = program.held;
  const StepIndex first = program.size();
  lower_block(program, inner, step.steps);
  if (const auto again = program.set_apart(first)) program[*again].userspace = false;
  if (program.reachable() && !same_locks(program.held, before))
    diagnostics_.error(at, "the call returns to userspace with other locks held than at its beginning");
}

}  // namespace fencecheck::lowering
