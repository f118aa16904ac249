// Known findings, as the expectation lists of Mesa and drm-ci: a check fails on
// new ones only, and strictly also on entries that nothing has any more.
//
// One entry a line, "FINGERPRINT RULE  # comment"; empty lines and lines that
// begin with '#' are comments. A fingerprint does not contain the file's name or
// a line number, so that an entry survives both changing.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/model/run.hpp"

namespace fencecheck {

class Baseline {
 public:
  // Whatever is no entry, or twice the same, is an error in `diagnostics`.
  [[nodiscard]] static Baseline read(const Source& source, Diagnostics& diagnostics);

  // Marks the findings of an input that are known. With `learn`, those that are
  // neither known nor expected become entries first, with the input and the message for a comment.
  void apply(Checked& input, bool learn);

  // The entries that no finding had, in the order of the file.
  [[nodiscard]] std::vector<StaleEntry> stale() const;

  // The file anew: every line that is no stale entry as it was, then what was learned, by fingerprint.
  [[nodiscard]] std::string text() const;

  [[nodiscard]] const Source& source() const { return source_; }

 private:
  struct Entry {
    std::string rule;
    std::string comment;
    Place at{};  // nowhere: learned
    bool seen = false;
  };
  Source source_;
  std::set<std::uint32_t> lines_;                      // with an entry
  std::map<std::string, Entry, std::less<>> entries_;  // by fingerprint
};

}  // namespace fencecheck
