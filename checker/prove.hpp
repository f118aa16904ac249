// The search for certificates.
//
// Ranks exist exactly if in every strongly connected component of the classes
// one list of measures decreases along every edge; they are then the numbers of
// the components, the lowest first. That is exact and linear, so no solver is
// asked. The edges are those that the verifier objects to, until it objects to
// nothing or a component has no such list.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checker/certificate.hpp"
#include "checker/verify.hpp"
#include "graph/input/scenario.hpp"
#include "graph/model/source.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Proof {
  std::optional<Certificate> certificate;  // accepted by the verifier
  std::string why_not;                     // what stands against it otherwise
  std::vector<ClassEdge> cycle;            // the shortest cycle of classes that no order explains; may be empty
  std::vector<System> systems;             // what the certificate is about
};

// Of the design in this source, which has been read without errors. O(classes * steps).
[[nodiscard]] Proof prove(const Source& source);

// The systems that certificates of this design are about: every template with one instance or with
// `instances_for_proof`, in every combination. Nothing, with errors, if that is too much.
[[nodiscard]] std::vector<System> systems_for_proof(const Source& source, Diagnostics& diagnostics);

// What of a design's text a certificate is bound to.
[[nodiscard]] std::string design_fingerprint(const Source& source);

// Is there a template of which there may be any number?
[[nodiscard]] bool any_number(const Scenario& scenario);

// Whether, in some number of instances, a kernel fence may depend on one that userspace controls (FDG020), by the
// classes of the dependency graph of the same system.
[[nodiscard]] bool may_depend_on_userspace(const System& system);

}  // namespace fencecheck
