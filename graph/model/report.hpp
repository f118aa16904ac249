// Everything there is to say about one input, for the encoders.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/dependency_graph.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// What a case says should come out; the gate of `fencecheck check`.
struct Expectation {
  Verdict verdict = Verdict::holds;
  std::vector<FindingKind> findings;  // exactly these kinds, sorted; empty for holds and unknown
  std::optional<Causes> needs;        // of the first deadlock or stall
  Place at;
};

// Something a reader skipped: which kind, how often, where first. A `gap` means
// that events are missing, so that finding nothing proves nothing.
struct Loss {
  std::string what;
  std::uint64_t count = 0;
  bool gap = false;
  Place first;
};

// Findings that are left out at the end because there are too many: what is still said of them.
struct CutFindings {
  FindingKind kind = FindingKind::deadlock;
  std::optional<Rule> rule;
  bool known = false;       // in the baseline
  std::uint64_t count = 0;  // of these
  std::string property{};   // as of a finding
};

struct Report {
  std::string title;  // the scenario's name, or the file's
  std::string kind;   // "scenario", "trace", "graph"
  std::string size;   // "2 threads, 14 steps, 3 fences"
  std::vector<Diagnostic> warnings;
  std::vector<Answer> answers;
  std::vector<Finding> findings;  // worst first, one for each fingerprint
  std::vector<CutFindings> cut;   // by kind, rule and whether they are known; see --findings
  std::vector<Loss> losses;
  std::vector<std::string> assumptions;  // what the answers rest on
  std::vector<std::string> summary;      // of a trace: what each timeline did
  std::vector<std::string> figures;      // what designs are compared by, apart from any verdict
  std::optional<Expectation> expect;
  std::shared_ptr<const DependencyGraph> graph;
  std::vector<Cycle> cycles;  // of `graph`, to be highlighted
  bool whole_graph = true;    // false: not every wait of a trace is in `graph`
};

}  // namespace fencecheck
