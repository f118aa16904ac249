// What fuzzing found, and where it begins, read again in every run.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/catch.hpp"
#include "tests/fuzz/readers.hpp"

namespace fencecheck::test {
namespace {

namespace fs = std::filesystem;

TEST_CASE("every reader survives its corpus, whole and cut") {
  for (const FuzzedReader& reader : fuzzed_reader_table) {
    const fs::path folder = fs::path(FENCECHECK_SOURCE_DIR) / "tests/fuzz/corpus" / reader.id;
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      INFO(entry.path().string());
      std::ifstream in(entry.path(), std::ios::binary);
      std::ostringstream bytes;
      bytes << in.rdbuf();
      const std::string whole = bytes.str();
      for (const std::size_t size : {whole.size(), whole.size() - whole.size() / 4, whole.size() / 2})
        CHECK_NOTHROW(reader.read(whole.substr(0, size)));
      ++files;
    }
    INFO(reader.id);
    CHECK(files != 0);
  }
}

}  // namespace
}  // namespace fencecheck::test
