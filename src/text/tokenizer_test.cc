// The whole tokenizer: ids, offsets, special tokens and decoding.
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

TEST(Tokenizer, RefusesTextThatIsNoUtf8) {
  EXPECT_NE(message_of([] { ids_of(byte_level_json(), "a\xFF"); }).find("not valid UTF-8"), std::string::npos);
}

TEST(Tokenizer, ByteLevelRoundTripsAndItsRangesReproduceTheText) {
  const Tokenizer tokenizer = tokenizer_of(byte_level_json());
  Rng rng(1);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(rng) + " the <s> he";
    const auto tokens = tokenizer.encode_with_offsets(text, SpecialTokens::kNone);
    std::string covered;
    size_t end = 0;
    Ids ids;
    for (const Token& token : tokens) {
      EXPECT_EQ(token.begin, end);
      end = token.end;
      covered += text.substr(token.begin, token.end - token.begin);
      ids.push_back(token.id);
    }
    EXPECT_EQ(covered, text);
    EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::kAdd), text);
  }
}

TEST(Tokenizer, RangesNeverStepBackUnderNormalisation) {
  Json json = byte_level_json();
  json["normalizer"] = {{"type", "NFKC"}};
  const Tokenizer tokenizer = tokenizer_of(json);
  Rng rng(2);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(rng);
    Token last;
    for (const Token& token : tokenizer.encode_with_offsets(text, SpecialTokens::kNone)) {
      EXPECT_LE(last.begin, token.begin);
      EXPECT_LE(last.end, token.end);
      EXPECT_LE(token.begin, token.end);
      last = token;
    }
    EXPECT_EQ(last.end, text.size());
  }
}

TEST(Tokenizer, PrefixSpaceHasNoPlaceInTheText) {
  Json json = byte_level_json();
  json["pre_tokenizer"]["add_prefix_space"] = true;
  const auto tokens = tokenizer_of(json).encode_with_offsets("the", SpecialTokens::kNone);
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].id, 258);
  EXPECT_EQ(tokens[0].begin, 0u);
  EXPECT_EQ(tokens[0].end, 3u);
}

TEST(Tokenizer, IsTheSameFromSeveralThreads) {
  const Tokenizer tokenizer = tokenizer_of(byte_level_json());
  Rng rng(3);
  std::string text;
  for (int i = 0; i < 200; ++i) text += random_text(rng);
  const Ids expected = tokenizer.encode(text, SpecialTokens::kNone);
  std::vector<Ids> results(4);
  std::vector<std::thread> threads;
  for (Ids& result : results) {
    threads.emplace_back([&] { result = tokenizer.encode(text, SpecialTokens::kNone); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

Json with_added(const std::string& flags) {
  Json json = letters_json("ab xyXY_");
  json["added_tokens"] = Json::array({parse_json(R"({"id": 100, "content": "xy")" + flags + "}", "added")});
  return json;
}

TEST(AddedTokens, LongestOfTheLeftmostMatchesWins) {
  Json json = with_added("");
  json["added_tokens"].push_back({{"id", 101}, {"content", "xya"}});
  EXPECT_EQ(ids_of(json, "bxyab"), (Ids{1, 101, 1}));
  EXPECT_EQ(ids_of(json, "xyb"), (Ids{100, 1}));
}

TEST(AddedTokens, SingleWordIsNotFoundInsideAWord) {
  EXPECT_EQ(ids_of(with_added(R"(,"single_word":true)"), "xy axy xy_ xy"), (Ids{100, 2, 0, 3, 4, 2, 3, 4, 7, 2, 100}));
}

// Rust's \w, by tokenizers 0.22: joiners and circled letters are inside a word, other symbols and numbers are not.
TEST(AddedTokens, AWordHasJoinersMarksAndEnclosedLetters) {
  const auto is_found = [](const std::string& after) {
    Json json = byte_level_json();
    json["added_tokens"].push_back({{"id", 300}, {"content", "cat"}, {"single_word", true}});
    const Tokenizer tokenizer = tokenizer_of(json);
    EXPECT_EQ(tokenizer.encode("cat" + after, SpecialTokens::kNone)[0] == 300,
              tokenizer.encode(after + "cat", SpecialTokens::kNone).back() == 300);
    return tokenizer.encode("cat" + after, SpecialTokens::kNone)[0] == 300;
  };
  for (const char* inside : {"\u200C", "\u200D", "\u24D0", "\U0001F130", "\u0301", "\u203F", "\u2160", "\u0663"}) {
    EXPECT_FALSE(is_found(inside)) << inside;
  }
  for (const char* outside : {"\u200B", "\u2460", "\u00B2", "\U0001F600", " ", "-"}) {
    EXPECT_TRUE(is_found(outside)) << outside;
  }
}

// Ids by tokenizers 0.22: of two tokens with one normal form the special one stands, then the first in the file.
TEST(AddedTokens, OfOneNormalFormTheFirstStands) {
  Json json = letters_json("ab");
  json["normalizer"] = {{"type", "Lowercase"}};
  json["added_tokens"] = Json::array({{{"id", 101}, {"content", "XY"}}, {{"id", 100}, {"content", "Xy"}}});
  EXPECT_EQ(ids_of(json, "axyb"), (Ids{0, 101, 1}));
  json["added_tokens"].push_back({{"id", 102}, {"content", "xY"}, {"special", true}, {"normalized", true}});
  EXPECT_EQ(ids_of(json, "axyb"), (Ids{0, 102, 1}));
}

// Ids by tokenizers 0.22: flags widen a match after all have been found, so white space that is a token stays one.
TEST(AddedTokens, WhiteSpaceThatIsATokenStaysOneBesideStrip) {
  Json json = with_added(R"(,"rstrip":true)");
  json["added_tokens"].push_back({{"id", 101}, {"content", "\n"}});
  json["added_tokens"].push_back({{"id", 102}, {"content", "  "}});
  EXPECT_EQ(ids_of(json, "axy\nb"), (Ids{0, 100, 101, 1}));
  EXPECT_EQ(ids_of(json, "axy  b"), (Ids{0, 100, 102, 1}));
  EXPECT_EQ(ids_of(json, "axy   b"), (Ids{0, 100, 102, 2, 1}));  // behind "  " the text goes on with its third space
  const auto tokens = tokenizer_of(json).encode_with_offsets("axy \n b", SpecialTokens::kNone);
  ASSERT_EQ(tokens.size(), 5u);
  EXPECT_EQ(tokens[1].end, 4u);
  EXPECT_EQ(tokens[2].begin, 4u);
  EXPECT_EQ(tokens[3].begin, 5u);
  json["added_tokens"][0] = parse_json(R"({"id": 100, "content": "xy", "lstrip": true})", "t");
  EXPECT_EQ(ids_of(json, "a\nxyb"), (Ids{0, 101, 100, 1}));
}

TEST(AddedTokens, StripFlagsTakeTheSpaceAround) {
  EXPECT_EQ(ids_of(with_added(R"(,"lstrip":true)"), "a  xy b"), (Ids{0, 100, 2, 1}));
  EXPECT_EQ(ids_of(with_added(R"(,"rstrip":true)"), "a xy  b"), (Ids{0, 2, 100, 1}));
  EXPECT_EQ(ids_of(with_added(R"(,"lstrip":true,"rstrip":true)"), "xy xy"), (Ids{100, 100}));
}

// White space that a token took by rstrip is not there for one with lstrip (tokenizers 0.23.3); without, it is (case
// 15).
TEST(AddedTokens, NoSpaceIsTakenTwice) {
  Json json = with_added(R"(,"rstrip":true)");
  json["added_tokens"].push_back(parse_json(R"({"id": 101, "content": "\n", "lstrip": true})", "t"));
  EXPECT_EQ(ids_of(json, "axy\nb"), (Ids{0, 100, 1}));
  EXPECT_EQ(ids_of(json, "axy \nb"), (Ids{0, 100, 1}));
  EXPECT_EQ(ids_of(json, "a\nb"), (Ids{0, 101, 1}));
  json["added_tokens"][1]["rstrip"] = true;
  EXPECT_EQ(ids_of(json, "a \n\n \n b"), (Ids{0, 101, 1}));
  json["added_tokens"][1]["lstrip"] = json["added_tokens"][1]["rstrip"] = false;
  EXPECT_EQ(ids_of(json, "axy\nb"), (Ids{0, 100, 101, 1}));
}

TEST(AddedTokens, NormalizedOnesAreFoundInTheNormalizedText) {
  Json json = with_added(R"(,"normalized":true)");
  json["normalizer"] = {{"type", "Lowercase"}};
  EXPECT_EQ(ids_of(json, "aXYb"), (Ids{0, 100, 1}));
  json["added_tokens"][0]["normalized"] = false;
  EXPECT_EQ(ids_of(json, "aXYb"), (Ids{0, 3, 4, 1}));
  EXPECT_EQ(ids_of(json, "axyb"), (Ids{0, 100, 1}));
}

TEST(PostProcessor, TemplateTokensAreAddedOnRequest) {
  const Tokenizer tokenizer = tokenizer_of(with_template());
  EXPECT_EQ(tokenizer.encode("a", SpecialTokens::kNone), Ids{'a'});
  EXPECT_EQ(tokenizer.encode("a", SpecialTokens::kAdd), (Ids{259, 'a', 259}));
  EXPECT_EQ(tokenizer.encode("", SpecialTokens::kAdd), (Ids{259, 259}));
  const auto tokens = tokenizer.encode_with_offsets("a", SpecialTokens::kAdd);
  EXPECT_EQ(tokens[0].end, 0u);
  EXPECT_EQ(tokens[2].begin, 1u);
  EXPECT_EQ(tokens[2].end, 1u);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.bos_id(), 259);
  EXPECT_EQ(tokenizer.eos_id(), 259);
}

TEST(Tokenizer, DecodeLeavesOutSpecialTokensOnRequest) {
  const Tokenizer tokenizer = tokenizer_of(byte_level_json());
  EXPECT_EQ(tokenizer.decode({259, 258, 'a'}, SpecialTokens::kNone), " thea");
  EXPECT_EQ(tokenizer.decode({259, 258, 'a'}, SpecialTokens::kAdd), "<s> thea");
  EXPECT_EQ(tokenizer.decode({0xC3}, SpecialTokens::kNone), "\uFFFD");
  EXPECT_NE(message_of([&] { tokenizer.decode({260}, SpecialTokens::kNone); }).find("id 260"), std::string::npos);
  EXPECT_NE(message_of([&] { tokenizer.decode({-1}, SpecialTokens::kNone); }).find("id -1"), std::string::npos);
}

TEST(Tokenizer, WithoutDecoderTokensAreJoinedBySpaces) {
  Json json = letters_json("ab");
  json["decoder"] = nullptr;
  EXPECT_EQ(tokenizer_of(json).decode({0, 1}, SpecialTokens::kNone), "a b");
}

TEST(Tokenizer, TokenTextKeepsItsLeadingSpace) {
  EXPECT_EQ(tokenizer_of(byte_level_json()).token_text(258), " the");
  Json json = letters_json("▁a");
  json["model"]["vocab"]["▁a"] = 2;
  json["decoder"] = {{"type", "Metaspace"}, {"replacement", "▁"}};
  EXPECT_EQ(tokenizer_of(json).token_text(2), " a");
  json["decoder"] = parse_json(R"({"type":"Sequence","decoders":[
      {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"Fuse"},
      {"type":"Strip","content":" ","start":1,"stop":0}]})",
                               "d");
  EXPECT_EQ(tokenizer_of(json).token_text(2), " a");
  EXPECT_EQ(tokenizer_of(json).decode({2}, SpecialTokens::kNone), "a");
}

TEST(Tokenizer, LooksUpTokensAsTheVocabularyWritesThem) {
  const Tokenizer tokenizer = tokenizer_of(byte_level_json());
  EXPECT_EQ(tokenizer.id_of("Ġthe"), 258);
  EXPECT_EQ(tokenizer.id_of("<s>"), 259);
  EXPECT_EQ(tokenizer.id_of(" the"), std::nullopt);
  EXPECT_EQ(tokenizer.vocab_size(), 260u);
}

size_t position_of(const std::string& text, size_t byte) {
  const auto tokens = tokenizer_of(byte_level_json()).encode_with_offsets(text, SpecialTokens::kNone);
  return token_at_byte(tokens, text, byte, "d.jsonl:3");
}

TEST(TokenAtByte, MayHaveOnlyWhiteSpaceBeforeTheByte) {
  EXPECT_EQ(position_of("a the", 0), 0u);
  EXPECT_EQ(position_of("a the", 2), 1u);  // " the" is one token from byte 1
  EXPECT_EQ(position_of("a the", 1), 1u);
  EXPECT_EQ(position_of("a the", 5), 2u);
  EXPECT_EQ(position_of("", 0), 0u);
}

TEST(TokenAtByte, RefusesTheMiddleOfATokenOrCharacter) {
  EXPECT_NE(message_of([] { position_of("a the", 3); }).find("[d.jsonl:3] byte 3: it is inside token 1 (' the')"),
            std::string::npos);
  EXPECT_NE(message_of([] { position_of("é", 1); }).find("inside a character"), std::string::npos);
  EXPECT_NE(message_of([] { position_of("a", 2); }).find("only 1 bytes"), std::string::npos);
}

TEST(TokenAtByte, SkipsAPrefixThatIsNotInTheText) {
  Json json = letters_json("▁ab");
  json["normalizer"] = {{"type", "Prepend"}, {"prepend", "▁"}};
  const auto tokens = tokenizer_of(json).encode_with_offsets("ab", SpecialTokens::kNone);
  EXPECT_EQ(tokens.size(), 3u);
  EXPECT_EQ(token_at_byte(tokens, "ab", 0, "d"), 1u);
}

}  // namespace
}  // namespace circuit
