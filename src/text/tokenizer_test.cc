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

Ids ids_of(const Json& json, const std::string& text, SpecialTokens special = SpecialTokens::kNone) {
  return tokenizer_of(json).encode(text, special);
}

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

TEST(AddedTokens, NormalizedOnesAreFoundInTheNormalizedText) {
  Json json = with_added(R"(,"normalized":true)");
  json["normalizer"] = {{"type", "Lowercase"}};
  EXPECT_EQ(ids_of(json, "aXYb"), (Ids{0, 100, 1}));
  json["added_tokens"][0]["normalized"] = false;
  EXPECT_EQ(ids_of(json, "aXYb"), (Ids{0, 3, 4, 1}));
  EXPECT_EQ(ids_of(json, "axyb"), (Ids{0, 100, 1}));
}

Json with_template() {
  Json json = byte_level_json();
  json["post_processor"] = parse_json(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},
      {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
      {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<s>","type_id":0}}],"pair":[],
      "special_tokens":{"<s>":{"id":"<s>","ids":[259],"tokens":["<s>"]}}}]})",
                                      "post");
  return json;
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

class TokenizerFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("circuit-text-test-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& content) const {
    write_file((folder_ / name).string(), content);
  }
  // byte_level_json() as vocab.json and merges.txt, with <|endoftext|> 259 in place of <s>.
  void write_vocab_and_merges() const {
    Json vocab = byte_level_json()["model"]["vocab"];
    vocab["<|endoftext|>"] = 259;
    write("vocab.json", vocab.dump());
    write("merges.txt", "#version: 0.2\nh e\nĠ t\r\nĠt he\n");
  }
  Tokenizer load() const { return Tokenizer::load(folder_.string()); }
  std::string load_error() const {
    return message_of([this] { load(); });
  }
  fs::path folder_;
};

TEST_F(TokenizerFolder, VocabAndMergesAloneAreGpt2) {
  write_vocab_and_merges();
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.encode(" the<|endoftext|>", SpecialTokens::kAdd), (Ids{258, 259}));
  EXPECT_EQ(tokenizer.bos_id(), 259);
  EXPECT_EQ(tokenizer.decode({258, 259}, SpecialTokens::kNone), " the");
}

TEST_F(TokenizerFolder, ClassPicksPatternAndNormaliser) {
  write_vocab_and_merges();
  const std::string decomposed = "e\u0301";
  EXPECT_EQ(load().encode(decomposed, SpecialTokens::kNone).size(), 3u);
  write("tokenizer_config.json", R"({"tokenizer_class":"Qwen2TokenizerFast"})");
  EXPECT_EQ(load().encode(decomposed, SpecialTokens::kNone), (Ids{0xC3, 0xA9}));
  EXPECT_EQ(load().bos_id(), std::nullopt);
  EXPECT_EQ(load().eos_id(), 259);
  write("tokenizer_config.json", R"({"tokenizer_class":"GPTNeoXTokenizer"})");
  EXPECT_EQ(load().encode(decomposed, SpecialTokens::kNone), (Ids{0xC3, 0xA9}));
  write("tokenizer_config.json", R"({"tokenizer_class":"LlamaTokenizer"})");
  EXPECT_NE(load_error().find("tokenizer_class: found 'LlamaTokenizer'"), std::string::npos);
}

TEST_F(TokenizerFolder, ConfigAddsBeginAndEndTokens) {
  write_vocab_and_merges();
  write("tokenizer_config.json", R"({"add_bos_token":true,"add_eos_token":true,"add_prefix_space":true})");
  EXPECT_EQ(load().encode("the", SpecialTokens::kAdd), (Ids{259, 258, 259}));
  EXPECT_TRUE(load().adds_bos());
}

TEST_F(TokenizerFolder, AddedTokensComeFromAllThreeFiles) {
  write_vocab_and_merges();
  write("added_tokens.json", R"({"<a>":300,"<b>":301,"<c>":302})");
  write("special_tokens_map.json", R"({"additional_special_tokens":["<b>"],"pad_token":{"content":"<a>"}})");
  write("tokenizer_config.json", R"({"added_tokens_decoder":{"302":{"content":"<c>","rstrip":true}},
                                     "eos_token":{"content":"<c>"}})");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.encode("<c>  <b>x<a>", SpecialTokens::kNone), (Ids{302, 301, 'x', 300}));
  EXPECT_EQ(tokenizer.decode({300, 301, 302, 'x'}, SpecialTokens::kNone), "x");
  EXPECT_EQ(tokenizer.eos_id(), 302);
  EXPECT_EQ(tokenizer.vocab_size(), 303u);
}

TEST_F(TokenizerFolder, BeginAndEndTokensOfTheConfigReplaceTheTemplate) {
  const auto around = [&](const std::string& config) {
    write("tokenizer_config.json", config);
    return load().encode("a", SpecialTokens::kAdd);
  };
  write("tokenizer.json", with_template().dump());  // <s> before and after
  EXPECT_EQ(around(R"({"bos_token":"<s>"})"), (Ids{259, 'a', 259}));
  EXPECT_EQ(around(R"({"add_bos_token":false,"bos_token":"<s>"})"), Ids{'a'});
  EXPECT_EQ(around(R"({"add_bos_token":null,"bos_token":"<s>"})"), Ids{'a'});
  EXPECT_EQ(around(R"({"add_bos_token":true,"bos_token":"<s>"})"), (Ids{259, 'a'}));
  EXPECT_EQ(around(R"({"add_eos_token":true,"eos_token":"Ġthe"})"), (Ids{'a', 258}));
  EXPECT_EQ(around(R"({"add_bos_token":true,"bos_token":"he"})"), (Ids{256, 'a'}));
  Json two = with_template();
  Json& single = two["post_processor"]["processors"][1]["single"];
  single.insert(single.begin() + 1, single[0]);
  write("tokenizer.json", two.dump());
  EXPECT_EQ(around(R"({"add_bos_token":true,"bos_token":"<s>"})"), (Ids{259, 259, 'a'}));
  write("tokenizer.json", byte_level_json().dump());
  EXPECT_EQ(around(R"({"add_bos_token":true,"bos_token":"<s>"})"), (Ids{259, 'a'}));
}

TEST_F(TokenizerFolder, SomeClassesSetBeginAndEndTokensThemselves) {
  const auto around = [&](const std::string& config) {
    write("tokenizer_config.json", config);
    return load().encode("a", SpecialTokens::kAdd);
  };
  write("tokenizer.json", with_template().dump());
  EXPECT_EQ(around(R"({"tokenizer_class":"LlamaTokenizer"})"), (Ids{259, 'a'}));
  EXPECT_EQ(around(R"({"tokenizer_class":"LlamaTokenizerFast","add_eos_token":true,"eos_token":"he"})"),
            (Ids{259, 'a', 256}));
  EXPECT_EQ(around(R"({"tokenizer_class":"GPTNeoXTokenizer"})"), Ids{'a'});
  write("tokenizer_config.json", R"({"tokenizer_class":"GemmaTokenizer"})");
  EXPECT_NE(load_error().find("add_bos_token: true (the default of GemmaTokenizer)"), std::string::npos);
}

TEST_F(TokenizerFolder, PrefixSpaceIsTheConfigs) {
  Json json = byte_level_json();
  const auto ids = [&](const std::string& config, bool of_json) {
    json["pre_tokenizer"]["add_prefix_space"] = of_json;
    write("tokenizer.json", json.dump());
    write("tokenizer_config.json", config);
    return load().encode("the", SpecialTokens::kNone);
  };
  EXPECT_EQ(ids(R"({"add_prefix_space":true})", false), Ids{258});
  EXPECT_EQ(ids(R"({"add_prefix_space":false})", true), (Ids{'t', 256}));
  EXPECT_EQ(ids(R"({"tokenizer_class":"GPT2Tokenizer"})", true), (Ids{'t', 256}));
  EXPECT_EQ(ids(R"({"tokenizer_class":"LlamaTokenizer"})", true), Ids{258});
  const std::string alone = (folder_ / "tokenizer.json").string();
  EXPECT_EQ(Tokenizer::load(alone).encode("the", SpecialTokens::kNone), Ids{258});
  // Told so, LlamaTokenizer drops the space that its own kinds of file put before a text (transformers 5).
  const auto letters = [&](const char* key, const Json& step, const std::string& config) {
    Json spaced = letters_json("▁a");
    spaced[key] = step;
    write("tokenizer.json", spaced.dump());
    write("tokenizer_config.json", R"({"tokenizer_class":"LlamaTokenizer","add_bos_token":false)" + config + "}");
    return load().encode("a", SpecialTokens::kNone);
  };
  const Json metaspace = {{"type", "Metaspace"}, {"prepend_scheme", "first"}};
  const Json prepend = {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}}}};
  for (const auto& [key, step] : {std::pair{"pre_tokenizer", metaspace}, std::pair{"normalizer", prepend}}) {
    EXPECT_EQ(letters(key, step, ""), (Ids{0, 1}));
    EXPECT_EQ(letters(key, step, R"(,"add_prefix_space":true)"), (Ids{0, 1}));
    EXPECT_EQ(letters(key, step, R"(,"add_prefix_space":null)"), (Ids{0, 1}));
    EXPECT_EQ(letters(key, step, R"(,"add_prefix_space":false)"), Ids{1});
  }
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", Json::array({json["pre_tokenizer"]})}};
  write("tokenizer.json", json.dump());
  write("tokenizer_config.json", R"({"add_prefix_space":false})");
  EXPECT_EQ(load().encode("the", SpecialTokens::kNone), Ids{258});
}

TEST_F(TokenizerFolder, ErrorsNameTheFile) {
  EXPECT_NE(load_error().find("expected tokenizer.json, or vocab.json and merges.txt"), std::string::npos);
  write_vocab_and_merges();
  write("merges.txt", "h e\nbroken\n");
  EXPECT_NE(load_error().find("merges.txt:2] found 'broken'"), std::string::npos);
  write("merges.txt", "h x\n");
  EXPECT_NE(load_error().find("merges.txt] merges[0]: 'hx'"), std::string::npos);
  write("merges.txt", "\xFF a\n");
  EXPECT_NE(load_error().find("merges.txt] invalid UTF-8"), std::string::npos);
  write_vocab_and_merges();
  write("added_tokens.json", R"({"<a>":"x"})");
  EXPECT_NE(load_error().find("added_tokens.json] '<a>': found a string"), std::string::npos);
  write("added_tokens.json", R"({"<a>":3})");
  EXPECT_NE(load_error().find("which the vocabulary gives to"), std::string::npos);
  write("added_tokens.json", "{}");
  write("tokenizer_config.json", R"({"added_tokens_decoder":{"x":{"content":"<a>"}}})");
  EXPECT_NE(load_error().find("added_tokens_decoder: found key 'x'"), std::string::npos);
  write("tokenizer_config.json", R"({"bos_token":7})");
  EXPECT_NE(load_error().find("tokenizer_config.json:bos_token] found a number"), std::string::npos);
  write("tokenizer_config.json", R"({"add_bos_token":true,"bos_token":"<none>"})");
  EXPECT_NE(load_error().find("add_bos_token"), std::string::npos);
}

}  // namespace
}  // namespace circuit
