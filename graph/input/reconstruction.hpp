// What the kernel is doing at one moment of a trace: live fences, jobs, tasks and locks.
//
// Events are applied one by one, and only what is alive is kept: a fence until
// it is freed (or until `signalled_limit` others have signalled after it), a
// job until its fence signals, a wait until it ends. Whoever wants to remember
// more holds a pointer.
//
// A *life* of a fence goes from its creation to its signal; a key that is used
// again starts a new life. A *wait* is one task that needs one fence or lock:
// several waits for one fence count as one if the task did nothing else in
// between, as when a signal handler interrupts an ioctl and the kernel restarts
// it. A wait for a fence that has already signalled is none.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/input/recorded_events.hpp"
#include "graph/input/trace.hpp"

namespace fencecheck::observed {

using Pid = std::uint32_t;

inline constexpr std::size_t tasks_limit = 65'536;      // beyond it those that have exited are forgotten
inline constexpr std::size_t signalled_limit = 16'384;  // fences that are kept after their signal

// Where something happened.
struct Mark {
  std::uint64_t time = 0;
  std::uint32_t line = 0;  // 0: it was not seen
  Pid pid = 0;
  TraceContext context = TraceContext::task;
  std::string text;  // the line, for messages; empty for signals
  [[nodiscard]] bool seen() const { return line != 0; }
};

struct Job;
struct Wait;

struct FenceLife {
  FenceKey key;
  std::uint32_t driver = 0;  // index of a name; the first names that were not detached
  std::uint32_t timeline = 0;
  Mark first;  // the first event of this life
  Mark created;
  Mark signalled;
  const UserSignalledInfo* user_signalled = nullptr;
  std::weak_ptr<Job> job;                           // it is the job's finished or scheduled fence
  bool scheduled = false;                           // the latter
  std::uint32_t ring = 0;                           // of that job; index of a name, 0: none
  bool container = false;                           // dma_fence_array or dma_fence_chain
  bool inferred = false;                            // its members were not recorded but concluded
  std::vector<std::shared_ptr<FenceLife>> members;  // of a container
  std::vector<std::weak_ptr<Wait>> waits;           // that have not ended, or gave up
};
using Fence = std::shared_ptr<FenceLife>;

struct Dependency {
  Fence fence;
  std::uint32_t line = 0;
};

// A job of a GPU scheduler. Its fences have the contexts C and C+1; `finished` is the latter.
struct Job {
  Fence finished;
  std::uint32_t ring = 0;  // index of a name, with the device if that is known
  std::uint64_t pointer = 0;
  std::uint64_t id = 0;
  Mark queued;
  Mark run;              // run_job was called
  bool running = false;  // and has not returned
  std::vector<Dependency> dependencies;
  std::weak_ptr<Job> previous;  // of the same entity
  Fence hardware;
  std::uint32_t depth = 1;  // jobs on the longest chain of dependencies that ends here
};

struct WaitSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint32_t line = 0;      // of the begin
  std::uint32_t end_line = 0;  // 0: it has not ended
};

enum class WaitEnd : std::uint8_t { open, signal, gave_up };

struct Wait {
  Pid pid = 0;
  Fence fence;                     // nullptr: it waits for a lock
  std::uint64_t lock = 0;          // address
  std::string lock_name;           // empty: not known
  std::uint64_t lockdep = 0;       // lockdep's address of the lock; 0: not known
  std::vector<WaitSpan> spans;     // at least one
  std::vector<std::string> stack;  // of the last begin, innermost frame first
  std::string under;               // the reclaim or shrinker that it happens in; empty: none
  std::string text;                // the line of the first begin
  WaitEnd how = WaitEnd::open;
  std::uint64_t end = 0;  // time and line of the signal, or of the last span's end
  std::uint32_t end_line = 0;
  [[nodiscard]] const WaitSpan& first() const { return spans.front(); }
};
using WaitRef = std::shared_ptr<Wait>;

struct HeldLock {
  std::uint64_t address = 0;
  std::string name;
  std::uint32_t line = 0;
  bool shared = false;  // taken for reading
  bool tried = false;   // by a trylock, which never waits
};

struct Task {
  std::uint32_t comm = 0;
  bool named_at_wait = false;
  std::vector<WaitRef> open;            // innermost wait last
  WaitRef interrupted;                  // given up, and nothing else done since
  WaitRef last_wait;                    // if it was the task's last event: a stack belongs to it
  std::vector<std::string> reclaim;     // sections, innermost last
  std::vector<HeldLock> held;           // by lockdep's events, and mmap_lock's
  std::uint32_t annotated = 0;          // depth of dma_fence_begin_signalling()
  std::shared_ptr<Job> running;         // inside its run_job
  std::string work;                     // function of the work item; empty: none
  bool recovering = false;              // the work item recovers hung hardware
  std::vector<Fence> scheduler_fences;  // of drm_sched that it created, and of which no job was pushed
  std::vector<FenceKey> chain_members;  // of the dma_fence_chain that it is about to create
  Fence burst;                          // the container whose members it is asking for their signal
  std::uint64_t asked = 0;              // when it asked last
  Mark woken;                           // by which task, when
  Mark roused;                          // the same, by an interrupt too
  Mark exited;
};

// Who signalled a life. `timer` only for drivers with a fallback timer; `unseen`: nobody in this trace.
enum class Signaller : std::uint8_t { unseen, task, interrupt, timer };

class Reconstruction {
 public:
  explicit Reconstruction(const TraceFacts& facts) : facts_(facts) {}

  void apply(const TraceRecord& record);
  // Events are missing: who holds which lock is not known any more.
  void forget_locks();

  // The life that an event of this key belongs to now; nullptr if none is known.
  [[nodiscard]] Fence find(FenceKey key) const;
  [[nodiscard]] std::shared_ptr<Job> find_job(const TraceRecord& record) const;
  [[nodiscard]] const Task* task(Pid pid) const;
  // What the task waits for: its innermost wait, or one that was interrupted and may be restarted.
  [[nodiscard]] WaitRef waiting(Pid pid) const;
  [[nodiscard]] const std::map<Pid, Task>& tasks() const { return tasks_; }
  // Who hold the lock that the wait is for: one, or several readers; nobody if that was not recorded.
  [[nodiscard]] std::vector<Pid> holders(const Wait& wait) const;
  // The task that runs this ring's jobs, if it is inside run_job now.
  [[nodiscard]] std::optional<Pid> busy_worker(std::uint32_t ring) const;

  // The task that has to signal the fence, if that can be known: the creator of
  // a fence of user_signalled_table whose fences no other task has signalled.
  [[nodiscard]] std::optional<Pid> owner(const FenceLife& life) const;
  [[nodiscard]] Signaller signaller(const FenceLife& life) const;
  // Was it this task that signalled it, or did whoever did wake the task afterwards? A later wait cannot have to wait.
  [[nodiscard]] bool knows_signal(Pid pid, const FenceLife& life) const;
  // Of the event applied last: what the container that it signalled stood for, and who held the lock that it released
  // (several tasks if an interrupt released one of them for its holder).
  [[nodiscard]] const std::vector<Fence>& members_signalled() const { return members_signalled_; }
  [[nodiscard]] const std::vector<Pid>& released() const { return released_; }
  [[nodiscard]] const std::set<Pid>& delegating() const { return delegating_; }
  // Did an interrupt signal any fence of this driver?
  [[nodiscard]] bool interrupt_driven(std::uint32_t driver) const { return interrupt_driven_.contains(driver); }
  [[nodiscard]] const Mark& last_recovery() const { return last_recovery_; }

  [[nodiscard]] const std::string& name(std::uint32_t index) const { return names_.at(index); }
  [[nodiscard]] std::string task_name(Pid pid) const;                 // "client-0-104"
  [[nodiscard]] std::string fence_name(const FenceLife& life) const;  // "vgem/unbound 4:1"
  [[nodiscard]] std::string job_name(const Job& job) const;           // "job 8:49 of ring gfx"
  [[nodiscard]] const TraceFacts& facts() const { return facts_; }

  [[nodiscard]] const RecordedEvents& recorded() const { return recorded_; }
  // Are there fences of a GPU scheduler? What they need is told by its jobs.
  [[nodiscard]] bool scheduled_fences() const { return scheduled_fences_ || job_events_ != 0; }
  [[nodiscard]] std::uint64_t created() const { return created_; }  // fences whose creation was recorded
  // How long a fence took at most until it signalled, or has existed unsignalled; from the begin of the trace
  // where its creation was not seen. O(live fences).
  [[nodiscard]] std::uint64_t slowest_fence() const;
  // Jobs that have not signalled, in the order in which they were queued. O(n log n).
  [[nodiscard]] std::vector<std::shared_ptr<Job>> unfinished_jobs() const;
  [[nodiscard]] std::uint64_t fence_events() const { return fence_events_; }
  [[nodiscard]] std::uint64_t jobs() const { return job_events_; }
  // Rings whose name more than one scheduler has, so that an event may be about either (trace-facts 0.8).
  [[nodiscard]] const std::set<std::uint32_t>& shared_names() const { return shared_names_; }
  [[nodiscard]] std::uint64_t evictions() const { return evictions_; }
  [[nodiscard]] std::uint64_t inferred_containers() const { return inferred_; }
  [[nodiscard]] bool any_user_signalled() const { return any_user_signalled_; }

 private:
  void create(const TraceRecord& record);
  void emit(const TraceRecord& record);
  void ask(const TraceRecord& record);
  void signal(const Fence& life, const TraceRecord& record);
  void destroy(const TraceRecord& record);
  void start_wait(const TraceRecord& record);
  void end_wait(const TraceRecord& record);
  void queue_job(const TraceRecord& record);
  void queue_user_fence(const TraceRecord& record);
  Fence armed_by(Task& task, std::string_view ring);
  void add_dependency(const TraceRecord& record);
  void run_job(const TraceRecord& record);
  void finish_job(const std::shared_ptr<Job>& job);
  void take_lock_event(const TraceRecord& record);
  void start_lock_wait(Pid pid, std::uint64_t address, std::string name, const TraceRecord& record);
  void end_lock_wait(Pid pid, std::uint64_t address, bool taken, const TraceRecord& record);
  void hold(Pid pid, HeldLock lock);
  void release(Pid pid, std::uint64_t address, std::string_view name);
  void release_for_holder(Pid pid, std::uint64_t address, std::string_view name);
  void take_task_event(const TraceRecord& record);
  void take_members(const TraceRecord& record);
  void exit(Pid pid, const TraceRecord& record);
  void name_task(Task& task, const TraceRecord& record);
  Task& task_of(Pid pid);  // a new one where there is none
  Fence life_of(const TraceRecord& record, FenceKey key);
  Fence new_life(const TraceRecord& record, FenceKey key);
  void learn_names(FenceLife& life, const TraceRecord& record);
  [[nodiscard]] std::uint64_t age(const FenceLife& life, std::uint64_t time) const;
  std::uint32_t intern(std::string_view name);
  std::uint32_t ring_of(const TraceRecord& record);
  [[nodiscard]] Mark mark(const TraceRecord& record, bool with_text) const;

  struct KeyHash {
    std::size_t operator()(FenceKey key) const {
      return std::hash<std::uint64_t>{}(std::uint64_t{key.context} << 32U | key.seqno);
    }
  };
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  const TraceFacts& facts_;
  std::unordered_map<FenceKey, Fence, KeyHash> current_;
  std::deque<std::weak_ptr<FenceLife>> signalled_;  // that are kept, oldest first
  std::unordered_map<FenceKey, std::shared_ptr<Job>, KeyHash> jobs_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Job>> by_pointer_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::weak_ptr<Job>> by_id_;  // ring and number
  std::unordered_map<std::uint32_t, std::weak_ptr<Job>> last_of_entity_;         // by fence context
  std::unordered_map<FenceKey, std::vector<FenceKey>, KeyHash> array_members_;   // of arrays about to be created
  std::map<Pid, Task> tasks_;
  std::array<std::pair<Pid, Task*>, 256> recent_{};  // of tasks_, by the low bits of the pid; nullptr: none
  std::map<std::uint64_t, std::map<Pid, std::uint32_t>> holders_;  // of a lock, and the line where each took it
  std::map<std::uint32_t, Pid> workers_;                           // of a ring: who called run_job last
  std::set<std::uint32_t> shared_names_;
  std::map<std::uint32_t, std::vector<Dependency>> queue_dependencies_;  // of a user queue's next fence, by context
  std::set<Pid> delegating_;  // creators whose fences another task has signalled: they owe nothing
  std::set<std::uint32_t> interrupt_driven_;
  std::vector<std::string> names_{std::string{}};
  std::unordered_map<std::string, std::uint32_t, NameHash, std::equal_to<>> name_ids_{{std::string{}, 0}};
  std::vector<Fence> members_signalled_;
  std::vector<Pid> released_;
  Mark last_recovery_;
  RecordedEvents recorded_;
  std::uint64_t slowest_ = 0;  // of the fences that have signalled or were freed; ns
  std::uint64_t fence_events_ = 0;
  std::uint64_t created_ = 0;
  std::uint64_t job_events_ = 0;
  std::uint64_t evictions_ = 0;
  std::uint64_t inferred_ = 0;
  bool any_user_signalled_ = false;
  bool scheduled_fences_ = false;
};

}  // namespace fencecheck::observed
