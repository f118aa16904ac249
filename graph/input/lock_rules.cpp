// Pairs of locks and frames, looked up in the tables.
#include "graph/input/lock_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/input/kernel_log.hpp"

namespace fencecheck {
namespace {

// One lock taken while another is held.
struct Pair {
  std::string held;
  LockUse taken;
  const std::vector<std::string>* frames = nullptr;
};

std::vector<Pair> pairs_of(const Splat& splat) {
  std::vector<Pair> pairs;
  for (std::size_t i = 1; i < splat.chain.size(); ++i)
    if (splat.chain[i].index == splat.chain[i - 1].index + 1)
      pairs.push_back({splat.chain[i - 1].lock.lock, splat.chain[i].lock, &splat.chain[i].frames});
  if (!splat.taken) return pairs;
  const std::vector<std::string>& frames = splat.chain.empty() ? splat.stack : splat.chain.front().frames;
  if (splat.holding) pairs.push_back({splat.holding->lock, *splat.taken, &frames});
  for (const LockUse& held : splat.held)
    if (!splat.holding || held.lock != splat.holding->lock) pairs.push_back({held.lock, *splat.taken, &frames});
  return pairs;
}

std::string in_site(const std::string& site) { return site.empty() ? "" : " in " + site; }

std::string while_held(std::string_view held) {
  if (held == signalling_class) return "inside a signalling section";
  if (held == reclaim_class) return "by memory reclaim";
  if (held == notifier_class) return "by an MMU notifier";
  return fmt::format("while '{}' is held", held);
}

bool holds(const Splat& splat, std::string_view lock) {
  return std::ranges::find(splat.held, lock, &LockUse::lock) != splat.held.end() ||
         std::ranges::find(splat.order, lock) != splat.order.end();
}

// In a cycle through reclaim or a wait for a fence, that a signalling section is
// part of, the lock from which the wait is reached is needed to signal and held
// across the wait.
void add_lock_across_wait(const Splat& splat, std::vector<BrokenRule>& broken) {
  if (!holds(splat, signalling_class)) return;
  for (std::size_t i = 0; i < splat.order.size(); ++i) {
    const std::string& lock = splat.order[i];
    const std::string& next = splat.order[(i + 1) % splat.order.size()];
    const bool waits = next == reclaim_class || next == notifier_class || next == signalling_class;
    if (stands_for_waits(lock) || !waits) continue;
    const bool first = i == 0 && !splat.chain.empty();
    const SignallingFlow* flow = signalling_flow(first ? splat.chain.front().frames : splat.stack);
    const bool recovery = flow != nullptr && flow->recovery;
    const auto link = std::ranges::find(splat.chain, next, [](const ChainLink& each) { return each.lock.lock; });
    const LockUse use = link == splat.chain.end() ? LockUse{next, "", "", "", splat.at} : link->lock;
    broken.push_back({recovery ? Rule::lock_in_recovery : Rule::lock_held_across_wait,
                      fmt::format("'{}' is taken by {}, and is held{} across {}", lock,
                                  recovery ? "the recovery from a timeout" : "a path that has to signal",
                                  in_site(use.site), next == signalling_class ? "a wait for a fence" : "an allocation"),
                      use.at});
  }
}

}  // namespace

const SignallingFlow* signalling_flow(const std::vector<std::string>& stack) {
  const auto row = std::ranges::find_if(signalling_flow_table,
                                        [&](const SignallingFlow& each) { return has_frame(stack, each.frame); });
  return row == signalling_flow_table.end() ? nullptr : &*row;
}

bool stands_for_waits(std::string_view lock) {
  return lock == signalling_class || lock == reclaim_class || lock == notifier_class;
}

std::vector<BrokenRule> broken_rules(const Splat& splat) {
  std::vector<BrokenRule> broken;
  const auto add = [&](BrokenRule each) {
    const bool known = std::ranges::any_of(broken, [&](const BrokenRule& other) { return other.says == each.says; });
    if (!known) broken.push_back(std::move(each));
  };
  for (const Pair& pair : pairs_of(splat))
    for (const LockRule& row : lock_rule_table)
      if (row.held == pair.held && row.taken == pair.taken.lock)
        add({row.rule,
             fmt::format("'{}' is taken{} {}", pair.taken.lock, in_site(pair.taken.site), while_held(row.held)),
             pair.taken.at});
  add_lock_across_wait(splat, broken);
  const std::string where = splat.taken ? in_site(splat.taken->site) : "";
  const std::string lock = splat.taken && !splat.taken->lock.empty() ? "'" + splat.taken->lock + "'" : "a lock";
  if (splat.kind == SplatKind::wait_context || splat.kind == SplatKind::sleeping) {
    const bool callback =
        has_frame(splat.stack, "dma_fence_signal") || has_frame(splat.stack, "dma_fence_add_callback");
    add({callback ? Rule::sleep_in_callback : Rule::sleep_in_atomic,
         fmt::format("{} that may sleep is taken{} where nothing may sleep", lock, where), splat.at});
  }
  if (splat.kind == SplatKind::nest_lock)
    add({Rule::nesting_without_lock,
         fmt::format("{} is taken{} without the lock that its nesting is annotated with", lock, where), splat.at});
  return broken;
}

std::vector<BrokenRule> broken_rules(const BlockedTask& task) {
  std::vector<BrokenRule> broken;
  const SignallingFlow* flow = signalling_flow(task.stack);
  if (flow == nullptr) return broken;
  const std::string who = fmt::format("{}:{}, which {},", task.task.comm, task.task.pid, flow->says);
  if (has_frame(task.stack, "__alloc_pages_direct_reclaim") || has_frame(task.stack, "try_to_free_pages"))
    broken.push_back({Rule::reclaim_in_signalling, who + " reclaims memory", task.at});
  if (!flow->recovery && task.on == BlockedOn::fence)
    broken.push_back({Rule::wait_in_run_job, who + " waits for a fence", task.at});
  return broken;
}

}  // namespace fencecheck
