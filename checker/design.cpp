#include "checker/design.hpp"

#include <fmt/format.h>

#include <sstream>

#include "checker/input.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/open_input.hpp"
#include "graph/input/read_yaml.hpp"

namespace fencecheck {
namespace {

constexpr std::uintmax_t largest_text = std::uintmax_t{64} << 20U;  // scenarios and graphs are read whole

}  // namespace

std::string read_whole(std::istream& in, Diagnostics& diagnostics) {
  std::ostringstream text;
  std::string block(sniffed_bytes, '\0');
  std::uintmax_t size = 0;
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    size += static_cast<std::uintmax_t>(in.gcount());
    if (size > largest_text) {
      diagnostics.error({}, fmt::format("larger than {} MiB", largest_text >> 20U));
      return {};
    }
    text.write(block.data(), in.gcount());
  }
  return std::move(text).str();
}

std::optional<Design> read_design(const std::string& path, Source& source, Diagnostics& diagnostics) {
  source.name = path == "-" ? "<stdin>" : path;
  OpenedInput input(path, diagnostics);
  if (!diagnostics.ok()) return std::nullopt;
  source.text = read_whole(input.stream(), diagnostics);
  input.check(diagnostics);
  const auto kind = diagnostics.ok() ? kind_of(source.text, diagnostics) : std::nullopt;
  if (kind && *kind != InputKind::scenario) diagnostics.error({1, 0, 1}, "a design is written as a scenario, in YAML");
  if (!diagnostics.ok()) return std::nullopt;
  std::optional<Scenario> scenario = read_yaml(source, diagnostics);
  if (!scenario) return std::nullopt;
  std::optional<System> system = lower(*scenario, diagnostics);
  if (!system) return std::nullopt;
  return Design{std::move(*scenario), std::move(*system)};
}

}  // namespace fencecheck
