// From bytes to whatever the reader makes of them, and one step further.
#include "tests/fuzz/readers.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>

#include "graph/input/lower.hpp"
#include "graph/input/observe.hpp"
#include "graph/input/observe_snapshot.hpp"
#include "graph/input/read_dot.hpp"
#include "graph/input/read_ftrace.hpp"
#include "graph/input/read_perfetto.hpp"
#include "graph/input/read_snapshot.hpp"
#include "graph/input/read_trace_dat.hpp"
#include "graph/input/read_yaml.hpp"

namespace fencecheck::test {
namespace {

template <class Reader>
void watch(Reader& reader, Source& source) {
  (void)observe({[&](TraceRecord& record) { return reader.next(record); }, &reader.facts()}, source);
}

// A file in memory, which has a name while this lives.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& bytes) : file_(memfd_create("fuzz", 0)) {
    if (file_ < 0 || write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("cannot make a file in memory");
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace

void read_as_ftrace(const std::string& bytes) {
  std::istringstream in(bytes);
  Source source{"fuzz", "", {}};
  Diagnostics diagnostics;
  FtraceReader reader(in, source, diagnostics);
  watch(reader, source);
}

void read_as_trace_dat(const std::string& bytes) {
  const MemoryFile file(bytes);
  Source source{"fuzz", "", {}};
  Diagnostics diagnostics;
  TraceDatReader reader(file.path(), diagnostics);
  watch(reader, source);
}

void read_as_perfetto(const std::string& bytes) {
  std::istringstream in(bytes);
  Source source{"fuzz", "", {}};
  Diagnostics diagnostics;
  PerfettoReader reader(in, diagnostics);
  watch(reader, source);
}

void read_as_kernel_log(const std::string& bytes) {
  Diagnostics diagnostics;
  if (const auto snapshot = read_snapshot({"fuzz", bytes, {}}, diagnostics)) (void)observe(*snapshot);
}

void read_as_dot(const std::string& bytes) {
  Diagnostics diagnostics;
  (void)read_dot({"fuzz", bytes, {}}, diagnostics);
}

void read_as_yaml(const std::string& bytes) {
  Diagnostics diagnostics;
  if (const auto scenario = read_yaml({"fuzz", bytes, {}}, diagnostics)) (void)lower(*scenario, diagnostics);
}

}  // namespace fencecheck::test
