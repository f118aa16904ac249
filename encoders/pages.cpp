#include "encoders/pages.hpp"

#include <fmt/format.h>

#include "graph/model/finding.hpp"

namespace fencecheck {

std::string rules_page() {
  std::string page =
      "<!-- made from the tables in graph/model/finding.hpp and graph/model/vocabulary.hpp; do not edit -->\n"
      "# Findings, rules and causes\n\n"
      "`fencecheck explain ID` prints a row of the first two tables.\n\n"
      "## Findings\n\n| finding | definition | what to do | see |\n|---|---|---|---|\n";
  for (const FindingInfo& row : finding_table)
    page += fmt::format("| `{}` | {} | {} | {} |\n", row.id, row.says, row.fix, row.reference);
  page +=
      "\n## Rules of the DMA-fence contract\n\nA broken rule is a `contract` finding.\n\n| rule | broken if | what to "
      "do | see |\n|---|---|---|---|\n";
  for (const RuleInfo& row : rule_table)
    page += fmt::format("| `{}` | {} | {} | {} |\n", row.id, row.says, row.fix, row.reference);
  page +=
      "\n## Causes\n\nWhy a wait exists. `needs:` of a finding is the smallest set of causes with which it still "
      "hangs.\n\n"
      "| cause | waits because of | made by |\n|---|---|---|\n";
  for (const CauseInfo& row : cause_table)
    page += fmt::format("| `{}` | {} | {} |\n", row.id, row.says, row.made_by_kernel ? "the kernel" : "userspace");
  return page;
}

}  // namespace fencecheck
