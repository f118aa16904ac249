#include "checker/output_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& path) { throw std::runtime_error(fmt::format("cannot write '{}'", path)); }

bool is_special(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status);
}

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  if (fs::is_directory(path_)) fail(path_);
  if (is_special(path_)) return;
  temporary_ = fmt::format("{}.{}.part", path_, getpid());
  if (!std::ofstream(temporary_, std::ios::binary)) {
    temporary_.clear();
    fail(path_);
  }
}

OutputFile::~OutputFile() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}

void OutputFile::write(std::string_view content) {
  std::ofstream out(temporary_.empty() ? path_ : temporary_, std::ios::binary);
  out << content;
  out.close();
  if (!out) fail(path_);
}

void OutputFile::commit() {
  if (temporary_.empty()) return;
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) fail(path_);
  temporary_.clear();
}

}  // namespace fencecheck
