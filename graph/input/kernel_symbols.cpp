#include "graph/input/kernel_symbols.hpp"

#include <algorithm>
#include <charconv>

namespace fencecheck {
namespace {

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

KernelSymbols::KernelSymbols(std::string text) : text_(std::move(text)) {
  for (std::string_view rest = text_; !rest.empty();) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const std::string_view digits = take_word(line);
    const std::string_view type = take_word(line);
    const std::string_view name = take_word(line);
    std::uint64_t address = 0;
    const auto [stop, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), address, 16);
    if (wrong != std::errc{} || stop != digits.data() + digits.size() || name.empty()) continue;
    // arm64 marks data inside code with $; absolute symbols are offsets into per-CPU memory.
    if (name.front() != '$' && type != "A" && type != "a") symbols_.push_back({address, name});
  }
  std::ranges::stable_sort(symbols_, {}, &Symbol::address);
  symbols_.erase(std::unique(symbols_.begin(), symbols_.end(),
                             [](const Symbol& one, const Symbol& other) { return one.address == other.address; }),
                 symbols_.end());
}

std::string_view KernelSymbols::function(std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
  return after == symbols_.begin() ? std::string_view{} : std::prev(after)->name;
}

}  // namespace fencecheck
