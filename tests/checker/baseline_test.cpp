#include "checker/baseline.hpp"

#include "tests/catch.hpp"
#include "tests/support/said.hpp"

namespace fencecheck {
namespace {

constexpr auto* one = "0000000000000001";
constexpr auto* two = "0000000000000002";

Baseline read(const std::string& text) {
  Diagnostics diagnostics;
  Baseline result = Baseline::read({"known.txt", text, {}}, diagnostics);
  CHECK(said(diagnostics).empty());
  return result;
}

std::string mistakes(const std::string& text) {
  Diagnostics diagnostics;
  (void)Baseline::read({"known.txt", text, {}}, diagnostics);
  return said(diagnostics);
}

Checked with(const std::vector<std::string>& fingerprints) {
  Checked checked;
  checked.source.name = "a.yaml";
  checked.report.emplace();
  for (const std::string& each : fingerprints) {
    Finding& finding = checked.report->findings.emplace_back();
    finding.fingerprint = each;
    finding.message = "it hangs";
  }
  return checked;
}

TEST_CASE("a baseline marks what it knows", "[baseline]") {
  Baseline baseline = read(std::string(one) + " deadlock # being fixed\n");
  Checked input = with({one, two});
  baseline.apply(input, false);
  CHECK(input.report->findings[0].known == "being fixed");
  CHECK_FALSE(input.report->findings[1].known.has_value());
  CHECK(baseline.stale().empty());
}

TEST_CASE("an entry of another rule knows nothing", "[baseline]") {
  Baseline baseline = read(std::string(one) + " FDG020\n");
  Checked input = with({one});
  baseline.apply(input, false);
  CHECK_FALSE(input.report->findings[0].known.has_value());
  CHECK(baseline.stale().size() == 1);
}

TEST_CASE("what is learned is written, what is stale is not", "[baseline]") {
  Baseline baseline = read("# ours\n\n" + std::string(two) + " deadlock  # gone\n");
  Checked input = with({one});
  baseline.apply(input, true);
  CHECK(input.report->findings[0].known == "a.yaml: it hangs");
  CHECK(baseline.text() == "# ours\n\n" + std::string(one) + " deadlock  # a.yaml: it hangs\n");
  CHECK(baseline.stale().size() == 1);
  CHECK(baseline.stale().front().comment == "gone");
  CHECK(read(baseline.text()).stale().size() == 1);
}

TEST_CASE("an entry of another rule is replaced by what is learned", "[baseline]") {
  Baseline baseline = read("# ours\n" + std::string(one) + " FDG020  # old\n# end\n");
  Checked input = with({one});
  baseline.apply(input, true);
  CHECK(baseline.text() == "# ours\n# end\n" + std::string(one) + " deadlock  # a.yaml: it hangs\n");
}

TEST_CASE("stale entries have their lines", "[baseline]") {
  const Baseline baseline = read("# ours\n" + std::string(two) + " deadlock  # a\n\n " + one + " stall\n");
  REQUIRE(baseline.stale().size() == 2);
  CHECK(baseline.stale()[0].at == Place{2, 1, 16});
  CHECK(baseline.stale()[0].message() == "stale: " + std::string(two) + " deadlock  # a");
  CHECK(baseline.stale()[1].at == Place{4, 2, 16});
  CHECK(baseline.stale()[1].message() == "stale: " + std::string(one) + " stall");
}

TEST_CASE("what an input expects is not learned", "[baseline]") {
  Baseline baseline = read("");
  Checked input = with({one});
  input.outcome.expected = true;
  baseline.apply(input, true);
  CHECK(baseline.text() == "# Known findings: FINGERPRINT RULE  # comment\n");
}

TEST_CASE("every line that is no entry is a mistake", "[baseline]") {
  const std::string good = std::string(one) + " deadlock\n";
  CHECK(mistakes("x deadlock\n" + good + "000000000000000G stall\n") ==
        "1:1: error: expected a fingerprint: 16 digits, a to f in lower case\n"
        "3:1: error: expected a fingerprint: 16 digits, a to f in lower case\n");
  CHECK(mistakes(std::string(one) + "\n") ==
        "1:0: error: expected the id of a finding or a rule behind the fingerprint\n");
  CHECK(mistakes(good + "  " + good) == "2:3: error: this fingerprint has an entry already\n");
}

}  // namespace
}  // namespace fencecheck
