// What the events of one stretch of a trace could do in another order.
//
// Fences never become unsignalled, so that no order of events that a recording
// shows to complete can hang but for the order in which locks are taken. What
// can go wrong therefore begins with a lock that is held over a wait for a
// fence; stretches without one are not looked at any further. Of the others the
// threads that take such locks, and whatever the awaited fences need, become a
// System of the core calculus: its programs are the events of each task, of each
// run_job, of each scheduler entity and of hardware, in the order of the trace;
// the order between them is free but for what caused what:
//  - a wait follows the creation of its fence, where it did so when the section
//    around it began; the same holds for a signal;
//  - a task that another one woke, and that waited for nothing known, goes on
//    after it was woken;
//  - jobs of one entity start in the order in which they were queued.
// docs/semantics.md, "Prediction", says what this takes for granted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/input/reconstruction.hpp"
#include "graph/model/system.hpp"

namespace fencecheck::observed {

// Something that a thread of the window does. Events that say nothing about the order are none.
struct Happening {
  enum class Kind : std::uint8_t { take, release, create, wait, signal, queue, run, wake };
  Kind kind = Kind::take;
  Pid pid = 0;
  bool hardware = false;       // an interrupt did it, or whatever runs jobs
  std::shared_ptr<Job> job;    // inside its run_job; queue, run: the job itself
  Fence fence;                 // created, signalled or waited for
  std::vector<Fence> members;  // of a container that is waited for
  bool seed = false;           // a wait that a lock is held over
  std::uint64_t lock = 0;
  std::uint32_t name = 0;  // of the lock: an index
  bool shared = false;
  Pid woken = 0;
  std::uint32_t line = 0;
};

// A stretch that is worth a closer look.
struct OrderWindow {
  System system;
  std::uint32_t from = 0;  // lines
  std::uint32_t to = 0;
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
  // Says the trace which locks are taken? Contention alone does not, nor do the events of mmap_lock.
  [[nodiscard]] bool recorded() const { return recorded_; }
  // Were locks held over waits that were not compared with all of the trace?
  [[nodiscard]] bool cut() const { return slid_ && held_over_; }

 private:
  void add(Happening happening);
  void add_lock(const TraceRecord& record);
  void add_wake(const TraceRecord& record);
  void look();
  void forget_first_half();

  const Reconstruction& now_;
  std::size_t size_;
  Take take_;
  std::deque<Happening> window_;
  std::map<Pid, std::vector<Happening>> held_;  // when the window begins, by lock events
  std::map<Pid, Happening::Kind> last_;         // what each task did last
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t, std::less<>> name_ids_;
  bool recorded_ = false;
  bool held_over_ = false;   // a lock, over a wait, anywhere
  bool slid_ = false;        // the trace is longer than the window
  std::uint64_t seeds_ = 0;  // in the window
};

// The system of these happenings; nothing if no lock that is held over a wait is taken by two threads.
[[nodiscard]] std::optional<System> another_order(const Reconstruction& now, const std::deque<Happening>& window,
                                                  const std::map<Pid, std::vector<Happening>>& held,
                                                  const std::vector<std::string>& names);

}  // namespace fencecheck::observed
