// What the events of one stretch of a trace could do in another order.
//
// Fences never become unsignalled, so that no order of events that a recording
// shows to complete can hang but for the order in which locks are taken. What
// can go wrong therefore begins with a lock that is held over a wait for a
// fence, signalled already or not, or with locks that are taken in both orders;
// stretches without either are not looked at any further. Of the others the
// threads that take such locks, and whatever the awaited fences need, become a
// System of the core calculus: its programs are the events of each task, of each
// run_job, of each scheduler entity and of hardware, in the order of the trace;
// the order between them is free but for what caused what:
//  - a wait follows the creation of its fence, where it did so when the section
//    around it began; the same holds for a signal;
//  - a task that another one woke, and that waited for nothing known, goes on
//    after it was woken; one that began goes on after it was made;
//  - a work item, a thread of its own, begins after it was queued;
//  - jobs of one entity start in the order in which they were queued.
// docs/semantics.md, "Prediction", says what this takes for granted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/input/reconstruction.hpp"
#include "graph/model/system.hpp"

namespace fencecheck::observed {

// Address, and name as an index: memory that is used again may become another lock.
using LockKey = std::pair<std::uint64_t, std::uint32_t>;

// Something that a thread of the window does. Events that say nothing about the order are none.
struct Happening {
  enum class Kind : std::uint8_t { take, release, create, wait, signal, queue, run, wake, queue_work };
  Kind kind = Kind::take;
  Pid pid = 0;
  bool hardware = false;       // an interrupt did it, or whatever runs jobs
  std::shared_ptr<Job> job;    // inside its run_job; queue, run: the job itself
  Fence fence;                 // created, signalled or waited for
  std::vector<Fence> members;  // of a container that is waited for, or signalled
  WaitRef wait;                // nullptr: the fence that is waited for had signalled already
  std::size_t span = 0;        // of the wait
  bool seed = false;           // a wait that a lock is held over, or one of two locks that are taken in both orders
  LockKey lock;
  bool shared = false;
  bool tried = false;
  Pid woken = 0;
  std::uint32_t work = 0;       // where the work item began that does it; 0: none
  std::uint32_t function = 0;   // of that: an index of names
  std::uint32_t queued_at = 0;  // where that was queued; 0: not known
  std::uint32_t line = 0;
  // A wait that ended without the signal, as far as was recorded.
  [[nodiscard]] bool gave_up() const {
    return wait && (span + 1 < wait->spans.size() || wait->how == WaitEnd::gave_up);
  }
};

// What a window is made from.
struct Stretch {
  const std::deque<Happening>& window;
  const std::map<Pid, std::vector<Happening>>& held;  // when it begins, by lock events
  const std::vector<std::string>& names;
  const std::set<std::uint32_t>& both_orders;  // names of locks that are taken in both orders, somewhere in the trace
  bool ends = false;                           // where the trace does
};

// How the fence is called that stands for it in a window: nobody waits for that, so that an order which is stuck there
// is none.
inline constexpr std::string_view creation_of = "the creation of ";

// A stretch that is worth a closer look.
struct OrderWindow {
  std::optional<System> system;
  std::string unsettled;   // why finding nothing in it says nothing; empty: it does
  std::uint32_t from = 0;  // lines
  std::uint32_t to = 0;
};

// Which locks are taken while which others are held, by name: a cycle of two locks, anywhere in a trace, shows here as
// one of their names, whatever the window. Locks of one name are not told apart.
class NameOrder {
 public:
  // O(1) for a pair that is known, else O(pairs).
  void add(std::uint32_t held, std::uint32_t taken);
  // The names on cycles.
  [[nodiscard]] const std::set<std::uint32_t>& both_orders() const { return both_; }

 private:
  [[nodiscard]] static std::set<std::uint32_t> reach(const std::map<std::uint32_t, std::set<std::uint32_t>>& from,
                                                     std::uint32_t first);
  std::map<std::uint32_t, std::set<std::uint32_t>> after_, before_;
  std::set<std::uint32_t> both_;
};

// Collects what happens, and hands out windows that overlap by half.
class OrderWatch {
 public:
  using Take = std::function<void(const OrderWindow&)>;
  // `size`: happenings in one window, at least 2; an empty `take` switches it off.
  OrderWatch(const Reconstruction& now, std::size_t size, Take take);
  // After each Reconstruction::apply().
  void after(const TraceRecord& record);
  // Events are missing: what happens from here on is not compared with what was before.
  void interrupt();
  // At the end of the trace: the rest.
  void finish();
  // Says the trace which locks are taken? Contention alone does not.
  [[nodiscard]] bool recorded() const { return recorded_; }
  // The same of mmap_lock, which kernels without lockdep record, too.
  [[nodiscard]] bool mmap_lock_recorded() const { return mmap_lock_recorded_; }
  // Were locks held over waits, or taken in both orders, that were not compared with all of the trace?
  [[nodiscard]] bool cut() const { return slid_ && (held_over_ || !order_.both_orders().empty()); }
  // Why finding nothing says nothing: it is not known who held a lock. Empty: that is known.
  [[nodiscard]] std::string unsettled() const;

 private:
  void add(Happening happening);
  void add_lock(const TraceRecord& record);
  void add_wake(const TraceRecord& record);
  void add_wait(const TraceRecord& record, Happening happening);
  void take_work(const TraceRecord& record);
  void note_locks(Happening& happening);
  std::uint32_t intern(std::string_view name);
  void look(bool ends);
  void forget_first_half();

  struct Work {
    std::uint32_t began = 0;  // lines
    std::uint32_t queued = 0;
    std::uint32_t function = 0;
  };
  struct Last {
    bool asks = false;         // for a lock, which it may not have yet
    std::uint64_t number = 0;  // among all happenings
  };

  const Reconstruction& now_;
  std::size_t size_;
  Take take_;
  std::deque<Happening> window_;
  std::uint64_t forgotten_ = 0;                          // happenings before the window
  std::map<Pid, std::vector<Happening>> held_;           // when the window begins, by lock events
  std::map<Pid, Last> last_;                             // what each task did last
  std::map<Pid, Work> works_;                            // that run now
  std::map<std::uint64_t, std::uint32_t> queued_works_;  // by address, and the line; until they begin
  NameOrder order_;
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t, std::less<>> name_ids_;
  std::string unsettled_;
  bool recorded_ = false;
  bool mmap_lock_recorded_ = false;
  bool queueing_recorded_ = false;
  bool held_over_ = false;   // a lock, over a wait, anywhere
  bool slid_ = false;        // the trace is longer than the window
  std::uint64_t seeds_ = 0;  // in the window
};

// The system of these happenings; nothing if two threads cannot be in each other's way.
[[nodiscard]] OrderWindow another_order(const Reconstruction& now, const Stretch& stretch);

}  // namespace fencecheck::observed
