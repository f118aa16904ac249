// The pieces of the HTML report that are the same for every run, as CMake
// embeds them: report.html with the words @STYLE@, @SCRIPT@ and @DATA@ where
// the other two files and the data of a run go.
#pragma once

#include <string_view>

namespace fencecheck::html {

extern const std::string_view page;
extern const std::string_view style;
extern const std::string_view script;

}  // namespace fencecheck::html
