// Text inside XML: for test reports and for nets.
#pragma once

#include <string>
#include <string_view>

namespace fencecheck {

// The text as content of an element or an attribute. Requires that control characters are gone (see printable); the two
// other characters that XML forbids, U+FFFE and U+FFFF, become question marks. O(bytes).
[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace fencecheck
