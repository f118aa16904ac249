// One function for each alternative of a variant, for std::visit.
#pragma once

namespace fencecheck {

template <class... Ts>
struct overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
overloaded(Ts...) -> overloaded<Ts...>;

}  // namespace fencecheck
