// Checking all inputs, side by side.
#pragma once

#include <functional>
#include <vector>

#include "checker/baseline.hpp"
#include "checker/budget.hpp"
#include "checker/input.hpp"
#include "checker/options.hpp"
#include "graph/input/observe.hpp"
#include "graph/model/run.hpp"

namespace fencecheck {

// What the options allow for one input, from now on.
[[nodiscard]] Budget budget_of(const Options& options);

// What the options ask of traces.
[[nodiscard]] ObserveOptions observe_options_of(const Options& options);

// Told from the thread that called: `progress` now and then; `finished` once
// for each input, in the order of the inputs.
struct RunListener {
  std::function<void(std::size_t done, std::size_t total)> progress;
  std::function<void(const Checked& input)> finished;
  std::function<void(const std::string&)> how_far{};  // of an input that is alone, from its own thread; may be empty
};

// One Checked for each file, in their order whatever the number of threads.
// After an interrupt the rest is not checked: its answers are unknown and say
// so. Throws what check_file throws, of the first input that does.
// With --merge there is one input. With --combine there is one more input at the end: all recordings together.
// Findings beyond --findings are cut, known ones first. `baseline` may be null.
[[nodiscard]] Run run_checks(const std::vector<InputFile>& files, const Options& options, const RunListener& listener,
                             Baseline* baseline);

// The operands are a design and a recording, which are compared.
[[nodiscard]] Run run_conform(const Options& options, const RunListener& listener, Baseline* baseline);

}  // namespace fencecheck
