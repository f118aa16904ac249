// The parts of the scenario language: its mappings, and the forms of values.
//
// Three tables that the rows of keys.hpp refer to: in which mapping a key stands
// (Context), what kind of thing a value is (Form), and whether it is one thing,
// a list or a table of them (Shape).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "graph/input/scenario.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/vocabulary.hpp"

namespace fencecheck {

// The mappings of the language.
enum class Context : std::uint8_t {
  none,
  scenario,
  template_,
  expect,
  environment,
  region,
  group,
  limits,
  buffer,
  address_space,
  fence,
  timeline,
  syncobj,
  lock_object,
  variable,
  pool,
  queue,
  work,
  thread,
  step,
  submit,
  wait,
  wait_reservation,
  wait_submissions,
  lock,
  trylock,
  transaction,
  alloc,
  evict,
  validate,
  move,
  map,
  attach,
  detach,
  reserve,
  rearm,
  set_limit,
  take,
  give,
  if_,
  loop,
  vm_bind,
  wait_syncobj,
  transfer,
  last_ = transfer
};

struct ContextInfo {
  Context context;
  std::string_view id;
  std::string_view noun;  // "a fence needs a key …"
  std::string_view says;
};

inline constexpr auto context_table = std::to_array<ContextInfo>({
    {Context::none, "none", "nothing", ""},
    {Context::scenario, "scenario", "a scenario", "The keys at the left margin. `fencecheck` comes first."},
    {Context::template_, "template", "a template",
     "Objects and threads of which there are several instances, such as clients. Inside, a name means the instance's "
     "own object; those of others are `client.previous.done` and so on. See [Designs](input.md#designs)."},
    {Context::expect, "expectation", "'expect'",
     "What a check of this scenario should find. If it finds something else, the check fails."},
    {Context::environment, "environment", "'environment'", "What the world around the threads may do."},
    {Context::region, "region", "a region",
     "A kind of memory, such as the video memory of one card. With a capacity, what is where is tracked."},
    {Context::group, "group", "a group", "A control group of device memory. The group `root` is always there."},
    {Context::limits, "limits", "'limits'",
     "The files `dmem.min`, `dmem.low` and `dmem.max` of a group, for a region."},
    {Context::buffer, "buffer", "a buffer",
     "A buffer object. Its name also stands for its reservation lock, wherever a lock is expected."},
    {Context::address_space, "address-space", "an address space",
     "The memory that a device maps for a process: a VM. What runs in it uses all of its buffers."},
    {Context::fence, "fence", "a fence", "A fence that is not the out-fence of a job, or one with special properties."},
    {Context::timeline, "timeline", "a timeline",
     "A row of fences, named `frames:1`, `frames:2` and so on. Signalling one signals all before it."},
    {Context::syncobj, "syncobj", "a syncobj",
     "A container of a fence, empty at first; with points a timeline of them, named `s:1` and so on."},
    {Context::lock_object, "lock-object", "a lock", "A lock of its own. Buffers bring theirs along."},
    {Context::variable, "variable", "a variable", "A small piece of state that steps set and test."},
    {Context::pool, "pool", "a pool", "Something of which there is only so much: ring slots, workers, credits."},
    {Context::queue, "queue", "a queue", "Where jobs are submitted to. They start in order."},
    {Context::work, "work", "a work",
     "A work item: its steps run on its queue each time that it has been queued. It holds no lock at its end."},
    {Context::thread, "thread", "a thread", "One sequential program."},
    {Context::step, "step", "a step", "A step is a mapping with exactly one of these keys."},
    {Context::submit, "submit", "'submit'",
     "The job waits for its fences, does what it `runs`, and signals its own fence. That fence is published here."},
    {Context::wait, "wait", "'wait'", "Waits for all or for any of some fences."},
    {Context::wait_reservation, "wait-reservation", "'wait-reservation'",
     "Waits for the fences that are attached to a buffer at that moment."},
    {Context::wait_submissions, "wait-submissions", "'wait-submissions'",
     "Waits for the submission fences of a user queue that are published at that moment."},
    {Context::lock, "lock", "'lock'", ""},
    {Context::trylock, "trylock", "'trylock'", "Takes a lock if it is free."},
    {Context::transaction, "transaction", "'transaction'", "Takes several ww locks, and releases them at its end."},
    {Context::alloc, "alloc", "'alloc'", "Allocates memory. That may run shrinkers and notifiers, or evict buffers."},
    {Context::evict, "evict", "'evict'", "Moves a buffer out of its region, after waiting for its fences."},
    {Context::validate, "validate", "'validate'",
     "Makes buffers resident: tries their placements in order, and evicts others where that is permitted."},
    {Context::move, "move", "'move'", "Moves a buffer to another region, after its fences. Its lock is held."},
    {Context::map, "map", "'map'", "Page tables of an address space show where its buffers are."},
    {Context::attach, "attach", "'attach'", "Puts a fence into the reservation object of a buffer."},
    {Context::detach, "detach", "'detach'", "Takes a fence out of the reservation object of a buffer."},
    {Context::reserve, "reserve", "'reserve'",
     "Reserves slots for fences in a buffer's reservation object, until its lock is released."},
    {Context::rearm, "rearm", "'rearm'",
     "Publishes a new eviction fence in place of the old one, and attaches it to all buffers of an address space."},
    {Context::set_limit, "set-limit", "'set-limit'",
     "Writes `dmem.max` of a group. Where usage is above it, the writer evicts."},
    {Context::take, "take", "'take'", ""},
    {Context::give, "give", "'give'", ""},
    {Context::if_, "if", "'if'", "Goes one way if all of the variables have these values, else the other way."},
    {Context::loop, "loop", "'loop'", "Steps that `retry` begins again. Without it they run once."},
    {Context::vm_bind, "vm-bind", "'vm-bind'",
     "Changes an address space by a list of operations: in the ioctl, or by a job of a bind queue."},
    {Context::wait_syncobj, "wait-syncobj", "'wait-syncobj'",
     "A host wait. Without `wait-for-submit` a syncobj that is empty ends it with -EINVAL: the step does nothing."},
    {Context::transfer, "transfer", "'transfer'",
     "Copies the fence that a syncobj holds now. A sync_file is a syncobj that is written once."},
});
static_assert(covers(context_table, &ContextInfo::context, Context::last_));
constexpr const ContextInfo& info(Context context) { return context_table[static_cast<std::size_t>(context)]; }

// What kind of thing a value is.
enum class Form : std::uint8_t {
  none,  // only the long form, a mapping
  version,
  instances,
  line,
  text,
  boolean,
  integer,
  capacity,
  amount,
  count,
  size,
  limit,
  duration,
  outcome,
  verdict,
  finding,
  cause,
  thread_kind,
  fence_kind,
  lock_kind,
  queue_kind,
  usage,
  gfp,
  locking,
  kernel,
  address_space_mode,
  fence,
  buffer,
  region,
  group,
  address_space,
  lock,
  queue,
  job,
  hardware,
  work,
  loop,
  pool,
  procedure,
  steps,
  variable,
  syncobj,
  range,
  operation,
  page_tables_from,
  bind_errors,
  bind_errno,
  job_errors,
  last_ = job_errors
};

// A word that a value may be, and what it means.
struct Word {
  std::string_view id;
  std::string_view says;
};

template <const auto& table>
std::vector<Word> words_of() {
  std::vector<Word> words;
  for (const auto& row : table) words.push_back({row.id, row.says});
  return words;
}

struct LockingInfo {
  EvictStep::Locking locking;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto locking_table = std::to_array<LockingInfo>({
    {EvictStep::Locking::trylock, "trylock", "gives up if somebody holds the buffer's lock"},
    {EvictStep::Locking::lock, "lock", "waits for the buffer's lock"},
    {EvictStep::Locking::held, "held", "the thread holds the buffer's lock already"},
});

struct QueueKindInfo {
  QueueKind kind;
  std::string_view id;
  std::string_view says;
  ThreadKind runs;  // what its jobs are
};

inline constexpr auto queue_kind_table = std::to_array<QueueKindInfo>({
    {QueueKind::engine, "engine", "hardware that runs jobs", ThreadKind::engine},
    {QueueKind::worker, "worker", "a workqueue: kernel workers run its jobs and works", ThreadKind::worker},
    {QueueKind::user, "user", "a ring that userspace writes, with a doorbell; hardware runs what stands there",
     ThreadKind::engine},
    {QueueKind::bind, "bind", "a bind queue: a worker runs the jobs of `vm-bind`, in order, and none of another queue",
     ThreadKind::worker},
});
static_assert(covers(queue_kind_table, &QueueKindInfo::kind, QueueKind::last_));
constexpr const QueueKindInfo& info(QueueKind kind) { return queue_kind_table[static_cast<std::size_t>(kind)]; }

struct PageTablesFromInfo {
  PageTablesFrom from;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto page_tables_from_table = std::to_array<PageTablesFromInfo>({
    {PageTablesFrom::reserve, "reserve", "from a reserve: nothing is allocated"},
    {PageTablesFrom::ioctl, "ioctl", "allocated in the ioctl, before there is a fence"},
    {PageTablesFrom::job, "job", "allocated where they are written"},
});
static_assert(covers(page_tables_from_table, &PageTablesFromInfo::from, PageTablesFrom::last_));

struct BindErrorsInfo {
  BindErrors errors;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto bind_errors_table = std::to_array<BindErrorsInfo>({
    {BindErrors::unchanged, "unchanged", "all that can fail comes first: the address space is as it was"},
    {BindErrors::unwind, "unwind", "what has been done is undone"},
    {BindErrors::saved, "saved", "the VM remembers where to go on, and blocks other binds until the restart"},
    {BindErrors::cookie, "cookie", "a variable of the caller says where to go on"},
    {BindErrors::partial, "partial", "what has been done stays, and nobody knows: a restart begins from the start"},
});
static_assert(covers(bind_errors_table, &BindErrorsInfo::errors, BindErrors::last_));

struct BindErrnoInfo {
  BindErrno number;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto bind_errno_table = std::to_array<BindErrnoInfo>({
    {BindErrno::enospc, "ENOSPC", "memory is overcommitted: unbind something and restart"},
    {BindErrno::enomem, "ENOMEM", "no system memory: free some, or give up"},
    {BindErrno::eintr, "EINTR", "a signal came: restart"},
});
static_assert(covers(bind_errno_table, &BindErrnoInfo::number, BindErrno::last_));

struct JobErrorsInfo {
  JobErrors errors;
  std::string_view id;
  std::string_view says;
};

inline constexpr auto job_errors_table = std::to_array<JobErrorsInfo>({
    {JobErrors::none, "none", "the job cannot fail"},
    {JobErrors::ban, "ban", "the VM is banned: its jobs do not run, and nothing is bound any more (-ENOENT)"},
    {JobErrors::ignore, "ignore", "the rest of the list is left out, and the VM stays in use"},
    {JobErrors::report, "report", "the same, and the fence carries the error"},
});
static_assert(covers(job_errors_table, &JobErrorsInfo::errors, JobErrors::last_));

[[nodiscard]] std::vector<Word> outcome_words();
[[nodiscard]] std::vector<Word> verdict_words();
[[nodiscard]] std::vector<Word> thread_kind_words();

struct FormInfo {
  Form form;
  std::string_view id;
  std::string_view one;     // "a duration such as 10s"
  std::string_view many;    // "durations such as 10s"
  std::string_view schema;  // JSON Schema, unless there are words
  std::vector<Word> (*words)() = nullptr;
  std::int64_t least = 0;  // of numbers
  std::int64_t most = 0;
};

inline constexpr std::string_view name_schema = R"({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.+-]*$"})";
inline constexpr std::int64_t most_integer = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t most_count = 10'000;
inline constexpr std::uint64_t most_bytes = dmem::unlimited - 1;  // one more means that there is no limit

inline constexpr auto form_table = std::to_array<FormInfo>({
    {Form::none, "none", "a mapping", "mappings", "{}"},
    {Form::version, "version", "the number 1", "numbers", R"({"const": 1})"},
    {Form::instances, "instances", "'many', or an integer from 1 to 100", "numbers",
     R"({"anyOf": [{"const": "many"}, {"type": "integer", "minimum": 1, "maximum": 100}]})", nullptr, 1, 100},
    {Form::line, "line", "one line of text", "lines of text", R"({"type": ["string", "number", "boolean"]})"},
    {Form::text, "text", "text", "texts", R"({"type": ["string", "number", "boolean"]})"},
    {Form::boolean, "truth-value", "true or false", "truth values", R"({"type": "boolean"})"},
    {Form::integer, "integer", "an integer", "integers", R"({"type": "integer"})", nullptr,
     std::numeric_limits<std::int64_t>::min(), most_integer},
    {Form::capacity, "capacity", "an integer of at least 0", "integers", R"({"type": "integer", "minimum": 0})",
     nullptr, 0, most_integer},
    {Form::amount, "amount", "an integer of at least 1", "integers", R"({"type": "integer", "minimum": 1})", nullptr, 1,
     most_integer},
    {Form::count, "count", "an integer from 1 to 10000", "integers",
     R"({"type": "integer", "minimum": 1, "maximum": 10000})", nullptr, 1, most_count},
    {Form::size, "size", "a size such as 4GiB, 512MiB or 4096 (bytes)", "sizes",
     R"({"anyOf": [{"type": "integer", "minimum": 0}, )"
     R"({"type": "string", "pattern": "^(0|[1-9][0-9]*)([KMGT]iB)?$"}]})"},
    {Form::limit, "limit", "a size such as 4GiB, or max", "sizes",
     R"({"anyOf": [{"type": "integer", "minimum": 0}, )"
     R"({"type": "string", "pattern": "^((0|[1-9][0-9]*)([KMGT]iB)?|max)$"}]})"},
    {Form::duration, "duration", "a duration such as 10s, 250ms or 2min", "durations",
     R"({"type": "string", "pattern": "^[1-9][0-9]*(ms|s|min)$"})"},
    {Form::outcome, "outcome", "an outcome", "outcomes", "", outcome_words},
    {Form::verdict, "verdict", "a verdict", "verdicts", "", verdict_words},
    {Form::finding, "finding", "a finding", "findings", "", words_of<finding_table>},
    {Form::cause, "cause", "a cause", "causes", "", words_of<cause_table>},
    {Form::thread_kind, "thread-kind", "a kind of thread", "kinds of thread", "", thread_kind_words},
    {Form::fence_kind, "fence-kind", "a kind of fence", "kinds of fence", "", words_of<fence_kind_table>},
    {Form::lock_kind, "lock-kind", "a kind of lock", "kinds of lock", "", words_of<lock_kind_table>},
    {Form::queue_kind, "queue-kind", "a kind of queue", "kinds of queue", "", words_of<queue_kind_table>},
    {Form::usage, "usage", "a usage", "usages", "", words_of<usage_table>},
    {Form::gfp, "gfp", "an allocation class", "allocation classes", "", words_of<gfp_table>},
    {Form::locking, "locking", "a way of locking", "ways of locking", "", words_of<locking_table>},
    {Form::kernel, "kernel", "a kernel version", "kernel versions", "", words_of<dmem::kernel_table>},
    {Form::address_space_mode, "address-space-mode", "a mode of address spaces", "modes of address spaces", "",
     words_of<address_space_mode_table>},
    {Form::fence, "fence-name", "the name of a fence", "names of fences",
     R"({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.+-]*(:[1-9][0-9]*)?$"})"},
    {Form::buffer, "buffer-name", "the name of a buffer", "names of buffers", name_schema},
    {Form::region, "region-name", "the name of a region", "names of regions", name_schema},
    {Form::group, "group-name", "the name of a group", "names of groups", name_schema},
    {Form::address_space, "address-space-name", "the name of an address space", "names of address spaces", name_schema},
    {Form::lock, "lock-name", "the name of a lock or buffer", "names of locks or buffers", name_schema},
    {Form::queue, "queue-name", "the name of a queue", "names of queues", name_schema},
    {Form::job, "job-name", "a name for the job", "names for jobs", name_schema},
    {Form::hardware, "hardware-name", "the name of a user queue or job", "names of user queues or jobs", name_schema},
    {Form::work, "work-name", "the name of a work", "names of works", name_schema},
    {Form::loop, "loop-name", "the name of a loop", "names of loops", name_schema},
    {Form::pool, "pool-name", "the name of a pool", "names of pools", name_schema},
    {Form::procedure, "procedure-name", "the name of a procedure", "names of procedures", name_schema},
    {Form::steps, "steps", "a list of steps", "lists of steps",
     R"({"type": "array", "items": {"$ref": "#/$defs/step"}})"},
    {Form::variable, "variable-name", "the name of a variable", "names of variables", name_schema},
    {Form::syncobj, "syncobj-name", "the name of a syncobj", "names of syncobjs",
     R"({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.+-]*(:[1-9][0-9]*)?$"})"},
    {Form::range, "range", "a range such as `a at 0x10000+64KiB` or `a from 4KiB at 0x10000+64KiB`", "ranges",
     R"({"type": "string", )"
     R"("pattern": "^[A-Za-z_][A-Za-z0-9_.+-]*( from [0-9a-zA-Z]+)? at [0-9a-zA-Z]+\\+[0-9a-zA-Z]+$"})"},
    {Form::operation, "operation",
     "an operation: `map a at 0x10000+64KiB`, `unmap 0x10000+64KiB` or `move 0x10000+64KiB to 0x40000`", "operations",
     R"({"type": "string", "pattern": "^(map|unmap|move) "})"},
    {Form::page_tables_from, "page-tables-from", "where page tables come from", "sources of page tables", "",
     words_of<page_tables_from_table>},
    {Form::bind_errors, "bind-errors", "a treatment of errors", "treatments of errors", "",
     words_of<bind_errors_table>},
    {Form::bind_errno, "errno", "an error number", "error numbers", "", words_of<bind_errno_table>},
    {Form::job_errors, "job-errors", "a treatment of a job's errors", "treatments of a job's errors", "",
     words_of<job_errors_table>},
});
static_assert(covers(form_table, &FormInfo::form, Form::last_));
constexpr const FormInfo& info(Form form) { return form_table[static_cast<std::size_t>(form)]; }

// How the parts of a value are arranged.
enum class Shape : std::uint8_t {
  one,
  one_or_list,
  list,
  full_list,
  branches,
  table,
  full_table,
  entry,
  last_ = entry
};

struct ShapeInfo {
  Shape shape;
  bool is_list;
  bool is_table;  // a mapping from names that the user chooses
  std::size_t least;
  std::size_t most;
};

inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
inline constexpr auto shape_table = std::to_array<ShapeInfo>({
    {Shape::one, false, false, 1, 1},
    {Shape::one_or_list, true, false, 1, no_limit},
    {Shape::list, true, false, 0, no_limit},
    {Shape::full_list, true, false, 1, no_limit},
    {Shape::branches, true, false, 2, no_limit},
    {Shape::table, false, true, 0, no_limit},
    {Shape::full_table, false, true, 1, no_limit},
    {Shape::entry, false, true, 1, 1},
});
static_assert(covers(shape_table, &ShapeInfo::shape, Shape::last_));
constexpr const ShapeInfo& info(Shape shape) { return shape_table[static_cast<std::size_t>(shape)]; }

}  // namespace fencecheck
