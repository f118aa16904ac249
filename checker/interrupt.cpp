#include "checker/interrupt.hpp"

#include <semaphore.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>

namespace fencecheck {
namespace {

constexpr std::array<int, 3> caught{SIGINT, SIGTERM, SIGHUP};

// A handler may set a flag and post a semaphore; the rest is done by a thread.
std::atomic<bool> requested{false};
sem_t wake;

std::mutex registry_mutex;
std::list<std::function<void()>> registry;

void handle(int signal) {
  if (requested.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  const int saved = errno;
  sem_post(&wake);
  errno = saved;
}

void listen() {
  while (sem_wait(&wake) != 0) {
  }
  if (!requested) return;
  const std::lock_guard lock(registry_mutex);
  for (const std::function<void()>& stop : registry) stop();
}

}  // namespace

bool interrupted() { return requested.load(std::memory_order_relaxed); }

CatchInterrupts::CatchInterrupts() {
  struct sigaction hangup {};
  const bool hangup_is_ignored = sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler == SIG_IGN;  // nohup
  sem_init(&wake, 0, 0);
  listener_ = std::thread(listen);
  for (const int signal : caught) std::signal(signal, handle);
  if (hangup_is_ignored) std::signal(SIGHUP, SIG_IGN);
}

CatchInterrupts::~CatchInterrupts() {
  for (const int signal : caught) std::signal(signal, SIG_DFL);
  sem_post(&wake);
  listener_.join();
  sem_destroy(&wake);
}

Interruptible::Interruptible(std::function<void()> stop) {
  const std::lock_guard lock(registry_mutex);
  entry_ = registry.insert(registry.end(), std::move(stop));
}

Interruptible::~Interruptible() {
  const std::lock_guard lock(registry_mutex);
  registry.erase(entry_);
}

}  // namespace fencecheck
