#include "graph/model/dmem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace fencecheck::dmem {
namespace {

// floor(a * b / divisor); the caller knows that the exact quotient fits.
std::uint64_t multiply_divide(std::uint64_t a, std::uint64_t b, std::uint64_t divisor, Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::wrapping) return a * b / divisor;
  return static_cast<std::uint64_t>(static_cast<__uint128_t>(a) * b / divisor);
}

// One kind of protection of one group, and what its share depends on.
struct Claim {
  std::uint64_t usage;
  std::uint64_t parent_usage;
  std::uint64_t setting;
  std::uint64_t parent_effective;
  std::uint64_t siblings_claim;  // used protection of all children of the parent, this one included
};

// effective_protection() of mm/page_counter.c.
std::uint64_t share(const Claim& claim, Arithmetic arithmetic, bool recursive) {
  const std::uint64_t own = std::min(claim.usage, claim.setting);
  if (claim.siblings_claim > claim.parent_effective)
    return multiply_divide(own, claim.parent_effective, claim.siblings_claim, arithmetic);
  if (!recursive || claim.parent_effective == claim.siblings_claim || claim.parent_usage <= claim.siblings_claim)
    return own;

  const std::uint64_t unclaimed = claim.parent_effective - claim.siblings_claim;
  const std::uint64_t unprotected = claim.parent_usage - claim.siblings_claim;
  std::uint64_t weight = claim.usage - own;
  // Counters are read one after the other, so a child may seem to use more than its parent; this clamp came with 7.3.
  if (arithmetic == Arithmetic::exact) weight = std::min(weight, unprotected);
  return own + multiply_divide(unclaimed, weight, unprotected, arithmetic);
}

// For each group what its children use of their own min and low.
std::vector<Protection> claims_of_children(const Counters& counters) {
  std::vector<Protection> claims(counters.size());
  for (const Counter& counter : counters) {
    if (!counter.parent) continue;
    claims[*counter.parent].min += std::min(counter.usage, counter.limits.min);
    claims[*counter.parent].low += std::min(counter.usage, counter.limits.low);
  }
  return claims;
}

bool is_below(const Counters& counters, Group group, Group ancestor) {
  // A parent comes before its children.
  while (group > ancestor) group = *counters[group].parent;
  return group == ancestor;
}

bool within(const Counters& counters, Group group, std::uint64_t protection) {
  return group != root && counters[group].usage <= protection;
}

Reason reason_by_protection(std::uint64_t usage, Protection protection, bool ignore_low) {
  if (usage <= protection.min) return Reason::within_min;
  if (ignore_low) return Reason::low_ignored;
  return usage <= protection.low ? Reason::within_low : Reason::above_low;
}

Judgement judge(const Counters& counters, std::optional<Group> limit, Group victim, bool ignore_low,
                Arithmetic arithmetic) {
  assert(victim < counters.size());
  Judgement result;
  result.victim = victim;
  result.limit = limit.value_or(root);
  result.ignore_low = ignore_low;
  result.usage = counters[victim].usage;
  if (limit == victim) {
    result.reason = Reason::limit_itself;
  } else if (limit == root) {
    result.reason = Reason::root_limit;
  } else if (!is_below(counters, victim, result.limit)) {
    result.reason = Reason::outside_limit;
  } else {
    result.protection = effective(counters, result.limit, arithmetic)[victim];
    result.reason = reason_by_protection(result.usage, result.protection, ignore_low);
  }
  return result;
}

std::string numbers(Protection protection) {
  return fmt::format("emin {}, elow {}", bytes_text(protection.min), bytes_text(protection.low));
}

std::string charge_account(const Counters& counters, const Attempt& attempt, const Decision& decision,
                           std::span<const std::string> names) {
  if (decision.denied_by) {
    const Counter& limit = counters[*decision.denied_by];
    return fmt::format("the charge is denied by {} (usage {}, max {})", names[*decision.denied_by],
                       bytes_text(limit.usage), bytes_text(limit.limits.max));
  }
  std::string text =
      fmt::format("the charge succeeds (usage {} with it", bytes_text(counters[attempt.group].usage + attempt.bytes));
  if (decision.protection) text += ", " + numbers(*decision.protection);
  return text + (attempt.space ? ")" : "), but there is no room");
}

std::string next_account(const Decision& decision, std::span<const std::string> names) {
  switch (decision.next) {
    case Next::succeed:
      return "it gets them";
    case Next::next_placement:
      return "it may not evict and tries the next placement";
    case Next::evict:
      break;
  }
  std::string text = "it evicts";
  if (decision.eviction.limit) text += " below " + names[*decision.eviction.limit];
  if (decision.eviction.only_unprotected) text += " what neither min nor low protects, and nothing of its own";
  return text;
}

}  // namespace

std::vector<Protection> effective(const Counters& counters, Group from, Arithmetic arithmetic, bool recursive) {
  const std::vector<Protection> claims = claims_of_children(counters);
  std::vector<Protection> result(counters.size());
  for (Group group = from + 1; group < counters.size(); ++group) {
    const Counter& counter = counters[group];
    assert(counter.parent && *counter.parent < group);
    if (counter.usage == 0 || !is_below(counters, group, from)) continue;
    const Group parent = *counter.parent;
    if (parent == from) {
      result[group] = {counter.limits.min, counter.limits.low};
      continue;
    }
    const std::uint64_t parent_usage = counters[parent].usage;
    result[group].min = share({counter.usage, parent_usage, counter.limits.min, result[parent].min, claims[parent].min},
                              arithmetic, recursive);
    result[group].low = share({counter.usage, parent_usage, counter.limits.low, result[parent].low, claims[parent].low},
                              arithmetic, recursive);
  }
  return result;
}

std::optional<Group> charge_denied_by(const Counters& counters, Group group, std::uint64_t bytes) {
  for (std::optional<Group> each = group; each; each = counters[*each].parent) {
    const Counter& counter = counters[*each];
    if (counter.usage > counter.limits.max || bytes > counter.limits.max - counter.usage) return each;
  }
  return std::nullopt;
}

Counters charge(Counters counters, Group group, std::uint64_t bytes) {
  assert(!charge_denied_by(counters, group, bytes));
  for (std::optional<Group> each = group; each; each = counters[*each].parent) counters[*each].usage += bytes;
  return counters;
}

Counters uncharge(Counters counters, Group group, std::uint64_t bytes) {
  for (std::optional<Group> each = group; each; each = counters[*each].parent) {
    assert(counters[*each].usage >= bytes);
    counters[*each].usage -= bytes;
  }
  return counters;
}

Counters set_max(Counters counters, Group group, std::uint64_t max, Kernel kernel) {
  if (counters[group].usage <= max || info(kernel).max_below_usage) counters[group].limits.max = max;
  return counters;
}

Group common_ancestor(const Counters& counters, Group a, Group b) {
  // The one with the greater index cannot be an ancestor of the other.
  while (a != b) {
    Group& lower = a > b ? a : b;
    lower = *counters[lower].parent;
  }
  return a;
}

bool below_min(const Counters& counters, Group group, Arithmetic arithmetic) {
  return within(counters, group, effective(counters, root, arithmetic)[group].min);
}

bool below_low(const Counters& counters, Group group, Arithmetic arithmetic) {
  return within(counters, group, effective(counters, root, arithmetic)[group].low);
}

Judgement evict_valuable(const Counters& counters, std::optional<Group> limit, Group victim, bool ignore_low,
                         Kernel kernel) {
  return judge(counters, limit, victim, ignore_low, info(kernel).arithmetic);
}

Decision decide(const Counters& counters, const Attempt& attempt, Kernel kernel) {
  const bool forced = attempt.force && !attempt.system;
  Decision decision;
  decision.denied_by = charge_denied_by(counters, attempt.group, attempt.bytes);
  if (decision.denied_by) {
    if (forced) {
      decision.next = Next::evict;
      decision.eviction.limit = decision.denied_by;
    }
    return decision;
  }
  if (attempt.space) {
    decision.next = Next::succeed;
    decision.charged = true;
    return decision;
  }

  bool may_ignore_low = forced;
  bool may_evict = forced;
  if (info(kernel).evicts_for_protected) {
    const Counters charged = charge(counters, attempt.group, attempt.bytes);
    decision.protection = effective(charged, root, info(kernel).arithmetic)[attempt.group];
    may_ignore_low |= within(charged, attempt.group, decision.protection->min);
    may_evict = may_ignore_low || within(charged, attempt.group, decision.protection->low);
  }
  if (!may_evict) return decision;
  decision.next = Next::evict;
  decision.charged = info(kernel).evicts_for_protected;
  decision.eviction.only_unprotected = !may_ignore_low;
  return decision;
}

Judgement consider(const Counters& counters, const Eviction& eviction, Group charged, Group victim, bool ignore_low,
                   Kernel kernel) {
  assert(!(ignore_low && eviction.only_unprotected));
  std::optional<Group> limit = eviction.limit;
  if (!limit && info(kernel).from_common_ancestor) limit = common_ancestor(counters, charged, victim);
  Judgement judgement = evict_valuable(counters, limit, victim, ignore_low, kernel);
  if (eviction.only_unprotected && victim == charged) judgement.reason = Reason::on_own_behalf;
  return judgement;
}

std::optional<Pass> next_pass(Pass pass, bool evicted, bool kept_for_low, const Eviction& eviction, bool may_sleep) {
  if (pass.sleeps && evicted) return pass;
  if (!pass.ignore_low && kept_for_low && !eviction.only_unprotected) return Pass{pass.sleeps, true};
  if (!pass.sleeps && may_sleep) return Pass{true, false};
  return std::nullopt;
}

std::optional<Isolation> isolation(const Counters& counters, const Judgement& judgement) {
  if (test(judgement) != Test::evict || judgement.usage == 0) return std::nullopt;
  Isolation result;
  result.entitled = effective(counters, root, Arithmetic::exact)[judgement.victim];
  result.min = judgement.usage <= result.entitled.min;
  const bool low = !judgement.ignore_low && judgement.usage <= result.entitled.low;
  if (!result.min && !low) return std::nullopt;

  if (judgement.reason == Reason::limit_itself) {
    result.breach = Breach::own;
  } else if (judgement.reason == Reason::root_limit) {
    result.breach = Breach::root_limit;
  } else {
    // No limit and the root as limit differ for the test only, not for what it computes.
    std::optional<Group> limit;
    if (judgement.limit != root) limit = judgement.limit;
    const Judgement exact = judge(counters, limit, judgement.victim, judgement.ignore_low, Arithmetic::exact);
    result.breach = test(exact) == Test::evict ? Breach::relative : Breach::overflow;
  }
  return result;
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes == unlimited) return "max";
  static constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  const std::string_view* unit = std::begin(units);
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 != std::end(units)) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", bytes, *unit);
}

std::string account(const Counters& counters, const Attempt& attempt, const Decision& decision,
                    std::span<const std::string> names) {
  return fmt::format("{} asks for {}: {}; {}", names[attempt.group], bytes_text(attempt.bytes),
                     charge_account(counters, attempt, decision, names), next_account(decision, names));
}

std::string account(const Judgement& judgement, std::span<const std::string> names) {
  static constexpr std::string_view outcomes[] = {"may be evicted", "stay", "stay for now"};
  std::string text = fmt::format("buffers of {} {}: {} (usage {}", names[judgement.victim],
                                 outcomes[static_cast<std::size_t>(test(judgement))], info(judgement.reason).says,
                                 bytes_text(judgement.usage));
  if (info(judgement.reason).computed)
    text += fmt::format(", {}, counted from {}", numbers(judgement.protection), names[judgement.limit]);
  return text + ")";
}

std::string account(const Judgement& judgement, const Isolation& isolation, std::span<const std::string> names) {
  std::string text =
      fmt::format("{} loses buffers although its usage of {} is within its {} ({}, exact, counted from {})",
                  names[judgement.victim], bytes_text(judgement.usage), isolation.min ? "min" : "low",
                  numbers(isolation.entitled), names[root]);
  if (info(judgement.reason).computed)
    text += fmt::format("; the kernel's test has {}, counted from {}", numbers(judgement.protection),
                        names[judgement.limit]);
  return fmt::format("{}: {}", text, info(isolation.breach).says);
}

}  // namespace fencecheck::dmem
