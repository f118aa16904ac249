// Regions, groups, buffers with memory, and address spaces.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {
namespace {
constexpr std::size_t most_buffers = most_branches - 1;  // a PickVictim has a branch for each, and one for nobody
constexpr std::string_view root_name = "root";
}  // namespace

std::optional<RegionId> Lowering::region(const Name& name) {
  const auto index = symbols_.find(name, SymbolKind::region);
  if (!index) return std::nullopt;
  if (!features_.tracks_memory) {
    diagnostics_.error(name.at, fmt::format("'{}' has no capacity, so that nothing says what is in it", name.text));
    return std::nullopt;
  }
  return RegionId{*index};
}

std::optional<GroupId> Lowering::group(const Name& name) {
  if (name.text == root_name) return GroupId{};
  const auto index = symbols_.find(name, SymbolKind::group);
  return index ? group_ids_[*index] : std::nullopt;
}

std::optional<AddressSpaceId> Lowering::address_space(const Name& name) {
  const auto index = symbols_.find(name, SymbolKind::address_space);
  return index ? std::optional(AddressSpaceId{*index}) : std::nullopt;
}

std::optional<BufferId> Lowering::memory_of(const Name& name) {
  const auto index = buffer(name);
  if (!index) return std::nullopt;
  if (!buffers_[*index].memory)
    diagnostics_.error(name.at, fmt::format("'{}' has no memory: it needs a region with a capacity, or a size, or an "
                                            "address space or group in the scenario",
                                            name.text));
  return buffers_[*index].memory;
}

// An engine that copies.
std::optional<QueueId> Lowering::engine(const Name& name) {
  const auto index = symbols_.find(name, SymbolKind::queue);
  if (!index) return std::nullopt;
  const QueueKind kind = scenario_.queues[*index].kind;
  if (kind == QueueKind::engine) return QueueId{*index};
  diagnostics_.error(name.at, fmt::format("'{}' is of kind '{}'; only an engine copies", name.text, info(kind).id));
  return std::nullopt;
}

void Lowering::assign_memory(ThreadId thread, const std::optional<Name>& whose, const std::optional<Name>& space) {
  if (whose)
    if (const auto id = group(*whose)) system_.threads[thread.index].group = *id;
  if (space) system_.threads[thread.index].space = address_space(*space);
}

void Lowering::declare_regions() {
  for (const RegionDeclaration& declared : scenario_.regions) {
    const ReservationId departures{static_cast<std::uint32_t>(system_.reservations.size())};
    system_.reservations.push_back({fmt::format("departures of {}", declared.name.text), declared.name.at});
    const auto limited = [&](const GroupDeclaration& group) {
      return std::ranges::any_of(group.limits,
                                 [&](const LimitsDeclaration& each) { return each.name.text == declared.name.text; });
    };
    system_.regions.push_back({declared.name.text, declared.capacity.value_or(dmem::unlimited),
                               declared.accounted.value_or(std::ranges::any_of(scenario_.groups, limited)), departures,
                               declared.name.at});
    copies_on_.push_back(declared.copies_on ? engine(*declared.copies_on) : std::nullopt);
  }
}

void Lowering::declare_group(const GroupDeclaration& declared) {
  Group group{declared.name.text, GroupId{}, {}, declared.name.at};
  if (declared.parent) group.parent = this->group(*declared.parent).value_or(GroupId{});
  group.limits.resize(system_.regions.size());
  for (const LimitsDeclaration& limits : declared.limits) {
    if (limits.high) diagnostics_.warning(*limits.high, "no kernel implements 'dmem.high': it has no effect");
    const auto id = region(limits.name);
    if (!id) continue;
    group.limits[id->index] = limits.limits;
    if (!system_[*id].accounted)
      diagnostics_.error(limits.name.at, fmt::format("'{}' is not accounted: it has no limits", limits.name.text));
  }
  system_.groups.push_back(std::move(group));
}

// Parents first.
void Lowering::declare_groups() {
  system_.groups.push_back(
      {std::string(root_name), std::nullopt, std::vector<dmem::Limits>(system_.regions.size()), {}});
  group_ids_.resize(scenario_.groups.size());
  const auto is_ready = [&](const GroupDeclaration& declared) {
    if (!declared.parent || declared.parent->text == root_name) return true;
    const Symbol* parent = symbols_.look_up(declared.parent->text);
    return parent == nullptr || parent->kind != SymbolKind::group || group_ids_[parent->index].has_value();
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (std::uint32_t i = 0; i < scenario_.groups.size(); ++i) {
      if (group_ids_[i] || !is_ready(scenario_.groups[i])) continue;
      declare_group(scenario_.groups[i]);
      group_ids_[i] = GroupId{static_cast<std::uint32_t>(system_.groups.size() - 1)};
      progress = true;
    }
  }
  for (std::uint32_t i = 0; i < scenario_.groups.size(); ++i) {
    const Name& name = scenario_.groups[i].name;
    if (name.text == root_name) diagnostics_.error(name.at, "the group 'root' is always there");
    if (!group_ids_[i]) diagnostics_.error(name.at, fmt::format("group '{}' is below itself", name.text));
  }
}

void Lowering::declare_placement(const BufferDeclaration& declared, BufferObjects& objects) {
  if (declared.placements.empty() && !declared.region) {
    if (declared.size)
      diagnostics_.error(declared.name.at,
                         fmt::format("buffer '{}' has a size and no region to be in", declared.name.text));
    return;
  }
  Buffer made{
      declared.name.text, declared.size.value_or(0), objects.lock, objects.reservation, {}, {}, {}, 0, false, {}};
  for (const Name& name : declared.placements)
    if (const auto id = region(name)) made.placements.push_back(*id);
  if (declared.region) {
    const auto home = region(*declared.region);
    if (!home) return;
    if (declared.placements.empty()) made.placements.push_back(*home);
    if (std::ranges::find(made.placements, *home) == made.placements.end())
      diagnostics_.error(declared.region->at, fmt::format("'{}' is none of the placements", declared.region->text));
    made.place = home;
  }
  for (const Name& name : declared.fallback) {
    const auto id = region(name);
    if (!id) continue;
    made.fallback.push_back(*id);
    if (std::ranges::find(made.placements, *id) == made.placements.end())
      diagnostics_.error(name.at, fmt::format("'{}' is none of the placements", name.text));
  }
  if (made.placements.empty()) return;
  if (!made.place) made.place = made.placements.front();
  objects.region = made.place->index;
  if (!declared.resident) made.place.reset();
  if (declared.group) made.charged = group(*declared.group).value_or(GroupId{});
  made.pins = declared.pinned ? 1 : 0;
  made.keep = declared.keep;
  made.at = declared.name.at;
  (void)symbols_.find(declared.name, SymbolKind::buffer);  // it takes up memory: that is a use
  objects.memory = BufferId{static_cast<std::uint32_t>(system_.buffers.size())};
  buffer_of_memory_.push_back(static_cast<std::uint32_t>(&objects - buffers_.data()));
  system_.buffers.push_back(std::move(made));
}

void Lowering::check_capacities() {
  std::vector<std::uint64_t> left;
  for (const Region& each : system_.regions) left.push_back(each.capacity);
  for (const Buffer& each : system_.buffers) {
    if (!each.place) continue;
    std::uint64_t& room = left[each.place->index];
    if (each.size > room)
      diagnostics_.error(each.at,
                         fmt::format("'{}' takes {}, and '{}' has {} left at the beginning", each.name,
                                     dmem::bytes_text(each.size), system_[*each.place].name, dmem::bytes_text(room)));
    room -= std::min(room, each.size);
  }
}

void Lowering::declare_placements() {
  for (std::uint32_t i = 0; i < scenario_.buffers.size(); ++i) declare_placement(scenario_.buffers[i], buffers_[i]);
  if (system_.buffers.size() > most_buffers)
    diagnostics_.error(system_.buffers[most_buffers].at,
                       fmt::format("{} buffers with memory: at most {} are covered, for any of them may be evicted",
                                   system_.buffers.size(), most_buffers));
  check_capacities();
}

// Published and attached from the start; its signal says that the space's user queues have stopped.
void Lowering::declare_eviction_fence(const AddressSpaceDeclaration& declared, AddressSpaceId id) {
  const auto made = fence(*declared.fence);
  if (!made) return;
  if (user_controlled(*made)) {
    diagnostics_.error(declared.fence->at, fmt::format("'{}' is a {} fence; an eviction fence is a kernel fence",
                                                       declared.fence->text, info(system_[*made].kind).id));
    return;
  }
  eviction_fences_[id.index] = made;
  Fence& fence = system_.fences[made->index];
  fence.published = true;
  for (std::uint32_t use = 0; use < system_.uses.size(); ++use)
    if (system_.uses[use].space == id) fence.promises.push_back(HardwareUseId{use});
  for (const BufferId buffer : system_[id].buffers)
    system_.reservations[system_[buffer].reservation.index].attached.push_back({*made, Usage::bookkeep});
}

void Lowering::declare_address_spaces() {
  for (const AddressSpaceDeclaration& declared : scenario_.address_spaces) {
    AddressSpace space{declared.name.text, declared.mode, {}, declared.mapped, declared.evicts_own, declared.name.at};
    for (const Name& name : declared.buffers)
      if (const auto id = memory_of(name); id && std::ranges::find(space.buffers, *id) == space.buffers.end())
        space.buffers.push_back(*id);
    system_.spaces.push_back(std::move(space));
  }
  for (std::uint32_t i = 0; i < scenario_.queues.size(); ++i) {
    const QueueDeclaration& queue = scenario_.queues[i];
    if (!queue.address_space) continue;
    const auto space = address_space(*queue.address_space);
    if (!space || queue.kind != QueueKind::user) continue;
    queues_[i].use = HardwareUseId{static_cast<std::uint32_t>(system_.uses.size())};
    system_.uses.push_back({queue.name.text, *space, queues_[i].gate, std::nullopt, 0, 0, queue.name.at});
  }
  eviction_fences_.resize(scenario_.address_spaces.size());
  for (std::uint32_t i = 0; i < scenario_.address_spaces.size(); ++i)
    if (scenario_.address_spaces[i].fence) declare_eviction_fence(scenario_.address_spaces[i], AddressSpaceId{i});
}

void Lowering::declare_memory() {
  if (!features_.tracks_memory) return;
  declare_regions();
  declare_groups();
  declare_placements();
  declare_address_spaces();
}

}  // namespace fencecheck::lowering
