// Prediction: orders of a trace's events that hang, although the recorded one did not.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "checker/budget.hpp"
#include "graph/input/order_window.hpp"
#include "graph/model/report.hpp"

namespace fencecheck {

// Decides window after window, as if it were a scenario: what it finds has been
// replayed on the operational semantics.
class Predictor {
 public:
  explicit Predictor(Budget budget) : budget_(std::move(budget)) {}
  void take(const observed::OrderWindow& window);
  // Adds findings, the answer "prediction" and what it rests on. Only for traces
  // with lock events; `lack`, `cut`: see Observation::orders_lack, orders_cut.
  void conclude(Report& report, std::size_t window, const std::string& lack, bool cut) const;

 private:
  Budget budget_;
  std::vector<Finding> findings_;
  std::set<std::string> known_;
  std::uint64_t windows_ = 0;
  std::string gave_up_;
};

}  // namespace fencecheck
