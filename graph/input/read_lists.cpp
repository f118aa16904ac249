// A line is told by its shape; the lists have no other structure.
#include "graph/input/read_lists.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "graph/input/ftrace_line.hpp"

namespace fencecheck {
namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!(text = trimmed(text)).empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

std::optional<std::uint64_t> hexadecimal(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  if (text.empty() || text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char each : text) {
    const auto c = static_cast<unsigned char>(each);
    if (std::isxdigit(c) == 0) return std::nullopt;
    value = value * 16 + static_cast<std::uint64_t>(std::isdigit(c) != 0 ? c - '0' : std::tolower(c) - 'a' + 10);
  }
  return value;
}

// "fence:33:1 compositor sw_sync unsignalled" from 6.19 on, "fence:vgem unbound seq 1 unsignalled" before.
std::optional<ListedFence> parse_fence(std::string_view text) {
  ListedFence fence;
  fence.signalled = text.ends_with(" signalled");
  if (!fence.signalled && !text.ends_with(" unsignalled")) return std::nullopt;
  text = trimmed(text.substr(0, text.rfind(' ')));
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view id = text.substr(0, space);
  const std::size_t colon = id.find(':');
  if (colon != std::string_view::npos) {
    const auto context = parse_number(id.substr(0, colon));
    const auto seqno = parse_number(id.substr(colon + 1));
    if (context && seqno) {
      const auto names = words_of(text.substr(space));
      fence.context = context;
      fence.seqno = *seqno;
      fence.name = names.size() < 2 ? fmt::format("{}:{}", *context, *seqno)
                                    : fmt::format("{}/{} {}:{}", names[1], names[0], *context, *seqno);
      return fence;
    }
  }
  const std::size_t seq = text.rfind(" seq ");
  const auto seqno = seq == std::string_view::npos ? std::nullopt : parse_number(trimmed(text.substr(seq + 5)));
  if (!seqno || space > seq) return std::nullopt;
  fence.seqno = *seqno;
  const std::string_view timeline = trimmed(text.substr(space, seq - space));
  fence.name = fmt::format("{}/{} seq {}", id, timeline, *seqno);
  return fence;
}

struct FenceWords {
  std::string_view words;
  std::string_view usage;
};
constexpr auto fence_words = std::to_array<FenceWords>({
    {"kernel fence:", "kernel"},
    {"write fence:", "write"},
    {"read fence:", "read"},
    {"bookkeep fence:", "bookkeep"},
    {"Exclusive fence: ", "write"},  // before 5.19
    {"Shared fence: ", "read"},
});

}  // namespace

// Rows of a table, and fences below or behind them.
bool ListReader::buffer(const LogLine& line, Snapshot& snapshot) {
  const std::string_view text = line.text;
  const auto words = words_of(text);
  const bool row = words.size() >= 6 && words[0].size() == 8 && parse_number(words[0]) && words[1].size() == 8 &&
                   hexadecimal(words[1]) && hexadecimal(words[2]) && parse_number(words[3]);
  const std::size_t inode = text.find("exported as ino:");
  const bool gem = text.starts_with("0x") && words.size() > 2 && words[2] == "byte";
  if (row) {
    const auto number = parse_number(words[5]).value_or(0);
    const bool named = words.size() > 6 && words[6] != "<none>";
    on_ = named ? fmt::format("buffer {} (inode {})", words[6], number)
                : fmt::format("buffer of {} (inode {})", words[4], number);
  } else if (gem) {
    const std::string_view number =
        inode == std::string_view::npos ? std::string_view() : words_of(text.substr(inode + 16)).front();
    on_ = number.empty() ? fmt::format("buffer {}", words[0].substr(0, words[0].find(':')))
                         : fmt::format("buffer (inode {})", number);
  }
  if (row || gem) {
    ++listed_;
    ++snapshot.buffers;
  }
  for (const FenceWords& kind : fence_words) {
    const std::size_t at = text.find(kind.words);
    if (at == std::string_view::npos || (at > 0 && !gem)) continue;
    auto fence = parse_fence(trimmed(text.substr(at + kind.words.size())));
    if (!fence) return false;
    fence->usage = kind.usage;
    fence->on = on_;
    fence->at = {line.line, 0, 1};
    snapshot.fences.push_back(std::move(*fence));
    return true;
  }
  return row || gem || text.starts_with("Attached Devices:") || text.starts_with("Total ");
}

// "Total 11 objects, 59682816 bytes": more than there are rows if somebody cut the list.
bool ListReader::total(const LogLine& line) {
  const auto words = words_of(line.text);
  if (words.size() < 3 || words[0] != "Total" || !words[2].starts_with("objects")) return false;
  const std::uint64_t promised = parse_number(words[1]).value_or(0);
  if (promised > listed_) {
    missing_ += promised - listed_;
    missing_at_ = {line.line, 0, 1};
  }
  listed_ = 0;
  open_ = false;
  return true;
}

// "--- ring 0 (gfx_0.0.0) ---", "Last signaled fence 0x000e67ee", "Last emitted 0x000e67ee"
bool ListReader::ring(const LogLine& line, Snapshot& snapshot) {
  const std::string_view text = line.text;
  if (text.starts_with("--- ring ")) {
    const std::size_t open = text.find('(');
    const std::size_t close = std::min(text.find(')'), text.size());
    ring_ = open == std::string_view::npos ? std::string(text) : std::string(text.substr(open + 1, close - open - 1));
    has_signalled_ = false;
    return true;
  }
  if (ring_.empty() || !text.starts_with("Last ")) return false;
  const auto number = hexadecimal(words_of(text).back());
  if (!number) return false;
  if (text.find("signaled") != std::string_view::npos) {
    signalled_ = *number;
    has_signalled_ = true;
  } else if (text.starts_with("Last emitted") && has_signalled_) {
    ListedFence fence;
    fence.name = fmt::format("{} hardware fence {}", ring_, *number);
    fence.seqno = *number;
    fence.on = "ring " + ring_;
    fence.signalled = signalled_ == *number;
    fence.at = {line.line, 0, 1};
    snapshot.fences.push_back(std::move(fence));
    has_signalled_ = false;
  }
  return true;
}

bool ListReader::line(const LogLine& line, Snapshot& snapshot) {
  const std::string_view text = line.text;
  const bool header = text.starts_with("Dma-buf Objects:");
  if (header) {
    on_.clear();
    listed_ = 0;
    open_ = true;
    open_at_ = {line.line, 0, 1};
  }
  const bool known = header || (text.starts_with("size") && text.find("exp_name") != std::string_view::npos) ||
                     total(line) || ring(line, snapshot) || buffer(line, snapshot);
  snapshot.lists_buffers = snapshot.lists_buffers || known;
  return known;
}

void ListReader::end(Snapshot& snapshot) const {
  if (missing_ > 0)
    snapshot.losses.push_back(
        {"buffers that the total counts and the text does not have", missing_, true, missing_at_});
  if (open_)
    snapshot.losses.push_back({"lists of buffers without their last line: they may have been cut", 1, true, open_at_});
}

}  // namespace fencecheck
