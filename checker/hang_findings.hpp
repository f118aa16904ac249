// From hangs to findings: each is replayed, explained, classified as deadlock,
// stall or lost fence, and reduced to its needs. Whatever engine found it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "checker/budget.hpp"
#include "checker/explain.hpp"
#include "checker/search.hpp"
#include "graph/dependencies.hpp"
#include "graph/model/debts.hpp"
#include "graph/model/engine.hpp"
#include "graph/model/finding.hpp"
#include "graph/model/incidents.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

struct Decision {
  std::vector<Answer> answers;
  std::vector<Finding> findings;         // worst first
  std::vector<Cycle> cycles;             // of the findings, in the dependency graph
  std::vector<std::string> assumptions;  // and remarks that are no findings
  Engine engine = Engine::automatic;     // which one decided
};

struct Hang {
  std::vector<Move> schedule;
  State last;
  std::vector<Obligation> owed;  // what the hang keeps from being discharged, of what was asked for
  Knot knot;
};

// Whatever a system can ever owe.
[[nodiscard]] std::vector<Obligation> every_obligation(const System& system);

// Collects the findings of one system.
class HangFindings {
 public:
  // An execution in which one of these obligations stays undischarged while only
  // `causes` make anybody wait.
  using StillHangs = std::function<Search(Causes causes, const std::vector<Obligation>& owed)>;
  // How much work `needs` may be: all sets of causes, the smallest first; or one
  // cause after the other is left out, which ends at a set that cannot be reduced.
  enum class Needs : std::uint8_t { smallest, irreducible };

  HangFindings(const System& system, const SystemGraph& graph, Budget budget, Needs how, StillHangs still_hangs)
      : system_(system), graph_(graph), budget_(std::move(budget)), how_(how), still_hangs_(std::move(still_hangs)) {}

  // Replays the schedule and explains where it ends. Throws std::logic_error if it
  // does not end in a hang that owes one of `asked`: a defect of the engine.
  [[nodiscard]] Hang examined(std::vector<Move> schedule, const std::vector<Obligation>& asked) const;

  // Adds the finding, unless it is known already.
  void add(Hang hang);

  // Adds an incident at the end of this way, replayed, unless it is known already.
  void add(const Incident& incident, const std::vector<Move>& way);

  // Adds a livelock, replayed, unless it is known already.
  void add(const Lasso& lasso);

  Decision decision;
  std::string doubtful;  // a hang that may be the calculus' own; empty: there was none

 private:
  [[nodiscard]] bool is_known(const Finding& finding) const;
  [[nodiscard]] static std::vector<ThreadId> movers(const Lasso& lasso);
  [[nodiscard]] std::optional<Hang> stuck_beside(const Lasso& lasso) const;
  void add_stuck_beside(const Lasso& lasso, const Hang& hang);
  struct Told;
  [[nodiscard]] Told told_of(const Lasso& lasso) const;
  [[nodiscard]] std::string doubt(const Hang& hang) const;
  bool comes_back(Finding& finding, const Hang& hang);
  void classify(Finding& finding, Hang& hang);
  void add_stall(Finding& finding, const Hang& hang) const;
  void add_story(Finding& finding, const std::vector<Move>& schedule, const Knot& knot) const;
  [[nodiscard]] std::optional<bool> still_hangs(Causes causes, const std::vector<Obligation>& owed) const;
  [[nodiscard]] Causes needs(const Hang& hang) const;
  [[nodiscard]] Causes smallest(Causes among, const std::vector<Obligation>& owed) const;
  [[nodiscard]] Causes irreducible(Causes among, const std::vector<Obligation>& owed) const;

  const System& system_;
  const SystemGraph& graph_;
  Budget budget_;
  Needs how_;
  StillHangs still_hangs_;
  std::vector<Debt> hopeless_;  // that some finding says will never be discharged, for all the timeouts
};

}  // namespace fencecheck
