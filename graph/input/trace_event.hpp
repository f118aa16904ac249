// The kernel's events that are understood, in one table, and one event as the readers hand it on.
//
// A row says what an event is called, what it prints and which of its fields
// matter. Text is matched against the row's pattern; binary formats have the
// same fields by name, so that one row serves every reader. docs/traces.md is
// made from the table. A fence is named by the low 32 bits of context and seqno
// each, all that dma_fence events print (trace-facts 0.2).
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model/vocabulary.hpp"

namespace fencecheck {

// What an event means to the reconstruction, whatever its name in one kernel or driver.
enum class TraceEventKind : std::uint8_t {
  fence_init,
  fence_destroy,
  fence_emit,
  fence_enable_signal,
  fence_signaled,
  wait_start,
  wait_end,
  job_queue,
  job_dependency,
  job_blocked,
  job_run,
  job_done,
  request_done,
  queue_fence,
  queue_dependency,
  chain_members,
  array_members,
  job_hardware,
  recovery,
  eviction,
  reclaim_begin,
  reclaim_end,
  shrink_begin,
  shrink_end,
  mmap_lock_wait,
  mmap_lock_taken,
  mmap_lock_released,
  lock_acquire,
  lock_contended,
  lock_acquired,
  lock_release,
  contention_begin,
  contention_end,
  work_queued,
  work_begin,
  work_end,
  task_switch,
  task_waking,
  task_blocked,
  stack,
  last_ = stack
};

struct TraceKindInfo {
  TraceEventKind kind;
  std::string_view title;
  std::string_view says;  // what is concluded
};

inline constexpr auto trace_kind_table = std::to_array<TraceKindInfo>({
    {TraceEventKind::fence_init, "a fence begins", "a new life of its key; its creator is the current task"},
    {TraceEventKind::fence_destroy, "a fence is freed", "its life is over; a waiter that is left is a finding"},
    {TraceEventKind::fence_emit, "a fence gets its number",
     "virtio_gpu and qxl create fences with the number 0; the life is renamed"},
    {TraceEventKind::fence_enable_signal, "somebody asks for the signal", "a container asks its members in one burst"},
    {TraceEventKind::fence_signaled, "a fence signals", "by the current task, or by an interrupt that it suffered"},
    {TraceEventKind::wait_start, "a task waits for a fence", "the task depends on the fence until wait_end"},
    {TraceEventKind::wait_end, "the wait ends", "by the signal, by a timeout, or because it was interrupted"},
    {TraceEventKind::job_queue, "a job is pushed",
     "owes its finished fence; runs after the job before it of its entity"},
    {TraceEventKind::job_dependency, "a job has a dependency", "the job depends on the fence until it runs"},
    {TraceEventKind::job_blocked, "the dependency that blocks a job", "the same, and it has not signalled yet"},
    {TraceEventKind::job_run, "run_job is called", "until the scheduled fence signals the job depends on the worker"},
    {TraceEventKind::job_done, "a job is done", "its hardware fence has signalled"},
    {TraceEventKind::request_done, "an i915 request is retired", "its fence has signalled"},
    {TraceEventKind::queue_fence, "a user queue gets a fence", "userspace's queue owes the fence"},
    {TraceEventKind::queue_dependency, "a user queue has a dependency",
     "what the queue does next depends on the fence"},
    {TraceEventKind::chain_members, "members of a dma_fence_chain", "recorded by a dynamic event; see below"},
    {TraceEventKind::array_members, "members of a dma_fence_array", "recorded by a dynamic event; see below"},
    {TraceEventKind::job_hardware, "the hardware fence of a job", "recorded by a dynamic event; see below"},
    {TraceEventKind::recovery, "recovery of hung hardware", "fences that signal next were ended by it"},
    {TraceEventKind::eviction, "memory is moved", "counted"},
    {TraceEventKind::reclaim_begin, "a task enters reclaim", "its waits are owed to memory management"},
    {TraceEventKind::reclaim_end, "a task leaves reclaim", ""},
    {TraceEventKind::shrink_begin, "a task runs a shrinker", "the same, with the shrinker's name"},
    {TraceEventKind::shrink_end, "the shrinker returns", ""},
    {TraceEventKind::mmap_lock_wait, "a task asks for an mmap_lock", "it depends on the lock"},
    {TraceEventKind::mmap_lock_taken, "the mmap_lock is taken, or not", "the task holds the lock"},
    {TraceEventKind::mmap_lock_released, "the mmap_lock is released", ""},
    {TraceEventKind::lock_acquire, "lockdep: a lock is asked for",
     "with the lock's name; dma_fence_map is an annotation"},
    {TraceEventKind::lock_contended, "lockdep: a task waits for a lock", "it depends on the lock"},
    {TraceEventKind::lock_acquired, "lockdep: a lock is taken", "the task holds the lock"},
    {TraceEventKind::lock_release, "lockdep: a lock is released", ""},
    {TraceEventKind::contention_begin, "a task waits for a lock", "it depends on the lock, whose name is not known"},
    {TraceEventKind::contention_end, "the wait for the lock ends", "who woke the task held the lock"},
    {TraceEventKind::work_queued, "a work item is queued", "it begins after that"},
    {TraceEventKind::work_begin, "a work item begins", "names the worker by its function"},
    {TraceEventKind::work_end, "a work item ends", ""},
    {TraceEventKind::task_switch, "a CPU changes tasks", "a task that exits waits for nothing any more"},
    {TraceEventKind::task_waking, "a task wakes another one", "who released what the other one waited for"},
    {TraceEventKind::task_blocked, "where a task was blocked", "Android; the function in which a task waited"},
    {TraceEventKind::stack, "a kernel stack", "where the task's last event happened, and under which obligation"},
});
static_assert(covers(trace_kind_table, &TraceKindInfo::kind, TraceEventKind::last_));
constexpr const TraceKindInfo& info(TraceEventKind kind) { return trace_kind_table[static_cast<std::size_t>(kind)]; }

// What is read of an event. Numbers first, then words.
enum class TraceField : std::uint8_t {
  context,
  seqno,
  dep_context,
  dep_seqno,
  dep2_context,
  dep2_seqno,
  pointer,  // of a fence; hashed in text (trace-facts 0.11)
  id,       // of a job on its ring
  address,  // of a lock, an mm or a work item
  result,   // of an attempt: not 0 = it failed
  pid,
  driver,
  timeline,
  ring,
  name,  // of a lock, with lockdep's "try " and "read "
  function,
  state,
  last_ = state
};
inline constexpr std::size_t trace_numbers = static_cast<std::size_t>(TraceField::pid) + 1;
inline constexpr std::size_t trace_words = static_cast<std::size_t>(TraceField::last_) + 1 - trace_numbers;
constexpr bool is_number(TraceField field) { return static_cast<std::size_t>(field) < trace_numbers; }

struct TraceFieldInfo {
  TraceField field;
  std::string_view id;
  bool hexadecimal;  // printed so without a "0x"
};
inline constexpr auto trace_field_table = std::to_array<TraceFieldInfo>({
    {TraceField::context, "context", false},
    {TraceField::seqno, "seqno", false},
    {TraceField::dep_context, "dep_context", false},
    {TraceField::dep_seqno, "dep_seqno", false},
    {TraceField::dep2_context, "dep2_context", false},
    {TraceField::dep2_seqno, "dep2_seqno", false},
    {TraceField::pointer, "pointer", true},
    {TraceField::id, "id", false},
    {TraceField::address, "address", true},
    {TraceField::result, "result", false},
    {TraceField::pid, "pid", false},
    {TraceField::driver, "driver", false},
    {TraceField::timeline, "timeline", false},
    {TraceField::ring, "ring", false},
    {TraceField::name, "name", false},
    {TraceField::function, "function", false},
    {TraceField::state, "state", false},
});
static_assert(covers(trace_field_table, &TraceFieldInfo::field, TraceField::last_));
constexpr const TraceFieldInfo& info(TraceField field) { return trace_field_table[static_cast<std::size_t>(field)]; }

// One event in one generation of kernels.
//
// `pattern` is what the event prints. `{kernel_field=field}` is a field that
// matters, `{field}` one whose name in the kernel is ours, `{}` text that does
// not. It is matched from the right, because names at the left may hold
// anything; with a leading `<` from the left. A number may be followed by more
// text. An empty pattern fits every text.
struct TraceEventInfo {
  TraceEventKind kind;
  std::string_view system;
  std::string_view id;
  std::string_view pattern;
  std::string_view kernels;
};

namespace trace_patterns {
inline constexpr std::string_view fence = "driver={driver} timeline={timeline} context={context} seqno={seqno}";
inline constexpr std::string_view job =
    "dev={dev=driver}, fence={fence_context=context}:{fence_seqno=seqno}, ring={name=ring}, job count:{}, hw job "
    "count:{}, "
    "client_id:{}";
inline constexpr std::string_view old_job =
    "entity={}, id={id}, fence={fence=pointer}, ring={name=ring}, job count:{}, hw job count:{}";
inline constexpr std::string_view amdgpu_job =
    "timeline={timeline}, fence={context}:{seqno}, ring_name={ring}, num_ibs={}";
inline constexpr std::string_view old_amdgpu_job =
    "sched_job={}, timeline={timeline}, context={context}, seqno={seqno}, ring_name={ring}, num_ibs={}";
inline constexpr std::string_view request = "{}, ctx={ctx=context}, seqno={seqno}, {}";
inline constexpr std::string_view xe_fence = "dev={}, ctx={ctx=context}, fence={}, seqno={seqno}";
}  // namespace trace_patterns

inline constexpr auto trace_event_table = std::to_array<TraceEventInfo>({
    {TraceEventKind::fence_init, "dma_fence", "dma_fence_init", trace_patterns::fence, "4.10 and later"},
    {TraceEventKind::fence_destroy, "dma_fence", "dma_fence_destroy", trace_patterns::fence, "4.10 and later"},
    {TraceEventKind::fence_emit, "dma_fence", "dma_fence_emit", trace_patterns::fence, "4.10 and later"},
    {TraceEventKind::fence_enable_signal, "dma_fence", "dma_fence_enable_signal", trace_patterns::fence,
     "4.10 and later"},
    {TraceEventKind::fence_signaled, "dma_fence", "dma_fence_signaled", trace_patterns::fence, "4.10 and later"},
    {TraceEventKind::wait_start, "dma_fence", "dma_fence_wait_start", trace_patterns::fence, "4.10 and later"},
    {TraceEventKind::wait_end, "dma_fence", "dma_fence_wait_end", trace_patterns::fence, "4.10 and later"},
    {TraceEventKind::fence_init, "fence", "fence_init", trace_patterns::fence, "before 4.10"},
    {TraceEventKind::fence_destroy, "fence", "fence_destroy", trace_patterns::fence, "before 4.10"},
    {TraceEventKind::fence_emit, "fence", "fence_emit", trace_patterns::fence, "before 4.10"},
    {TraceEventKind::fence_enable_signal, "fence", "fence_enable_signal", trace_patterns::fence, "before 4.10"},
    {TraceEventKind::fence_signaled, "fence", "fence_signaled", trace_patterns::fence, "before 4.10"},
    {TraceEventKind::wait_start, "fence", "fence_wait_start", trace_patterns::fence, "before 4.10"},
    {TraceEventKind::wait_end, "fence", "fence_wait_end", trace_patterns::fence, "before 4.10"},

    {TraceEventKind::job_queue, "gpu_scheduler", "drm_sched_job_queue", trace_patterns::job, "6.17 and later"},
    {TraceEventKind::job_dependency, "gpu_scheduler", "drm_sched_job_add_dep",
     "fence={fence_context=context}:{fence_seqno=seqno} depends on fence={ctx=dep_context}:{seqno=dep_seqno}",
     "6.17 and later"},
    {TraceEventKind::job_blocked, "gpu_scheduler", "drm_sched_job_unschedulable",
     "fence={fence_context=context}:{fence_seqno=seqno} depends on unsignalled "
     "fence={ctx=dep_context}:{seqno=dep_seqno}",
     "6.17 and later"},
    {TraceEventKind::job_run, "gpu_scheduler", "drm_sched_job_run", trace_patterns::job, "6.17 and later"},
    {TraceEventKind::job_done, "gpu_scheduler", "drm_sched_job_done",
     "fence={fence_context=context}:{fence_seqno=seqno} signaled", "6.17 and later"},
    {TraceEventKind::job_queue, "gpu_scheduler", "drm_sched_job", trace_patterns::old_job, "until 6.16"},
    {TraceEventKind::job_dependency, "gpu_scheduler", "drm_sched_job_wait_dep",
     "job ring={name=ring}, id={id}, depends fence={}, context={ctx=dep_context}, seq={seqno=dep_seqno}", "until 6.16"},
    {TraceEventKind::job_run, "gpu_scheduler", "drm_run_job", trace_patterns::old_job, "until 6.16"},
    {TraceEventKind::job_done, "gpu_scheduler", "drm_sched_process_job", "fence={fence=pointer} signaled",
     "until 6.16"},
    {TraceEventKind::job_queue, "gpu_sched", "amd_sched_job", trace_patterns::old_job, "before 4.16"},
    {TraceEventKind::job_done, "gpu_sched", "amd_sched_process_job", "fence={fence=pointer} signaled", "before 4.16"},

    {TraceEventKind::job_queue, "amdgpu", "amdgpu_cs_ioctl", trace_patterns::amdgpu_job, "6.17 and later"},
    {TraceEventKind::job_run, "amdgpu", "amdgpu_sched_run_job", trace_patterns::amdgpu_job, "6.17 and later"},
    {TraceEventKind::job_queue, "amdgpu", "amdgpu_cs_ioctl", trace_patterns::old_amdgpu_job, "until 6.16"},
    {TraceEventKind::job_run, "amdgpu", "amdgpu_sched_run_job", trace_patterns::old_amdgpu_job, "until 6.16"},
    {TraceEventKind::queue_fence, "amdgpu", "amdgpu_userq_emit_fence",
     "dev={}, client_id={}, type={}, doorbell={doorbell_index=id}, fence={fence_context=context}:{fence_seqno=seqno}",
     "7.3 and later"},
    {TraceEventKind::queue_dependency, "amdgpu", "amdgpu_userq_wait_deps",
     "dev={}, client_id={}, type={}, doorbell={doorbell_index=id}, context={context} depends on "
     "fence={dep_context}:{dep_seqno}",
     "7.3 and later"},
    {TraceEventKind::eviction, "amdgpu", "amdgpu_bo_move", "", "all"},
    {TraceEventKind::eviction, "amdgpu", "amdgpu_ttm_bo_move", "", "before 4.15"},

    {TraceEventKind::fence_init, "i915", "i915_request_queue", trace_patterns::request, "4.15 and later"},
    {TraceEventKind::request_done, "i915", "i915_request_retire", trace_patterns::request, "4.15 and later"},
    {TraceEventKind::wait_start, "i915", "i915_request_wait_begin", trace_patterns::request, "4.15 and later"},
    {TraceEventKind::wait_end, "i915", "i915_request_wait_end", trace_patterns::request, "4.15 and later"},
    {TraceEventKind::eviction, "i915", "i915_gem_evict", "", "all"},
    {TraceEventKind::eviction, "i915", "i915_gem_evict_node", "", "all"},
    {TraceEventKind::eviction, "i915", "i915_gem_evict_vm", "", "all"},
    {TraceEventKind::eviction, "i915", "i915_gem_shrink", "", "all"},

    {TraceEventKind::fence_init, "xe", "xe_hw_fence_create", trace_patterns::xe_fence, "6.12 and later"},
    {TraceEventKind::fence_signaled, "xe", "xe_hw_fence_signal", trace_patterns::xe_fence, "6.12 and later"},
    {TraceEventKind::recovery, "xe", "xe_sched_job_timedout", "", "6.12 and later"},
    {TraceEventKind::recovery, "xe", "xe_sched_job_ban", "", "6.12 and later"},
    {TraceEventKind::recovery, "xe", "xe_exec_queue_reset", "", "6.12 and later"},
    {TraceEventKind::recovery, "xe", "xe_exec_queue_memory_cat_error", "", "6.12 and later"},
    {TraceEventKind::recovery, "xe", "xe_vm_kill", "", "6.12 and later"},
    {TraceEventKind::eviction, "xe", "xe_bo_move", "", "6.12 and later"},
    {TraceEventKind::eviction, "xe", "xe_vma_evict", "", "6.12 and later"},

    {TraceEventKind::recovery, "v3d", "v3d_reset_begin", "", "all"},
    {TraceEventKind::eviction, "drm_msm_gpu", "msm_gem_shrink", "", "6.1 and later"},
    {TraceEventKind::job_queue, "lima", "lima_task_submit", "{}context={context} seqno={seqno} pipe={ring}", "all"},
    {TraceEventKind::job_run, "lima", "lima_task_run", "{}context={context} seqno={seqno} pipe={ring}", "all"},

    {TraceEventKind::reclaim_begin, "vmscan", "mm_vmscan_direct_reclaim_begin", "", "all"},
    {TraceEventKind::reclaim_end, "vmscan", "mm_vmscan_direct_reclaim_end", "", "all"},
    {TraceEventKind::reclaim_begin, "vmscan", "mm_vmscan_memcg_reclaim_begin", "", "all"},
    {TraceEventKind::reclaim_end, "vmscan", "mm_vmscan_memcg_reclaim_end", "", "all"},
    {TraceEventKind::reclaim_begin, "vmscan", "mm_vmscan_node_reclaim_begin", "", "all"},
    {TraceEventKind::reclaim_end, "vmscan", "mm_vmscan_node_reclaim_end", "", "all"},
    {TraceEventKind::shrink_begin, "vmscan", "mm_shrink_slab_start", "{shrink=function} {}: nid: {}", "all"},
    {TraceEventKind::shrink_end, "vmscan", "mm_shrink_slab_end", "", "all"},
    {TraceEventKind::mmap_lock_wait, "mmap_lock", "mmap_lock_start_locking", "mm={mm=address} {} write={write=state}",
     "all"},
    {TraceEventKind::mmap_lock_taken, "mmap_lock", "mmap_lock_acquire_returned",
     "mm={mm=address} {} write={write=state} success={success=name}", "all"},
    {TraceEventKind::mmap_lock_released, "mmap_lock", "mmap_lock_released", "mm={mm=address} {} write={write=state}",
     "all"},

    {TraceEventKind::lock_acquire, "lock", "lock_acquire", "<{lockdep_addr=address} {name}", "with lockdep"},
    {TraceEventKind::lock_contended, "lock", "lock_contended", "<{lockdep_addr=address} {name}", "with LOCK_STAT"},
    {TraceEventKind::lock_acquired, "lock", "lock_acquired", "<{lockdep_addr=address} {name}", "with LOCK_STAT"},
    {TraceEventKind::lock_release, "lock", "lock_release", "<{lockdep_addr=address} {name}", "with lockdep"},
    {TraceEventKind::contention_begin, "lock", "contention_begin", "<{lock_addr=address} (flags={})", "5.19 and later"},
    {TraceEventKind::contention_end, "lock", "contention_end", "<{lock_addr=address} (ret={ret=result})",
     "5.19 and later"},

    {TraceEventKind::work_queued, "workqueue", "workqueue_queue_work",
     "work struct={work=address} function={function} workqueue={}", "all"},
    {TraceEventKind::work_begin, "workqueue", "workqueue_execute_start",
     "work struct {work=address}: function {function}", "all"},
    {TraceEventKind::work_end, "workqueue", "workqueue_execute_end", "", "all"},
    {TraceEventKind::task_switch, "sched", "sched_switch",
     "prev_comm={} prev_pid={prev_pid=pid} prev_prio={} prev_state={prev_state=state} ==> {}", "all"},
    {TraceEventKind::task_switch, "sched", "sched_switch", "{}:{prev_pid=pid} [{}] {prev_state=state} ==> {}:{} [{}",
     "all, as trace-cmd's plugin prints it"},
    {TraceEventKind::task_waking, "sched", "sched_waking", "comm={} pid={pid}", "all"},
    {TraceEventKind::task_waking, "sched", "sched_waking", "{}:{pid} [{}", "all, as trace-cmd's plugin prints it"},
    {TraceEventKind::task_waking, "sched", "sched_wakeup_new", "comm={} pid={pid}", "all: a task that begins"},
    {TraceEventKind::task_waking, "sched", "sched_wakeup_new", "{}:{pid} [{}", "all, as trace-cmd's plugin prints it"},
    {TraceEventKind::task_blocked, "sched", "sched_blocked_reason", "pid={pid} iowait={} caller={caller=function}",
     "Android"},

    {TraceEventKind::chain_members, "fx", "chain_init",
     "{}prev={prev=pointer} pctx={pctx=dep2_context} pseq={pseq=dep2_seqno} fctx={fctx=dep_context} "
     "fseq={fseq=dep_seqno} seqno={}",
     "dynamic event, 6.12 and later"},
    {TraceEventKind::chain_members, "fx", "chain_init",
     "{} pctx={pctx=dep2_context} pseq={pseq=dep2_seqno} fctx={fctx=dep_context} fseq={fseq=dep_seqno} seqno={}",
     "dynamic event, 6.1"},
    {TraceEventKind::array_members, "fx", "array_init",
     "{}f0ctx={f0ctx=dep_context} f0seq={f0seq=dep_seqno} f1ctx={f1ctx=dep2_context} f1seq={f1seq=dep2_seqno} "
     "context={context} seqno={seqno}",
     "dynamic event, 6.12 and later"},
    {TraceEventKind::array_members, "fx", "array_create",
     "{}f0ctx={f0ctx=dep_context} f0seq={f0seq=dep_seqno} f1ctx={f1ctx=dep2_context} f1seq={f1seq=dep2_seqno} "
     "ctx={ctx=context} seqno={seqno}",
     "dynamic event, 6.1"},
    {TraceEventKind::job_hardware, "fx", "sched_hw",
     "{}sctx={sctx=context} sseq={sseq=seqno} pctx={pctx=dep_context} pseq={pseq=dep_seqno}",
     "dynamic event, 6.12 and later"},
});

struct FenceKey {
  std::uint32_t context = 0;
  std::uint32_t seqno = 0;
  friend auto operator<=>(const FenceKey&, const FenceKey&) = default;
};

// Whose work an event is. `interrupt`: not the named task's, which was only
// interrupted (flags column 3 in h, H, s, z, Z; the idle task; ksoftirqd).
// `unmarked`: there is no flags column, so it is probably the task's.
enum class TraceContext : std::uint8_t { task, interrupt, unmarked };

// One event. The words point into the reader's memory: valid until it reads on.
struct TraceRecord {
  const TraceEventInfo* row = nullptr;  // nullptr: a stack, or an event that is not in the table
  TraceEventKind kind = TraceEventKind::stack;
  TraceContext context = TraceContext::task;
  std::uint32_t line = 0;  // of the file, or the number of the event in a binary one
  std::uint32_t pid = 0;
  std::string_view comm;
  std::uint64_t time = 0;  // nanoseconds of the trace's clock, or a bare number
  std::array<std::uint64_t, trace_numbers> numbers{};
  std::array<std::string_view, trace_words> words{};
  std::uint32_t present = 0;             // bits: which fields were there
  std::vector<std::string_view> frames;  // of a stack, innermost first
  std::string_view text;                 // the line; empty in binary formats, see told()
  std::string_view file;                 // of several that are merged: where it comes from, and its line there
  std::uint32_t file_line = 0;

  [[nodiscard]] bool has(TraceField field) const { return (present >> static_cast<unsigned>(field) & 1U) != 0; }
  [[nodiscard]] std::uint64_t number(TraceField field) const { return numbers.at(static_cast<std::size_t>(field)); }
  [[nodiscard]] std::string_view word(TraceField field) const {
    return words.at(static_cast<std::size_t>(field) - trace_numbers);
  }
  [[nodiscard]] FenceKey fence() const { return key(TraceField::context, TraceField::seqno); }
  [[nodiscard]] FenceKey dependency() const { return key(TraceField::dep_context, TraceField::dep_seqno); }
  [[nodiscard]] FenceKey key(TraceField context_field, TraceField seqno_field) const {
    return {static_cast<std::uint32_t>(number(context_field)), static_cast<std::uint32_t>(number(seqno_field))};
  }
  void set(TraceField field, std::uint64_t value) {
    numbers[static_cast<std::size_t>(field)] = value;
    present |= 1U << static_cast<unsigned>(field);
  }
  void set(TraceField field, std::string_view value) {
    words[static_cast<std::size_t>(field) - trace_numbers] = value;
    present |= 1U << static_cast<unsigned>(field);
  }
  // Takes away what set() gave: few fields, most often.
  void clear_fields() {
    for (; present != 0; present &= present - 1) {
      const auto field = static_cast<TraceField>(std::countr_zero(present));
      if (is_number(field)) {
        numbers[static_cast<std::size_t>(field)] = 0;
      } else {
        words[static_cast<std::size_t>(field) - trace_numbers] = {};
      }
    }
  }
};

// The event as a line of text, for messages: the line itself, or in a binary
// format its fields; behind its file, if several are merged. Slow, so only for
// what messages may quote.
[[nodiscard]] std::string told(const TraceRecord& record);

// A piece of a pattern: literal text, then what follows it.
struct PatternPart {
  std::string_view literal;
  std::size_t rare = 0;             // where in the literal a character stands that few texts have
  std::string_view kernel_field;    // empty: `{}`, or the end
  std::optional<TraceField> field;  // of ours
};

struct EventPattern {
  const TraceEventInfo* row = nullptr;
  bool from_left = false;
  std::vector<PatternPart> parts;
};

// The rows of an event by its name, in the order of the table; empty for an
// event that is not in it. Average O(1).
[[nodiscard]] const std::vector<EventPattern>& patterns_of(std::string_view event);

// Fills the record's row, kind and fields from what an event printed; false if
// none of the patterns fits, or there are none.
[[nodiscard]] bool match(const std::vector<EventPattern>& patterns, std::string_view arguments, TraceRecord& record);

}  // namespace fencecheck
