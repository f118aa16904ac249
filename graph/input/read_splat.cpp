// A report is read by its marker lines: each says what the lines after it are.
#include "graph/input/read_splat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "graph/input/ftrace_line.hpp"

namespace fencecheck {
namespace {

Place place(const LogLine& line) { return {line.line, 0, 1}; }

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// What the next line with a lock on it is.
enum class Awaited : std::uint8_t { nothing, taken, holding, safe, unsafe, other };

struct Marker {
  std::string_view words;
  Awaited awaited;
  bool names_task;  // the task stands in front of the words
};

// kernel/locking/lockdep.c prints these, in each release in the same words.
constexpr auto marker_table = std::to_array<Marker>({
    {"is trying to acquire lock:", Awaited::taken, true},
    {"is trying to acquire:", Awaited::taken, true},
    {"is trying to lock:", Awaited::taken, true},
    {"just changed the state of lock:", Awaited::taken, true},
    {"takes:", Awaited::taken, true},
    {"already holding lock:", Awaited::holding, false},
    {"already holding:", Awaited::holding, false},
    {"-irq-safe lock:", Awaited::safe, false},
    {"-irq-unsafe lock:", Awaited::unsafe, false},
    {"-unsafe lock in the past:", Awaited::unsafe, false},
    {"-safe lock in the past:", Awaited::safe, false},
    {"would create a new lock dependency:", Awaited::other, false},
    {"but this task is not holding:", Awaited::other, false},
});

// Frames of lockdep, of the lock itself and of the unwinder: not where a lock is taken.
constexpr auto lock_frames = std::to_array<std::string_view>({"lock_acquire",
                                                              "__lock_acquire",
                                                              "validate_chain",
                                                              "check_",
                                                              "print_",
                                                              "dump_stack",
                                                              "dump_backtrace",
                                                              "show_stack",
                                                              "unwind_backtrace",
                                                              "__mutex_lock",
                                                              "mutex_lock",
                                                              "__ww_mutex_lock",
                                                              "ww_mutex_lock",
                                                              "down_",
                                                              "_raw_spin_lock",
                                                              "_raw_read_lock",
                                                              "_raw_write_lock",
                                                              "fs_reclaim_acquire",
                                                              "slab_",
                                                              "kmem_cache_",
                                                              "__kmem_cache_",
                                                              "kmalloc",
                                                              "__kmalloc",
                                                              "kvmalloc",
                                                              "alloc_pages",
                                                              "__alloc_pages",
                                                              "__fs_reclaim_acquire",
                                                              "__dma_fence_might_wait",
                                                              "__might_resched",
                                                              "__might_sleep"});

std::string lock_site(const std::vector<std::string>& frames) {
  const auto site = std::ranges::find_if(frames, [](const std::string& frame) {
    return std::ranges::none_of(lock_frames, [&](std::string_view skipped) { return frame.starts_with(skipped); });
  });
  return site == frames.end() ? std::string() : *site;
}

std::string leading_word(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && (std::isalnum(static_cast<unsigned char>(text[size])) != 0 || text[size] == '_' ||
                                text[size] == '.' || text[size] == '$'))
    ++size;
  return std::string(text.substr(0, size));
}

// The locks of "A --> B --> C".
std::vector<std::string> arrow_list(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("-->"), text.size());
    const std::string_view name = trimmed(text.substr(0, end));
    if (!name.empty()) names.emplace_back(name);
    text.remove_prefix(std::min(end + 3, text.size()));
  }
  return names;
}

class SplatReader {
 public:
  SplatReader(SplatKind kind, std::span<const LogLine> report) : report_(report) {
    splat_.kind = kind;
    splat_.at = place(report.front());
  }
  Splat read();

 private:
  void line(std::size_t& index);
  bool marker(const LogLine& line);
  bool link(const LogLine& line);
  bool frame(const LogLine& line);
  bool who_sleeps(std::string_view text);
  void lock(const LockUse& use);
  void finish_circular();
  void finish_irq();
  void finish();
  [[nodiscard]] const LockUse* loose(std::string_view name) const;

  std::span<const LogLine> report_;
  Splat splat_;
  Awaited awaited_ = Awaited::nothing;
  bool names_next_ = false;                     // "Chain exists of:" was the last line
  std::vector<std::string>* frames_ = nullptr;  // where the frames that follow belong
  std::optional<std::uint32_t> link_;           // index into Splat::chain of the link being read
  std::vector<std::string> exists_;             // of "Chain exists of:"
  std::optional<LockUse> safe_, unsafe_;        // of reports about interrupts
  std::vector<LockUse> loose_;                  // locks of the headlines, whatever was awaited
  bool over_ = false;                           // the backtrace has ended
  bool second_is_first_ = false;                // irq_inversion: the other lock was taken before this one
};

bool SplatReader::marker(const LogLine& line) {
  const std::string_view text = line.text;
  if (contains(text, "Chain exists of:")) {
    names_next_ = true;
    return true;
  }
  if (text.starts_with("stack backtrace:") || text.starts_with("Call Trace:") || text.starts_with("Call trace:")) {
    frames_ = &splat_.stack;
    link_.reset();
    return true;
  }
  for (const Marker& row : marker_table) {
    const std::size_t at = text.find(row.words);
    if (at == std::string_view::npos) continue;
    awaited_ = row.awaited;
    second_is_first_ = second_is_first_ || contains(text, "was taken by another");
    if (!row.names_task) return true;
    std::string_view who = trimmed(text.substr(0, at));
    if (const std::size_t context = who.rfind(" [HC"); context != std::string_view::npos) who = who.substr(0, context);
    if (const auto task = parse_task(who, '/')) splat_.task = *task;
    if (splat_.task.comm.empty()) splat_.task.comm = std::string(who);
    return true;
  }
  return false;
}

// "-> #4 (&gpu->active_lock){+.+.}-{3:3}:"
bool SplatReader::link(const LogLine& line) {
  std::string_view text = line.text;
  if (!text.starts_with("-> #")) return false;
  text.remove_prefix(4);
  const std::size_t end = std::min(text.find(' '), text.size());
  const auto index = parse_number(text.substr(0, end));
  LogLine rest = line;
  rest.text = std::string(trimmed(text.substr(end)));
  const auto use = parse_lock_use(rest);
  if (!index || !use) {
    splat_.complete = false;
    return true;
  }
  splat_.chain.push_back({static_cast<std::uint32_t>(*index), *use, {}});
  link_ = static_cast<std::uint32_t>(splat_.chain.size() - 1);
  frames_ = nullptr;
  return true;
}

bool SplatReader::frame(const LogLine& line) {
  std::vector<std::string>* into = link_ ? &splat_.chain[*link_].frames : frames_;
  const StackFrame frame = parse_stack_frame(line.text, into == &splat_.stack);
  if (frame.function.empty()) return false;
  if (into != nullptr && frame.certain) into->emplace_back(frame.function);
  return true;
}

// "in_atomic(): 1, irqs_disabled(): 128, non_block: 0, pid: 280, name: client"
bool SplatReader::who_sleeps(std::string_view text) {
  const std::size_t pid = text.find("pid: ");
  const std::size_t name = text.find(", name: ");
  if (!text.starts_with("in_atomic()") || pid == std::string_view::npos || name == std::string_view::npos) return false;
  splat_.task.comm = std::string(text.substr(name + 8));
  splat_.task.pid = static_cast<std::uint32_t>(parse_number(text.substr(pid + 5, name - pid - 5)).value_or(0));
  return true;
}

void SplatReader::lock(const LockUse& use) {
  loose_.push_back(use);
  switch (awaited_) {
    case Awaited::taken:
      splat_.taken = use;
      break;
    case Awaited::holding:
      splat_.holding = use;
      break;
    case Awaited::safe:
      safe_ = use;
      break;
    case Awaited::unsafe:
      unsafe_ = use;
      break;
    case Awaited::other:
    case Awaited::nothing:
      break;
  }
  awaited_ = Awaited::nothing;
}

void SplatReader::line(std::size_t& index) {
  const LogLine& line = report_[index];
  if (names_next_ && contains(line.text, "-->")) {
    exists_ = arrow_list(line.text);
    // The last name may stand on a line of its own, where a mailer broke an unprefixed log.
    if (line.text.ends_with("-->") && index + 1 < report_.size()) exists_.push_back(report_[++index].text);
    names_next_ = false;
    return;
  }
  std::size_t used = 0;
  if (auto list = read_held_locks(report_.subspan(index), used)) {
    if (splat_.held.empty()) splat_.held = std::move(list->locks);
    if (splat_.task.comm.empty()) splat_.task = list->task;
    link_.reset();
    frames_ = nullptr;
    index += used - 1;
    return;
  }
  if (splat_.kind == SplatKind::sleeping && who_sleeps(line.text)) return;
  if (marker(line) || link(line)) return;
  if (const auto use = parse_lock_use(line)) {
    link_.reset();
    return lock(*use);
  }
  if (frame(line)) return;
  const bool decoration = line.text.empty() || line.text.starts_with('<') || line.text.starts_with("Workqueue:") ||
                          line.text.starts_with("CPU:") || line.text.starts_with("Hardware name:") ||
                          line.text.starts_with("Call ");
  if (frames_ == &splat_.stack && splat_.stack.size() > 1 && !decoration) over_ = true;
}

const LockUse* SplatReader::loose(std::string_view name) const {
  const auto found = std::ranges::find(loose_, name, &LockUse::lock);
  return found == loose_.end() ? nullptr : &*found;
}

// The numbers of the links decide; the headlines only add addresses and sites.
void SplatReader::finish_circular() {
  constexpr std::size_t most_links = 256;
  std::ranges::stable_sort(splat_.chain, {}, &ChainLink::index);
  // #0 is the lock that is being taken; of others that are missing not even the name is known.
  for (const ChainLink& each : splat_.chain) {
    for (std::size_t i = splat_.order.size(); i < each.index && i < most_links; ++i) {
      splat_.order.push_back(i == 0 && splat_.taken ? splat_.taken->lock : fmt::format("#{} (not in the log)", i));
      splat_.complete = false;
    }
    if (each.index == splat_.order.size())
      splat_.order.push_back(each.lock.lock);
    else
      splat_.complete = false;
  }
  if (splat_.chain.size() < 2) {
    splat_.complete = false;
    splat_.order = exists_;
    if (splat_.order.size() < 2) splat_.order.clear();
    if (splat_.order.empty() && splat_.taken && splat_.holding)
      splat_.order = {splat_.taken->lock, splat_.holding->lock};
  }
  if (splat_.order.empty()) return;
  if (const LockUse* use = loose(splat_.order.front())) splat_.taken = *use;
  if (const LockUse* use = loose(splat_.order.back())) splat_.holding = *use;
}

void SplatReader::finish_irq() {
  std::vector<std::string>& order = splat_.order;
  const auto add = [&](const std::optional<LockUse>& use) {
    if (use && std::ranges::find(order, use->lock) == order.end()) order.push_back(use->lock);
  };
  if (splat_.kind == SplatKind::inconsistent) return add(splat_.taken);
  if (splat_.kind == SplatKind::irq_order) {
    for (const auto* use : {&safe_, &splat_.holding, &splat_.taken, &unsafe_}) add(*use);
  } else if (second_is_first_) {
    for (const auto* use : {&safe_, &splat_.taken}) add(*use);
  } else {
    for (const auto* use : {&splat_.taken, &unsafe_}) add(*use);
  }
  if (order.size() < 2) order.clear();
}

void SplatReader::finish() {
  if (splat_.kind == SplatKind::circular) {
    finish_circular();
  } else if (splat_.kind == SplatKind::recursive) {
    if (splat_.taken) splat_.order = {splat_.taken->lock};
    splat_.other_instance = splat_.taken && splat_.holding && !splat_.taken->address.empty() &&
                            splat_.taken->address != splat_.holding->address;
  } else if (splat_.kind != SplatKind::wait_context && splat_.kind != SplatKind::nest_lock &&
             splat_.kind != SplatKind::sleeping) {
    finish_irq();
  }
  const bool cyclic = splat_.kind < SplatKind::wait_context;
  splat_.complete = splat_.complete && (!cyclic || !splat_.order.empty()) && !splat_.task.comm.empty();
  for (ChainLink& each : splat_.chain) each.lock.site = lock_site(each.frames);
  if (!splat_.taken && !cyclic) splat_.taken = LockUse{"", "", "", lock_site(splat_.stack), splat_.at};
}

Splat SplatReader::read() {
  for (std::size_t index = 1; index < report_.size() && !over_; ++index) line(index);
  finish();
  return std::move(splat_);
}

}  // namespace

const SplatInfo* splat_headline(std::string_view line) {
  if (!line.starts_with("WARNING: ") && !line.starts_with("[ ") && !line.starts_with("INFO: ") &&
      !line.starts_with("BUG: "))
    return nullptr;
  const auto row = std::ranges::find_if(splat_table, [&](const SplatInfo& each) { return contains(line, each.title); });
  return row == splat_table.end() ? nullptr : &*row;
}

Splat read_splat(SplatKind kind, std::span<const LogLine> report) { return SplatReader(kind, report).read(); }

std::optional<LockUse> parse_lock_use(const LogLine& line) {
  std::string_view text = line.text;
  if (text.starts_with('#')) {
    const std::size_t colon = text.find(": ");
    if (colon == std::string_view::npos || !parse_number(text.substr(1, colon - 1))) return std::nullopt;
    text = trimmed(text.substr(colon + 2));
  }
  LockUse use;
  use.at = place(line);
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view first = text.substr(0, space);
  const bool address =
      first.size() >= 8 && std::ranges::all_of(first, [](unsigned char c) { return std::isxdigit(c); });
  const bool hidden = contains(first, "ptrval");
  if (address || hidden) {
    if (address) use.address = std::string(first);
    text = trimmed(text.substr(space));
  }
  const std::size_t end = text.find("){");
  const std::size_t close = text.find('}', end == std::string_view::npos ? 0 : end);
  if (!text.starts_with('(') || end == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  use.lock = std::string(text.substr(1, end - 1));
  use.usage = std::string(text.substr(end + 2, close - end - 2));
  if (const std::size_t at = text.find("at: ", close); at != std::string_view::npos)
    use.site = leading_word(text.substr(at + 4));
  return use;
}

std::optional<TaskId> parse_task(std::string_view text, char separator) {
  const std::size_t at = text.rfind(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const auto pid = parse_number(trimmed(text.substr(at + 1)));
  if (!pid || *pid > 0xffffffffU) return std::nullopt;
  return TaskId{std::string(trimmed(text.substr(0, at))), static_cast<std::uint32_t>(*pid)};
}

std::optional<HeldLocks> read_held_locks(std::span<const LogLine> lines, std::size_t& used) {
  constexpr auto phrases = std::to_array<std::string_view>({"locks held by ", "lock held by "});
  std::string_view text = lines.front().text;
  const auto phrase = std::ranges::find_if(phrases, [&](std::string_view each) { return contains(text, each); });
  if (phrase == phrases.end()) return std::nullopt;
  text = text.substr(text.find(*phrase) + phrase->size());
  // "comm/pid:" of old kernels, "comm/pid: 2, on CPU#0:" of new ones.
  std::optional<TaskId> task;
  for (std::size_t colon = text.find(':'); colon != std::string_view::npos && !task; colon = text.find(':', colon + 1))
    task = parse_task(text.substr(0, colon), '/');
  if (!task) return std::nullopt;
  HeldLocks held{*task, {}};
  // Locks follow in the order of their numbers; a line between them that is none belongs to somebody else.
  constexpr std::size_t patience = 3;
  std::vector<std::pair<std::uint64_t, LockUse>> locks;
  std::size_t last = 0;
  for (std::size_t i = 1; i < lines.size() && i - last <= patience; ++i) {
    const std::string_view line = lines[i].text;
    if (!line.starts_with('#')) {
      if (contains(line, "held by ") || line.starts_with("stack backtrace") || line.starts_with("====")) break;
      continue;
    }
    const auto use = parse_lock_use(lines[i]);
    const auto number = parse_number(line.substr(1, std::min(line.find(':'), line.size()) - 1));
    if (!use || !number) continue;
    locks.emplace_back(*number, *use);
    last = i;
  }
  std::ranges::stable_sort(locks, {}, &std::pair<std::uint64_t, LockUse>::first);
  for (auto& [number, use] : locks) held.locks.push_back(std::move(use));
  used = last + 1;
  return held;
}

}  // namespace fencecheck
