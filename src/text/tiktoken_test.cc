// Files of tiktoken, held against the package tiktoken (0.13): tests/tiktoken has the first 1,200 tokens of books-4l as
// ranks, and texts with the ids that tiktoken gives them under Llama 3's pattern.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "text/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string ranks_folder() {
  const char* larger = std::getenv("CIRCUIT_TIKTOKEN_CASES");
  return larger != nullptr ? larger : std::string(CIRCUIT_SOURCE_DIR) + "/tests/tiktoken";
}

TEST(Tiktoken, IdsAreThoseOfThePackage) {
  const Tokenizer tokenizer = Tokenizer::load(ranks_folder());
  const std::string file = ranks_folder() + "/cases.jsonl";
  int compared = 0;
  int different = 0;
  each_json_line(read_file(file), file, [&](const Json& line, const std::string& place) {
    const std::vector<int64_t> expected = line.at("ids");
    const std::vector<int64_t> ids = tokenizer.encode(line.at("text").get<std::string>(), SpecialTokens::kNone);
    ++compared;
    if (ids == expected) return;
    if (++different <= 5) ADD_FAILURE() << place << ": " << line.at("text").dump() << "\n  here " << Json(ids).dump();
  });
  EXPECT_EQ(different, 0);
  EXPECT_GE(compared, 150);
  fmt::print("{} texts, {} different\n", compared, different);
}

class TiktokenFolder : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string refusal(const std::string& ranks, const std::string& config = R"({"model_type": "llama"})") {
    write_file(folder_ + "/tokenizer.model", ranks);
    write_file(folder_ + "/config.json", config);
    return message_of([&] { Tokenizer::load(folder_); });
  }
  std::string folder_ = testing::TempDir() + "/circuit_tiktoken_" + std::to_string(getpid());
};

TEST_F(TiktokenFolder, BrokenFilesAreRefusedWithTheirLine) {
  EXPECT_THAT(refusal("YQ== 0\nYg== x\n"),
              HasSubstr("tokenizer.model:2] expected a token in base64, a space and its rank."));
  EXPECT_THAT(refusal("YQ== 0\nY=== 1\n"), HasSubstr("tokenizer.model:2]"));
  EXPECT_THAT(refusal("YQ== 0\nYg== 0\n"), HasSubstr("rank 0 is there twice"));
  EXPECT_THAT(refusal("YQ== 0\nYQ== 1\n"), HasSubstr("the token of rank 1 is there twice"));
  EXPECT_THAT(refusal("YQ== 0\nYg== 99999999999\n"), HasSubstr("tokenizer.model:2]"));
  EXPECT_THAT(refusal("YQ== 0\n", R"({"model_type": "phi3"})"), HasSubstr("model_type llama (Llama 3), not of 'phi3'"));
}

}  // namespace
}  // namespace circuit
