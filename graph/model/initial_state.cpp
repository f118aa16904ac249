#include <algorithm>

#include "graph/model/memory.hpp"
#include "graph/model/page_tables.hpp"
#include "graph/model/state.hpp"

namespace fencecheck {

State initial_state(const System& system) {
  State state;
  state.at.assign(system.threads.size(), 0);
  for (const Fence& fence : system.fences) state.published.push_back(fence.published);
  state.signalled.assign(system.fences.size(), false);
  state.locks.resize(system.locks.size());
  for (const Variable& variable : system.variables) state.variables.push_back(variable.initial);
  state.taken.assign(system.pools.size(), 0);
  state.queues.resize(system.queues.size());
  for (const Reservation& reservation : system.reservations) {
    auto& attached = state.reservations.emplace_back(reservation.attached);
    std::ranges::sort(attached);
  }
  state.requested.assign(system.fences.size(), false);
  state.slots.assign(system.reservations.size(), 0);
  state.sets.resize(system.sets.size());
  state.tickets.assign(system.threads.size(), 0);
  state.memory = initial_memory(system);
  state.page_tables = initial_page_tables(system);
  return state;
}

}  // namespace fencecheck
