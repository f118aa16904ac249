// One function for each verb; a table says which.
//
// Steps nest, so these functions call each other; the depth is that of the YAML
// tree, which has a limit.
#include "graph/input/read_steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "graph/input/fields.hpp"
#include "graph/input/quote.hpp"

namespace fencecheck {
namespace {

using What = StepDeclaration::What;

template <Context context>
void read_block(const Fields<context>& fields, Key<context> key, Block& out, Diagnostics& diagnostics) {
  if (const YamlEntry* entry = fields.entry(key)) out = read_steps(*entry->value, key.row, diagnostics);
}

template <Context context>
std::vector<SubmitStep::Use> read_uses(const Fields<context>& fields, Key<context> key, Diagnostics& diagnostics) {
  std::vector<SubmitStep::Use> uses;
  const YamlEntry* entry = fields.entry(key);
  if (entry == nullptr) return uses;
  for (const YamlEntry* each : entries_of(*entry->value, key.row, diagnostics)) {
    SubmitStep::Use& use = uses.emplace_back();
    use.buffer = {each->key, each->at};
    read_part(*each->value, key.row, use.usage, diagnostics);
  }
  return uses;
}

What read_submit(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  SubmitStep step;
  const Fields<Context::submit> fields(verb, diagnostics);
  fields.read("queue", step.queue);
  fields.read("job", step.job);
  fields.read("in", step.in);
  fields.read("out", step.out);
  fields.read("implicit-sync", step.implicit_sync);
  fields.read("doorbell", step.doorbell);
  step.uses = read_uses(fields, Key<Context::submit>("uses"), diagnostics);
  fields.read("ranges", step.ranges);
  fields.read("in-syncobjs", step.in_syncobjs);
  fields.read("out-syncobjs", step.out_syncobjs);
  fields.read("wait-for-submit", step.wait_for_submit);
  read_block<Context::submit>(fields, "runs", step.runs, diagnostics);
  return step;
}

What read_wait(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  WaitStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.fences, diagnostics);
    return step;
  }
  const Fields<Context::wait> fields(verb, diagnostics);
  fields.read("all", step.fences);
  if (fields.entry("any") != nullptr) step.join = Join::any;
  fields.read("any", step.fences);
  fields.read("timeout", step.timeout);
  fields.read("interruptible", step.interruptible);
  read_block<Context::wait>(fields, "on-timeout", step.on_timeout, diagnostics);
  if (fields.entry("on-timeout") != nullptr && fields.entry("timeout") == nullptr)
    diagnostics.error(fields.entry("on-timeout")->at, "'on-timeout' without a key 'timeout' never runs");
  return step;
}

What read_wait_reservation(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  WaitReservationStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.buffer, diagnostics);
    return step;
  }
  const Fields<Context::wait_reservation> fields(verb, diagnostics);
  fields.read("buffer", step.buffer);
  fields.read("up-to", step.up_to);
  fields.read("timeout", step.timeout);
  fields.read("interruptible", step.interruptible);
  return step;
}

What read_wait_submissions(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  WaitSubmissionsStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.queue, diagnostics);
    return step;
  }
  const Fields<Context::wait_submissions> fields(verb, diagnostics);
  fields.read("queue", step.queue);
  fields.read("timeout", step.timeout);
  fields.read("interruptible", step.interruptible);
  return step;
}

What read_signal(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  SignalStep step;
  read_value(*verb.value, row, step.fences, diagnostics);
  return step;
}

What read_publish(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  PublishStep step;
  read_value(*verb.value, row, step.fences, diagnostics);
  return step;
}

What read_lock(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  LockStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.lock, diagnostics);
    return step;
  }
  const Fields<Context::lock> fields(verb, diagnostics);
  fields.read("lock", step.lock);
  fields.read("shared", step.shared);
  return step;
}

What read_unlock(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  UnlockStep step;
  read_value(*verb.value, row, step.lock, diagnostics);
  return step;
}

What read_trylock(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  TryLockStep step;
  const Fields<Context::trylock> fields(verb, diagnostics);
  fields.read("lock", step.lock);
  fields.read("shared", step.shared);
  read_block<Context::trylock>(fields, "steps", step.steps, diagnostics);
  read_block<Context::trylock>(fields, "else", step.otherwise, diagnostics);
  return step;
}

What read_transaction(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  TransactionStep step;
  const Fields<Context::transaction> fields(verb, diagnostics);
  fields.read("locks", step.locks);
  fields.read("ticket", step.ticket);
  read_block<Context::transaction>(fields, "steps", step.steps, diagnostics);
  return step;
}

What read_alloc(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  AllocStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.gfp, diagnostics);
    return step;
  }
  const Fields<Context::alloc> fields(verb, diagnostics);
  fields.read("gfp", step.gfp);
  fields.read("region", step.region);
  fields.read("buffer", step.buffer);
  return step;
}

What read_evict(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  EvictStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.buffer, diagnostics);
    return step;
  }
  const Fields<Context::evict> fields(verb, diagnostics);
  fields.read("buffer", step.buffer);
  fields.read("locking", step.locking);
  fields.read("by", step.by);
  return step;
}

What read_validate(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  ValidateStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.buffer, diagnostics);
    return step;
  }
  const Fields<Context::validate> fields(verb, diagnostics);
  fields.read("buffer", step.buffer);
  fields.read("address-space", step.address_space);
  fields.read("no-evict", step.no_evict);
  if (fields.entry("else") != nullptr)
    read_block<Context::validate>(fields, "else", step.otherwise.emplace(), diagnostics);
  return step;
}

What read_move(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  MoveStep step;
  const Fields<Context::move> fields(verb, diagnostics);
  fields.read("buffer", step.buffer);
  fields.read("to", step.to);
  fields.read("by", step.by);
  return step;
}

What read_map(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  MapStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.address_space, diagnostics);
    return step;
  }
  const Fields<Context::map> fields(verb, diagnostics);
  fields.read("address-space", step.address_space);
  fields.read("buffer", step.buffer);
  return step;
}

What read_unmap(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  UnmapStep step;
  read_value(*verb.value, row, step.buffer, diagnostics);
  return step;
}

template <std::int32_t amount>
What read_pin(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  PinStep step;
  step.amount = amount;
  read_value(*verb.value, row, step.buffer, diagnostics);
  return step;
}

What read_detach(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  DetachStep step;
  const Fields<Context::detach> fields(verb, diagnostics);
  fields.read("buffer", step.buffer);
  fields.read("fence", step.fence);
  return step;
}

What read_reserve(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  ReserveStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.buffer, diagnostics);
    return step;
  }
  const Fields<Context::reserve> fields(verb, diagnostics);
  fields.read("buffer", step.buffer);
  fields.read("slots", step.slots);
  return step;
}

What read_rearm(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  RearmStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.address_space, diagnostics);
    return step;
  }
  const Fields<Context::rearm> fields(verb, diagnostics);
  fields.read("address-space", step.address_space);
  fields.read("fence", step.fence);
  return step;
}

What read_set_limit(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  SetLimitStep step;
  const Fields<Context::set_limit> fields(verb, diagnostics);
  fields.read("group", step.group);
  fields.read("region", step.region);
  fields.read("max", step.max);
  fields.read("nonblock", step.nonblock);
  return step;
}

template <WorkStep::Verb what>
What read_work(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  WorkStep step;
  step.verb = what;
  read_value(*verb.value, row, step.work, diagnostics);
  return step;
}

template <bool open>
What read_gate(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  GateStep step;
  step.open = open;
  read_value(*verb.value, row, step.queue, diagnostics);
  return step;
}

What read_kill(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  KillStep step;
  read_value(*verb.value, row, step.hardware, diagnostics);
  return step;
}

What read_attach(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  AttachStep step;
  const Fields<Context::attach> fields(verb, diagnostics);
  fields.read("buffer", step.buffer);
  fields.read("fence", step.fence);
  fields.read("usage", step.usage);
  return step;
}

What read_take(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  TakeStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.pool, diagnostics);
    return step;
  }
  const Fields<Context::take> fields(verb, diagnostics);
  fields.read("pool", step.pool);
  fields.read("amount", step.amount);
  return step;
}

What read_give(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  GiveStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.pool, diagnostics);
    return step;
  }
  const Fields<Context::give> fields(verb, diagnostics);
  fields.read("pool", step.pool);
  fields.read("amount", step.amount);
  return step;
}

What read_set(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  SetStep step;
  for (const YamlEntry* each : entries_of(*verb.value, row, diagnostics)) {
    step.variable = {each->key, each->at};
    read_part(*each->value, row, step.value, diagnostics);
  }
  return step;
}

std::vector<Condition> read_conditions(const YamlNode& table, const KeyRow& row, Diagnostics& diagnostics) {
  std::vector<Condition> conditions;
  for (const YamlEntry* each : entries_of(table, row, diagnostics)) {
    Condition& condition = conditions.emplace_back();
    condition.variable = {each->key, each->at};
    read_part(*each->value, row, condition.value, diagnostics);
  }
  return conditions;
}

What read_when(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  return WhenStep{read_conditions(*verb.value, row, diagnostics)};
}

What read_if(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  IfStep step;
  const Fields<Context::if_> fields(verb, diagnostics);
  const Key<Context::if_> when("when");
  if (const YamlEntry* entry = fields.entry(when))
    step.conditions = read_conditions(*entry->value, when.row, diagnostics);
  read_block<Context::if_>(fields, "then", step.then, diagnostics);
  read_block<Context::if_>(fields, "else", step.otherwise, diagnostics);
  return step;
}

What read_loop(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  LoopStep step;
  const Fields<Context::loop> fields(verb, diagnostics);
  fields.read("name", step.name);
  read_block<Context::loop>(fields, "steps", step.steps, diagnostics);
  return step;
}

What read_retry(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  RetryStep step;
  read_value(*verb.value, row, step.loop, diagnostics);
  return step;
}

What read_ioctl(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  return IoctlStep{read_steps(*verb.value, row, diagnostics)};
}

What read_choose(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  ChooseStep step;
  for (const YamlNode* branch : parts_of(*verb.value, row, diagnostics))
    step.branches.push_back(read_steps(*branch, row, diagnostics));
  return step;
}

What read_call(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  CallStep step;
  read_value(*verb.value, row, step.procedure, diagnostics);
  return step;
}

// A key that means something only beside another one.
template <Context context>
void needs_beside(const Fields<context>& fields, Key<context> key, bool given, std::string_view other,
                  Diagnostics& diagnostics) {
  const YamlEntry* entry = fields.entry(key);
  if (entry != nullptr && !given)
    diagnostics.error(entry->at, fmt::format("'{}' without a key '{}' has no effect", entry->key, other));
}

What read_vm_bind(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  VmBindStep step;
  using BindKey = Key<Context::vm_bind>;
  const Fields<Context::vm_bind> fields(verb, diagnostics);
  fields.read("address-space", step.address_space);
  fields.read("queue", step.queue);
  fields.read("job", step.job);
  fields.read("ops", step.operations);
  fields.read("in", step.in);
  fields.read("out", step.out);
  step.uses = read_uses(fields, BindKey("uses"), diagnostics);
  fields.read("in-syncobjs", step.in_syncobjs);
  fields.read("out-syncobjs", step.out_syncobjs);
  fields.read("wait-for-submit", step.wait_for_submit);
  fields.read("wait-in-ioctl", step.wait_in_ioctl);
  fields.read("page-tables", step.page_tables);
  fields.read("falls-back", step.falls_back);
  fields.read("fails", step.fails);
  fields.read("on-error", step.on_error);
  fields.read("cookie", step.cookie);
  fields.read("job-lock", step.job_lock);
  fields.read("on-job-error", step.on_job_error);
  fields.read("validates", step.validates);
  if (fields.entry("else") != nullptr)
    read_block<Context::vm_bind>(fields, "else", step.otherwise.emplace(), diagnostics);
  if (fields.entry("restart") != nullptr)
    read_block<Context::vm_bind>(fields, "restart", step.restart.emplace(), diagnostics);
  if (step.otherwise && step.restart)
    diagnostics.error(fields.entry("restart")->at, "'vm-bind' takes only one of `else` and `restart`");
  if (step.queue && !step.job) diagnostics.error(verb.at, "'vm-bind' on a queue needs a key 'job'");
  for (const BindKey key : {BindKey("job"), BindKey("falls-back"), BindKey("job-lock"), BindKey("on-job-error"),
                            BindKey("uses"), BindKey("out"), BindKey("out-syncobjs")})
    needs_beside(fields, key, step.queue.has_value(), "queue", diagnostics);
  needs_beside(fields, BindKey("on-error"), !step.fails.empty(), "fails", diagnostics);
  needs_beside(fields, BindKey("cookie"), step.on_error == BindErrors::cookie, "on-error: cookie", diagnostics);
  needs_beside(fields, BindKey("wait-for-submit"), !step.in_syncobjs.empty(), "in-syncobjs", diagnostics);
  if (step.on_error == BindErrors::cookie && !step.cookie)
    diagnostics.error(verb.at, "'on-error: cookie' needs a key 'cookie'");
  if (step.queue && step.on_error != BindErrors::unchanged)
    diagnostics.error(
        fields.entry("on-error")->at,
        "on a queue the ioctl fails before anything is done: 'on-error' belongs to binds without 'queue'");
  return step;
}

What read_wait_syncobj(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  WaitSyncobjStep step;
  if (!is_long(*verb.value, row)) {
    read_value(*verb.value, row, step.syncobjs, diagnostics);
    return step;
  }
  const Fields<Context::wait_syncobj> fields(verb, diagnostics);
  fields.read("all", step.syncobjs);
  if (fields.entry("any") != nullptr) step.join = Join::any;
  fields.read("any", step.syncobjs);
  fields.read("wait-for-submit", step.wait_for_submit);
  fields.read("available", step.available);
  fields.read("timeout", step.timeout);
  fields.read("interruptible", step.interruptible);
  return step;
}

What read_transfer(const YamlEntry& verb, const KeyRow&, Diagnostics& diagnostics) {
  TransferStep step;
  const Fields<Context::transfer> fields(verb, diagnostics);
  fields.read("from", step.from);
  fields.read("to", step.to);
  return step;
}

What read_reset_syncobj(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics) {
  ResetSyncobjStep step;
  read_value(*verb.value, row, step.syncobjs, diagnostics);
  return step;
}

struct Verb {
  Key<Context::step> key;
  What (*read)(const YamlEntry& verb, const KeyRow& row, Diagnostics& diagnostics);
};

constexpr auto verb_table = std::to_array<Verb>({
    {"submit", read_submit},
    {"wait", read_wait},
    {"wait-reservation", read_wait_reservation},
    {"wait-submissions", read_wait_submissions},
    {"signal", read_signal},
    {"publish", read_publish},
    {"lock", read_lock},
    {"unlock", read_unlock},
    {"trylock", read_trylock},
    {"transaction", read_transaction},
    {"alloc", read_alloc},
    {"evict", read_evict},
    {"validate", read_validate},
    {"move", read_move},
    {"map", read_map},
    {"unmap", read_unmap},
    {"pin", read_pin<1>},
    {"unpin", read_pin<-1>},
    {"attach", read_attach},
    {"detach", read_detach},
    {"reserve", read_reserve},
    {"rearm", read_rearm},
    {"set-limit", read_set_limit},
    {"queue-work", read_work<WorkStep::Verb::queue>},
    {"flush-work", read_work<WorkStep::Verb::flush>},
    {"cancel-work", read_work<WorkStep::Verb::cancel>},
    {"suspend", read_gate<false>},
    {"resume", read_gate<true>},
    {"kill", read_kill},
    {"take", read_take},
    {"give", read_give},
    {"set", read_set},
    {"when", read_when},
    {"if", read_if},
    {"choose", read_choose},
    {"loop", read_loop},
    {"retry", read_retry},
    {"ioctl", read_ioctl},
    {"call", read_call},
    {"vm-bind", read_vm_bind},
    {"wait-syncobj", read_wait_syncobj},
    {"transfer", read_transfer},
    {"reset-syncobj", read_reset_syncobj},
});
static_assert(std::ssize(verb_table) == std::ranges::count(key_table, Context::step, &KeyRow::context));

std::optional<StepDeclaration> read_verb(const YamlEntry& entry, Diagnostics& diagnostics) {
  const auto verb = std::ranges::find_if(verb_table, [&](const Verb& each) { return each.key.row.key == entry.key; });
  if (verb != verb_table.end()) return StepDeclaration{verb->read(entry, verb->key.row, diagnostics), entry.at};
  diagnostics.error(entry.at, unknown_word("key", entry.key, keys_of(Context::step)));
  return std::nullopt;
}

// A key beside the verb: another verb, or one that belongs inside of it.
void report_second_key(const YamlEntry& first, const YamlEntry& second, Diagnostics& diagnostics) {
  const KeyRow* verb = find_key(Context::step, first.key);
  const bool misplaced = verb != nullptr && find_key(verb->fields, second.key) != nullptr;
  const std::string advice = misplaced ? fmt::format("; it belongs inside of '{}'", first.key) : "";
  diagnostics.error(second.at,
                    fmt::format("a step has exactly one key, and {} is one more{}", quote(second.key), advice));
}

void report_no_step(const YamlNode& node, Diagnostics& diagnostics) {
  const KeyRow* verb = node.kind == YamlNode::Kind::scalar ? find_key(Context::step, node.text) : nullptr;
  const KeyRow& example = verb != nullptr ? *verb : *find_key(Context::step, "wait");
  diagnostics.error(node.at,
                    fmt::format("a step is a mapping with one key, such as '{}: {}'", example.key, example.example));
}

void read_step(const YamlNode& node, Block& block, Diagnostics& diagnostics) {
  if (node.entries.empty()) return report_no_step(node, diagnostics);
  const YamlEntry& first = node.entries.front();
  for (const YamlEntry& entry : node.entries) {
    if (&entry != &first) report_second_key(first, entry, diagnostics);
    if (&entry != &first && find_key(Context::step, entry.key) == nullptr) continue;
    if (auto step = read_verb(entry, diagnostics)) block.push_back(*std::move(step));
  }
}

}  // namespace

Block read_steps(const YamlNode& list, const KeyRow& row, Diagnostics& diagnostics) {
  Block block;
  if (list.kind != YamlNode::Kind::list) {
    const std::string_view hint = list.kind == YamlNode::Kind::mapping ? "; a step begins with '- '" : "";
    diagnostics.error(list.at, fmt::format("'{}' needs {}{}", row.key, info(Form::steps).one, hint));
  }
  for (const YamlNode* item : list.items) read_step(*item, block, diagnostics);
  return block;
}

}  // namespace fencecheck
