// The fence around libcgraph: ownership, constness, order and messages of a C library.
//
// By itself cgraph makes ids out of the addresses of names and sorts subgraphs
// by them, so that two runs can write and lay out clusters in different orders.
// Graphs that are opened and read here count their ids instead.
//
// cgraph keeps its lexer, its error level and its error callback in global
// variables: one thread at a time.
#pragma once

#include <graphviz/cgraph.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fencecheck::cgraph {

struct CloseGraph {
  void operator()(Agraph_t* graph) const { agclose(graph); }
};
using Graph = std::unique_ptr<Agraph_t, CloseGraph>;

// cgraph predates const: it takes `char*` and does not write through it.
inline char* c(const char* text) { return const_cast<char*>(text); }

// A new directed graph. Throws std::runtime_error if cgraph makes none.
[[nodiscard]] Graph open_graph(const std::string& name);

// The first graph of a text; empty if there is none or cgraph said why it cannot
// be read. Whatever stands behind it is passed over.
[[nodiscard]] Graph read_graph(std::string_view text);

// While one of these lives, Graphviz reports to it instead of writing to
// standard error. The previous receiver comes back at the end.
class Messages {
 public:
  struct Message {
    bool error = false;  // else a warning
    std::string text;    // without "Error: " and the line end
  };

  Messages();
  ~Messages();
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  // What was said so far, in order.
  [[nodiscard]] std::vector<Message> all() const;

  // The texts of the errors, or of everything if there are none, joined by "; ".
  [[nodiscard]] std::string summary() const;

 private:
  static int receive(char* piece);
  std::vector<std::string> pieces_;
  Messages* outer_;
  agusererrf previous_;
};

}  // namespace fencecheck::cgraph
