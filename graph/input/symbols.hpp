// Names of a scenario and what they stand for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "graph/input/scenario.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

enum class SymbolKind : std::uint8_t {
  fence,
  timeline,
  lock,
  buffer,
  region,
  group,
  address_space,
  variable,
  pool,
  queue,
  procedure,
  shrinker,
  notifier,
  work,
  thread,
  job,
  syncobj
};
[[nodiscard]] std::string_view name(SymbolKind kind);

struct Symbol {
  SymbolKind kind = SymbolKind::fence;
  std::uint32_t index = 0;  // into the scenario's or the system's table of that kind
  Place at;
  bool used = false;
};

// One flat name space: a name stands for one thing in the whole scenario.
class Symbols {
 public:
  explicit Symbols(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  // Adds a name; an error if it is taken.
  void declare(const Name& name, SymbolKind kind, std::uint32_t index);

  // The index of a name of this kind, marked as used; else an error that says
  // what the name is, or which name was probably meant.
  std::optional<std::uint32_t> find(const Name& name, SymbolKind kind);

  // As find(), without an error and without marking.
  [[nodiscard]] const Symbol* look_up(std::string_view name) const;

  void warn_unused();

 private:
  void report_unknown(const Name& name, SymbolKind kind);
  Diagnostics& diagnostics_;
  std::map<std::string, Symbol, std::less<>> by_name_;
};

}  // namespace fencecheck
