// Systems in the languages of other checkers: the table behind `encode --to`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "graph/model/vocabulary.hpp"

namespace fencecheck {

struct System;

enum class Encoding : std::uint8_t { promela, smt_lib, smt_lib_plain, smt_lib_cuts, pnml, last_ = pnml };

struct EncodingInfo {
  Encoding encoding;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto encoding_table = std::to_array<EncodingInfo>({
    {Encoding::promela, "promela", "a model for SPIN: an error is a hang"},
    {Encoding::smt_lib, "smt-lib", "the formula of all executions: sat if there is a hang"},
    {Encoding::smt_lib_plain, "smt-lib-plain", "the same without any simplification, as --no-reduction has it"},
    {Encoding::smt_lib_cuts, "smt-lib-cuts", "the smaller formula that is asked first: unsat if there is no hang"},
    {Encoding::pnml, "pnml", "a place/transition net: a dead marking is a hang"},
});
static_assert(covers(encoding_table, &EncodingInfo::encoding, Encoding::last_));

// Why the format cannot say it; empty if it can.
[[nodiscard]] std::string not_sayable(const System& system, Encoding encoding);

// Requires: not_sayable(system, encoding) is empty.
[[nodiscard]] std::string encode(const System& system, Encoding encoding);

}  // namespace fencecheck
