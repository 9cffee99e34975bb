// tokenizer.model held against the package sentencepiece (0.2), which trained the vocabularies of tests/sentencepiece
// and gave the ids: tools/sentencepiece_fixtures.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "text/sentencepiece_file.h"
#include "text/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

struct Compared {
  int texts = 0;
  int different = 0;
  std::string first;
};

Compared compare(const fs::path& folder) {
  const Tokenizer tokenizer = Tokenizer::load(folder.string());
  Compared compared;
  const std::string file = (folder / "cases.jsonl").string();
  each_json_line(read_file(file), file, [&](const Json& line, const std::string& place) {
    const std::string text = line.at("text");
    const std::vector<int64_t> expected = line.at("ids");
    const std::vector<Token> tokens = tokenizer.encode_with_offsets(text, SpecialTokens::kNone);
    std::vector<int64_t> ids;
    size_t at = 0;
    bool in_order = true;
    for (const Token& token : tokens) {
      ids.push_back(token.id);
      in_order = in_order && token.begin <= token.end && token.begin >= at && token.end <= text.size();
      at = token.begin;
    }
    ++compared.texts;
    if (ids == expected && in_order) return;
    if (++compared.different <= 5) {
      compared.first += fmt::format("{}: {}\n  here {}\n  expected {}\n", place, Json(text).dump(), Json(ids).dump(),
                                    Json(expected).dump());
    }
  });
  return compared;
}

fs::path vocabularies() { return fs::path(CIRCUIT_SOURCE_DIR) / "tests/sentencepiece"; }

TEST(SentencePiece, IdsAreThoseOfThePackage) {
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(vocabularies())) {
    if (!entry.is_directory()) continue;
    const Compared compared = compare(entry.path());
    EXPECT_EQ(compared.different, 0) << compared.first;
    EXPECT_GE(compared.texts, 150) << entry.path();
    ++folders;
  }
  EXPECT_EQ(folders, 4);
}

// CIRCUIT_SENTENCEPIECE_CASES names a folder of such folders.
TEST(SentencePiece, IdsOfALargerSetAreThoseOfThePackage) {
  const char* root = std::getenv("CIRCUIT_SENTENCEPIECE_CASES");
  if (root == nullptr) GTEST_SKIP() << "CIRCUIT_SENTENCEPIECE_CASES is not set";
  for (const auto& entry : fs::directory_iterator(root)) {
    const Compared compared = compare(entry.path());
    EXPECT_EQ(compared.different, 0) << compared.first;
    fmt::print("{}: {} texts, {} different\n", entry.path().filename().string(), compared.texts, compared.different);
  }
}

TEST(SentencePiece, TextComesBack) {
  const Tokenizer tokenizer = Tokenizer::load((vocabularies() / "bpe_bytes").string());
  const std::string text = "The  keys, naïve 日本語 🙂\n are";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, SpecialTokens::kNone), SpecialTokens::kNone), text);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_TRUE(tokenizer.is_special(1));
  EXPECT_FALSE(tokenizer.adds_bos());
}

class SentencePieceFolder : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    model_ = read_file((vocabularies() / "bpe_map/tokenizer.model").string());
  }
  void TearDown() override { fs::remove_all(folder_); }
  Tokenizer load(const std::string& config) {
    write_file(folder_ + "/tokenizer.model", model_);
    write_file(folder_ + "/tokenizer_config.json", config);
    return Tokenizer::load(folder_);
  }
  std::string folder_ = testing::TempDir() + "/circuit_sentencepiece_" + std::to_string(getpid());
  std::string model_;
};

TEST_F(SentencePieceFolder, TheClassPutsTheBeginToken) {
  EXPECT_EQ(load(R"({"tokenizer_class": "LlamaTokenizer"})").encode("", SpecialTokens::kAdd), std::vector<int64_t>{1});
  EXPECT_EQ(load(R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false})").ids_before().size(), 0u);
  EXPECT_THAT(
      message_of([&] { load(R"({"tokenizer_class": "XLMRobertaTokenizer"})"); }),
      HasSubstr(
          "tokenizer_config.json] tokenizer_class: 'XLMRobertaTokenizer' reads tokenizer.model in a way of its own"));
}

TEST_F(SentencePieceFolder, BehindAnAddedTokenStandsASpaceOnlyInTheLegacyForm) {
  const auto ids = [&](const char* config) { return load(config).encode("a</s>a", SpecialTokens::kNone); };
  const std::vector<int64_t> first = ids("{}");
  const std::vector<int64_t> always = ids(R"({"legacy": true})");
  EXPECT_EQ(first.front(), always.front());
  EXPECT_EQ(always.back(), always.front());
  EXPECT_NE(first.back(), first.front());
}

TEST_F(SentencePieceFolder, ACutOffFileIsRefused) {
  int refused = 0;
  for (size_t size = 0; size < model_.size(); size += 7) {
    try {
      read_sentencepiece_file(std::string_view(model_).substr(0, size), "m");
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_THAT(message_of([] { read_sentencepiece_file("", "m"); }), HasSubstr("[m] it has no pieces."));
  EXPECT_THAT(message_of([] { read_sentencepiece_file("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "m"); }),
              HasSubstr("[m] byte 10: the file ends inside a field"));
  EXPECT_THAT(message_of([] { read_sentencepiece_file("not a model", "m"); }), HasSubstr("[m]"));
}

}  // namespace
}  // namespace circuit
