// A graph of two jobs that wait for each other, checked by the installed library.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "checker/check.hpp"

int main() {
  std::ofstream("cycle.dot") << "digraph design { first -> second; second -> first; }\n";
  const fencecheck::Checked checked = fencecheck::check_file("cycle.dot", {});
  if (!checked.report) return EXIT_FAILURE;
  for (const fencecheck::Finding& finding : checked.report->findings) fmt::print("{}\n", finding.message);
  return checked.report->findings.size() == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
