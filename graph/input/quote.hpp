// Pieces of an input inside of messages.
#pragma once

#include <string>
#include <string_view>

namespace fencecheck {

// The text in single quotes, printable, and cut if it is longer than anything
// that people write on purpose.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace fencecheck
