#include "checker/state_store.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

namespace fencecheck {
namespace {

constexpr std::size_t chunk_size = std::size_t{1} << 20U;
constexpr std::size_t first_slots = 1024;
constexpr unsigned group = 8;  // key bytes that share a mask

// Most of a state is zero: nothing held, nobody waiting, not signalled. Each
// group of bytes becomes a mask of those that are not zero, and these.
void leave_out_zeros(std::string_view key, std::string& out) {
  out.resize(key.size() + key.size() / group + 1);  // if there are none
  char* to = out.data();
  for (std::size_t i = 0; i < key.size(); i += group) {
    char* const mask_at = to++;
    unsigned mask = 0;
    const auto width = static_cast<unsigned>(std::min<std::size_t>(group, key.size() - i));
    for (unsigned j = 0; j < width; ++j) {
      const char byte = key[i + j];
      *to = byte;
      to += byte != 0 ? 1 : 0;
      mask |= (byte != 0 ? 1U : 0U) << j;
    }
    *mask_at = static_cast<char>(mask);
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

void put_zeros_back(std::string_view packed, std::string& key) {
  key.assign(packed.size() * group, '\0');  // if there is a mask for each byte
  std::size_t at = 0;
  for (std::size_t i = 0; i < packed.size(); at += group)
    for (unsigned mask = static_cast<unsigned char>(packed[i++]); mask != 0; mask &= mask - 1)
      key[at + static_cast<unsigned>(std::countr_zero(mask))] = packed[i++];
  key.resize(at);
}

std::uint32_t hash_of(std::string_view bytes) {
  const std::uint64_t hash = std::hash<std::string_view>{}(bytes);
  return static_cast<std::uint32_t>(hash >> 32U ^ hash);
}

}  // namespace

StateStore::Packed StateStore::packed(std::string_view key) const {
  leave_out_zeros(key, scratch_);
  return {hash_of(scratch_), scratch_};
}

std::string_view StateStore::stored(Number number) const {
  const std::uint64_t offset = offsets_[number];
  const char* at = chunks_[offset >> 32U].get() + (offset & 0xffff'ffffU);
  std::uint32_t length = 0;
  std::memcpy(&length, at, sizeof length);
  return {at + sizeof length, length};
}

// The slot of these bytes, or the free slot where they belong.
std::size_t StateStore::slot_of(const Packed& packed) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = packed.hash & mask;; slot = (slot + 1) & mask) {
    const std::uint64_t entry = slots_[slot];
    const auto number = static_cast<Number>(entry);
    if (number == none) return slot;
    if (entry >> 32U == packed.hash && stored(number) == packed.bytes) return slot;
  }
}

std::uint64_t StateStore::keep(std::string_view bytes) {
  const auto length = static_cast<std::uint32_t>(bytes.size());
  const std::size_t needed = sizeof length + bytes.size();
  if (chunks_.empty() || used_ + needed > chunk_size) {
    const std::size_t size = std::max(chunk_size, needed);
    chunks_.push_back(std::unique_ptr<char[]>(new char[size]));  // not zeroed: touched as it fills
    arena_ += size;
    used_ = 0;
  }
  char* at = chunks_.back().get() + used_;
  std::memcpy(at, &length, sizeof length);
  std::memcpy(at + sizeof length, bytes.data(), bytes.size());
  const std::uint64_t offset = (chunks_.size() - 1) << 32U | used_;
  used_ += needed;
  return offset;
}

void StateStore::grow() {
  std::vector<std::uint64_t> old(std::max(first_slots, slots_.size() * 2), none);
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const std::uint64_t entry : old) {
    if (static_cast<Number>(entry) == none) continue;
    std::size_t slot = (entry >> 32U) & mask;
    while (static_cast<Number>(slots_[slot]) != none) slot = (slot + 1) & mask;
    slots_[slot] = entry;
  }
}

std::pair<StateStore::Number, bool> StateStore::insert(std::string_view key) {
  if (must_grow()) grow();
  const Packed packed = this->packed(key);
  std::uint64_t& entry = slots_[slot_of(packed)];
  if (static_cast<Number>(entry) != none) return {static_cast<Number>(entry), false};
  const auto number = static_cast<Number>(offsets_.size());
  offsets_.push_back(keep(packed.bytes));
  entry = std::uint64_t{packed.hash} << 32U | number;
  return {number, true};
}

StateStore::Number StateStore::find(std::string_view key) const {
  return slots_.empty() ? none : static_cast<Number>(slots_[slot_of(packed(key))]);
}

void StateStore::key(Number number, std::string& key) const { put_zeros_back(stored(number), key); }

std::uint64_t StateStore::bytes() const {
  return arena_ + (offsets_.capacity() + slots_.capacity()) * sizeof(std::uint64_t);
}

std::uint64_t StateStore::peak_of_insertion() const {
  std::uint64_t peak = used_ + (chunk_size >> 4U) > chunk_size ? chunk_size : 0;
  if (must_grow()) peak += slots_.capacity() * 2 * sizeof(std::uint64_t);
  if (offsets_.size() == offsets_.capacity()) peak += offsets_.capacity() * 2 * sizeof(std::uint64_t);
  return peak;
}

}  // namespace fencecheck
