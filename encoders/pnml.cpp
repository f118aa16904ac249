#include "encoders/pnml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "encoders/encodable.hpp"
#include "encoders/xml.hpp"
#include "graph/model/control_flow.hpp"
#include "graph/model/overloaded.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {
namespace {

constexpr std::size_t most_variants = 1024;  // transitions of one step

using Place = std::size_t;

// What a transition takes from places and puts into them. To read is both.
struct Effect {
  std::vector<std::pair<Place, std::int64_t>> takes, puts;
  void read(Place place, std::int64_t tokens = 1) {
    takes.emplace_back(place, tokens);
    puts.emplace_back(place, tokens);
  }
  void move(Place from, Place to) {
    takes.emplace_back(from, 1);
    puts.emplace_back(to, 1);
  }
};

Effect operator+(Effect a, const Effect& b) {
  a.takes.insert(a.takes.end(), b.takes.begin(), b.takes.end());
  a.puts.insert(a.puts.end(), b.puts.begin(), b.puts.end());
  return a;
}

// Alternatives: a step fires by one of them.
using Variants = std::vector<Effect>;

Variants each_of(const Variants& a, const Variants& b) {
  Variants result;
  for (const Effect& left : a)
    for (const Effect& right : b) result.push_back(left + right);
  return result;
}

// Something true or false, as two places of which one has a token.
struct Bit {
  Place yes = 0, no = 0;
  [[nodiscard]] Effect is(bool value) const {
    Effect effect;
    effect.read(value ? yes : no);
    return effect;
  }
  // Whatever it is, it becomes true.
  [[nodiscard]] Variants raise() const {
    Effect news;
    news.move(no, yes);
    return {news, is(true)};
  }
};

class Net {
 public:
  explicit Net(const System& system) : system_(system) {}
  std::string write();

 private:
  struct FencePlaces {
    Bit signalled, published, owed;
  };
  struct LockPlaces {
    Place free = 0, held = 0;
    std::int64_t all = 1;  // tokens of an exclusive owner; a reader has one
  };
  struct ThreadPlaces {
    std::vector<Place> at;
    Bit owes;
    Bit queued;                                // jobs: pushed and not begun
    Bit begun;                                 // jobs
    std::optional<std::uint32_t> in_front_of;  // jobs: the one that is pushed before
  };

  Place place(const std::string& name, std::int64_t tokens = 0);
  Bit bit(const std::string& name, bool initial);
  void transition(const std::string& name, const Effect& effect);
  void add_objects();
  void add_threads();
  void add_attachments();
  void add_step(std::uint32_t thread, StepIndex index);
  void add_way(std::uint32_t thread, StepIndex index, StepIndex next, const Variants& variants);
  void add_set_wait(std::uint32_t thread, StepIndex index, DependencySetId set);
  void add_signals(std::uint32_t thread, StepIndex index, const Signal& signals);
  void finish(std::uint32_t thread, StepIndex index, Place here);
  void change_debt(Effect& effect, std::uint32_t thread, StepIndex from, StepIndex to) const;
  void add_rest();
  [[nodiscard]] bool owes(std::uint32_t thread, StepIndex index) const;
  [[nodiscard]] Variants publish(FenceId fence) const;
  [[nodiscard]] Variants signal(FenceId fence) const;
  [[nodiscard]] Effect take(LockId lock, bool shared) const;
  [[nodiscard]] Effect busy(LockId lock, bool shared) const;
  [[nodiscard]] Variants test(const Test& test) const;
  [[nodiscard]] Variants collect(const Collect& collect) const;
  [[nodiscard]] Variants ordinary(std::uint32_t thread, StepIndex index) const;

  const System& system_;
  std::vector<ControlFlow> flows_;
  std::vector<FencePlaces> fences_;
  std::vector<LockPlaces> locks_;
  std::vector<std::map<std::int64_t, Place>> variables_;
  std::vector<Place> pools_, slots_;
  std::vector<ThreadPlaces> threads_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, Usage>, Bit> attached_;  // reservation, fence, usage
  std::map<std::pair<std::uint32_t, std::uint32_t>, Bit> members_;           // set, fence
  Place places_ = 0;
  std::size_t transitions_ = 0;
  std::size_t arcs_ = 0;
  std::string nodes_, connections_;
};

Place Net::place(const std::string& name, std::int64_t tokens) {
  nodes_ += fmt::format("<place id=\"p{}\"><name><text>{}</text></name>", places_, xml_escaped(printable(name)));
  if (tokens != 0) nodes_ += fmt::format("<initialMarking><text>{}</text></initialMarking>", tokens);
  nodes_ += "</place>\n";
  return places_++;
}

Bit Net::bit(const std::string& name, bool initial) {
  const Place yes = place(name, initial ? 1 : 0);
  return {yes, place("not " + name, initial ? 0 : 1)};
}

void Net::transition(const std::string& name, const Effect& effect) {
  nodes_ += fmt::format("<transition id=\"t{}\"><name><text>{}</text></name></transition>\n", transitions_,
                        xml_escaped(printable(name)));
  std::map<Place, std::int64_t> takes;
  std::map<Place, std::int64_t> puts;
  for (const auto& [from, tokens] : effect.takes) takes[from] += tokens;
  for (const auto& [to, tokens] : effect.puts) puts[to] += tokens;
  const auto arc = [&](const std::string& from, const std::string& to, std::int64_t tokens) {
    connections_ += fmt::format("<arc id=\"a{}\" source=\"{}\" target=\"{}\">", arcs_++, from, to);
    if (tokens != 1) connections_ += fmt::format("<inscription><text>{}</text></inscription>", tokens);
    connections_ += "</arc>\n";
  };
  const std::string self = fmt::format("t{}", transitions_++);
  for (const auto& [from, tokens] : takes) arc(fmt::format("p{}", from), self, tokens);
  for (const auto& [to, tokens] : puts) arc(self, fmt::format("p{}", to), tokens);
}

void Net::add_objects() {
  for (const Fence& fence : system_.fences) {
    FencePlaces& places = fences_.emplace_back();
    places.signalled = bit(fmt::format("fence '{}' signalled", fence.name), false);
    if (info(fence.kind).user_controlled) continue;
    places.published = bit(fmt::format("fence '{}' published", fence.name), fence.published);
    places.owed = bit(fmt::format("fence '{}' owed", fence.name), fence.published);
  }
  std::vector<std::int64_t> readers(system_.locks.size(), 0);
  for (const Thread& thread : system_.threads)
    for (const Step& step : thread.program) {
      if (const auto* acquire = std::get_if<Acquire>(&step.action)) readers[acquire->lock.index] += acquire->shared;
      if (const auto* attempt = std::get_if<TryAcquire>(&step.action)) readers[attempt->lock.index] += attempt->shared;
    }
  for (std::uint32_t i = 0; i < system_.locks.size(); ++i) {
    const std::string& name = system_.locks[i].name;
    const std::int64_t all = readers[i] + 1;
    const Place free = place(fmt::format("lock '{}' free", name), all);
    locks_.push_back({free, place(fmt::format("lock '{}' held", name)), all});
  }
  variables_.resize(system_.variables.size());
  for (std::uint32_t i = 0; i < system_.variables.size(); ++i) {
    std::set<std::int64_t> values{system_.variables[i].initial};
    for (const Thread& thread : system_.threads)
      for (const Step& step : thread.program)
        if (const auto* assign = std::get_if<Assign>(&step.action); assign != nullptr && assign->variable.index == i)
          values.insert(assign->value);
    for (const std::int64_t value : values)
      variables_[i].emplace(value, place(fmt::format("variable '{}' is {}", system_.variables[i].name, value),
                                         value == system_.variables[i].initial ? 1 : 0));
  }
  for (const Pool& pool : system_.pools)
    pools_.push_back(place(fmt::format("room in pool '{}'", pool.name), pool.capacity));
  for (const Queue& queue : system_.queues)
    slots_.push_back(place(fmt::format("room on queue '{}'", queue.name), queue.width));
}

void Net::add_threads() {
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
    const Thread& thread = system_.threads[i];
    ThreadPlaces& places = threads_.emplace_back();
    for (StepIndex step = 0; step <= thread.end(); ++step)
      places.at.push_back(place(fmt::format("'{}' at {}", thread.name, step), step == 0 ? 1 : 0));
    // A job owes its end from the moment that it is pushed.
    places.owes = bit(fmt::format("'{}' owes its end", thread.name), !thread.queue && owes(i, 0));
    if (!thread.queue) continue;
    places.queued = bit(fmt::format("'{}' queued", thread.name), false);
    places.begun = bit(fmt::format("'{}' begun", thread.name), false);
  }
  for (std::uint32_t queue = 0; queue < system_.queues.size(); ++queue) {
    std::optional<std::uint32_t> last;
    for (const ThreadId job : push_order(system_, {queue})) {
      threads_[job.index].in_front_of = last;
      last = job.index;
    }
  }
}

void Net::add_attachments() {
  for (const Thread& thread : system_.threads)
    for (const Step& step : thread.program)
      if (const auto* attach = std::get_if<Attach>(&step.action)) {
        const std::tuple key{attach->reservation.index, attach->fence.index, attach->usage};
        if (!attached_.contains(key))
          attached_.emplace(key, bit(fmt::format("'{}' attached to '{}' as {}", system_[attach->fence].name,
                                                 system_[attach->reservation].name, info(attach->usage).id),
                                     false));
      }
  for (const Thread& thread : system_.threads)
    for (const Step& step : thread.program)
      if (const auto* collect = std::get_if<Collect>(&step.action))
        for (const auto& [key, unused] : attached_) {
          const auto& [reservation, fence, usage] = key;
          const std::pair member{collect->into.index, fence};
          if (reservation == collect->reservation.index && usage <= collect->up_to && !members_.contains(member))
            members_.emplace(
                member,
                bit(fmt::format("'{}' found in '{}'", system_.fences[fence].name, system_[collect->into].name), false));
        }
}

// Does it owe something to stand there? (graph/model/obligations.cpp)
bool Net::owes(std::uint32_t thread, StepIndex index) const {
  const Thread& who = system_.threads[thread];
  if (index == who.end()) return false;
  if (who.queue) return who.kind == ThreadKind::worker;
  if (info(who.kind).kernel_owed) return index != 0;
  const Step& here = who.program[index];
  return !here.interruptible && !(system_.userspace_may_stop && here.userspace);
}

// The obligation of a thread begins and ends where it goes; that of a job begins with its push.
void Net::change_debt(Effect& effect, std::uint32_t thread, StepIndex from, StepIndex to) const {
  const Bit& debt = threads_[thread].owes;
  if (owes(thread, from) && !owes(thread, to)) effect.move(debt.yes, debt.no);
  if (!owes(thread, from) && owes(thread, to)) effect.move(debt.no, debt.yes);
}

Variants Net::publish(FenceId fence) const {
  if (info(system_[fence].kind).user_controlled) return {Effect{}};
  const FencePlaces& places = fences_[fence.index];
  Effect owed = places.signalled.is(false);
  owed.move(places.published.no, places.published.yes);
  owed.move(places.owed.no, places.owed.yes);
  Effect late = places.signalled.is(true);
  late.move(places.published.no, places.published.yes);
  return {owed, late, places.published.is(true)};
}

Variants Net::signal(FenceId fence) const {
  const FencePlaces& places = fences_[fence.index];
  if (info(system_[fence].kind).user_controlled) return places.signalled.raise();
  Effect discharges = places.published.is(true);
  discharges.move(places.signalled.no, places.signalled.yes);
  discharges.move(places.owed.yes, places.owed.no);
  Effect early = places.published.is(false);
  early.move(places.signalled.no, places.signalled.yes);
  return {discharges, early, places.signalled.is(true)};
}

Effect Net::take(LockId lock, bool shared) const {
  const LockPlaces& places = locks_[lock.index];
  const std::int64_t tokens = shared ? 1 : places.all;
  return {{{places.free, tokens}}, {{places.held, tokens}}};
}

Effect Net::busy(LockId lock, bool shared) const {
  Effect effect;
  effect.read(locks_[lock.index].held, shared ? locks_[lock.index].all : 1);
  return effect;
}

Variants Net::test(const Test& test) const {
  Variants result;
  for (const auto& [value, place] : variables_[test.variable.index]) {
    if (!holds(test, value)) continue;
    Effect effect;
    effect.read(place);
    result.push_back(effect);
  }
  return result;
}

// A fence that is attached joins the set, whatever its usages.
Variants Net::collect(const Collect& collect) const {
  std::map<std::uint32_t, std::vector<Bit>> found;
  for (const auto& [key, bit] : attached_) {
    const auto& [reservation, fence, usage] = key;
    if (reservation == collect.reservation.index && usage <= collect.up_to) found[fence].push_back(bit);
  }
  Variants result{Effect{}};
  for (const auto& [fence, usages] : found) {
    Variants variants;
    Effect missing;  // with the usages looked at so far
    for (const Bit& usage : usages) {
      for (const Effect& joins : members_.at({collect.into.index, fence}).raise())
        variants.push_back(missing + usage.is(true) + joins);
      missing = missing + usage.is(false);
    }
    variants.push_back(missing);
    result = each_of(result, variants);
  }
  return result;
}

// The variants of a step that has one way on.
Variants Net::ordinary(std::uint32_t thread, StepIndex index) const {
  const Step& step = system_.threads[thread].program[index];
  const ThreadPlaces& self = threads_[thread];
  return std::visit(overloaded{
                        [&](const Wait& wait) -> Variants {
                          Variants result;
                          Effect all;
                          for (const FenceId fence : wait.fences) {
                            result.push_back(fences_[fence.index].signalled.is(true));
                            all = all + result.back();
                          }
                          return wait.join == Join::all ? Variants{all} : result;
                        },
                        [&](const Publish& publish) { return this->publish(publish.fence); },
                        [&](const Acquire& acquire) { return Variants{take(acquire.lock, acquire.shared)}; },
                        [&](const Release& release) -> Variants {
                          const std::vector<HeldLock>& held = flows_[thread].held[index];
                          const auto mine = std::find_if(held.rbegin(), held.rend(),
                                                         [&](const HeldLock& h) { return h.lock == release.lock; });
                          if (mine == held.rend()) return {Effect{}};
                          const LockPlaces& places = locks_[release.lock.index];
                          const std::int64_t tokens = mine->shared ? 1 : places.all;
                          return {Effect{{{places.held, tokens}}, {{places.free, tokens}}}};
                        },
                        [&](const Take& take) {
                          return Variants{Effect{{{pools_[take.pool.index], take.amount}}, {}}};
                        },
                        [&](const Give& give) {
                          return Variants{Effect{{}, {{pools_[give.pool.index], give.amount}}}};
                        },
                        [&](const Push& push) {
                          const ThreadPlaces& job = threads_[push.job.index];
                          Effect effect;
                          effect.move(job.queued.no, job.queued.yes);
                          if (owes(push.job.index, 0)) effect.move(job.owes.no, job.owes.yes);
                          return Variants{effect};
                        },
                        [&](const Begin&) {
                          Effect effect;
                          if (self.in_front_of) effect = threads_[*self.in_front_of].begun.is(true);
                          effect.move(self.queued.yes, self.queued.no);
                          effect.move(self.begun.no, self.begun.yes);
                          effect.takes.emplace_back(slots_[system_.threads[thread].queue->index], 1);
                          return Variants{effect};
                        },
                        [&](const Finish&) {
                          return Variants{Effect{{}, {{slots_[system_.threads[thread].queue->index], 1}}}};
                        },
                        [&](const Attach& attach) {
                          return attached_.at({attach.reservation.index, attach.fence.index, attach.usage}).raise();
                        },
                        [&](const Collect& collect) { return this->collect(collect); },
                        [&](const Assign& assign) {
                          Variants result;
                          const auto& values = variables_[assign.variable.index];
                          for (const auto& [value, place] : values) {
                            Effect effect;
                            effect.move(place, values.at(assign.value));
                            result.push_back(effect);
                          }
                          return result;
                        },
                        [](const auto&) { return Variants{Effect{}}; },
                    },
                    step.action);
}

void Net::add_way(std::uint32_t thread, StepIndex index, StepIndex next, const Variants& variants) {
  const Thread& who = system_.threads[thread];
  const ThreadPlaces& places = threads_[thread];
  for (Effect effect : variants) {
    effect.move(places.at[index], places.at[next]);
    change_debt(effect, thread, index, next);
    transition(fmt::format("{} {}", who.name, describe(system_, who, who.program[index])), effect);
  }
}

// One fence after the other: they stay signalled, and nobody else changes the set meanwhile.
void Net::add_set_wait(std::uint32_t thread, StepIndex index, DependencySetId set) {
  const Thread& who = system_.threads[thread];
  Place here = threads_[thread].at[index];
  for (const auto& [member, bit] : members_) {
    if (member.first != set.index) continue;
    const Place next = place(fmt::format("'{}' at {}, past '{}'", who.name, index, system_.fences[member.second].name));
    Effect absent = bit.is(false);
    absent.move(here, next);
    transition(fmt::format("{}: '{}' was not found", who.name, system_.fences[member.second].name), absent);
    Effect present = fences_[member.second].signalled.is(true);
    present.move(bit.yes, bit.no);
    present.move(here, next);
    transition(fmt::format("{}: '{}' has signalled", who.name, system_.fences[member.second].name), present);
    here = next;
  }
  finish(thread, index, here);
}

// Several places past one step, on to the next.
void Net::finish(std::uint32_t thread, StepIndex index, Place here) {
  const Step& step = system_.threads[thread].program[index];
  Effect done;
  done.move(here, threads_[thread].at[step.next[0]]);
  change_debt(done, thread, index, step.next[0]);
  transition(
      fmt::format("{} is past: {}", system_.threads[thread].name, describe(system_, system_.threads[thread], step)),
      done);
}

// One after the other: nobody can tell, since nothing asks whether a fence has not signalled.
void Net::add_signals(std::uint32_t thread, StepIndex index, const Signal& signals) {
  const std::string& name = system_.threads[thread].name;
  Place here = threads_[thread].at[index];
  for (const FenceId fence : signals.fences) {
    const Place next = place(fmt::format("'{}' at {}, past '{}'", name, index, system_[fence].name));
    for (Effect effect : signal(fence)) {
      effect.move(here, next);
      transition(fmt::format("{} signals '{}'", name, system_[fence].name), effect);
    }
    here = next;
  }
  finish(thread, index, here);
}

void Net::add_step(std::uint32_t thread, StepIndex index) {
  const Step& step = system_.threads[thread].program[index];
  if (const auto* wait = std::get_if<WaitSet>(&step.action)) {
    add_set_wait(thread, index, wait->set);
  } else if (const auto* choose = std::get_if<Choose>(&step.action)) {
    for (std::size_t i = 0; i < choose->branches.size(); ++i) {
      Variants variants{Effect{}};
      for (const Test& each : choose->branches[i].tests) variants = each_of(variants, test(each));
      add_way(thread, index, step.next[i], variants);
    }
  } else if (const auto* attempt = std::get_if<TryAcquire>(&step.action)) {
    add_way(thread, index, step.next[0], {take(attempt->lock, attempt->shared)});
    add_way(thread, index, step.next[1], {busy(attempt->lock, attempt->shared)});
  } else if (const auto* signals = std::get_if<Signal>(&step.action)) {
    add_signals(thread, index, *signals);
  } else {
    add_way(thread, index, step.next[0], ordinary(thread, index));
  }
  if (system_.userspace_may_stop && step.userspace) {
    Effect stops;
    stops.takes.emplace_back(threads_[thread].at[index], 1);
    transition(fmt::format("{} stops", system_.threads[thread].name), stops);
  }
}

// Fires as long as nothing is owed.
void Net::add_rest() {
  Effect effect;
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i)
    if (!info(system_.fences[i].kind).user_controlled) effect.read(fences_[i].owed.no);
  for (const LockPlaces& lock : locks_) effect.read(lock.free, lock.all);
  for (const ThreadPlaces& thread : threads_) effect.read(thread.owes.no);
  transition("nothing_owed", effect);
}

std::string Net::write() {
  for (const Thread& thread : system_.threads) flows_.push_back(control_flow(system_, thread));
  add_objects();
  add_threads();
  add_attachments();
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (StepIndex step = 0; step < system_.threads[i].end(); ++step) add_step(i, step);
  add_rest();
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<pnml xmlns=\"http://www.pnml.org/version-2009/grammar/pnml\">\n"
      "<net id=\"n\" type=\"http://www.pnml.org/version-2009/grammar/ptnet\">\n"
      "<name><text>a dead marking is a hang</text></name>\n<page id=\"page\">\n{}{}</page>\n</net>\n</pnml>\n",
      nodes_, connections_);
}

// Variants of a Collect: each fence that may be attached is, or is not, and is new in the set, or not.
std::size_t variants(const System& system, const Collect& collect) {
  std::set<std::pair<FenceId, Usage>> found;
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program)
      if (const auto* attach = std::get_if<Attach>(&step.action);
          attach != nullptr && attach->reservation == collect.reservation && attach->usage <= collect.up_to)
        found.emplace(attach->fence, attach->usage);
  std::size_t result = 1;
  for (std::size_t i = 0; i < found.size() && result <= most_variants; ++i) result *= 3;
  return result;
}

std::string why_not(const System& system, const Thread& thread, const Step& step) {
  const auto says = [&](std::string_view why) {
    return fmt::format("'{}' {}: {}", thread.name, describe(system, thread, step), why);
  };
  if (step.timeout || std::holds_alternative<Expire>(step.action))
    return says("a timeout fires when nothing else can move, and nets have no priorities");
  if (std::holds_alternative<TakeTicket>(step.action) || std::holds_alternative<AcquireWithTicket>(step.action))
    return says("nets do not compare the ages of tickets");
  if (std::holds_alternative<Cutoff>(step.action)) return says("a net does not say 'not known'");
  if (const auto* collect = std::get_if<Collect>(&step.action);
      collect != nullptr && variants(system, *collect) > most_variants)
    return says("too many fences may be attached");
  return {};
}

}  // namespace

std::string not_in_pnml(const System& system) {
  if (std::string why = not_encodable(system); !why.empty()) return why;
  for (const Thread& thread : system.threads)
    for (const Step& step : thread.program)
      if (std::string why = why_not(system, thread, step); !why.empty()) return why;
  for (std::uint32_t i = 0; i < system.queues.size(); ++i) {
    std::set<std::uint32_t> pushed;
    std::size_t pushes = 0;
    for (const Thread& thread : system.threads)
      for (const Step& step : thread.program)
        if (const auto* push = std::get_if<Push>(&step.action);
            push != nullptr && system[push->job].queue == QueueId{i}) {
          pushed.insert(push->job.index);
          ++pushes;
        }
    if (pushes != pushed.size() || (pushed.size() > 1 && push_order(system, {i}).empty()))
      return fmt::format("the order of jobs on '{}' is not fixed by the text", system.queues[i].name);
  }
  return {};
}

std::string to_pnml(const System& system) { return Net(system).write(); }

}  // namespace fencecheck
