// Files are written whole or not at all.
#pragma once

#include <string>
#include <string_view>

namespace fencecheck {

// A file to be: opened beside its place as "PATH.PID.part", so that a place
// that cannot be written is known before the work, and moved there by commit().
// Without commit() nothing stays behind. Both throw std::runtime_error with the
// path. A path that is no regular file, such as /dev/stdout, is written directly.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::string_view content);
  void commit();

 private:
  std::string path_;
  std::string temporary_;  // empty: nothing to clean up
};

}  // namespace fencecheck
