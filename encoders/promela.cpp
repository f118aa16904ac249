#include "encoders/promela.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "encoders/encodable.hpp"
#include "graph/model/control_flow.hpp"
#include "graph/model/overloaded.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_processes = 254;  // SPIN's 255, and the monitor
constexpr unsigned exclusive = 255;          // how a lock says that it is not shared

using Words = std::vector<std::string>;

std::string all_of(const Words& parts) { return parts.empty() ? "true" : fmt::format("{}", fmt::join(parts, " && ")); }
std::string any_of(const Words& parts) { return parts.empty() ? "false" : fmt::format("{}", fmt::join(parts, " || ")); }

// A name as the inside of a comment.
std::string comment(const std::string& name) {
  std::string text;
  for (const char each : name) text += each == '*' || static_cast<unsigned char>(each) < ' ' ? '.' : each;
  return text;
}

// One way on from a step: what must hold, and what changes.
struct Way {
  std::string guard = "true";
  Words effects;
  StepIndex next = 0;
};

class Writer {
 public:
  explicit Writer(const System& system) : system_(system) {}
  std::string run();

 private:
  void declare_objects();
  void declare_queues();
  void declare_sets();
  void write_thread(std::uint32_t thread);
  void write_step(std::uint32_t thread, StepIndex index);
  void write_monitor();
  void line(std::string_view text) { (out_ += text) += '\n'; }
  void declare(std::string_view type, const std::string& name, std::int64_t initial, const std::string& what);

  // Of one step.
  [[nodiscard]] std::vector<Way> ways(std::uint32_t thread, StepIndex index) const;
  [[nodiscard]] std::vector<Way> ways(std::uint32_t thread, const Step& step, const Choose& choose) const;
  [[nodiscard]] std::string guard(std::uint32_t thread, const Action& action) const;
  [[nodiscard]] Words effects(std::uint32_t thread, StepIndex index) const;
  [[nodiscard]] std::string free(LockId lock, bool shared) const;
  void take(Words& effects, LockId lock, bool shared) const;
  void release(Words& effects, std::uint32_t thread, StepIndex index, LockId lock) const;
  void push(Words& effects, ThreadId job) const;
  [[nodiscard]] bool owes(std::uint32_t thread, StepIndex index) const;
  [[nodiscard]] static std::string target(const Thread& thread, StepIndex step) {
    return step == thread.end() ? "done" : fmt::format("end{}", step);
  }
  [[nodiscard]] std::vector<FenceId> candidates(DependencySetId set) const;

  const System& system_;
  std::vector<ControlFlow> flows_;
  std::map<std::uint32_t, std::set<std::uint32_t>> members_;  // of each set: fences that may be in it
  std::string out_;
};

std::string published(FenceId fence) { return fmt::format("pub{}", fence.index); }
std::string signalled(FenceId fence) { return fmt::format("sig{}", fence.index); }
std::string attached(const Attach& attach) {
  return fmt::format("att{}_{}_{}", attach.reservation.index, attach.fence.index, static_cast<unsigned>(attach.usage));
}
std::string member(DependencySetId set, std::uint32_t fence) { return fmt::format("in{}_{}", set.index, fence); }

void Writer::declare(std::string_view type, const std::string& name, std::int64_t initial, const std::string& what) {
  line(fmt::format("{} {}{}; /* {} */", type, name, initial == 0 ? "" : fmt::format(" = {}", initial), comment(what)));
}

void Writer::declare_objects() {
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i) {
    const Fence& fence = system_.fences[i];
    declare("bit", signalled({i}), 0, fmt::format("signalled: {} fence '{}'", info(fence.kind).id, fence.name));
    declare("bit", published({i}), fence.published ? 1 : 0, "published");
  }
  for (std::uint32_t i = 0; i < system_.locks.size(); ++i) {
    declare("byte", fmt::format("lock{}", i), 0,
            fmt::format("lock '{}': readers, or {} for an exclusive owner", system_.locks[i].name, exclusive));
    if (system_.locks[i].kind == LockKind::ww)
      declare("short", fmt::format("by{}", i), 0, "the owner's ticket; 0: it took it without");
  }
  for (std::uint32_t i = 0; i < system_.variables.size(); ++i)
    declare("int", fmt::format("var{}", i), system_.variables[i].initial,
            fmt::format("variable '{}'", system_.variables[i].name));
  for (std::uint32_t i = 0; i < system_.pools.size(); ++i)
    declare("int", fmt::format("taken{}", i), 0,
            fmt::format("pool '{}', of {}", system_.pools[i].name, system_.pools[i].capacity));
}

void Writer::declare_queues() {
  std::vector<std::size_t> jobs(system_.queues.size(), 0);
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
    const Thread& thread = system_.threads[i];
    if (!thread.queue) continue;
    ++jobs[thread.queue->index];
    declare("bit", fmt::format("pushed{}", i), 0, fmt::format("job '{}'", thread.name));
  }
  for (std::uint32_t i = 0; i < system_.queues.size(); ++i) {
    line(fmt::format("chan queue{} = [{}] of {{ byte }}; /* '{}' */", i, std::max<std::size_t>(jobs[i], 1),
                     comment(system_.queues[i].name)));
    declare("byte", fmt::format("run{}", i), 0, fmt::format("jobs that run, of at most {}", system_.queues[i].width));
  }
}

// Which fences are attached where, and which were found there.
void Writer::declare_sets() {
  std::set<std::string> known;
  std::map<std::uint32_t, std::vector<Attach>> attaches;  // by reservation
  for (const Thread& thread : system_.threads)
    for (const Step& step : thread.program)
      if (const auto* attach = std::get_if<Attach>(&step.action)) {
        attaches[attach->reservation.index].push_back(*attach);
        if (known.insert(attached(*attach)).second)
          declare("bit", attached(*attach), 0,
                  fmt::format("'{}' is attached to '{}' as {}", system_[attach->fence].name,
                              system_[attach->reservation].name, info(attach->usage).id));
      }
  for (const Thread& thread : system_.threads)
    for (const Step& step : thread.program)
      if (const auto* collect = std::get_if<Collect>(&step.action))
        for (const Attach& attach : attaches[collect->reservation.index])
          if (attach.usage <= collect->up_to && members_[collect->into.index].insert(attach.fence.index).second)
            declare("bit", member(collect->into, attach.fence.index), 0,
                    fmt::format("'{}' was found in '{}'", system_[attach.fence].name, system_[collect->into].name));
}

std::string Writer::free(LockId lock, bool shared) const {
  return shared ? fmt::format("lock{} != {}", lock.index, exclusive) : fmt::format("lock{} == 0", lock.index);
}

void Writer::take(Words& effects, LockId lock, bool shared) const {
  effects.push_back(shared ? fmt::format("lock{}++", lock.index) : fmt::format("lock{} = {}", lock.index, exclusive));
}

// Nothing if the thread holds the lock neither way.
void Writer::release(Words& effects, std::uint32_t thread, StepIndex index, LockId lock) const {
  const std::vector<HeldLock>& held = flows_[thread].held[index];
  const auto mine = std::find_if(held.rbegin(), held.rend(), [&](const HeldLock& each) { return each.lock == lock; });
  if (mine == held.rend()) return;
  effects.push_back(mine->shared ? fmt::format("lock{}--", lock.index) : fmt::format("lock{} = 0", lock.index));
  if (mine->with_ticket) effects.push_back(fmt::format("by{} = 0", lock.index));
}

void Writer::push(Words& effects, ThreadId job) const {
  effects.push_back(fmt::format("queue{}!{}", system_[job].queue->index, job.index));
  effects.push_back(fmt::format("pushed{} = 1", job.index));
}

std::string test(const Test& test) {
  return fmt::format("var{} {} {}", test.variable.index, test.equal ? "==" : "!=", test.value);
}

std::vector<Way> Writer::ways(std::uint32_t, const Step& step, const Choose& choose) const {
  std::vector<Way> result;
  for (std::size_t i = 0; i < choose.branches.size(); ++i) {
    Words tests;
    for (const Test& each : choose.branches[i].tests) tests.push_back(test(each));
    result.push_back({all_of(tests), {}, step.next[i]});
  }
  return result;
}

std::string Writer::guard(std::uint32_t thread, const Action& action) const {
  return std::visit(
      overloaded{
          [](const Wait& wait) {
            Words parts;
            for (const FenceId fence : wait.fences) parts.push_back(signalled(fence));
            return wait.join == Join::all ? all_of(parts) : any_of(parts);
          },
          [&](const WaitSet& wait) {
            Words parts;
            if (const auto found = members_.find(wait.set.index); found != members_.end())
              for (const std::uint32_t fence : found->second)
                parts.push_back(fmt::format("(!{} || {})", member(wait.set, fence), signalled({fence})));
            return all_of(parts);
          },
          [&](const Acquire& acquire) { return free(acquire.lock, acquire.shared); },
          [&](const AcquireWithTicket& acquire) { return free(acquire.lock, false); },
          [&](const TryAcquire& attempt) { return free(attempt.lock, attempt.shared); },
          [&](const Take& take) {
            return fmt::format("taken{} + {} <= {}", take.pool.index, take.amount, system_[take.pool].capacity);
          },
          [&](const Begin&) {
            const QueueId queue = *system_.threads[thread].queue;
            return fmt::format("run{} < {} && queue{}?[{}]", queue.index, system_[queue].width, queue.index, thread);
          },
          [](const Cutoff&) { return std::string("false"); },
          [](const Expire&) { return std::string("false"); },
          [](const auto&) { return std::string("true"); },
      },
      action);
}

Words Writer::effects(std::uint32_t thread, StepIndex index) const {
  Words result;
  const Step& step = system_.threads[thread].program[index];
  std::visit(
      overloaded{
          [&](const WaitSet& wait) {
            if (const auto found = members_.find(wait.set.index); found != members_.end())
              for (const std::uint32_t fence : found->second)
                result.push_back(fmt::format("{} = 0", member(wait.set, fence)));
          },
          [&](const Publish& publish) { result.push_back(published(publish.fence) + " = 1"); },
          [&](const Signal& signal) {
            for (const FenceId fence : signal.fences) result.push_back(signalled(fence) + " = 1");
          },
          [&](const Acquire& acquire) { take(result, acquire.lock, acquire.shared); },
          [&](const TryAcquire& attempt) { take(result, attempt.lock, attempt.shared); },
          [&](const AcquireWithTicket& acquire) {
            take(result, acquire.lock, false);
            result.push_back(fmt::format("by{} = ticket{}", acquire.lock.index, thread));
          },
          [&](const TakeTicket&) {
            result.emplace_back("tickets++");
            result.push_back(fmt::format("ticket{} = tickets", thread));
          },
          [&](const Release& what) { release(result, thread, index, what.lock); },
          [&](const Take& take) {
            result.push_back(fmt::format("taken{0} = taken{0} + {1}", take.pool.index, take.amount));
          },
          [&](const Give& give) {
            result.push_back(fmt::format("taken{0} = taken{0} - {1}", give.pool.index, give.amount));
          },
          [&](const Push& what) { push(result, what.job); },
          [&](const Begin&) {
            const std::uint32_t queue = system_.threads[thread].queue->index;
            result.push_back(fmt::format("queue{}?{}", queue, thread));
            result.push_back(fmt::format("run{}++", queue));
          },
          [&](const Finish&) { result.push_back(fmt::format("run{}--", system_.threads[thread].queue->index)); },
          [&](const Attach& attach) { result.push_back(attached(attach) + " = 1"); },
          [&](const Collect& collect) {
            for (const Thread& other : system_.threads)
              for (const Step& each : other.program)
                if (const auto* attach = std::get_if<Attach>(&each.action);
                    attach != nullptr && attach->reservation == collect.reservation && attach->usage <= collect.up_to) {
                  const std::string in = member(collect.into, attach->fence.index);
                  result.push_back(fmt::format("{0} = {0} || {1}", in, attached(*attach)));
                }
          },
          [&](const Assign& assign) {
            result.push_back(fmt::format("var{} = {}", assign.variable.index, assign.value));
          },
          [](const auto&) {},
      },
      step.action);
  return result;
}

// Does it owe something to stand there? (graph/model/obligations.cpp)
bool Writer::owes(std::uint32_t thread, StepIndex index) const {
  const Thread& who = system_.threads[thread];
  if (index == who.end()) return false;
  if (who.queue) return who.kind == ThreadKind::worker;  // counts once the job is pushed
  if (info(who.kind).kernel_owed) return index != 0;
  const Step& here = who.program[index];
  return !here.interruptible && !(system_.userspace_may_stop && here.userspace);
}

std::vector<Way> Writer::ways(std::uint32_t thread, StepIndex index) const {
  const Step& step = system_.threads[thread].program[index];
  if (const auto* choose = std::get_if<Choose>(&step.action)) return ways(thread, step, *choose);
  std::vector<Way> result;
  if (std::holds_alternative<Cutoff>(step.action)) return result;
  if (!std::holds_alternative<Expire>(step.action))
    result.push_back({guard(thread, step.action), effects(thread, index), step.next[0]});
  if (const auto* attempt = std::get_if<TryAcquire>(&step.action))
    result.push_back({fmt::format("!({})", free(attempt->lock, attempt->shared)), {}, step.next[1]});
  if (const auto* acquire = std::get_if<AcquireWithTicket>(&step.action);
      acquire != nullptr && std::ranges::any_of(flows_[thread].held[index], &HeldLock::with_ticket))
    result.push_back({fmt::format("by{0} != 0 && by{0} < ticket{1}", acquire->lock.index, thread), {}, step.next[1]});
  if (const auto* expire = std::get_if<Expire>(&step.action))
    result.push_back({fmt::format("timeout && {} && !{}", published(expire->fence), signalled(expire->fence)),
                      {signalled(expire->fence) + " = 1"},
                      step.next[0]});
  if (step.timeout) {
    Words cleared;
    if (std::holds_alternative<WaitSet>(step.action)) cleared = effects(thread, index);
    result.push_back({"timeout", cleared, step.timeout->next});
  }
  return result;
}

void Writer::write_step(std::uint32_t thread, StepIndex index) {
  const Thread& who = system_.threads[thread];
  const Step& step = who.program[index];
  line(fmt::format("end{}: /* {} */", index, comment(describe(system_, who, step))));
  if (std::holds_alternative<Cutoff>(step.action)) line(fmt::format("  cut = 1;\nend{}_:", index));
  line("  if");
  for (const Way& way : ways(thread, index)) {
    Words effects = way.effects;
    if (owes(thread, index) != owes(thread, way.next))
      effects.push_back(fmt::format("owes{} = {}", thread, owes(thread, way.next) ? 1 : 0));
    effects.insert(effects.begin(), fmt::format("({})", way.guard));
    line(fmt::format("  :: d_step {{ {} }}; goto {}", fmt::join(effects, "; "), target(who, way.next)));
  }
  if (system_.userspace_may_stop && step.userspace) {
    line("  :: goto stopped");
  }
  if (std::holds_alternative<Cutoff>(step.action)) line("  :: false");
  line("  fi;");
}

void Writer::write_thread(std::uint32_t thread) {
  const Thread& who = system_.threads[thread];
  line("");
  line(fmt::format("active proctype t{}() {{ /* {} */", thread, comment(title(who))));
  for (StepIndex index = 0; index < who.end(); ++index) write_step(thread, index);
  const bool may_stop =
      system_.userspace_may_stop && std::ranges::any_of(who.program, [](const Step& step) { return step.userspace; });
  if (may_stop) line("stopped: skip;");
  line("done: skip\n}");
}

void Writer::write_monitor() {
  Words owed;
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i)
    if (!info(system_.fences[i].kind).user_controlled)
      owed.push_back(fmt::format("({} && !{})", published({i}), signalled({i})));
  for (std::uint32_t i = 0; i < system_.locks.size(); ++i) owed.push_back(fmt::format("lock{} != 0", i));
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
    const Thread& who = system_.threads[i];
    if (who.queue && who.kind == ThreadKind::worker)
      owed.push_back(fmt::format("(pushed{0} && owes{0})", i));
    else if (!who.queue)
      owed.push_back(fmt::format("owes{}", i));
  }
  line("");
  line("/* Nothing can move, unless a timeout fires: then nothing may be owed. */");
  line("active proctype monitor() {");
  line("  timeout -> assert(cut || !(");
  for (std::size_t i = 0; i < owed.size(); ++i)
    line(fmt::format("    {}{}", owed[i], i + 1 == owed.size() ? "" : " ||"));
  if (owed.empty()) line("    false");
  line("  ))\n}");
}

std::string Writer::run() {
  line("/* Made by fencecheck. An error of pan is a hang: nothing can move, and something is owed. */");
  for (const Thread& thread : system_.threads) flows_.push_back(control_flow(system_, thread));
  declare_objects();
  declare_queues();
  declare_sets();
  declare("bit", "cut", 0, "some thread came to where the unfolding ends");
  declare("short", "tickets", 0, "transactions begun");
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
    const std::vector<Step>& program = system_.threads[i].program;
    declare("bit", fmt::format("owes{}", i), owes(i, 0) ? 1 : 0, fmt::format("'{}'", system_.threads[i].name));
    if (std::ranges::any_of(program, [](const Step& step) { return std::holds_alternative<TakeTicket>(step.action); }))
      declare("short", fmt::format("ticket{}", i), 0, "its ticket");
  }
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) write_thread(i);
  write_monitor();
  return std::move(out_);
}

bool takes_ticket(const Step& step) { return std::holds_alternative<TakeTicket>(step.action); }

// Jobs that are pushed a second time stand in their queue for ever; the channels have no room for them.
std::string pushed_twice(const System& system) {
  std::vector<unsigned> pushes(system.threads.size(), 0);
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program)
      if (const auto* push = std::get_if<Push>(&step.action); push != nullptr && ++pushes[push->job.index] > 1)
        return fmt::format("'{}' is pushed by more than one step", system[push->job].name);
  return {};
}

}  // namespace

std::string not_in_promela(const System& system) {
  if (std::string why = not_encodable(system); !why.empty()) return why;
  if (system.threads.size() > most_processes)
    return fmt::format("there are {} threads, and SPIN has room for {}", system.threads.size(), most_processes);
  constexpr std::int64_t least = -2147483647;
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program) {
      const auto* ticket = std::get_if<AcquireWithTicket>(&step.action);
      if (ticket != nullptr &&
          (system[ticket->lock].kind != LockKind::ww || std::ranges::none_of(thread.program, takes_ticket)))
        return fmt::format("'{}' {}: there is no ticket", thread.name, describe(system, thread, step));
      const auto* assign = std::get_if<Assign>(&step.action);
      const auto* take = std::get_if<Take>(&step.action);
      if ((assign != nullptr && (assign->value < least || assign->value > -least)) ||
          (take != nullptr && take->amount > -least / 1024))
        return fmt::format("'{}' {}: the number is too large for an int", thread.name, describe(system, thread, step));
    }
  for (const Pool& pool : system.pools)
    if (pool.capacity > -least / 2) return fmt::format("the capacity of '{}' is too large for an int", pool.name);
  return pushed_twice(system);
}

std::string to_promela(const System& system) { return Writer(system).run(); }

}  // namespace fencecheck
