#include "graph/input/quote.hpp"

#include "graph/model/source.hpp"

namespace fencecheck {

std::string quote(std::string_view text) {
  constexpr std::size_t longest = 60;  // bytes
  if (text.size() <= longest) return "'" + printable(text) + "'";
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not inside of a character
  return "'" + printable(text.substr(0, end)) + "...'";
}

}  // namespace fencecheck
