// Rewriting of the tree of a document, driven by the key table: which scalars
// and keys are names is what the rows say.
#include "graph/input/templates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "graph/input/fields.hpp"
#include "graph/input/quote.hpp"
#include "graph/model/instance_name.hpp"

namespace fencecheck {
namespace {

constexpr std::string_view all_instances = "many";

// Whom a reference "client.SELECTOR.done" means.
enum class Selector : std::uint8_t { previous, older, other, any };
struct SelectorInfo {
  Selector selector;
  std::string_view id;
  bool chosen;   // by the program that names it, once
  bool outside;  // may be used by what is not of this template
};
constexpr auto selector_table = std::to_array<SelectorInfo>({
    {Selector::previous, "previous", false, false},
    {Selector::older, "older", true, false},
    {Selector::other, "other", true, false},
    {Selector::any, "any", true, true},
});

struct Template {
  TemplateDeclaration declaration;
  const YamlNode* body = nullptr;
  std::set<std::string, std::less<>> own;  // names of objects, threads and jobs
};

// A program's choice: of which template, by which selector.
using Choice = std::pair<const Template*, Selector>;

// Who speaks, and whom it has chosen: 0 is nobody.
struct Speaker {
  const Template* self = nullptr;
  std::uint32_t index = 0;
  std::map<Choice, std::uint32_t> chosen{};
};

bool is_object(Form form) {
  return form >= Form::fence && form <= Form::pool && form != Form::region && form != Form::group && form != Form::loop;
}

std::string_view without_point(std::string_view name) { return name.substr(0, name.find(':')); }

class Expansion {
 public:
  Expansion(const YamlTree& tree, InstanceCounts many, Diagnostics& diagnostics)
      : root_(tree.root()), many_(std::move(many)), diagnostics_(diagnostics) {}
  std::optional<YamlTree> run(std::vector<TemplateDeclaration>& templates);

 private:
  void declare(const YamlEntry& entry);
  void collect_jobs(const YamlNode& node, Template& into);
  void check_names();
  bool check_plain(const std::string& name, Place at);

  struct Reference {
    const Template* of = nullptr;
    const SelectorInfo* selector = nullptr;
    std::string_view object;
    std::string problem{};
  };
  [[nodiscard]] std::optional<Reference> reference(std::string_view text, const Speaker& speaker) const;
  std::optional<std::string> resolve(const std::string& text, const Speaker& speaker, Place at);
  [[nodiscard]] static std::vector<std::uint32_t> candidates(const Choice& choice, const Speaker& speaker);

  // Each returns nullptr for what names somebody who is not there.
  const YamlNode* value(const YamlNode& node, const KeyRow& row, const Speaker& speaker);
  const YamlNode* part(const YamlNode& node, const KeyRow& row, const Speaker& speaker);
  const YamlNode* table(const YamlNode& node, const KeyRow& row, const Speaker& speaker);
  const YamlNode* mapping(const YamlNode& node, Context context, const Speaker& speaker);
  const YamlNode* steps(const YamlNode& node, const Speaker& speaker);
  const YamlNode* program(const YamlNode& node, const KeyRow& row, const Speaker& speaker);
  const YamlNode* chosen(const YamlNode& node, const std::vector<Choice>& choices, const Speaker& speaker);
  void find_choices(const YamlNode& node, const Speaker& speaker, std::vector<Choice>& choices) const;
  [[nodiscard]] static const YamlEntry* submission(const YamlNode& node);

  void add_instances(std::string_view key, YamlNode& into);
  YamlNode& made(YamlNode::Kind kind, Place at) {
    YamlNode& node = result_.add(kind, at);
    node.made = true;
    return node;
  }

  const YamlNode& root_;
  InstanceCounts many_;
  Diagnostics& diagnostics_;
  std::map<std::string, Template, std::less<>> templates_;
  std::vector<const Template*> in_order_;
  YamlTree result_;
};

// Jobs are named where they are submitted.
void Expansion::collect_jobs(const YamlNode& node, Template& into) {
  for (const YamlNode* item : node.items) collect_jobs(*item, into);
  for (const YamlEntry& entry : node.entries) {
    if (entry.key == "submit" && entry.value->kind == YamlNode::Kind::mapping)
      if (const YamlEntry* job = find_entry(*entry.value, "job")) into.own.insert(job->value->text);
    collect_jobs(*entry.value, into);
  }
}

void Expansion::declare(const YamlEntry& entry) {
  Template each;
  each.declaration.name = {entry.key, entry.at};
  each.body = entry.value;
  if (entry.key.find('.') != std::string::npos)
    diagnostics_.error(entry.at, fmt::format("the name of a template has no '.', and {} has one", quote(entry.key)));
  const Fields<Context::template_> fields(entry, diagnostics_);
  if (const YamlEntry* given = fields.entry("instances")) {
    each.declaration.many = given->value->kind == YamlNode::Kind::scalar && given->value->text == all_instances;
    if (each.declaration.many) {
      const auto before = std::ranges::count_if(in_order_, [](const Template* one) { return one->declaration.many; });
      each.declaration.instances = many_[std::min(static_cast<std::size_t>(before), many_.size() - 1)];
    }
    if (!each.declaration.many) fields.read("instances", each.declaration.instances);
  }
  for (const KeyRow& row : key_table) {
    if (row.context != Context::template_ || !info(row.shape).is_table) continue;
    const YamlEntry* given = find_entry(*entry.value, row.key);
    if (given == nullptr) continue;
    for (const YamlEntry* object : entries_of(*given->value, row, diagnostics_)) each.own.insert(object->key);
    collect_jobs(*given->value, each);
  }
  in_order_.push_back(&templates_.emplace(entry.key, std::move(each)).first->second);
}

// A name stands for one thing: what an instance owns has no global namesake.
void Expansion::check_names() {
  for (const YamlEntry& entry : root_.entries) {
    const KeyRow* row = find_key(Context::template_, entry.key);
    if (row == nullptr || !info(row->shape).is_table) continue;
    for (const YamlEntry& object : entry.value->entries) {
      check_plain(object.key, object.at);
      for (const Template* each : in_order_)
        if (each->own.contains(object.key))
          diagnostics_.error(object.at, fmt::format("the name '{}' is taken by what template '{}' owns", object.key,
                                                    each->declaration.name.text));
    }
  }
}

// Only the expansion names instances by their number: a design is the same for all of them.
bool Expansion::check_plain(const std::string& name, Place at) {
  if (name.find('[') == std::string::npos) return true;
  diagnostics_.error(at, fmt::format("{} names one instance: say previous, older, other or any", quote(name)));
  return false;
}

std::optional<Expansion::Reference> Expansion::reference(std::string_view text, const Speaker& speaker) const {
  const std::size_t dot = text.find('.');
  const auto of = dot == std::string_view::npos ? templates_.end() : templates_.find(text.substr(0, dot));
  if (of == templates_.end()) return std::nullopt;
  const std::string_view rest = text.substr(dot + 1);
  const std::size_t second = rest.find('.');
  const std::string_view word = rest.substr(0, second);
  Reference result{&of->second, find_row(selector_table, word),
                   second == std::string_view::npos ? rest : rest.substr(second + 1)};
  if (second == std::string_view::npos || result.selector == nullptr)
    result.problem = fmt::format("{} does not say which '{}': one of previous, older, other and any, as in '{}.any.{}'",
                                 quote(std::string(text)), of->first, of->first, result.object);
  else if (!of->second.own.contains(without_point(result.object)))
    result.problem = fmt::format("template '{}' owns nothing that is called '{}'", of->first, result.object);
  else if (speaker.self != result.of && !result.selector->outside)
    result.problem = fmt::format("'{}' is for instances of '{}' only; others say 'any'", word, of->first);
  return result;
}

// The name, for this speaker; nothing if nobody is there.
std::optional<std::string> Expansion::resolve(const std::string& text, const Speaker& speaker, Place at) {
  if (!check_plain(text, at)) return text;
  if (speaker.self != nullptr && speaker.self->own.contains(without_point(text)))
    return name_in_instance(speaker.self->declaration.name.text, speaker.index, text);
  const auto found = reference(text, speaker);
  if (!found) return text;
  std::uint32_t index = speaker.index - 1;
  std::string problem = found->problem;
  if (problem.empty() && found->selector->chosen) {
    const auto choice = speaker.chosen.find({found->of, found->selector->selector});
    if (choice == speaker.chosen.end())
      problem = fmt::format("only steps can choose an instance, as {} does", quote(text));
    else
      index = choice->second;
  }
  if (!problem.empty()) {
    diagnostics_.error(at, problem);
    return text;
  }
  if (index == 0) return std::nullopt;
  return name_in_instance(found->of->declaration.name.text, index, found->object);
}

// Whom a program may mean; 0 is nobody.
std::vector<std::uint32_t> Expansion::candidates(const Choice& choice, const Speaker& speaker) {
  std::vector<std::uint32_t> result;
  const auto& [of, selector] = choice;
  if (selector != Selector::any) result.push_back(0);
  for (std::uint32_t i = 1; i <= of->declaration.instances; ++i) {
    if (selector == Selector::older && i >= speaker.index) continue;
    if (selector == Selector::other && i == speaker.index) continue;
    result.push_back(i);
  }
  return result;
}

const YamlNode* Expansion::part(const YamlNode& node, const KeyRow& row, const Speaker& speaker) {
  if (node.kind == YamlNode::Kind::mapping && row.fields != Context::none) return mapping(node, row.fields, speaker);
  if (row.form == Form::steps) return row.context < Context::step ? program(node, row, speaker) : steps(node, speaker);
  if (node.kind != YamlNode::Kind::scalar || !is_object(row.form)) return &node;
  const auto name = resolve(node.text, speaker, node.at);
  if (!name) return nullptr;
  if (*name == node.text) return &node;
  YamlNode& copy = made(YamlNode::Kind::scalar, node.at);
  copy.text = *name;
  copy.plain = node.plain;
  return &copy;
}

const YamlNode* Expansion::value(const YamlNode& node, const KeyRow& row, const Speaker& speaker) {
  if (info(row.shape).is_table) return table(node, row, speaker);
  if (node.kind != YamlNode::Kind::list || row.shape == Shape::one) return part(node, row, speaker);
  YamlNode& list = made(YamlNode::Kind::list, node.at);
  for (const YamlNode* item : node.items)
    if (const YamlNode* kept = part(*item, row, speaker)) list.items.push_back(kept);
  return list.items.empty() && !node.items.empty() ? nullptr : &list;
}

// In steps, the keys of a table are names of objects.
const YamlNode* Expansion::table(const YamlNode& node, const KeyRow& row, const Speaker& speaker) {
  if (node.kind != YamlNode::Kind::mapping) return &node;
  YamlNode& result = made(YamlNode::Kind::mapping, node.at);
  for (const YamlEntry& entry : node.entries) {
    const auto name = row.context >= Context::step ? resolve(entry.key, speaker, entry.at) : entry.key;
    const YamlNode* kept = name ? part(*entry.value, row, speaker) : nullptr;
    if (kept != nullptr) result.entries.push_back({*name, entry.at, kept});
  }
  return result.entries.empty() && !node.entries.empty() ? nullptr : &result;
}

const YamlNode* Expansion::mapping(const YamlNode& node, Context context, const Speaker& speaker) {
  YamlNode& result = made(YamlNode::Kind::mapping, node.at);
  for (const YamlEntry& entry : node.entries) {
    const KeyRow* row = find_key(context, entry.key);
    const YamlNode* kept = row == nullptr ? entry.value : value(*entry.value, *row, speaker);
    if (kept != nullptr) {
      result.entries.push_back({entry.key, entry.at, kept});
      continue;
    }
    const bool dispensable =
        context != Context::step && row->presence == Presence::optional && entry.value->kind != YamlNode::Kind::scalar;
    if (!dispensable) return nullptr;
  }
  return &result;
}

const YamlNode* Expansion::steps(const YamlNode& node, const Speaker& speaker) {
  if (node.kind != YamlNode::Kind::list) return &node;
  YamlNode& result = made(YamlNode::Kind::list, node.at);
  for (const YamlNode* step : node.items) {
    const YamlNode* kept = step->kind == YamlNode::Kind::mapping ? mapping(*step, Context::step, speaker) : step;
    if (kept != nullptr) result.items.push_back(kept);
  }
  return &result;
}

// What the names below a node choose, in the order of the text.
void Expansion::find_choices(const YamlNode& node, const Speaker& speaker, std::vector<Choice>& choices) const {
  const auto look = [&](const std::string& text) {
    const auto found = reference(text, speaker);
    if (!found || !found->problem.empty() || !found->selector->chosen) return;
    const Choice choice{found->of, found->selector->selector};
    if (std::ranges::find(choices, choice) == choices.end()) choices.push_back(choice);
  };
  if (node.kind == YamlNode::Kind::scalar) look(node.text);
  for (const YamlNode* item : node.items) find_choices(*item, speaker, choices);
  for (const YamlEntry& entry : node.entries) {
    look(entry.key);
    find_choices(*entry.value, speaker, choices);
  }
}

// The first submission below a node.
const YamlEntry* Expansion::submission(const YamlNode& node) {
  for (const YamlNode* item : node.items)
    if (const YamlEntry* found = submission(*item)) return found;
  for (const YamlEntry& entry : node.entries) {
    if (entry.key == "submit") return &entry;
    if (const YamlEntry* found = submission(*entry.value)) return found;
  }
  return nullptr;
}

// A program chooses once, before its first step: "client.other" is one and the
// same client in all of it. So it becomes a choice between whole programs.
const YamlNode* Expansion::program(const YamlNode& node, const KeyRow& row, const Speaker& speaker) {
  std::vector<Choice> choices;
  find_choices(node, speaker, choices);
  if (const YamlEntry* submit = choices.empty() ? nullptr : submission(node))
    diagnostics_.error(submit->at, fmt::format("a program that submits jobs cannot choose an instance of '{}': say "
                                               "'previous', or submit in another thread",
                                               choices.front().first->declaration.name.text));
  if (!choices.empty() && row.key == "procedures")
    diagnostics_.error(node.at, "a procedure cannot choose an instance: only threads, works and reclaim do");
  return chosen(node, choices, speaker);
}

const YamlNode* Expansion::chosen(const YamlNode& node, const std::vector<Choice>& choices, const Speaker& speaker) {
  if (choices.empty()) return steps(node, speaker);
  const Choice choice = choices.front();
  const std::vector<Choice> rest(choices.begin() + 1, choices.end());
  std::vector<const YamlNode*> ways;
  for (const std::uint32_t index : candidates(choice, speaker)) {
    Speaker decided = speaker;
    decided.chosen.emplace(choice, index);
    ways.push_back(chosen(node, rest, decided));
  }
  if (ways.size() == 1) return ways.front();
  YamlNode& branches = made(YamlNode::Kind::list, node.at);
  branches.items = std::move(ways);
  YamlNode& step = made(YamlNode::Kind::mapping, node.at);
  step.entries.push_back({"choose", node.at, &branches});
  YamlNode& list = made(YamlNode::Kind::list, node.at);
  list.items.push_back(&step);
  return &list;
}

// The objects of one table that instances own, by template and instance.
void Expansion::add_instances(std::string_view key, YamlNode& into) {
  const KeyRow& row = *find_key(Context::template_, key);
  for (const Template* each : in_order_) {
    const YamlEntry* given = find_entry(*each->body, key);
    if (given == nullptr) continue;
    for (std::uint32_t index = 1; index <= each->declaration.instances; ++index)
      for (const YamlEntry& object : given->value->entries)
        if (const YamlNode* kept = part(*object.value, row, {each, index, {}}))
          into.entries.push_back({name_in_instance(each->declaration.name.text, index, object.key), object.at, kept});
  }
}

std::optional<YamlTree> Expansion::run(std::vector<TemplateDeclaration>& templates) {
  const YamlEntry* given = find_entry(root_, "templates");
  if (given == nullptr) return std::nullopt;
  for (const YamlEntry* entry : entries_of(*given->value, *find_key(Context::scenario, "templates"), diagnostics_))
    declare(*entry);
  check_names();
  if (!diagnostics_.ok()) return std::nullopt;
  std::vector<std::string_view> tables;  // that templates have too
  for (const KeyRow& row : key_table)
    if (row.context == Context::template_ && info(row.shape).is_table) tables.push_back(row.key);
  YamlNode& root = made(YamlNode::Kind::mapping, root_.at);
  for (const YamlEntry& entry : root_.entries) {
    if (&entry == given) continue;
    const KeyRow* row = find_key(Context::scenario, entry.key);
    const bool is_table = row != nullptr && info(row->shape).is_table && entry.value->kind == YamlNode::Kind::mapping;
    const YamlNode* kept = is_table ? table(*entry.value, *row, {}) : entry.value;
    root.entries.push_back({entry.key, entry.at, kept == nullptr ? entry.value : kept});
  }
  for (const std::string_view key : tables) {
    YamlNode& table = made(YamlNode::Kind::mapping, given->at);
    const auto global = std::ranges::find(root.entries, key, &YamlEntry::key);
    if (global != root.entries.end() && global->value->kind == YamlNode::Kind::mapping)
      table.entries = global->value->entries;
    else if (global != root.entries.end() && global->value->kind != YamlNode::Kind::null)
      continue;  // not a table: its reader says so
    add_instances(key, table);
    if (table.entries.empty()) continue;
    if (global != root.entries.end())
      global->value = &table;
    else
      root.entries.push_back({std::string(key), given->at, &table});
  }
  for (const Template* each : in_order_) templates.push_back(each->declaration);
  result_.set_root(root);
  return std::move(result_);
}

// The message without the numbers of instances, and the instances it names first.
struct Stripped {
  std::string message;
  std::string template_of;
  std::uint32_t index = 0;
};

Stripped strip(const std::string& message) {
  Stripped result;
  std::string_view rest = message;
  for (std::size_t open = rest.find('['); open != std::string_view::npos; open = rest.find('[')) {
    const InstanceName name = instance_name(rest);
    const std::size_t close = rest.find(']', open);
    if (close == std::string_view::npos) break;
    if (result.index == 0) {
      result.template_of = name.template_of;
      result.index = name.index;
    }
    result.message += rest.substr(0, open);
    if (name.index == 0) result.message += rest.substr(open, close + 1 - open);
    rest = rest.substr(close + 1);
  }
  result.message += rest;
  return result;
}

}  // namespace

std::optional<YamlTree> expand_templates(const YamlTree& tree, const InstanceCounts& many,
                                         std::vector<TemplateDeclaration>& templates, Diagnostics& diagnostics) {
  if (tree.root().kind != YamlNode::Kind::mapping) return std::nullopt;
  return Expansion(tree, many, diagnostics).run(templates);
}

void append_once_for_all(const Diagnostics& from, const std::vector<TemplateDeclaration>& templates, Diagnostics& to) {
  using Key = std::tuple<std::uint32_t, std::uint32_t, Severity, std::string>;
  const std::vector<Diagnostic> all = from.sorted();
  const auto key_of = [](const Diagnostic& each, const Stripped& stripped) {
    return Key{each.at.line, each.at.column, each.severity, stripped.message};
  };
  std::map<Key, std::set<std::uint32_t>> concerned;
  for (const Diagnostic& each : all) {
    const Stripped stripped = strip(each.message);
    concerned[key_of(each, stripped)].insert(stripped.index);
  }
  std::set<Key> said;
  for (const Diagnostic& each : all) {
    const Stripped stripped = strip(each.message);
    const Key key = key_of(each, stripped);
    const auto of = std::ranges::find_if(
        templates, [&](const TemplateDeclaration& one) { return one.name.text == stripped.template_of; });
    const bool some_only = of != templates.end() && concerned[key].size() < of->instances;
    if ((each.severity == Severity::warning && some_only) || !said.insert(key).second) continue;
    if (each.severity == Severity::error) to.error(each.at, each.message);
    if (each.severity == Severity::warning) to.warning(each.at, each.message);
    if (each.severity == Severity::note) to.note(each.at, each.message);
  }
}

}  // namespace fencecheck
