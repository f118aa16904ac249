#include "graph/input/recorded_events.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fencecheck::observed {

bool RecordedEvents::has(EventGroup group) const {
  const auto& kinds = event_group_table[static_cast<std::size_t>(group)].kinds;
  return std::ranges::any_of(kinds,
                             [&](TraceEventKind kind) { return (seen_ >> static_cast<unsigned>(kind) & 1U) != 0; });
}

std::string RecordedEvents::lack(std::span<const EventGroup> groups) const {
  std::string lacks;
  std::string record;
  for (const EventGroup group : groups) {
    if (has(group)) continue;
    const EventGroupInfo& row = event_group_table[static_cast<std::size_t>(group)];
    lacks += fmt::format("{} no {}", lacks.empty() ? "the recording holds" : " and", row.says);
    record += fmt::format("{}{}", record.empty() ? "" : ", ", row.record);
  }
  if (lacks.empty()) return {};
  return fmt::format("{}: record {} too ('fencecheck record' prints the command)", lacks, record);
}

}  // namespace fencecheck::observed
