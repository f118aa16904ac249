// Reading ftrace text: every form of a line, every kind of loss, every refusal.
#include "graph/input/read_ftrace.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "graph/input/ftrace_line.hpp"
#include "tests/catch.hpp"

using namespace fencecheck;

namespace {

const std::string init =
    "  a-1 [000] .....  1.000000: dma_fence_init: driver=vgem timeline=unbound context=4 seqno=1\n";

// A record whose words outlive the reader.
struct Event {
  TraceEventKind kind = TraceEventKind::stack;
  TraceContext context = TraceContext::task;
  std::uint32_t pid = 0;
  std::uint64_t time = 0;
  FenceKey fence;
  std::string driver;
  std::string timeline;
  std::uint64_t number_pid = 0;
  std::string state;
  std::vector<std::string> frames;
};

struct Read {
  bool ok = false;
  TraceFacts facts;
  std::vector<Event> events;
  Source source;
  Diagnostics diagnostics;
};

Read read(const std::string& text) {
  Read result{false, {}, {}, {"t.trace", "", {}}, {}};
  std::istringstream in(text);
  FtraceReader reader(in, result.source, result.diagnostics);
  TraceRecord record;
  while (reader.next(record)) {
    Event event{record.kind,
                record.context,
                record.pid,
                record.time,
                record.fence(),
                std::string(record.word(TraceField::driver)),
                std::string(record.word(TraceField::timeline)),
                record.number(TraceField::pid),
                std::string(record.word(TraceField::state)),
                {}};
    event.frames.assign(record.frames.begin(), record.frames.end());
    result.events.push_back(std::move(event));
  }
  result.facts = reader.facts();
  result.ok = result.diagnostics.ok();
  return result;
}

// "t.trace:1:2: message\n<line>\n<caret>\n" of the first error
std::string error(const std::string& text) {
  const Read result = read(text);
  CHECK_FALSE(result.ok);
  const auto all = result.diagnostics.sorted();
  REQUIRE_FALSE(all.empty());
  return position(result.source, all[0].at) + ": " + all[0].message;
}

std::string losses(const std::string& text) {
  const Read result = read(text);
  REQUIRE(result.ok);
  std::string all;
  for (const Loss& loss : result.facts.losses) {
    all += loss.what + " " + std::to_string(loss.count) + " @" + std::to_string(loss.first.line) +
           (loss.gap ? " gap;" : ";");
  }
  return all;
}

Event only_event(const std::string& line) {
  const Read result = read(line + "\n");
  REQUIRE(result.ok);
  REQUIRE(result.facts.losses.empty());
  REQUIRE(result.events.size() == 1);
  return result.events[0];
}

}  // namespace

TEST_CASE("an event line may have flags of four or five columns, a TGID, an instance, nine digits") {
  const std::string event = "dma_fence_init: driver=vgem timeline=unbound context=4 seqno=7";
  const std::string line = GENERATE(as<std::string>{},                                          //
                                    "     my task-12      [001] .....     2.500000: ",          //
                                    "     my task-12      [001] ....     2.500000: ",           //
                                    "     my task-12      (  196) [001] .....     2.500000: ",  //
                                    "     my task-12      (-----) [001] .....     2.500000: ",  //
                                    "     my task-12      [001]     2.500000000: ",             //
                                    "gpu:      my task-12      [001]     2.500000: ");
  INFO(line);
  const std::string text = line + event;
  const auto parsed = parse_event_line(text);
  REQUIRE(parsed);
  CHECK(parsed->comm == "my task");
  CHECK(parsed->pid == 12);
  CHECK(parsed->cpu == 1);
  CHECK(parsed->time == 2'500'000'000U);
  CHECK(parsed->event == "dma_fence_init");
  const Event fence = only_event(text);
  CHECK(fence.driver == "vgem");
  CHECK(fence.timeline == "unbound");
  CHECK(fence.fence == FenceKey{4, 7});
}

TEST_CASE("a comm is everything before the last number, whatever it holds") {
  const auto comm = [](const std::string& task) {
    const std::string text = "  " + task + " [000] .....  1.000000: dma_fence_init: x";
    const auto line = parse_event_line(text);
    return line ? std::string(line->comm) + "|" + std::to_string(line->pid) : "not an event";
  };
  CHECK(comm("glxgears:cs0-71") == "glxgears:cs0|71");
  CHECK(comm("a-b-3-71") == "a-b-3|71");
  CHECK(comm("kworker/u8:3-71") == "kworker/u8:3|71");
  CHECK(comm("x-1 [0] y-71") == "x-1 [0] y|71");
  CHECK(comm("(sd-pam)-71") == "(sd-pam)|71");
  CHECK(comm("<...>-71") == "<...>|71");
  CHECK(comm("nopid") == "not an event");
  CHECK(comm("big-99999999999") == "not an event");
}

TEST_CASE("fence arguments are read from the right and cut to 32 bits") {
  const std::string begin = "  a-1 [000] .....  1.000000: dma_fence_init: ";
  const Event spaced = only_event(begin + "driver=amdgpu tlb fence timeline=user proxy context=5 seqno=6");
  CHECK(spaced.driver == "amdgpu tlb fence");
  CHECK(spaced.timeline == "user proxy");
  const Event empty = only_event(begin + "driver=x timeline= context=4294967301 seqno=4294967295");
  CHECK(empty.timeline.empty());
  CHECK(empty.fence == FenceKey{5, 4294967295U});
  CHECK(losses(begin + "driver=x timeline=y context=1 seqno=\n") == "malformed-line 1 @1 gap;");
  CHECK(losses(begin + "timeline=y context=1 seqno=1\n") == "malformed-line 1 @1 gap;");
}

TEST_CASE("the third flag, the idle task and ksoftirqd mean interrupt context") {
  const auto context = [](const std::string& begin) {
    return only_event("  " + begin + " 1.000000: dma_fence_signaled: driver=x timeline=y context=1 seqno=1").context;
  };
  for (const char flag : std::string("hHszZ"))
    CHECK(context(std::string("a-1 [000] d.") + flag + "1.") == TraceContext::interrupt);
  CHECK(context("a-1 [000] d..1.") == TraceContext::task);
  CHECK(context("a-1 [000] dN.2") == TraceContext::task);
  CHECK(context("a-1 [000]") == TraceContext::unmarked);
  CHECK(context("<idle>-0 [000]") == TraceContext::interrupt);
  CHECK(context("ksoftirqd/1-21 [001]") == TraceContext::interrupt);
}

TEST_CASE("the old names of the fence events are the same events") {
  for (const TraceEventInfo& row : trace_event_table) {
    if (row.system != "fence") continue;
    const std::string arguments = ": driver=x timeline=y context=1 seqno=1";
    CHECK(only_event("  a-1 [000] .... 1.000000: " + std::string(row.id) + arguments).kind == row.kind);
    CHECK(only_event("  a-1 [000] .... 1.000000: dma_" + std::string(row.id) + arguments).kind == row.kind);
  }
}

TEST_CASE("sched_switch is read in all three forms") {
  const std::string rest = GENERATE(as<std::string>{},                                                       //
                                    "prev_comm=a b prev_pid=9 prev_prio=120 prev_state=Z ==> next_comm=x ",  //
                                    "prev_comm=a b prev_pid=9 prev_prio=120 prev_state=32 ==> next_comm=x",  //
                                    "a b:9 [120] X ==> swapper/1:0 [120]");
  const Event event = only_event("  a b-9 [000] d..2. 1.000000: sched_switch: " + rest);
  CHECK(event.kind == TraceEventKind::task_switch);
  CHECK(event.number_pid == 9);
  CHECK_FALSE(event.state.empty());
  CHECK(losses("  a-9 [000] d..2. 1.000000: sched_switch: nonsense\n") == "malformed-line 1 @1 gap;");
}

TEST_CASE("a stack follows its event, in the order of the file") {
  const Read result = read(
      "  a-1 [000] ..... 1.000000: dma_fence_wait_start: driver=x timeline=y context=1 seqno=1\n"
      "  b-2 [001] ..... 1.000001: dma_fence_wait_start: driver=x timeline=y context=2 seqno=1\n"
      "  a-1 [000] ..... 1.000002: <stack trace>\n => first\n => second\n"
      "  b-2 [001] ..... 1.000003: kernel_stack: <stack trace >\n=> third (ffffffff81000000)\n");
  REQUIRE(result.ok);
  CHECK(result.facts.losses.empty());
  REQUIRE(result.events.size() == 4);
  CHECK(result.events[2].pid == 1);
  CHECK(result.events[2].frames == std::vector<std::string>{"first", "second"});
  CHECK(result.events[3].pid == 2);
  CHECK(result.events[3].frames == std::vector<std::string>{"third"});
}

TEST_CASE("latency format has its own columns") {
  const Read result = read(
      "# tracer: nop\n#\n# nop latency trace v1.1.5 on 7.3.4\n"
      "vk timel-217       0..... 38597us+: dma_fence_init: driver=x timeline=y context=7 seqno=143\n"
      "  <idle>-0        12d.h1. 38619us : dma_fence_signaled: driver=x timeline=y context=7 seqno=143\n"
      "     b us-3        1d..1  38620us!: sched_waking: comm=x pid=1 prio=1\n");
  REQUIRE(result.ok);
  CHECK(result.facts.losses.empty());
  REQUIRE(result.events.size() == 3);
  CHECK(result.events[0].pid == 217);
  CHECK(result.events[0].time == 38'597'000U);
  CHECK(result.events[1].context == TraceContext::interrupt);
  CHECK(result.events[2].pid == 3);
}

TEST_CASE("of an HTML page only the trace counts, and atrace's first lines do not") {
  const std::string page =
      "<!DOCTYPE html>\n<html><script>a-1 [000]</script>\n<script class=\"trace-data\" type=\"application/text\">\n"
      "PROCESS DUMP\nroot 1 0\n# tracer: nop\n" +
      init + "</script>\nnonsense\n</html>\n";
  const Read result = read(page);
  REQUIRE(result.ok);
  CHECK(result.events.size() == 1);
  CHECK(result.facts.losses.empty());
  CHECK(error("<!DOCTYPE html>\n<html></html>\n") == "t.trace:1:1: an HTML page without a trace in it");
  CHECK(losses("capturing trace... done\nTRACE:\n# tracer: nop\n" + init).empty());
}

TEST_CASE("what is skipped is counted, and a gap where events are missing") {
  CHECK(losses(init).empty());
  CHECK(losses("CPU:1 [LOST 48030 EVENTS]\n" + init) == "lost-events 48030 @1 gap;");
  CHECK(losses("CPU:1 [LOST EVENTS]\n" + init) == "lost-events 1 @1 gap;");
  CHECK(losses("CPU:0 [272 EVENTS DROPPED]\n" + init) == "lost-events 272 @1 gap;");
  CHECK(losses("##### CPU 2 buffer started ####\nversion = 6\ncpus=2\nCPU 1 is empty\n\n" + init).empty());
  CHECK(losses(init + "nonsense\n") == "malformed-line 1 @2 gap;");
  CHECK(losses("# entries-in-buffer/entries-written: 1/9   #P:2\n" + init) == "overwritten 8 @1 gap;");
  CHECK(losses("# entries-in-buffer/entries-written: 3/3   #P:2\n" + init) == "cut-short 2 @2 gap;");
  CHECK(losses(init + "  a-1 [000] ..... 0.5: sched_waking: comm=x pid=1\n") == "clock-went-back 1 @2 gap;");
  CHECK(losses(init + "  a-1 [001] ..... 0.5: sched_waking: comm=x pid=1\n").empty());
  CHECK(losses(init + "  a-1 [000] ..... 2.5: print: two\nlines\n") == "other-event 1 @2;continuation 1 @3;");
  CHECK(losses(init + "  a-1 [000] ..... 2.5: dma_fence_init: driver=x\n") == "malformed-line 1 @2 gap;");
  CHECK(losses(init + init.substr(0, init.size() - 1)) == "no-final-newline 1 @2 gap;");
  CHECK(losses(init + "  a-1 [000] ..... 2.5: do_exit <-x64_sys_exit\n") == "other-event 1 @2;");
}

TEST_CASE("lost events lie between two lines of their CPU") {
  const Read result = read(init + "  b-2 [001] ..... 1.5: sched_waking: comm=x pid=1\nCPU:0 [LOST 2 EVENTS]\n" + init);
  REQUIRE(result.ok);
  REQUIRE(result.facts.gaps.size() == 1);
  CHECK(result.facts.gaps[0].from == 1);
  CHECK(result.facts.gaps[0].to == 3);
}

TEST_CASE("what cannot be read is refused at its place") {
  CHECK(error("") == "t.trace: the file is empty");
  CHECK(error("# tracer: nop\n#\n") == "t.trace:2:1: truncated: the trace ends after its header");
  CHECK(error(init + init.substr(0, 30)) == "t.trace:2:1: truncated: the file ends in the middle of this line");
  CHECK(error("hello\n") ==
        "t.trace:1:1: this is not ftrace text; expected '<task>-<pid> [<cpu>] <time>: <event>: ...'");
  CHECK(error(init + "  a" + std::string(1, '\0') + "b\n") ==
        "t.trace:2:4: a NUL byte: this is binary data, not ftrace text");
  CHECK(error("# tracer: function_graph\n") ==
        "t.trace:1:1: the function_graph tracer writes events without their task; record with 'echo nop > "
        "current_tracer'");
  CHECK(error("# tracer: nop\n247 0 140305146572 type: 960\n") ==
        "t.trace:2:1: a raw trace has numbers in place of event names; record with 'echo 0 > options/raw'");
  CHECK(error("# tracer: nop\ndma_fence_init: driver=vgem timeline=unbound context=4 seqno=1\n") ==
        "t.trace:2:1: a trace without tasks and times says nothing about waits; record with 'echo 1 > "
        "options/context-info'");
}

TEST_CASE("an empty recording is no error") {
  CHECK(read("# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0   #P:2\n").ok);
  CHECK(read("cpus=1\nCPU 0 is empty\n").ok);
}

namespace {

// Endless text without a newline, which counts how much of it was read.
class Endless : public std::streambuf {
 public:
  std::size_t taken = 0;

 protected:
  std::streamsize xsgetn(char* to, std::streamsize count) override {
    std::fill_n(to, count, 'x');
    taken += static_cast<std::size_t>(count);
    return count;
  }
  int underflow() override { return 'x'; }
};

}  // namespace

TEST_CASE("a line that is too long is refused before it is buffered") {
  Endless endless;
  std::istream in(&endless);
  Source source{"t.trace", "", {}};
  Diagnostics diagnostics;
  TraceRecord record;
  FtraceReader reader(in, source, diagnostics);
  CHECK_FALSE(reader.next(record));
  REQUIRE(diagnostics.sorted().size() == 1);
  CHECK(diagnostics.sorted()[0].message == "a line of more than 1048576 bytes: this is not ftrace text");
  CHECK(diagnostics.sorted()[0].at.line == 1);
  CHECK(endless.taken < 2 * ftrace_line_limit);
}

TEST_CASE("no cut of a trace goes unnoticed") {
  const std::string text = "# tracer: nop\n" + init + init;
  for (std::size_t length = 0; length < text.size(); ++length) {
    if (length == 14 + init.size()) continue;  // between two lines, without a header that counts them
    INFO("cut to " << length << " bytes");
    const Read result = read(text.substr(0, length));
    CHECK((!result.ok || (!result.facts.losses.empty() && result.facts.losses.back().gap)));
  }
}

TEST_CASE("a comment says what should be found") {
  const auto expect = [](const std::string& words) {
    return read("# tracer: nop\n# fencecheck expect: " + words + "\n" + init).facts.expect;
  };
  CHECK(expect("holds")->verdict == Verdict::holds);
  CHECK(expect("unknown")->verdict == Verdict::unknown);
  CHECK(expect("stall, deadlock")->verdict == Verdict::violated);
  CHECK(expect("stall, deadlock")->findings == std::vector{FindingKind::deadlock, FindingKind::stall});
  CHECK(expect("stall")->at == Place{2, 22, 5});
  CHECK_FALSE(read(init + "# fencecheck expect: stall\n").facts.expect);
}

TEST_CASE("a wrong expectation is an error with its column and a suggestion") {
  const Read result = read("# fencecheck expect: stall, dedlock\n" + init);
  CHECK_FALSE(result.ok);
  const auto all = result.diagnostics.sorted();
  REQUIRE(all.size() == 1);
  CHECK(all[0].message == "no verdict and no finding is called 'dedlock'; did you mean 'deadlock'?");
  CHECK(excerpt(result.source, all[0].at) ==
        "# fencecheck expect: stall, dedlock\n                            ^~~~~~~\n");
  CHECK(error("# fencecheck expect: holds, stall\n" + init) == "t.trace:1:22: 'holds' must stand alone");
  CHECK(error("# fencecheck expect:\n" + init) == "t.trace:1:21: a verdict or a kind of finding is missing here");
}

TEST_CASE("a clock that counts is noticed") {
  const Read result =
      read("  a-1 (  1) [000] ..... 4: dma_fence_init: driver=vgem timeline=unbound context=4 seqno=1\n");
  REQUIRE(result.ok);
  CHECK_FALSE(result.facts.timed);
}

TEST_CASE("reading ends when it has to, and says so, also where nothing is understood") {
  std::string text = init;
  for (int i = 0; i < 10'000; ++i) text += "  a-1 [000] .....  1.000000: something: else\n";
  std::istringstream in(text + init);
  Source source{"t.trace", "", {}};
  Diagnostics diagnostics;
  FtraceReader reader(in, source, diagnostics,
                      [](const TraceFacts& facts) { return facts.events > 5000 ? "enough" : ""; });
  TraceRecord record;
  CHECK(reader.next(record));
  CHECK_FALSE(reader.next(record));
  CHECK(reader.facts().stopped == "enough");
  CHECK(reader.facts().events < 10'000);
  CHECK(std::ranges::count(reader.facts().losses, "not-read", &Loss::what) == 1);
  CHECK(diagnostics.ok());
}
