// Ctrl-C, SIGTERM and SIGHUP: long work stops at the next opportunity, and what it found
// until then is still reported.
#pragma once

#include <functional>
#include <list>
#include <thread>

namespace fencecheck {

[[nodiscard]] bool interrupted();

// While it lives, the first signal sets interrupted() and stops what is
// registered; a second one ends the process as if nobody had caught it. SIGHUP
// stays ignored if it was (nohup). One at a time.
class CatchInterrupts {
 public:
  CatchInterrupts();
  ~CatchInterrupts();
  CatchInterrupts(const CatchInterrupts&) = delete;
  CatchInterrupts& operator=(const CatchInterrupts&) = delete;

 private:
  std::thread listener_;
};

// Registers a function that stops work which does not look at interrupted()
// itself. It is called from another thread, at most once, and not after the
// destructor has returned.
class Interruptible {
 public:
  explicit Interruptible(std::function<void()> stop);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  std::list<std::function<void()>>::iterator entry_;
};

}  // namespace fencecheck
