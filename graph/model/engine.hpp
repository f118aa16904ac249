// The engines that decide systems.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "graph/model/vocabulary.hpp"

namespace fencecheck {

// Which engine decides a system.
enum class Engine : std::uint8_t { automatic, smt, explore, last_ = explore };

struct EngineInfo {
  Engine engine;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto engine_table = std::to_array<EngineInfo>({
    {Engine::automatic, "auto", "whichever fits; the answer says which one decided"},
    {Engine::smt, "smt", "Z3 on a formula of all executions: no loops, no tracked memory, no timeouts that fire"},
    {Engine::explore, "explore", "state by state, everything that the language has"},
});
static_assert(covers(engine_table, &EngineInfo::engine, Engine::last_));
constexpr const EngineInfo& info(Engine engine) { return engine_table[static_cast<std::size_t>(engine)]; }

}  // namespace fencecheck
