#include "tests/support/random_scenario.hpp"

#include <array>
#include <string>
#include <utility>

#include "tests/support/dice.hpp"

namespace fencecheck::test {
namespace {

Name named(std::string text) { return {std::move(text), {1, 1, 1}}; }

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : dice_(seed) {}
  Scenario run();

 private:
  Name fence() {
    static const std::vector<std::string> names{"k0", "k1", "u0", "t:1", "t:2"};
    return named(names[dice_.below(5)]);
  }
  Name buffer() { return named(dice_.one_in(2) ? "b0" : "b1"); }
  Block block(int depth, int most);
  void add_step(Block& block, int depth);
  void add_locked(Block& block, int depth);
  StepDeclaration submit(int depth);
  StepDeclaration wait(int depth);
  static StepDeclaration step(StepDeclaration::What what) { return {std::move(what), {1, 1, 1}}; }

  Dice dice_;
  int jobs_ = 0;
  bool in_section_ = false;
  bool in_shrinker_ = false;
};

StepDeclaration Generator::wait(int depth) {
  WaitStep wait;
  wait.fences.push_back(fence());
  if (dice_.one_in(3)) wait.fences.push_back(fence());
  wait.join = dice_.one_in(3) ? Join::any : Join::all;
  if (dice_.one_in(6)) {
    wait.timeout = Milliseconds{100};
    if (depth > 0) wait.on_timeout = block(depth - 1, 1);
  }
  return step(std::move(wait));
}

StepDeclaration Generator::submit(int depth) {
  SubmitStep submit;
  submit.queue = named(dice_.one_in(2) ? "q0" : "q1");
  submit.job = named("j" + std::to_string(jobs_++));
  if (dice_.one_in(2)) submit.in.push_back(fence());
  if (dice_.one_in(2)) submit.uses.push_back({buffer(), static_cast<Usage>(dice_.below(4))});
  if (dice_.one_in(3)) submit.out = named(dice_.one_in(2) ? "k0" : "u0");
  submit.implicit_sync = !dice_.one_in(4);
  const bool section = std::exchange(in_section_, false);
  if (depth > 0 && dice_.one_in(3)) submit.runs = block(0, 1);
  in_section_ = section;
  return step(std::move(submit));
}

// Locks nest properly, and a section never takes the same lock again.
void Generator::add_locked(Block& block, int depth) {
  in_section_ = true;
  Block inner = this->block(depth - 1, 2);
  in_section_ = false;
  switch (dice_.below(4)) {
    case 0: {
      const bool shared = dice_.one_in(2);
      const Name lock = named(shared ? "sem" : dice_.one_in(2) ? "m" : "b0");
      block.push_back(step(LockStep{lock, shared}));
      for (StepDeclaration& each : inner) block.push_back(std::move(each));
      block.push_back(step(UnlockStep{lock}));
      return;
    }
    case 1:
      block.push_back(step(TryLockStep{named("m"), false, std::move(inner), {}}));
      return;
    default: {
      const bool swapped = dice_.one_in(2);
      TransactionStep transaction{
          {named(swapped ? "b1" : "b0"), named(swapped ? "b0" : "b1")}, !dice_.one_in(3), std::move(inner)};
      block.push_back(step(std::move(transaction)));
    }
  }
}

void Generator::add_step(Block& block, int depth) {
  switch (dice_.below(13)) {
    case 0:
    case 1:
      block.push_back(wait(depth));
      return;
    case 2:
    case 3:
      block.push_back(step(SignalStep{{fence()}}));
      return;
    case 4:
      block.push_back(step(PublishStep{{named(dice_.one_in(2) ? "k0" : "k1")}}));
      return;
    case 5:
      if (depth > 0 && !in_section_ && !in_shrinker_) add_locked(block, depth);
      return;
    case 6:
      if (!in_section_ && !in_shrinker_ && jobs_ < 3) block.push_back(submit(depth));
      return;
    case 7:
      block.push_back(step(AllocStep{Gfp::kernel, dice_.one_in(2) ? std::optional(named("vram")) : std::nullopt, {}}));
      return;
    case 8:
      block.push_back(step(SetStep{named("v"), dice_.below(3)}));
      return;
    case 9:
      block.push_back(step(WhenStep{{{named("v"), dice_.below(3)}}}));
      return;
    case 10:
      block.push_back(step(TakeStep{named("p"), 1 + dice_.below(2)}));
      if (!dice_.one_in(4)) block.push_back(step(GiveStep{named("p"), 1}));
      return;
    case 11:
      if (depth > 0) {
        ChooseStep choose;
        choose.branches.push_back(this->block(depth - 1, 1));
        choose.branches.push_back(this->block(depth - 1, 1));
        block.push_back(step(std::move(choose)));
      }
      return;
    default:
      if (!in_section_)
        block.push_back(
            step(EvictStep{buffer(), dice_.one_in(2) ? EvictStep::Locking::lock : EvictStep::Locking::trylock, {}}));
  }
}

Block Generator::block(int depth, int most) {
  Block result;
  const int count = 1 + static_cast<int>(dice_.below(static_cast<std::uint32_t>(most)));
  for (int i = 0; i < count; ++i) add_step(result, depth);
  return result;
}

Scenario Generator::run() {
  Scenario scenario;
  scenario.title = "random";
  scenario.memory_pressure = !dice_.one_in(4);
  scenario.userspace_may_stop = dice_.one_in(6);
  scenario.regions.emplace_back().name = named("vram");
  scenario.buffers.emplace_back().name = named("b0");
  scenario.buffers.back().region = named("vram");
  scenario.buffers.emplace_back().name = named("b1");
  const auto timer = [&] { return dice_.one_in(4) ? std::optional(Milliseconds{1000}) : std::nullopt; };
  scenario.fences.push_back({named("k0"), FenceKind::kernel, timer(), {}, {}, {}});
  scenario.fences.push_back(
      {named("k1"), FenceKind::kernel, {}, dice_.one_in(4) ? std::optional(named("u0")) : std::nullopt, {}, {}});
  scenario.fences.push_back({named("u0"), static_cast<FenceKind>(1 + dice_.below(3)), timer(), {}, {}, {}});
  scenario.timelines.push_back({named("t"), dice_.one_in(2) ? FenceKind::kernel : FenceKind::user, 2});
  scenario.locks = {{named("m"), LockKind::mutex}, {named("sem"), LockKind::rwsem}};
  scenario.variables.push_back({named("v"), 0});
  scenario.pools.push_back({named("p"), 2});
  scenario.queues.emplace_back().name = named("q0");
  scenario.queues.push_back({named("q1"), QueueKind::worker, 1 + dice_.below(2), {}, false, true});
  in_shrinker_ = true;
  scenario.shrinkers.push_back({named("lru"), block(0, 1)});
  in_shrinker_ = false;
  const std::uint32_t threads = 2 + dice_.below(2);
  for (std::uint32_t i = 0; i < threads; ++i) {
    static constexpr std::array kinds{ThreadKind::user, ThreadKind::ioctl, ThreadKind::worker, ThreadKind::reclaim};
    scenario.threads.push_back({named("thread" + std::to_string(i)), kinds[dice_.below(4)], block(2, 3), {}, {}});
  }
  if (!dice_.one_in(4)) {  // else hardly any scenario would be safe
    Block steps = dice_.one_in(4) ? block(0, 1) : Block{};
    steps.push_back(step(SignalStep{{named("k0"), named("k1"), named("u0"), named("t:2")}}));
    scenario.threads.push_back({named("signaller"), ThreadKind::worker, std::move(steps), {}, {}});
  }
  return scenario;
}

// Binds on two queues and in ioctls, their errors, syncobjs, and jobs that rely on what is bound.
class BindGenerator {
 public:
  explicit BindGenerator(std::uint64_t seed) : dice_(seed) {}
  Scenario run();

 private:
  static constexpr std::uint64_t page = 4096;
  RangeDeclaration range(std::uint64_t page_number) {
    return {named(dice_.one_in(2) ? "a" : "b"),
            dice_.below(2) * page,
            page_number * page,
            (1 + dice_.below(2)) * page,
            {1, 1, 1}};
  }
  Name syncobj() {
    static const std::vector<std::string> names{"s", "t:1", "t:2"};
    return named(names[dice_.below(3)]);
  }
  template <class Submission>
  void add_syncobjs(Submission& step);
  BindOperation operation();
  VmBindStep bind();
  StepDeclaration submit();
  StepDeclaration step();
  StepDeclaration other_step();

  Dice dice_;
  int jobs_ = 0;
  bool transferred_ = false;
};

template <class Submission>
void BindGenerator::add_syncobjs(Submission& step) {
  if (dice_.one_in(4)) {
    step.in_syncobjs = {syncobj()};
    step.wait_for_submit = dice_.one_in(2);
  }
  if (dice_.one_in(2)) step.out_syncobjs = {syncobj()};
}

BindOperation BindGenerator::operation() {
  BindOperation result;
  result.verb = static_cast<BindOperation::Verb>(dice_.below(3));
  result.range = range(dice_.below(3));
  result.to = (3 + dice_.below(2)) * page;
  result.text = "an operation";
  return result;
}

VmBindStep BindGenerator::bind() {
  VmBindStep bind;
  for (std::uint32_t i = 1 + dice_.below(2); i > 0; --i) bind.operations.push_back(operation());
  if (dice_.one_in(3)) bind.fails = {BindErrno::enospc};
  if (jobs_ < 3 && dice_.one_in(2)) {
    bind.queue = named(dice_.one_in(3) ? "y" : "x");
    bind.job = named("j" + std::to_string(jobs_++));
    if (dice_.one_in(3)) bind.in = {named("k")};
    bind.wait_in_ioctl = dice_.one_in(4);
    bind.falls_back = dice_.one_in(4);
    bind.on_job_error = static_cast<JobErrors>(dice_.below(4));
    add_syncobjs(bind);
  } else {
    bind.address_space = named("vm");
    if (!bind.fails.empty()) bind.on_error = static_cast<BindErrors>(dice_.below(5));
    if (bind.on_error == BindErrors::cookie) bind.cookie = named("cookie");
  }
  if (bind.fails.empty()) return bind;
  if (dice_.one_in(3))
    bind.restart.emplace();
  else if (dice_.one_in(2))
    bind.otherwise = Block{{SignalStep{{named("k")}}, {1, 1, 1}}};
  return bind;
}

StepDeclaration BindGenerator::submit() {
  SubmitStep submit;
  submit.queue = named("gfx");
  submit.job = named("j" + std::to_string(jobs_++));
  if (dice_.one_in(2)) submit.ranges = {range(dice_.below(4))};
  if (dice_.one_in(4)) submit.in = {named("k")};
  add_syncobjs(submit);
  return {std::move(submit), {1, 1, 1}};
}

StepDeclaration BindGenerator::other_step() {
  WaitSyncobjStep wait;
  switch (dice_.below(5)) {
    case 0:
      return {SignalStep{{named("k")}}, {1, 1, 1}};
    case 1:  // only one may write there
      if (std::exchange(transferred_, true)) return {SetStep{named("cookie"), 0}, {1, 1, 1}};
      return {TransferStep{syncobj(), named("u")}, {1, 1, 1}};
    case 2:
      return {ResetSyncobjStep{{named(dice_.one_in(2) ? "s" : "t")}}, {1, 1, 1}};
    default:
      wait.syncobjs = {syncobj(), named("u")};
      wait.join = dice_.one_in(2) ? Join::any : Join::all;
      wait.available = dice_.one_in(2);
      wait.wait_for_submit = wait.join == Join::all && dice_.one_in(2);
      if (dice_.one_in(3)) wait.timeout = Milliseconds{10};
      return {std::move(wait), {1, 1, 1}};
  }
}

StepDeclaration BindGenerator::step() {
  if (dice_.one_in(3)) return other_step();
  if (jobs_ < 3 && dice_.one_in(3)) return submit();
  return {bind(), {1, 1, 1}};
}

Scenario BindGenerator::run() {
  Scenario scenario;
  scenario.title = "random";
  scenario.userspace_may_stop = dice_.one_in(6);
  for (const char* name : {"a", "b"}) scenario.buffers.emplace_back().name = named(name);
  scenario.address_spaces.emplace_back().name = named("vm");
  scenario.address_spaces.back().ranges = {{named("a"), 0, 0, 2 * page, {1, 1, 1}}};
  scenario.address_spaces.back().blocks_unbind = dice_.one_in(4);
  scenario.locks = {{named("m"), LockKind::mutex}};
  if (dice_.one_in(2)) scenario.address_spaces.back().lock = named("m");
  scenario.fences.push_back({named("k"), FenceKind::kernel, {}, {}, {}, {}});
  scenario.variables.push_back({named("cookie"), 0});
  scenario.syncobjs = {{named("s"), 0}, {named("t"), 2}, {named("u"), 0}};
  for (const char* name : {"x", "y", "gfx"}) {
    scenario.queues.emplace_back().name = named(name);
    scenario.queues.back().kind = name[0] == 'g' ? QueueKind::engine : QueueKind::bind;
    scenario.queues.back().address_space = named("vm");
  }
  for (const char* name : {"p", "q"}) {
    static constexpr std::array kinds{ThreadKind::user, ThreadKind::ioctl, ThreadKind::worker};
    Block steps;
    for (std::uint32_t i = 1 + dice_.below(3); i > 0; --i) steps.push_back(step());
    scenario.threads.push_back({named(name), kinds[dice_.below(3)], std::move(steps), {}, {}});
  }
  return scenario;
}

}  // namespace

Scenario random_scenario(std::uint64_t seed) { return Generator(seed).run(); }

Scenario random_bind_scenario(std::uint64_t seed) { return BindGenerator(seed).run(); }

}  // namespace fencecheck::test
