// The encoder behind executions(): what formula.cpp (flow, fences, obligations)
// and formula_resources.cpp (locks, pools, queues, variables) share. Not for
// other files.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "encoders/formula.hpp"
#include "graph/model/control_flow.hpp"
#include "graph/model/overloaded.hpp"

namespace fencecheck::formula {

// A step of a thread; for branching steps, with the branch that matters.
struct Site {
  std::uint32_t thread = 0;
  StepIndex step = 0;
  std::uint32_t branch = 0;
  bool shared = false;
  bool with_ticket = false;
  std::int64_t amount = 0;
};
using Sites = std::vector<Site>;

class Encoder {
 public:
  Encoder(z3::context& context, const System& system, Precision precision, const std::function<bool()>& stop)
      : z3_(context), system_(system), precision_(precision), stop_(stop), formula_(empty()) {}
  Formula run();

 private:
  using Expr = z3::expr;
  Formula empty() { return {{}, {}, {}, {}, {}, z3_.bool_val(false), z3_.bool_val(false)}; }

  // Boolean algebra with the constants folded, so that what is decided statically never reaches the solver.
  Expr no() { return z3_.bool_val(false); }
  Expr yes() { return z3_.bool_val(true); }
  Expr any(const std::vector<Expr>& parts);
  Expr all(const std::vector<Expr>& parts);
  Expr both(const Expr& a, const Expr& b) { return all({a, b}); }
  Expr negated(const Expr& a) { return a.is_true() ? no() : a.is_false() ? yes() : !a; }

  const Step& step(const Site& site) const { return system_.threads[site.thread].program[site.step]; }
  Expr taken(const Site& site) const { return formula_.taken[site.thread][site.step][site.branch]; }
  Expr executed(const Site& site);
  Expr position(const Site& site) const { return formula_.position[site.thread][site.step]; }
  Expr reached(std::uint32_t thread, StepIndex step);
  Expr at(std::uint32_t thread, StepIndex step);
  Expr before(const Site& a, const Site& b);       // order of two executed steps
  Expr done_before(const Site& a, const Site& b);  // `a` executed, and before `b`
  Expr on(Cause cause) const { return formula_.causes[static_cast<std::size_t>(cause)]; }
  Expr on(const Site& site) const { return on(step(site).cause); }
  void demand(std::string_view rule, const Site& site, const Expr& condition, const Expr& then);
  void order(const Site& a, const Site& b);  // if both execute, one comes first

  void collect_sites();
  void collect_lock_sites(std::uint32_t thread, StepIndex index);
  void declare_steps();
  [[nodiscard]] bool goes_on(const Site& site) const;
  void encode_flow(std::uint32_t thread);
  void encode_step(const Site& site);

  // What a step needs in order to execute, by kind; and when it is stuck for ever.
  void encode(const Site& site, const Wait& wait);
  void encode(const Site& site, const WaitSet& wait);
  void encode(const Site& site, const Acquire& acquire);
  void encode(const Site& site, const TryAcquire& attempt);
  void encode(const Site& site, const AcquireWithTicket& acquire);
  void encode(const Site& site, const Take& take);
  void encode(const Site& site, const Begin&);
  void encode(const Site& site, const Choose& choose);
  void encode(const Site& site, const Collect& collect);
  void encode(const Site& site, const Expire&) { demand("expire", site, executed(site), no()); }
  void encode(const Site& site, const Cutoff&) { (void)site; }
  template <class Unconditional>
  void encode(const Site&, const Unconditional&) {}

  Expr stuck(const Site& site, const Wait& wait);
  Expr stuck(const Site& site, const WaitSet& wait);
  Expr stuck(const Site& site, const Acquire& acquire);
  Expr stuck(const Site& site, const AcquireWithTicket& acquire);
  Expr stuck(const Site& site, const Take& take);
  Expr stuck(const Site& site, const Begin&);
  Expr stuck(const Site& site, const Choose& choose);
  Expr stuck(const Site&, const Expire&) { return yes(); }
  Expr stuck(const Site&, const Cutoff&) { return yes(); }
  template <class Unconditional>
  Expr stuck(const Site&, const Unconditional&) {
    return no();
  }
  Expr stuck(const Site& site);

  // Fences.
  Expr signalled(FenceId fence);
  Expr published(FenceId fence);
  Expr signalled_before(FenceId fence, const Site& site);
  struct Membership {  // fence in a dependency set, by one Attach seen by one Collect
    Site collect;
    FenceId fence;
    Expr holds;
  };
  std::vector<Membership> members(DependencySetId set);

  // Locks.
  static bool conflict(const Site& a, bool shared) { return !(a.shared && shared); }
  const Sites& releases_after(const Site& acquire);
  Sites find_releases(const Site& acquire) const;
  Expr released_before(const Site& acquire, const Site& site);
  Expr held_at(const Site& acquire, const Site& site);  // taken and not yet released
  bool holds_statically(const Site& site, LockId lock, bool shared) const;
  bool holds_with_ticket(const Site& site) const;
  Expr held_for_ever(const Site& site, LockId lock);
  Expr held_at_last(LockId lock, bool shared);
  void encode_last_holders();
  void exclude(const Site& mine, LockId lock);
  Expr older(std::uint32_t thread, std::optional<StepIndex> ticket, const Site& than);
  std::optional<Site> ticket_of(std::uint32_t thread, StepIndex step) const;

  // Queues, pools, variables.
  void find_chains();
  Expr finished_before(std::uint32_t job, const Site& site);
  Expr finished(std::uint32_t job);
  Expr pushed(std::uint32_t job);
  Expr pushed_before(std::uint32_t first, std::uint32_t second);
  Expr holds_now(const Test& test, const Site& site);  // as read by an executed step
  Expr holds_at_last(const Test& test);
  Expr amount(const Sites& sites, const std::function<Expr(const Site&)>& counts);

  void encode_queue_order();
  void encode_orders(const std::vector<Sites>& groups);
  void encode_owed();

  z3::context& z3_;
  const System& system_;
  Precision precision_;
  const std::function<bool()>& stop_;
  Formula formula_;
  std::vector<ControlFlow> flows_;
  std::vector<std::vector<std::size_t>> place_;  // of each thread, step: in topological order
  std::map<std::tuple<std::uint32_t, StepIndex, std::uint32_t, StepIndex>, Expr>
      orders_;                                                        // of cuts: first before second
  std::vector<Sites> signals_, publishes_;                            // of each fence
  std::vector<Sites> acquires_, releases_;                            // of each lock
  std::vector<Sites> attaches_;                                       // of each reservation
  std::vector<Sites> collects_;                                       // of each set
  std::vector<Sites> takes_, gives_;                                  // of each pool
  std::vector<Sites> assigns_;                                        // of each variable
  std::vector<Sites> pushes_, begins_, finishes_;                     // of each thread
  std::map<std::pair<std::uint32_t, StepIndex>, Sites> releases_of_;  // of each step that takes a lock
  std::vector<Sites> jobs_;                                           // of each queue: the Begin steps
  std::map<std::uint32_t, std::optional<std::uint32_t>> in_front_;    // of a job in a chain: the one before it
  struct Holder {
    Site site;
    HeldLock held;
  };
  std::vector<std::vector<Holder>> holders_;                // of each lock: steps before which a thread holds it
  std::map<std::pair<std::uint32_t, bool>, Expr> at_last_;  // of held_at_last()
};

}  // namespace fencecheck::formula
