// What a reader said about a source, as text to compare.
#pragma once

#include <string>

#include "graph/model/source.hpp"

namespace fencecheck {

// "2:1: error: no key is called 'titel'; did you mean 'title'?", one line for each message.
inline std::string said(const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& each : diagnostics.sorted()) {
    if (each.at.line > 0) text += std::to_string(each.at.line) + ":" + std::to_string(each.at.column) + ": ";
    text += std::string(name(each.severity)) + ": " + each.message + "\n";
  }
  return text;
}

// The same as people see it, with the name of the source, the line and the caret.
inline std::string shown(const Source& source, const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& each : diagnostics.sorted()) {
    text += position(source, each.at) + ": " + std::string(name(each.severity)) + ": " + each.message + "\n";
    text += excerpt(source, each.at);
  }
  return text;
}

}  // namespace fencecheck
