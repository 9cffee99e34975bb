#include "task/word_mask.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace circuit {
namespace {

class WordMask : public testing::Test {
 protected:
  Tokenizer tokenizer_ = Tokenizer::load(std::string(CIRCUIT_SOURCE_DIR) + "/examples/books-4l");

  // The masked part of a text.
  std::string masked(const std::string& text, const std::set<std::string>& words) const {
    const std::vector<int64_t> ids = tokenizer_.encode(text, SpecialTokens::kNone);
    const std::vector<bool> mask = tokens_of_words(tokenizer_, ids, words);
    EXPECT_EQ(mask.size(), ids.size());
    std::string all;
    for (size_t i = 0; i < ids.size(); ++i) all += mask[i] ? tokenizer_.token_text(ids[i]) : "";
    return all;
  }
};

TEST_F(WordMask, IsOfWholeWordsAsTheyAreWritten) {
  EXPECT_EQ(masked("the dogs are here, are they? Are areas bare_are", {"are"}), " are are");
  EXPECT_EQ(masked("the dogs are here", {}), "");
  EXPECT_EQ(masked("are", {"are"}), "are");
  EXPECT_EQ(masked("the dogs sat", {"are"}), "");
}

// A word of several tokens is masked whole, and what stands beside it in a token goes with it.
TEST_F(WordMask, CoversEveryTokenOfAWord) {
  const std::string word = "antidisestablishmentarianism";
  ASSERT_GT(tokenizer_.encode(word, SpecialTokens::kNone).size(), 2u);
  EXPECT_EQ(masked("It is " + word + " again", {word}), " " + word);
  const auto count = [&](const std::string& text, const std::string& masked_word) {
    const std::vector<bool> mask =
        tokens_of_words(tokenizer_, tokenizer_.encode(text, SpecialTokens::kNone), {masked_word});
    return std::count(mask.begin(), mask.end(), true);
  };
  // Letters of several bytes, each maybe a token of its own.
  const auto tokens = static_cast<int64_t>(tokenizer_.encode("東京", SpecialTokens::kNone).size());
  EXPECT_EQ(count("in 東京 now", "東京"), tokens);
  EXPECT_EQ(count("naïve café", "café"), static_cast<int64_t>(tokenizer_.encode(" café", SpecialTokens::kNone).size()));
  EXPECT_EQ(count("cafés", "café"), 0);
}

TEST_F(WordMask, KnowsWhatReadoutsAnswer) {
  Example e;
  const auto id = [&](const std::string& text) { return tokenizer_.encode(text, SpecialTokens::kNone)[0]; };
  e.readouts.push_back({1, {id(" is")}, {id(" are")}, ""});
  EXPECT_EQ(readout_words(tokenizer_, {e}), (std::set<std::string>{"is", "are"}));
  EXPECT_TRUE(readout_words(tokenizer_, {Example()}).empty());
}

}  // namespace
}  // namespace circuit
