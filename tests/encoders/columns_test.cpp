#include "encoders/report/columns.hpp"

#include <algorithm>

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
  Finding finding;
  finding.schedule = {step("one", "takes a", 3), step("two", "takes b", 5, "in 'f'"), step("one", "waits for b", 4)};
  finding.schedule.back().blocks = true;
  CHECK(schedule_lines(finding, 80) == Lines{
                                           "step  line  one                      two",
                                           "   1     3  takes a",
                                           "                                     (in 'f')",
                                           "   2     5                           takes b",
                                           "   *     4  waits for b -- for ever",
                                       });
}

TEST_CASE("an answer about amounts tells them whenever they change", "[columns]") {
  Finding finding;
  finding.kind = FindingKind::isolation;
  finding.objects = {{"lock", "m", "free"}, {"region", "vram", "4 GiB used"}, {"group", "a", "2 GiB"}};
  finding.schedule = {step("one", "takes m", 3), step("one", "evicts", 4)};
  finding.schedule[0].changes = {{0, "held"}};
  finding.schedule[1].changes = {{1, "2 GiB used"}, {2, "0 B"}};
  const Lines table{"step  line  one", "   1     3  takes m", "   2     4  evicts"};
  Lines with_amounts = table;
  with_amounts.emplace_back("            (region vram: 2 GiB used; group a: 0 B)");
  CHECK(schedule_lines(finding, 80) == with_amounts);
  finding.kind = FindingKind::use_after_evict;
  CHECK(schedule_lines(finding, 80) == table);
}

TEST_CASE("a step that a timeout ends does not last for ever", "[columns]") {
  Finding finding;
  finding.schedule = {step("one", "waits for b", 4)};
  finding.schedule.back().blocks = true;
  finding.lasts = Milliseconds{5};
  CHECK(schedule_lines(finding, 80).back() == "   *     4  waits for b -- until a timeout");
  CHECK(how_long(finding, step("one", "takes a", 3)).empty());
}

TEST_CASE("names of threads are told whole above their columns", "[columns]") {
  Finding finding;
  for (const char* thread : {"job 'render' on the ring", "job 'render' on the other", "job 'copy'"})
    finding.schedule.push_back(step(thread, "waits for fence 'a' of it", 1));
  CHECK(schedule_lines(finding, 75) == Lines{
                                           "step  line  job 'render' on the  job 'render' on the  job 'copy'",
                                           "            ring                 other",
                                           "   1     1  waits for fence 'a'",
                                           "            of it",
                                           "   2     1                       waits for fence 'a'",
                                           "                                 of it",
                                           "   3     1                                            waits for fence 'a'",
                                           "                                                      of it",
                                       });
}

TEST_CASE("a long name in front of a step keeps both its ends", "[columns]") {
  Finding finding;
  for (const char* thread : {"worker 'evict-1'", "worker 'evict-2'", "worker 'evict-3'", "worker 'evict-4'"})
    finding.schedule.push_back(step(thread, "waits for the fences of a buffer", 0));
  const Lines lines = schedule_lines(finding, 40);
  REQUIRE(lines.size() > 2);
  CHECK(lines[1] == "   1        worker..ct-1'  waits for the");
  CHECK(std::count_if(lines.begin(), lines.end(),
                      [](const std::string& line) { return line.find("worker..ct-") != std::string::npos; }) == 4);
}

TEST_CASE("what does not fit side by side stands one below the other", "[columns]") {
  Finding finding;
  for (const char* thread : {"one", "two", "three", "four"})
    finding.schedule.push_back(step(thread, "waits for the fences of a buffer", 0));
  const Lines lines = schedule_lines(finding, 60);
  REQUIRE(lines.size() == 5);
  CHECK(lines[4] == "   4        four   waits for the fences of a buffer");
  for (const std::size_t width : {40U, 60U, 80U, 100U, 200U})
    for (const std::string& line : schedule_lines(finding, width)) CHECK(columns_of(line) <= width);
}

}  // namespace
}  // namespace fencecheck
