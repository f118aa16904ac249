// How far something is, as a bar of text.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace fencecheck {

// "[#####.........................]" for a part between 0 and 1.
[[nodiscard]] inline std::string progress_bar(double part) {
  constexpr std::size_t cells = 30;
  const auto filled = static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * cells);
  return fmt::format("[{:#<{}}{:.<{}}]", "", filled, "", cells - filled);
}

}  // namespace fencecheck
