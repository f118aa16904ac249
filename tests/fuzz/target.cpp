// One reader for libFuzzer; FENCECHECK_READER is its id.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tests/fuzz/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto& each : fencecheck::test::fuzzed_reader_table) {
    if (each.id != FENCECHECK_READER) continue;
    each.read(std::string(reinterpret_cast<const char*>(data), size));
    return 0;
  }
  std::abort();  // the build names a reader that is not in the table
}
