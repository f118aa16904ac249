// What a scenario has in it that changes how the rest is lowered.
#include <algorithm>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {
namespace {

// Walks the programs, procedures written out; each of them once for each way of
// being repeated, so that the walk ends.
class Survey {
 public:
  explicit Survey(const Scenario& scenario) : scenario_(scenario) {}
  Features run();

 private:
  void objects();
  void walk(const Block& block, bool repeated);
  void look(const StepDeclaration& step, bool repeated);
  void call(const Name& name, bool repeated);
  void renew_fence_of(const RearmStep& rearm);
  const Scenario& scenario_;
  Features found_;
  std::set<std::pair<std::string, bool>> called_;
};

bool has_retry(const Block& block) {
  return std::ranges::any_of(block, [](const StepDeclaration& step) {
    return std::holds_alternative<RetryStep>(step.what) ||
           std::ranges::any_of(blocks_of(step), [](const Block* inner) { return has_retry(*inner); });
  });
}

void Survey::objects() {
  const auto any = [](const auto& declarations, const auto& property) {
    return std::ranges::any_of(declarations, property);
  };
  found_.tracks_memory =
      any(scenario_.regions, [](const RegionDeclaration& each) { return each.capacity.has_value(); }) ||
      any(scenario_.buffers, [](const BufferDeclaration& each) { return each.size.has_value(); }) ||
      !scenario_.groups.empty() || !scenario_.address_spaces.empty();
  found_.copies = any(scenario_.regions, [](const RegionDeclaration& each) { return each.copies_on.has_value(); });
  found_.loops = found_.tracks_memory || !scenario_.works.empty();
  found_.counts_slots = scenario_.reserved_slots;
  found_.worker_memory = any(scenario_.queues, [](const QueueDeclaration& each) { return !each.rescuer; });
  found_.triggers = any(scenario_.fences, [](const FenceDeclaration& each) { return each.on_wait.has_value(); });
  found_.programs = static_cast<std::uint32_t>(scenario_.threads.size() + scenario_.works.size() +
                                               scenario_.shrinkers.size() + scenario_.notifiers.size());
}

void Survey::renew_fence_of(const RearmStep& rearm) {
  if (rearm.fence) found_.renewed.insert(rearm.fence->text);
  for (const AddressSpaceDeclaration& space : scenario_.address_spaces)
    if (!rearm.fence && space.fence && space.name.text == rearm.address_space.text)
      found_.renewed.insert(space.fence->text);
}

void Survey::call(const Name& name, bool repeated) {
  const auto procedure = std::ranges::find(scenario_.procedures, name.text,
                                           [](const ProcedureDeclaration& each) { return each.name.text; });
  if (procedure != scenario_.procedures.end() && called_.emplace(name.text, repeated).second)
    walk(procedure->steps, repeated);
}

void Survey::look(const StepDeclaration& step, bool repeated) {
  if (const auto* submit = std::get_if<SubmitStep>(&step.what)) {
    ++found_.programs;
    if (repeated) {
      found_.repeated.insert(submit->job.text);
      found_.renewed.insert(submit->out.value_or(submit->job).text);
    }
  }
  if (const auto* bind = std::get_if<VmBindStep>(&step.what); bind != nullptr && bind->queue && bind->job) {
    ++found_.programs;
    if (repeated) {
      found_.repeated.insert(bind->job->text);
      found_.renewed.insert(bind->out.value_or(*bind->job).text);
    }
  }
  if (const auto* rearm = std::get_if<RearmStep>(&step.what)) renew_fence_of(*rearm);
  if (std::holds_alternative<ReserveStep>(step.what)) found_.counts_slots = true;
  if (const auto* evict = std::get_if<EvictStep>(&step.what); evict != nullptr && evict->by) found_.copies = true;
  if (const auto* move = std::get_if<MoveStep>(&step.what); move != nullptr && move->by) found_.copies = true;
  if (std::holds_alternative<RetryStep>(step.what)) found_.loops = true;
  if (const auto* called = std::get_if<CallStep>(&step.what)) call(called->procedure, repeated);
}

void Survey::walk(const Block& block, bool repeated) {
  for (const StepDeclaration& step : block) {
    look(step, repeated);
    const bool loops = std::holds_alternative<LoopStep>(step.what);
    const auto* bind = std::get_if<VmBindStep>(&step.what);
    const bool restarts = bind != nullptr && bind->restart;
    found_.loops = found_.loops || restarts;
    for (const Block* inner : blocks_of(step)) walk(*inner, repeated || restarts || (loops && has_retry(*inner)));
  }
}

Features Survey::run() {
  objects();
  for (const WorkDeclaration& work : scenario_.works) walk(work.steps, true);
  for (const ThreadDeclaration& thread : scenario_.threads) walk(thread.steps, false);
  for (const auto* procedures : {&scenario_.shrinkers, &scenario_.notifiers})
    for (const ProcedureDeclaration& procedure : *procedures) walk(procedure.steps, found_.loops);
  found_.triggers = found_.triggers || !found_.renewed.empty();
  return std::move(found_);
}

}  // namespace

std::vector<const Block*> blocks_of(const StepDeclaration& step) {
  if (const auto* submit = std::get_if<SubmitStep>(&step.what)) return {&submit->runs};
  if (const auto* wait = std::get_if<WaitStep>(&step.what)) return {&wait->on_timeout};
  if (const auto* transaction = std::get_if<TransactionStep>(&step.what)) return {&transaction->steps};
  if (const auto* attempt = std::get_if<TryLockStep>(&step.what)) return {&attempt->steps, &attempt->otherwise};
  if (const auto* validate = std::get_if<ValidateStep>(&step.what); validate != nullptr && validate->otherwise)
    return {&*validate->otherwise};
  if (const auto* bind = std::get_if<VmBindStep>(&step.what)) {
    if (bind->otherwise) return {&*bind->otherwise};
    if (bind->restart) return {&*bind->restart};
  }
  if (const auto* test = std::get_if<IfStep>(&step.what)) return {&test->then, &test->otherwise};
  if (const auto* loop = std::get_if<LoopStep>(&step.what)) return {&loop->steps};
  if (const auto* inside = std::get_if<IoctlStep>(&step.what)) return {&inside->steps};
  std::vector<const Block*> result;
  if (const auto* choose = std::get_if<ChooseStep>(&step.what))
    for (const Block& branch : choose->branches) result.push_back(&branch);
  return result;
}

namespace {
void for_each_in(const Block& block, const std::function<void(const StepDeclaration&)>& visit) {
  for (const StepDeclaration& step : block) {
    visit(step);
    for (const Block* inner : blocks_of(step)) for_each_in(*inner, visit);
  }
}
}  // namespace

void for_each_step(const Scenario& scenario, const std::function<void(const StepDeclaration&)>& visit) {
  for (const auto* procedures : {&scenario.procedures, &scenario.shrinkers, &scenario.notifiers})
    for (const ProcedureDeclaration& procedure : *procedures) for_each_in(procedure.steps, visit);
  for (const WorkDeclaration& work : scenario.works) for_each_in(work.steps, visit);
  for (const ThreadDeclaration& thread : scenario.threads) for_each_in(thread.steps, visit);
}

Features features_of(const Scenario& scenario) { return Survey(scenario).run(); }

}  // namespace fencecheck::lowering
