// The keys of the scenario language, each listed once.
//
// A row of key_table says everything about one key: where it may stand
// (Context), how its value is arranged (Shape), what the parts of the value are
// (Form), and whether the parts may also be written out as mappings of their own
// (`fields`). The reader refers to rows by key, checked at compile time; its
// error messages, the JSON Schema for editors and the tables of docs/input.md are
// made from the rows, and tests read every row's example.
//
// A short value and a long one say the same: `release: future` is
// `release: {kind: future}`.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/input/forms.hpp"

namespace fencecheck {

inline constexpr std::int64_t scenario_version = 1;

enum class Presence : std::uint8_t {
  optional,
  required,
  first,        // required, before all others
  one_of,       // exactly one of the context's keys that are marked so
  at_most_one,  // none or one of them
  some_of,      // one of them or more
  last_ = some_of
};

struct PresenceInfo {
  Presence presence;
  std::string_view says;
};

inline constexpr auto presence_table = std::to_array<PresenceInfo>({
    {Presence::optional, ""},
    {Presence::required, "**required**"},
    {Presence::first, "**required**"},
    {Presence::one_of, "exactly one of these"},
    {Presence::at_most_one, "at most one of these"},
    {Presence::some_of, "at least one of these"},
});
static_assert(covers(presence_table, &PresenceInfo::presence, Presence::last_));
constexpr const PresenceInfo& info(Presence presence) { return presence_table[static_cast<std::size_t>(presence)]; }

struct KeyRow {
  Context context;
  std::string_view key;
  Shape shape;
  Form form;       // of each part, written short
  Context fields;  // of each part, written long
  Presence presence;
  std::string_view says;
  std::string_view example;  // of the value
};

inline constexpr auto key_table = std::to_array<KeyRow>({
    {Context::scenario, "fencecheck", Shape::one, Form::version, Context::none, Presence::first,
     "The version of the language; the first key of the file.", "1"},
    {Context::scenario, "title", Shape::one, Form::line, Context::none, Presence::optional,
     "What the scenario shows, in one line. Without it, the file's name.", "a future fence meets memory management"},
    {Context::scenario, "description", Shape::one, Form::text, Context::none, Presence::optional,
     "What happens and why, for people.", "the compositor evicts while it holds the fence"},
    {Context::scenario, "source", Shape::one, Form::line, Context::none, Presence::optional,
     "Where the scenario comes from: a document, a mail, a commit.", "Documentation/driver-api/dma-buf.rst"},
    {Context::scenario, "expect", Shape::one_or_list, Form::outcome, Context::expect, Presence::optional,
     "What should come out: a verdict, or exactly these findings.", "deadlock"},
    {Context::scenario, "kernel", Shape::one, Form::kernel, Context::none, Presence::optional,
     "Whose rules for memory hold, where kernels differ. Without it: 7.3.", "\"7.2\""},
    {Context::scenario, "environment", Shape::one, Form::none, Context::environment, Presence::optional,
     "What may happen besides the threads' own steps.", "{memory-pressure: true, userspace-may-stop: false}"},
    {Context::scenario, "regions", Shape::table, Form::none, Context::region, Presence::optional,
     "Kinds of memory in which buffers displace each other.", "{vram: {capacity: 8GiB}, gtt: {}}"},
    {Context::scenario, "groups", Shape::table, Form::none, Context::group, Presence::optional,
     "Control groups of device memory.", "{slice: {}, jobs: {parent: slice, limits: {vram: {min: 4GiB}}}}"},
    {Context::scenario, "buffers", Shape::table, Form::none, Context::buffer, Presence::optional, "Buffer objects.",
     "{front: {region: vram, pinned: false}, back: {}}"},
    {Context::scenario, "address-spaces", Shape::table, Form::none, Context::address_space, Presence::optional,
     "What hardware maps, process by process.", "{vm: {mode: preempt-fence, buffers: [front], fence: ev}}"},
    {Context::scenario, "fences", Shape::table, Form::fence_kind, Context::fence, Presence::optional,
     "Fences; a kind alone says enough.", "{release: future, render: {kind: kernel, timeout: 10s}}"},
    {Context::scenario, "timelines", Shape::table, Form::none, Context::timeline, Presence::optional,
     "Ordered fences of one context.", "{frames: {kind: kernel, points: 3}}"},
    {Context::scenario, "locks", Shape::table, Form::lock_kind, Context::lock_object, Presence::optional,
     "Locks; a kind alone says enough.", "{m: mutex, sem: rwsem, obj: ww}"},
    {Context::scenario, "variables", Shape::table, Form::integer, Context::variable, Presence::optional,
     "State that steps set and test, with its initial value.", "{state: 0}"},
    {Context::scenario, "pools", Shape::table, Form::capacity, Context::pool, Presence::optional,
     "Counted resources, with their capacity.", "{slots: 2}"},
    {Context::scenario, "queues", Shape::table, Form::queue_kind, Context::queue, Presence::optional,
     "Where jobs run; a kind alone says enough.",
     "{gfx: engine, wq: {kind: worker, width: 4}, ring: {kind: user, address-space: vm}}"},
    {Context::scenario, "procedures", Shape::table, Form::steps, Context::none, Presence::optional,
     "Steps that `call` includes by name.", "{suspend: [{wait: render}]}"},
    {Context::scenario, "shrinkers", Shape::table, Form::steps, Context::none, Presence::optional,
     "Steps that an allocation may run to free memory, and kswapd if none does.", "{lru: [{evict: front}]}"},
    {Context::scenario, "notifiers", Shape::table, Form::steps, Context::none, Presence::optional,
     "Steps that an allocation may run before it takes pages away; if none does, they may run at any time.",
     "{userptr: [{wait: render}]}"},
    {Context::scenario, "works", Shape::table, Form::none, Context::work, Presence::optional,
     "Work items: what workers do each time that they are asked.", "{preempt: {queue: wq, steps: [{signal: ev}]}}"},
    {Context::scenario, "threads", Shape::full_table, Form::none, Context::thread, Presence::required, "Who does what.",
     "{compositor: {kind: user, steps: [{wait: render}]}}"},
    {Context::scenario, "outside", Shape::one_or_list, Form::line, Context::none, Presence::optional,
     "What recordings show and the design says nothing about, on purpose; as `seen-as` of any object.", "[kworker/*]"},
    {Context::expect, "verdict", Shape::one, Form::verdict, Context::none, Presence::some_of,
     "The answer. Findings imply `violated`.", "holds"},
    {Context::expect, "findings", Shape::one_or_list, Form::finding, Context::none, Presence::some_of,
     "Exactly the kinds of findings there should be.", "[deadlock, contract]"},
    {Context::expect, "needs", Shape::list, Form::cause, Context::none, Presence::optional,
     "The smallest set of causes with which alone it can still hang.", "[memory-management, userspace]"},
    {Context::environment, "memory-pressure", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Allocations may have to reclaim or evict. Without it: true.", "true"},
    {Context::environment, "userspace-may-stop", Shape::one, Form::boolean, Context::none, Presence::optional,
     "A user thread may stop at any step, for ever. Without it: false.", "false"},
    {Context::environment, "swap", Shape::one, Form::boolean, Context::none, Presence::optional,
     "What has no other place can be evicted to system memory. Without it: true.", "false"},
    {Context::environment, "reserved-slots", Shape::one, Form::boolean, Context::none, Presence::optional,
     "A fence that is attached needs a reserved slot. Without it: true if some step reserves slots.", "true"},
    {Context::region, "capacity", Shape::one, Form::size, Context::none, Presence::optional,
     "How much there is. Without it: more than enough.", "8GiB"},
    {Context::region, "accounted", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Charged to groups. Without it: true if some group has limits for it.", "true"},
    {Context::region, "copies-on", Shape::one, Form::queue, Context::none, Presence::optional,
     "The engine that copies what is evicted. Without it, evicting waits, and then the memory is free.", "sdma"},
    {Context::group, "parent", Shape::one, Form::group, Context::none, Presence::optional,
     "The group above. Without it: root.", "slice"},
    {Context::group, "limits", Shape::table, Form::none, Context::limits, Presence::optional,
     "Its limits, region by region.", "{vram: {min: 4GiB, max: max}}"},
    {Context::limits, "min", Shape::one, Form::limit, Context::none, Presence::optional,
     "Never evicted for others (`dmem.min`). Without it: 0.", "4GiB"},
    {Context::limits, "low", Shape::one, Form::limit, Context::none, Presence::optional,
     "Evicted only where nothing else is left (`dmem.low`). Without it: 0.", "0"},
    {Context::limits, "max", Shape::one, Form::limit, Context::none, Presence::optional,
     "Never more than this (`dmem.max`). Without it: max.", "max"},
    {Context::limits, "high", Shape::one, Form::limit, Context::none, Presence::optional,
     "No kernel has `dmem.high`: a warning, and nothing else.", "6GiB"},
    {Context::buffer, "region", Shape::one, Form::region, Context::none, Presence::optional,
     "Where it lives. Buffers of one region can evict each other.", "vram"},
    {Context::buffer, "pinned", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Never evicted. Without it: false.", "true"},
    {Context::buffer, "size", Shape::one, Form::size, Context::none, Presence::optional,
     "How much memory it takes. Without it: 0.", "2GiB"},
    {Context::buffer, "placements", Shape::full_list, Form::region, Context::none, Presence::optional,
     "Where it may be, the best first. Without it: its region only.", "[vram, gtt]"},
    {Context::buffer, "fallback", Shape::full_list, Form::region, Context::none, Presence::optional,
     "Placements taken only where all others failed, by eviction too (`TTM_PL_FLAG_FALLBACK`).", "[gtt]"},
    {Context::buffer, "group", Shape::one, Form::group, Context::none, Presence::optional,
     "Whom it is charged to at the beginning. Without it: root.", "jobs"},
    {Context::buffer, "resident", Shape::one, Form::boolean, Context::none, Presence::optional,
     "It has memory in its region, or first placement, at the beginning. Without it: true.", "false"},
    {Context::buffer, "keep", Shape::one, Form::boolean, Context::none, Presence::optional,
     "That it is evicted is a finding. Without it: false.", "true"},
    {Context::address_space, "mode", Shape::one, Form::address_space_mode, Context::none, Presence::optional,
     "What becomes of what runs when memory goes away. Without it: dma-fence.", "preempt-fence"},
    {Context::address_space, "buffers", Shape::list, Form::buffer, Context::none, Presence::optional,
     "What is mapped there. Whatever runs there uses all of them.", "[front, back]"},
    {Context::address_space, "fence", Shape::one, Form::fence, Context::none, Presence::optional,
     "Its eviction fence: on all of its buffers from the start; signalled, its user queues have stopped.", "ev"},
    {Context::address_space, "mapped", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Its buffers are mapped at the beginning. Without it: true.", "false"},
    {Context::address_space, "evicts-own", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Who allocates for it may evict its buffers. Without it: true.", "false"},
    {Context::fence, "kind", Shape::one, Form::fence_kind, Context::none, Presence::optional,
     "Who signals it. Without it: kernel.", "future"},
    {Context::fence, "timeout", Shape::one, Form::duration, Context::none, Presence::optional,
     "A timer signals it after this time, if nobody else does.", "10s"},
    {Context::fence, "imports", Shape::one, Form::fence, Context::none, Presence::at_most_one,
     "The user-controlled fence whose signal it passes on.", "u"},
    {Context::fence, "array", Shape::full_list, Form::fence, Context::none, Presence::at_most_one,
     "It signals when all of these have signalled.", "[a, b]"},
    {Context::fence, "on-wait", Shape::one, Form::work, Context::none, Presence::optional,
     "The work that is queued when somebody first waits for it (enable_signaling).", "suspend"},
    {Context::fence, "seen-as", Shape::one_or_list, Form::line, Context::none, Presence::optional,
     "How recordings call it: `DRIVER/TIMELINE`, or `DRIVER/TIMELINE@COMM` for those that a task owes; `*` and `?` "
     "match.",
     "[vgem/unbound@client-0]"},
    {Context::timeline, "kind", Shape::one, Form::fence_kind, Context::none, Presence::optional,
     "Who signals its points. Without it: kernel.", "kernel"},
    {Context::timeline, "points", Shape::one, Form::count, Context::none, Presence::required,
     "How many points it has, from 1 on.", "3"},
    {Context::timeline, "seen-as", Shape::one_or_list, Form::line, Context::none, Presence::optional,
     "How recordings call its fences, as for a fence.", "amdgpu/gfx_*"},
    {Context::lock_object, "kind", Shape::one, Form::lock_kind, Context::none, Presence::optional, "Without it: mutex.",
     "rwsem"},
    {Context::lock_object, "seen-as", Shape::one_or_list, Form::line, Context::none, Presence::optional,
     "How recordings call it: lockdep's class, in quotes; `*` and `?` match.", "\"&gpu->active_lock\""},
    {Context::variable, "initial", Shape::one, Form::integer, Context::none, Presence::optional,
     "Its value at the beginning. Without it: 0.", "0"},
    {Context::pool, "capacity", Shape::one, Form::capacity, Context::none, Presence::required, "How much there is.",
     "2"},
    {Context::queue, "kind", Shape::one, Form::queue_kind, Context::none, Presence::optional,
     "Who feeds it and what runs its jobs. Without it: engine.", "worker"},
    {Context::queue, "width", Shape::one, Form::count, Context::none, Presence::optional,
     "How many jobs may run at once. Without it: 1.", "4"},
    {Context::queue, "address-space", Shape::one, Form::address_space, Context::none, Presence::optional,
     "Engines and user queues: whose memory its jobs use.", "vm"},
    {Context::queue, "suspended", Shape::one, Form::boolean, Context::none, Presence::optional,
     "User queues: it does not run at the beginning. Without it: false.", "true"},
    {Context::queue, "rescuer", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Workers: there is one even when memory is short (WQ_MEM_RECLAIM). Without it: true.", "false"},
    {Context::queue, "seen-as", Shape::one_or_list, Form::line, Context::none, Presence::optional,
     "How recordings call the fences of its jobs, as for a fence.", "drm_sched/gfx_*"},
    {Context::work, "queue", Shape::one, Form::queue, Context::none, Presence::required, "The workqueue it runs on.",
     "wq"},
    {Context::work, "steps", Shape::one, Form::steps, Context::none, Presence::required, "What it does, in order.",
     "[{suspend: ring}, {signal: ev}]"},
    {Context::work, "group", Shape::one, Form::group, Context::none, Presence::optional,
     "Whom its allocations are charged to. Without it: root.", "jobs"},
    {Context::work, "address-space", Shape::one, Form::address_space, Context::none, Presence::optional,
     "For whom it allocates.", "vm"},
    {Context::thread, "kind", Shape::one, Form::thread_kind, Context::none, Presence::optional,
     "What runs the steps. Without it: user.", "ioctl"},
    {Context::thread, "steps", Shape::one, Form::steps, Context::none, Presence::required, "What it does, in order.",
     "[{wait: render}, {signal: release}]"},
    {Context::thread, "group", Shape::one, Form::group, Context::none, Presence::optional,
     "Whom its allocations are charged to. Without it: root.", "jobs"},
    {Context::thread, "address-space", Shape::one, Form::address_space, Context::none, Presence::optional,
     "For whom it allocates.", "vm"},
    {Context::thread, "seen-as", Shape::one_or_list, Form::line, Context::none, Presence::optional,
     "How recordings call the task: its comm; `*` and `?` match.", "[Xorg, Xwayland]"},
    {Context::step, "submit", Shape::one, Form::none, Context::submit, Presence::optional,
     "Pushes a job onto a queue and publishes its fence.",
     "{queue: display, job: flip, in: [release], out: render, uses: {front: write}}"},
    {Context::step, "wait", Shape::one_or_list, Form::fence, Context::wait, Presence::optional,
     "Waits for a fence, or for all of a list.", "render"},
    {Context::step, "wait-reservation", Shape::one, Form::buffer, Context::wait_reservation, Presence::optional,
     "Waits for the fences attached to a buffer.", "front"},
    {Context::step, "wait-submissions", Shape::one, Form::queue, Context::wait_submissions, Presence::optional,
     "Waits for the submission fences of a user queue.", "ring"},
    {Context::step, "signal", Shape::one_or_list, Form::fence, Context::none, Presence::optional, "Signals fences.",
     "render"},
    {Context::step, "publish", Shape::one_or_list, Form::fence, Context::none, Presence::optional,
     "Makes fences visible to others: from now on a kernel fence must signal.", "render"},
    {Context::step, "lock", Shape::one, Form::lock, Context::lock, Presence::optional,
     "Takes a lock, and waits for it if need be.", "m"},
    {Context::step, "unlock", Shape::one, Form::lock, Context::none, Presence::optional, "Releases a lock.", "m"},
    {Context::step, "trylock", Shape::one, Form::none, Context::trylock, Presence::optional,
     "Takes a lock if nobody holds it.", "{lock: m, steps: [{signal: render}], else: [{wait: render}]}"},
    {Context::step, "transaction", Shape::one, Form::none, Context::transaction, Presence::optional,
     "Takes several ww locks for some steps.",
     "{locks: [front, back], steps: [{evict: {buffer: front, locking: held}}]}"},
    {Context::step, "alloc", Shape::one, Form::gfp, Context::alloc, Presence::optional, "Allocates memory.", "kernel"},
    {Context::step, "evict", Shape::one, Form::buffer, Context::evict, Presence::optional,
     "Moves a buffer out of its region.", "front"},
    {Context::step, "validate", Shape::one, Form::buffer, Context::validate, Presence::optional,
     "Makes a buffer resident, and evicts others for it.", "front"},
    {Context::step, "move", Shape::one, Form::none, Context::move, Presence::optional,
     "Moves a buffer to another region.", "{buffer: front, to: gtt}"},
    {Context::step, "map", Shape::one, Form::address_space, Context::map, Presence::optional,
     "Maps the buffers of an address space where they are.", "vm"},
    {Context::step, "unmap", Shape::one, Form::buffer, Context::none, Presence::optional,
     "Takes a buffer out of all page tables.", "front"},
    {Context::step, "pin", Shape::one, Form::buffer, Context::none, Presence::optional,
     "Keeps a buffer where it is, once more.", "front"},
    {Context::step, "unpin", Shape::one, Form::buffer, Context::none, Presence::optional, "Takes one pin back.",
     "front"},
    {Context::step, "attach", Shape::one, Form::none, Context::attach, Presence::optional,
     "Puts a fence into a buffer's reservation object.", "{buffer: front, fence: render, usage: write}"},
    {Context::step, "detach", Shape::one, Form::none, Context::detach, Presence::optional,
     "Takes a fence out of a buffer's reservation object.", "{buffer: front, fence: ev}"},
    {Context::step, "reserve", Shape::one, Form::buffer, Context::reserve, Presence::optional,
     "Reserves a slot for a fence in a buffer's reservation object.", "front"},
    {Context::step, "rearm", Shape::one, Form::address_space, Context::rearm, Presence::optional,
     "Makes, publishes and attaches a new eviction fence.", "vm"},
    {Context::step, "set-limit", Shape::one, Form::none, Context::set_limit, Presence::optional,
     "Writes the `dmem.max` of a group.", "{group: jobs, region: vram, max: 4GiB}"},
    {Context::step, "queue-work", Shape::one, Form::work, Context::none, Presence::optional,
     "Queues a work, unless it is queued already.", "preempt"},
    {Context::step, "flush-work", Shape::one, Form::work, Context::none, Presence::optional,
     "Waits while a work is queued or runs.", "preempt"},
    {Context::step, "cancel-work", Shape::one, Form::work, Context::none, Presence::optional,
     "Takes a work off its queue, and waits while it runs.", "preempt"},
    {Context::step, "suspend", Shape::one, Form::queue, Context::none, Presence::optional,
     "Stops a user queue: nothing on it goes on.", "ring"},
    {Context::step, "resume", Shape::one, Form::queue, Context::none, Presence::optional, "Lets a user queue run.",
     "ring"},
    {Context::step, "kill", Shape::one, Form::hardware, Context::none, Presence::optional,
     "Ends a user queue or a job for good.", "ring"},
    {Context::step, "take", Shape::one, Form::pool, Context::take, Presence::optional,
     "Takes from a pool, and waits until there is enough.", "slots"},
    {Context::step, "give", Shape::one, Form::pool, Context::give, Presence::optional, "Gives back to a pool.",
     "slots"},
    {Context::step, "set", Shape::entry, Form::integer, Context::none, Presence::optional, "Sets a variable.",
     "{state: 1}"},
    {Context::step, "when", Shape::full_table, Form::integer, Context::none, Presence::optional,
     "Waits until all of these variables have these values. A user queue is 1 while it may run, else 0.",
     "{state: 1, mode: 0}"},
    {Context::step, "if", Shape::one, Form::none, Context::if_, Presence::optional, "Goes one of two ways.",
     "{when: {state: 1}, then: [{signal: render}], else: [{wait: render}]}"},
    {Context::step, "choose", Shape::branches, Form::steps, Context::none, Presence::optional,
     "Goes on with any one of the branches.", "[[{wait: a}], [{wait: b}]]"},
    {Context::step, "loop", Shape::one, Form::none, Context::loop, Presence::optional, "Steps that can begin again.",
     "{name: again, steps: [{wait: a}]}"},
    {Context::step, "retry", Shape::one, Form::loop, Context::none, Presence::optional,
     "Begins the steps of a loop again.", "again"},
    {Context::step, "ioctl", Shape::one, Form::steps, Context::none, Presence::optional,
     "What a user thread does inside the kernel, in one call.", "[{lock: m}, {unlock: m}]"},
    {Context::step, "call", Shape::one, Form::procedure, Context::none, Presence::optional,
     "Includes the steps of a procedure.", "suspend"},
    {Context::submit, "queue", Shape::one, Form::queue, Context::none, Presence::required, "Where the job runs.",
     "display"},
    {Context::submit, "job", Shape::one, Form::job, Context::none, Presence::required,
     "What the job is called, and its fence, unless there is `out`.", "flip"},
    {Context::submit, "in", Shape::one_or_list, Form::fence, Context::none, Presence::optional,
     "The fences it waits for first.", "[release]"},
    {Context::submit, "out", Shape::one, Form::fence, Context::none, Presence::optional,
     "The fence it signals at its end.", "render"},
    {Context::submit, "uses", Shape::table, Form::usage, Context::none, Presence::optional,
     "The buffers it uses, and how; its fence is attached to them.", "{front: write, back: read}"},
    {Context::submit, "implicit-sync", Shape::one, Form::boolean, Context::none, Presence::optional,
     "It also waits for the fences that it finds attached to its buffers. Without it: true.", "false"},
    {Context::submit, "doorbell", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Userspace writes it into the ring of a user queue; the kernel does not see it. Without it: false.", "true"},
    {Context::submit, "runs", Shape::one, Form::steps, Context::none, Presence::optional,
     "What it does between its waits and its signal.", "[{take: slots}, {give: slots}]"},
    {Context::wait, "all", Shape::full_list, Form::fence, Context::none, Presence::one_of,
     "Until all of these have signalled.", "[a, b]"},
    {Context::wait, "any", Shape::full_list, Form::fence, Context::none, Presence::one_of,
     "Until one of these has signalled.", "[a, b]"},
    {Context::wait, "timeout", Shape::one, Form::duration, Context::none, Presence::optional,
     "Gives up after this time.", "10s"},
    {Context::wait, "interruptible", Shape::one, Form::boolean, Context::none, Presence::optional,
     "A signal to the process may end it. Without it, as the kind of thread says.", "false"},
    {Context::wait, "on-timeout", Shape::one, Form::steps, Context::none, Presence::optional,
     "What it does after giving up, before it goes on.", "[{signal: render}]"},
    {Context::wait_reservation, "buffer", Shape::one, Form::buffer, Context::none, Presence::required, "Whose fences.",
     "front"},
    {Context::wait_reservation, "up-to", Shape::one, Form::usage, Context::none, Presence::optional,
     "Fences of this usage and of stronger ones. Without it: bookkeep, that is all.", "write"},
    {Context::wait_reservation, "timeout", Shape::one, Form::duration, Context::none, Presence::optional,
     "Gives up after this time.", "1s"},
    {Context::wait_reservation, "interruptible", Shape::one, Form::boolean, Context::none, Presence::optional,
     "A signal to the process may end it. Without it, as the kind of thread says.", "false"},
    {Context::wait_submissions, "queue", Shape::one, Form::queue, Context::none, Presence::required,
     "Whose submissions.", "ring"},
    {Context::wait_submissions, "timeout", Shape::one, Form::duration, Context::none, Presence::optional,
     "Gives up after this time.", "100ms"},
    {Context::wait_submissions, "interruptible", Shape::one, Form::boolean, Context::none, Presence::optional,
     "A signal to the process may end it. Without it, as the kind of thread says.", "false"},
    {Context::lock, "lock", Shape::one, Form::lock, Context::none, Presence::required, "Which lock.", "m"},
    {Context::lock, "shared", Shape::one, Form::boolean, Context::none, Presence::optional,
     "As a reader. Without it: false.", "true"},
    {Context::trylock, "lock", Shape::one, Form::lock, Context::none, Presence::required, "Which lock.", "m"},
    {Context::trylock, "shared", Shape::one, Form::boolean, Context::none, Presence::optional,
     "As a reader. Without it: false.", "true"},
    {Context::trylock, "steps", Shape::one, Form::steps, Context::none, Presence::optional,
     "With the lock held; it is released after them.", "[{signal: render}]"},
    {Context::trylock, "else", Shape::one, Form::steps, Context::none, Presence::optional,
     "If somebody holds the lock.", "[{wait: render}]"},
    {Context::transaction, "locks", Shape::full_list, Form::lock, Context::none, Presence::required,
     "The locks, taken in this order.", "[front, back]"},
    {Context::transaction, "ticket", Shape::one, Form::boolean, Context::none, Presence::optional,
     "With a wait-die ticket, it backs off instead of deadlocking. Without it: true.", "false"},
    {Context::transaction, "steps", Shape::one, Form::steps, Context::none, Presence::optional, "With all locks held.",
     "[{evict: {buffer: front, locking: held}}]"},
    {Context::alloc, "gfp", Shape::one, Form::gfp, Context::none, Presence::optional,
     "What it may do when memory is short. Without it: kernel.", "nofs"},
    {Context::alloc, "region", Shape::one, Form::region, Context::none, Presence::at_most_one,
     "Device memory: may evict another buffer of this region.", "vram"},
    {Context::alloc, "buffer", Shape::one, Form::buffer, Context::none, Presence::at_most_one,
     "The buffer that is made resident: in its region, and not evicting itself.", "back"},
    {Context::evict, "buffer", Shape::one, Form::buffer, Context::none, Presence::required, "Which buffer.", "front"},
    {Context::evict, "locking", Shape::one, Form::locking, Context::none, Presence::optional,
     "How it gets at the buffer's lock. Without it: trylock.", "held"},
    {Context::evict, "by", Shape::one, Form::queue, Context::none, Presence::optional,
     "A copy job on this engine moves it, and nobody waits here. Without it: as its region says.", "sdma"},
    {Context::validate, "buffer", Shape::one, Form::buffer, Context::none, Presence::one_of, "Which buffer.", "front"},
    {Context::validate, "address-space", Shape::one, Form::address_space, Context::none, Presence::one_of,
     "All buffers of this address space, in order.", "vm"},
    {Context::validate, "no-evict", Shape::one, Form::boolean, Context::none, Presence::optional,
     "Rather takes the next placement than evict. Without it: false.", "true"},
    {Context::validate, "else", Shape::one, Form::steps, Context::none, Presence::optional,
     "If memory is denied. Without it the thread releases its locks and ends.", "[{kill: ring}]"},
    {Context::move, "buffer", Shape::one, Form::buffer, Context::none, Presence::required, "Which buffer.", "front"},
    {Context::move, "to", Shape::one, Form::region, Context::none, Presence::required,
     "Where to: one of its placements.", "gtt"},
    {Context::move, "by", Shape::one, Form::queue, Context::none, Presence::optional,
     "A copy job on this engine moves it, and nobody waits here.", "sdma"},
    {Context::map, "address-space", Shape::one, Form::address_space, Context::none, Presence::required, "In which.",
     "vm"},
    {Context::map, "buffer", Shape::one, Form::buffer, Context::none, Presence::optional,
     "Which buffer. Without it: all of the address space.", "front"},
    {Context::attach, "buffer", Shape::one, Form::buffer, Context::none, Presence::required, "Where to.", "front"},
    {Context::attach, "fence", Shape::one, Form::fence, Context::none, Presence::required, "Which fence.", "render"},
    {Context::attach, "usage", Shape::one, Form::usage, Context::none, Presence::optional,
     "As what. Without it: write.", "read"},
    {Context::detach, "buffer", Shape::one, Form::buffer, Context::none, Presence::required, "From where.", "front"},
    {Context::detach, "fence", Shape::one, Form::fence, Context::none, Presence::required, "Which fence.", "ev"},
    {Context::reserve, "buffer", Shape::one, Form::buffer, Context::none, Presence::required, "Where.", "front"},
    {Context::reserve, "slots", Shape::one, Form::count, Context::none, Presence::optional, "How many. Without it: 1.",
     "2"},
    {Context::rearm, "address-space", Shape::one, Form::address_space, Context::none, Presence::required,
     "To whose buffers.", "vm"},
    {Context::rearm, "fence", Shape::one, Form::fence, Context::none, Presence::optional,
     "Which fence. Without it: that of the address space.", "ev"},
    {Context::set_limit, "group", Shape::one, Form::group, Context::none, Presence::required, "Whose limit.", "jobs"},
    {Context::set_limit, "region", Shape::one, Form::region, Context::none, Presence::required, "Of which memory.",
     "vram"},
    {Context::set_limit, "max", Shape::one, Form::limit, Context::none, Presence::required, "The new `dmem.max`.",
     "4GiB"},
    {Context::set_limit, "nonblock", Shape::one, Form::boolean, Context::none, Presence::optional,
     "O_NONBLOCK: does not evict. Without it: false.", "true"},
    {Context::take, "pool", Shape::one, Form::pool, Context::none, Presence::required, "From which pool.", "slots"},
    {Context::take, "amount", Shape::one, Form::amount, Context::none, Presence::optional, "How much. Without it: 1.",
     "2"},
    {Context::give, "pool", Shape::one, Form::pool, Context::none, Presence::required, "To which pool.", "slots"},
    {Context::give, "amount", Shape::one, Form::amount, Context::none, Presence::optional, "How much. Without it: 1.",
     "2"},
    {Context::if_, "when", Shape::full_table, Form::integer, Context::none, Presence::required,
     "The variables or user queues that are looked at, and their values.", "{state: 1}"},
    {Context::if_, "then", Shape::one, Form::steps, Context::none, Presence::some_of, "If all have these values.",
     "[{signal: render}]"},
    {Context::if_, "else", Shape::one, Form::steps, Context::none, Presence::some_of, "If one has another value.",
     "[{wait: render}]"},
    {Context::loop, "name", Shape::one, Form::loop, Context::none, Presence::required, "What `retry` calls it.",
     "again"},
    {Context::loop, "steps", Shape::one, Form::steps, Context::none, Presence::required, "What it does, in order.",
     "[{wait: a}]"},
});
static_assert(std::ranges::is_sorted(key_table, {}, &KeyRow::context));

// The row of a key; nullptr if the context has no such key.
constexpr const KeyRow* find_key(Context context, std::string_view key) {
  const auto row =
      std::ranges::find_if(key_table, [&](const KeyRow& each) { return each.context == context && each.key == key; });
  return row == key_table.end() ? nullptr : &*row;
}

// A key as the reader writes it: one that is not in the table does not compile.
template <Context context>
struct Key {
  const KeyRow& row;
  // NOLINTNEXTLINE(google-explicit-constructor): so that a literal is enough
  consteval Key(const char* key) : row(*find_key(context, key)) {}
};

// The keys of a context, in the order of the table.
[[nodiscard]] std::vector<std::string_view> keys_of(Context context);

[[nodiscard]] std::vector<std::string_view> ids(const std::vector<Word>& words);

// The form without its article: "kind of fence".
[[nodiscard]] std::string_view noun(Form form);

// "no key is called 'wiat'; did you mean 'wait'?", or all the words there are.
[[nodiscard]] std::string unknown_word(std::string_view noun, std::string_view word,
                                       const std::vector<std::string_view>& words);

// What a value of this row looks like, and each part of it: for "expected …".
[[nodiscard]] std::string whole_value(const KeyRow& row);
[[nodiscard]] std::string part_of_value(const KeyRow& row);

// The JSON Schema (draft 7) of the language, for editors; with its last line end.
[[nodiscard]] std::string json_schema();

// The reference of all keys and values, for docs/input.md; Markdown.
[[nodiscard]] std::string input_keys_page();

}  // namespace fencecheck
