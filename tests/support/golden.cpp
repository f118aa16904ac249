#include "tests/support/golden.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace fencecheck::test {

std::string read_file(const std::string& path) {
  std::ifstream file(std::string(FENCECHECK_SOURCE_DIR "/") + path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || !text) throw std::runtime_error("cannot read " + path);
  return text.str();
}

std::string golden(const std::string& name, const std::string& actual) {
  const std::string path = "tests/golden/" + name;
  const char* bless = std::getenv("FENCECHECK_BLESS");
  if (bless != nullptr && std::string_view(bless) == "1") {
    std::ofstream(std::string(FENCECHECK_SOURCE_DIR "/") + path, std::ios::binary) << actual;
  }
  return read_file(path);
}

}  // namespace fencecheck::test
