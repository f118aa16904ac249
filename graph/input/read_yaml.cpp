// Objects and threads; steps are in read_steps.cpp.
#include "graph/input/read_yaml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include "graph/input/fields.hpp"
#include "graph/input/read_steps.hpp"
#include "graph/input/templates.hpp"

namespace fencecheck {
namespace {

void read_region(const YamlEntry& entry, const KeyRow&, RegionDeclaration& region, Diagnostics& diagnostics) {
  const Fields<Context::region> fields(entry, diagnostics);
  fields.read("capacity", region.capacity);
  fields.read("accounted", region.accounted);
  fields.read("copies-on", region.copies_on);
}

void read_limits(const YamlEntry& entry, const KeyRow&, LimitsDeclaration& limits, Diagnostics& diagnostics) {
  const Fields<Context::limits> fields(entry, diagnostics);
  fields.read("min", limits.limits.min);
  fields.read("low", limits.limits.low);
  fields.read("max", limits.limits.max);
  std::uint64_t high = 0;
  fields.read("high", high);
  if (const YamlEntry* given = fields.entry("high")) limits.high = given->at;
  if (limits.limits.min > limits.limits.max)
    diagnostics.warning(fields.entry("min")->at, "min is greater than max: more is protected than can be charged");
}

void read_group(const YamlEntry& entry, const KeyRow&, GroupDeclaration& group, Diagnostics& diagnostics) {
  const Fields<Context::group> fields(entry, diagnostics);
  fields.read("parent", group.parent);
  fields.read_table("limits", group.limits, read_limits);
}

void read_buffer(const YamlEntry& entry, const KeyRow&, BufferDeclaration& buffer, Diagnostics& diagnostics) {
  const Fields<Context::buffer> fields(entry, diagnostics);
  fields.read("region", buffer.region);
  fields.read("placements", buffer.placements);
  fields.read("fallback", buffer.fallback);
  fields.read("size", buffer.size);
  fields.read("group", buffer.group);
  fields.read("pinned", buffer.pinned);
  fields.read("resident", buffer.resident);
  fields.read("keep", buffer.keep);
  fields.read("notifier-lock", buffer.notifier_lock);
  fields.read("sequence", buffer.sequence);
}

void read_address_space(const YamlEntry& entry, const KeyRow&, AddressSpaceDeclaration& space,
                        Diagnostics& diagnostics) {
  const Fields<Context::address_space> fields(entry, diagnostics);
  fields.read("mode", space.mode);
  fields.read("buffers", space.buffers);
  fields.read("fence", space.fence);
  fields.read("mapped", space.mapped);
  fields.read("evicts-own", space.evicts_own);
  fields.read("ranges", space.ranges);
  fields.read("lock", space.lock);
  fields.read("blocks-unbind", space.blocks_unbind);
}

void read_fence(const YamlEntry& entry, const KeyRow& row, FenceDeclaration& fence, Diagnostics& diagnostics) {
  if (!is_long(*entry.value, row)) return read_part(*entry.value, row, fence.kind, diagnostics);
  const Fields<Context::fence> fields(entry, diagnostics);
  fields.read("kind", fence.kind);
  fields.read("timeout", fence.timeout);
  fields.read("imports", fence.imports);
  fields.read("array", fence.array);
  fields.read("on-wait", fence.on_wait);
  fields.read("seen-as", fence.seen_as);
}

void read_timeline(const YamlEntry& entry, const KeyRow&, TimelineDeclaration& timeline, Diagnostics& diagnostics) {
  const Fields<Context::timeline> fields(entry, diagnostics);
  fields.read("kind", timeline.kind);
  fields.read("points", timeline.points);
  fields.read("seen-as", timeline.seen_as);
}

void read_syncobj(const YamlEntry& entry, const KeyRow&, SyncobjDeclaration& syncobj, Diagnostics& diagnostics) {
  const Fields<Context::syncobj> fields(entry, diagnostics);
  fields.read("points", syncobj.points);
}

void read_lock(const YamlEntry& entry, const KeyRow& row, LockDeclaration& lock, Diagnostics& diagnostics) {
  if (!is_long(*entry.value, row)) return read_part(*entry.value, row, lock.kind, diagnostics);
  const Fields<Context::lock_object> fields(entry, diagnostics);
  fields.read("kind", lock.kind);
  fields.read("seen-as", lock.seen_as);
}

void read_variable(const YamlEntry& entry, const KeyRow& row, VariableDeclaration& variable, Diagnostics& diagnostics) {
  if (!is_long(*entry.value, row)) return read_part(*entry.value, row, variable.initial, diagnostics);
  const Fields<Context::variable> fields(entry, diagnostics);
  fields.read("initial", variable.initial);
}

void read_pool(const YamlEntry& entry, const KeyRow& row, PoolDeclaration& pool, Diagnostics& diagnostics) {
  if (!is_long(*entry.value, row)) return read_part(*entry.value, row, pool.capacity, diagnostics);
  const Fields<Context::pool> fields(entry, diagnostics);
  fields.read("capacity", pool.capacity);
}

// Reports a key that means nothing for this kind of queue.
void check_kind(const YamlEntry* given, bool fits, const QueueDeclaration& queue, std::string_view of,
                Diagnostics& diagnostics) {
  if (given == nullptr || fits) return;
  diagnostics.error(given->at, fmt::format("'{}' belongs to {}, and '{}' is of kind '{}'", given->key, of,
                                           queue.name.text, info(queue.kind).id));
}

void check_bind_queue(const YamlEntry& entry, const QueueDeclaration& queue, Diagnostics& diagnostics) {
  if (queue.kind == QueueKind::bind && !queue.address_space)
    diagnostics.error(entry.at, fmt::format("bind queue '{}' needs a key 'address-space'", queue.name.text));
}

void read_queue(const YamlEntry& entry, const KeyRow& row, QueueDeclaration& queue, Diagnostics& diagnostics) {
  if (!is_long(*entry.value, row)) {
    read_part(*entry.value, row, queue.kind, diagnostics);
    check_bind_queue(entry, queue, diagnostics);
    return;
  }
  const Fields<Context::queue> fields(entry, diagnostics);
  fields.read("kind", queue.kind);
  fields.read("width", queue.width);
  fields.read("address-space", queue.address_space);
  fields.read("suspended", queue.suspended);
  fields.read("rescuer", queue.rescuer);
  const bool worker = queue.kind == QueueKind::worker;
  check_kind(fields.entry("address-space"), !worker, queue, "engines, user queues and bind queues", diagnostics);
  check_bind_queue(entry, queue, diagnostics);
  check_kind(fields.entry("suspended"), queue.kind == QueueKind::user, queue, "user queues", diagnostics);
  check_kind(fields.entry("rescuer"), worker, queue, "worker queues", diagnostics);
  fields.read("seen-as", queue.seen_as);
}

// The steps of something that is there for its steps.
Block read_program(const YamlNode& list, const KeyRow& row, Diagnostics& diagnostics) {
  if (list.kind == YamlNode::Kind::list && list.items.empty()) diagnostics.warning(list.at, "there are no steps here");
  return read_steps(list, row, diagnostics);
}

void read_procedure(const YamlEntry& entry, const KeyRow& row, ProcedureDeclaration& procedure,
                    Diagnostics& diagnostics) {
  procedure.steps = read_program(*entry.value, row, diagnostics);
}

void read_work(const YamlEntry& entry, const KeyRow&, WorkDeclaration& work, Diagnostics& diagnostics) {
  const Fields<Context::work> fields(entry, diagnostics);
  fields.read("queue", work.queue);
  fields.read("group", work.group);
  fields.read("address-space", work.address_space);
  const Key<Context::work> steps("steps");
  if (const YamlEntry* list = fields.entry(steps)) work.steps = read_program(*list->value, steps.row, diagnostics);
}

void read_thread(const YamlEntry& entry, const KeyRow&, ThreadDeclaration& thread, Diagnostics& diagnostics) {
  const Fields<Context::thread> fields(entry, diagnostics);
  fields.read("kind", thread.kind);
  fields.read("group", thread.group);
  fields.read("address-space", thread.address_space);
  fields.read("seen-as", thread.seen_as);
  const Key<Context::thread> steps("steps");
  if (const YamlEntry* list = fields.entry(steps)) thread.steps = read_program(*list->value, steps.row, diagnostics);
}

// What a check should find.

void sort_and_unite(std::vector<FindingKind>& kinds) {
  std::ranges::sort(kinds);
  kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
}

std::optional<Verdict> verdict_of(std::string_view word) {
  for (const Verdict verdict : {Verdict::holds, Verdict::violated, Verdict::unknown}) {
    if (word == name(verdict)) return verdict;
  }
  return std::nullopt;
}

// "holds", "unknown", or findings.
void read_outcomes(const YamlNode& node, const KeyRow& row, Expectation& expect, Diagnostics& diagnostics) {
  const std::vector<const YamlNode*> parts = parts_of(node, row, diagnostics);
  for (const YamlNode* part : parts) {
    const std::string_view word = read_word(*part, row, diagnostics);
    if (const FindingInfo* finding = find_row(finding_table, word)) {
      expect.verdict = Verdict::violated;
      expect.findings.push_back(finding->kind);
    } else if (!word.empty()) {
      expect.verdict = *verdict_of(word);
      if (parts.size() > 1) diagnostics.error(part->at, fmt::format("'{}' stands alone", word));
    }
  }
}

void check_consistent(const Fields<Context::expect>& fields, const Expectation& expect, Diagnostics& diagnostics) {
  const YamlEntry* verdict = fields.entry("verdict");
  const YamlEntry* needs = fields.entry("needs");
  const bool violated = expect.verdict == Verdict::violated;
  if (violated == expect.findings.empty() && verdict != nullptr)
    diagnostics.error(verdict->at, violated ? "the verdict 'violated' needs a key 'findings'"
                                            : fmt::format("the verdict '{}' has no findings", name(expect.verdict)));
  const bool hangs =
      std::ranges::any_of(expect.findings, [](FindingKind kind) { return kind != FindingKind::contract; });
  if (needs != nullptr && !hangs)
    diagnostics.error(needs->at, "'needs' belongs to a deadlock or a stall, and none is expected");
}

void read_expectation(const YamlEntry& entry, const KeyRow& row, Expectation& expect, Diagnostics& diagnostics) {
  expect.at = entry.at;
  if (!is_long(*entry.value, row)) {
    read_outcomes(*entry.value, row, expect, diagnostics);
    return sort_and_unite(expect.findings);
  }
  const Fields<Context::expect> fields(entry, diagnostics);
  fields.read("findings", expect.findings);
  if (fields.entry("findings") != nullptr) expect.verdict = Verdict::violated;
  const Key<Context::expect> verdict("verdict");
  if (const YamlEntry* given = fields.entry(verdict))
    expect.verdict = verdict_of(read_word(*given->value, verdict.row, diagnostics)).value_or(expect.verdict);
  if (fields.entry("needs") != nullptr) {
    std::vector<Cause> causes;
    fields.read("needs", causes);
    expect.needs.emplace();
    for (const Cause cause : causes) expect.needs = expect.needs->with(cause);
  }
  check_consistent(fields, expect, diagnostics);
  sort_and_unite(expect.findings);
}

void read_environment(const YamlEntry& entry, Scenario& scenario, Diagnostics& diagnostics) {
  const Fields<Context::environment> fields(entry, diagnostics);
  fields.read("memory-pressure", scenario.memory_pressure);
  fields.read("userspace-may-stop", scenario.userspace_may_stop);
  fields.read("swap", scenario.swap);
  fields.read("reserved-slots", scenario.reserved_slots);
}

Scenario read_scenario(const YamlNode& root, Diagnostics& diagnostics) {
  Scenario scenario;
  const Fields<Context::scenario> fields(root, root.at, diagnostics);
  fields.read("title", scenario.title);
  fields.read("description", scenario.description);
  fields.read("source", scenario.source);
  const Key<Context::scenario> expect("expect");
  if (const YamlEntry* entry = fields.entry(expect))
    read_expectation(*entry, expect.row, scenario.expect.emplace(), diagnostics);
  if (const YamlEntry* entry = fields.entry("environment")) read_environment(*entry, scenario, diagnostics);
  fields.read("kernel", scenario.kernel);
  fields.read_table("regions", scenario.regions, read_region);
  fields.read_table("groups", scenario.groups, read_group);
  fields.read_table("buffers", scenario.buffers, read_buffer);
  fields.read_table("address-spaces", scenario.address_spaces, read_address_space);
  fields.read_table("fences", scenario.fences, read_fence);
  fields.read_table("timelines", scenario.timelines, read_timeline);
  fields.read_table("syncobjs", scenario.syncobjs, read_syncobj);
  fields.read_table("locks", scenario.locks, read_lock);
  fields.read_table("variables", scenario.variables, read_variable);
  fields.read_table("pools", scenario.pools, read_pool);
  fields.read_table("queues", scenario.queues, read_queue);
  fields.read_table("procedures", scenario.procedures, read_procedure);
  fields.read_table("shrinkers", scenario.shrinkers, read_procedure);
  fields.read_table("notifiers", scenario.notifiers, read_procedure);
  fields.read_table("works", scenario.works, read_work);
  fields.read("outside", scenario.outside);
  fields.read_table("threads", scenario.threads, read_thread);
  return scenario;
}

// Whether the rest can be read: the document is a mapping, and not of another version.
bool check_version(const YamlNode& root, Diagnostics& diagnostics) {
  constexpr Key<Context::scenario> version("fencecheck");
  const std::string first = fmt::format("{}: {}", version.row.key, scenario_version);
  if (root.kind != YamlNode::Kind::mapping) {
    diagnostics.error(root.at, fmt::format("expected a scenario, which begins with '{}'", first));
    return false;
  }
  const YamlEntry* entry = find_entry(root, version.row.key);
  if (entry == nullptr || entry != &root.entries.front())
    diagnostics.error(root.entries.empty() ? root.at : root.entries.front().at,
                      fmt::format("the first key must be '{}'", first));
  if (entry == nullptr) return true;
  const YamlNode& value = *entry->value;
  if (value.kind == YamlNode::Kind::scalar && value.text == std::to_string(scenario_version)) return true;
  const bool is_short = value.kind == YamlNode::Kind::scalar && value.text.size() <= 20;
  const std::string given = is_short ? " " + printable(value.text) : "";
  diagnostics.error(value.at, fmt::format("unknown version{}; this program reads version {}", given, scenario_version));
  return false;
}

// What an anchor holds is read once for each alias: the same mistake is reported once.
void append_once(const Diagnostics& from, Diagnostics& to) {
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::string>> seen;
  for (const Diagnostic& each : from.sorted()) {
    if (!seen.emplace(each.at.line, each.at.column, each.message).second) continue;
    if (each.severity == Severity::error) to.error(each.at, each.message);
    if (each.severity == Severity::warning) to.warning(each.at, each.message);
    if (each.severity == Severity::note) to.note(each.at, each.message);
  }
}

}  // namespace

std::optional<Scenario> read_yaml(const Source& source, Diagnostics& diagnostics, const InstanceCounts& many) {
  const std::optional<YamlTree> tree = read_yaml_tree(source, diagnostics);
  if (!tree || !check_version(tree->root(), diagnostics)) return std::nullopt;
  Diagnostics own;
  std::vector<TemplateDeclaration> templates;
  const std::optional<YamlTree> expanded = expand_templates(*tree, many, templates, own);
  Scenario scenario;
  if (own.ok() || expanded) scenario = read_scenario(expanded ? expanded->root() : tree->root(), own);
  scenario.templates = std::move(templates);
  Diagnostics for_all;
  append_once_for_all(own, scenario.templates, for_all);
  append_once(for_all, diagnostics);
  if (!diagnostics.ok()) return std::nullopt;
  if (scenario.title.empty()) scenario.title = std::filesystem::path(source.name).stem().string();
  return scenario;
}

}  // namespace fencecheck
