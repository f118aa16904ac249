// The JSON Schema of the scenario language, from the key table.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph/input/keys.hpp"

namespace fencecheck {
namespace {

using Json = nlohmann::ordered_json;

Json reference(std::string_view id) { return {{"$ref", fmt::format("#/$defs/{}", id)}}; }

Json any_of(std::vector<Json> choices) {
  if (choices.size() == 1) return choices.front();
  return {{"anyOf", std::move(choices)}};
}

Json form_schema(const FormInfo& form) {
  if (form.words == nullptr) return Json::parse(form.schema);
  Json schema = {{"enum", ids(form.words())}};
  std::vector<std::string> meanings;
  for (const Word& word : form.words()) meanings.push_back(fmt::format("{}: {}.", word.id, word.says));
  schema["description"] = fmt::format("{}", fmt::join(meanings, " "));
  return schema;
}

// One part of the value: short, long, and in a table left out.
Json part_schema(const KeyRow& row) {
  std::vector<Json> choices;
  if (row.form != Form::none) choices.push_back(reference(info(row.form).id));
  if (row.fields != Context::none) choices.push_back(reference(info(row.fields).id));
  if (row.fields != Context::none && info(row.shape).is_table) choices.push_back({{"type", "null"}});
  return any_of(std::move(choices));
}

Json list_schema(const KeyRow& row) {
  const ShapeInfo& shape = info(row.shape);
  Json list = {{"type", "array"}, {"items", reference(info(row.form).id)}};
  if (shape.least > 0) list["minItems"] = shape.least;
  return list;
}

Json table_schema(const KeyRow& row) {
  const ShapeInfo& shape = info(row.shape);
  Json table = {{"type", shape.least == 0 ? Json{"object", "null"} : Json("object")},
                {"propertyNames", reference("name")},
                {"additionalProperties", part_schema(row)}};
  if (shape.least > 0) table["minProperties"] = shape.least;
  if (shape.most != no_limit) table["maxProperties"] = shape.most;
  return table;
}

Json value_schema(const KeyRow& row) {
  if (info(row.shape).is_table) return table_schema(row);
  if (row.shape == Shape::one) return part_schema(row);
  if (row.shape != Shape::one_or_list) return list_schema(row);
  std::vector<Json> choices{reference(info(row.form).id), list_schema(row)};
  if (row.fields != Context::none) choices.push_back(reference(info(row.fields).id));
  return any_of(std::move(choices));
}

// A value of YAML as JSON. Plain words that look like a number or a truth value are one.
Json json(const YAML::Node& node) {
  if (node.IsNull()) return nullptr;
  if (node.IsScalar()) {
    bool truth = false;
    std::int64_t number = 0;
    if (node.Tag() == "!") return node.Scalar();  // quoted
    if (YAML::convert<std::int64_t>::decode(node, number)) return number;
    if (YAML::convert<bool>::decode(node, truth)) return truth;
    return node.Scalar();
  }
  Json result = node.IsSequence() ? Json::array() : Json::object();
  for (const auto& each : node) {
    if (node.IsSequence())
      result.push_back(json(each));
    else
      result[each.first.Scalar()] = json(each.second);
  }
  return result;
}

Json property(const KeyRow& row) {
  Json schema = {{"description", fmt::format("{} Example: {}: {}", row.says, row.key, row.example)},
                 {"examples", Json::array({json(YAML::Load(std::string(row.example)))})}};
  schema.update(value_schema(row));
  return schema;
}

// Which keys must be there, and which exclude each other.
void add_presence(Context context, Json& schema) {
  Json required = Json::array();
  Json exactly_one = Json::array();
  Json together = Json::array();
  Json some = Json::array();
  for (const KeyRow& row : key_table) {
    if (row.context != context) continue;
    if (row.presence == Presence::required || row.presence == Presence::first) required.push_back(row.key);
    if (row.presence == Presence::one_of) exactly_one.push_back({{"required", {row.key}}});
    if (row.presence == Presence::some_of) some.push_back({{"required", {row.key}}});
    if (row.presence == Presence::at_most_one) together.push_back(row.key);
  }
  if (!required.empty()) schema["required"] = required;
  if (!exactly_one.empty()) schema["oneOf"] = exactly_one;
  if (!some.empty()) schema["anyOf"] = some;
  if (!together.empty()) schema["not"] = {{"required", together}};
  if (context == Context::step) schema.update({{"minProperties", 1}, {"maxProperties", 1}});
}

Json context_schema(Context context) {
  Json schema = {{"type", "object"}};
  if (!info(context).says.empty()) schema["description"] = info(context).says;
  schema["properties"] = Json::object();
  for (const KeyRow& row : key_table) {
    if (row.context == context) schema["properties"][std::string(row.key)] = property(row);
  }
  schema["additionalProperties"] = false;
  add_presence(context, schema);
  return schema;
}

}  // namespace

std::string json_schema() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", fmt::format("A fencecheck scenario, version {}", scenario_version)}};
  schema.update(context_schema(Context::scenario));
  Json& definitions = schema["$defs"];
  definitions["name"] = Json::parse(name_schema);
  for (const ContextInfo& row : context_table) {
    if (row.context > Context::scenario) definitions[std::string(row.id)] = context_schema(row.context);
  }
  for (const FormInfo& row : form_table) {
    if (row.form != Form::none) definitions[std::string(row.id)] = form_schema(row);
  }
  return schema.dump(2) + "\n";
}

}  // namespace fencecheck
