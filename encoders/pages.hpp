// Pages of the documentation that the tables make.
#pragma once

#include <string>

namespace fencecheck {

// docs/rules.md: findings, rules, causes and strengths.
[[nodiscard]] std::string rules_page();

}  // namespace fencecheck
