// Every reader as a function of bytes, for fuzzing and for the replay of what fuzzing found.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace fencecheck::test {

// Each reads the bytes as far as it goes; what it says about them is not looked at.
void read_as_ftrace(const std::string& bytes);
void read_as_trace_dat(const std::string& bytes);
void read_as_perfetto(const std::string& bytes);
void read_as_kernel_log(const std::string& bytes);
void read_as_dot(const std::string& bytes);
void read_as_yaml(const std::string& bytes);

struct FuzzedReader {
  std::string_view id;  // and the folder of its corpus
  void (*read)(const std::string& bytes);
};

inline constexpr auto fuzzed_reader_table = std::to_array<FuzzedReader>({
    {"ftrace", read_as_ftrace},
    {"trace-dat", read_as_trace_dat},
    {"perfetto", read_as_perfetto},
    {"kernel-log", read_as_kernel_log},
    {"dot", read_as_dot},
    {"yaml", read_as_yaml},
});

}  // namespace fencecheck::test
