// Prediction: orders of a trace's events that hang, although the recorded one did not.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checker/budget.hpp"
#include "checker/hang_findings.hpp"
#include "graph/input/order_window.hpp"
#include "graph/model/report.hpp"

namespace fencecheck {

// How much of the orders of a trace could be compared; see OrderWatch.
struct Orders {
  std::size_t window = 0;
  bool cut = false;
  std::string lack;  // see Observation::orders_lack
  std::string unsettled;
};

// Decides window after window, as if it were a scenario: what it finds has been
// replayed on the operational semantics.
class Predictor {
 public:
  // Takes at most half of the time that the budget has left.
  explicit Predictor(Budget budget);
  void take(const observed::OrderWindow& window);
  // Adds findings, the answer "prediction" and what it rests on. Only for traces
  // with lock events.
  void conclude(Report& report, const Orders& orders) const;

 private:
  void give_up(const observed::OrderWindow& window, std::string_view why);
  [[nodiscard]] Decision decide_in_time(const System& system);

  Budget budget_;
  std::optional<std::chrono::steady_clock::duration> left_;  // of the time; nothing: no limit
  std::vector<Finding> findings_;
  std::set<std::string> known_;
  std::uint64_t windows_ = 0;
  std::string gave_up_;
};

}  // namespace fencecheck
