// Names of inputs as CI systems want them.
#pragma once

#include <string>

#include "graph/model/run.hpp"

namespace fencecheck {

// The path of an input relative to the run's folder, without "./", with '/'; as
// it is if it lies elsewhere. Always UTF-8.
[[nodiscard]] std::string report_path(const Run& run, const Source& source);

// The same as a URI reference (RFC 3986), "file:///…" if it is absolute.
[[nodiscard]] std::string report_uri(const Run& run, const Source& source);

}  // namespace fencecheck
