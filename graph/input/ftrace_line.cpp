// From the CPU in brackets to both sides: task to the left, flags, time and event to the right.
#include "graph/input/ftrace_line.hpp"

#include <array>
#include <limits>

namespace fencecheck {
namespace {

constexpr std::uint64_t cpu_limit = 65'536;
constexpr std::uint64_t latency_limit = std::numeric_limits<std::uint64_t>::max() / 1000;  // us

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c <= ' ' && (c == ' ' || c == '\t' || c == '\r'); }

// Plain loops: these run many times for each line, and the searches of string_view call memchr for each byte.
std::size_t skip_blanks(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] == ' ') ++at;
  while (at < text.size() && is_blank(text[at])) ++at;
  return at;
}

std::size_t find_blank(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && !is_blank(text[at])) ++at;
  return at;
}

std::string_view trimmed_right(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the number at the end of `text` away; nothing if there is none.
std::optional<std::uint64_t> take_number_right(std::string_view& text) {
  std::size_t begin = text.size();
  std::uint64_t number = 0;
  std::uint64_t place = 1;
  constexpr std::size_t always_fit = 9;  // digits: most of these numbers are pids
  while (begin > 0 && is_digit(text[begin - 1]) && text.size() - begin < always_fit) {
    number += place * static_cast<std::uint64_t>(text[--begin] - '0');
    place *= 10;
  }
  if (begin == text.size()) return std::nullopt;
  if (begin > 0 && is_digit(text[begin - 1])) {
    while (begin > 0 && is_digit(text[begin - 1])) --begin;
    const auto large = parse_number(text.substr(begin));
    if (!large) return std::nullopt;
    number = *large;
  }
  text.remove_suffix(text.size() - begin);
  return number;
}

// Takes the next word away, and the blanks before it.
std::string_view take_word(std::string_view& text) {
  text.remove_prefix(skip_blanks(text));
  const std::string_view word = text.substr(0, find_blank(text));
  text.remove_prefix(word.size());
  return word;
}

// trace-cmd writes the name of a buffer instance at the very beginning of the
// line, where the kernel and trace-cmd otherwise pad the comm with blanks.
std::string_view without_instance(std::string_view line) {
  if (line.empty() || is_blank(line.front())) return line;
  const auto blank = find_blank(line);
  const bool instance = blank > 1 && blank < line.size() && line[blank] == ' ' && line[blank - 1] == ':';
  return instance ? line.substr(blank) : line;
}

bool parse_task(std::string_view text, EventLine& event) {
  text = trimmed_right(text);
  if (text.ends_with(')')) {  // the TGID column: "(  196)" or "(-----)"
    const auto open = text.rfind('(');
    if (open == std::string_view::npos) return false;
    const std::string_view tgid = text.substr(open + 1, text.size() - open - 2);
    if (tgid.find_first_not_of(" -0123456789") != std::string_view::npos) return false;
    text = trimmed_right(text.substr(0, open));
  }
  const auto pid = take_number_right(text);
  if (!pid || *pid > std::numeric_limits<std::uint32_t>::max() || !text.ends_with('-')) return false;
  event.pid = static_cast<std::uint32_t>(*pid);
  event.comm = trimmed(without_instance(text.substr(0, text.size() - 1)));
  return true;
}

// Softirqs that run in their own thread print that thread's name.
bool is_interrupt(const EventLine& event, std::string_view flags) {
  if (event.pid == 0) return true;
  const bool may_be_thread = event.comm.starts_with('k');
  if (may_be_thread && (event.comm.starts_with("ksoftirqd/") || event.comm.starts_with("ktimers/"))) return true;
  return flags.size() > 2 && std::string_view("hHszZ").find(flags[2]) != std::string_view::npos;
}

// The digits from `at` on; `at` goes behind them. Modulo 2^64.
std::uint64_t take_digits(const char*& at, const char* end) {
  std::uint64_t number = 0;
  for (; at != end; ++at) {
    const auto digit = static_cast<unsigned>(static_cast<unsigned char>(*at)) - '0';
    if (digit > 9) break;
    number = number * 10 + digit;
  }
  return number;
}

// Takes `seconds.fraction:`, with at most nine digits behind the point, or `number:` away.
bool take_time(std::string_view& text, EventLine& event) {
  constexpr std::ptrdiff_t always_fit = 19;  // digits
  const char* at = text.data();
  const char* const end = at + text.size();
  std::uint64_t time = take_digits(at, end);
  const std::ptrdiff_t whole_digits = at - text.data();
  if (whole_digits == 0 || at == end) return false;
  if (whole_digits > always_fit && !parse_number(text.substr(0, static_cast<std::size_t>(whole_digits)))) return false;
  event.timed = *at == '.';
  if (event.timed) {
    const char* const fraction = ++at;
    const std::uint64_t parts = take_digits(at, end);
    constexpr std::array<std::uint64_t, 10> scales{0,      100'000'000, 10'000'000, 1'000'000, 100'000,
                                                   10'000, 1'000,       100,        10,        1};
    const auto digits = static_cast<std::size_t>(at - fraction);
    constexpr std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / 1'000'000'000U - 1;
    if (digits == 0 || digits >= scales.size() || time > limit) return false;
    time = time * 1'000'000'000U + parts * scales[digits];
  }
  if (at == end || *at != ':' || (at + 1 != end && !is_blank(at[1]))) return false;
  event.time = time;
  text.remove_prefix(static_cast<std::size_t>(at + 1 - text.data()));
  return true;
}

bool parse_event(std::string_view text, EventLine& event) {
  text = trimmed(text);
  if (text.starts_with('<') && text.starts_with("<stack trace")) {
    event.event = "<stack trace>";
    return true;
  }
  const char* colon = text.data();
  const char* const end = colon + text.size();
  while (colon != end && *colon != ':' && *colon != ' ') ++colon;
  if (colon == end || *colon == ' ') {
    return text.find(" <-") != std::string_view::npos;  // "function <-caller"
  }
  const std::string_view name(text.data(), static_cast<std::size_t>(colon - text.data()));
  event.event = name;
  event.arguments = trimmed({colon + 1, static_cast<std::size_t>(end - colon - 1)});
  if (name == "kernel_stack" && event.arguments.starts_with("<stack trace")) event.event = "<stack trace>";
  return !name.empty();
}

// What follows the CPU: flags if there are any, time, event.
bool parse_rest(std::string_view text, EventLine& event) {
  text.remove_prefix(skip_blanks(text));
  const std::string_view behind_cpu = text;
  std::string_view flags;
  if (!take_time(text, event)) {  // no flag begins like a time
    text = behind_cpu;
    flags = take_word(text);
    if (flags.size() < 4 || flags.size() > 6 || flags.ends_with(':')) return false;
    text.remove_prefix(skip_blanks(text));
    if (!take_time(text, event)) return false;
  }
  event.context = flags.empty() ? TraceContext::unmarked : TraceContext::task;
  if (is_interrupt(event, flags)) event.context = TraceContext::interrupt;
  return parse_event(text, event);
}

}  // namespace

std::string_view trimmed(std::string_view text) { return trimmed_right(text.substr(skip_blanks(text))); }

std::optional<EventLine> parse_event_line(std::string_view line) {
  for (auto open = line.find('['); open != std::string_view::npos; open = line.find('[', open + 1)) {
    auto close = open + 1;
    while (close < line.size() && is_digit(line[close])) ++close;
    if (close == line.size() || line[close] != ']') continue;  // a bracket inside the comm
    const auto cpu = parse_number(line.substr(open + 1, close - open - 1));
    EventLine event;
    if (!cpu || *cpu >= cpu_limit || !parse_task(line.substr(0, open), event)) continue;
    event.cpu = static_cast<std::uint32_t>(*cpu);
    if (parse_rest(line.substr(close + 1), event)) return event;
  }
  return std::nullopt;
}

// "  12d..1." is a CPU and four or five flags, none of which begins with a digit.
std::optional<EventLine> parse_latency_line(std::string_view line) {
  EventLine event;
  auto end = line.find("us");
  const auto ends_time = [&] {
    return line.size() > end + 3 && line[end + 3] == ':' &&
           std::string_view(" +!#*@$").find(line[end + 2]) != line.npos;
  };
  while (end != std::string_view::npos && !ends_time()) end = line.find("us", end + 1);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view text = line.substr(0, end);
  const auto microseconds = take_number_right(text);
  text = trimmed_right(text);
  const auto blank = text.find_last_of(" \t\r");
  if (!microseconds || *microseconds > latency_limit || blank == std::string_view::npos) return std::nullopt;
  const std::string_view place = text.substr(blank + 1);
  const auto digits = std::min(place.find_first_not_of("0123456789"), place.size());
  const auto cpu = parse_number(place.substr(0, digits));
  const std::string_view flags = place.substr(digits);
  if (!cpu || *cpu >= cpu_limit || flags.size() < 4 || flags.size() > 6) return std::nullopt;
  if (!parse_task(text.substr(0, blank), event)) return std::nullopt;
  event.cpu = static_cast<std::uint32_t>(*cpu);
  event.time = *microseconds * 1000;
  event.context = is_interrupt(event, flags) ? TraceContext::interrupt : TraceContext::task;
  if (!parse_event(line.substr(end + 4), event)) return std::nullopt;
  return event;
}

}  // namespace fencecheck
