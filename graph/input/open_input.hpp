// Opens an input: a file or standard input, compressed or not.
//
// gzip, zstd and xz are unpacked while they are read. The beginning can be
// looked at before anything is consumed, whether or not the input can be
// rewound.
#pragma once

#include <istream>
#include <memory>
#include <optional>
#include <string>

#include "graph/model/source.hpp"

namespace fencecheck {

inline constexpr std::size_t sniffed_bytes = 64 * 1024;

class OpenedInput {
 public:
  // `path` is a file, or "-" for standard input. What goes wrong is an error in `diagnostics`.
  OpenedInput(const std::string& path, Diagnostics& diagnostics);
  ~OpenedInput();
  OpenedInput(const OpenedInput&) = delete;
  OpenedInput& operator=(const OpenedInput&) = delete;

  [[nodiscard]] const std::string& beginning() const;  // at most sniffed_bytes
  [[nodiscard]] std::istream& stream();                // all of it, the beginning included
  // How much of it has been read, from 0 to 1; nothing where that is not known.
  [[nodiscard]] std::optional<double> part_read() const;
  // After reading: an error if the compressed data turned out to be truncated or damaged.
  void check(Diagnostics& diagnostics);
  // The name of a plain file with the same content, for libraries that open files
  // themselves; a copy in memory if there is none. Valid while this lives.
  [[nodiscard]] std::string file();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fencecheck
