#include "graph/model/instance_name.hpp"

#include <fmt/format.h>

#include <charconv>

namespace fencecheck {

InstanceName instance_name(std::string_view name) {
  const std::size_t open = name.find('[');
  const std::size_t close = open == std::string_view::npos ? open : name.find(']', open);
  if (close == std::string_view::npos) return {std::string(name), {}, 0};
  std::uint32_t index = 0;
  const char* const end = name.data() + close;
  const auto [stopped, error] = std::from_chars(name.data() + open + 1, end, index);
  if (error != std::errc{} || stopped != end) return {std::string(name), {}, 0};
  const std::size_t before = name.substr(0, open).find_last_of(" '");
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return {fmt::format("{}{}", name.substr(0, open), name.substr(close + 1)),
          std::string(name.substr(begin, open - begin)), index};
}

std::string name_in_instance(std::string_view template_name, std::uint32_t index, std::string_view object) {
  return fmt::format("{}[{}].{}", template_name, index, object);
}

}  // namespace fencecheck
