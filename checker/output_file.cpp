#include "checker/output_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "graph/model/source.hpp"

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

constexpr int most_links = 40;  // as the kernel follows

[[noreturn]] void fail(const std::string& path, std::string_view why = "") {
  throw std::runtime_error(fmt::format("cannot write '{}'{}", printable(path), why));
}

// A file beside its place; gone with this unless it was moved there.
class Temporary {
 public:
  explicit Temporary(const std::string& target) : path_(fmt::format("{}.{}.part", target, getpid())) {}
  ~Temporary() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

std::string behind_links(const std::string& path) {
  fs::path result = path;
  std::error_code error;
  for (int i = 0; i < most_links && fs::is_symlink(fs::symlink_status(result, error)); ++i) {
    const fs::path next = fs::read_symlink(result, error);
    if (error) break;
    result = next.is_absolute() ? next : result.parent_path() / next;
  }
  return result.string();
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (fs::equivalent(a, b, error) && !error) return true;
  const fs::path one = fs::weakly_canonical(fs::absolute(behind_links(a), error), error);
  if (error) return false;
  const fs::path other = fs::weakly_canonical(fs::absolute(behind_links(b), error), error);
  return !error && one == other;
}

OutputFile::OutputFile(std::string path) : path_(std::move(path)), target_(behind_links(path_)) {
  std::error_code error;
  const fs::file_status status = fs::status(target_, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) fail(path_, ": it is no regular file");
  const Temporary tried(target_);
  if (!std::ofstream(tried.path(), std::ios::binary)) fail(path_);
}

void OutputFile::write(std::string_view content) const {
  const Temporary temporary(target_);
  std::ofstream out(temporary.path(), std::ios::binary);
  out << content;
  out.close();
  if (!out) fail(path_);
  std::error_code error;
  if (const fs::file_status old = fs::status(target_, error); fs::exists(old))
    fs::permissions(temporary.path(), old.permissions(), error);
  fs::rename(temporary.path(), target_, error);
  if (error) fail(path_);
}

}  // namespace fencecheck
