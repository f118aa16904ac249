// Lowerings of VM_BIND: page tables with ranges, bind queues, and what a bind that fails leaves behind.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "graph/input/lowering.hpp"
#include "graph/model/page_tables.hpp"

namespace fencecheck::lowering {
namespace {

constexpr std::size_t most_intervals = 1'000;

using Verb = BindOperation::Verb;

// The bounds of all ranges; a range that moves is cut alike where it was and where it comes to.
class Cuts {
 public:
  void add(const RangeDeclaration& range) { add(range.begin, range.size); }
  void add(const BindOperation& operation) {
    add(operation.range);
    if (operation.verb != Verb::move) return;
    add(operation.to, operation.range.size);
    moves_.push_back({operation.range.begin, operation.to, operation.range.size});
  }
  // False if there are too many.
  bool close() {
    for (std::size_t before = 0; before != bounds_.size() && bounds_.size() <= most_intervals;) {
      before = bounds_.size();
      for (const Move& move : moves_) {
        translate(move.from, move.to, move.size);
        translate(move.to, move.from, move.size);
      }
    }
    return bounds_.size() <= most_intervals;
  }
  [[nodiscard]] std::vector<std::uint64_t> bounds() const { return {bounds_.begin(), bounds_.end()}; }

 private:
  struct Move {
    std::uint64_t from, to, size;
  };
  void add(std::uint64_t begin, std::uint64_t size) {
    bounds_.insert(begin);
    bounds_.insert(begin + size);
  }
  void translate(std::uint64_t from, std::uint64_t to, std::uint64_t size) {
    std::vector<std::uint64_t> inside(bounds_.lower_bound(from), bounds_.upper_bound(from + size));
    for (const std::uint64_t bound : inside) bounds_.insert(bound - from + to);
  }
  std::set<std::uint64_t> bounds_;
  std::vector<Move> moves_;
};

std::uint32_t interval_at(const PageTable& table, std::uint64_t address) {
  return static_cast<std::uint32_t>(std::ranges::lower_bound(table.bounds, address) - table.bounds.begin());
}

PageEntry entry_of(const PageTable& table, const RangeDeclaration& range) {
  const auto object = std::ranges::find(table.objects, range.buffer.text, &MappedObject::name);
  return {static_cast<std::uint32_t>(object - table.objects.begin() + 1), range.offset};
}

PageWrite write_of(const System& system, PageTableId id, const RangeDeclaration& range, const PageEntry& entry) {
  const PageTable& table = system[id];
  return {id, interval_at(table, range.begin), interval_at(table, range.begin + range.size), entry, std::nullopt};
}

std::string errors_text(const std::vector<BindErrno>& errors) {
  std::vector<std::string> names;
  for (const BindErrno each : errors)
    names.push_back(fmt::format("-{}", bind_errno_table.at(static_cast<std::size_t>(each)).id));
  return fmt::format("{}", fmt::join(names, " or "));
}

}  // namespace

bool only_unmaps(const VmBindStep& step) {
  return std::ranges::all_of(step.operations, [](const BindOperation& each) { return each.verb == Verb::unmap; });
}

std::optional<AddressSpaceId> Lowering::space_of(const VmBindStep& step) {
  if (step.address_space) return address_space(*step.address_space);
  const auto index = symbols_.find(*step.queue, SymbolKind::queue);
  if (!index) return std::nullopt;
  const QueueDeclaration& queue = scenario_.queues[*index];
  if (queue.kind == QueueKind::bind) return address_space(*queue.address_space);
  diagnostics_.error(step.queue->at,
                     fmt::format("'{}' is of kind '{}', not a bind queue", step.queue->text, info(queue.kind).id));
  return std::nullopt;
}

const BindObjects* Lowering::binds_of(const std::optional<Name>& space) const {
  if (!space) return nullptr;
  const Symbol* symbol = symbols_.look_up(space->text);
  if (symbol == nullptr || symbol->kind != SymbolKind::address_space) return nullptr;
  const auto found = binds_.find(AddressSpaceId{symbol->index});
  return found == binds_.end() ? nullptr : &found->second;
}

// All that names addresses in this space: what is there from the start, binds, and jobs.
void Lowering::declare_page_table(AddressSpaceId space) {
  const AddressSpaceDeclaration& declared = scenario_.address_spaces[space.index];
  Cuts cuts;
  std::vector<const RangeDeclaration*> ranges;
  bool bans = false;
  bool saves = false;
  bool used = !declared.ranges.empty();
  for (const RangeDeclaration& range : declared.ranges) ranges.push_back(&range);
  for_each_step(scenario_, [&](const StepDeclaration& step) {
    if (const auto* bind = std::get_if<VmBindStep>(&step.what); bind != nullptr && space_of(*bind) == space) {
      used = true;
      for (const BindOperation& each : bind->operations) {
        cuts.add(each);
        if (each.verb == Verb::map) ranges.push_back(&each.range);
      }
      bans = bans || bind->on_job_error == JobErrors::ban;
      saves = saves || bind->on_error == BindErrors::saved;
    }
    const auto* submit = std::get_if<SubmitStep>(&step.what);
    if (submit == nullptr || submit->ranges.empty()) return;
    const auto queue = symbols_.find(submit->queue, SymbolKind::queue);
    if (!queue || !scenario_.queues[*queue].address_space ||
        address_space(*scenario_.queues[*queue].address_space) != space)
      return;
    used = true;
    for (const RangeDeclaration& range : submit->ranges) ranges.push_back(&range);
  });
  if (!used) return;
  PageTable table;
  table.name = declared.name.text;
  table.space = space;
  table.at = declared.name.at;
  for (const RangeDeclaration* range : ranges) {
    cuts.add(*range);
    const auto index = buffer(range->buffer);
    const bool known =
        std::ranges::any_of(table.objects, [&](const MappedObject& each) { return each.name == range->buffer.text; });
    if (index && !known) table.objects.push_back({range->buffer.text, buffers_[*index].memory});
  }
  if (!cuts.close()) {
    diagnostics_.error(declared.name.at,
                       fmt::format("the ranges cut '{}' into more than {} pieces", declared.name.text, most_intervals));
    return;
  }
  table.bounds = cuts.bounds();
  table.initial.resize(table.bounds.size() - 1);
  const auto add_variable = [&](std::string name) {
    const VariableId id{static_cast<std::uint32_t>(system_.variables.size())};
    system_.variables.push_back({std::move(name), 0, declared.name.at});
    return id;
  };
  BindObjects objects;
  objects.table = PageTableId{static_cast<std::uint32_t>(system_.page_tables.size())};
  if (bans) objects.banned = add_variable(fmt::format("{} is banned", declared.name.text));
  if (saves) objects.pending = add_variable(fmt::format("restart of {}", declared.name.text));
  table.banned = objects.banned;
  table.asked = PageTableId{objects.table.index + 1};
  system_.page_tables.push_back(table);
  table.name += " as asked for";
  table.asked.reset();
  system_.page_tables.push_back(std::move(table));
  system_.spaces[space.index].table = objects.table;
  State start;
  start.page_tables = initial_page_tables(system_);
  for (const RangeDeclaration& range : declared.ranges)
    for (const PageTableId id : {objects.table, PageTableId{objects.table.index + 1}}) {
      const PageEntry entry = entry_of(system_[id], range);
      if (entry.object > system_[id].objects.size()) continue;  // reported already
      PageTable& made = system_.page_tables[id.index];
      made.asked.reset();  // what is there from the start is where it is
      write_ranges(system_, start, {write_of(system_, id, range, entry)});
      made.initial = start.page_tables[id.index];
    }
  system_.page_tables[objects.table.index].asked = PageTableId{objects.table.index + 1};
  binds_.emplace(space, objects);
}

void Lowering::declare_page_tables() {
  for (std::uint32_t i = 0; i < scenario_.address_spaces.size(); ++i) declare_page_table(AddressSpaceId{i});
  for_each_step(scenario_, [&](const StepDeclaration& step) {
    const auto* submit = std::get_if<SubmitStep>(&step.what);
    if (submit == nullptr || submit->ranges.empty()) return;
    const auto queue = symbols_.find(submit->queue, SymbolKind::queue);
    if (queue && (scenario_.queues[*queue].kind != QueueKind::engine || !scenario_.queues[*queue].address_space))
      diagnostics_.error(
          submit->ranges.front().at,
          fmt::format("'{}' is no engine with an address space: its jobs have no ranges", submit->queue.text));
  });
}

BindWrites Lowering::writes_of(PageTableId id, const std::vector<BindOperation>& operations) const {
  const PageTable& table = system_[id];
  BindWrites result;
  for (const BindOperation& operation : operations) {
    const RangeDeclaration& range = operation.range;
    PageWrite write = write_of(system_, id, range, {});
    if (operation.verb == Verb::map) write.entry = entry_of(table, range);
    if (write.entry.object > table.objects.size()) continue;  // reported already
    if (operation.verb == Verb::move) {
      write.from = PageSource{id, write.first, true};
      write.first = interval_at(table, operation.to);
      write.last = interval_at(table, operation.to + range.size);
    }
    result.operations.push_back({write});
    static constexpr std::array<std::string_view, 3> verbs{"maps", "unmaps", "moves"};
    result.says.push_back(fmt::format("{}{} in '{}'", verbs.at(static_cast<std::size_t>(operation.verb)),
                                      operation.text.substr(std::min(operation.text.find(' '), operation.text.size())),
                                      table.name));
  }
  return result;
}

// The same in the table of what was asked for.
std::vector<PageWrite> Lowering::asked_by(PageTableId table, const BindWrites& writes) const {
  std::vector<PageWrite> result;
  for (const std::vector<PageWrite>& operation : writes.operations)
    for (PageWrite write : operation) {
      write.table = *system_[table].asked;
      if (write.from) write.from->table = write.table;
      result.push_back(write);
    }
  return result;
}

std::vector<Reliance> Lowering::reliances(PageTableId id, const std::vector<RangeDeclaration>& ranges) const {
  const PageTable& table = system_[id];
  std::vector<Reliance> result;
  for (const RangeDeclaration& range : ranges) {
    PageEntry entry = entry_of(table, range);
    const std::uint32_t last = interval_at(table, range.begin + range.size);
    for (std::uint32_t i = interval_at(table, range.begin); i < last; ++i) {
      result.push_back({i, entry});
      entry.offset += table.bounds[i + 1] - table.bounds[i];
    }
  }
  return result;
}

void Lowering::go_on_if(Program& program, const Frame& frame, Place at, const Test& test, OpenEnds& others) {
  Choose choose{{Branch{{test}, std::nullopt}, Branch{{{test.variable, test.value, !test.equal}}, std::nullopt}}};
  const StepIndex look = add(program, frame, at, Cause::explicit_sync, std::move(choose));
  (void)program.take_ends();
  others.push_back({look, 1, false});
  program.from(Program::branch_of(look, 0));
}

// One way to fail for each error, told as a step that changes nothing.
void Lowering::may_fail(Program& program, const Frame& frame, Place at, const VmBindStep& step,
                        const std::string& where, OpenEnds& failed) {
  if (step.fails.empty()) return;
  const StepIndex choice =
      add(program, frame, at, Cause::explicit_sync, Choose{std::vector<Branch>(1 + step.fails.size())});
  (void)program.take_ends();
  for (std::uint32_t i = 0; i < step.fails.size(); ++i) {
    program.from(Program::branch_of(choice, i + 1));
    add(program, frame, at, Cause::explicit_sync,
        WriteRanges{{}, fmt::format("fails with {} {}", errors_text({step.fails[i]}), where)});
    const OpenEnds ends = program.take_ends();
    failed.insert(failed.end(), ends.begin(), ends.end());
  }
  program.from(Program::branch_of(choice, 0));
}

// Into the ioctl: its lock, and the turn of whoever has failed before.
void Lowering::enter_bind(Program& program, const Frame& frame, Place at, const VmBindStep& step, BindObjects& binds,
                          std::uint32_t site) {
  const AddressSpaceDeclaration& space = scenario_.address_spaces[system_[binds.table].space.index];
  const auto vm_lock = space.lock ? lock(*space.lock) : std::nullopt;
  const bool takes_lock = vm_lock && !program.holds(*vm_lock);
  const StepIndex again = program.size();
  if (takes_lock) acquire(program, frame, at, *vm_lock, false);
  if (!binds.pending || (only_unmaps(step) && !space.blocks_unbind)) return;
  Choose mine{{Branch{{{*binds.pending, 0, true}}, std::nullopt}}};
  if (site != 0) mine.branches.push_back({{{*binds.pending, site, true}}, std::nullopt});
  if (!takes_lock) {
    const StepIndex wait = add(program, frame, at, Cause::lock, mine);
    program[wait].interruptible = false;
    return;
  }
  // Whoever holds the lock meanwhile keeps out the restart.
  Branch others{{{*binds.pending, 0, false}}, std::nullopt};
  if (site != 0) others.tests.push_back({*binds.pending, site, false});
  Choose look = mine;
  look.branches.push_back(others);
  const StepIndex test = add(program, frame, at, Cause::explicit_sync, look);
  (void)program.take_ends();
  const std::vector<Held> held = program.held;
  program.from(Program::branch_of(test, static_cast<std::uint32_t>(look.branches.size() - 1)));
  release(program, frame, at, *vm_lock);
  const StepIndex wait = add(program, frame, at, Cause::lock, mine);
  program[wait].interruptible = false;
  program.back_to(again);
  program.held = held;
  program.from({});
  for (std::uint32_t i = 0; i < mine.branches.size(); ++i) program.join(Program::branch_of(test, i));
}

// In the ioctl, operation by operation.
void Lowering::bind_now(Program& program, const Frame& frame, Place at, const VmBindStep& step, BindObjects& binds,
                        std::uint32_t site, OpenEnds& failed) {
  const BindWrites writes = writes_of(binds.table, step.operations);
  const auto count = static_cast<std::uint32_t>(writes.operations.size());
  if (count == 0) return;
  if (count >= most_branches) {
    diagnostics_.error(at, fmt::format("{} operations; at most {} are covered", count, most_branches - 1));
    return;
  }
  const bool restarts = step.on_error == BindErrors::saved || step.on_error == BindErrors::cookie;
  std::optional<VariableId> done;  // how many operations are done
  if (step.on_error == BindErrors::cookie) {
    if (const auto index = symbols_.find(*step.cookie, SymbolKind::variable)) done = VariableId{*index};
  } else if (restarts) {
    done = VariableId{static_cast<std::uint32_t>(system_.variables.size())};
    system_.variables.push_back({fmt::format("done of the bind on line {}", at.line), 0, at});
  }
  std::optional<PageTableId> copy;  // of the address space as it was
  if (step.on_error == BindErrors::unwind && !step.fails.empty()) {
    copy = PageTableId{static_cast<std::uint32_t>(system_.page_tables.size())};
    PageTable saved = system_[binds.table];
    saved.name += fmt::format(" before the bind on line {}", at.line);
    saved.asked.reset();
    system_.page_tables.push_back(std::move(saved));
  }
  // What the list touches, and nothing that others write meanwhile.
  const auto touched = [&](PageTableId to, PageTableId from) {
    std::vector<PageWrite> result;
    for (const std::vector<PageWrite>& operation : writes.operations)
      for (const PageWrite& each : operation) {
        result.push_back({to, each.first, each.last, {}, PageSource{from, each.first, false}});
        if (!each.from) continue;
        const std::uint32_t last = each.from->first + each.last - each.first;
        result.push_back({to, each.from->first, last, {}, PageSource{from, each.from->first, false}});
      }
    return result;
  };
  if (step.on_error == BindErrors::unchanged) may_fail(program, frame, at, step, "before anything is done", failed);
  if (copy)
    add(program, frame, at, Cause::explicit_sync, WriteRanges{touched(*copy, binds.table), "remembers what is mapped"});
  std::vector<OpenEnds> starts(count);  // where a restart goes on
  if (done) {
    Choose where;
    Branch elsewhere;  // a cookie of something else: -EINVAL
    for (std::uint32_t i = 0; i < count; ++i) {
      where.branches.push_back({{{*done, i, true}}, std::nullopt});
      elsewhere.tests.push_back({*done, i, false});
    }
    where.branches.push_back(std::move(elsewhere));
    const StepIndex test = add(program, frame, at, Cause::explicit_sync, where);
    (void)program.take_ends();
    for (std::uint32_t i = 0; i < count; ++i) starts[i] = Program::branch_of(test, i);
    failed.push_back({test, count, false});
    program.from({});
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    program.join(starts[i]);
    if (step.on_error != BindErrors::unchanged) {
      OpenEnds here;
      may_fail(program, frame, at, step, fmt::format("before '{}'", step.operations[i].text), here);
      OpenEnds goes_on = program.take_ends();
      if (!here.empty()) {
        program.from(std::move(here));
        if (copy && i > 0)
          add(program, frame, at, Cause::explicit_sync,
              WriteRanges{touched(binds.table, *copy), "undoes what it has done"});
        if (done) add(program, frame, at, Cause::explicit_sync, Assign{*done, i});
        if (step.on_error == BindErrors::saved)
          add(program, frame, at, Cause::explicit_sync, Assign{*binds.pending, site});
        const OpenEnds ends = program.take_ends();
        failed.insert(failed.end(), ends.begin(), ends.end());
      }
      program.from(std::move(goes_on));
    }
    WriteRanges write{writes.operations[i], writes.says[i]};
    if (i + 1 == count) {
      const std::vector<PageWrite> asked = asked_by(binds.table, writes);
      write.writes.insert(write.writes.end(), asked.begin(), asked.end());
    }
    add(program, frame, at, Cause::explicit_sync, std::move(write));
  }
  if (done) add(program, frame, at, Cause::explicit_sync, Assign{*done, 0});
  if (step.on_error == BindErrors::saved) add(program, frame, at, Cause::explicit_sync, Assign{*binds.pending, 0});
}

// By a job of the bind queue. What can fail has failed before there is a fence.
void Lowering::bind_later(Program& program, const Frame& frame, Place at, const VmBindStep& step, BindObjects& binds,
                          OpenEnds& failed) {
  may_fail(program, frame, at, step, "before the job exists", failed);
  SubmitStep job;
  job.queue = *step.queue;
  job.job = *step.job;
  if (!step.wait_in_ioctl) {
    job.in = step.in;
    job.in_syncobjs = step.in_syncobjs;
  }
  job.out = step.out;
  job.uses = step.uses;
  job.out_syncobjs = step.out_syncobjs;
  job.wait_for_submit = step.wait_for_submit;
  WriteRangesStep writes;
  writes.address_space = {system_[binds.table].name, at};
  writes.operations = step.operations;
  writes.page_tables = step.page_tables;
  writes.lock = step.job_lock;
  writes.on_error = step.on_job_error;
  job.runs.push_back({std::move(writes), at});
  Submission more;
  more.asks = asked_by(binds.table, writes_of(binds.table, step.operations));
  submit(program, frame, at, job, more);
  if (!step.falls_back || !more.job) return;
  Frame inner = frame;
  inner.context = "memory is short: the bind is done before the ioctl returns";
  const StepIndex choice =
      add(program, inner, at, Cause::explicit_sync, Choose{{Branch{}, Branch{{}, Cause::memory_management}}});
  (void)program.take_ends();
  program.from(Program::branch_of(choice, 1));
  add(program, inner, at, Cause::memory_management, Flush{*more.job});
  program.join(Program::branch_of(choice, 0));
}

// What gets memory stays locked until the call returns, and with it what gets the out-fence: one transaction.
void Lowering::lock_buffers(Program& program, const Frame& frame, Place at, const VmBindStep& step) {
  if (step.validates.empty()) return;
  std::vector<Name> names = step.validates;
  for (const SubmitStep::Use& use : step.uses) names.push_back(use.buffer);
  std::vector<LockId> locks;
  for (const Name& each : names)
    if (const auto index = buffer(each))
      if (const LockId id = buffers_[*index].lock; !program.holds(id) && std::ranges::find(locks, id) == locks.end())
        locks.push_back(id);
  acquire_together(program, frame, at, locks, true);
}

// Under the locks of the buffers, which the call keeps. Without room it fails.
void Lowering::give_memory(Program& program, const Frame& frame, Place at, const std::vector<Name>& buffers,
                           OpenEnds& failed) {
  Frame inner = frame;
  inner.reclaim = true;
  CopyJobs copies;
  OpenEnds denied;
  for (const Name& each : buffers)
    if (const auto memory = memory_of(each))
      validate(program, inner, at, buffer_of_memory_[memory->index], {each, std::nullopt, false, std::nullopt}, copies,
               denied);
  if (denied.empty()) return;
  OpenEnds goes_on = program.take_ends();
  program.from(std::move(denied));
  add(program, frame, at, Cause::explicit_sync, WriteRanges{{}, "fails with -ENOSPC: there is no room"});
  const OpenEnds ends = program.take_ends();
  failed.insert(failed.end(), ends.begin(), ends.end());
  program.from(std::move(goes_on));
}

// What userspace does before it makes a call again that has failed. It may stop meanwhile, but owes it if it does not.
void Lowering::restart(Program& program, const Frame& frame, StepIndex call, const Block& block) {
  const StepIndex first = program.size();
  lower_block(program, frame, block);
  for (StepIndex i = first; i < program.size(); ++i) program[i].restarts = true;
  program.back_to(call);
  const auto again = program.set_apart(call);
  if (!again) return;  // the block never ends
  program[*again].userspace = frame.kind == ThreadKind::user;
  program[*again].restarts = true;
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const VmBindStep& step) {
  const auto space = space_of(step);
  const auto objects = space ? binds_.find(*space) : binds_.end();
  if (objects == binds_.end()) return;
  BindObjects& binds = objects->second;
  check_bind(program, frame, at, step);
  Frame inner = frame;
  if (frame.kind == ThreadKind::user) inner.kind = ThreadKind::ioctl;
  if (inner.context.empty()) inner.context = fmt::format("binding in '{}'", system_[binds.table].name);
  const std::vector<Held> before = program.held;
  const StepIndex first = program.size();
  if (step.restart) add(program, inner, at, Cause::explicit_sync, WriteRanges{{}, "calls VM_BIND"});
  OpenEnds refused;
  OpenEnds failed;
  if (step.wait_in_ioctl || !step.queue) {
    if (!step.in.empty()) add_wait(program, inner, at, {}, fences(step.in));
    if (!step.in_syncobjs.empty()) {
      const DependencySetId set = new_set(fmt::format("the in-syncobjs of the bind on line {}", at.line), at);
      look_up_all(program, inner, at, step.in_syncobjs, step.wait_for_submit, set, refused);
      add_wait_set(program, inner, at, Cause::explicit_sync, set);
    }
  }
  const std::uint32_t site = step.on_error == BindErrors::saved ? ++binds.sites : 0;
  enter_bind(program, inner, at, step, binds, site);
  if (const auto again = program.set_apart(first)) program[*again].userspace = false;
  lock_buffers(program, inner, at, step);
  const std::vector<Held> inside = program.held;
  if (binds.banned) go_on_if(program, inner, at, {*binds.banned, 0, true}, failed);
  if (step.page_tables == PageTablesFrom::ioctl || (step.page_tables == PageTablesFrom::job && !step.queue))
    lower_what(program, inner, at, AllocStep{});
  give_memory(program, inner, at, step.validates, failed);
  if (step.queue)
    bind_later(program, inner, at, step, binds, failed);
  else
    bind_now(program, inner, at, step, binds, site, failed);
  const auto leave = [&] {
    const std::vector<Held> held = program.held;
    for (const Held& each : held)
      if (std::ranges::find(before, each) == before.end()) release(program, inner, at, each.lock);
  };
  leave();
  std::vector<Arm> arms{{program.take_ends(), program.held}};
  if (!failed.empty()) {
    program.from(std::move(failed));
    program.held = inside;
    leave();
    if (step.otherwise) lower_block(program, frame, *step.otherwise);
    if (step.restart) restart(program, frame, first, *step.restart);
    arms.push_back({program.take_ends(), program.held});
  }
  arms.push_back({std::move(refused), before});
  join_arms(program, at, arms);
}

// The job of a bind.
void Lowering::lower_what(Program& program, const Frame& frame, Place at, const WriteRangesStep& step) {
  const BindObjects* binds = binds_of(step.address_space);
  if (binds == nullptr) return;
  const auto held = step.lock ? lock(*step.lock) : std::nullopt;
  if (held) acquire(program, frame, at, *held, false);
  if (step.page_tables == PageTablesFrom::job) lower_what(program, frame, at, AllocStep{});
  const BindWrites writes = writes_of(binds->table, step.operations);
  OpenEnds failed;
  for (std::size_t i = 0; i < writes.operations.size(); ++i) {
    if (step.on_error != JobErrors::none) {
      const StepIndex choice = add(program, frame, at, Cause::explicit_sync, Choose{std::vector<Branch>(2)});
      (void)program.take_ends();
      program.from(Program::branch_of(choice, 1));
      add(program, frame, at, Cause::explicit_sync,
          WriteRanges{{}, fmt::format("fails, which nobody expects, before '{}'", step.operations[i].text)});
      if (step.on_error == JobErrors::ban) add(program, frame, at, Cause::explicit_sync, Assign{*binds->banned, 1});
      const OpenEnds ends = program.take_ends();
      failed.insert(failed.end(), ends.begin(), ends.end());
      program.from(Program::branch_of(choice, 0));
    }
    add(program, frame, at, Cause::explicit_sync, WriteRanges{writes.operations[i], writes.says[i]});
  }
  program.join(failed);
  if (held) release(program, frame, at, *held);
}

}  // namespace fencecheck::lowering
