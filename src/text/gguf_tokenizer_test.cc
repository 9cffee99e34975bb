#include "text/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf_testing.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kFolder = CIRCUIT_SOURCE_DIR "/tests/gguf/";

class GgufTokenizers : public testing::TestWithParam<const char*> {};

// tools/gguf_tokenizers.py: ids by the libraries tokenizers and sentencepiece.
TEST_P(GgufTokenizers, EncodeAsTheLibrariesTheyComeFrom) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder + std::string(GetParam()) + ".gguf");
  const Json reference = read_json(kFolder + std::string(GetParam()) + ".json");
  ASSERT_GT(reference["texts"].size(), 20U);
  for (size_t i = 0; i < reference["texts"].size(); ++i) {
    const auto text = reference["texts"][i].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text, SpecialTokens::kNone), reference["ids"][i].get<std::vector<int64_t>>()) << text;
  }
}

TEST_P(GgufTokenizers, DecodeToTheText) {
  const Tokenizer tokenizer = Tokenizer::load(kFolder + std::string(GetParam()) + ".gguf");
  const std::string text = "The keys to the cabinet, 北京 in 1984.";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, SpecialTokens::kNone), SpecialTokens::kAdd), text);
}

// What an export writes is what was read.
TEST_P(GgufTokenizers, AreTheTokenizerJsonMadeOfThem) {
  const std::string path = kFolder + std::string(GetParam()) + ".gguf";
  const MappedFile file(path);
  const std::string json = gguf_tokenizer_json(GgufHeader::parse(file.text(), path)).dump();
  const Tokenizer direct = Tokenizer::load(path);
  const Tokenizer written(read_tokenizer_json(json, "tokenizer.json"));
  const Json reference = read_json(kFolder + std::string(GetParam()) + ".json");
  for (const Json& text : reference["texts"]) {
    EXPECT_EQ(direct.encode(text.get<std::string>(), SpecialTokens::kAdd),
              written.encode(text.get<std::string>(), SpecialTokens::kAdd));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GgufTokenizers, testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2", "llama"));

class GgufFolder : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string write(const GgufBuilder& builder) const {
    write_file(path_, builder.bytes());
    return path_;
  }
  std::string refusal(const GgufBuilder& builder) const {
    try {
      Tokenizer::load(write(builder));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  static GgufBuilder byte_level(const std::string& pre = "gpt-2") {
    GgufBuilder builder;
    builder.text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<|x|>"});
    builder.texts("tokenizer.ggml.merges", {"a b"});
    if (!pre.empty()) builder.text("tokenizer.ggml.pre", pre);
    return builder;
  }
  const fs::path folder_ = fs::temp_directory_path() / ("circuit-gguf-text-" + std::to_string(getpid()));
  const std::string path_ = (folder_ / "m.gguf").string();
};

TEST_F(GgufFolder, ControlTokensAreFoundWholeAndSpecial) {
  const Tokenizer tokenizer = Tokenizer::load(write(
      byte_level().integers("tokenizer.ggml.token_type", {1, 1, 1, 3}).natural("tokenizer.ggml.eos_token_id", 3)));
  EXPECT_THAT(tokenizer.encode("ab<|x|>b", SpecialTokens::kNone), ElementsAre(2, 3, 1));
  EXPECT_TRUE(tokenizer.is_special(3));
  EXPECT_EQ(tokenizer.eos_id(), 3);
  EXPECT_EQ(tokenizer.bos_id(), std::nullopt);
}

TEST_F(GgufFolder, BeginAndEndTokensStandWhereTheFlagsSay) {
  auto builder = byte_level();
  builder.natural("tokenizer.ggml.bos_token_id", 3).natural("tokenizer.ggml.eos_token_id", 2);
  EXPECT_THAT(Tokenizer::load(write(builder)).encode("a", SpecialTokens::kAdd), ElementsAre(0));
  builder.flag("tokenizer.ggml.add_bos_token", true).flag("tokenizer.ggml.add_eos_token", true);
  EXPECT_THAT(Tokenizer::load(write(builder)).encode("a", SpecialTokens::kAdd), ElementsAre(3, 0, 2));
  // Llama 3's begins with one unless it is told not to.
  auto llama3 = byte_level("llama-bpe").natural("tokenizer.ggml.bos_token_id", 3);
  EXPECT_THAT(Tokenizer::load(write(llama3)).encode("a", SpecialTokens::kAdd), ElementsAre(3, 0));
  llama3.flag("tokenizer.ggml.add_bos_token", false);
  EXPECT_THAT(Tokenizer::load(write(llama3)).encode("a", SpecialTokens::kAdd), ElementsAre(0));
}

TEST_F(GgufFolder, TheOnlyFileOfAFolderIsItsTokenizer) {
  write(byte_level());
  EXPECT_THAT(Tokenizer::load(folder_.string()).encode("ab", SpecialTokens::kNone), ElementsAre(2));
}

TEST_F(GgufFolder, RefusesByKey) {
  EXPECT_THAT(refusal(byte_level("")), HasSubstr("tokenizer.ggml.pre: is missing"));
  EXPECT_THAT(refusal(byte_level("tekken")), HasSubstr("tokenizer.ggml.pre: 'tekken' is not read. Read are gpt-2"));
  EXPECT_THAT(refusal(GgufBuilder()), HasSubstr("tokenizer.ggml.model: is missing"));
  EXPECT_THAT(refusal(GgufBuilder().text("tokenizer.ggml.model", "t5")), HasSubstr("expected gpt2 or llama"));
  EXPECT_THAT(refusal(byte_level().integers("tokenizer.ggml.token_type", {1})),
              HasSubstr("tokenizer.ggml.token_type: has 1 elements, expected 4"));
  EXPECT_THAT(refusal(byte_level().natural("tokenizer.ggml.eos_token_id", 4)),
              HasSubstr("tokenizer.ggml.eos_token_id: found 4, but there are 4 tokens"));
  EXPECT_THAT(refusal(byte_level().flag("tokenizer.ggml.add_bos_token", true)),
              HasSubstr("tokenizer.ggml.add_bos_token: is true, but"));
  GgufBuilder twice;
  twice.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {"a", "a"});
  EXPECT_THAT(refusal(twice), HasSubstr("tokenizer.ggml.tokens[1]: 'a' stands there twice"));
  GgufBuilder scores;
  scores.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {"a", "b"});
  scores.numbers("tokenizer.ggml.scores", {0});
  EXPECT_THAT(refusal(scores), HasSubstr("tokenizer.ggml.scores: has 1 elements, expected 2"));
}

TEST_F(GgufFolder, ChatTemplateComesFromTheMetadata) {
  const std::string form =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
      "'\n'}}{% endfor %}";
  write(byte_level().text("tokenizer.chat_template", form));
  const std::vector<ChatMessage> question{{Role::kUser, "ab"}};
  EXPECT_EQ(
      load_chat_template(path_, Tokenizer::load(path_)).render(question, GenerationPrompt::kNo, std::nullopt).text,
      "<|im_start|>user\nab<|im_end|>\n");
  write(byte_level());
  try {
    load_chat_template(path_, Tokenizer::load(path_));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("tokenizer.chat_template: is missing"));
  }
}

}  // namespace
}  // namespace circuit
