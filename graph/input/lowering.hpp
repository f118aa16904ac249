// The state of one lowering; shared by lower.cpp (objects, threads) and
// lower_steps.cpp (what each step stands for). Not for other files.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph/input/program.hpp"
#include "graph/input/scenario.hpp"
#include "graph/input/symbols.hpp"
#include "graph/model/system.hpp"

namespace fencecheck::lowering {

struct BufferObjects {
  ReservationId reservation;
  LockId lock;
  std::optional<std::uint32_t> region;
  bool pinned = false;
};

struct TimelineObjects {
  std::uint32_t first = 0;  // FenceId of point 1
  std::uint32_t points = 0;
};

// The wait-die transactions of each thread and the most locks that one of them
// takes; counted by a first pass over the scenario.
struct TransactionCounts {
  std::map<std::string, std::uint32_t> of_thread;
  std::uint32_t most_locks = 0;
};

inline constexpr std::uint64_t most_lowered = 50'000;

// What surrounds the step that is being lowered.
struct Frame {
  ThreadKind kind = ThreadKind::user;
  std::string thread;
  bool reclaim = false;            // inside a shrinker, a notifier or an eviction
  std::string context;             // for the story
  std::vector<std::string> calls;  // procedures being expanded
};

class Lowering {
 public:
  Lowering(const Scenario& scenario, Diagnostics& diagnostics, TransactionCounts transactions);
  std::optional<System> run();
  [[nodiscard]] const TransactionCounts& transactions_seen() const { return seen_; }

 private:
  // Objects (lower.cpp).
  void declare_objects();
  void declare_fence(const FenceDeclaration& fence);
  void declare_timeline(const TimelineDeclaration& timeline);
  void declare_buffer(const BufferDeclaration& buffer);
  void declare_job_fences();
  void lower_threads();
  void add_callbacks_and_timers();
  void add_thread(const Name& name, ThreadKind kind, std::vector<Step> program);
  void mark_published();
  void warn_about_fences();
  std::optional<FenceId> fence(const Name& name);
  std::vector<FenceId> fences(const std::vector<Name>& names);
  std::optional<LockId> lock(const Name& name);  // of a lock or of a buffer's reservation
  std::optional<std::uint32_t> buffer(const Name& name);
  [[nodiscard]] bool user_controlled(FenceId fence) const;

  // Steps (lower_steps.cpp).
  void lower_block(Program& program, const Frame& frame, const Block& block);
  void lower_step(Program& program, const Frame& frame, const StepDeclaration& step);
  void lower_what(Program& program, const Frame& frame, Place at, const SubmitStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WaitStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WaitReservationStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const SignalStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const PublishStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const LockStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const TryLockStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const UnlockStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const TransactionStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const AllocStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const EvictStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const AttachStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const TakeStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const GiveStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const SetStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WhenStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const ChooseStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const CallStep& step);

  // One way out of a branching step, with the locks held at its end.
  struct Arm {
    OpenEnds ends;
    std::vector<Held> held;
  };
  Arm lower_arm(Program& program, const Frame& frame, OpenEnds from, const std::vector<Held>& held, const Block& block);
  void join_arms(Program& program, Place at, const std::vector<Arm>& arms);
  StepIndex add(Program& program, const Frame& frame, Place at, Cause cause, Action action);
  [[nodiscard]] Signal signal_of(const std::vector<FenceId>& fences) const;
  void add_wait(Program& program, const Frame& frame, Place at, const WaitStep& step, std::vector<FenceId> fences);
  void check_shared(const Name& name, LockId lock, bool shared);
  void acquire(Program& program, const Frame& frame, Place at, LockId lock, bool shared);
  void release(Program& program, const Frame& frame, Place at, LockId lock);
  void acquire_together(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks, bool ticket);
  void acquire_with_ticket(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks);
  void wait_for_reservation(Program& program, const Frame& frame, Place at, std::uint32_t buffer, Usage up_to);
  void evict(Program& program, const Frame& frame, Place at, std::uint32_t buffer, EvictStep::Locking locking);
  void reclaim(Program& program, const Frame& frame, Place at, const AllocStep& step,
               const std::vector<std::uint32_t>& victims);
  std::vector<std::uint32_t> victims(const AllocStep& step);
  std::vector<std::uint32_t> used_buffers(const SubmitStep& step);
  void attach_uses(Program& program, const Frame& frame, Place at, const SubmitStep& step, FenceId out,
                   DependencySetId set);
  std::optional<ThreadId> add_job(const Frame& frame, Place at, const SubmitStep& step, std::uint32_t queue,
                                  FenceId out, std::optional<DependencySetId> set);
  [[nodiscard]] std::uint32_t restart_limit(const std::string& thread) const;

  const Scenario& scenario_;
  Diagnostics& diagnostics_;
  TransactionCounts transactions_;
  TransactionCounts seen_;
  Symbols symbols_;
  System system_;
  std::vector<BufferObjects> buffers_;
  std::vector<TimelineObjects> timelines_;
  std::map<LockId, LockId> lines_;      // of each rwsem: its waiting line
  std::uint64_t lowered_ = 0;           // steps so far, procedures expanded
  std::vector<std::string> submitted_;  // names of the jobs so far
};

}  // namespace fencecheck::lowering
