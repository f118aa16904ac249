// Visited states, as few bytes each as possible.
//
// A state is its key with the zero bytes left out, in an arena that never
// moves. An open-addressing table of 32 bits of hash and 32 bits of state number
// finds it again; equal hashes are settled by comparing keys, so that no state
// is ever lost to a collision.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fencecheck {

class StateStore {
 public:
  using Number = std::uint32_t;
  static constexpr Number none = 0xffff'ffffU;

  // The number of the state with this key, and whether it is new. Numbers are
  // given in the order of arrival, from 0. Requires: size() < none.
  std::pair<Number, bool> insert(std::string_view key);

  // The number of the state with this key, or `none`.
  [[nodiscard]] Number find(std::string_view key) const;

  // The key of a state.
  void key(Number number, std::string& key) const;

  [[nodiscard]] std::size_t size() const { return offsets_.size(); }

  // Memory in use, and how much the next insertion may want while it grows a table.
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::uint64_t peak_of_insertion() const;

 private:
  struct Packed {
    std::uint32_t hash = 0;
    std::string_view bytes;
  };
  [[nodiscard]] Packed packed(std::string_view key) const;
  [[nodiscard]] std::size_t slot_of(const Packed& packed) const;
  [[nodiscard]] std::string_view stored(Number number) const;
  [[nodiscard]] std::uint64_t keep(std::string_view bytes);
  [[nodiscard]] bool must_grow() const { return (offsets_.size() + 1) * 4 > slots_.size() * 3; }
  void grow();

  std::vector<std::unique_ptr<char[]>> chunks_;
  std::uint64_t arena_ = 0;             // bytes of all chunks
  std::size_t used_ = 0;                // of the last chunk
  std::vector<std::uint64_t> offsets_;  // of each state
  std::vector<std::uint64_t> slots_;    // hash << 32 | number; a power of two of them
  mutable std::string scratch_;
};

}  // namespace fencecheck
