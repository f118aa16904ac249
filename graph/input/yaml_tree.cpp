#include "graph/input/yaml_tree.hpp"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "graph/input/quote.hpp"

namespace fencecheck {

YamlNode& YamlTree::add(YamlNode::Kind kind, Place at) {
  YamlNode& node = nodes_.emplace_back();
  node.kind = kind;
  node.at = at;
  return node;
}

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Thrown by the handler, after it has reported why, to leave yaml-cpp.
struct Stop {};

// What yaml-cpp's shortest messages usually mean.
struct Hint {
  std::string_view message;
  std::string_view means;
};
constexpr auto hint_table = std::to_array<Hint>({
    {"end of map not found", "the indentation fits no line above"},
    {"end of sequence not found", "the indentation fits no line above"},
    {"end of map flow not found", "a '{' without its '}'"},
    {"end of sequence flow not found", "a '[' without its ']'"},
    {"illegal map value", "a second ':' in one line, or the indentation is wrong"},
    {"unknown token", "text that begins with this character needs quotes"},
    {"illegal flow end", "it was never opened"},
});

std::string explained(const std::string& message) {
  const auto hint = std::ranges::find(hint_table, message, &Hint::message);
  const std::string_view means = hint == hint_table.end() ? "" : hint->means;
  return fmt::format("not valid YAML: {}{}{}", message, means.empty() ? "" : ": ", means);
}

// Turns yaml-cpp's marks into places. Marks count lines, columns and bytes from
// 0 and know nothing of a byte order mark.
class Places {
 public:
  explicit Places(std::string_view text)
      : text_(text), skipped_(text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0) {}

  [[nodiscard]] Place of(const YAML::Mark& mark) const {
    if (mark.is_null()) return {};
    const std::size_t shift = mark.line == 0 ? skipped_ : 0;
    return {static_cast<std::uint32_t>(mark.line + 1),
            static_cast<std::uint32_t>(static_cast<std::size_t>(mark.column) + shift + 1)};
  }

  [[nodiscard]] std::string_view text_at(const YAML::Mark& mark) const {
    return text_.substr(std::min(text_.size(), static_cast<std::size_t>(mark.pos) + skipped_));
  }

 private:
  std::string_view text_;
  std::size_t skipped_;
};

// Skips `&anchor` and `!tag`, which yaml-cpp counts as part of a node.
void skip_properties(std::string_view& rest, Place& at) {
  while (rest.starts_with('&') || rest.starts_with('!')) {
    const std::size_t word = std::min(rest.find_first_of(" \t\r\n"), rest.size());
    const std::size_t end = std::min(rest.find_first_not_of(" \t\r\n", word), rest.size());
    const std::string_view passed = rest.substr(0, end);
    const std::size_t last_break = passed.rfind('\n');
    at.line += static_cast<std::uint32_t>(std::ranges::count(passed, '\n'));
    at.column = static_cast<std::uint32_t>(last_break == std::string_view::npos ? at.column + end : end - last_break);
    rest.remove_prefix(end);
  }
}

// How long the quoted text at the beginning of `rest` is, with its quotes;
// npos if it has no end. (yaml-cpp takes the end of the text for the end.)
std::size_t quoted_length(std::string_view rest) {
  const char quote = rest.front();
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\' && quote == '"') {
      ++i;
    } else if (rest[i] == quote) {
      if (quote == '"' || i + 1 == rest.size() || rest[i + 1] != quote) return i + 1;
      ++i;
    }
  }
  return std::string_view::npos;
}

// How many bytes of the scalar at the beginning of `rest` stand on its first
// line. Never looks beyond the scalar: lines can be long.
std::uint32_t scalar_length(std::string_view rest, std::string_view value) {
  const bool quoted = rest.starts_with('"') || rest.starts_with('\'');
  const auto same = std::ranges::mismatch(rest, value).in1 - rest.begin();
  std::string_view text = rest.substr(0, quoted ? quoted_length(rest) : static_cast<std::size_t>(same));
  text = text.substr(0, text.find_first_of("\r\n"));
  const std::size_t last = text.find_last_not_of(" \t");
  return last == std::string_view::npos ? 1 : static_cast<std::uint32_t>(last + 1);
}

bool is_null_word(std::string_view rest) {
  return std::ranges::any_of(std::to_array<std::string_view>({"~", "null", "Null", "NULL"}),
                             [&](std::string_view word) { return rest.starts_with(word); });
}

// Builds the tree from yaml-cpp's events.
class Builder : public YAML::EventHandler {
 public:
  Builder(const Source& source, Diagnostics& diagnostics) : places_(source.text), diagnostics_(diagnostics) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) stop(places_.of(mark), "a second document; a file holds one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode& node = tree_.add(YamlNode::Kind::null, null_place(mark));
    remember(anchor, node);
    close(node);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const YamlNode& node = *anchors_.at(anchor);
    if (node.size == 0) stop(places_.of(mark), "an alias inside of what it stands for");
    check_depth(places_.of(mark), node.height);
    attach(node, places_.of(mark), node.size);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    Place at = places_.of(mark);
    std::string_view rest = places_.text_at(mark);
    skip_properties(rest, at);
    if ((rest.starts_with('"') || rest.starts_with('\'')) && quoted_length(rest) == std::string_view::npos)
      stop(at, "not valid YAML: a quoted text without its end");
    at.length = scalar_length(rest, value);
    YamlNode& node = tree_.add(YamlNode::Kind::scalar, at);
    node.text = value;
    node.plain = tag == "?";
    remember(anchor, node);
    close(node);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close_collection(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::mapping, mark, tag, anchor);
  }
  void OnMapEnd() override { close_collection(); }

  [[nodiscard]] bool empty() const { return root_ == nullptr || root_->kind == YamlNode::Kind::null; }
  [[nodiscard]] YamlTree finished() {
    tree_.set_root(*root_);
    return std::move(tree_);
  }

 private:
  struct First {
    Place at;
    bool repeated = false;
  };

  // A collection whose end has not been seen.
  struct Open {
    YamlNode* node;
    bool has_key = false;  // a mapping whose next node is a value
    bool usable = false;   // of `key`: it is a scalar and new
    YamlEntry key;
    std::map<std::string, First> seen{};
  };

  [[noreturn]] void stop(Place at, std::string message) {
    diagnostics_.error(at, std::move(message));
    throw Stop{};
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag == "?" || tag == "!") return;
    const std::string_view rest = places_.text_at(mark);
    Place at = places_.of(mark);
    if (rest.starts_with('!'))
      at.length = static_cast<std::uint32_t>(std::min(rest.find_first_of(" \t\r\n,]}"), rest.size()));
    diagnostics_.error(at, fmt::format("unknown tag {}; tags have no meaning here", quote(tag)));
  }

  void check_depth(Place at, std::size_t levels) {
    if (open_.size() + levels > most_yaml_depth) stop(at, fmt::format("nested more than {} deep", most_yaml_depth));
  }

  // An omitted value has the mark of whatever comes next.
  [[nodiscard]] Place null_place(const YAML::Mark& mark) const {
    const Place at = places_.of(mark);
    if (open_.empty()) return at;
    const Open& parent = open_.back();
    const Place before = parent.has_key ? parent.key.at : parent.node->at;
    return is_null_word(places_.text_at(mark)) && at.line == before.line ? at : before;
  }

  void remember(YAML::anchor_t anchor, const YamlNode& node) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = &node;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    check_tag(mark, tag);
    check_depth(places_.of(mark), 1);
    Place at = places_.of(mark);
    std::string_view rest = places_.text_at(mark);
    skip_properties(rest, at);
    YamlNode& node = tree_.add(kind, at);
    node.height = 1;
    remember(anchor, node);
    open_.push_back({.node = &node, .key = {}});
  }

  void close_collection() {
    YamlNode& node = *open_.back().node;
    open_.pop_back();
    close(node);
  }

  // `node` is complete: counts it and gives it to the collection around it.
  void close(YamlNode& node) {
    const auto include = [&](const YamlNode& child) {
      node.size += child.size;
      node.height = std::max(node.height, child.height + 1);
    };
    for (const YamlNode* item : node.items) include(*item);
    for (const YamlEntry& entry : node.entries) include(*entry.value);
    node.size += node.entries.size() + 1;
    attach(node, node.at, 1);
  }

  // `new_nodes` of the expanded tree have not been counted: an alias counts as what it stands for.
  void attach(const YamlNode& node, Place at, std::size_t new_nodes) {
    nodes_ += new_nodes;
    if (nodes_ > most_yaml_nodes)
      stop(at, fmt::format("more than {} keys and values, with aliases expanded", most_yaml_nodes));
    if (open_.empty()) {
      root_ = &node;
    } else if (Open& parent = open_.back(); parent.node->kind == YamlNode::Kind::list) {
      parent.node->items.push_back(&node);
    } else if (!parent.has_key) {
      begin_entry(parent, node, at);
    } else {
      parent.has_key = false;
      parent.key.value = &node;
      if (parent.usable) parent.node->entries.push_back(std::move(parent.key));
    }
  }

  void begin_entry(Open& parent, const YamlNode& key, Place at) {
    at.length = key.at.length;
    parent.key = {key.text, at, nullptr};
    parent.has_key = true;
    parent.usable = key.kind == YamlNode::Kind::scalar;
    if (!parent.usable) return diagnostics_.error(at, "a key must be a word");
    const auto [first, is_new] = parent.seen.emplace(key.text, First{at});
    if (is_new) return;
    parent.usable = false;
    diagnostics_.error(at, fmt::format("the key {} is given twice", quote(key.text)));
    if (!std::exchange(first->second.repeated, true))
      diagnostics_.note(first->second.at, fmt::format("the key {} is first given here", quote(key.text)));
  }

  Places places_;
  Diagnostics& diagnostics_;
  YamlTree tree_;
  const YamlNode* root_ = nullptr;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, const YamlNode*> anchors_;
  std::size_t documents_ = 0;
  std::size_t nodes_ = 0;
};

// Reads all documents, so that the builder can complain about the second.
// Whether it came to the end of the text.
bool parse(const Source& source, Builder& builder, Diagnostics& diagnostics) try {
  std::istringstream stream(source.text);
  YAML::Parser parser(stream);
  while (parser.HandleNextDocument(builder)) {
  }
  return true;
} catch (const Stop&) {
  return false;  // and it has been reported
} catch (const YAML::DeepRecursion& problem) {
  diagnostics.error(Places(source.text).of(problem.mark), fmt::format("nested more than {} deep", most_yaml_depth));
  return false;
} catch (const YAML::Exception& problem) {
  diagnostics.error(Places(source.text).of(problem.mark), explained(problem.msg));
  return false;
}

// YAML is text: no bytes that are not UTF-8, no control characters but tabs and line ends.
bool check_text(std::string_view text, Diagnostics& diagnostics) {
  const std::string shown = printable(text);  // of the same length
  Place at{1, 1};
  for (std::size_t i = 0; i < text.size(); ++i, ++at.column) {
    const bool line_end = text[i] == '\n' || text.substr(i, 2) == "\r\n";
    if (text[i] != shown[i] && text[i] != '\t' && !line_end) {
      const auto byte = static_cast<unsigned char>(text[i]);
      diagnostics.error(at, byte < 0x80 ? fmt::format("not a text: control character 0x{:02x}", byte)
                                        : fmt::format("not a text: byte 0x{:02x} is not UTF-8", byte));
      return false;
    }
    if (text[i] == '\n') at = {at.line + 1, 0};
  }
  return true;
}

// yaml-cpp keeps every token from a '[' or '{' to its end in memory, so it must
// not see more of them than the tree may hold.
bool check_amount(std::string_view text, Diagnostics& diagnostics) {
  const auto count = [&](std::string_view characters) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [&](char c) { return characters.find(c) != std::string_view::npos; }));
  };
  if (count("[{") <= most_yaml_nodes && count(",:&*!?\"'") <= 5 * most_yaml_nodes) return true;
  diagnostics.error({}, fmt::format("more than {} keys and values", most_yaml_nodes));
  return false;
}

}  // namespace

std::optional<YamlTree> read_yaml_tree(const Source& source, Diagnostics& diagnostics) {
  if (source.text.size() > most_yaml_bytes) {
    diagnostics.error({}, fmt::format("larger than {} MiB", most_yaml_bytes >> 20));
    return std::nullopt;
  }
  if (!check_text(source.text, diagnostics) || !check_amount(source.text, diagnostics)) return std::nullopt;
  Builder builder(source, diagnostics);
  if (!parse(source, builder, diagnostics)) return std::nullopt;
  if (builder.empty()) {
    diagnostics.error({}, "empty: expected a scenario, which begins with 'fencecheck: 1'");
    return std::nullopt;
  }
  return builder.finished();
}

}  // namespace fencecheck
