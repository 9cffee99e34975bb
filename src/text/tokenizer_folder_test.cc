// A tokenizer from the files of a model directory.
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
