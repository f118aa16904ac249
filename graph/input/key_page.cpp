// The reference of keys and values in Markdown, from the key table.
#include <fmt/format.h>

#include "graph/input/keys.hpp"

namespace fencecheck {
namespace {

std::string heading(Context context) {
  std::string_view noun = info(context).noun;
  if (!noun.starts_with('\'')) return fmt::format("In {}", noun);
  noun.remove_prefix(1);
  noun.remove_suffix(1);
  return fmt::format("In `{}`", noun);
}

// The anchor that Markdown gives to the heading.
std::string anchor(Context context) {
  std::string result;
  for (const char c : heading(context)) {
    if (c == ' ') result += '-';
    if ((c >= 'a' && c <= 'z') || c == '-') result += c;
    if (c == 'I') result += 'i';
  }
  return result;
}

std::string link(Context context) { return fmt::format(" ([keys](#{}))", anchor(context)); }

std::string value(const KeyRow& row) {
  std::string says = whole_value(row);
  if (row.fields != Context::none) says += link(row.fields);
  if (row.form == Form::steps) says += link(Context::step);
  return says;
}

std::string key_section(Context context) {
  std::string section = fmt::format("### {}\n\n", heading(context));
  if (!info(context).says.empty()) section += fmt::format("{}\n\n", info(context).says);
  if (keys_of(context).empty()) return section;
  section += "| key | | value | meaning | example |\n|---|---|---|---|---|\n";
  for (const KeyRow& row : key_table) {
    if (row.context != context) continue;
    section += fmt::format("| `{0}` | {1} | {2} | {3} | `{0}: {4}` |\n", row.key, info(row.presence).says, value(row),
                           row.says, row.example);
  }
  return section + "\n";
}

std::string word_rows(const FormInfo& form) {
  std::string rows;
  for (const Word& word : form.words())
    rows += fmt::format("| {} | `{}` | {} |\n", rows.empty() ? noun(form.form) : "", word.id, word.says);
  return rows;
}

}  // namespace

std::string input_keys_page() {
  std::string page = "<!-- Made from the table in graph/input/keys.hpp. -->\n\n";
  for (const ContextInfo& row : context_table) {
    if (row.context != Context::none) page += key_section(row.context);
  }
  page += "### Words\n\n| form | word | meaning |\n|---|---|---|\n";
  for (const FormInfo& form : form_table) {
    if (form.words != nullptr) page += word_rows(form);
  }
  return page;
}

}  // namespace fencecheck
