// Words and phrases made from the key table.
#include "graph/input/keys.hpp"

#include <fmt/format.h>

#include "graph/model/source.hpp"

namespace fencecheck {

std::vector<std::string_view> verdict_words() {
  return {name(Verdict::holds), name(Verdict::violated), name(Verdict::unknown)};
}

std::vector<std::string_view> outcome_words() {
  std::vector<std::string_view> words{name(Verdict::holds), name(Verdict::unknown)};
  for (const FindingInfo& row : finding_table) words.push_back(row.id);
  return words;
}

std::vector<std::string_view> thread_kind_words() {
  std::vector<std::string_view> words;
  for (const ThreadKindInfo& row : thread_kind_table) {
    if (row.declarable) words.push_back(row.id);
  }
  return words;
}

std::vector<std::string_view> queue_kind_words() { return {info(ThreadKind::engine).id, info(ThreadKind::worker).id}; }

std::vector<std::string_view> keys_of(Context context) {
  std::vector<std::string_view> keys;
  for (const KeyRow& row : key_table) {
    if (row.context == context) keys.push_back(row.key);
  }
  return keys;
}

std::string unknown_word(std::string_view noun, std::string_view word, const std::vector<std::string_view>& words) {
  const std::string_view meant = nearest(word, words);
  const std::string hint =
      meant.empty() ? fmt::format("expected {}", fmt::join(words, ", ")) : fmt::format("did you mean '{}'?", meant);
  return fmt::format("no {} is called '{}'; {}", noun, printable(word), hint);
}

std::string part_of_value(const KeyRow& row) {
  const bool has_long_form = row.form != Form::none && row.fields != Context::none;
  return fmt::format("{}{}", info(row.form).one, has_long_form ? " or a mapping" : "");
}

std::string whole_value(const KeyRow& row) {
  const FormInfo& form = info(row.form);
  if (info(row.shape).is_table) return fmt::format("a mapping from names to {}", form.many);
  if (row.shape == Shape::one) return part_of_value(row);
  if (row.shape != Shape::one_or_list) return fmt::format("a list of {}", form.many);
  return fmt::format("{}{} a list of them{}", form.one, row.fields == Context::none ? " or" : ",",
                     row.fields == Context::none ? "" : " or a mapping");
}

}  // namespace fencecheck
