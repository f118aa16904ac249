#include "graph/model/finding.hpp"

#include <set>

#include "tests/catch.hpp"

namespace fencecheck {
namespace {

Finding cycle_of(const std::vector<std::string>& names) {
  Finding finding;
  for (std::size_t i = 0; i < names.size(); ++i) {
    Party party;
    party.name = names[i];
    party.waits_for = names[(i + 1) % names.size()];
    finding.parties.push_back(party);
  }
  return finding;
}

TEST_CASE("strengths and verdicts have names", "[finding]") {
  REQUIRE(name(Strength::observed) == "observed");
  REQUIRE(name(Strength::confirmed) == "confirmed");
  REQUIRE(name(Strength::potential) == "potential");
  REQUIRE(name(Verdict::holds) == "holds");
  REQUIRE(name(Verdict::violated) == "violated");
  REQUIRE(name(Verdict::unknown) == "unknown");
}

TEST_CASE("a fingerprint does not depend on where the story of a cycle begins", "[finding]") {
  // Every word of up to six letters out of two, against each of its rotations.
  for (std::size_t length = 1; length <= 6; ++length) {
    for (std::size_t code = 0; code < (std::size_t{1} << length); ++code) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < length; ++i) names.emplace_back((code >> i & 1) != 0 ? "b" : "a");
      const std::string expected = fingerprint(cycle_of(names));
      for (std::size_t turn = 1; turn < length; ++turn) {
        std::rotate(names.begin(), names.begin() + 1, names.end());
        if (fingerprint(cycle_of(names)) != expected) FAIL("length " << length << ", code " << code);
      }
    }
  }
}

TEST_CASE("fingerprints differ where problems do", "[finding]") {
  std::set<std::string> seen;
  const auto add = [&](const Finding& finding) {
    REQUIRE(fingerprint(finding).size() == 16);
    seen.insert(fingerprint(finding));
  };
  add(cycle_of({"a", "b", "c"}));
  add(cycle_of({"a", "c", "b"}));
  add(cycle_of({"ab", "c"}));
  add(cycle_of({"a", "bc"}));
  Finding stall = cycle_of({"a", "b", "c"});
  stall.kind = FindingKind::stall;
  add(stall);
  Finding ruled = cycle_of({"a", "b", "c"});
  ruled.kind = FindingKind::contract;
  ruled.rule = Rule::indefinite_fence;
  add(ruled);
  Finding chain = cycle_of({"b", "a"});
  chain.closed = false;
  add(chain);
  Finding message;
  message.message = "one";
  add(message);
  message.message = "two";
  add(message);
  REQUIRE(seen.size() == 9);
}

TEST_CASE("the numbers of one recording do not count, those of a scenario do", "[finding]") {
  Finding one = cycle_of({"client-0-104", "client-1-105"});
  Finding other = cycle_of({"client-3-99", "client-4-1000"});
  CHECK(fingerprint(one) != fingerprint(other));
  one.strength = other.strength = Strength::observed;
  CHECK(fingerprint(one) == fingerprint(other));
}

TEST_CASE("why a party waits, and where, is not in its fingerprint", "[finding]") {
  Finding moved = cycle_of({"a", "b"});
  moved.parties[0].context = "evicting 'x' for the allocation on line 23";
  moved.parties[0].at = {23, 1, 1};
  CHECK(fingerprint(moved) == fingerprint(cycle_of({"a", "b"})));
}

TEST_CASE("fingerprints stay what they were", "[finding]") {  // users list them in files
  REQUIRE(fingerprint(cycle_of({"Kernel DMA Fences", "userspace controlled fences"})) == "a947d88e1cdeccf0");
}

}  // namespace
}  // namespace fencecheck
