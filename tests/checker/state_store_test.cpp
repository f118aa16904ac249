#include "checker/state_store.hpp"

#include "tests/catch.hpp"
#include "tests/support/dice.hpp"

namespace fencecheck {
namespace {

std::string random_key(test::Dice& dice) {
  std::string key;
  for (std::uint32_t left = dice.below(20); left > 0; --left)
    key.push_back(dice.one_in(2) ? '\0' : static_cast<char>(1 + dice.below(255)));
  key.push_back('x');  // keys delimit themselves; these do by their last byte
  return key;
}

TEST_CASE("every key is found again under its number, and no other") {
  test::Dice dice(1);
  StateStore store;
  CHECK(store.find("x") == StateStore::none);
  std::vector<std::string> keys;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = random_key(dice);
    const StateStore::Number known = store.find(key);
    const auto [number, news] = store.insert(key);
    CHECK(news == (known == StateStore::none));
    if (news) {
      CHECK(number == keys.size());
      keys.push_back(key);
    } else {
      CHECK(number == known);
    }
  }
  CHECK(store.size() == keys.size());
  std::string key;
  for (StateStore::Number i = 0; i < keys.size(); ++i) {
    CHECK(store.find(keys[i]) == i);
    store.key(i, key);
    CHECK(key.substr(0, keys[i].size()) == keys[i]);  // zeros may follow
    CHECK(key.find_first_not_of('\0', keys[i].size()) == std::string::npos);
  }
}

TEST_CASE("a key longer than a chunk of memory is kept") {
  StateStore store;
  const std::string large(3 << 20, 'a');
  CHECK(store.insert(large).second);
  CHECK(store.insert("b").second);
  CHECK_FALSE(store.insert(large).second);
  CHECK(store.bytes() >= large.size());
  std::string key;
  store.key(0, key);
  CHECK(key == large);
}

}  // namespace
}  // namespace fencecheck
