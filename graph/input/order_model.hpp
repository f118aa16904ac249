// The happenings of one window, sorted by who did them, and the system that they become: what matters is chosen
// (order_choice.cpp), then written as programs (order_window.cpp).
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/input/order_window.hpp"
#include "graph/model/system.hpp"

namespace fencecheck::observed {

// A task, one work item, or one run_job.
struct ActorKey {
  Pid pid = 0;
  std::uint32_t work = 0;       // the line where the work item began; 0: none, or run_job
  std::optional<FenceKey> job;  // its finished fence
  friend auto operator<=>(const ActorKey&, const ActorKey&) = default;
};

struct JobOrder {
  bool operator()(const std::shared_ptr<Job>& a, const std::shared_ptr<Job>& b) const {
    return a->finished->key < b->finished->key;
  }
};

struct LockUse {
  std::set<std::pair<std::uint64_t, std::uint64_t>> takers;  // by pid and work; of run_jobs one at a time on each ring
  bool exclusive = false;
  bool shared = false;
};

class WindowModel {
 public:
  WindowModel(const Reconstruction& now, const Stretch& stretch)
      : now_(now),
        window_(stretch.window),
        held_(stretch.held),
        names_(stretch.names),
        both_orders_(stretch.both_orders),
        ends_(stretch.ends) {}
  OrderWindow build();

 private:
  // What happened, by who did it.
  void sort_out();
  [[nodiscard]] ActorKey actor_of(const Happening& happening) const;
  [[nodiscard]] std::string name_of(const Happening& happening) const;
  [[nodiscard]] std::vector<const Happening*> held_by(const ActorKey& actor) const;

  // What matters.
  void keep_locks();
  template <class Visit>
  void visit_held(const Visit& visit) const;
  [[nodiscard]] std::set<LockKey> in_both_orders() const;
  void keep_held(std::set<LockKey>& kept) const;
  [[nodiscard]] std::map<LockKey, LockUse> uses() const;
  [[nodiscard]] std::string unsettled(const std::map<LockKey, LockUse>& uses) const;
  void choose_actors();
  void extend(const ActorKey& actor, std::uint32_t line);
  void extend_all();
  void need_what(const Happening& happening);
  void need(const Fence& fence);
  void need(const std::shared_ptr<Job>& job);
  [[nodiscard]] std::vector<Fence> resolved(const Happening& happening) const;
  [[nodiscard]] std::vector<Fence> resolved(const Dependency& dependency) const;
  [[nodiscard]] std::vector<Fence> known_at(const Happening& happening) const;
  void resolve(const Fence& fence, const std::vector<Fence>& members, std::vector<Fence>& into) const;
  [[nodiscard]] bool takes_part(const Happening& happening) const;

  // The order that is kept.
  void note_causes(const Happening& happening, bool first);
  void find_causes(const ActorKey& actor);
  void follow_creation(const Fence& fence, const ActorKey& actor, const Happening& at, const Happening* section);

  // The system.
  void add_threads();
  void write(const ActorKey& actor, Thread& thread);
  void write(Thread& thread, const Happening& happening, std::map<LockKey, std::uint32_t>& depths);
  void write_job(const std::shared_ptr<Job>& job);
  void write_free_hardware();
  FenceId fence(const Fence& fence);
  FenceId order(const std::string& name, std::uint32_t line);
  LockId lock(const Happening& take);
  void acquire(Thread& thread, const Happening& take);
  QueueId queue(const std::string& name, std::uint32_t width);
  static void add(Thread& thread, Action action, Cause cause, std::uint32_t line);

  const Reconstruction& now_;
  const std::deque<Happening>& window_;
  const std::map<Pid, std::vector<Happening>>& held_;
  const std::vector<std::string>& names_;
  const std::set<std::uint32_t>& both_orders_;
  bool ends_;

  std::map<ActorKey, std::vector<const Happening*>> sequences_;
  std::map<Fence, const Happening*> created_, signalled_;
  std::map<Fence, std::shared_ptr<Job>> hardware_of_;
  std::map<std::shared_ptr<Job>, const Happening*, JobOrder> ran_, queued_;
  std::map<Pid, std::vector<const Happening*>> woken_;                // by these, and nothing done since
  std::map<std::uint32_t, const Happening*> queued_works_;            // by line
  std::map<const Happening*, std::vector<const Happening*>> causes_;  // what it follows: wakes, and queueing of work

  std::set<LockKey> kept_;
  std::set<LockKey> queued_for_;  // of them: rwsems
  std::vector<std::pair<ActorKey, std::uint32_t>> to_extend_;
  std::map<ActorKey, std::uint32_t> reach_;  // up to which line each takes part
  std::set<std::shared_ptr<Job>, JobOrder> jobs_;
  std::set<Fence> needed_;

  std::map<const Happening*, std::vector<FenceId>> before_;  // waits for what came first
  std::map<const Happening*, std::vector<FenceId>> after_;   // signals of the same

  System system_;
  std::map<Fence, FenceId> fences_;
  std::map<Fence, FenceId> creations_;
  std::map<LockKey, LockId> locks_, lines_;
  std::map<std::string, QueueId> queues_;
  std::map<ActorKey, ThreadId> threads_;
  std::map<std::shared_ptr<Job>, ThreadId, JobOrder> entities_;
};

}  // namespace fencecheck::observed
