// The page of what is understood in traces, from its tables.
#include "graph/input/trace_page.hpp"

#include <fmt/format.h>

#include "graph/input/recorded_events.hpp"
#include "graph/input/trace.hpp"

namespace fencecheck {

using namespace observed;  // NOLINT(google-build-using-namespace): what is observed, not what a scenario says

namespace {

// The kernel's names of the fields that are read: "fence_context, fence_seqno".
std::string fields(const TraceEventInfo& row) {
  std::string text;
  for (const EventPattern& pattern : patterns_of(row.id)) {
    if (pattern.row != &row) continue;
    for (const PatternPart& part : pattern.parts) {
      if (part.field) text += fmt::format("{}`{}`", text.empty() ? "" : ", ", part.kernel_field);
    }
  }
  return text;
}

std::string names_of(std::span<const EventGroup> groups) {
  std::string names;
  for (const EventGroup group : groups)
    names +=
        fmt::format("{}`{}`", names.empty() ? "" : ", ", event_group_table[static_cast<std::size_t>(group)].record);
  return names;
}

std::string needs() {
  std::string text =
      "\n## What an answer needs\n\nSilence proves nothing about what was not recorded. `holds` needs at least one of "
      "each of these\nevents, or of those that mean the same in another kernel or driver; without them the answer is "
      "unknown, and\n`contract` is not given at all.\n\n| answer | events |\n|---|---|\n";
  text += fmt::format("| observed-hangs | {}; without waits only if no fence was unsignalled for long |\n",
                      names_of(hang_needs));
  text += fmt::format("| contract | {} |\n", names_of(contract_needs));
  text += fmt::format("| prediction | {}; {} where there are fences of a GPU scheduler |\n", names_of(order_needs),
                      names_of(job_order_needs));
  return text;
}

std::string events() {
  std::string page = "## Events\n\n";
  for (const TraceKindInfo& kind : trace_kind_table) {
    if (kind.kind == TraceEventKind::stack) continue;
    page += fmt::format("### {}\n\n", kind.title);
    if (!kind.says.empty()) page += fmt::format("Concluded: {}.\n\n", kind.says);
    page += "| event | kernels | fields that are read |\n|---|---|---|\n";
    for (const TraceEventInfo& row : trace_event_table) {
      if (row.kind == kind.kind)
        page += fmt::format("| `{}:{}` | {} | {} |\n", row.system, row.id, row.kernels, fields(row));
    }
    page += "\n";
  }
  return page;
}

}  // namespace

std::string traces_page() {
  std::string page =
      R"(<!-- made from graph/input/trace_event.hpp and trace.hpp by graph/input/trace_page.cpp; do not edit -->
# Traces

What `fencecheck check` understands in a recording, and what it concludes. Everything else is skipped and counted.

| format | how to get it | memory |
|---|---|---|
)"
      "| ftrace text, all headers, latency format included | `cat /sys/kernel/tracing/trace`, `trace-cmd report` | "
      "live fences and open waits |\n"
      R"(| trace.dat, versions 6 and 7 | `trace-cmd record` | live fences and open waits |
| Perfetto | `perfetto`, data source linux.ftrace | the latest 500,000 events that are understood |
| atrace, systrace, its HTML page too | `atrace`, `systrace` | live fences and open waits |

Each may be compressed with gzip, zstd or xz, or come from standard input (`fencecheck check -`). Kernel stacks
(`options/stacktrace`, `trace-cmd record -T`) say where a task waits. In binary formats the line of a message is the
number of the event.

`--merge` reads several files as one trace, in the order of their clock: one file for each CPU or instance, or one after
the other. An event that stands in two of them counts once, and the time between two files is a gap. Files that name
different clocks are refused, and so are those whose times are more than a day apart; ftrace text does not name its
clock, and the answer says that it was taken to be the same.

)";
  page += events();
  page += R"(## Dynamic events

No tracepoint tells the members of dma_fence_array and dma_fence_chain, nor the hardware fence of a job. On kernels with
BTF (6.12 and later) these definitions in `/sys/kernel/tracing/dynamic_events` record them:

```
)"
          "f:fx/chain_init dma_fence_chain_init chain prev pctx=prev->context pseq=prev->seqno "
          "fctx=fence->context fseq=fence->seqno seqno\n"
          "f:fx/array_init dma_fence_array_init array num_fences f0ctx=+32(+0(fences)):u64 "
          "f0seq=+40(+0(fences)):u64 f1ctx=+32(+8(fences)):u64 f1seq=+40(+8(fences)):u64 context seqno\n"
          "f:fx/sched_hw drm_sched_fence_scheduled sctx=fence->scheduled.context sseq=fence->scheduled.seqno "
          "pctx=parent->context pseq=parent->seqno\n"
          R"(```

Without them members are inferred from the order in which signals are asked for, and the report says so.

## Fences that a user task signals

| driver | signalled by | timer | see |
|---|---|---|---|
)";
  for (const UserSignalledInfo& row : user_signalled_table) {
    const auto seconds = row.fallback_timer.count() / 1000;
    page += fmt::format("| {} | {} | {} | {} |\n", row.driver, row.signalled_by,
                        seconds == 0 ? "none" : fmt::format("{} s", seconds), row.reference);
  }
  page += needs();
  page += "\n## Losses\n\nA gap makes \"nothing found\" unknown.\n\n| loss | gap | meaning |\n|---|---|---|\n";
  for (const LossInfo& row : loss_table)
    page += fmt::format("| {} | {} | {} |\n", row.id, row.gap ? "yes" : "no", row.says);
  return page;
}

}  // namespace fencecheck
