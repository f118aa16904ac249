// Device-memory cgroups: the golden vectors of the kernel's arithmetic, what protection promises, and what TTM does.
#include "graph/model/dmem.hpp"

#include <algorithm>
#include <random>

#include "tests/catch.hpp"

namespace fencecheck::dmem {
namespace {

constexpr std::uint64_t MiB = 1ULL << 20;
constexpr std::uint64_t GiB = 1ULL << 30;
constexpr auto kernels = {Kernel::v7_0, Kernel::v7_2, Kernel::v7_3};

// A group with what is charged to itself.
struct Row {
  std::optional<Group> parent;
  Limits limits;
  std::uint64_t own = 0;
};

Counters tree(const std::vector<Row>& rows) {
  Counters counters;
  for (const Row& row : rows) counters.push_back({row.parent, row.limits, 0});
  for (Group group = 0; group < rows.size(); ++group) counters = charge(counters, group, rows[group].own);
  return counters;
}

// root { A { A1, A2 }, B }
enum : Group { A = 1, A1, A2, B };

Counters v1(std::uint64_t unit) {
  return tree({{{}, {}, 0},
               {root, {8 * unit, 0, unlimited}, 0},
               {A, {6 * unit, 0, unlimited}, 6 * unit},
               {A, {6 * unit, 0, unlimited}, 6 * unit},
               {root, {}, 4 * unit}});
}

Counters v2(std::uint64_t unit) {
  return tree(
      {{{}, {}, 0}, {root, {8 * unit, 0, unlimited}, 0}, {A, {2 * unit, 0, unlimited}, 6 * unit}, {A, {}, 6 * unit}});
}

Counters v3(std::uint64_t unit) {
  return tree({{{}, {}, 0},
               {root, {4 * unit, 8 * unit, unlimited}, 0},
               {A, {4 * unit, 4 * unit, unlimited}, unit},
               {A, {4 * unit, 4 * unit, unlimited}, 5 * unit}});
}

std::vector<Protection> exact(const Counters& counters) { return effective(counters, root, Arithmetic::exact); }
std::vector<Protection> wrapping(const Counters& counters) { return effective(counters, root, Arithmetic::wrapping); }

TEST_CASE("over-committed min is shared in proportion", "[dmem]") {  // V1m, V1g
  for (const auto arithmetic : {Arithmetic::exact, Arithmetic::wrapping})
    CHECK(effective(v1(MiB), root, arithmetic) ==
          std::vector<Protection>{{}, {8388608, 0}, {4194304, 0}, {4194304, 0}, {}});
  CHECK(exact(v1(GiB)) == std::vector<Protection>{{}, {8589934592, 0}, {4294967296, 0}, {4294967296, 0}, {}});
  CHECK(wrapping(v1(GiB)) == std::vector<Protection>{{}, {8589934592, 0}, {}, {}, {}});
}

TEST_CASE("what no child claims floats to unprotected usage", "[dmem]") {  // V2m, V2g, V2n
  for (const auto arithmetic : {Arithmetic::exact, Arithmetic::wrapping}) {
    CHECK(effective(v2(MiB), root, arithmetic) ==
          std::vector<Protection>{{}, {8388608, 0}, {4613734, 0}, {3774873, 0}});
    CHECK(effective(v2(MiB), root, arithmetic, false) == std::vector<Protection>{{}, {8388608, 0}, {2097152, 0}, {}});
  }
  CHECK(exact(v2(GiB)) == std::vector<Protection>{{}, {8589934592, 0}, {4724464025, 0}, {3865470566, 0}});
  CHECK(wrapping(v2(GiB)) == std::vector<Protection>{{}, {8589934592, 0}, {3006477107, 0}, {429496729, 0}});
}

TEST_CASE("min and low are shared one apart from the other", "[dmem]") {  // V3m, V3g
  for (const auto arithmetic : {Arithmetic::exact, Arithmetic::wrapping})
    CHECK(effective(v3(MiB), root, arithmetic) ==
          std::vector<Protection>{{}, {4194304, 8388608}, {838860, 1048576}, {3355443, 7340032}});
  CHECK(exact(v3(GiB)) ==
        std::vector<Protection>{{}, {4294967296, 8589934592}, {858993459, 1073741824}, {3435973836, 7516192768}});
  CHECK(wrapping(v3(GiB)) ==
        std::vector<Protection>{{}, {4294967296, 8589934592}, {858993459, 1073741824}, {0, 7516192768}});
}

TEST_CASE("a min below a parent without one is worthless, the first level's is taken as it is", "[dmem]") {  // V4
  const Counters counters = tree(
      {{{}, {}, 0}, {root, {}, 0}, {1, {4 * MiB, 0, unlimited}, 4 * MiB}, {root, {4 * MiB, 0, unlimited}, 3 * MiB}});
  for (const auto arithmetic : {Arithmetic::exact, Arithmetic::wrapping}) {
    const auto protection = effective(counters, root, arithmetic);
    CHECK(protection[2] == Protection{0, 0});
    CHECK(protection[3] == Protection{4194304, 0});
  }
  CHECK_FALSE(below_min(counters, 2, Arithmetic::exact));
  CHECK(below_min(counters, 3, Arithmetic::exact));
}

TEST_CASE("protection counts from any group, and only for those below it", "[dmem]") {
  const auto protection = effective(v1(MiB), A, Arithmetic::exact);
  CHECK(protection == std::vector<Protection>{{}, {}, {6 * MiB, 0}, {6 * MiB, 0}, {}});
  CHECK(effective(v1(MiB), B, Arithmetic::exact) == std::vector<Protection>(5));
}

TEST_CASE("a group without usage has no effective protection", "[dmem]") {
  const Counters counters = tree({{{}, {}, 0}, {root, {GiB, GiB, unlimited}, 0}});
  CHECK(exact(counters)[1] == Protection{0, 0});
  // Nor has it anything to lose: the kernel's comparison still holds.
  CHECK(below_min(counters, 1, Arithmetic::exact));
  CHECK(test(evict_valuable(counters, {}, 1, true, Kernel::v7_3)) == Test::keep);
  CHECK_FALSE(isolation(counters, evict_valuable(counters, 1, 1, true, Kernel::v7_3)));
}

TEST_CASE("the root is never protected and never denied", "[dmem]") {
  const Counters counters = tree({{{}, {}, 5 * GiB}});
  CHECK_FALSE(below_min(Counters(1), root, Arithmetic::exact));  // not even if nothing is charged
  CHECK_FALSE(below_low(Counters(1), root, Arithmetic::exact));
  CHECK_FALSE(below_min(counters, root, Arithmetic::exact));
  CHECK_FALSE(below_low(counters, root, Arithmetic::exact));
  CHECK_FALSE(charge_denied_by(counters, root, 1ULL << 62));
  for (const Kernel kernel : kernels) CHECK(test(consider(counters, {}, root, root, false, kernel)) == Test::evict);
}

TEST_CASE("a child that seems to use more than its parent gets no more than all, since 7.3", "[dmem]") {
  // No sequence of charges leads here; reading the counters while others charge does.
  Counters counters = tree({{{}, {}, 0}, {root, {8, 0, unlimited}, 0}, {1, {}, 4}});
  counters[1].usage = 2;
  CHECK(exact(counters)[2].min == 8);
  CHECK(wrapping(counters)[2].min == 16);
  // Nor is there anything to share where the children's protection is all that the parent seems to use.
  counters[2].limits.min = 2;
  CHECK(exact(counters)[2].min == 2);
  CHECK(wrapping(counters)[2].min == 2);
}

TEST_CASE("the extremes of 64 bits", "[dmem]") {
  const Counters counters = tree({{{}, {}, 0},
                                  {root, {unlimited, unlimited, unlimited}, 0},
                                  {1, {unlimited, 0, unlimited}, unlimited - 1},
                                  {1, {unlimited, 0, unlimited}, 1}});
  const auto protection = exact(counters);
  CHECK(protection[1] == Protection{unlimited, unlimited});
  CHECK(protection[2] == Protection{unlimited - 1, unlimited - 1});
  CHECK(protection[3] == Protection{1, 1});
  CHECK(charge_denied_by(counters, 3, unlimited) == 3);  // the sum would not fit
  CHECK(charge_denied_by(counters, 2, 1) == 1);
  CHECK_FALSE(charge_denied_by(counters, 2, 0));
}

TEST_CASE("a charge is denied by the first max on the way up", "[dmem]") {
  const Counters counters =
      tree({{{}, {}, 0}, {root, {0, 0, 8 * MiB}, 0}, {1, {0, 0, 6 * MiB}, 4 * MiB}, {1, {}, 2 * MiB}});
  CHECK_FALSE(charge_denied_by(counters, 2, 2 * MiB));
  CHECK(charge_denied_by(counters, 2, 2 * MiB + 1) == 2);
  CHECK(charge_denied_by(counters, 3, 2 * MiB + 1) == 1);
  CHECK(charge_denied_by(counters, 3, unlimited - 2 * MiB) == 1);
  CHECK_FALSE(charge_denied_by(counters, root, GiB));
}

TEST_CASE("charges count in all ancestors and go back", "[dmem]") {
  const Counters before = v1(MiB);
  const Counters after = charge(before, A1, MiB);
  CHECK(after[A1].usage == 7 * MiB);
  CHECK(after[A].usage == 13 * MiB);
  CHECK(after[root].usage == 17 * MiB);
  CHECK(after[A2].usage == before[A2].usage);
  const Counters back = uncharge(after, A1, MiB);
  for (Group group = 0; group < before.size(); ++group) CHECK(back[group].usage == before[group].usage);
}

TEST_CASE("common ancestors", "[dmem]") {
  const Counters counters = v1(MiB);
  CHECK(common_ancestor(counters, A1, A2) == A);
  CHECK(common_ancestor(counters, A2, A1) == A);
  CHECK(common_ancestor(counters, A1, A) == A);
  CHECK(common_ancestor(counters, A1, A1) == A1);
  CHECK(common_ancestor(counters, A1, B) == root);
  CHECK(common_ancestor(counters, root, B) == root);
}

TEST_CASE("a max below usage takes effect since 7.3, above it always", "[dmem]") {
  const Counters counters = tree({{{}, {}, 0}, {root, {}, 4 * MiB}});
  CHECK(set_max(counters, 1, MiB, Kernel::v7_0)[1].limits.max == unlimited);
  CHECK(set_max(counters, 1, MiB, Kernel::v7_2)[1].limits.max == unlimited);
  CHECK(set_max(counters, 1, MiB, Kernel::v7_3)[1].limits.max == MiB);
  for (const Kernel kernel : kernels) CHECK(set_max(counters, 1, 4 * MiB, kernel)[1].limits.max == 4 * MiB);
  // Above its max a group is denied even nothing.
  CHECK(charge_denied_by(set_max(counters, 1, MiB, Kernel::v7_3), 1, 0) == 1);
}

TEST_CASE("kernels are found by their version, and no others", "[dmem]") {
  REQUIRE(find_row(kernel_table, "7.2"));
  CHECK(find_row(kernel_table, "7.2")->kernel == Kernel::v7_2);
  CHECK(find_row(kernel_table, "7.2")->arithmetic == Arithmetic::wrapping);
  CHECK(find_row(kernel_table, "7.3")->arithmetic == Arithmetic::exact);
  CHECK_FALSE(find_row(kernel_table, "7.1"));
  CHECK_FALSE(find_row(kernel_table, ""));
}

TEST_CASE("the eviction test, in the order of its questions", "[dmem]") {
  const Counters counters = v3(MiB);
  const auto reason = [&](std::optional<Group> limit, Group victim, bool ignore_low) {
    return evict_valuable(counters, limit, victim, ignore_low, Kernel::v7_3).reason;
  };
  CHECK(reason(A2, A2, false) == Reason::limit_itself);
  CHECK(reason(root, root, false) == Reason::limit_itself);
  CHECK(reason(root, A2, false) == Reason::root_limit);
  CHECK(reason(A1, A2, false) == Reason::outside_limit);
  CHECK(reason(A1, A, false) == Reason::outside_limit);
  CHECK(reason({}, A2, false) == Reason::within_low);  // 3355443 < 5 MiB <= 7340032
  CHECK(reason({}, A2, true) == Reason::low_ignored);
  CHECK(reason({}, A1, false) == Reason::within_low);  // 838860 < 1 MiB <= 1048576
  CHECK(reason(A, A1, true) == Reason::within_min);    // 1 MiB <= 4 MiB as set
  CHECK(reason(A, A2, false) == Reason::above_low);    // 5 MiB > 4 MiB as set
  CHECK(test(evict_valuable(counters, {}, A2, false, Kernel::v7_3)) == Test::keep_for_low);
}

TEST_CASE("S18: 7.3 ignores the min of another top-level group, before, and below a common group, it holds", "[dmem]") {
  // root { 1: min = usage, 2 allocates }, VRAM full.
  const Counters flat = tree({{{}, {}, 0}, {root, {4 * MiB, 0, unlimited}, 4 * MiB}, {root, {}, 4 * MiB}});
  const Attempt attempt{.group = 2, .bytes = MiB, .space = false, .force = true};
  for (const Kernel kernel : kernels) {
    const Decision decision = decide(flat, attempt, kernel);
    REQUIRE(decision.next == Next::evict);
    CHECK_FALSE(decision.denied_by);
    const Counters counters = decision.charged ? charge(flat, 2, MiB) : flat;
    const Judgement judgement = consider(counters, decision.eviction, 2, 1, false, kernel);
    const auto broken = isolation(counters, judgement);
    if (kernel == Kernel::v7_3) {
      CHECK(test(judgement) == Test::evict);
      REQUIRE(broken);
      CHECK(broken->breach == Breach::root_limit);
      CHECK(broken->min);
      CHECK(broken->entitled == Protection{4 * MiB, 0});
    } else {
      CHECK(test(judgement) == Test::keep);
      CHECK_FALSE(broken);
    }
  }
  // The same two below group 1, which carries the protection.
  const Counters nested =
      tree({{{}, {}, 0}, {root, {4 * MiB, 0, unlimited}, 0}, {1, {4 * MiB, 0, unlimited}, 4 * MiB}, {1, {}, 4 * MiB}});
  for (const Kernel kernel : kernels)
    for (const bool ignore_low : {false, true})
      CHECK(test(consider(charge(nested, 3, MiB), {}, 3, 2, ignore_low, kernel)) == Test::keep);
}

TEST_CASE("S18b: an overflow takes away what exact arithmetic protects", "[dmem]") {
  // All of the parent's 8 GiB floats to its children and covers what they use, unless 8 * 4 GiB^2 = 2^65 wraps.
  const Counters counters = tree({{{}, {}, 0}, {root, {8 * GiB, 0, unlimited}, 0}, {A, {}, 4 * GiB}, {A, {}, 4 * GiB}});
  CHECK(exact(counters)[A1].min == 4 * GiB);
  CHECK(wrapping(counters)[A1].min == 0);
  const Judgement wrapped = evict_valuable(counters, {}, A1, true, Kernel::v7_2);
  CHECK(test(wrapped) == Test::evict);
  const auto broken = isolation(counters, wrapped);
  REQUIRE(broken);
  CHECK(broken->breach == Breach::overflow);
  CHECK(broken->min);
  CHECK(test(evict_valuable(counters, {}, A1, true, Kernel::v7_3)) == Test::keep);
  CHECK_FALSE(isolation(counters, evict_valuable(counters, {}, A1, true, Kernel::v7_3)));
}

TEST_CASE("an inherited share protects against strangers, not against siblings", "[dmem]") {
  const Counters counters = tree({{{}, {}, 0}, {root, {8 * MiB, 0, unlimited}, 0}, {A, {}, 6 * MiB}, {A, {}, 2 * MiB}});
  CHECK(test(evict_valuable(counters, {}, A1, true, Kernel::v7_3)) == Test::keep);
  const Judgement sibling = consider(counters, {}, A2, A1, false, Kernel::v7_3);
  CHECK(sibling.limit == A);
  CHECK(test(sibling) == Test::evict);
  const auto broken = isolation(counters, sibling);
  REQUIRE(broken);
  CHECK(broken->breach == Breach::relative);
  CHECK(info(broken->breach).intended);
}

TEST_CASE("own buffers are fair game, and that is no flaw", "[dmem]") {
  const Counters counters = tree({{{}, {}, 0}, {root, {4 * MiB, 0, 4 * MiB}, 4 * MiB}});
  const Decision decision = decide(counters, {.group = 1, .bytes = MiB, .space = true, .force = true}, Kernel::v7_3);
  CHECK(decision.next == Next::evict);
  CHECK(decision.eviction.limit == 1);
  const Judgement judgement = consider(counters, decision.eviction, 1, 1, false, Kernel::v7_3);
  CHECK(judgement.reason == Reason::limit_itself);
  REQUIRE(isolation(counters, judgement));
  CHECK(isolation(counters, judgement)->breach == Breach::own);
}

TEST_CASE("low that is respected can be broken too, low that is ignored cannot", "[dmem]") {
  const Counters counters = tree({{{}, {}, 0}, {root, {0, 4 * MiB, unlimited}, 4 * MiB}, {root, {}, 4 * MiB}});
  const auto broken = isolation(counters, consider(counters, {}, 2, 1, false, Kernel::v7_3));
  REQUIRE(broken);
  CHECK(broken->breach == Breach::root_limit);
  CHECK_FALSE(broken->min);
  CHECK_FALSE(isolation(counters, consider(counters, {}, 2, 1, true, Kernel::v7_3)));
  CHECK(test(consider(counters, {}, 2, 1, false, Kernel::v7_2)) == Test::keep_for_low);
  CHECK(test(consider(counters, {}, 2, 1, true, Kernel::v7_2)) == Test::evict);
}

TEST_CASE("placements of the two rounds", "[dmem]") {
  CHECK(considered(Placement::both_rounds, false));
  CHECK(considered(Placement::both_rounds, true));
  CHECK(considered(Placement::desired, false));
  CHECK_FALSE(considered(Placement::desired, true));
  CHECK_FALSE(considered(Placement::fallback, false));
  CHECK(considered(Placement::fallback, true));
}

TEST_CASE("an attempt that fits succeeds in both rounds", "[dmem]") {
  for (const Kernel kernel : kernels)
    for (const bool force : {false, true}) {
      const Decision decision = decide(v1(MiB), {.group = B, .bytes = MiB, .space = true, .force = force}, kernel);
      CHECK(decision.next == Next::succeed);
      CHECK(decision.charged);
    }
}

TEST_CASE("a denied charge evicts below the limit, in the forced round only and never from system memory", "[dmem]") {
  const Counters counters =
      tree({{{}, {}, 0}, {root, {9 * MiB, 0, 2 * MiB}, 0}, {1, {9 * MiB, 0, unlimited}, 2 * MiB}});
  for (const Kernel kernel : kernels) {
    Attempt attempt{.group = 2, .bytes = MiB, .space = true, .force = false};
    CHECK(decide(counters, attempt, kernel).next == Next::next_placement);  // however protected
    CHECK(decide(counters, attempt, kernel).denied_by == 1);
    attempt.force = true;
    const Decision decision = decide(counters, attempt, kernel);
    CHECK(decision.next == Next::evict);
    CHECK(decision.eviction.limit == 1);
    CHECK_FALSE(decision.eviction.only_unprotected);
    CHECK_FALSE(decision.charged);
    attempt.system = true;
    CHECK(decide(counters, attempt, kernel).next == Next::next_placement);
  }
}

TEST_CASE("missing room: what protection of the allocating group permits", "[dmem]") {
  const auto at = [](Limits limits, bool force, Kernel kernel) {
    const Counters counters = tree({{{}, {}, 0}, {root, limits, MiB}});
    return decide(counters, {.group = 1, .bytes = MiB, .space = false, .force = force}, kernel);
  };
  const Limits none{};
  const Limits min{2 * MiB, 0, unlimited};
  const Limits min_before_charge{2 * MiB - 1, 0, unlimited};
  const Limits low{0, 2 * MiB, unlimited};
  for (const Kernel kernel : {Kernel::v7_0, Kernel::v7_2})
    for (const Limits& limits : {none, min, low}) {
      CHECK(at(limits, false, kernel).next == Next::next_placement);
      CHECK(at(limits, true, kernel).next == Next::evict);
      CHECK_FALSE(at(limits, true, kernel).charged);
      CHECK_FALSE(at(limits, true, kernel).protection);
      CHECK_FALSE(at(limits, true, kernel).eviction.only_unprotected);
    }
  CHECK(at(none, false, Kernel::v7_3).next == Next::next_placement);
  CHECK_FALSE(at(none, false, Kernel::v7_3).charged);
  CHECK(at(none, true, Kernel::v7_3).next == Next::evict);
  CHECK(at(min, false, Kernel::v7_3).next == Next::evict);
  CHECK(at(min, false, Kernel::v7_3).charged);
  CHECK(at(min, false, Kernel::v7_3).protection == Protection{2 * MiB, 0});
  CHECK_FALSE(at(min, false, Kernel::v7_3).eviction.only_unprotected);
  CHECK(at(min_before_charge, false, Kernel::v7_3).next == Next::next_placement);  // the charge counts
  CHECK(at(low, false, Kernel::v7_3).next == Next::evict);
  CHECK(at(low, false, Kernel::v7_3).eviction.only_unprotected);
  CHECK_FALSE(at(low, true, Kernel::v7_3).eviction.only_unprotected);
}

TEST_CASE("on behalf of low only the unprotected go, and nothing of the own group", "[dmem]") {
  // root { 1 { 2 low, 3 low, 4 } }
  const Counters counters = tree({{{}, {}, 0},
                                  {root, {0, 9 * MiB, unlimited}, 0},
                                  {1, {0, 4 * MiB, unlimited}, 2 * MiB},
                                  {1, {0, 4 * MiB, unlimited}, 2 * MiB},
                                  {1, {}, 2 * MiB}});
  const Eviction eviction{{}, true};
  CHECK(consider(counters, eviction, 2, 2, false, Kernel::v7_3).reason == Reason::on_own_behalf);
  CHECK(test(consider(counters, eviction, 2, 2, false, Kernel::v7_3)) == Test::keep);
  CHECK(test(consider(counters, eviction, 2, 3, false, Kernel::v7_3)) == Test::keep_for_low);
  CHECK(test(consider(counters, eviction, 2, 4, false, Kernel::v7_3)) == Test::evict);
  CHECK(test(consider(counters, Eviction{}, 2, 2, false, Kernel::v7_3)) == Test::evict);
  CHECK_FALSE(next_pass({}, false, true, eviction, false));
}

TEST_CASE("the limit that denied the charge bounds the victims", "[dmem]") {
  const Counters counters = v1(MiB);
  CHECK(test(consider(counters, {A, false}, A1, B, true, Kernel::v7_3)) == Test::keep);
  CHECK(consider(counters, {A, false}, A1, A2, true, Kernel::v7_3).reason == Reason::within_min);
  CHECK(consider(counters, {A, false}, A1, A1, true, Kernel::v7_3).reason == Reason::within_min);
}

TEST_CASE("S09: min over-committed against the capacity", "[dmem]") {
  // 8 MiB of VRAM, both groups have min 6 and use 4; group 2 wants 1 more.
  const Limits six{6 * MiB, 0, unlimited};
  const Counters flat = tree({{{}, {}, 0}, {root, six, 4 * MiB}, {root, six, 4 * MiB}});
  const Attempt attempt{.group = 2, .bytes = MiB, .space = false, .force = true};
  for (const Kernel kernel : {Kernel::v7_0, Kernel::v7_2}) {
    const Decision decision = decide(flat, attempt, kernel);
    CHECK(decision.next == Next::evict);
    for (const Group victim : {1U, 2U})
      for (const bool ignore_low : {false, true})
        CHECK(test(consider(flat, decision.eviction, 2, victim, ignore_low, kernel)) == Test::keep);
  }
  // 7.3: group 2 takes from group 1 at the top level; below a common group it can only take from itself.
  CHECK(test(consider(charge(flat, 2, MiB), {}, 2, 1, false, Kernel::v7_3)) == Test::evict);
  const Counters nested = tree({{{}, {}, 0}, {root, {8 * MiB, 0, unlimited}, 0}, {1, six, 4 * MiB}, {1, six, 4 * MiB}});
  const Decision decision = decide(nested, {.group = 3, .bytes = MiB, .space = false, .force = false}, Kernel::v7_3);
  // 5 of 9 MiB used: entitled to 5 * 8 / 9 MiB, which is less than 5.
  CHECK(decision.next == Next::next_placement);
  REQUIRE(decision.protection);
  CHECK(decision.protection->min == 5 * MiB * 8 / 9);
  CHECK(test(consider(charge(nested, 3, MiB), {}, 3, 2, true, Kernel::v7_3)) == Test::keep);
  CHECK(test(consider(charge(nested, 3, MiB), {}, 3, 3, true, Kernel::v7_3)) == Test::evict);
}

TEST_CASE("the passes over the LRU list", "[dmem]") {
  const Eviction any{};
  const Pass trylock{};
  const Pass trylock_low{false, true};
  const Pass sleeping{true, false};
  const Pass sleeping_low{true, true};
  const auto next = [&](Pass pass, bool evicted, bool kept, bool may_sleep) {
    return next_pass(pass, evicted, kept, any, may_sleep);
  };
  CHECK_FALSE(next(trylock, false, false, false));
  CHECK(next(trylock, false, true, false) == trylock_low);
  CHECK(next(trylock, true, true, true) == trylock_low);
  CHECK_FALSE(next(trylock_low, true, true, false));
  CHECK(next(trylock, true, false, true) == sleeping);
  CHECK(next(trylock_low, false, true, true) == sleeping);
  CHECK(next(sleeping, true, true, true) == sleeping);
  CHECK(next(sleeping, false, true, true) == sleeping_low);
  CHECK_FALSE(next(sleeping, false, false, true));
  CHECK(next(sleeping_low, true, true, true) == sleeping_low);
  CHECK_FALSE(next(sleeping_low, false, true, true));
  CHECK(next_pass(trylock, false, true, {{}, true}, true) == sleeping);
  CHECK_FALSE(next_pass(sleeping, false, true, {{}, true}, true));
}

TEST_CASE("bytes are printed without loss", "[dmem]") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1 KiB");
  CHECK(bytes_text(4613734) == "4613734 B");
  CHECK(bytes_text(8 * GiB) == "8 GiB");
  CHECK(bytes_text(4096 * 1024 * GiB) == "4096 TiB");
  CHECK(bytes_text(unlimited) == "max");
}

TEST_CASE("accounts give the numbers and the reason", "[dmem]") {
  const std::vector<std::string> names{"/", "game", "compute"};
  const Counters counters =
      tree({{{}, {}, 0}, {root, {4 * GiB, 0, unlimited}, 4 * GiB}, {root, {0, 0, 6 * GiB}, 4 * GiB}});
  Attempt attempt{.group = 2, .bytes = GiB, .space = false, .force = true};
  Decision decision = decide(counters, attempt, Kernel::v7_3);
  CHECK(account(counters, attempt, decision, names) ==
        "compute asks for 1 GiB: the charge succeeds (usage 5 GiB with it, emin 0 B, elow 0 B), but there is no room; "
        "it evicts");
  const Judgement judgement = consider(charge(counters, 2, GiB), decision.eviction, 2, 1, false, Kernel::v7_3);
  CHECK(account(judgement, names) ==
        "buffers of game may be evicted: memory is sought below the root, where the test looks at neither min nor low "
        "(usage 4 GiB)");
  CHECK(account(judgement, *isolation(counters, judgement), names) ==
        "game loses buffers although its usage of 4 GiB is within its min (emin 4 GiB, elow 0 B, exact, counted from "
        "/): its nearest common ancestor with the allocation is the root, and for the root the test looks at neither "
        "min nor low");

  CHECK(account(consider(counters, {}, 2, 1, false, Kernel::v7_2), names) ==
        "buffers of game stay: usage is within emin (usage 4 GiB, emin 4 GiB, elow 0 B, counted from /)");

  attempt.bytes = 3 * GiB;
  decision = decide(counters, attempt, Kernel::v7_3);
  CHECK(account(counters, attempt, decision, names) ==
        "compute asks for 3 GiB: the charge is denied by compute (usage 4 GiB, max 6 GiB); it evicts below compute");
  attempt.force = false;
  CHECK(account(counters, attempt, decide(counters, attempt, Kernel::v7_3), names) ==
        "compute asks for 3 GiB: the charge is denied by compute (usage 4 GiB, max 6 GiB); it may not evict and tries "
        "the next placement");
  attempt = {.group = 2, .bytes = GiB, .space = true};
  CHECK(account(counters, attempt, decide(counters, attempt, Kernel::v7_0), names) ==
        "compute asks for 1 GiB: the charge succeeds (usage 5 GiB with it); it gets them");

  Counters low = counters;
  low[2].limits.low = 6 * GiB;
  attempt.space = false;
  CHECK(account(low, attempt, decide(low, attempt, Kernel::v7_3), names) ==
        "compute asks for 1 GiB: the charge succeeds (usage 5 GiB with it, emin 0 B, elow 6 GiB), but there is no "
        "room; it evicts what neither min nor low protects, and nothing of its own");
  CHECK(account(evict_valuable(low, {}, 2, false, Kernel::v7_2), names) ==
        "buffers of compute stay for now: usage is within elow, and this pass respects low (usage 4 GiB, emin 0 B, "
        "elow 6 GiB, counted from /)");

  const std::vector<std::string> nested_names{"/", "A", "A1", "A2"};
  const Counters nested = tree({{{}, {}, 0}, {root, {8 * GiB, 0, unlimited}, 0}, {A, {}, 4 * GiB}, {A, {}, 4 * GiB}});
  const Judgement wrapped = evict_valuable(nested, {}, A1, true, Kernel::v7_2);
  CHECK(account(wrapped, *isolation(nested, wrapped), nested_names) ==
        "A1 loses buffers although its usage of 4 GiB is within its min (emin 4 GiB, elow 0 B, exact, counted from "
        "/); the kernel's test has emin 0 B, elow 0 B, counted from /: the product of two protections does not fit "
        "into 64 bits");
}

// A random tree whose usages come from charges, so that they add up.
Counters random_tree(std::mt19937_64& random) {
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  const std::uint64_t unit = below(2) == 0 ? 1 : GiB;
  std::vector<Row> rows(1);
  const std::uint64_t count = 1 + below(8);
  while (rows.size() <= count) {
    const auto parent = static_cast<Group>(below(rows.size()));
    rows.push_back({parent, {below(10) * unit, below(10) * unit, unlimited}, below(8) * unit + below(3)});
  }
  return tree(rows);
}

TEST_CASE("what protection promises, on random trees", "[dmem]") {
  for (unsigned seed = 0; seed < 5000; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const Counters counters = random_tree(random);
    const auto from = static_cast<Group>(random() % counters.size());
    const auto exactly = effective(counters, from, Arithmetic::exact);
    const auto wrapped = effective(counters, from, Arithmetic::wrapping);
    const auto plain = effective(counters, from, Arithmetic::exact, false);
    std::vector<Protection> sums(counters.size());
    for (Group group = 1; group < counters.size(); ++group) {
      const Group parent = *counters[group].parent;
      // Wrapping and not recursing never protect more.
      REQUIRE(wrapped[group].min <= exactly[group].min);
      REQUIRE(wrapped[group].low <= exactly[group].low);
      REQUIRE(plain[group].min <= exactly[group].min);
      // Without recursion a group below the first level has at most what is set, and what it uses.
      if (parent != from) REQUIRE(plain[group].min <= std::min(counters[group].usage, counters[group].limits.min));
      if (parent == from) continue;
      REQUIRE(exactly[group].min <= exactly[parent].min);
      REQUIRE(exactly[group].low <= exactly[parent].low);
      sums[parent].min += exactly[group].min;
      sums[parent].low += exactly[group].low;
    }
    for (Group group = 0; group < counters.size(); ++group) {
      if (group == from) continue;
      REQUIRE(sums[group].min <= exactly[group].min);
      REQUIRE(sums[group].low <= exactly[group].low);
    }
  }
}

TEST_CASE("isolation is broken as each kernel can break it, on random trees", "[dmem]") {
  for (unsigned seed = 0; seed < 5000; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const Counters counters = random_tree(random);
    const auto charged = static_cast<Group>(random() % counters.size());
    const bool ignore_low = random() % 2 == 0;
    for (Group victim = 0; victim < counters.size(); ++victim)
      for (const Kernel kernel : kernels) {
        const Judgement judgement = consider(counters, {}, charged, victim, ignore_low, kernel);
        const auto broken = isolation(counters, judgement);
        if (!broken) continue;
        REQUIRE(test(judgement) == Test::evict);
        REQUIRE(judgement.usage <= (broken->min ? broken->entitled.min : broken->entitled.low));
        if (kernel == Kernel::v7_3)
          REQUIRE(broken->breach != Breach::overflow);
        else
          REQUIRE(broken->breach == Breach::overflow);  // judged from the root: nothing else can go wrong
      }
  }
}

}  // namespace
}  // namespace fencecheck::dmem
