// Conditions 4 and 5 of the theorem (docs/semantics.md, "Designs"); the others are in verify_programs.cpp.
#include "checker/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "checker/verify_programs.hpp"
#include "graph/model/instance_name.hpp"
#include "graph/model/overloaded.hpp"

namespace fencecheck {
namespace {

struct Node {
  enum class Kind : std::uint8_t { published, unpublished, lock, job } kind = Kind::lock;
  std::uint32_t index = 0;
};

struct Target {
  Node node;
  bool ahead = false;  // in the queue
};

class Verifier {
 public:
  Verifier(const System& system, const Certificate& certificate)
      : system_(system), certificate_(certificate), programs_(read_programs(system, objections_)) {}
  std::vector<Objection> run();

 private:
  // Obligations and what they wait for.
  void check_roots();
  void check_lock_sections();
  void check_job(std::uint32_t job);
  void check_fence(std::uint32_t fence, bool published);
  void find_fills();
  [[nodiscard]] std::vector<Target> targets(At at) const;
  [[nodiscard]] std::vector<Target> collected(DependencySetId set) const;
  [[nodiscard]] Node fence_node(FenceId fence, At at) const;
  [[nodiscard]] std::optional<std::vector<StepIndex>> before(std::uint32_t thread, std::vector<StepIndex> starts,
                                                             const std::function<bool(const Step&)>& goal) const;
  void wait_at(const Node& from, At at);
  void require(const Node& node, At at);

  // Measures.
  [[nodiscard]] bool earlier(const Node& from, At at, const Target& to) const;
  [[nodiscard]] std::optional<std::uint32_t> announced(const Node& node) const;
  [[nodiscard]] std::optional<StepIndex> push_of(std::uint32_t job) const;
  [[nodiscard]] std::vector<StepIndex> publications(std::uint32_t thread, std::uint32_t fence) const;
  [[nodiscard]] Locks section(std::uint32_t job, std::uint32_t fence) const;

  [[nodiscard]] const Step& step(At at) const { return system_.threads[at.thread].program[at.step]; }
  [[nodiscard]] std::string name(const Node& node) const;
  [[nodiscard]] std::string class_of(const Node& node) const;
  [[nodiscard]] bool may_stop(At at) const { return system_.userspace_may_stop && step(at).userspace; }
  void object(Objection::Kind kind, std::string subject, std::string says, Place at);
  void outside(std::string says, Place at) { object(Objection::Kind::outside, {}, std::move(says), at); }

  const System& system_;
  const Certificate& certificate_;
  std::vector<Objection> objections_;
  const Programs programs_;
  std::vector<std::vector<At>> fills_;     // of each dependency set
  std::vector<std::vector<At>> attaches_;  // of each reservation object
  std::set<std::tuple<int, std::string, std::string>> said_;
};

void Verifier::object(Objection::Kind kind, std::string subject, std::string says, Place at) {
  if (said_.emplace(static_cast<int>(kind), subject, instance_name(says).class_name).second)
    objections_.push_back({kind, std::move(subject), std::move(says), at});
}

std::string Verifier::name(const Node& node) const {
  if (node.kind == Node::Kind::lock) return system_.locks[node.index].name;
  if (node.kind == Node::Kind::job) return system_.threads[node.index].name;
  return system_.fences[node.index].name;
}

std::string Verifier::class_of(const Node& node) const {
  const std::string class_name = instance_name(name(node)).class_name;
  if (node.kind == Node::Kind::lock) return "lock " + class_name;
  if (node.kind == Node::Kind::job) return "job " + class_name;
  return fence_class(class_name, node.kind == Node::Kind::published);
}

// Condition 4, and what a step may wait for.

Node Verifier::fence_node(FenceId fence, At at) const {
  const auto& known = programs_.readings[at.thread].publishes[at.step];
  const bool published = system_[fence].published || (known && known->contains(fence.index));
  return {published ? Node::Kind::published : Node::Kind::unpublished, fence.index};
}

// What the sets are filled with and the reservation objects have, each by the steps that do it.
void Verifier::find_fills() {
  fills_.resize(system_.sets.size());
  attaches_.resize(system_.reservations.size());
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (StepIndex at = 0; at < system_.threads[i].end(); ++at) {
      if (!programs_.readings[i].reached[at]) continue;
      const Action& action = system_.threads[i].program[at].action;
      if (const auto* collect = std::get_if<Collect>(&action)) fills_[collect->into.index].push_back({i, at});
      if (const auto* capture = std::get_if<Capture>(&action)) fills_[capture->into.index].push_back({i, at});
      if (const auto* attach = std::get_if<Attach>(&action)) attaches_[attach->reservation.index].push_back({i, at});
    }
}

std::vector<Target> Verifier::collected(DependencySetId set) const {
  std::vector<Target> result;
  for (const At by : fills_[set.index]) {
    if (const auto* capture = std::get_if<Capture>(&step(by).action))
      for (const FenceId fence : capture->fences) result.push_back({fence_node(fence, by)});
    const auto* collect = std::get_if<Collect>(&step(by).action);
    if (collect == nullptr) continue;
    for (const Attachment& each : system_[collect->reservation].attached)
      if (each.usage <= collect->up_to)
        result.push_back(
            {{system_[each.fence].published ? Node::Kind::published : Node::Kind::unpublished, each.fence.index}});
    for (const At at : attaches_[collect->reservation.index]) {
      const auto& attach = std::get<Attach>(step(at).action);
      const bool after = at.thread == by.thread && at.step > by.step;  // it has collected
      if (attach.usage <= collect->up_to && !after) result.push_back({fence_node(attach.fence, at)});
    }
  }
  return result;
}

std::vector<Target> Verifier::targets(At at) const {
  std::vector<Target> result;
  std::visit(overloaded{
                 [&](const Wait& wait) {
                   for (const FenceId fence : wait.fences) result.push_back({fence_node(fence, at)});
                 },
                 [&](const WaitSet& wait) { result = collected(wait.set); },
                 [&](const Acquire& acquire) {
                   result.push_back({{Node::Kind::lock, acquire.lock.index}});
                 },
                 [&](const AcquireWithTicket& acquire) {
                   result.push_back({{Node::Kind::lock, acquire.lock.index}});
                 },
                 [&](const Begin&) {
                   for (std::uint32_t other = 0; other < system_.threads.size(); ++other) {
                     const bool queued = system_.threads[other].queue == system_.threads[at.thread].queue;
                     if (other == at.thread || !queued || programs_.pushes[other].empty()) continue;
                     const auto mine = push_of(at.thread);
                     const bool later =
                         mine && programs_.pushes[other].front().thread == programs_.pushes[at.thread].front().thread &&
                         programs_.pushes[other].front().step > *mine;
                     if (!later) result.push_back({{Node::Kind::job, other}, true});
                   }
                 },
                 [](const auto&) {},
             },
             step(at).action);
  return result;
}

// The steps at which a thread can stand that started at one of `starts` and has
// not done a goal; nothing if it may end so.
std::optional<std::vector<StepIndex>> Verifier::before(std::uint32_t thread, std::vector<StepIndex> starts,
                                                       const std::function<bool(const Step&)>& goal) const {
  const Thread& who = system_.threads[thread];
  std::set<StepIndex> seen;
  while (!starts.empty()) {
    const StepIndex at = starts.back();
    starts.pop_back();
    if (at == who.end()) return std::nullopt;
    if (!seen.insert(at).second || goal(who.program[at])) continue;
    for (const StepIndex next : programs_.readings[thread].next[at]) starts.push_back(next);
  }
  return std::vector<StepIndex>(seen.begin(), seen.end());
}

// Measures.

std::optional<StepIndex> Verifier::push_of(std::uint32_t job) const {
  if (programs_.pushes[job].empty()) return std::nullopt;
  return programs_.pushes[job].front().step;
}

std::vector<StepIndex> Verifier::publications(std::uint32_t thread, std::uint32_t fence) const {
  std::vector<StepIndex> result;
  for (const At& at : programs_.publishers[fence])
    if (at.thread == thread) result.push_back(at.step);
  return result;
}

// The fence whose publication counts for the obligation: its own, or that of the
// job, if the thread that discharges or pushes it alone publishes that fence.
std::optional<std::uint32_t> Verifier::announced(const Node& node) const {
  if (node.kind == Node::Kind::published) return node.index;
  if (node.kind != Node::Kind::job || programs_.pushes[node.index].empty()) return std::nullopt;
  const At push = programs_.pushes[node.index].front();
  for (const Step& each : system_.threads[node.index].program)
    if (const auto* signal = std::get_if<Signal>(&each.action); signal != nullptr && !signal->fences.empty()) {
      const std::uint32_t fence = signal->fences.back().index;
      const auto& known = programs_.readings[push.thread].publishes[push.step];
      if (known && known->contains(fence)) return fence;
      return std::nullopt;
    }
  return std::nullopt;
}

// The locks that are held from the publication of the fence, which comes first, to the push of the job.
Locks Verifier::section(std::uint32_t job, std::uint32_t fence) const {
  const At push = programs_.pushes[job].front();
  const std::vector<StepIndex> publish = publications(push.thread, fence);
  const Reading& reading = programs_.readings[push.thread];
  if (publish.empty() || !reading.reached[push.step] || !reading.publishes[push.step]->contains(fence)) return {};
  Locks result = *reading.holds[push.step];
  for (StepIndex i = publish.front(); i < push.step; ++i)
    if (reading.reached[i])
      std::erase_if(result, [&](std::uint32_t lock) { return !reading.holds[i]->contains(lock); });
  return result;
}

// Was the fence of `to` published before that of `from`, if the thread at this step, which discharges `from`, waits?
bool Verifier::earlier(const Node& from, At at, const Target& to) const {
  const auto mine = announced(from);
  const auto other = announced(to.node);
  if (!mine || !other) return false;
  const bool job = system_.threads[at.thread].queue.has_value();
  if (job && programs_.pushes[at.thread].empty()) return false;
  const std::uint32_t by = job ? programs_.pushes[at.thread].front().thread : at.thread;
  const auto alone = programs_.announcer.find(instance_name(system_.fences[*mine].name).class_name);
  if (alone == programs_.announcer.end() || alone->second != instance_name(system_.threads[by].name).class_name)
    return false;
  const std::vector<StepIndex> publish = publications(by, *mine);
  if (publish.empty()) return false;
  if (to.ahead) {
    const At pushed = programs_.pushes[to.node.index].front();
    const auto its = programs_.announcer.find(instance_name(system_.fences[*other].name).class_name);
    if (its->second != instance_name(system_.threads[pushed.thread].name).class_name) return false;
    if (pushed.thread == by) return publications(by, *other).back() < publish.front();
    const Locks together = section(at.thread, *mine);
    const Locks others = section(to.node.index, *other);
    return std::ranges::any_of(together, [&](std::uint32_t lock) { return others.contains(lock); });
  }
  if (system_.fences[*other].published) return true;
  const auto known = [&](StepIndex i) { return programs_.readings[by].publishes[i]->contains(*other); };
  if (std::holds_alternative<Wait>(step(at).action)) return std::ranges::all_of(publish, known);
  const auto* wait = std::get_if<WaitSet>(&step(at).action);
  if (wait == nullptr) return false;
  return std::ranges::all_of(fills_[wait->set.index],
                             [&](const At& fill) { return fill.thread == by && fill.step < publish.front(); });
}

// Condition 5: an obligation that is open is owed by a thread that waits only for what is below it.

void Verifier::require(const Node& node, At at) {
  const std::string needed = class_of(node);
  const bool fence = node.kind == Node::Kind::published || node.kind == Node::Kind::unpublished;
  if (fence && info(system_.fences[node.index].kind).user_controlled) {
    object(Objection::Kind::outside, {},
           fmt::format("{}, and userspace signals fence '{}'", describe(system_, system_.threads[at.thread], step(at)),
                       name(node)),
           step(at).at);
    return;
  }
  if (!certificate_.classes.contains(needed))
    object(Objection::Kind::unranked, needed, fmt::format("{} has no rank", needed), step(at).at);
}

void Verifier::wait_at(const Node& from, At at) {
  if (!programs_.readings[at.thread].reached[at.step]) return;
  const std::string from_class = class_of(from);
  if (may_stop(at))
    outside(fmt::format("{} needs '{}', and userspace may stop there", from_class, system_.threads[at.thread].name),
            step(at).at);
  for (const Target& target : targets(at)) {
    require(target.node, at);
    const InstanceName source = instance_name(name(from));
    const InstanceName goal = instance_name(name(target.node));
    ClassEdge edge{from_class, class_of(target.node), false, false, false, target.ahead, {}, step(at).at};
    edge.same_instance = source.template_of == goal.template_of && source.index == goal.index;
    edge.created_earlier = source.template_of == goal.template_of && goal.index < source.index;
    edge.published_earlier = earlier(from, at, target);
    const auto upper = certificate_.classes.find(edge.from);
    const auto lower = certificate_.classes.find(edge.to);
    if (upper == certificate_.classes.end() || lower == certificate_.classes.end()) continue;
    if (upper->second.rank > lower->second.rank) continue;
    if (upper->second == lower->second && decreases(edge, upper->second.measures)) continue;
    edge.says = fmt::format("{} needs {}: {} {}", edge.from, edge.to, title(system_.threads[at.thread]),
                            describe(system_, system_.threads[at.thread], step(at)));
    const std::string key = fmt::format("{} -> {} {}{}{}{}", edge.from, edge.to, edge.same_instance,
                                        edge.created_earlier, edge.published_earlier, edge.ahead);
    if (said_.emplace(-1, key, "").second)
      objections_.push_back({Objection::Kind::edge, edge.from, edge.says, edge.at, edge});
  }
}

// What may be owed by itself, whether or not somebody waits for it.
void Verifier::check_roots() {
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i)
    if (!info(system_.fences[i].kind).user_controlled &&
        (system_.fences[i].published || !programs_.publishers[i].empty()))
      if (const std::string needed = class_of({Node::Kind::published, i}); !certificate_.classes.contains(needed))
        object(Objection::Kind::unranked, needed, fmt::format("{} has no rank", needed), system_.fences[i].at);
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i) {
    const Thread& who = system_.threads[i];
    if (who.queue && who.kind == ThreadKind::worker && !programs_.pushes[i].empty())
      require({Node::Kind::job, i}, {i, 0});
    if (who.queue) continue;
    const bool kernel = info(who.kind).kernel_owed;
    for (StepIndex s = 0; s < who.end(); ++s) {
      if (!programs_.readings[i].reached[s] || (!kernel && (who.program[s].interruptible || may_stop({i, s}))))
        continue;
      if (kernel && may_stop({i, s})) outside("a kernel thread in which userspace may stop", who.program[s].at);
      for (const Target& target : targets({i, s})) require(target.node, {i, s});
    }
  }
}

void Verifier::check_lock_sections() {
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    for (StepIndex s = 0; s < system_.threads[i].end(); ++s)
      for (const std::uint32_t lock : programs_.readings[i].may_hold[s]) {
        const Node node{Node::Kind::lock, lock};
        if (!certificate_.classes.contains(class_of(node)))
          object(Objection::Kind::unranked, class_of(node), fmt::format("{} has no rank", class_of(node)),
                 system_.locks[lock].at);
        wait_at(node, {i, s});
      }
}

void Verifier::check_job(std::uint32_t job) {
  const Node node{Node::Kind::job, job};
  if (!certificate_.classes.contains(class_of(node))) return;
  for (StepIndex s = 0; s < system_.threads[job].end(); ++s) wait_at(node, {job, s});
}

void Verifier::check_fence(std::uint32_t fence, bool published) {
  const Node node{published ? Node::Kind::published : Node::Kind::unpublished, fence};
  const Fence& each = system_.fences[fence];
  if (!certificate_.classes.contains(class_of(node))) return;
  const auto unowned = [&](std::string_view why) {
    object(Objection::Kind::unowned, instance_name(each.name).class_name, fmt::format("fence '{}' {}", each.name, why),
           each.at);
  };
  const auto owner = certificate_.owners.find(instance_name(each.name).class_name);
  if (owner == certificate_.owners.end()) return unowned("has no owner");
  std::optional<std::uint32_t> found;
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    if (instance_name(system_.threads[i].name).class_name == owner->second &&
        same_instance(system_.threads[i].name, each.name)) {
      if (found) return unowned("has an owner whose name is not its own");
      found = i;
    }
  if (!found) return unowned(fmt::format("has no owner '{}' in its own instance", owner->second));
  const bool job = system_.threads[*found].queue.has_value();
  if (job && programs_.pushes[*found].empty()) return unowned("has an owner that nobody pushes");
  const auto signals = [&](const Step& at) {
    const auto* signal = std::get_if<Signal>(&at.action);
    return signal != nullptr && std::ranges::find(signal->fences, FenceId{fence}) != signal->fences.end();
  };
  const std::uint32_t first = job ? programs_.pushes[*found].front().thread : *found;  // who runs by itself
  // Once published by that thread alone, only what it does later counts.
  std::vector<StepIndex> starts{0};
  const auto alone = programs_.announcer.find(instance_name(each.name).class_name);
  if (published && alone->second == instance_name(system_.threads[first].name).class_name) {
    starts.clear();
    for (const StepIndex at : publications(first, fence))
      for (const StepIndex next : programs_.readings[first].next[at]) starts.push_back(next);
  }
  const auto pushes = [&](const Step& at) {
    const auto* push = std::get_if<Push>(&at.action);
    return push != nullptr && push->job.index == *found;
  };
  const auto upstream = job ? before(first, starts, pushes) : before(first, starts, signals);
  const auto running = job ? before(*found, {0}, signals) : std::vector<StepIndex>{};
  if (!upstream)
    return unowned(
        fmt::format("is not {} on every way of '{}'", job ? "submitted" : "signalled", system_.threads[first].name));
  if (!running) return unowned(fmt::format("is not signalled on every way of '{}'", system_.threads[*found].name));
  for (const StepIndex s : *upstream) wait_at(node, {first, s});
  for (const StepIndex s : *running) wait_at(node, {*found, s});
}

std::vector<Objection> Verifier::run() {
  if (!objections_.empty()) return objections_;
  find_fills();
  check_roots();
  check_lock_sections();
  for (std::uint32_t i = 0; i < system_.threads.size(); ++i)
    if (system_.threads[i].queue) check_job(i);
  for (std::uint32_t i = 0; i < system_.fences.size(); ++i)
    for (const bool published : {true, false}) check_fence(i, published);
  return objections_;
}

}  // namespace

bool decreases(const ClassEdge& edge, const std::vector<Measure>& measures) {
  for (const Measure measure : measures) {
    if (measure == Measure::creation && edge.created_earlier) return true;
    if (measure == Measure::creation && edge.same_instance) continue;
    return (measure == Measure::publication && edge.published_earlier) || (measure == Measure::queue && edge.ahead);
  }
  return false;
}

std::string fence_class(const std::string& fence, bool published) {
  return fmt::format("fence {}{}", fence, published ? "" : " before it is published");
}

std::vector<Objection> verify(const std::vector<System>& systems, const Certificate& certificate) {
  std::vector<Objection> result;
  for (const System& system : systems)
    for (Objection& each : Verifier(system, certificate).run()) result.push_back(std::move(each));
  return result;
}

}  // namespace fencecheck
