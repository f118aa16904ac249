// What matters in a window: the locks that two threads can meet at, who takes them, and what those need.
#include <fmt/format.h>

#include <algorithm>

#include "graph/input/order_model.hpp"

namespace fencecheck::observed {
namespace {

using Kind = Happening::Kind;

// Can two threads be in each other's way at it?
bool contended(const LockUse& use) { return use.takers.size() > 1 && use.exclusive; }

}  // namespace

ActorKey WindowModel::actor_of(const Happening& happening) const {
  if (happening.kind == Kind::queue) return {happening.pid, happening.work, std::nullopt};
  if (happening.kind == Kind::signal && happening.fence->scheduled) {  // the end of run_job
    const auto job = happening.fence->job.lock();
    if (job && ran_.contains(job)) return {job->run.pid, 0, job->finished->key};
  }
  if (happening.job && ran_.contains(happening.job)) return {happening.pid, 0, happening.job->finished->key};
  return {happening.pid, happening.work, std::nullopt};
}

// Of the thread that it is of.
std::string WindowModel::name_of(const Happening& happening) const {
  std::string name = now_.task_name(happening.pid);
  return happening.work == 0 ? name : fmt::format("{} on {}", names_.at(happening.function), name);
}

std::vector<const Happening*> WindowModel::held_by(const ActorKey& actor) const {
  std::vector<const Happening*> result;
  const auto known = held_.find(actor.pid);
  if (known == held_.end() || actor.job) return result;  // a run_job that is seen whole began without locks of its own
  for (const Happening& each : known->second)
    if (!each.job && each.work == actor.work) result.push_back(&each);
  return result;
}

void WindowModel::sort_out() {
  for (const Happening& each : window_) {
    if (each.kind == Kind::run) ran_.try_emplace(each.job, &each);
    if (each.kind == Kind::run && each.job->hardware) hardware_of_.try_emplace(each.job->hardware, each.job);
    if (each.kind == Kind::queue) queued_.try_emplace(each.job, &each);
    if (each.kind == Kind::create) created_.try_emplace(each.fence, &each);
    // Several events may say that a fence has signalled; the first one counts.
    if (each.kind == Kind::signal && !signalled_.try_emplace(each.fence, &each).second) continue;
    if (each.hardware) continue;
    std::vector<const Happening*>& sequence = sequences_[actor_of(each)];
    sequence.push_back(&each);
    note_causes(each, sequence.size() == 1);
    if (each.kind == Kind::wake) woken_[each.woken].push_back(&each);
    if (each.kind == Kind::queue_work) queued_works_.emplace(each.line, &each);
  }
}

// A job runs because it was queued, and its dependencies are known; a work item because it was queued, too, and only
// where that was not recorded whoever woke the kworker may have done so.
void WindowModel::note_causes(const Happening& happening, bool first) {
  const bool runs_job = actor_of(happening).job.has_value();
  if (const auto waking = woken_.find(happening.pid); waking != woken_.end()) {
    const bool counts = !runs_job && (happening.work == 0 || (first && happening.queued_at == 0));
    if (counts) causes_[&happening] = waking->second;
    woken_.erase(waking);
  }
  const auto queued = queued_works_.find(happening.queued_at);
  if (first && !runs_job && queued != queued_works_.end()) causes_[&happening].push_back(queued->second);
}

void WindowModel::resolve(const Fence& fence, const std::vector<Fence>& members, std::vector<Fence>& into) const {
  if (std::ranges::find(into, fence) != into.end()) return;
  const auto signal = signalled_.find(fence);
  const std::vector<Fence>& of = !members.empty() || signal == signalled_.end() ? members : signal->second->members;
  if (of.empty() && signal != signalled_.end()) into.push_back(fence);
  for (const Fence& member : of) resolve(member, member->members, into);
}

// What has to signal in the window before it goes on: of what does not, it is not known who would.
std::vector<Fence> WindowModel::resolved(const Happening& happening) const {
  std::vector<Fence> result;
  if (!happening.gave_up()) resolve(happening.fence, happening.members, result);
  return result;
}

std::vector<Fence> WindowModel::resolved(const Dependency& dependency) const {
  std::vector<Fence> result;
  resolve(dependency.fence, dependency.fence->members, result);
  return result;
}

// The fences that its task has to know for it.
std::vector<Fence> WindowModel::known_at(const Happening& happening) const {
  if (happening.kind == Kind::wait) return resolved(happening);
  if (happening.kind == Kind::signal && needed_.contains(happening.fence)) return {happening.fence};
  std::vector<Fence> result;
  if (happening.kind == Kind::queue)
    for (const Dependency& each : happening.job->dependencies) resolve(each.fence, each.fence->members, result);
  return result;
}

// Calls visit(happening, the takes of what is held at it) for each happening of a thread.
template <class Visit>
void WindowModel::visit_held(const Visit& visit) const {
  for (const auto& [actor, sequence] : sequences_) {
    std::vector<const Happening*> held = held_by(actor);
    for (const Happening* each : sequence) {
      visit(*each, held);
      if (each->kind == Kind::take) held.push_back(each);
      if (each->kind != Kind::release) continue;
      const auto last =
          std::find_if(held.rbegin(), held.rend(), [&](const auto* take) { return take->lock == each->lock; });
      if (last != held.rend()) held.erase(std::next(last).base());
    }
  }
}

// The locks held over a wait, and those held while such a lock is taken.
void WindowModel::keep_held(std::set<LockKey>& kept) const {
  visit_held([&](const Happening& happening, const std::vector<const Happening*>& held) {
    const bool waits = happening.kind == Kind::wait && !resolved(happening).empty();
    if (!waits && (happening.kind != Kind::take || !kept.contains(happening.lock))) return;
    for (const Happening* take : held) kept.insert(take->lock);
  });
}

// Locks on, or between, cycles of the order in which they are taken: what only begins or only ends chains is taken away
// until nothing is. O(pairs * length of the longest chain).
std::set<LockKey> WindowModel::in_both_orders() const {
  std::set<std::pair<LockKey, LockKey>> pairs;  // held, taken
  const auto candidate = [&](const LockKey& lock) { return both_orders_.contains(lock.second); };
  if (both_orders_.empty()) return {};
  visit_held([&](const Happening& happening, const std::vector<const Happening*>& held) {
    if (happening.kind != Kind::take || happening.tried || !candidate(happening.lock)) return;
    for (const Happening* take : held)
      if (candidate(take->lock) && take->lock.second != happening.lock.second)
        pairs.emplace(take->lock, happening.lock);
  });
  std::set<LockKey> first, second;
  for (std::size_t before = pairs.size() + 1; before != pairs.size();) {
    before = pairs.size();
    first.clear();
    second.clear();
    for (const auto& [held, taken] : pairs) first.insert(held), second.insert(taken);
    std::erase_if(pairs,
                  [&](const auto& pair) { return !second.contains(pair.first) || !first.contains(pair.second); });
  }
  return first;
}

std::map<LockKey, LockUse> WindowModel::uses() const {
  std::map<LockKey, LockUse> uses;
  const auto use = [&](const Happening& take) {
    LockUse& of = uses[take.lock];
    constexpr std::uint64_t of_ring = ~std::uint64_t{0};
    of.takers.insert(take.job ? std::pair(std::uint64_t{take.job->ring}, of_ring)
                              : std::pair(std::uint64_t{take.pid}, std::uint64_t{take.work}));
    of.exclusive = of.exclusive || !take.shared;
    of.shared = of.shared || take.shared;
  };
  for (const auto& [actor, sequence] : sequences_) {
    for (const Happening* each : held_by(actor)) use(*each);
    for (const Happening* each : sequence)
      if (each->kind == Kind::take) use(*each);
  }
  return uses;
}

void WindowModel::keep_locks() {
  std::set<LockKey> kept = in_both_orders();
  for (std::size_t before = kept.size() + 1; before != kept.size();) {
    before = kept.size();
    keep_held(kept);
  }
  for (const auto& [lock, use] : uses()) {
    if (!kept.contains(lock) || !contended(use)) continue;
    kept_.insert(lock);
    if (use.shared) queued_for_.insert(lock);
  }
}

// A wait under a lock that others take, still open, for a fence that nobody signals: what else would follow is not
// known.
std::string WindowModel::unsettled(const std::map<LockKey, LockUse>& uses) const {
  std::string why;
  if (!ends_) return why;  // the next window may show it
  visit_held([&](const Happening& happening, const std::vector<const Happening*>& held) {
    const bool open = happening.kind == Kind::wait && happening.wait && happening.wait->how == WaitEnd::open;
    if (!why.empty() || !open || happening.gave_up()) return;
    for (const Happening* take : held)
      if (contended(uses.at(take->lock)))
        why = fmt::format("lock {} is held over a wait for fence {} (line {}), and who signals that was not recorded",
                          names_.at(take->lock.second), now_.fence_name(*happening.fence), happening.line);
  });
  return why;
}

bool WindowModel::takes_part(const Happening& happening) const {
  const auto reach = reach_.find(actor_of(happening));
  return !happening.hardware && reach != reach_.end() && happening.line <= reach->second;
}

// The thread takes part up to this line.
void WindowModel::extend(const ActorKey& actor, std::uint32_t line) { to_extend_.emplace_back(actor, line); }

// What it waits for, and what it follows.
void WindowModel::need_what(const Happening& happening) {
  for (const Fence& fence : known_at(happening)) {
    if (happening.kind == Kind::wait) need(fence);
    if (const auto creation = created_.find(fence); creation != created_.end())
      extend(actor_of(*creation->second), creation->second->line);
  }
  if (const auto causes = causes_.find(&happening); causes != causes_.end())
    for (const Happening* cause : causes->second) extend(actor_of(*cause), cause->line);
}

// What those threads wait for until then is needed.
void WindowModel::extend_all() {
  while (!to_extend_.empty()) {
    const auto [actor, line] = to_extend_.back();
    to_extend_.pop_back();
    if (actor.job) {
      const auto run = std::ranges::find_if(
          ran_, [&key = *actor.job](const auto& each) { return each.first->finished->key == key; });
      if (run != ran_.end() && !jobs_.contains(run->first)) need(run->first);
    }
    const auto [reach, fresh] = reach_.try_emplace(actor, 0);
    const std::uint32_t from = std::exchange(reach->second, std::max(reach->second, line));
    const auto sequence = sequences_.find(actor);
    if (line <= from || sequence == sequences_.end()) continue;
    for (const Happening* each : sequence->second)
      if (each->line > from && each->line <= line) need_what(*each);
  }
}

void WindowModel::need(const Fence& fence) {
  const auto signal = signalled_.find(fence);
  if (signal == signalled_.end() || !needed_.insert(fence).second) return;
  if (!signal->second->hardware) return extend(actor_of(*signal->second), signal->second->line);
  const auto known = hardware_of_.find(fence);
  const auto job = known != hardware_of_.end() ? known->second : fence->job.lock();
  if (job && ran_.contains(job)) need(job);
}

// Also the jobs of its entity in front of it, and who queued it.
void WindowModel::need(const std::shared_ptr<Job>& job) {
  for (auto each = job; each && ran_.contains(each) && jobs_.insert(each).second; each = each->previous.lock()) {
    const ActorKey actor{each->run.pid, 0, each->finished->key};
    const auto run = sequences_.find(actor);
    extend(actor, run == sequences_.end() ? 0 : run->second.back()->line);
    for (const Dependency& dependency : each->dependencies)
      for (const Fence& fence : resolved(dependency)) need(fence);
    if (const auto queue = queued_.find(each); queue != queued_.end())
      extend(actor_of(*queue->second), queue->second->line);
  }
}

// Whoever takes such a lock, up to the end of its last section; then what that needs.
void WindowModel::choose_actors() {
  for (const auto& [actor, sequence] : sequences_) {
    std::uint32_t last = 0;
    std::set<LockKey> held;
    for (const Happening* each : held_by(actor))
      if (kept_.contains(each->lock)) held.insert(each->lock);
    for (const Happening* each : sequence) {
      if (each->kind == Kind::take && kept_.contains(each->lock)) held.insert(each->lock);
      if (!held.empty()) last = each->line;
      if (each->kind == Kind::release) held.erase(each->lock);
    }
    if (last == 0) continue;
    extend(actor, last);
    extend_all();
  }
}

}  // namespace fencecheck::observed
