// Layers of streams: the bytes, what they unpack to, and the beginning put back in front.
#include "graph/input/open_input.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filter/lzma.hpp>
#include <boost/iostreams/filter/zstd.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <streambuf>
#include <string_view>

namespace fencecheck {
namespace {

namespace io = boost::iostreams;

// Bytes that were read already, then the rest.
class PutBack : public std::streambuf {
 public:
  explicit PutBack(std::istream& in) : in_(in) {
    beginning_.resize(sniffed_bytes);
    in_.read(beginning_.data(), static_cast<std::streamsize>(beginning_.size()));
    beginning_.resize(static_cast<std::size_t>(in_.gcount()));
    taken_ = beginning_.size();
    block_ = beginning_;
    setg(block_.data(), block_.data(), block_.data() + block_.size());
  }
  [[nodiscard]] const std::string& beginning() const { return beginning_; }
  [[nodiscard]] std::uint64_t taken() const { return taken_; }  // bytes

 protected:
  int_type underflow() override {
    block_.resize(sniffed_bytes);
    in_.read(block_.data(), static_cast<std::streamsize>(block_.size()));
    const auto size = static_cast<std::size_t>(in_.gcount());
    taken_ += size;
    setg(block_.data(), block_.data(), block_.data() + size);
    return size == 0 ? traits_type::eof() : traits_type::to_int_type(block_.front());
  }

  // Large pieces go where they are wanted at once, and not through the block.
  std::streamsize xsgetn(char* to, std::streamsize wanted) override {
    const std::streamsize here = std::min<std::streamsize>(wanted, egptr() - gptr());
    std::copy_n(gptr(), here, to);
    setg(eback(), gptr() + here, egptr());
    if (here == wanted) return wanted;
    in_.read(to + here, wanted - here);
    taken_ += static_cast<std::uint64_t>(in_.gcount());
    return here + in_.gcount();
  }

 private:
  std::istream& in_;
  std::string beginning_;
  std::string block_;
  std::uint64_t taken_ = 0;
};

struct Compression {
  std::string_view magic;
  void (*push)(io::filtering_istream& to);
};
constexpr auto compression_table = std::to_array<Compression>({
    {{"\x1f\x8b", 2}, [](io::filtering_istream& to) { to.push(io::gzip_decompressor()); }},
    {{"\x28\xb5\x2f\xfd", 4}, [](io::filtering_istream& to) { to.push(io::zstd_decompressor()); }},
    {{"\xfd"
      "7zXZ",
      5},
     [](io::filtering_istream& to) { to.push(io::lzma_decompressor()); }},
});

}  // namespace

struct OpenedInput::State {
  std::string path;
  std::ifstream file;
  std::unique_ptr<PutBack> raw;
  std::istream raw_stream{nullptr};
  io::filtering_istream unpacked;
  std::unique_ptr<PutBack> plain;  // of what is unpacked
  std::istream stream{nullptr};
  bool compressed = false;
  std::uintmax_t size = 0;  // bytes of the file; 0: not known
  int copy = -1;            // a file descriptor
};

OpenedInput::OpenedInput(const std::string& path, Diagnostics& diagnostics) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.path = path;
  if (path != "-") state.file.open(path, std::ios::binary);
  std::istream& bytes = path == "-" ? std::cin : state.file;
  if (!bytes) {
    diagnostics.error({}, "cannot be read");
    return;
  }
  std::error_code no_size;
  const std::uintmax_t size = std::filesystem::file_size(path == "-" ? "/dev/stdin" : path, no_size);
  state.size = no_size ? 0 : size;
  state.raw = std::make_unique<PutBack>(bytes);
  if (bytes.bad() || (state.raw->beginning().empty() && !bytes.eof())) diagnostics.error({}, "cannot be read");
  const auto row = std::ranges::find_if(compression_table, [&](const Compression& each) {
    return std::string_view(state.raw->beginning()).starts_with(each.magic);
  });
  state.compressed = row != compression_table.end();
  if (!state.compressed) {
    state.stream.rdbuf(state.raw.get());
    return;
  }
  state.raw_stream.rdbuf(state.raw.get());
  row->push(state.unpacked);
  state.unpacked.push(state.raw_stream);
  state.plain = std::make_unique<PutBack>(state.unpacked);
  state.stream.rdbuf(state.plain.get());
  if (state.plain->beginning().empty()) check(diagnostics);
}

OpenedInput::~OpenedInput() {
  if (state_->copy >= 0) close(state_->copy);
}

const std::string& OpenedInput::beginning() const {
  static const std::string nothing;
  if (state_->plain) return state_->plain->beginning();
  return state_->raw ? state_->raw->beginning() : nothing;
}

std::istream& OpenedInput::stream() { return state_->stream; }

std::optional<double> OpenedInput::part_read() const {
  if (state_->size == 0 || !state_->raw) return std::nullopt;
  return static_cast<double>(state_->raw->taken()) / static_cast<double>(state_->size);
}

void OpenedInput::check(Diagnostics& diagnostics) {
  if (!state_->compressed || !state_->unpacked.bad()) return;
  diagnostics.error({}, "the compressed data is truncated or damaged");
}

std::string OpenedInput::file() {
  State& state = *state_;
  state.size = 0;  // somebody else reads it
  std::error_code no_file;
  const bool again = state.path != "-" && std::filesystem::is_regular_file(state.path, no_file);  // can be read again
  if (!state.compressed && again) return state.path;
  state.copy = memfd_create("fencecheck", 0);
  std::string block(sniffed_bytes, '\0');
  while (state.copy >= 0 &&
         (state.stream.read(block.data(), static_cast<std::streamsize>(block.size())) || state.stream.gcount() > 0)) {
    std::string_view rest(block.data(), static_cast<std::size_t>(state.stream.gcount()));
    while (!rest.empty()) {
      const ssize_t written = write(state.copy, rest.data(), rest.size());
      if (written <= 0) throw std::runtime_error(fmt::format("cannot copy the input: {}", std::strerror(errno)));
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  return fmt::format("/proc/self/fd/{}", state.copy);
}

}  // namespace fencecheck
