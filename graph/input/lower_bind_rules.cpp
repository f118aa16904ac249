// Rules on the text of binds, of submissions to long-running VMs, and of user memory (kernel-facts 1.6, 2.1 to 2.3).
// They need no execution: whoever breaks them breaks them whatever happens.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {
namespace {

constexpr std::string_view mmap_lock = "mmap_lock";  // as the kernel calls it

bool overlap(const RangeDeclaration& a, const RangeDeclaration& b) {
  return a.begin < b.begin + b.size && b.begin < a.begin + a.size;
}

// What an operation changes.
std::vector<RangeDeclaration> touched(const BindOperation& operation) {
  std::vector<RangeDeclaration> result{operation.range};
  if (operation.verb == BindOperation::Verb::move) {
    result.push_back(operation.range);
    result.back().begin = operation.to;
  }
  return result;
}

bool overlap(const VmBindStep& a, const VmBindStep& b) {
  for (const BindOperation& x : a.operations)
    for (const BindOperation& y : b.operations)
      for (const RangeDeclaration& one : touched(x))
        for (const RangeDeclaration& other : touched(y))
          if (overlap(one, other)) return true;
  return false;
}

bool has_name(const std::vector<Name>& names, const std::string& text) {
  return std::ranges::any_of(names, [&](const Name& each) { return each.text == text; });
}

bool shares_name(const std::vector<Name>& a, const std::vector<Name>& b) {
  return std::ranges::any_of(a, [&](const Name& each) { return has_name(b, each.text); });
}

std::string out_fence(const VmBindStep& bind) { return bind.out.value_or(*bind.job).text; }

// The second waits for the first, by what it names.
bool follows(const VmBindStep& first, const VmBindStep& second) {
  return has_name(second.in, out_fence(first)) || shares_name(second.in_syncobjs, first.out_syncobjs);
}

}  // namespace

void Lowering::breach(Rule rule, Place at, std::string who, std::string meets, std::string what) {
  system_.breaches.push_back({rule, at, std::move(what), fmt::format("'{}'", who), std::move(meets)});
}

void Lowering::check_bind(const Program& program, const Frame& frame, Place at, const VmBindStep& step) {
  const auto space = space_of(step);
  if (!space) return;
  const bool long_running = system_[*space].mode != AddressSpaceMode::dma_fence;
  const std::string name = step.job ? step.job->text : frame.thread;
  const bool pipelined = step.queue && !step.wait_in_ioctl;
  for (const FenceId in : fences(step.in)) {
    const std::string awaited = fmt::format("{} fence '{}'", info(system_[in].kind).id, system_[in].name);
    if (pipelined && user_controlled(in))
      breach(Rule::memory_fence_in_bind, at, name, awaited,
             fmt::format("the bind '{}' waits for {} after its ioctl has returned", name, awaited));
    if (!pipelined && user_controlled(in) && !program.held.empty())
      breach(Rule::memory_fence_under_lock, at, name, awaited,
             fmt::format("'{}' waits for {} with locks held", name, awaited));
    if (pipelined && long_running && !user_controlled(in))
      breach(
          Rule::dma_fence_into_long_running, at, name, awaited,
          fmt::format("the bind '{}' of a long-running VM waits for {} after its ioctl has returned", name, awaited));
  }
  if (pipelined && long_running && !step.in_syncobjs.empty())
    breach(
        Rule::dma_fence_into_long_running, at, name, "its in-syncobjs",
        fmt::format("the bind '{}' of a long-running VM waits for its in-syncobjs after its ioctl has returned", name));
  const auto out = step.queue ? fence(step.out.value_or(*step.job)) : std::nullopt;
  if (out && long_running && !user_controlled(*out))
    breach(Rule::dma_fence_out_of_long_running, at, name, fmt::format("kernel fence '{}'", system_[*out].name),
           fmt::format("the bind '{}' of a long-running VM signals kernel fence '{}'", name, system_[*out].name));
  const bool may_lack = std::ranges::any_of(step.fails, [](BindErrno each) { return each != BindErrno::eintr; });
  if (only_unmaps(step) && (step.page_tables != PageTablesFrom::reserve || !step.validates.empty() || may_lack))
    breach(Rule::unbind_allocates, at, name, "memory",
           fmt::format("'{}' unbinds, and may fail for want of memory", name));
  if (step.queue && step.page_tables == PageTablesFrom::job)
    breach(Rule::reclaim_in_signalling, at, name, "memory reclaim",
           fmt::format("the job of the bind '{}' allocates page tables before it signals", name));
  if (!step.fails.empty() && step.on_error == BindErrors::partial && step.operations.size() > 1)
    breach(Rule::bind_leaves_half, at, name, "the rest of its list",
           fmt::format("the bind of '{}' may fail in the middle, and leaves what it has done", name));
  if (step.on_job_error == JobErrors::report)
    breach(Rule::fence_before_bind_is_safe, at, name, "its own out-fence",
           fmt::format("the bind '{}' publishes its fence before it knows that it succeeds", name));
  if (step.on_job_error == JobErrors::report || step.on_job_error == JobErrors::ignore)
    breach(Rule::half_bound_vm_in_use, at, name, "the rest of its list",
           fmt::format("the job of the bind '{}' may fail in the middle, and its VM stays in use", name));
}

void Lowering::check_submission(const Program& program, const Frame&, Place at, const SubmitStep& step, FenceId out) {
  const auto queue = symbols_.find(step.queue, SymbolKind::queue);
  if (!queue) return;
  const QueueDeclaration& declared = scenario_.queues[*queue];
  if (declared.kind != QueueKind::engine || !declared.address_space) return;
  if (binds_of(declared.address_space) != nullptr && !user_controlled(out) &&
      system_[*address_space(*declared.address_space)].mode != AddressSpaceMode::dma_fence)
    breach(Rule::end_of_batch_fence, at, step.job.text, fmt::format("kernel fence '{}'", system_[out].name),
           fmt::format("job '{}' of a long-running VM signals kernel fence '{}' at its end", step.job.text,
                       system_[out].name));
  const auto space = address_space(*declared.address_space);
  if (!space) return;
  for (const BufferId memory : system_[*space].buffers) {
    const BufferDeclaration& used = scenario_.buffers[buffer_of_memory_[memory.index]];
    if (!used.notifier_lock || !used.sequence) continue;
    const auto guard = lock(*used.notifier_lock);
    const auto sequence = symbols_.find(*used.sequence, SymbolKind::variable);
    if (!guard || !sequence) continue;
    // The last look at the sequence is inside the section of the lock that is still open.
    bool looked = false;
    for (StepIndex i = 0; i < program.size(); ++i) {
      const Action& action = program[i].action;
      const auto* acquire = std::get_if<Acquire>(&action);
      const auto* choose = std::get_if<Choose>(&action);
      if (acquire != nullptr && acquire->lock == *guard) looked = false;
      if (choose == nullptr) continue;
      for (const Branch& branch : choose->branches)
        for (const Test& test : branch.tests) looked = looked || test.variable == VariableId{*sequence};
    }
    if (program.holds(*guard) && looked) continue;
    breach(Rule::unchecked_sequence, at, step.job.text, fmt::format("user memory '{}'", used.name.text),
           fmt::format("job '{}' is published without a look at '{}' under '{}': '{}' may have gone", step.job.text,
                       used.sequence->text, used.notifier_lock->text, used.name.text));
  }
}

void Lowering::check_wait(const Program& program, const Frame& frame, Place at, const WaitStep& step) {
  if (binds_.empty() || program.held.empty() || frame.kind == ThreadKind::user) return;
  for (const FenceId awaited : fences(step.fences))
    if (user_controlled(awaited))
      breach(Rule::memory_fence_under_lock, at, frame.thread,
             fmt::format("{} fence '{}'", info(system_[awaited].kind).id, system_[awaited].name),
             fmt::format("'{}' waits for {} fence '{}' with locks held", frame.thread, info(system_[awaited].kind).id,
                         system_[awaited].name));
}

// User memory is faulted in and pinned below nothing but the VM's lock.
void Lowering::check_acquire(const Program& program, const Frame& frame, Place at, LockId lock) {
  if (system_[lock].name != mmap_lock) return;
  for (const Held& held : program.held)
    if (system_[held.lock].kind == LockKind::ww)
      breach(Rule::mmap_lock_under_reservation, at, frame.thread, fmt::format("lock '{}'", mmap_lock),
             fmt::format("'{}' takes '{}' while it holds the reservation of '{}'", frame.thread, mmap_lock,
                         system_[held.lock].name));
}

// Nothing orders two bind queues: whoever needs an order has to make one waits for the other.
void Lowering::check_bind_queues() {
  struct Bind {
    const VmBindStep* step;
    Place at;
  };
  std::vector<Bind> binds;
  std::vector<Name> awaited;
  for_each_step(scenario_, [&](const StepDeclaration& step) {
    if (const auto* bind = std::get_if<VmBindStep>(&step.what); bind != nullptr && bind->queue && bind->job)
      binds.push_back({bind, step.at});
    if (const auto* wait = std::get_if<WaitStep>(&step.what))
      awaited.insert(awaited.end(), wait->fences.begin(), wait->fences.end());
    if (const auto* wait = std::get_if<WaitSyncobjStep>(&step.what))
      awaited.insert(awaited.end(), wait->syncobjs.begin(), wait->syncobjs.end());
  });
  const auto is_awaited = [&](const VmBindStep& bind) {
    return has_name(awaited, out_fence(bind)) || shares_name(awaited, bind.out_syncobjs);
  };
  for (std::size_t i = 0; i < binds.size(); ++i)
    for (std::size_t k = i + 1; k < binds.size(); ++k) {
      const VmBindStep& a = *binds[i].step;
      const VmBindStep& b = *binds[k].step;
      if (a.queue->text == b.queue->text || space_of(a) != space_of(b) || !overlap(a, b)) continue;
      if (follows(a, b) || follows(b, a) || is_awaited(a) || is_awaited(b)) continue;
      breach(Rule::order_across_bind_queues, binds[k].at, b.job->text, fmt::format("the bind '{}'", a.job->text),
             fmt::format("the binds '{}' and '{}' change one range on two queues, and nothing orders them", a.job->text,
                         b.job->text));
    }
}

// What an MMU notifier of user memory may do, and must.
void Lowering::check_notifiers() {
  std::set<std::string> sequences;
  std::set<std::string> forbidden;
  for (const BufferDeclaration& each : scenario_.buffers) {
    forbidden.insert(each.name.text);
    if (each.notifier_lock) (void)lock(*each.notifier_lock);  // it has to exist, whether or not anybody submits
    if (each.sequence && symbols_.find(*each.sequence, SymbolKind::variable)) sequences.insert(each.sequence->text);
  }
  for (const AddressSpaceDeclaration& each : scenario_.address_spaces)
    if (each.lock && lock(*each.lock)) forbidden.insert(each.lock->text);
  if (sequences.empty()) return;
  for (const ProcedureDeclaration& notifier : scenario_.notifiers) {
    bool invalidates = false;
    bool waits = false;
    for (const StepDeclaration& step : notifier.steps) {
      std::vector<Name> taken;
      if (const auto* lock = std::get_if<LockStep>(&step.what)) taken.push_back(lock->lock);
      if (const auto* transaction = std::get_if<TransactionStep>(&step.what)) taken = transaction->locks;
      for (const Name& each : taken)
        if (forbidden.contains(each.text))
          breach(Rule::reservation_in_notifier, step.at, notifier.name.text, fmt::format("lock '{}'", each.text),
                 fmt::format("MMU notifier '{}' takes '{}'", notifier.name.text, each.text));
      const auto* set = std::get_if<SetStep>(&step.what);
      invalidates = invalidates || (set != nullptr && sequences.contains(set->variable.text));
      const auto* wait = std::get_if<WaitReservationStep>(&step.what);
      waits = waits || (wait != nullptr && wait->up_to == Usage::bookkeep && !wait->timeout &&
                        !wait->interruptible.value_or(false));
    }
    if (invalidates && !waits)
      breach(Rule::notifier_without_wait, notifier.name.at, notifier.name.text, "all fences of the VM",
             fmt::format("MMU notifier '{}' does not wait for all that uses the memory", notifier.name.text));
  }
}

}  // namespace fencecheck::lowering
