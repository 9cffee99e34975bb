// Published and independently computed answers of the models in ../shared/data, through the program.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "io/files.h"
#include "io/json.h"
#include "tests/program.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

class KnownAnswers : public testing::Test {
 protected:
  void SetUp() override {
    if (fs::exists(models_)) return;
    std::cout << "../shared/data is absent: known answers are not tested\n";
    GTEST_SKIP();
  }
  std::string model(const std::string& name) const { return (models_ / name).string(); }
  const fs::path models_ = fs::path(CIRCUIT_SOURCE_DIR) / "../shared/data/models";
};

TEST_F(KnownAnswers, Stories260KContinuesAsItsAuthorsProgramDoes) {
  const Json expected = read_json(model("stories260K/expected_greedy_200.json"))["greedy_ids"];
  const std::string tokens = std::to_string(expected.size() - 1);  // the begin token is the prompt
  const ProgramResult result =
      run_quiet({"generate", model("stories260K"), "--prompt", "", "--max-tokens", tokens, "--ignore-eos", "--ids"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(parse_json(result.out, "stdout"), expected);
}

TEST_F(KnownAnswers, Books4lContinuesAsItsReferenceDoes) {
  const Json expected = read_json(model("books-4l/expected_greedy_40.json"));
  const auto tokens = static_cast<int64_t>(expected["greedy_ids"].size() - expected["prompt_ids"].size());
  const ProgramResult result =
      run_quiet({"generate", model("books-4l"), "--prompt", expected["prompt"].get<std::string>(), "--max-tokens",
                 std::to_string(tokens), "--bos", "never", "--ids"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(parse_json(result.out, "stdout"), expected["greedy_ids"]);
}

TEST_F(KnownAnswers, Slm4096ScoresItsCorpusAsPublished) {
  constexpr double kNats = 0.083568;     // windows of 128 that overlap by one
  constexpr double kLastDigit = 0.5e-6;  // as published
  const ProgramResult result =
      run_quiet({"score", model("slm-4096"), model("slm-4096/corpus.txt"), "--window", "128", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json score = parse_json(result.out, "stdout")[0];
  EXPECT_NEAR(score["nats_per_token"].get<double>(), kNats, kLastDigit);
  EXPECT_EQ(score["bytes"], 4096);
}

}  // namespace
}  // namespace circuit
