// Which inputs there are, and what kind each of them is.
//
// A folder stands for the files below it that have an input's ending, in the
// order of their names. What a file is, its content decides.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/source.hpp"

namespace fencecheck {

enum class InputKind : std::uint8_t { scenario, trace, trace_dat, perfetto, graph, snapshot };

struct InputFile {
  std::string path;
  bool from_folder = false;
  std::string error{};  // why there is no such input: it does not exist, or is a folder without inputs
};

// The files that the arguments stand for, in their order, each once. Folders do
// not stand for the files in `apart` (a baseline, reports), by whatever path.
[[nodiscard]] std::vector<InputFile> input_files(const std::vector<std::string>& arguments,
                                                 const std::vector<std::string>& apart = {});

// What the beginning of a file looks like; nothing, with an error that says
// what it is instead, if it is no input.
[[nodiscard]] std::optional<InputKind> kind_of(std::string_view beginning, Diagnostics& diagnostics);

}  // namespace fencecheck
