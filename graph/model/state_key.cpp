// States as bytes and back.
#include <algorithm>
#include <string>
#include <string_view>

#include "graph/model/state.hpp"

namespace fencecheck {
namespace {

// The two directions of a key. `transfer` is the only list of what a state is made of.

// Writes into all of the string's memory and cuts it to size at the end: a key is written for every move of a search.
class KeyWriter {
 public:
  explicit KeyWriter(std::string& out) : out_(out) { out_.resize(std::max<std::size_t>(out_.capacity(), most_bytes)); }
  void finish() { out_.resize(at_); }
  void number(std::uint64_t number) {  // LEB128: small numbers take one byte
    if (out_.size() - at_ < most_bytes) out_.resize(2 * out_.size());
    char* bytes = out_.data() + at_;
    for (; number >= 0x80; number >>= 7U) *bytes++ = static_cast<char>(number | 0x80U);
    *bytes++ = static_cast<char>(number);
    at_ = static_cast<std::size_t>(bytes - out_.data());
  }
  void number(std::int64_t number) {  // zigzag: so do small negative ones
    const auto bits = static_cast<std::uint64_t>(number);
    this->number(number < 0 ? ~(bits << 1U) : bits << 1U);
  }
  void number(std::uint32_t number) { this->number(std::uint64_t{number}); }
  void flags(const std::vector<bool>& values) {
    for (std::size_t i = 0; i < values.size(); i += 7) {
      std::uint64_t bits = 0;
      for (std::size_t j = i; j < std::min(i + 7, values.size()); ++j) bits |= std::uint64_t{values[j]} << (j - i);
      number(bits);
    }
  }
  template <class T, class Each>
  void list(const std::vector<T>& values, const Each& each) {
    number(values.size());
    for (const T& value : values) each(value);
  }
  void readers(std::vector<ThreadId> threads) {
    std::ranges::sort(threads);  // who came first makes no difference
    list(threads, [&](ThreadId thread) { number(thread.index); });
  }

 private:
  static constexpr std::size_t most_bytes = 10;  // of a number of 64 bits
  std::string& out_;
  std::size_t at_ = 0;
};

class KeyReader {
 public:
  explicit KeyReader(std::string_view key) : key_(key) {}
  void number(std::uint64_t& number) {
    number = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(key_[at_++]);
      number |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return;
    }
  }
  void number(std::int64_t& number) {
    std::uint64_t bits = 0;
    this->number(bits);
    number = static_cast<std::int64_t>((bits & 1U) != 0 ? ~(bits >> 1U) : bits >> 1U);
  }
  void number(std::uint32_t& number) {
    std::uint64_t wide = 0;
    this->number(wide);
    number = static_cast<std::uint32_t>(wide);
  }
  void flags(std::vector<bool>& values) {
    for (std::size_t i = 0; i < values.size(); i += 7) {
      std::uint64_t bits = 0;
      number(bits);
      for (std::size_t j = i; j < std::min(i + 7, values.size()); ++j) values[j] = (bits >> (j - i) & 1U) != 0;
    }
  }
  template <class T, class Each>
  void list(std::vector<T>& values, const Each& each) {
    std::uint64_t size = 0;
    number(size);
    values.resize(size);
    for (T& value : values) each(value);
  }
  void readers(std::vector<ThreadId>& threads) {
    list(threads, [&](ThreadId& thread) { number(thread.index); });
  }

 private:
  std::string_view key_;
  std::size_t at_ = 0;
};

// An enumeration or an optional owner travels as a number.
void transfer(KeyWriter& key, const LockState& lock) {
  key.number(lock.owner ? lock.owner->index * 2 + (lock.with_ticket ? 2U : 1U) : 0U);
  key.readers(lock.readers);
}

void transfer(KeyReader& key, LockState& lock) {
  std::uint32_t owner = 0;
  key.number(owner);
  lock.owner = owner == 0 ? std::nullopt : std::optional(ThreadId{(owner - 1) / 2});
  lock.with_ticket = owner != 0 && owner % 2 == 0;
  key.readers(lock.readers);
}

void transfer(KeyWriter& key, const Attachment& attached) {
  key.number(attached.fence.index * std::uint64_t{usage_table.size()} + static_cast<unsigned>(attached.usage));
}

void transfer(KeyReader& key, Attachment& attached) {
  std::uint64_t both = 0;
  key.number(both);
  attached = {FenceId{static_cast<std::uint32_t>(both / usage_table.size())},
              static_cast<Usage>(both % usage_table.size())};
}

void transfer(KeyWriter& key, const std::optional<RegionId>& place) { key.number(place ? place->index + 1 : 0U); }

void transfer(KeyReader& key, std::optional<RegionId>& place) {
  std::uint32_t index = 0;
  key.number(index);
  place = index == 0 ? std::nullopt : std::optional(RegionId{index - 1});
}

template <class Key, class AnyMemory>
void transfer_memory(Key& key, AnyMemory& memory) {
  for (auto& place : memory.places) transfer(key, place);
  for (auto& group : memory.charged) key.number(group.index);
  for (auto& pins : memory.pins) key.number(pins);
  for (auto& mapped : memory.mapped) key.flags(mapped);
  for (auto& space : memory.old)
    for (auto& old : space) key.number(old);
  key.flags(memory.killed);
  key.flags(memory.has_run);
  for (auto& group : memory.maximum)
    for (auto& maximum : group) key.number(maximum);
}

template <class Key, class AnyState>
void transfer_state(Key& key, AnyState& state) {
  for (auto& at : state.at) key.number(at);
  key.flags(state.published);
  key.flags(state.signalled);
  for (auto& lock : state.locks) transfer(key, lock);
  for (auto& value : state.variables) key.number(value);
  for (auto& amount : state.taken) key.number(amount);
  for (auto& queue : state.queues) {
    key.list(queue.waiting, [&](auto& job) { key.number(job.index); });
    key.number(queue.running);
  }
  for (auto& reservation : state.reservations) key.list(reservation, [&](auto& attached) { transfer(key, attached); });
  for (auto& set : state.sets) key.list(set, [&](auto& fence) { key.number(fence.index); });
  for (auto& ticket : state.tickets) key.number(ticket);
  key.flags(state.requested);
  for (auto& slots : state.slots) key.number(slots);
  transfer_memory(key, state.memory);
  for (auto& table : state.page_tables)
    for (auto& entry : table) {
      key.number(entry.object);
      key.number(entry.offset);
    }
}

}  // namespace

std::string key(const State& state) {
  std::string result;
  write_key(state, result);
  return result;
}

void write_key(const State& state, std::string& key) {
  KeyWriter writer(key);
  transfer_state(writer, state);
  writer.finish();
}

void read_key(std::string_view key, State& state) {
  KeyReader reader(key);
  transfer_state(reader, state);
}

}  // namespace fencecheck
