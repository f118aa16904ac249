// How text is written: for whom, and on what.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "graph/model/vocabulary.hpp"

namespace fencecheck {

// Of which findings the whole story is told.
enum class StoryMode : std::uint8_t { automatic, always, never, last_ = never };

struct StoryModeInfo {
  StoryMode mode;
  std::string_view id;
  std::string_view says;
};
inline constexpr auto story_mode_table = std::to_array<StoryModeInfo>({
    {StoryMode::automatic, "auto", "of files named on the command line, and of surprises in folders"},
    {StoryMode::always, "always", "of every finding"},
    {StoryMode::never, "never", "of none: one line for each finding"},
});
static_assert(covers(story_mode_table, &StoryModeInfo::mode, StoryMode::last_));

struct Style {
  StoryMode story = StoryMode::automatic;
  bool colour = false;  // ANSI colours; for terminals only
  unsigned width = 0;   // columns of the terminal; 0: as long as the lines are
};

}  // namespace fencecheck
