// SVG and PNG through libgvc.
#include "encoders/render.hpp"

#include <graphviz/gvc.h>

#include <memory>
#include <stdexcept>

#include "graph/cgraph.hpp"

namespace fencecheck {
namespace {

struct FreeContext {
  void operator()(GVC_t* context) const { gvFreeContext(context); }
};
using Context = std::unique_ptr<GVC_t, FreeContext>;

struct FreeData {
  void operator()(char* data) const { gvFreeRenderData(data); }
};
using Data = std::unique_ptr<char, FreeData>;

// One for the whole run: the Pango plugin of 2.42 remembers a font of the last
// context and reads it after that context was freed.
GVC_t* shared_context() {
  static const Context context(gvContext());
  return context.get();
}

// A laid-out graph; the layout is freed before the graph is closed.
class Layout {
 public:
  Layout(GVC_t* context, Agraph_t* graph) : context_(context), graph_(graph) {
    done_ = gvLayout(context, graph, "dot") == 0;
  }
  ~Layout() { gvFreeLayout(context_, graph_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  [[nodiscard]] bool done() const { return done_; }

 private:
  GVC_t* context_;
  Agraph_t* graph_;
  bool done_;
};

[[noreturn]] void fail(const std::string& what, const cgraph::Messages& messages) {
  const std::string why = messages.summary();
  throw std::runtime_error("Graphviz cannot " + what + (why.empty() ? "" : ": " + why));
}

}  // namespace

std::string render(const std::string& dot, Picture picture) {
  const cgraph::Messages messages;
  GVC_t* context = shared_context();
  if (context == nullptr) fail("start", messages);
  const cgraph::Graph graph = cgraph::read_graph(dot);
  if (!graph) fail("read the graph", messages);
  const Layout layout(context, graph.get());
  if (!layout.done()) fail("lay the graph out", messages);

  char* bytes = nullptr;
  unsigned int length = 0;
  const int status = gvRenderData(context, graph.get(), info(picture).id.data(), &bytes, &length);
  const Data data(bytes);
  if (status != 0 || !data || length == 0) fail("write " + std::string(info(picture).id), messages);
  return {data.get(), length};
}

}  // namespace fencecheck
