#include "encoders/report/columns.hpp"

#include "tests/catch.hpp"

namespace fencecheck {
namespace {

using Lines = std::vector<std::string>;

ScheduleStep step(std::string thread, std::string action, std::uint32_t line, std::string context = {}) {
  ScheduleStep result;
  result.thread = std::move(thread);
  result.action = std::move(action);
  result.context = std::move(context);
  result.at = {line, 0, 1};
  return result;
}

TEST_CASE("text is wrapped at blanks, and inside words only where it must be", "[columns]") {
  CHECK(wrapped("", 5) == Lines{""});
  CHECK(wrapped("one two", 7) == Lines{"one two"});
  CHECK(wrapped("one two", 6) == Lines{"one", "two"});
  CHECK(wrapped("one two three", 3) == Lines{"one", "two", "thr", "ee"});
  CHECK(wrapped("\xc3\xa4\xc3\xb6\xc3\xbc", 2) == Lines{"\xc3\xa4\xc3\xb6", "\xc3\xbc"});
  CHECK(columns_of("\xc3\xa4\xc3\xb6") == 2);
}

TEST_CASE("threads stand side by side", "[columns]") {
  std::vector<ScheduleStep> schedule{step("one", "takes a", 3), step("two", "takes b", 5, "in 'f'")};
  schedule.push_back(step("one", "waits for b", 4));
  schedule.back().blocks = true;
  CHECK(schedule_lines(schedule, 80) == Lines{
                                            "step  line  one                      two",
                                            "   1     3  takes a",
                                            "                                     (in 'f')",
                                            "   2     5                           takes b",
                                            "   *     4  waits for b -- for ever",
                                        });
}

TEST_CASE("what does not fit side by side stands one below the other", "[columns]") {
  std::vector<ScheduleStep> schedule;
  for (const char* thread : {"one", "two", "three", "four"})
    schedule.push_back(step(thread, "waits for the fences of a buffer", 0));
  const Lines lines = schedule_lines(schedule, 60);
  REQUIRE(lines.size() == 5);
  CHECK(lines[4] == "   4        four   waits for the fences of a buffer");
  for (const std::size_t width : {40U, 60U, 80U, 100U, 200U})
    for (const std::string& line : schedule_lines(schedule, width)) CHECK(columns_of(line) <= width);
}

}  // namespace
}  // namespace fencecheck
