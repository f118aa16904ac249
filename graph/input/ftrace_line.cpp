// From the CPU in brackets to both sides: task to the left, flags, time and event to the right.
#include "graph/input/ftrace_line.hpp"

#include <limits>

namespace fencecheck {
namespace {

constexpr std::uint64_t cpu_limit = 65'536;
constexpr std::uint64_t latency_limit = std::numeric_limits<std::uint64_t>::max() / 1000;  // us

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Plain loops: these run many times for each line, and the searches of string_view call memchr for each byte.
std::size_t skip_blanks(std::string_view text) {
  std::size_t at = 0;
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
  while (begin > 0 && is_digit(text[begin - 1])) --begin;
  const auto number = parse_number(text.substr(begin));
  if (number) text.remove_suffix(text.size() - begin);
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

// `seconds.fraction:` with at most nine digits behind the point, or `number:`.
bool parse_time(std::string_view word, EventLine& event) {
  if (!word.ends_with(':')) return false;
  word.remove_suffix(1);
  std::size_t point = 0;
  while (point < word.size() && word[point] != '.') ++point;
  const auto whole = parse_number(word.substr(0, point));
  if (!whole) return false;
  event.timed = point != word.size();
  event.time = *whole;
  if (!event.timed) return true;
  const std::string_view digits = word.substr(point + 1);
  const auto fraction = parse_number(digits);
  constexpr std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / 1'000'000'000U - 1;
  if (!fraction || digits.size() > 9 || *whole > limit) return false;
  std::uint64_t nanoseconds = *fraction;
  for (auto missing = 9 - digits.size(); missing > 0; --missing) nanoseconds *= 10;
  event.time = *whole * 1'000'000'000U + nanoseconds;
  return true;
}

bool parse_event(std::string_view text, EventLine& event) {
  text = trimmed(text);
  if (text.starts_with('<') && text.starts_with("<stack trace")) {
    event.event = "<stack trace>";
    return true;
  }
  std::size_t colon = 0;
  while (colon < text.size() && text[colon] != ':' && text[colon] != ' ') ++colon;
  if (colon == text.size() || text[colon] == ' ') {
    return text.find(" <-") != std::string_view::npos;  // "function <-caller"
  }
  const std::string_view name = text.substr(0, colon);
  event.event = name;
  event.arguments = trimmed(text.substr(colon + 1));
  if (name == "kernel_stack" && event.arguments.starts_with("<stack trace")) event.event = "<stack trace>";
  return !name.empty();
}

// What follows the CPU: flags if there are any, time, event.
bool parse_rest(std::string_view text, EventLine& event) {
  std::string_view word = take_word(text);
  std::string_view flags;
  if (!word.ends_with(':')) {
    flags = word;
    if (flags.size() < 4 || flags.size() > 6) return false;
    word = take_word(text);
  }
  event.context = flags.empty() ? TraceContext::unmarked : TraceContext::task;
  if (is_interrupt(event, flags)) event.context = TraceContext::interrupt;
  return parse_time(word, event) && parse_event(text, event);
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
