// Lets a reader end early, and say so.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "graph/input/loss_counter.hpp"
#include "graph/input/trace.hpp"

namespace fencecheck {

// Why not to read on, or an empty string. May be empty itself.
using AskToStop = std::function<std::string(const TraceFacts&)>;

class StopReading {
 public:
  explicit StopReading(AskToStop ask) : ask_(std::move(ask)) {}

  // After each event, skipped ones included; asks now and then. True: the
  // reader is to end, which is counted as a loss already.
  [[nodiscard]] bool after_event(TraceFacts& facts, LossCounter& losses) {
    constexpr std::uint32_t events_between_questions = 4096;
    return ++events_ % events_between_questions == 0 && now(facts, losses);
  }
  [[nodiscard]] bool now(TraceFacts& facts, LossCounter& losses) {
    if (!facts.stopped.empty()) return true;
    if (ask_) facts.stopped = ask_(facts);
    if (facts.stopped.empty()) return false;
    losses.add(LossKind::not_read, 1, {facts.last_line, 0, 1}, {facts.last_line, facts.last_line}, facts);
    facts.losses = losses.all();
    return true;
  }

 private:
  AskToStop ask_;
  std::uint32_t events_ = 0;
};

}  // namespace fencecheck
