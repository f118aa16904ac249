// Reads what the kernel says at one moment: a whole dmesg or a part of it, and lists of debugfs.
//
// Reports are found by their headlines, anywhere in the text, whatever stands
// before each line (kernel_log.hpp). Counted as losses: reports of other kinds,
// reports with parts missing, and lines that belong to none. Nothing is refused:
// a log may hold anything.
//
// `# fencecheck expect: WORDS` on a line of its own says what should come out.
#pragma once

#include <optional>
#include <string_view>

#include "graph/input/snapshot.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// Nothing only if a line that says what should come out is wrong. O(text).
[[nodiscard]] std::optional<Snapshot> read_snapshot(const Source& source, Diagnostics& diagnostics);

// Could this be the beginning of one: a line with a log's prefix first, or a headline somewhere?
[[nodiscard]] bool looks_like_snapshot(std::string_view beginning);

}  // namespace fencecheck
