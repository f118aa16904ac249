// docs/traces.md, from the tables of events, losses and user-signalled drivers.
#pragma once

#include <string>

namespace fencecheck {

[[nodiscard]] std::string traces_page();

}  // namespace fencecheck
