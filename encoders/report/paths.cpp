#include "encoders/report/paths.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

fs::path relative_path(const Run& run, const Source& source) {
  const fs::path path = fs::path(source.name).lexically_normal();
  if (!path.is_absolute() || run.folder.empty()) return path;
  fs::path inside = path.lexically_relative(run.folder);
  return inside.empty() || *inside.begin() == ".." ? path : inside;
}

bool unreserved(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
         std::string_view("-._~/").find(byte) != std::string_view::npos;
}

}  // namespace

std::string report_path(const Run& run, const Source& source) {
  return printable(relative_path(run, source).generic_string());
}

std::string report_uri(const Run& run, const Source& source) {
  const std::string path = relative_path(run, source).generic_string();
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (const char byte : path)
    uri += unreserved(byte) ? std::string(1, byte) : fmt::format("%{:02X}", static_cast<unsigned char>(byte));
  return uri;
}

}  // namespace fencecheck
