// Files are written whole or not at all.
#pragma once

#include <string>
#include <string_view>

namespace fencecheck {

// Where a chain of links leads, whether or not something is there.
[[nodiscard]] std::string behind_links(const std::string& path);

// Do both paths name one file, be it there or not?
[[nodiscard]] bool same_file(const std::string& a, const std::string& b);

// A file to be. That it can be written is tried when this is made, so that it is
// known before the work. A link is followed, and a file that is there keeps its
// permissions. Throws std::runtime_error with the path, also for what is no
// regular file: pipes and devices cannot be replaced, and may never return.
class OutputFile {
 public:
  explicit OutputFile(std::string path);

  // Writes beside the place, as "PATH.PID.part", and moves that there. Nothing stays behind if it throws.
  void write(std::string_view content) const;

 private:
  std::string path_;    // as the user gave it
  std::string target_;  // behind links
};

}  // namespace fencecheck
