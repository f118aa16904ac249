#include <fmt/format.h>

#include <algorithm>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {

bool same_locks(std::vector<Held> a, std::vector<Held> b) {
  const auto by_lock = [](const Held& x, const Held& y) { return x.lock < y.lock; };
  std::ranges::sort(a, by_lock);
  std::ranges::sort(b, by_lock);
  return a == b;
}

StepIndex Lowering::add(Program& program, const Frame& frame, Place at, Cause cause, Action action) {
  Step step;
  // Nobody can be killed while he waits for a lock or for a slot.
  const bool resource = std::holds_alternative<Acquire>(action) || std::holds_alternative<AcquireWithTicket>(action) ||
                        std::holds_alternative<Take>(action);
  step.action = std::move(action);
  step.cause = cause;
  step.interruptible = info(frame.kind).interruptible && !frame.reclaim && !resource;
  step.at = at;
  step.context = frame.context;
  step.next.assign(successors(system_, step.action), 0);
  return program.add(std::move(step));
}

void Lowering::lower_block(Program& program, const Frame& frame, const Block& block) {
  for (const StepDeclaration& step : block) {
    if (!program.reachable()) {
      diagnostics_.error(step.at, "no way leads here: every way before it begins a loop again");
      return;
    }
    lower_step(program, frame, step);
  }
}

void Lowering::lower_step(Program& program, const Frame& frame, const StepDeclaration& step) {
  if (++lowered_ > most_lowered) {
    if (lowered_ == most_lowered + 1)
      diagnostics_.error(step.at, fmt::format("the programs expand to more than {} steps", most_lowered));
    return;
  }
  const StepIndex first = program.size();
  const bool in_userspace = frame.kind == ThreadKind::user && !frame.reclaim && program.held.empty();
  std::visit([&](const auto& what) { lower_what(program, frame, step.at, what); }, step.what);
  if (in_userspace && program.size() > first) program[first].userspace = true;
}

// Branching.

Lowering::Arm Lowering::lower_arm(Program& program, const Frame& frame, OpenEnds from, const std::vector<Held>& held,
                                  const Block& block) {
  program.from(std::move(from));
  program.held = held;
  lower_block(program, frame, block);
  return {program.take_ends(), program.held};
}

void Lowering::join_arms(Program& program, Place at, const std::vector<Arm>& arms) {
  const Arm* first = nullptr;  // of those that go on
  for (const Arm& arm : arms) {
    if (arm.ends.empty()) continue;
    if (first == nullptr) first = &arm;
    if (same_locks(arm.held, first->held)) continue;
    diagnostics_.error(at, "the ways through this step end with different locks held");
    break;
  }
  for (const Arm& arm : arms) program.join(arm.ends);
  if (first != nullptr) program.held = first->held;
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const ChooseStep& step) {
  if (step.branches.size() > most_branches) {
    diagnostics_.error(at, fmt::format("{} branches; at most {} are covered", step.branches.size(), most_branches));
    return;
  }
  const StepIndex choice =
      add(program, frame, at, Cause::explicit_sync, Choose{std::vector<Branch>(step.branches.size())});
  (void)program.take_ends();
  const std::vector<Held> held = program.held;
  std::vector<Arm> arms;
  for (std::uint32_t i = 0; i < step.branches.size(); ++i)
    arms.push_back(lower_arm(program, frame, Program::branch_of(choice, i), held, step.branches[i]));
  join_arms(program, at, arms);
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const CallStep& step) {
  const auto index = symbols_.find(step.procedure, SymbolKind::procedure);
  if (!index) return;
  if (std::ranges::find(frame.calls, step.procedure.text) != frame.calls.end()) {
    diagnostics_.error(step.procedure.at, fmt::format("procedure '{}' calls itself", step.procedure.text));
    return;
  }
  Frame inner = frame;
  inner.calls.push_back(step.procedure.text);
  inner.loops.clear();
  if (inner.context.empty()) inner.context = fmt::format("in '{}', called on line {}", step.procedure.text, at.line);
  lower_block(program, inner, scenario_.procedures[*index].steps);
}

// Fences.

// Splits a wait for kernel and user-controlled fences, so that each part has
// one cause. A wait that userspace makes is userspace's whatever it waits for.
void Lowering::add_wait(Program& program, const Frame& frame, Place at, const WaitStep& step,
                        std::vector<FenceId> fences) {
  std::vector<FenceId> from_user;
  const auto is_user = [&](FenceId fence) { return user_controlled(fence); };
  std::ranges::copy_if(fences, std::back_inserter(from_user), is_user);
  const bool all_userspace = frame.kind == ThreadKind::user;
  const bool mixed = !from_user.empty() && from_user.size() != fences.size();
  if (mixed && step.join == Join::all && !step.timeout && !all_userspace && !frame.reclaim) {
    std::erase_if(fences, is_user);
    add_wait(program, frame, at, step, std::move(fences));
    add_wait(program, frame, at, step, std::move(from_user));
    return;
  }
  Cause cause = Cause::explicit_sync;
  if (frame.reclaim)
    cause = Cause::memory_management;
  else if (all_userspace || !from_user.empty())
    cause = Cause::userspace;
  const StepIndex wait = add_wait_for(program, frame, at, cause_of_wait(frame, cause), {std::move(fences), step.join});
  if (step.interruptible) program[wait].interruptible = *step.interruptible;
  if (!step.timeout) return;
  program[wait].timeout = Timeout{*step.timeout, 0};
  const Arm done{program.take_ends(), program.held};
  const Arm timed_out = lower_arm(program, frame, Program::timeout_of(wait), program.held, step.on_timeout);
  join_arms(program, at, {done, timed_out});
}

// A work that a first wait queues does what that wait needs: memory management
// waits through it.
Cause Lowering::cause_of_wait(const Frame& frame, Cause otherwise) const {
  return frame.reclaim || frame.on_wait ? Cause::memory_management : otherwise;
}

StepIndex Lowering::add_wait_set(Program& program, const Frame& frame, Place at, Cause cause, DependencySetId set) {
  if (features_.triggers) add(program, frame, at, Cause::explicit_sync, Trigger{set});
  return add(program, frame, at, cause, WaitSet{set});
}

// A wait for fences that start something, or are made anew, is one for the
// fences as they are now.
StepIndex Lowering::add_wait_for(Program& program, const Frame& frame, Place at, Cause cause, Wait wait) {
  const auto is_renewed = [&](FenceId id) { return features_.renewed.contains(system_[id].name); };
  const auto starts = [&](FenceId id) {
    return is_renewed(id) || std::ranges::any_of(scenario_.fences, [&](const FenceDeclaration& each) {
             return each.on_wait && each.name.text == system_[id].name;
           });
  };
  if (std::ranges::none_of(wait.fences, starts)) return add(program, frame, at, cause, std::move(wait));
  const bool any = wait.join == Join::any && wait.fences.size() > 1;
  const auto renewed = std::ranges::find_if(wait.fences, is_renewed);
  if (any && renewed != wait.fences.end())
    diagnostics_.error(at, fmt::format("'{}' is made anew: a wait for any of several fences, with it, is not covered",
                                       system_[*renewed].name));
  const DependencySetId set = new_set(fmt::format("the wait on line {}", at.line), at);
  add(program, frame, at, Cause::explicit_sync, Capture{wait.fences, set});
  if (!any) return add_wait_set(program, frame, at, cause, set);
  add(program, frame, at, Cause::explicit_sync, Trigger{set});
  return add(program, frame, at, cause, std::move(wait));
}

// The wait is the step added last.
void Lowering::limit_wait(Program& program, const std::optional<Milliseconds>& timeout,
                          std::optional<bool> interruptible) {
  Step& wait = program[program.size() - 1];
  if (interruptible) wait.interruptible = *interruptible;
  if (!timeout) return;
  wait.timeout = Timeout{*timeout, 0};
  program.join(Program::timeout_of(program.size() - 1));
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const WaitStep& step) {
  check_wait(program, frame, at, step);
  add_wait(program, frame, at, step, fences(step.fences));
}

void Lowering::wait_for_reservation(Program& program, const Frame& frame, Place at, std::uint32_t buffer, Usage up_to) {
  const DependencySetId set = new_set(fmt::format("buffer '{}'", scenario_.buffers[buffer].name.text), at);
  add(program, frame, at, Cause::explicit_sync, Collect{buffers_[buffer].reservation, up_to, set});
  add_wait_set(program, frame, at, cause_of_wait(frame, Cause::implicit_sync), set);
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const WaitReservationStep& step) {
  const auto index = buffer(step.buffer);
  if (!index) return;
  wait_for_reservation(program, frame, at, *index, step.up_to);
  limit_wait(program, step.timeout, step.interruptible);
}

// Signalling a point of a timeline signals all points before it.
Signal Lowering::signal_of(const std::vector<FenceId>& fences) const {
  Signal signal;
  for (const FenceId fence : fences) {
    for (const TimelineObjects& timeline : timelines_)
      if (fence.index >= timeline.first && fence.index < timeline.first + timeline.points)
        for (std::uint32_t i = timeline.first; i < fence.index; ++i) signal.fences.push_back(FenceId{i});
    signal.fences.push_back(fence);
  }
  return signal;
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const SignalStep& step) {
  add(program, frame, at, Cause::explicit_sync, signal_of(fences(step.fences)));
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const PublishStep& step) {
  for (const FenceId fence : fences(step.fences)) {
    add(program, frame, at, Cause::explicit_sync, Publish{fence});
    const auto ring = rings_.find(system_[fence].name);
    if (ring == rings_.end() || user_controlled(fence)) continue;
    if (const auto queue = user_queue(ring->second))
      add(program, frame, at, Cause::explicit_sync, Attach{*queues_[*queue].submissions, fence, Usage::bookkeep});
  }
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const AttachStep& step) {
  const auto target = buffer(step.buffer);
  const auto attached = fence(step.fence);
  if (!target || !attached) return;
  if (user_controlled(*attached)) {
    diagnostics_.error(step.fence.at, fmt::format("'{}' is a {} fence; only kernel fences can be attached to a buffer",
                                                  step.fence.text, info(system_[*attached].kind).id));
    return;
  }
  add(program, frame, at, Cause::explicit_sync, Publish{*attached});
  add(program, frame, at, Cause::explicit_sync, Attach{buffers_[*target].reservation, *attached, step.usage});
}

// Locks.

// The waiting line of an rwsem is a lock of its own, held while one waits for
// the rwsem: a waiting writer keeps out later readers (kernel/locking/rwsem.c).
void Lowering::acquire(Program& program, const Frame& frame, Place at, LockId lock, bool shared) {
  check_acquire(program, frame, at, lock);
  const auto line = lines_.find(lock);
  if (line != lines_.end()) add(program, frame, at, Cause::lock, Acquire{line->second});
  add(program, frame, at, Cause::lock, Acquire{lock, shared});
  if (line != lines_.end()) add(program, frame, at, Cause::lock, Release{line->second});
  program.held.push_back({lock, shared, at});
}

void Lowering::release(Program& program, const Frame& frame, Place at, LockId lock) {
  const auto last = std::ranges::find(program.held.rbegin(), program.held.rend(), lock, &Held::lock);
  if (last != program.held.rend()) program.held.erase(std::next(last).base());
  add(program, frame, at, Cause::lock, Release{lock});
}

void Lowering::check_shared(const Name& name, LockId lock, bool shared) {
  if (shared && system_[lock].kind != LockKind::rwsem)
    diagnostics_.error(name.at, fmt::format("'{}' is a {}; only an rwsem can be taken shared", name.text,
                                            info(system_[lock].kind).id));
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const LockStep& step) {
  const auto id = lock(step.lock);
  if (!id) return;
  check_shared(step.lock, *id, step.shared);
  acquire(program, frame, at, *id, step.shared);
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const UnlockStep& step) {
  const auto id = lock(step.lock);
  if (!id) return;
  if (program.holds(*id)) {
    release(program, frame, at, *id);
  } else {
    diagnostics_.error(step.lock.at, fmt::format("'{}' is released here but not held", step.lock.text));
  }
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const TryLockStep& step) {
  const auto id = lock(step.lock);
  if (!id) return;
  check_shared(step.lock, *id, step.shared);
  if (program.holds_against(*id, step.shared)) {  // by this very thread: the attempt fails for certain
    lower_block(program, frame, step.otherwise);
    return;
  }
  const StepIndex attempt = add(program, frame, at, Cause::lock, TryAcquire{*id, step.shared});
  (void)program.take_ends();
  const std::vector<Held> before = program.held;
  std::vector<Held> with = before;
  with.push_back({*id, step.shared, at});
  Arm taken = lower_arm(program, frame, Program::branch_of(attempt, 0), with, step.steps);
  program.from(std::move(taken.ends));
  program.held = taken.held;
  if (program.holds(*id)) release(program, frame, at, *id);
  taken = {program.take_ends(), program.held};
  const Arm busy = lower_arm(program, frame, Program::branch_of(attempt, 1), before, step.otherwise);
  join_arms(program, at, {taken, busy});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const TransactionStep& step) {
  std::vector<LockId> locks;
  for (const Name& name : step.locks)
    if (const auto id = lock(name)) {
      if (system_[*id].kind != LockKind::ww)
        diagnostics_.error(
            name.at, fmt::format("'{}' is a {}; a transaction takes ww locks", name.text, info(system_[*id].kind).id));
      if (program.holds(*id) || std::ranges::find(locks, *id) != locks.end())
        diagnostics_.error(name.at, fmt::format("'{}' is already held here", name.text));
      locks.push_back(*id);
    }
  acquire_together(program, frame, at, locks, step.ticket);
  lower_block(program, frame, step.steps);
  for (const LockId id : locks)
    if (program.holds(id)) release(program, frame, at, id);
}

void Lowering::acquire_together(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks,
                                bool ticket) {
  if (ticket && !locks.empty()) {
    if (program.holds_with_ticket())
      diagnostics_.error(at, "a transaction inside a transaction is not covered: take all its locks in one");
    acquire_with_ticket(program, frame, at, locks);
    return;
  }
  for (const LockId id : locks) acquire(program, frame, at, id, false);
}

// How often a transaction can back off: each time it then waits for the lock it
// backed off from, so one attempt of an older transaction makes it back off at
// most once for each lock. The oldest never backs off; each younger one at most
// `most_locks` times for each attempt of the older ones. Beyond `unfolded` the
// answer is unknown.
std::uint32_t Lowering::restart_limit(const std::string& thread) const {
  constexpr std::uint32_t unfolded = 8;
  std::uint32_t older = 0;
  for (const auto& [name, count] : transactions_.of_thread)
    if (name != thread) older += count;
  std::uint32_t attempts_of_older = 0;
  std::uint32_t limit = 0;
  for (std::uint32_t i = 0; i < older && limit < unfolded; ++i) {
    attempts_of_older += 1 + limit;
    limit = transactions_.most_locks * attempts_of_older;
  }
  return std::min(limit, unfolded);
}

// Wait-die, unfolded: an attempt takes the lock it last backed off from first,
// then the others in order; backing off releases what it has. `never`: nothing
// held, or nobody to back off from.
OpenEnds Lowering::attempts_unfolded(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks,
                                     OpenEnds& never) {
  const std::uint32_t limit = restart_limit(frame.thread);
  constexpr std::size_t in_order = SIZE_MAX;
  std::map<std::pair<std::uint32_t, std::size_t>, OpenEnds> attempts;  // restart, lock to take first
  attempts[{0, in_order}] = program.take_ends();
  OpenEnds done;
  while (!attempts.empty()) {
    const auto attempt = attempts.extract(attempts.begin());
    const auto [restart, first] = attempt.key();
    program.from(attempt.mapped());
    if (restart > limit) {
      add(program, frame, at, Cause::lock, Cutoff{fmt::format("{} restarts of a ww transaction", limit)});
      continue;
    }
    std::vector<std::size_t> order;
    if (first != in_order) order.push_back(first);
    for (std::size_t i = 0; i < locks.size(); ++i)
      if (i != first) order.push_back(i);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const StepIndex step = add(program, frame, at, Cause::lock, AcquireWithTicket{locks[order[i]]});
      program.from(Program::branch_of(step, 1));
      if (i == 0 || limit == 0) {
        for (const OpenEnd& end : program.take_ends()) never.push_back(end);
        program.from(Program::branch_of(step, 0));
        continue;
      }
      for (std::size_t held = i; held-- > 0;) add(program, frame, at, Cause::lock, Release{locks[order[held]]});
      OpenEnds& next = attempts[{restart + 1, order[i]}];
      for (const OpenEnd& end : program.take_ends()) next.push_back(end);
      program.from(Program::branch_of(step, 0));
    }
    for (const OpenEnd& end : program.take_ends()) done.push_back(end);
  }
  return done;
}

// The same where programs have loops anyway: an attempt for each lock to take
// first, and backing off leads from one to the other.
OpenEnds Lowering::attempts_in_a_loop(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks,
                                      OpenEnds& never) {
  std::vector<std::optional<StepIndex>> begins(locks.size());  // of the attempt with this lock first
  std::map<std::size_t, OpenEnds> attempts{{0, program.take_ends()}};
  OpenEnds done;
  while (!attempts.empty()) {
    const auto attempt = attempts.extract(attempts.begin());
    const std::size_t first = attempt.key();
    program.from(attempt.mapped());
    if (begins[first]) {
      program.back_to(*begins[first]);
      continue;
    }
    begins[first] = program.size();
    std::vector<std::size_t> order{first};
    for (std::size_t i = 0; i < locks.size(); ++i)
      if (i != first) order.push_back(i);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const StepIndex step = add(program, frame, at, Cause::lock, AcquireWithTicket{locks[order[i]]});
      program.from(Program::branch_of(step, 1));
      for (std::size_t held = i; held-- > 0;) add(program, frame, at, Cause::lock, Release{locks[order[held]]});
      const OpenEnds back = program.take_ends();
      OpenEnds& next = i == 0 ? never : attempts[order[i]];
      next.insert(next.end(), back.begin(), back.end());
      program.from(Program::branch_of(step, 0));
    }
    for (const OpenEnd& end : program.take_ends()) done.push_back(end);
  }
  return done;
}

void Lowering::acquire_with_ticket(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks) {
  ++seen_.of_thread[frame.thread];
  seen_.most_locks = std::max(seen_.most_locks, static_cast<std::uint32_t>(locks.size()));
  OpenEnds never;
  add(program, frame, at, Cause::lock, TakeTicket{});
  OpenEnds done = features_.loops ? attempts_in_a_loop(program, frame, at, locks, never)
                                  : attempts_unfolded(program, frame, at, locks, never);
  program.from(std::move(never));
  add(program, frame, at, Cause::lock, Cutoff{"a ww transaction that backs off while it holds nothing"});
  program.from(std::move(done));
  for (const LockId id : locks) program.held.push_back({id, false, at, true});
}

// Pools and variables.

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const TakeStep& step) {
  const auto pool = symbols_.find(step.pool, SymbolKind::pool);
  if (!pool) return;
  if (step.amount > system_.pools[*pool].capacity)
    diagnostics_.error(at, fmt::format("pool '{}' holds only {}", step.pool.text, system_.pools[*pool].capacity));
  add(program, frame, at, Cause::scheduling, Take{PoolId{*pool}, step.amount});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const GiveStep& step) {
  if (const auto pool = symbols_.find(step.pool, SymbolKind::pool))
    add(program, frame, at, Cause::scheduling, Give{PoolId{*pool}, step.amount});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const SetStep& step) {
  if (const auto variable = symbols_.find(step.variable, SymbolKind::variable))
    add(program, frame, at, Cause::explicit_sync, Assign{VariableId{*variable}, step.value});
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const WhenStep& step) {
  Branch branch;
  for (const Condition& each : step.conditions)
    if (const auto variable = condition(each.variable)) branch.tests.push_back({*variable, each.value, true});
  const Cause cause = frame.kind == ThreadKind::user ? Cause::userspace : Cause::explicit_sync;
  add(program, frame, at, cause, Choose{{std::move(branch)}});
}

}  // namespace fencecheck::lowering
