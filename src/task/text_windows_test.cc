#include "task/text_windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "text/testing.h"

namespace circuit {
namespace {

using testing::ElementsAre;

// One token a byte, and <end>.
class TextWindows : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    Json tokenizer = byte_level_json();
    tokenizer["added_tokens"].push_back({{"id", 300}, {"content", "<end>"}, {"special", true}});
    write_file(folder_ + "/tokenizer.json", tokenizer.dump());
    architecture_.n_positions = 8;
    architecture_.eos_ids = {300};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::vector<std::string> windows(const std::string& text, int64_t window) {
    write_file(folder_ + "/text.txt", text);
    std::vector<std::string> texts;
    for (const Example& e : read_text_windows(folder_ + "/text.txt", tokenizer_, architecture_, window, begin_)) {
      texts.push_back(tokenizer_.get().decode(e.ids, SpecialTokens::kAdd));
      targets_.push_back(e.first_target);
    }
    return texts;
  }
  std::string folder_ = testing::TempDir() + "/circuit_windows_" + std::to_string(getpid());
  LazyTokenizer tokenizer_{folder_};
  Architecture architecture_;
  BeginToken begin_ = BeginToken::kAuto;
  std::vector<int64_t> targets_;  // first ones, of all windows so far
};

TEST_F(TextWindows, OverlapByOneSoThatEveryTokenIsPredictedOnce) {
  EXPECT_THAT(windows("abcdefgh", 4), ElementsAre("abcd", "defg", "gh"));
  EXPECT_THAT(windows("abcdefg", 4), ElementsAre("abcd", "defg"));
  EXPECT_THAT(windows("abcdefgh", 0), ElementsAre("abcdefgh"));
}

TEST_F(TextWindows, DoNotCrossTheEndOfADocument) {
  EXPECT_THAT(windows("abcde<end>xy<end>z<end>", 4), ElementsAre("abcd", "de", "xy"));
  EXPECT_THAT(targets_, ElementsAre(1, 1, 1));
}

TEST_F(TextWindows, BeginADocumentWithTheTokensOfThePostProcessor) {
  Json tokenizer = parse_json(read_file(folder_ + "/tokenizer.json"), "t");
  tokenizer["post_processor"] = parse_json(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
      {"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"pair":[],
      "special_tokens":{"<s>":{"id":"<s>","ids":[259],"tokens":["<s>"]}}})",
                                           "post");
  write_file(folder_ + "/tokenizer.json", tokenizer.dump());
  EXPECT_THAT(windows("abc<end>x<end>", 4), ElementsAre("<s><s>ab", "bc", "<s><s>x"));
  EXPECT_THAT(targets_, ElementsAre(2, 1, 2));
  EXPECT_THROW(windows("abc", 2), Error);
  begin_ = BeginToken::kNever;
  EXPECT_THAT(windows("abc", 4), ElementsAre("abc"));
}

TEST_F(TextWindows, AreOfTextWithoutItsMark) {
  EXPECT_THAT(windows("\xEF\xBB\xBF"
                      "abc",
                      4),
              ElementsAre("abc"));
}

TEST_F(TextWindows, AreOfNoRecords) {
  EXPECT_THROW(windows("{\"text\": \"abc\", \"readouts\": []}\n", 4), Error);
  EXPECT_THROW(windows("\n{\"good\": \"a\", \"bad\": \"b\"}", 4), Error);
}

TEST_F(TextWindows, RefusesWhatLeavesNothing) {
  EXPECT_THROW(windows("a<end>b", 4), Error);
  EXPECT_THROW(windows("abc", 9), Error);
  EXPECT_THROW(windows("abc", 1), Error);
}

}  // namespace
}  // namespace circuit
