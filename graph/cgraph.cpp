// Receives what Graphviz says.
#include "graph/cgraph.hpp"

#include "graph/model/source.hpp"

namespace fencecheck::cgraph {
namespace {

Messages* receiver = nullptr;  // the callback of cgraph has no argument of its own

std::string trimmed(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  return printable(text);
}

}  // namespace

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
