// Interleavings by SMT: one query for all maximal executions of a system.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "checker/budget.hpp"
#include "checker/search.hpp"
#include "encoders/precision.hpp"
#include "graph/model/state.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

// Thrown where the budget does not even suffice to write the formula down.
struct OutOfBudget {
  std::string why;
};

// A solver that holds the formula of one system and is asked several times.
class SmtEngine {
 public:
  // Requires: not_encodable(system) is empty; the system outlives the engine. Throws OutOfBudget.
  // With cuts, questions may be given up that the others answer, but the formula is small: what it excludes is
  // excluded, and what it finds has been put in order, step by step.
  SmtEngine(const System& system, const Budget& budget, Precision precision = Precision::executions);
  ~SmtEngine();
  SmtEngine(const SmtEngine&) = delete;
  SmtEngine& operator=(const SmtEngine&) = delete;

  enum class Timeouts : std::uint8_t { any, none, some };  // what may still fire at the end

  // A maximal execution that leaves one of these obligations undischarged, while
  // only `causes` make anybody wait.
  [[nodiscard]] Search find_hang(Causes causes, Timeouts timeouts, const std::vector<Obligation>& owed);

  // As find_hang() for any obligation and all causes, away from what was excluded.
  [[nodiscard]] Search find_other_hang(Timeouts timeouts);

  // A maximal execution at whose end a timeout can fire.
  [[nodiscard]] Search find_timeout();

  // Every obligation that the system may leave undischarged.
  [[nodiscard]] std::vector<Obligation> obligations() const;

  // A maximal execution in which a user thread never reaches its end.
  [[nodiscard]] Search find_stuck_user();

  // An execution that reaches a Cutoff: beyond it nothing is known.
  [[nodiscard]] Search find_cutoff();

  // For find_other_hang(): at least one of these threads is somewhere else at the end.
  void exclude(const std::vector<std::pair<ThreadId, StepIndex>>& positions);

 private:
  struct Question;
  struct Solver;
  std::unique_ptr<Solver> solver_;
};

}  // namespace fencecheck
