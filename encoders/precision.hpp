// How much of an execution a formula says. Apart from formula.hpp, which needs Z3.
#pragma once

#include <cstdint>

namespace fencecheck {

enum class Precision : std::uint8_t {
  plain,       // everything, with a variable for each step and a constraint for each pair
  executions,  // the same executions, without what follows from the text of the programs
  cuts,        // how far each thread comes, and hardly any order: every maximal execution is a model, not the reverse
};

}  // namespace fencecheck
