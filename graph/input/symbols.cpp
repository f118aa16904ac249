#include "graph/input/symbols.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace fencecheck {

std::string_view name(SymbolKind kind) {
  static constexpr std::array<std::string_view, 17> names{
      "fence", "timeline",  "lock",     "buffer",   "region", "group",  "address space", "variable", "pool",
      "queue", "procedure", "shrinker", "notifier", "work",   "thread", "job",           "syncobj"};
  static_assert(names.size() == static_cast<std::size_t>(SymbolKind::syncobj) + 1);
  return names.at(static_cast<std::size_t>(kind));
}

namespace {
std::string with_article(SymbolKind kind) {
  return fmt::format("{} {}", kind == SymbolKind::address_space ? "an" : "a", name(kind));
}
}  // namespace

void Symbols::declare(const Name& name, SymbolKind kind, std::uint32_t index) {
  const auto [place, added] = by_name_.try_emplace(name.text, Symbol{kind, index, name.at, false});
  if (added) return;
  diagnostics_.error(name.at, fmt::format("the name '{}' is taken by {}", name.text, with_article(place->second.kind)));
  diagnostics_.note(place->second.at, fmt::format("'{}' was declared here", name.text));
}

const Symbol* Symbols::look_up(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

std::optional<std::uint32_t> Symbols::find(const Name& name, SymbolKind kind) {
  const auto found = by_name_.find(name.text);
  if (found != by_name_.end() && found->second.kind == kind) {
    found->second.used = true;
    return found->second.index;
  }
  report_unknown(name, kind);
  return std::nullopt;
}

void Symbols::report_unknown(const Name& name, SymbolKind kind) {
  if (const Symbol* other = look_up(name.text)) {
    diagnostics_.error(name.at,
                       fmt::format("'{}' is {}, not {}", name.text, with_article(other->kind), with_article(kind)));
    return;
  }
  std::vector<std::string_view> candidates;
  for (const auto& [text, symbol] : by_name_)
    if (symbol.kind == kind) candidates.push_back(text);
  const std::string_view meant = nearest(name.text, candidates);
  diagnostics_.error(name.at, fmt::format("no {} is called '{}'{}", fencecheck::name(kind), name.text,
                                          meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
}

void Symbols::warn_unused() {
  for (const auto& [text, symbol] : by_name_)
    if (!symbol.used && symbol.kind != SymbolKind::thread && symbol.kind != SymbolKind::job &&
        symbol.kind != SymbolKind::shrinker && symbol.kind != SymbolKind::notifier)
      diagnostics_.warning(symbol.at, fmt::format("the {} '{}' is never used", name(symbol.kind), text));
}

}  // namespace fencecheck
