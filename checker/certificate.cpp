#include "checker/certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "graph/model/finding.hpp"

namespace fencecheck {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint32_t version = 1;
constexpr std::string_view property = "deadlock-freedom";

Json content(const Certificate& certificate) {
  Json classes = Json::array();
  for (const auto& [name, rank] : certificate.classes) {
    Json measures = Json::array();
    for (const Measure measure : rank.measures) measures.push_back(info(measure).id);
    classes.push_back({{"class", name}, {"rank", rank.rank}, {"measures", std::move(measures)}});
  }
  Json owners = Json::array();
  for (const auto& [fence, owner] : certificate.owners) owners.push_back({{"fence", fence}, {"owner", owner}});
  return {{"fencecheck-certificate", version},
          {"property", property},
          {"design", {{"title", certificate.title}, {"fingerprint", certificate.fingerprint}}},
          {"classes", std::move(classes)},
          {"owners", std::move(owners)}};
}

// Against slips and cut files; what is sealed anew is still a proof or refused.
std::string seal(const Json& content) {
  return fencecheck::fingerprint({content.dump(-1, ' ', false, Json::error_handler_t::replace)});
}

std::string text_of(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json with_seal(Json content) {
  content["seal"] = seal(content);
  return content;
}

// Throws std::invalid_argument, or what nlohmann's accessors throw, for anything that to_json would not have written.
Certificate parsed(const Json& json) {
  Certificate result;
  if (json.at("fencecheck-certificate") != version)
    throw std::invalid_argument(fmt::format("unknown version; this program reads version {}", version));
  const Json& design = json.at("design");
  result.title = design.at("title").get<std::string>();
  result.fingerprint = design.at("fingerprint").get<std::string>();
  for (const Json& each : json.at("classes")) {
    ClassRank rank;
    const auto number = each.at("rank").get<std::int64_t>();
    if (number < 0 || number > std::int64_t{1} << 30U) throw std::invalid_argument("a rank is out of range");
    rank.rank = static_cast<std::uint32_t>(number);
    for (const Json& measure : each.at("measures")) {
      const auto* const row = find_row(measure_table, measure.get<std::string>());
      if (row == nullptr) throw std::invalid_argument("a measure is not known");
      rank.measures.push_back(row->measure);
    }
    result.classes.emplace(each.at("class").get<std::string>(), std::move(rank));
  }
  for (const Json& each : json.at("owners"))
    result.owners.emplace(each.at("fence").get<std::string>(), each.at("owner").get<std::string>());
  return result;
}

}  // namespace

std::string to_json(const Certificate& certificate) { return text_of(with_seal(content(certificate))); }

std::optional<Certificate> read_certificate(const std::string& text, Diagnostics& diagnostics) {
  try {
    const Json json = Json::parse(text);
    Certificate result = parsed(json);
    if (with_seal(content(result)) == json) return result;
    diagnostics.error({}, "the certificate was changed, or is cut: its seal does not fit");
  } catch (const Json::exception& error) {
    diagnostics.error({}, fmt::format("no certificate: {}", printable(error.what())));
  } catch (const std::invalid_argument& error) {
    diagnostics.error({}, fmt::format("no certificate: {}", error.what()));
  }
  return std::nullopt;
}

}  // namespace fencecheck
