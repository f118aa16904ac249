// The child's end of TraceDatReader: libtracecmd, and messages into a pipe.
#pragma once

#include <string>

namespace fencecheck {

// Writes all events of the file into `to` (trace_message.hpp) and returns the
// exit status of the process. Damaged files may crash it.
[[nodiscard]] int write_trace_dat(const std::string& path, int to);

}  // namespace fencecheck
