// The light scan of DOT text (https://graphviz.org/doc/info/lang.html).
#include "graph/input/dot_outline.hpp"

#include <algorithm>
#include <string_view>

namespace fencecheck {
namespace {

enum class TokenKind : std::uint8_t { word, text, arrow, line, mark, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string value;  // of words and texts, as cgraph spells them; of marks the character
  Place at;
};

bool is_letter(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<unsigned char>(byte) >= 0x80;
}

bool is_digit(char byte) { return (byte >= '0' && byte <= '9') || byte == '.'; }

// Cuts the text into tokens. After an error it is at the end.
class Tokens {
 public:
  Tokens(const Source& source, Diagnostics& diagnostics) : text_(source.text), diagnostics_(diagnostics) {}

  Token next() {
    skip_blanks();
    if (at_end()) return {TokenKind::end, {}, here()};
    const std::size_t begin = at_;
    const Place place = here();
    Token token = scan();
    token.at = place;
    // Places are shown on one line: a text of several is underlined at its quote.
    if (here().line == place.line) token.at.length = static_cast<std::uint32_t>(at_ - begin);
    return token;
  }

  [[nodiscard]] std::size_t position() const { return at_; }
  std::vector<DotComment> comments;

 private:
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] bool sees(std::string_view word) const { return text_.substr(at_, word.size()) == word; }
  [[nodiscard]] Place here() const { return {line_, static_cast<std::uint32_t>(at_ - line_start_ + 1), 1}; }

  void advance(std::size_t bytes) {
    for (std::size_t stop = std::min(at_ + bytes, text_.size()); at_ < stop; ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      line_start_ = at_ + 1;
    }
  }

  void fail(Place at, std::string message) {
    diagnostics_.error(at, std::move(message));
    at_ = text_.size();
  }

  void skip_blanks() {
    while (!at_end()) {
      if (sees("\xEF\xBB\xBF")) {
        advance(3);
      } else if (std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
        advance(1);
      } else if (sees("//") || sees("#")) {
        line_comment();
      } else if (sees("/*")) {
        block_comment();
      } else {
        return;
      }
    }
  }

  void line_comment() {
    advance(sees("//") ? 2 : 1);
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view body = text_.substr(at_, end - at_);
    const std::size_t blanks = std::min(body.find_first_not_of(" \t"), body.size());
    advance(blanks);
    body.remove_prefix(blanks);
    body = body.substr(0, body.find_last_not_of(" \t\r") + 1);
    Place place = here();
    place.length = static_cast<std::uint32_t>(body.size());
    comments.push_back({std::string(body), place});
    advance(end - at_);
  }

  void block_comment() {
    const std::size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) return fail(here(), "this comment is never closed");
    advance(end + 2 - at_);
  }

  Token scan() {
    const char byte = text_[at_];
    if (byte == '\0') {
      fail(here(), "this is not a text: it holds a NUL byte");
      return {};
    }
    if (byte == '"') return quoted();
    if (byte == '<') return html();
    if (sees("->") || sees("--")) {
      advance(2);
      return {byte == '-' && text_[at_ - 1] == '>' ? TokenKind::arrow : TokenKind::line, {}, {}};
    }
    if (is_letter(byte)) return word([](char each) { return is_letter(each) || (each >= '0' && each <= '9'); });
    if (is_digit(byte) || byte == '-') return word(is_digit);
    advance(1);
    return {TokenKind::mark, std::string(1, byte), {}};
  }

  template <class Accepts>
  Token word(Accepts accepts) {
    const std::size_t begin = at_;
    advance(1);
    while (!at_end() && accepts(text_[at_])) advance(1);
    return {TokenKind::word, std::string(text_.substr(begin, at_ - begin)), {}};
  }

  Token quoted() {
    const Place start = here();
    Token token{TokenKind::text, {}, {}};
    advance(1);
    while (!at_end() && text_[at_] != '"') {
      if (text_[at_] == '\0') break;
      if (sees("\\\"")) {
        token.value += '"';
        advance(2);
      } else if (sees("\\\n")) {
        advance(2);
      } else {
        const std::size_t bytes = sees("\\\\") ? 2 : 1;
        token.value += text_.substr(at_, bytes);
        advance(bytes);
      }
    }
    if (at_end() || text_[at_] != '"') fail(start, "this string is never closed");
    advance(1);
    return token;
  }

  Token html() {
    const Place start = here();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    do {
      if (text_[at_] == '\0') break;
      if (text_[at_] == '<') ++depth;
      if (text_[at_] == '>') --depth;
      advance(1);
    } while (!at_end() && depth > 0);
    Token token{TokenKind::text, std::string(text_.substr(begin, at_ - begin)), {}};
    if (depth > 0) fail(start, "this HTML text is never closed");
    return token;
  }

  std::string_view text_;
  Diagnostics& diagnostics_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  std::size_t line_start_ = 0;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
  });
  return text;
}

Place spanning(Place from, Place to) {
  if (from.line == to.line && to.column + to.length > from.column) from.length = to.column + to.length - from.column;
  return from;
}

// Follows the statements of one graph.
class Outliner {
 public:
  Outliner(const Source& source, Diagnostics& diagnostics, const DotLimits& limits)
      : tokens_(source, diagnostics), diagnostics_(diagnostics), limits_(limits) {}

  std::optional<DotOutline> run() {
    header();
    while (diagnostics_.ok() && !frames_.empty()) statement_part(tokens_.next());
    if (!diagnostics_.ok()) return std::nullopt;
    outline_.end = tokens_.position();
    const Token rest = tokens_.next();
    if (rest.kind != TokenKind::end) diagnostics_.error(rest.at, "text behind the end of the graph");
    if (!diagnostics_.ok()) return std::nullopt;
    return std::move(outline_);
  }

 private:
  // What is known between two braces.
  struct Frame {
    Place opened;
    std::size_t nodes = 0;    // names mentioned inside, each time they are
    std::size_t chain = 0;    // arrows of the statement so far
    std::size_t operand = 0;  // how many nodes its last operand stands for; 0: none
    std::string name;         // of the last operand, if it is one node
    Place name_at;
    bool arrow = false;  // an arrow waits for its right side
  };

  void header() {
    Token token = tokens_.next();
    outline_.comments = tokens_.comments;
    if (lower(token.value) == "strict") token = tokens_.next();
    const std::string keyword = token.kind == TokenKind::word ? lower(token.value) : "";
    if (!diagnostics_.ok()) return;
    if (token.kind == TokenKind::end) return diagnostics_.error({1, 1, 1}, "there is no graph in this file");
    if (keyword == "graph") {
      return diagnostics_.error(token.at, "a dependency graph needs arrows: 'digraph' instead of 'graph'");
    }
    if (keyword != "digraph") return diagnostics_.error(token.at, "expected 'digraph'");
    token = tokens_.next();
    if (token.kind == TokenKind::word || token.kind == TokenKind::text) token = tokens_.next();
    if (!diagnostics_.ok()) return;
    if (token.value != "{" || token.kind != TokenKind::mark) return diagnostics_.error(token.at, "expected '{'");
    open(token.at);
  }

  void statement_part(const Token& token) {
    if (reference_) refer(token);
    if (token.kind == TokenKind::end) return unclosed();
    if (token.kind == TokenKind::arrow) return arrow(token);
    if (token.kind == TokenKind::word || token.kind == TokenKind::text) return word(token);
    if (token.kind == TokenKind::line) return end_statement();
    mark(token);
  }

  // Behind `subgraph NAME`: without a brace it stands for a group seen before,
  // whose size is not known here; all nodes so far are the upper bound.
  void refer(const Token& token) {
    reference_ = false;
    if (token.kind != TokenKind::mark || token.value != "{") operand(all_nodes_ + 1, {});
  }

  void mark(const Token& token) {
    const char sign = token.value.front();
    if (sign == '{') return open(token.at);
    if (sign == '}') return close();
    if (sign == '[') attributes(token.at);
    if (sign == ':' || sign == '=') return skip_word();
    end_statement();
  }

  void skip_word() {
    const Token token = tokens_.next();
    if (token.kind == TokenKind::mark || token.kind == TokenKind::arrow) statement_part(token);
  }

  void attributes(Place opened) {
    for (Token token = tokens_.next(); token.value != "]" || token.kind != TokenKind::mark; token = tokens_.next()) {
      if (token.kind != TokenKind::end) continue;
      if (diagnostics_.ok()) diagnostics_.error(opened, "this bracket is never closed");
      return;
    }
  }

  void unclosed() {
    if (diagnostics_.ok()) diagnostics_.error(frames_.back().opened, "this brace is never closed");
  }

  void open(Place at) {
    if (frames_.size() >= limits_.nesting) {
      return diagnostics_.error(at, "braces are nested deeper than " + std::to_string(limits_.nesting));
    }
    frames_.push_back({});
    frames_.back().opened = at;
    subgraph_ = false;
  }

  void close() {
    const std::size_t nodes = frames_.back().nodes;
    end_statement();
    frames_.pop_back();
    if (frames_.empty()) return;
    frames_.back().nodes += nodes;
    operand(std::max<std::size_t>(nodes, 1), {});
  }

  void word(const Token& token) {
    if (token.kind == TokenKind::word && keyword(lower(token.value))) return;
    if (subgraph_) {
      subgraph_ = false;
      reference_ = true;
      return;
    }
    outline_.nodes.try_emplace(token.value, token.at);
    ++frames_.back().nodes;
    ++all_nodes_;
    operand(1, token);
  }

  bool keyword(const std::string& name) {
    if (name == "subgraph") return subgraph_ = true;
    return name == "node" || name == "edge" || name == "graph";
  }

  void arrow(const Token& token) {
    Frame& frame = frames_.back();
    frame.arrow = frame.operand > 0;
    ++frame.chain;
    if (++pending_ > limits_.chain) {
      diagnostics_.error(token.at, "a chain of more than " + std::to_string(limits_.chain) + " arrows; split it");
    }
  }

  void operand(std::size_t nodes, const Token& token) {
    Frame& frame = frames_.back();
    if (!frame.arrow) end_statement();
    if (frame.arrow && !frame.name.empty() && !token.value.empty()) {
      outline_.arrows[{frame.name, token.value}].push_back(spanning(frame.name_at, token.at));
    }
    if (frame.arrow && (nodes > 1 || frame.operand > 1)) group_edges(frame, nodes);
    frame.arrow = false;
    frame.operand = nodes;
    frame.name = token.value;
    frame.name_at = token.at;
  }

  void group_edges(const Frame& frame, std::size_t nodes) {
    product_ += frame.operand * nodes;
    if (product_ <= limits_.product_edges) return;
    diagnostics_.error(frame.opened,
                       "arrows between groups stand for more than " + std::to_string(limits_.product_edges) + " edges");
  }

  void end_statement() {
    Frame& frame = frames_.back();
    pending_ -= frame.chain;
    frame.chain = 0;
    frame.operand = 0;
    frame.arrow = false;
    frame.name.clear();
  }

  Tokens tokens_;
  Diagnostics& diagnostics_;
  const DotLimits& limits_;
  DotOutline outline_;
  std::vector<Frame> frames_;
  bool subgraph_ = false;      // the next word is a subgraph's name
  bool reference_ = false;     // the last word was a subgraph's name
  std::size_t pending_ = 0;    // arrows of all unfinished statements
  std::size_t all_nodes_ = 0;  // mentions so far
  std::size_t product_ = 0;
};

}  // namespace

std::optional<DotOutline> outline_dot(const Source& source, Diagnostics& diagnostics, const DotLimits& limits) {
  Diagnostics found;
  std::optional<DotOutline> outline = Outliner(source, found, limits).run();
  for (const Diagnostic& each : found.sorted()) diagnostics.error(each.at, each.message);
  return outline;
}

}  // namespace fencecheck
