// A scenario, read and lowered but not decided: for commands that do something else with it.
#pragma once

#include <istream>
#include <optional>
#include <string>

#include "graph/input/scenario.hpp"
#include "graph/model/source.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Design {
  Scenario scenario;
  System system;
};

// `path` is a file, compressed or not, or "-" for standard input. Nothing, with errors, if it is no scenario.
[[nodiscard]] std::optional<Design> read_design(const std::string& path, Source& source, Diagnostics& diagnostics);

// All of a stream; an error if it is too large for a text that is read whole.
[[nodiscard]] std::string read_whole(std::istream& in, Diagnostics& diagnostics);

}  // namespace fencecheck
