// A scenario, from YAML.
#pragma once

#include <optional>

#include "graph/input/scenario.hpp"
#include "graph/input/templates.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// The scenario that the source describes. Everything wrong with its keys and
// values is reported, not only the first mistake; then there is no scenario.
// Whether names refer to anything is for lower() to say. `diagnostics` holds no
// errors before.
[[nodiscard]] std::optional<Scenario> read_yaml(const Source& source, Diagnostics& diagnostics,
                                                const InstanceCounts& many = {instances_of_many});

}  // namespace fencecheck
