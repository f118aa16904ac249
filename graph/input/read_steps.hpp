// Steps, from YAML.
#pragma once

#include "graph/input/keys.hpp"
#include "graph/input/scenario.hpp"
#include "graph/input/yaml_tree.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// The steps of a list, in order; those that are none are reported and left out.
// `row` says what the list is for.
[[nodiscard]] Block read_steps(const YamlNode& list, const KeyRow& row, Diagnostics& diagnostics);

}  // namespace fencecheck
