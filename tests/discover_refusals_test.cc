// What stops a score that would mean nothing, and a plan of memory that does not fit.
#include <gmock/gmock.h>

#include <cstring>
#include <limits>
#include <regex>

#include "tests/finer.h"

namespace circuit {
namespace {

TEST_F(Finer, ScoresThatAreAllZeroStopTheRun) {
  write_file(data_,
             "{\"text_ids\": [1, 2, 3], \"counterfactual_ids\": [1, 2, 3], \"readouts\": [{\"correct_id\": 6, "
             "\"wrong_id\": 7}]}\n");
  refuses({}, {"every score is zero"});
}

// Without positions, and where only layer 0 moves tokens, the order of the first two tokens does not matter
// to the third: edges have scores all the same, which cancel.
TEST_F(Finer, AMetricThatTheCounterfactualDoesNotMoveStopsTheRun) {
  constexpr float kSmall = 1e-3F;  // of the logits, so that rounding is far below what counts as a shift
  TinyModel model = make_tiny_model({"gpt2", false});
  const auto scale = [&](const std::string& name, float factor) {
    std::string& bytes = model.tensor(name).bytes;
    for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, bytes.data() + at, sizeof value);
      value *= factor;
      std::memcpy(bytes.data() + at, &value, sizeof value);
    }
  };
  scale("transformer.wpe.weight", 0);
  scale("transformer.h.1.attn.c_proj.weight", 0);
  scale("lm_head.weight", kSmall);
  write_tiny_model(gpt2_, model);
  write_file(data_,
             "{\"text_ids\": [1, 2, 3], \"counterfactual_ids\": [2, 1, 3], \"readouts\": [{\"correct_id\": 6, "
             "\"wrong_id\": 7}]}\n");
  for (const char* method : {"eap", "eap-ig-inputs", "eap-ig-activations", "relp", "gim"}) {
    refuses({"--method", method}, {"logit_diff", "the same on every text and its counterfactual"});
  }
  // By another ablation there is something to attribute.
  discover(gpt2_, {"--ablation", "zero"});
}

TEST_F(Finer, ValuesThatAreNotFiniteStopTheRun) {
  TinyModel model = make_tiny_model(TinySpec());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(model.tensor("transformer.h.1.mlp.c_proj.bias").bytes.data(), &nan, sizeof nan);
  write_tiny_model(gpt2_, model);
  refuses({}, {"not finite"});
}

TEST_F(Finer, KlIsRefusedWhereItsGradientIsZero) {
  for (const char* method : {"eap", "relp", "gim"})
    refuses({"--metric", "kl", "--method", method}, {"kl", "eap-ig-inputs"});
}

TEST_F(Finer, LogProbAndKlNeedNoWrongAnswer) {
  std::string records = tiny_records(9, 4);
  records = std::regex_replace(records, std::regex(R"re(,"wrong_id":\d+)re"), "");
  ASSERT_EQ(records.find("wrong"), std::string::npos);
  write_file(data_, records);
  discover(gpt2_, {"--metric", "log_prob"});
  EXPECT_TRUE(evaluate(gpt2_, out_, {"--metric", "log_prob"})["circuit"].is_number());
  for (const char* method : {"eap-ig-inputs", "eap-ig-activations", "exact"})
    discover(gpt2_, {"--metric", "kl", "--method", method});
  EXPECT_NEAR(evaluate(gpt2_, out_, {"--metric", "kl"})["full"].get<double>(), 0, kRounding);
  refuses({}, {"data.jsonl:1", "wrong"});
}

// Memory

TEST_F(Finer, MemoryIsPlannedOnStderrAndBatchesShrinkToStayInside) {
  const ProgramResult ample = run_program(command(gpt2_, {"--json", "--threads", "1"}));
  EXPECT_THAT(ample.err, testing::HasSubstr("memory: "));
  EXPECT_THAT(ample.err, testing::Not(testing::HasSubstr("instead of")));
  EXPECT_FALSE(parse_json(ample.out, "stdout").is_null());
  const Json expected = read_json(out_)["edges"];
  EXPECT_EQ(run_quiet(command(gpt2_, {})).err, "");

  refuses({"--memory", "1KiB"}, {"--memory", "--max-length", "10 tokens"});
  // A little more than what the error says that one record takes holds no batch of sixteen.
  constexpr double kRounded = 1.02;
  const std::string refused = run_quiet(command(gpt2_, {"--memory", "1KiB"})).err;
  std::smatch found;
  ASSERT_TRUE(std::regex_search(refused, found, std::regex(R"(takes about ([0-9.]+) ([KM])iB)"))) << refused;
  const double bytes = kRounded * std::stod(found[1]) * (found[2] == "K" ? 1 << 10 : 1 << 20);
  const ProgramResult tight =
      run_program(command(gpt2_, {"--threads", "1", "--memory", std::to_string(static_cast<int64_t>(bytes))}));
  ASSERT_EQ(tight.exit_code, 0) << tight.err;
  EXPECT_THAT(tight.err, testing::HasSubstr("instead of 16"));
  const Json found_again = read_json(out_);  // items() of a temporary would outlive it
  for (const auto& [name, edge] : found_again["edges"].items()) {
    EXPECT_NEAR(edge["score"].get<double>(), expected[name]["score"].get<double>(), kRounding) << name;
  }
}

}  // namespace
}  // namespace circuit
