// Designs: templates, of which there may be any number of instances.
//
// expand_templates() replaces every template by its instances, before anything
// is read: what an instance owns gets its name ("client[2].done"), and a
// reference to another instance becomes a name, or a choice between names. The
// rest of the program sees a finite scenario only. docs/semantics.md, "Designs".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/input/scenario.hpp"
#include "graph/input/yaml_tree.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

// How many instances stand for `many`: of each template that says so, in the order of the text; the last number is
// that of all later ones.
using InstanceCounts = std::vector<std::uint32_t>;
inline constexpr std::uint32_t instances_of_many = 2;  // unless somebody asks for another number

// The document without templates, and the templates; nothing if it has none, or
// if they make no sense. The result keeps pointers into `tree`.
[[nodiscard]] std::optional<YamlTree> expand_templates(const YamlTree& tree, const InstanceCounts& many,
                                                       std::vector<TemplateDeclaration>& templates,
                                                       Diagnostics& diagnostics);

// Appends what was said about the instances, each mistake once for all of them.
// Warnings count only if they concern every instance: the first has nobody before it.
void append_once_for_all(const Diagnostics& from, const std::vector<TemplateDeclaration>& templates, Diagnostics& to);

}  // namespace fencecheck
