// The parent's end: a child process, its pipe, and records out of it.
#include "graph/input/read_trace_dat.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "graph/input/trace_dat_child.hpp"

namespace fencecheck {

bool is_trace_dat(std::string_view beginning) {
  return beginning.starts_with(std::string_view("\x17\x08\x44tracing", 10));
}

TraceDatReader::TraceDatReader(const std::string& path, Diagnostics& diagnostics, AskToStop ask)
    : diagnostics_(diagnostics), stop_(std::move(ask)) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    throw std::runtime_error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  constexpr int large_pipe = 1024 * 1024;
  (void)fcntl(ends[0], F_SETPIPE_SZ, large_pipe);  // where it is not allowed, the usual size will do
  (void)std::fflush(nullptr);                      // or the child would write what is buffered as well
  child_ = fork();
  if (child_ < 0) throw std::runtime_error(fmt::format("cannot fork: {}", std::strerror(errno)));
  if (child_ == 0) {
    close(ends[0]);
    _exit(write_trace_dat(path, ends[1]));
  }
  close(ends[1]);
  pipe_ = ends[0];
  messages_ = std::make_unique<MessageReader>(pipe_, [this] { return !stop_.now(facts_, losses_); });
}

TraceDatReader::~TraceDatReader() {
  if (pipe_ >= 0) close(pipe_);
  if (child_ <= 0) return;
  (void)kill(child_, SIGKILL);
  (void)waitpid(child_, nullptr, 0);
}

bool TraceDatReader::next(TraceRecord& record) {
  while (!done_) {
    if (!messages_->next()) {
      finish(false);
    } else if (take_message(record)) {
      return true;
    }
  }
  return false;
}

bool TraceDatReader::take_message(TraceRecord& record) {
  switch (messages_->type()) {
    case MessageType::event:
    case MessageType::other:
      return take_event(record);
    case MessageType::stack:
      return take_stack(record);
    case MessageType::loss:
      take_loss();
      return false;
    case MessageType::clock: {
      std::string_view clock;
      if (messages_->take_text(clock)) facts_.clock = clock;
      return false;
    }
    case MessageType::error: {
      std::string_view text;
      if (messages_->take_text(text)) diagnostics_.error({}, std::string(text));
      done_ = true;
      return false;
    }
    case MessageType::end:
      finish(true);
      return false;
  }
  finish(false);
  return false;
}

void TraceDatReader::count(const TraceMessage& message) {
  const auto line = static_cast<std::uint32_t>(++facts_.events);
  if (facts_.last_line == 0) facts_.first_time = message.time;
  facts_.last_time = message.time;
  facts_.last_line = line;
  if (message.cpu >= last_of_cpu_.size()) last_of_cpu_.resize(std::size_t{message.cpu} + 1);
  last_of_cpu_[message.cpu] = line;
  done_ = stop_.after_event(facts_, losses_);
}

bool TraceDatReader::take_event(TraceRecord& record) {
  TraceMessage message;
  if (!messages_->take(message)) return false;
  count(message);
  if (message.row >= trace_event_table.size()) {
    losses_.add(LossKind::other_event, 1, {facts_.last_line, 0, 1}, {}, facts_);
    return false;
  }
  record = {};
  record.row = &trace_event_table.at(message.row);
  record.kind = record.row->kind;
  record.context = message.interrupt != 0 ? TraceContext::interrupt : TraceContext::task;
  record.line = facts_.last_line;
  record.pid = message.pid;
  record.time = message.time;
  return messages_->take_text(record.comm) && take_fields(message.present, record);
}

bool TraceDatReader::take_fields(std::uint32_t present, TraceRecord& record) {
  for (std::uint32_t left = present; left != 0; left &= left - 1) {
    const auto field = static_cast<TraceField>(std::countr_zero(left));
    if (is_number(field)) {
      std::uint64_t number = 0;
      if (!messages_->take(number)) return false;
      record.set(field, number);
    } else {
      std::string_view word;
      if (!messages_->take_text(word)) return false;
      record.set(field, word);
    }
  }
  return true;
}

bool TraceDatReader::take_stack(TraceRecord& record) {
  TraceMessage message;
  std::uint32_t frames = 0;
  if (!messages_->take(message) || !messages_->take(frames)) return false;
  count(message);
  record = {};
  record.context = message.interrupt != 0 ? TraceContext::interrupt : TraceContext::task;
  record.line = facts_.last_line;
  record.pid = message.pid;
  record.time = message.time;
  for (std::string_view frame; frames > 0 && messages_->take_text(frame); --frames) record.frames.push_back(frame);
  return frames == 0;
}

void TraceDatReader::take_loss() {
  std::uint32_t cpu = 0;
  std::uint64_t lost = 0;
  if (!messages_->take(cpu) || !messages_->take(lost)) return;
  const auto line = static_cast<std::uint32_t>(facts_.events + 1);
  losses_.add(LossKind::lost_events, lost, {line, 0, 1}, {cpu < last_of_cpu_.size() ? last_of_cpu_[cpu] : 0, line},
              facts_);
}

void TraceDatReader::finish(bool complete) {
  done_ = true;
  if (!facts_.stopped.empty()) return;
  if (!complete) {
    int status = 0;
    (void)waitpid(child_, &status, 0);
    child_ = -1;
    diagnostics_.error({}, WIFSIGNALED(status)
                               ? fmt::format("libtracecmd crashed on this file (signal {}): it is truncated or damaged",
                                             WTERMSIG(status))
                               : "libtracecmd stopped in the middle of this file");
  } else if (facts_.events == 0) {
    losses_.add(LossKind::cut_short, 1, {}, {}, facts_);
  }
  facts_.losses = losses_.all();
}

}  // namespace fencecheck
