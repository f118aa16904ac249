// Golden files: what an encoder wrote when somebody last looked at it.
#pragma once

#include <string>

namespace fencecheck::test {

// The bytes of a file of the source tree. Throws std::runtime_error if it cannot be read.
std::string read_file(const std::string& path);

// The file tests/golden/NAME. With FENCECHECK_BLESS=1 in the environment it is
// first written anew from `actual`: look at the difference before you commit it.
std::string golden(const std::string& name, const std::string& actual);

}  // namespace fencecheck::test
