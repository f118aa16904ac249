// YAML as a tree in which every node and every key has its place.
//
// A YamlTree owns its nodes; an alias is a second pointer to the anchored node,
// so a tree is a directed acyclic graph and costs no more memory than its text.
// Whoever walks it walks the expanded tree, which is what the limits bound:
// walking is recursive, never deeper than `most_yaml_depth`, and never visits
// more than `most_yaml_nodes` nodes.
//
// A value that is left out (`key:`) has the place of its key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "graph/model/source.hpp"

namespace fencecheck {

inline constexpr std::size_t most_yaml_bytes = std::size_t{16} << 20;
inline constexpr std::size_t most_yaml_nodes = 200'000;  // keys and values, aliases expanded
inline constexpr std::size_t most_yaml_depth = 64;

struct YamlNode;

struct YamlEntry {
  std::string key;
  Place at;  // of the key
  const YamlNode* value = nullptr;
};

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, list, mapping } kind = Kind::null;
  Place at;
  std::string text;                    // of a scalar
  bool plain = false;                  // a scalar without quotes: may be a number or a truth value
  std::vector<const YamlNode*> items;  // of a list
  std::vector<YamlEntry> entries;      // of a mapping, in the order of the text; keys differ
  std::size_t size = 0;    // how many keys and values it expands to, itself included; 0 = not read to its end
  std::size_t height = 0;  // how many levels of collections it has
  bool made = false;       // of an instance of a template: names in it may have its number
};

class YamlTree {
 public:
  YamlTree() = default;
  YamlTree(YamlTree&&) = default;
  YamlTree& operator=(YamlTree&&) = default;
  [[nodiscard]] const YamlNode& root() const { return *root_; }
  void set_root(const YamlNode& node) { root_ = &node; }
  YamlNode& add(YamlNode::Kind kind, Place at);

 private:
  std::deque<YamlNode> nodes_;  // never moves a node
  const YamlNode* root_ = nullptr;
};

// The one YAML document in the source. There is no tree if the text is not YAML
// or exceeds a limit; keys given twice (the first counts), keys that are not
// words and tags are errors too, but leave a tree in which to look for more.
[[nodiscard]] std::optional<YamlTree> read_yaml_tree(const Source& source, Diagnostics& diagnostics);

}  // namespace fencecheck
