// Pictures of DOT text, through the Graphviz layout library.
//
// The same text gives the same bytes as long as Graphviz and the fonts are the
// same: pictures hold no time, and to_dot gives every object an `id`.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "graph/model/vocabulary.hpp"

namespace fencecheck {

enum class Picture : std::uint8_t { svg, png, last_ = png };

struct PictureInfo {
  Picture picture;
  std::string_view id;  // also the file extension and Graphviz's name for it
  std::string_view says;
};

inline constexpr auto picture_table = std::to_array<PictureInfo>({
    {Picture::svg, "svg", "Scalable Vector Graphics, with tooltips"},
    {Picture::png, "png", "Portable Network Graphics"},
});
static_assert(covers(picture_table, &PictureInfo::picture, Picture::last_));
constexpr const PictureInfo& info(Picture picture) { return picture_table[static_cast<std::size_t>(picture)]; }

// Lays the graph out with `dot` and draws it. Throws std::runtime_error with
// what Graphviz said if the text is not DOT, cannot be laid out, or the plugin
// for this kind of picture is not installed. Graphviz's layout takes minutes for
// some thousands of edges: draw the cycle or the classes of a large graph. Not
// for several threads at once: Graphviz has global state.
[[nodiscard]] std::string render(const std::string& dot, Picture picture);

}  // namespace fencecheck
