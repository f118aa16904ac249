// What an engine answers when it is asked for an execution.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "graph/model/state.hpp"

namespace fencecheck {

struct Exhausted {};  // no execution has what was asked for
struct GaveUp {
  std::string why;
};
using Search = std::variant<std::vector<Move>, Exhausted, GaveUp>;

}  // namespace fencecheck
