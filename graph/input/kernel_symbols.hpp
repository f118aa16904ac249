// /proc/kallsyms, to name the addresses in stacks and events.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fencecheck {

class KernelSymbols {
 public:
  KernelSymbols() = default;
  // Lines "address type name [module]"; what is none of these is skipped. O(n log n).
  explicit KernelSymbols(std::string text);
  KernelSymbols(const KernelSymbols&) = delete;
  KernelSymbols& operator=(const KernelSymbols&) = delete;

  // The function that the address lies in; empty if there is none. O(log n).
  [[nodiscard]] std::string_view function(std::uint64_t address) const;

 private:
  struct Symbol {
    std::uint64_t address = 0;
    std::string_view name;
  };
  std::string text_;
  std::vector<Symbol> symbols_;  // by address; of several at one address the first of the file
};

}  // namespace fencecheck
