// The words for a hang that a trace shows.
#pragma once

#include <string>
#include <vector>

#include "graph/input/observed_hangs.hpp"
#include "graph/model/finding.hpp"

namespace fencecheck::observed {

// "10.1 s", "850.0 ms", "12.0 us"
[[nodiscard]] std::string duration(std::uint64_t nanoseconds);

// "client-0-104", "job 8:49 of ring gfx"
[[nodiscard]] std::string actor_name(const Reconstruction& seen, const Actor& actor);

// What the step waits for: "fence vgem/unbound 4:1", "lock 00000000871d201e".
[[nodiscard]] std::string awaited_name(const Reconstruction& seen, const WaitStep& step);

// "a-1 had been waiting 10.5 s for fence drm_sched/t 2:1 (line 1) when the
// recording ended; ...", with the chain of what that fence waited for.
[[nodiscard]] std::string describe(const Reconstruction& seen, const Late& late);

[[nodiscard]] Finding describe(const Reconstruction& seen, const ObservedHang& hang);

}  // namespace fencecheck::observed
