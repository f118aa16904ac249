// Assembling a thread's control-flow graph from structured blocks.
//
// A step that is added becomes the successor of every open end; a branching
// step leaves one open end for each branch, to be picked up again by from().
// So blocks nest without labels and without empty steps.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/model/system.hpp"

namespace fencecheck {

// A successor that is not known yet: of a step's branch, or of its timeout.
struct OpenEnd {
  StepIndex step = 0;
  std::uint32_t branch = 0;
  bool timeout = false;
};
using OpenEnds = std::vector<OpenEnd>;

// A lock that is held at this point of the program, whatever way led to it.
struct Held {
  LockId lock;
  bool shared = false;
  Place at;
  bool with_ticket = false;
  friend bool operator==(const Held& a, const Held& b) { return a.lock == b.lock && a.shared == b.shared; }
};

class Program {
 public:
  // Appends a step after all open ends; its own successors become the open ends.
  // The size of `next` says how many there are.
  StepIndex add(Step step);

  // The open ends of one branch, or of the timeout, of the step added last.
  [[nodiscard]] static OpenEnds branch_of(StepIndex step, std::uint32_t branch) { return {{step, branch, false}}; }
  [[nodiscard]] static OpenEnds timeout_of(StepIndex step) { return {{step, 0, true}}; }

  [[nodiscard]] OpenEnds take_ends() { return std::exchange(ends_, {}); }
  void from(OpenEnds ends) { ends_ = std::move(ends); }
  void join(const OpenEnds& ends) { ends_.insert(ends_.end(), ends.begin(), ends.end()); }
  [[nodiscard]] bool reachable() const { return steps_.empty() || !ends_.empty(); }

  [[nodiscard]] StepIndex size() const { return static_cast<StepIndex>(steps_.size()); }
  [[nodiscard]] Step& operator[](StepIndex step) { return steps_[step]; }
  [[nodiscard]] const Step& operator[](StepIndex step) const { return steps_[step]; }

  // Locks held here; kept by the caller, which knows what the steps mean.
  std::vector<Held> held;
  [[nodiscard]] bool holds(LockId lock) const { return std::ranges::find(held, lock, &Held::lock) != held.end(); }
  // In a way that makes another attempt by the same thread fail.
  [[nodiscard]] bool holds_against(LockId lock, bool shared) const {
    return std::ranges::any_of(held, [&](const Held& each) { return each.lock == lock && !(each.shared && shared); });
  }
  [[nodiscard]] bool holds_with_ticket() const { return std::ranges::any_of(held, &Held::with_ticket); }

  // Leads every open end back to an earlier step.
  void back_to(StepIndex step) { connect(step); }
  // Gives those who come back to this step, from steps after it, a copy of it, so that who stands there has not begun.
  // Nothing if nobody comes back. Returns the copy.
  std::optional<StepIndex> set_apart(StepIndex first);
  // Does anything lead on from here, or to the thread's end?
  [[nodiscard]] bool may_go_on() const { return !ends_.empty() || !exits_.empty(); }
  // Leads every open end to the thread's end, whatever is added later.
  void leave() {
    exits_.insert(exits_.end(), ends_.begin(), ends_.end());
    ends_.clear();
  }

  // Closes every open end at the thread's end.
  [[nodiscard]] std::vector<Step> finish();

 private:
  void connect(StepIndex target);
  std::vector<Step> steps_;
  OpenEnds ends_;
  OpenEnds exits_;
};

}  // namespace fencecheck
