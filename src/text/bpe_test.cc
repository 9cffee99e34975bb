// Byte pair encoding, through the tokenizers that use it.
#include "text/tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "io/files.h"
#include "text/testing.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

TEST(Bpe, AppliesMergesByRankThenFromTheLeft) {
  EXPECT_EQ(ids_of(byte_level_json(), " the hehe"), (Ids{258, ' ', 256, 256}));
  Json json = letters_json("abc");
  json["model"]["vocab"]["ab"] = 3;
  json["model"]["vocab"]["bc"] = 4;
  json["model"]["vocab"]["aa"] = 5;
  json["model"]["merges"] = Json::array({"b c", "a b", "a a"});
  EXPECT_EQ(ids_of(json, "abc"), (Ids{0, 4}));
  EXPECT_EQ(ids_of(json, "aaa"), (Ids{5, 0}));
}

// Merges the lowest-ranked, leftmost pair until none is left: the definition, one scan per merge.
Ids merged_by_definition(Ids ids, const std::vector<std::pair<std::pair<int64_t, int64_t>, int64_t>>& merges) {
  while (true) {
    bool merged = false;
    for (const auto& [pair, to] : merges) {
      for (size_t i = 0; i + 1 < ids.size() && !merged; ++i) {
        if (ids[i] != pair.first || ids[i + 1] != pair.second) continue;
        ids[i] = to;
        ids.erase(ids.begin() + static_cast<ptrdiff_t>(i) + 1);
        merged = true;
      }
      if (merged) break;
    }
    if (!merged) return ids;
  }
}

TEST(Bpe, EqualsItsDefinitionOnRandomMerges) {
  Rng rng(5);
  for (int round = 0; round < 50; ++round) {
    Json json = letters_json("abc");
    std::vector<std::string> tokens = {"a", "b", "c"};
    std::vector<std::pair<std::pair<int64_t, int64_t>, int64_t>> merges;
    for (int i = 0; i < 12; ++i) {
      const size_t left = rng.below(tokens.size());
      const size_t right = rng.below(tokens.size());
      const std::string whole = tokens[left] + tokens[right];
      if (json["model"]["vocab"].contains(whole)) continue;
      json["model"]["vocab"][whole] = tokens.size();
      json["model"]["merges"].push_back({tokens[left], tokens[right]});
      merges.push_back(
          {{static_cast<int64_t>(left), static_cast<int64_t>(right)}, static_cast<int64_t>(tokens.size())});
      tokens.push_back(whole);
    }
    std::string text;
    Ids letters;
    for (int i = 0; i < 60; ++i) {
      letters.push_back(static_cast<int64_t>(rng.below(3)));
      text += static_cast<char>('a' + letters.back());
    }
    EXPECT_EQ(ids_of(json, text), merged_by_definition(letters, merges)) << text;
  }
}

TEST(Bpe, ReadsMergesAsStringsOrPairs) {
  Json json = letters_json("ab");
  json["model"]["vocab"]["ab"] = 2;
  json["model"]["merges"] = Json::array({"a b"});
  EXPECT_EQ(ids_of(json, "ab"), Ids{2});
  json["model"]["merges"] = Json::array({Json::array({"a", "b"})});
  EXPECT_EQ(ids_of(json, "ab"), Ids{2});
}

TEST(Bpe, IgnoreMergesTakesAWholePieceThatIsAToken) {
  Json json = letters_json("ab");
  json["model"]["vocab"]["ab"] = 2;
  EXPECT_EQ(ids_of(json, "ab"), (Ids{0, 1}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(ids_of(json, "ab"), Ids{2});
}

TEST(Bpe, UnknownCharactersAreOneTokenEachOrFused) {
  Json json = letters_json("a?");
  json["model"]["unk_token"] = "?";
  EXPECT_EQ(ids_of(json, "xéa"), (Ids{1, 1, 0}));
  json["model"]["fuse_unk"] = true;
  EXPECT_EQ(ids_of(json, "xéax"), (Ids{1, 0, 1}));
  const auto tokens = tokenizer_of(json).encode_with_offsets("xéa", SpecialTokens::kNone);
  EXPECT_EQ(tokens[0].end, 3u);
}

TEST(Bpe, ByteFallbackSpellsUnknownCharacters) {
  Json json = letters_json("a?");
  json["model"]["unk_token"] = "?";
  json["model"]["byte_fallback"] = true;
  json["model"]["vocab"]["<0xC3>"] = 2;
  json["model"]["vocab"]["<0xA9>"] = 3;
  const auto tokens = tokenizer_of(json).encode_with_offsets("aéè", SpecialTokens::kNone);
  ASSERT_EQ(tokens.size(), 4u);
  EXPECT_EQ(tokens[1].id, 2);
  EXPECT_EQ(tokens[2].id, 3);
  EXPECT_EQ(tokens[2].begin, 2u);
  EXPECT_EQ(tokens[3].id, 1);  // è has a byte without a token
}

TEST(Bpe, ACharacterThatNoTokenStandsForIsAnError) {
  EXPECT_NE(message_of([] { ids_of(letters_json("ab"), "axb"); }).find("'x' is not in the vocabulary"),
            std::string::npos);
}

}  // namespace
}  // namespace circuit
