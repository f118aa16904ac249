// Events on their way out of the child process of TraceDatReader. Both ends are one program.
//
// A message is its type, the size of what follows, and that. Both ends collect
// many of them for one call into the kernel: an event costs less than that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

namespace fencecheck {

struct TraceMessage {
  std::uint64_t time = 0;
  std::uint32_t row = 0;  // of trace_event_table; its size: an event that is not in it
  std::uint32_t present = 0;
  std::uint32_t pid = 0;
  std::uint32_t cpu = 0;
  std::uint32_t interrupt = 0;
};

enum class MessageType : char {
  event = 'e',  // TraceMessage, comm, then the fields that are present
  other = 'o',  // TraceMessage of an event that is not in the table
  stack = 's',  // TraceMessage, number of frames (u32), frames
  loss = 'l',   // cpu (u32), count (u64)
  clock = 'c',  // text
  error = 'x',  // text
  end = '.',
};

class MessageWriter {
 public:
  explicit MessageWriter(int to) : to_(to) {}
  [[nodiscard]] bool ok() const { return ok_; }
  void begin(MessageType type);
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    buffer_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put_text(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    buffer_.append(text);
  }
  void end();
  void flush();

 private:
  int to_;
  bool ok_ = true;
  std::string buffer_;
  std::size_t begin_ = 0;  // of the size of the message that is being written
};

// What a message holds stays where it is until the next one is asked for.
class MessageReader {
 public:
  // `wait_on` is asked whenever nothing has come for a while.
  MessageReader(int from, std::function<bool()> wait_on) : from_(from), wait_on_(std::move(wait_on)) {}
  // Goes to the next message; false at the end, in the middle of a message, and when waiting is over.
  [[nodiscard]] bool next();
  [[nodiscard]] MessageType type() const { return type_; }
  // False where the message has less left.
  template <class T>
  [[nodiscard]] bool take(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (message_.size() < sizeof value) return false;
    std::memcpy(&value, message_.data(), sizeof value);
    message_.remove_prefix(sizeof value);
    return true;
  }
  [[nodiscard]] bool take_text(std::string_view& text) {
    std::uint32_t size = 0;
    if (!take(size) || message_.size() < size) return false;
    text = message_.substr(0, size);
    message_.remove_prefix(size);
    return true;
  }

 private:
  [[nodiscard]] bool have(std::size_t size);

  int from_;
  std::function<bool()> wait_on_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what has not been taken
  std::size_t end_ = 0;
  MessageType type_ = MessageType::end;
  std::string_view message_;
};

}  // namespace fencecheck
