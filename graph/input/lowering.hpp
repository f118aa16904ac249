// The state of one lowering; shared by the files lower*.cpp, each of which has
// the constructs of one theme. Not for other files.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/input/forms.hpp"
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
  std::optional<BufferId> memory{};  // where the scenario tracks it
};

struct QueueObjects {
  std::optional<VariableId> gate;            // of a user queue
  std::optional<ReservationId> submissions;  // its published submission fences
  std::optional<HardwareUseId> use;          // of a user queue with an address space
};

// A job that copies a buffer away. It may be pushed again, with a new fence.
struct CopyJob {
  ThreadId thread;
  FenceId fence;
  DependencySetId set;
};
using CopyJobs = std::map<std::pair<std::uint32_t, QueueId>, CopyJob>;  // of one site: by buffer and engine

// Where memory goes. Without an engine to copy it, the thread waits.
struct Journey {
  std::optional<RegionId> from;  // none: system memory
  std::optional<RegionId> to;    // none: out
  std::optional<QueueId> by;
  std::optional<PickVictim> chosen_by{};
};

// Where a buffer is that gets memory elsewhere; none: in no region.
struct Arrival {
  std::optional<RegionId> from;
};

// Eviction on behalf of an allocation, or of a limit.
struct Search {
  PickVictim pick;
  StepIndex again = 0;  // where to go on after each victim
  bool ticket = false;  // then also by sleeping for locks, with the transaction's ticket
  bool sleep = false;   // or without one
};

// An address space whose addresses count.
struct BindObjects {
  PageTableId table;
  std::optional<VariableId> banned{};   // some bind may ban it
  std::optional<VariableId> pending{};  // some bind saves in it where it failed: 0, or which one
  std::uint32_t sites = 0;              // binds that save so far
};

// A list of operations, resolved.
struct BindWrites {
  std::vector<std::vector<PageWrite>> operations;
  std::vector<std::string> says;
};

struct SyncobjObjects {
  std::uint32_t first = 0;        // ReservationId, VariableId and FenceId of its first point are at this offset
  std::uint32_t points = 0;       // 0: binary
  std::vector<unsigned> writers;  // of each point: steps that put a fence there
};

struct SyncobjPoint {
  std::uint32_t syncobj = 0;
  std::uint32_t point = 0;  // from 0 on
};

// What a submission does beside the keys of `submit`.
struct Submission {
  std::vector<PageWrite> asks;
  std::optional<ThreadId> job{};  // comes back
};

// What the scenario has in it, found by a first pass over its text.
struct Features {
  bool tracks_memory = false;      // capacities, sizes, groups or address spaces
  bool loops = false;              // programs are not loop-free
  bool counts_slots = false;       // reservation objects
  bool worker_memory = false;      // some workqueue has no rescuer
  bool copies = false;             // some engine copies what moves
  bool triggers = false;           // waiting for a fence may start something, or fences are made anew
  std::uint32_t programs = 0;      // threads, works and jobs
  std::set<std::string> renewed;   // fences
  std::set<std::string> repeated;  // jobs that may be submitted again
};
[[nodiscard]] Features features_of(const Scenario& scenario);

[[nodiscard]] bool same_locks(std::vector<Held> a, std::vector<Held> b);

// The blocks inside a step, in the order of the text.
[[nodiscard]] std::vector<const Block*> blocks_of(const StepDeclaration& step);

[[nodiscard]] bool only_unmaps(const VmBindStep& step);

// Every step of a scenario, those inside other steps too, each once. Recursion is bounded by the reader's limit on
// nesting.
void for_each_step(const Scenario& scenario, const std::function<void(const StepDeclaration&)>& visit);

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

// A loop that `retry` may begin again.
struct OpenLoop {
  std::string name;
  StepIndex first = 0;
  std::vector<Held> held;
};

// What surrounds the step that is being lowered.
struct Frame {
  ThreadKind kind = ThreadKind::user;
  std::string thread;
  bool reclaim = false;            // inside a shrinker, a notifier or an eviction
  std::string context;             // for the story
  std::vector<std::string> calls;  // procedures being expanded
  std::vector<OpenLoop> loops{};   // the innermost last
  bool on_wait = false;            // of a work that a first wait queues
  bool may_leave = false;          // the program may end here: a thread's, outside of reclaim
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
  void declare_queue(const QueueDeclaration& queue);
  void declare_names();
  void lower_threads();
  void add_background_reclaim();
  void add_background_reclaim(const ProcedureDeclaration& procedure, std::string_view who);
  void count_round_trips();  // lower_round_trips.cpp
  [[nodiscard]] bool enters_kernel(const StepDeclaration& step) const;
  [[nodiscard]] RoundTrips count(const Block& block, bool inside, std::vector<std::string>& calls) const;
  [[nodiscard]] RoundTrips count(const StepDeclaration& step, bool inside, std::vector<std::string>& calls) const;
  void lower_thread(const ThreadDeclaration& thread);
  void check_released(const Program& program, std::string_view who);
  void add_callbacks_and_timers();
  void add_thread(const Name& name, ThreadKind kind, std::vector<Step> program);
  void mark_published();
  void warn_about_fences();
  [[nodiscard]] bool only_polled(FenceId fence) const;
  std::optional<FenceId> fence(const Name& name);
  std::vector<FenceId> fences(const std::vector<Name>& names);
  DependencySetId new_set(std::string name, Place at);
  std::optional<LockId> lock(const Name& name);  // of a lock or of a buffer's reservation
  std::optional<std::uint32_t> buffer(const Name& name);
  [[nodiscard]] bool user_controlled(FenceId fence) const;

  // Regions, groups, buffers, address spaces (lower_memory_objects.cpp).
  void declare_memory();
  void declare_regions();
  void declare_groups();
  void declare_group(const GroupDeclaration& group);
  void declare_placements();
  void declare_placement(const BufferDeclaration& buffer, BufferObjects& objects);
  void check_capacities();
  void declare_address_spaces();
  void declare_eviction_fence(const AddressSpaceDeclaration& space, AddressSpaceId id);
  std::optional<RegionId> region(const Name& name);
  std::optional<GroupId> group(const Name& name);
  std::optional<AddressSpaceId> address_space(const Name& name);
  std::optional<BufferId> memory_of(const Name& name);  // of a buffer
  std::optional<QueueId> engine(const Name& name);
  void assign_memory(ThreadId thread, const std::optional<Name>& group, const std::optional<Name>& space);

  // Works and user queues (lower_works.cpp).
  void declare_works();
  void connect_works();
  void lower_work(std::uint32_t index);
  void add_worker(Program& program, const Frame& frame, Place at, std::uint32_t queue);
  void begin_reclaim(Program& program, const Frame& frame, Place at);
  void end_reclaim(Program& program, const Frame& frame, Place at);
  void resolve_kills();
  std::optional<std::uint32_t> user_queue(const Name& name);
  std::optional<VariableId> condition(const Name& name);
  [[nodiscard]] Cause cause_of_wait(const Frame& frame, Cause otherwise) const;

  // Page tables and binds (lower_bind.cpp, lower_bind_rules.cpp).
  void declare_page_tables();
  void declare_page_table(AddressSpaceId space);
  std::optional<AddressSpaceId> space_of(const VmBindStep& step);
  [[nodiscard]] const BindObjects* binds_of(const std::optional<Name>& space) const;
  BindWrites writes_of(PageTableId table, const std::vector<BindOperation>& operations) const;
  [[nodiscard]] std::vector<PageWrite> asked_by(PageTableId table, const BindWrites& writes) const;
  [[nodiscard]] std::vector<Reliance> reliances(PageTableId table, const std::vector<RangeDeclaration>& ranges) const;
  void lower_what(Program& program, const Frame& frame, Place at, const VmBindStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WriteRangesStep& step);
  void enter_bind(Program& program, const Frame& frame, Place at, const VmBindStep& step, BindObjects& binds,
                  std::uint32_t site);
  void bind_now(Program& program, const Frame& frame, Place at, const VmBindStep& step, BindObjects& binds,
                std::uint32_t site, OpenEnds& failed);
  void bind_later(Program& program, const Frame& frame, Place at, const VmBindStep& step, BindObjects& binds,
                  OpenEnds& failed);
  void may_fail(Program& program, const Frame& frame, Place at, const VmBindStep& step, const std::string& where,
                OpenEnds& failed);
  void lock_buffers(Program& program, const Frame& frame, Place at, const VmBindStep& step);
  void give_memory(Program& program, const Frame& frame, Place at, const std::vector<Name>& buffers, OpenEnds& failed);
  void restart(Program& program, const Frame& frame, StepIndex call, const Block& block);
  void go_on_if(Program& program, const Frame& frame, Place at, const Test& test, OpenEnds& others);
  void breach(Rule rule, Place at, std::string who, std::string meets, std::string what);
  void check_bind(const Program& program, const Frame& frame, Place at, const VmBindStep& step);
  void check_submission(const Program& program, const Frame& frame, Place at, const SubmitStep& step, FenceId out);
  void check_wait(const Program& program, const Frame& frame, Place at, const WaitStep& step);
  void check_acquire(const Program& program, const Frame& frame, Place at, LockId lock);
  void check_bind_queues();
  void check_notifiers();

  // Syncobjs (lower_syncobjs.cpp).
  void declare_syncobjs();
  std::optional<SyncobjPoint> syncobj(const Name& name);
  [[nodiscard]] ReservationId reservation_of(const SyncobjPoint& point) const;
  [[nodiscard]] VariableId variable_of(const SyncobjPoint& point) const;
  [[nodiscard]] FenceId appearance_of(const SyncobjPoint& point) const;
  void await_fence(Program& program, const Frame& frame, Place at, const std::vector<SyncobjPoint>& points,
                   const std::optional<Milliseconds>& timeout, OpenEnds& given_up);
  void look_up(Program& program, const Frame& frame, Place at, const SyncobjPoint& point,
               const std::function<void(ReservationId)>& each, OpenEnds& missing);
  void look_up_all(Program& program, const Frame& frame, Place at, const std::vector<Name>& names, bool wait_for_submit,
                   DependencySetId set, OpenEnds& refused);
  void wait_for_held(Program& program, const Frame& frame, Place at, const WaitSyncobjStep& step,
                     const std::vector<SyncobjPoint>& points, OpenEnds& empty);
  void hold_fence(Program& program, const Frame& frame, Place at, const std::vector<Name>& names, FenceId fence);
  void tell_appearance(Program& program, const Frame& frame, Place at, const SyncobjPoint& point);
  void lower_what(Program& program, const Frame& frame, Place at, const WaitSyncobjStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const TransferStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const ResetSyncobjStep& step);

  // Steps (lower_steps.cpp).
  void lower_block(Program& program, const Frame& frame, const Block& block);
  void lower_step(Program& program, const Frame& frame, const StepDeclaration& step);
  void lower_what(Program& program, const Frame& frame, Place at, const SubmitStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WaitStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WaitReservationStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WaitSubmissionsStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const ValidateStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const MoveStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const MapStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const UnmapStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const PinStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const DetachStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const ReserveStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const RearmStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const SetLimitStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const WorkStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const GateStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const KillStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const IfStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const LoopStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const RetryStep& step);
  void lower_what(Program& program, const Frame& frame, Place at, const IoctlStep& step);
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
  StepIndex add_wait_for(Program& program, const Frame& frame, Place at, Cause cause, Wait wait);
  StepIndex add_wait_set(Program& program, const Frame& frame, Place at, Cause cause, DependencySetId set);
  void limit_wait(Program& program, const std::optional<Milliseconds>& timeout, std::optional<bool> interruptible);
  void submit_to_ring(Program& program, const Frame& frame, Place at, const SubmitStep& step, std::uint32_t queue,
                      FenceId out);
  void begin_again(Program& program, const Frame& frame, Place at, const SubmitStep& step, ThreadId job, FenceId out);
  void add_hardware_use(const SubmitStep& step, std::uint32_t queue, ThreadId job, StepIndex begins, StepIndex ends);
  void map_uses(Program& program, const Frame& frame, Place at, const SubmitStep& step);
  void reserve_slot(Program& program, const Frame& frame, Place at, ReservationId reservation);
  void check_shared(const Name& name, LockId lock, bool shared);
  void acquire(Program& program, const Frame& frame, Place at, LockId lock, bool shared);
  void release(Program& program, const Frame& frame, Place at, LockId lock);
  void acquire_together(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks, bool ticket);
  void acquire_with_ticket(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks);
  OpenEnds attempts_in_a_loop(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks,
                              OpenEnds& never);
  OpenEnds attempts_unfolded(Program& program, const Frame& frame, Place at, const std::vector<LockId>& locks,
                             OpenEnds& never);
  void wait_for_reservation(Program& program, const Frame& frame, Place at, std::uint32_t buffer, Usage up_to);
  void evict(Program& program, const Frame& frame, Place at, std::uint32_t buffer, EvictStep::Locking locking,
             const std::optional<Name>& by);
  void take_away(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const std::optional<Name>& by,
                 CopyJobs& copies);
  void relocate(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const Journey& journey,
                CopyJobs& copies);
  void depart(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const Locate& locate,
              const std::optional<QueueId>& by, CopyJobs& copies);
  [[nodiscard]] Journey next_journey(BufferId memory, RegionId from) const;
  CopyJob copy_job(const Frame& frame, Place at, std::uint32_t buffer, QueueId queue);
  const CopyJob& prepare_copy(Program& program, const Frame& frame, Place at, std::uint32_t buffer, Usage up_to,
                              QueueId by, CopyJobs& copies);
  void hand_over(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const Journey& journey,
                 const CopyJob& copy);
  void after_arrival(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const Journey& journey,
                     const CopyJob* copy);
  void attempts(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const ValidateStep& step,
                const std::optional<Arrival>& arrival, CopyJobs& copies, OpenEnds& denied);
  void validate(Program& program, const Frame& frame, Place at, std::uint32_t buffer, const ValidateStep& step,
                CopyJobs& copies, OpenEnds& denied);
  void evict_some(Program& program, const Frame& frame, Place at, const Search& search, CopyJobs& copies);
  void inherit_departures(Program& program, const Frame& frame, Place at, std::uint32_t buffer, RegionId region);
  void confirm_victim(Program& program, const Frame& frame, Place at, const PickVictim& pick, BufferId victim,
                      StepIndex again);
  void collect_victims(Program& program, const Frame& frame, Place at, const PickVictim& pick, StepIndex again,
                       std::map<std::uint32_t, OpenEnds>& chosen, OpenEnds& given_up);
  [[nodiscard]] std::vector<std::uint32_t> candidates(const PickVictim& pick) const;
  void deny(Program& program, const Frame& frame, Place at, const ValidateStep& step);
  void reclaim(Program& program, const Frame& frame, Place at, const AllocStep& step,
               const std::vector<std::uint32_t>& victims);
  std::vector<std::uint32_t> victims(const AllocStep& step);
  std::vector<std::uint32_t> used_buffers(const SubmitStep& step);
  void attach_uses(Program& program, const Frame& frame, Place at, const SubmitStep& step, FenceId out,
                   DependencySetId set);
  void submit(Program& program, const Frame& frame, Place at, const SubmitStep& step, Submission& more);
  std::optional<ThreadId> add_job(const Frame& frame, Place at, const SubmitStep& step, std::uint32_t queue,
                                  FenceId out, std::optional<DependencySetId> set,
                                  std::optional<DependencySetId> looked_up = std::nullopt);
  [[nodiscard]] std::uint32_t restart_limit(const std::string& thread) const;

  const Scenario& scenario_;
  Diagnostics& diagnostics_;
  TransactionCounts transactions_;
  TransactionCounts seen_;
  Symbols symbols_;
  System system_;
  Features features_;
  std::vector<BufferObjects> buffers_;
  std::vector<QueueObjects> queues_;
  std::vector<std::uint32_t> buffer_of_memory_;                    // BufferId to buffers_
  std::vector<std::optional<QueueId>> copies_on_;                  // of each region
  std::vector<std::optional<GroupId>> group_ids_;                  // of each declared group
  std::vector<std::optional<FenceId>> eviction_fences_;            // of each address space
  std::map<std::string, Name, std::less<>> rings_;                 // fence of a doorbell job: its queue
  std::map<std::string, AddressSpaceId, std::less<>> own_spaces_;  // of jobs without an address space
  std::vector<Name> kills_;                                        // of jobs, to be resolved at the end
  std::optional<PoolId> worker_memory_;
  std::map<AddressSpaceId, BindObjects> binds_;
  std::vector<SyncobjObjects> syncobjs_;
  std::uint32_t first_syncobj_reservation_ = 0;
  std::uint32_t first_syncobj_variable_ = 0;
  std::uint32_t first_syncobj_fence_ = 0;
  std::set<std::string, std::less<>> run_by_allocations_;  // shrinkers and notifiers
  std::vector<TimelineObjects> timelines_;
  std::map<LockId, LockId> lines_;      // of each rwsem: its waiting line
  std::uint64_t lowered_ = 0;           // steps so far, procedures expanded
  std::vector<std::string> submitted_;  // names of the jobs so far
};

}  // namespace fencecheck::lowering
