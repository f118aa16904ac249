// Words and phrases made from the key table.
#include "graph/input/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "graph/input/quote.hpp"
#include "graph/model/source.hpp"

namespace fencecheck {

std::vector<Word> verdict_words() {
  return {{name(Verdict::holds), "nothing goes wrong"},
          {name(Verdict::violated), "something goes wrong"},
          {name(Verdict::unknown), "the check cannot tell"}};
}

std::vector<Word> outcome_words() {
  std::vector<Word> words = verdict_words();
  std::erase_if(words, [](const Word& word) { return word.id == name(Verdict::violated); });
  std::ranges::copy(words_of<finding_table>(), std::back_inserter(words));
  return words;
}

std::vector<Word> thread_kind_words() {
  std::vector<Word> words;
  for (const ThreadKindInfo& row : thread_kind_table) {
    if (row.declarable) words.push_back({row.id, row.says});
  }
  return words;
}

std::vector<std::string_view> ids(const std::vector<Word>& words) {
  std::vector<std::string_view> result;
  for (const Word& word : words) result.push_back(word.id);
  return result;
}

std::string_view noun(Form form) {
  const std::string_view one = info(form).one;
  return one.substr(one.find(' ') + 1);
}

std::vector<std::string_view> keys_of(Context context) {
  std::vector<std::string_view> keys;
  for (const KeyRow& row : key_table) {
    if (row.context == context) keys.push_back(row.key);
  }
  return keys;
}

std::string unknown_word(std::string_view noun, std::string_view word, const std::vector<std::string_view>& words) {
  const std::string_view meant = nearest(word, words);
  std::string hint = fmt::format("did you mean '{}'?", meant);
  if (meant.empty()) hint = words.empty() ? "there are none here" : fmt::format("expected {}", fmt::join(words, ", "));
  return fmt::format("no {} is called {}; {}", noun, quote(word), hint);
}

namespace {
bool has_two_forms(const KeyRow& row) { return row.form != Form::none && row.fields != Context::none; }
}  // namespace

std::string part_of_value(const KeyRow& row) {
  return fmt::format("{}{}", info(row.form).one, has_two_forms(row) ? " or a mapping" : "");
}

std::string whole_value(const KeyRow& row) {
  const FormInfo& form = info(row.form);
  if (info(row.shape).is_table)
    return fmt::format("a mapping from names to {}{}", form.many, has_two_forms(row) ? " or mappings" : "");
  if (row.shape == Shape::one) return part_of_value(row);
  if (row.shape != Shape::one_or_list) return fmt::format("a list of {}", form.many);
  return fmt::format("{}{} a list of them{}", form.one, row.fields == Context::none ? " or" : ",",
                     row.fields == Context::none ? "" : " or a mapping");
}

}  // namespace fencecheck
