// The parent's end: a child process, its pipe, and records out of it.
#include "graph/input/read_trace_dat.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "graph/input/trace_dat_child.hpp"
#include "graph/input/trace_message.hpp"

namespace fencecheck {

bool is_trace_dat(std::string_view beginning) {
  return beginning.starts_with(std::string_view("\x17\x08\x44tracing", 10));
}

TraceDatReader::TraceDatReader(const std::string& path, Diagnostics& diagnostics) : diagnostics_(diagnostics) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  (void)std::fflush(nullptr);  // or the child would write what is buffered as well
  child_ = fork();
  if (child_ < 0) throw std::runtime_error(fmt::format("cannot fork: {}", std::strerror(errno)));
  if (child_ == 0) {
    close(ends[0]);
    _exit(write_trace_dat(path, ends[1]));
  }
  close(ends[1]);
  pipe_ = fdopen(ends[0], "rb");
  if (pipe_ == nullptr) throw std::runtime_error("cannot read a pipe");
}

TraceDatReader::~TraceDatReader() {
  if (pipe_ != nullptr) (void)std::fclose(pipe_);
  if (child_ <= 0) return;
  (void)kill(child_, SIGKILL);
  (void)waitpid(child_, nullptr, 0);
}

bool TraceDatReader::next(TraceRecord& record) {
  while (!done_) {
    const int type = std::fgetc(pipe_);
    if (type == EOF) {
      finish(false);
    } else if (take_message(static_cast<char>(type), record)) {
      return true;
    }
  }
  return false;
}

bool TraceDatReader::take_message(char type, TraceRecord& record) {
  switch (type) {
    case message_event:
      return take_event(record);
    case message_stack:
      return take_stack(record);
    case message_loss:
      take_loss();
      return false;
    case message_error:
      if (read_text(comm_)) diagnostics_.error({}, comm_);
      done_ = true;
      return false;
    default:
      finish(type == message_end);
      return false;
  }
}

bool TraceDatReader::take_event(TraceRecord& record) {
  TraceMessage message;
  if (!read_bytes(&message, sizeof message) || !read_text(comm_)) return false;
  const auto line = static_cast<std::uint32_t>(++facts_.events);
  if (facts_.last_line == 0) facts_.first_time = message.time;
  facts_.last_time = message.time;
  facts_.last_line = line;
  last_of_cpu_[message.cpu] = line;
  if (message.row >= trace_event_table.size()) {
    losses_.add(LossKind::other_event, 1, {line, 0, 1}, {}, facts_);
    return false;
  }
  record = {};
  record.row = &trace_event_table.at(message.row);
  record.kind = record.row->kind;
  words_.assign(trace_words, {});
  for (const TraceFieldInfo& field : trace_field_table) {
    if ((message.present >> static_cast<unsigned>(field.field) & 1U) == 0) continue;
    if (is_number(field.field)) {
      std::uint64_t number = 0;
      if (!read_bytes(&number, sizeof number)) return false;
      record.set(field.field, number);
    } else {
      std::string& word = words_.at(static_cast<std::size_t>(field.field) - trace_numbers);
      if (!read_text(word)) return false;
      record.set(field.field, std::string_view(word));
    }
  }
  record.context = message.interrupt != 0 ? TraceContext::interrupt : TraceContext::task;
  record.line = line;
  record.pid = message.pid;
  record.comm = comm_;
  record.time = message.time;
  return true;
}

bool TraceDatReader::take_stack(TraceRecord& record) {
  TraceMessage message;
  std::uint32_t count = 0;
  if (!read_bytes(&message, sizeof message) || !read_bytes(&count, sizeof count)) return false;
  words_.assign(count, {});
  for (std::string& frame : words_) {
    if (!read_text(frame)) return false;
  }
  record = {};
  record.context = message.interrupt != 0 ? TraceContext::interrupt : TraceContext::task;
  record.line = static_cast<std::uint32_t>(++facts_.events);
  record.pid = message.pid;
  record.time = message.time;
  record.frames.assign(words_.begin(), words_.end());
  return true;
}

void TraceDatReader::take_loss() {
  std::uint32_t cpu = 0;
  std::uint64_t count = 0;
  if (!read_bytes(&cpu, sizeof cpu) || !read_bytes(&count, sizeof count)) return;
  const auto line = static_cast<std::uint32_t>(facts_.events + 1);
  losses_.add(LossKind::lost_events, count, {line, 0, 1}, {last_of_cpu_[cpu], line}, facts_);
}

void TraceDatReader::finish(bool complete) {
  done_ = true;
  int status = 0;
  if (!complete) {
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

bool TraceDatReader::read_bytes(void* to, std::size_t size) {
  if (std::fread(to, 1, size, pipe_) == size) return true;
  finish(false);
  return false;
}

bool TraceDatReader::read_text(std::string& text) {
  std::uint32_t size = 0;
  if (!read_bytes(&size, sizeof size)) return false;
  text.resize(size);
  return size == 0 || read_bytes(text.data(), size);
}

}  // namespace fencecheck
