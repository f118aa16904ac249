// Certificates: why a design cannot deadlock, whatever the number of instances.
//
// Every class of obligations has a rank, and whoever discharges one waits only
// for what is below: of a lower rank, or of the same rank and earlier by one of
// the measures of that rank. docs/semantics.md, "Designs", has the theorem.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/source.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

// What of two obligations of one rank may be compared.
enum class Measure : std::uint8_t { creation, publication, queue, last_ = queue };

struct MeasureInfo {
  Measure measure;
  std::string_view id;
  std::string_view says;
};
inline constexpr auto measure_table = std::to_array<MeasureInfo>({
    {Measure::creation, "creation-order", "of an instance that was created earlier"},
    {Measure::publication, "publication-order", "its fence was published earlier"},
    {Measure::queue, "queue-position", "ahead in the same queue"},
});
static_assert(covers(measure_table, &MeasureInfo::measure, Measure::last_));
constexpr const MeasureInfo& info(Measure measure) { return measure_table[static_cast<std::size_t>(measure)]; }

struct ClassRank {
  std::uint32_t rank = 0;
  std::vector<Measure> measures;  // the first that differs decides; one list for each rank
  friend bool operator==(const ClassRank&, const ClassRank&) = default;
};

struct Certificate {
  std::string title;                                       // of the design
  std::string fingerprint;                                 // of its text
  std::map<std::string, ClassRank, std::less<>> classes;   // "fence client.done", "lock client.m"
  std::map<std::string, std::string, std::less<>> owners;  // of fences: the thread or job that signals it
};

// JSON; docs/certificates.md. read_certificate refuses what to_json does not write, with the reason.
[[nodiscard]] std::string to_json(const Certificate& certificate);
[[nodiscard]] std::optional<Certificate> read_certificate(const std::string& text, Diagnostics& diagnostics);

}  // namespace fencecheck
