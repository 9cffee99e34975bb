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
    for (const Example& e : read_text_windows(folder_ + "/text.txt", tokenizer_, architecture_, window)) {
      texts.push_back(tokenizer_.get().decode(e.ids, SpecialTokens::kAdd));
      EXPECT_EQ(e.first_target, 1);
    }
    return texts;
  }
  std::string folder_ = testing::TempDir() + "/circuit_windows_" + std::to_string(getpid());
  LazyTokenizer tokenizer_{folder_};
  Architecture architecture_;
};

TEST_F(TextWindows, OverlapByOneSoThatEveryTokenIsPredictedOnce) {
  EXPECT_THAT(windows("abcdefgh", 4), ElementsAre("abcd", "defg", "gh"));
  EXPECT_THAT(windows("abcdefg", 4), ElementsAre("abcd", "defg"));
  EXPECT_THAT(windows("abcdefgh", 0), ElementsAre("abcdefgh"));
}

TEST_F(TextWindows, DoNotCrossTheEndOfADocument) {
  EXPECT_THAT(windows("abcde<end>xy<end>z<end>", 4), ElementsAre("abcd", "de", "xy"));
}

TEST_F(TextWindows, RefusesWhatLeavesNothing) {
  EXPECT_THROW(windows("a<end>b", 4), Error);
  EXPECT_THROW(windows("abc", 9), Error);
  EXPECT_THROW(windows("abc", 1), Error);
}

}  // namespace
}  // namespace circuit
