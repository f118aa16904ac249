// The checker of certificates.
//
// It reads the system by itself: neither the dependency graph nor the search for
// ranks, nor any engine, has a part in it. What it is given is the design with
// one instance and with `instances_for_proof` instances of each template, which
// shows every edge that any number of instances can have (docs/semantics.md, "Designs").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checker/certificate.hpp"
#include "graph/model/source.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

inline constexpr std::uint32_t instances_for_proof = 25;

// Whoever discharges an obligation of the class `from` may have to wait for one
// of the class `to`; what is provably earlier of the second one.
struct ClassEdge {
  std::string from;
  std::string to;
  bool same_instance = false;
  bool created_earlier = false;
  bool published_earlier = false;
  bool ahead = false;
  std::string says;  // "client.flip waits for fence 'client.done'"
  Place at;
};

// Does the edge lead to what is earlier by these measures, of which the first that differs decides?
[[nodiscard]] bool decreases(const ClassEdge& edge, const std::vector<Measure>& measures);

// Why a certificate proves nothing.
struct Objection {
  enum class Kind : std::uint8_t {
    outside,   // the theorem does not cover the design
    unranked,  // the class `subject` has no rank
    unowned,   // the fence `subject` has no owner that always signals it
    edge       // an edge does not decrease
  } kind = Kind::outside;
  std::string subject;
  std::string says;
  Place at;
  std::optional<ClassEdge> edge{};
};

// Nothing: no number of instances can deadlock. The systems are those of systems_for_proof. O(steps * objects).
[[nodiscard]] std::vector<Objection> verify(const std::vector<System>& systems, const Certificate& certificate);

// The class of a fence in `classes`.
[[nodiscard]] std::string fence_class(const std::string& fence, bool published);

}  // namespace fencecheck
