// Values by the form that their row of the key table states.
//
// read_part() reads one thing, read_value() whatever the row's shape allows.
// Both report a value of another form, and leave `out` as it was. Fields is one
// mapping of the language: it has reported unknown, missing and excluded keys
// before any value is read.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "graph/input/keys.hpp"
#include "graph/input/scenario.hpp"
#include "graph/input/yaml_tree.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

void read_part(const YamlNode& node, const KeyRow& row, std::string& out, Diagnostics& diagnostics);
void read_part(const YamlNode& node, const KeyRow& row, bool& out, Diagnostics& diagnostics);
void read_part(const YamlNode& node, const KeyRow& row, std::int64_t& out, Diagnostics& diagnostics);
void read_part(const YamlNode& node, const KeyRow& row, std::uint32_t& out, Diagnostics& diagnostics);
void read_part(const YamlNode& node, const KeyRow& row, std::uint64_t& out, Diagnostics& diagnostics);  // bytes
void read_part(const YamlNode& node, const KeyRow& row, Milliseconds& out, Diagnostics& diagnostics);
void read_part(const YamlNode& node, const KeyRow& row, Name& out, Diagnostics& diagnostics);
void read_part(const YamlNode& node, const KeyRow& row, RangeDeclaration& out, Diagnostics& diagnostics);
void read_part(const YamlNode& node, const KeyRow& row, BindOperation& out, Diagnostics& diagnostics);

// The word, if it is one of the form's words; else empty and reported.
[[nodiscard]] std::string_view read_word(const YamlNode& node, const KeyRow& row, Diagnostics& diagnostics);

// The table of an enumeration whose rows follow its enumerators.
constexpr const auto& rows_of(FindingKind) { return finding_table; }
constexpr const auto& rows_of(Cause) { return cause_table; }
constexpr const auto& rows_of(ThreadKind) { return thread_kind_table; }
constexpr const auto& rows_of(FenceKind) { return fence_kind_table; }
constexpr const auto& rows_of(LockKind) { return lock_kind_table; }
constexpr const auto& rows_of(Usage) { return usage_table; }
constexpr const auto& rows_of(Gfp) { return gfp_table; }
constexpr const auto& rows_of(EvictStep::Locking) { return locking_table; }
constexpr const auto& rows_of(QueueKind) { return queue_kind_table; }
constexpr const auto& rows_of(AddressSpaceMode) { return address_space_mode_table; }
constexpr const auto& rows_of(dmem::Kernel) { return dmem::kernel_table; }
constexpr const auto& rows_of(PageTablesFrom) { return page_tables_from_table; }
constexpr const auto& rows_of(BindErrors) { return bind_errors_table; }
constexpr const auto& rows_of(BindErrno) { return bind_errno_table; }
constexpr const auto& rows_of(JobErrors) { return job_errors_table; }

template <class Enum>
requires std::is_enum_v<Enum>
void read_part(const YamlNode& node, const KeyRow& row, Enum& out, Diagnostics& diagnostics) {
  const auto& table = rows_of(out);
  const auto* found = find_row(table, read_word(node, row, diagnostics));
  if (found != nullptr) out = static_cast<Enum>(found - table.data());
}

template <class Value>
void read_part(const YamlNode& node, const KeyRow& row, std::optional<Value>& out, Diagnostics& diagnostics) {
  read_part(node, row, out.emplace(), diagnostics);
}

// The parts of a value that is one thing or a list; reports too few.
[[nodiscard]] std::vector<const YamlNode*> parts_of(const YamlNode& node, const KeyRow& row, Diagnostics& diagnostics);

// The entries of a value that is a table; reports too few or too many, and names that are none.
[[nodiscard]] std::vector<const YamlEntry*> entries_of(const YamlNode& node, const KeyRow& row,
                                                       Diagnostics& diagnostics);

template <class Value>
void read_value(const YamlNode& node, const KeyRow& row, Value& out, Diagnostics& diagnostics) {
  read_part(node, row, out, diagnostics);
}

template <class Value>
void read_value(const YamlNode& node, const KeyRow& row, std::vector<Value>& out, Diagnostics& diagnostics) {
  for (const YamlNode* part : parts_of(node, row, diagnostics)) read_part(*part, row, out.emplace_back(), diagnostics);
}

// Whether this part is written as a mapping with the keys of `row.fields`. An
// empty one may be left out in a table: `vram:` is `vram: {}`.
[[nodiscard]] bool is_long(const YamlNode& node, const KeyRow& row);

// The entry of a key in a mapping; nullptr if there is none.
[[nodiscard]] const YamlEntry* find_entry(const YamlNode& mapping, std::string_view key);

// Reports what is wrong with the keys of a mapping. `owner` is its own key.
void check_keys(const YamlNode& node, Context context, Place owner, Diagnostics& diagnostics);

template <Context context>
class Fields {
 public:
  Fields(const YamlEntry& owner, Diagnostics& diagnostics) : Fields(*owner.value, owner.at, diagnostics) {}
  Fields(const YamlNode& node, Place owner, Diagnostics& diagnostics) : node_(node), diagnostics_(diagnostics) {
    check_keys(node, context, owner, diagnostics);
  }

  // nullptr if the key is absent.
  [[nodiscard]] const YamlEntry* entry(Key<context> key) const { return find_entry(node_, key.row.key); }

  // The key's value into `out`; nothing happens if it is absent.
  template <class Value>
  void read(Key<context> key, Value& out) const {
    if (const YamlEntry* found = entry(key)) read_value(*found->value, key.row, out, diagnostics_);
  }

  // One element of `out` for each entry of a table: its name, and what `read_rest` makes of its value.
  template <class Declaration>
  void read_table(Key<context> key, std::vector<Declaration>& out,
                  void (*read_rest)(const YamlEntry&, const KeyRow&, Declaration&, Diagnostics&)) const {
    const YamlEntry* found = entry(key);
    if (found == nullptr) return;
    for (const YamlEntry* each : entries_of(*found->value, key.row, diagnostics_)) {
      Declaration& declaration = out.emplace_back();
      declaration.name = {each->key, each->at};
      read_rest(*each, key.row, declaration, diagnostics_);
    }
  }

 private:
  const YamlNode& node_;
  Diagnostics& diagnostics_;
};

}  // namespace fencecheck
