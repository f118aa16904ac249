// What other checkers say of the systems that are written in their languages: SPIN of Promela, cvc5 of SMT-LIB, and a
// small search for dead markings of nets. Programs that are not installed are left out, with a message.
#include "encoders/encode.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "checker/decide.hpp"
#include "checker/design.hpp"
#include "checker/explore.hpp"
#include "checker/input.hpp"
#include "tests/catch.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/random_scenario.hpp"
#include "tests/support/scenario_text.hpp"

namespace fencecheck {
namespace {

namespace fs = std::filesystem;

// Sanitizers have nothing to find in what other programs say.
bool installed(const std::string& program) {
  if (test::effort() < 60) {
    WARN("with little effort " << program << " is not asked");
    return false;
  }
  const bool found = std::system(("command -v " + program + " > /dev/null 2>&1").c_str()) == 0;
  if (!found) WARN(program << " is not installed: what it would say is not compared");
  return found;
}

// A folder that is gone afterwards.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "fencecheck-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }
  [[nodiscard]] std::string output_of(const std::string& command) const {
    const std::string log = (path_ / "output").string();
    const int status = std::system(fmt::format("cd '{}' && ( {} ) > output 2>&1", path_.string(), command).c_str());
    (void)status;  // pan and cvc5 say what they found
    std::ostringstream text;
    text << std::ifstream(log).rdbuf();
    return text.str();
  }

 private:
  fs::path path_;
};

// Nothing where SPIN did not see everything.
std::optional<bool> spin_finds_hang(const System& system) {
  const Folder folder;
  folder.write("model.pml", encode(system, Encoding::promela));
  const std::string said = folder.output_of(
      "spin -a model.pml && gcc -w -O0 -DSAFETY -DCOLLAPSE -DMEMLIM=512 -o pan pan.c && timeout 60 ./pan -m100000");
  INFO(said);
  const std::size_t errors = said.find("errors: ");
  REQUIRE(errors != std::string::npos);
  const bool found = said.compare(errors, 9, "errors: 0") != 0;
  if (found) REQUIRE(said.find("assertion violated") != std::string::npos);  // and nothing else went wrong
  if (!found && said.find("too small") != std::string::npos) return std::nullopt;
  if (!found && said.find("Search not completed") != std::string::npos) return std::nullopt;
  return found;
}

std::optional<bool> cvc5_finds_hang(const System& system, Encoding encoding) {
  const Folder folder;
  folder.write("formula.smt2", encode(system, encoding));
  const std::string said = folder.output_of("timeout 60 cvc5 --lang smt2 formula.smt2");
  INFO(said);
  if (said.starts_with("unsat")) return false;
  if (said.starts_with("sat")) return true;
  REQUIRE(said.find("error") == std::string::npos);
  return std::nullopt;
}

// A net, as its text says it.
struct Net {
  std::vector<int> initial;
  struct Transition {
    std::map<std::size_t, int> takes, puts;
  };
  std::vector<Transition> transitions;
};

std::size_t number_after(const std::string& line, const std::string& mark) {
  const std::size_t at = line.find(mark);
  REQUIRE(at != std::string::npos);
  return std::stoul(line.substr(at + mark.size()));
}

Net read_net(const std::string& text) {
  Net net;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("<place")) {
      REQUIRE(number_after(line, "id=\"p") == net.initial.size());
      const std::string mark = "<initialMarking><text>";
      net.initial.push_back(line.find(mark) == std::string::npos ? 0 : static_cast<int>(number_after(line, mark)));
    } else if (line.starts_with("<transition")) {
      REQUIRE(number_after(line, "id=\"t") == net.transitions.size());
      net.transitions.emplace_back();
    } else if (line.starts_with("<arc")) {
      const std::string mark = "<inscription><text>";
      const int tokens = line.find(mark) == std::string::npos ? 1 : static_cast<int>(number_after(line, mark));
      if (line.find("source=\"p") != std::string::npos)
        net.transitions.at(number_after(line, "target=\"t")).takes[number_after(line, "source=\"p")] = tokens;
      else
        net.transitions.at(number_after(line, "source=\"t")).puts[number_after(line, "target=\"p")] = tokens;
    }
  }
  return net;
}

// Nothing where there are too many markings.
std::optional<bool> has_dead_marking(const Net& net, std::size_t most) {
  std::set<std::vector<int>> seen{net.initial};
  std::deque<std::vector<int>> left{net.initial};
  while (!left.empty()) {
    if (seen.size() > most) return std::nullopt;
    const std::vector<int> marking = left.front();
    left.pop_front();
    bool dead = true;
    for (const Net::Transition& each : net.transitions) {
      const auto suffices = [&](const auto& arc) { return marking[arc.first] >= arc.second; };
      if (!std::all_of(each.takes.begin(), each.takes.end(), suffices)) continue;
      dead = false;
      std::vector<int> next = marking;
      for (const auto& [place, tokens] : each.takes) next[place] -= tokens;
      for (const auto& [place, tokens] : each.puts) next[place] += tokens;
      if (seen.insert(next).second) left.push_back(next);
    }
    if (dead) return true;
  }
  return false;
}

struct Sample {
  std::string name;
  System system;
};

// A hang in the system, as exploration without reductions sees it; nothing where that is too much, or where a bound of
// the unfolding leaves it open.
std::optional<bool> hangs(const System& system, bool with_timeouts) {
  ExploreOptions options;
  options.max_states = 20'000;
  options.with_timeouts = with_timeouts;
  options.budget.reductions = false;
  const Exploration all = explore(system, initial_state(system), options);
  if (all.hang) return true;
  if (!all.gave_up.empty() || all.cut_off) return std::nullopt;
  return false;
}

// Cases and random scenarios that the format can express and exploration can decide, as many of either verdict as the
// test has time for; all of them if FENCECHECK_PEERS is set.
std::vector<Sample> samples(Encoding encoding, std::size_t most, bool with_timeouts) {
  if (std::getenv("FENCECHECK_PEERS") != nullptr) most = 1'000'000;
  std::map<bool, std::size_t> taken;
  std::vector<Sample> result;
  const auto add = [&](const std::string& name, const System& system, std::size_t limit) {
    if (!not_sayable(system, encoding).empty()) return;
    const std::optional<bool> hang = hangs(system, with_timeouts);
    if (!hang || taken[*hang] >= limit) return;
    ++taken[*hang];
    result.push_back({name, system});
  };
  std::vector<InputFile> files = input_files({FENCECHECK_SOURCE_DIR "/cases"});
  const std::size_t stride = most > files.size() ? 1 : 7;
  for (std::size_t i = 0; i < files.size(); i += stride) {
    if (fs::path(files[i].path).extension() != ".yaml") continue;
    Source source;
    Diagnostics diagnostics;
    const auto design = read_design(files[i].path, source, diagnostics);
    REQUIRE(design.has_value());
    add(files[i].path, design->system, most);
  }
  for (std::uint64_t seed = 1; seed <= test::effort() && seed <= 40; ++seed) {
    Diagnostics diagnostics;
    const auto system = lower(test::random_scenario(seed), diagnostics);
    REQUIRE(system.has_value());
    add(fmt::format("random_scenario({})", seed), *system, 2 * most);
  }
  return result;
}

TEST_CASE("SPIN finds the same hangs") {
  if (!installed("spin") || !installed("gcc")) return;
  for (const Sample& each : samples(Encoding::promela, 3, true)) {
    INFO(each.name);
    const std::optional<bool> spin = spin_finds_hang(each.system);
    if (spin) CHECK(*spin == *hangs(each.system, true));
  }
}

TEST_CASE("cvc5 finds the same hangs in every formula") {
  if (!installed("cvc5")) return;
  for (const Encoding encoding : {Encoding::smt_lib, Encoding::smt_lib_plain, Encoding::smt_lib_cuts})
    for (const Sample& each : samples(encoding, 8, false)) {
      INFO(each.name);
      const std::optional<bool> cvc5 = cvc5_finds_hang(each.system, encoding);
      const bool hang = *hangs(each.system, false);
      if (cvc5 && (encoding != Encoding::smt_lib_cuts || hang)) CHECK(*cvc5 == hang);
    }
}

TEST_CASE("nets have dead markings where systems hang") {
  std::map<bool, unsigned> compared;
  for (const Sample& each : samples(Encoding::pnml, 30, true)) {
    INFO(each.name);
    const bool hang = *hangs(each.system, true);
    const std::optional<bool> dead = has_dead_marking(read_net(encode(each.system, Encoding::pnml)), 30'000);
    if (!dead) continue;
    ++compared[hang];
    CHECK(*dead == hang);
  }
  CHECK(compared[true] > 3);
  CHECK(compared[false] > 3);
}

TEST_CASE("what a format cannot express is refused with the reason") {
  const System loop = lowered(
      "fences: {a: kernel}\nthreads: {t: {steps: [loop: {name: again, steps: [{wait: a}, {retry: again}]}]}}\n");
  for (const EncodingInfo& row : encoding_table) CHECK(not_sayable(loop, row.encoding) == "'t' contains a loop");
  const System timer = lowered("fences: {a: {kind: kernel, timeout: 1s}}\nthreads: {t: {steps: [wait: a]}}\n");
  CHECK(not_sayable(timer, Encoding::promela).empty());
  CHECK_THAT(not_sayable(timer, Encoding::pnml), Catch::Contains("nets have no priorities"));
}

}  // namespace
}  // namespace fencecheck
