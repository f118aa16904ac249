// Ids, input and messages of libcgraph 2.42.
#include "graph/cgraph.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "graph/model/source.hpp"

namespace fencecheck::cgraph {
namespace {

Messages* receiver = nullptr;  // the callback of cgraph has no argument of its own

std::string trimmed(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  return printable(text);
}

// The ids of one graph: 1, 2, 3… in the order in which cgraph asks for them.
// Names are strings of the graph's own dictionary: cgraph looks in front of a
// name's first byte to tell whether it is HTML.
class Ids {
 public:
  explicit Ids(Agraph_t* graph) : graph_(graph) {}
  // The id of a name; nothing if it has none and shall not get one.
  std::optional<IDTYPE> find(char* name, bool create) {
    char* const own = create ? agstrdup(graph_, name) : agstrbind(graph_, name);
    if (const auto found = known_.find(own); found != known_.end()) return found->second;
    if (!create || own == nullptr) return std::nullopt;
    names_.push_back(own);
    return known_[own] = names_.size();
  }
  IDTYPE anonymous() {
    names_.push_back(nullptr);
    return names_.size();
  }
  [[nodiscard]] char* name(IDTYPE id) const { return id > 0 && id <= names_.size() ? names_[id - 1] : nullptr; }

 private:
  Agraph_t* graph_;
  std::vector<char*> names_;                       // of each id; none: anonymous
  std::unordered_map<const char*, IDTYPE> known_;  // only looked up, never walked
};

void* open_ids(Agraph_t* graph, Agdisc_t*) { return new Ids(graph); }

long map_id(void* state, int, char* name, IDTYPE* id, int create) {
  Ids& ids = *static_cast<Ids*>(state);
  if (name == nullptr) {
    *id = ids.anonymous();
    return 1;
  }
  const std::optional<IDTYPE> found = ids.find(name, create != 0);
  if (found) *id = *found;
  return found ? 1 : 0;
}

long cannot_choose_id(void*, int, IDTYPE) { return 0; }
void keep_id(void*, int, IDTYPE) {}
char* name_of_id(void* state, int, IDTYPE id) { return static_cast<Ids*>(state)->name(id); }
void close_ids(void* state) { delete static_cast<Ids*>(state); }
void note_object(void*, int, void*) {}

Agiddisc_t id_discipline{open_ids, map_id, cannot_choose_id, keep_id, name_of_id, close_ids, note_object};

int read_bytes(void* channel, char* buffer, int size) {
  auto& rest = *static_cast<std::string_view*>(channel);
  const std::size_t bytes = std::min(rest.size(), static_cast<std::size_t>(std::max(size, 0)));
  std::copy_n(rest.data(), bytes, buffer);
  rest.remove_prefix(bytes);
  return static_cast<int>(bytes);
}

// Graphs keep the address of what they were opened with.
Agdisc_t* discipline() {
  static Agiodisc_t io{read_bytes, AgIoDisc.putstr, AgIoDisc.flush};
  static Agdisc_t all{&AgMemDisc, &id_discipline, &io};
  return &all;
}

// What the lexer holds back behind a graph would be the beginning of the next one.
void drain() {
  const Messages ignored;
  std::string_view nothing;
  while (Graph(agread(&nothing, discipline()))) {
  }
}

}  // namespace

Graph open_graph(const std::string& name) {
  Graph graph(agopen(c(name.c_str()), Agdirected, discipline()));
  if (!graph) throw std::runtime_error("libcgraph cannot make a graph");
  return graph;
}

Graph read_graph(std::string_view text) {
  agsetfile(nullptr);  // also resets the line number
  Graph graph(agread(&text, discipline()));
  drain();
  return graph;
}

Messages::Messages() : outer_(receiver), previous_(agseterrf(&Messages::receive)) { receiver = this; }

Messages::~Messages() {
  agseterrf(previous_);
  receiver = outer_;
}

int Messages::receive(char* piece) {
  receiver->pieces_.emplace_back(piece);
  return 0;
}

// A message arrives as "Error", ": ", text; its continuations as text alone.
std::vector<Messages::Message> Messages::all() const {
  std::vector<Message> result;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const bool begins = i + 1 < pieces_.size() && pieces_[i + 1] == ": ";
    if (begins) {
      result.push_back({pieces_[i] == "Error", {}});
    } else if (pieces_[i] != ": ") {
      if (result.empty()) result.push_back({true, {}});
      result.back().text += pieces_[i];
    }
  }
  for (Message& message : result) message.text = trimmed(message.text);
  return result;
}

std::string Messages::summary() const {
  const std::vector<Message> messages = all();
  bool errors = false;
  for (const Message& message : messages) errors = errors || message.error;
  std::string result;
  for (const Message& message : messages) {
    if (message.error == errors) result += (result.empty() ? "" : "; ") + message.text;
  }
  return result;
}

}  // namespace fencecheck::cgraph
