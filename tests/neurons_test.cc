// circuit evaluate --neurons: sets of MLP channels that are run, through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/finer.h"

namespace circuit {
namespace {

constexpr double kWholeModel = 1e-4;  // shares of what rounding of two forwards leaves

class NeuronsRun : public Finer {
 protected:
  Json run(const std::string& model, const Arguments& more) const {
    Arguments arguments{"evaluate", model, data_, "--ablation", "mean", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "evaluate");
  }
  void refuses_neurons(const Arguments& more, const std::vector<std::string>& words, int code = kFailure) const {
    Arguments arguments{"evaluate", gpt2_, data_, "--ablation", "mean"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_refused(scratch_, arguments, words, code);
  }
  const std::string channels_ = scratch_ / "channels.safetensors";
  const std::string list_ = scratch_ / "neurons.json";
  static constexpr int64_t kChannels = kBlock * kBlocks;  // of each of two layers
};

TEST_F(NeuronsRun, TheStrongestAreThoseOfTheSameList) {
  for (const char* family : {"gpt2", "llama", "gemma3_text"}) {
    SCOPED_TRACE(family);
    const std::string model = tiny_model(family);
    discover(model, {"--channels", channels_, "--ablation", "mean"});
    const Floats scores = read_floats(channels_, "channel_scores");
    std::vector<int64_t> order(scores.values.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return std::fabs(scores.values[a]) > std::fabs(scores.values[b]); });
    Json list = Json::array();
    for (int64_t i = 0; i < 7; ++i) list.push_back({order[i] / kChannels, order[i] % kChannels});
    write_file(list_, Json{{"neurons", list}}.dump());
    const Json of_list = run(model, {"--neurons", list_});
    Json strongest = run(model, {"--neurons", channels_, "--top-neurons", "7"});
    EXPECT_EQ(strongest["neurons"], 7);
    EXPECT_EQ(strongest["neurons_all"], 2 * kChannels);
    EXPECT_EQ(strongest["circuit"], of_list["circuit"]);
    EXPECT_NE(strongest["circuit"], strongest["full"]);
    EXPECT_FALSE(of_list.contains("curve"));
  }
}

TEST_F(NeuronsRun, AllAreTheModelAndTheCurveEndsThere) {
  // Eight times one record: a random model moves the metric of different ones in different directions.
  const std::string record = tiny_records(1, 4);
  std::string text;
  for (int i = 0; i < 8; ++i) text += record;
  write_file(data_, text);
  discover(gpt2_, {"--channels", channels_, "--ablation", "mean"});
  const std::string every = std::to_string(2 * kChannels);
  const Json all = run(gpt2_, {"--neurons", channels_, "--top-neurons", every, "--neuron-draws", "2"});
  EXPECT_NEAR(all["circuit"].get<double>(), all["full"].get<double>(), kRounding);
  ASSERT_FALSE(all["faithfulness"].is_null());
  EXPECT_NEAR(all["faithfulness"].get<double>(), 1, kWholeModel);
  EXPECT_NEAR(all["completeness_gap"]["value"].get<double>(), 0, kWholeModel);
  EXPECT_EQ(all["random"]["draws"], 2);
  EXPECT_EQ(all["neurons_by_layer"], Json({kChannels, kChannels}));
  for (const char* line : {"magnitude", "signed", "random"}) {
    EXPECT_NEAR(all["curve"][line].back()["faithfulness"]["value"].get<double>(), 1, kWholeModel) << line;
  }
  const ProgramResult said =
      run_quiet({"evaluate", gpt2_, data_, "--ablation", "mean", "--neurons", channels_, "--top-neurons", "9"});
  for (const char* part : {"9 of 40 MLP channels", "completeness_gap", "random neurons", "above random", "share of"}) {
    EXPECT_THAT(said.out, testing::HasSubstr(part));
  }
}

TEST_F(NeuronsRun, ThatCannotBeRunAreRefused) {
  discover(gpt2_, {"--channels", channels_, "--ablation", "mean"});
  refuses_neurons({}, {"--circuit", "--neurons"}, kWrongUse);
  refuses_neurons({"--circuit", out_, "--neurons", channels_}, {"--circuit", "--neurons"}, kWrongUse);
  refuses_neurons({"--neurons", channels_}, {"--top-neurons", "how many"}, kWrongUse);
  refuses_neurons({"--circuit", out_, "--top-neurons", "3"}, {"--top-neurons", "--neurons"}, kWrongUse);
  refuses_neurons({"--neurons", channels_, "--top-neurons", "3", "--page", scratch_ / "p.html"}, {"--page"}, kWrongUse);
  refuses_neurons({"--neurons", gpt2_ + "/model.safetensors", "--top-neurons", "3"}, {"channel_scores", "missing"});
  const std::vector<float> scores(3 * kChannels, 1);
  write_safetensors(channels_, {{"channel_scores", "F32", {3, kChannels}, scores.data()}}, {});
  refuses_neurons({"--neurons", channels_, "--top-neurons", "3"}, {"channels.safetensors", "3 layers", "has 2"});
  const std::pair<const char*, std::vector<std::string>> lists[] = {
      {R"({"neuron": []})", {"neurons.json", "neurons"}},
      {R"({"neurons": []})", {"neurons.json", "[layer, channel]"}},
      {R"({"neurons": [[0, 1], [0]]})", {"entry 2", "[layer, channel]"}},
      {R"({"neurons": [[0, 1], [2, 1]]})", {"entry 2", "layer 2", "0 to 1"}},
      {R"({"neurons": [[0, 20]]})", {"entry 1", "channel 20", "0 to 19"}},
      {R"({"neurons": [[0, 1.5]]})", {"entry 1"}},
      {R"({"neurons": [[0, 3], [1, 3], [0, 3]]})", {"entry 3", "twice"}},
  };
  for (const auto& [text, words] : lists) {
    write_file(list_, text);
    refuses_neurons({"--neurons", list_}, words);
  }
  write_file(list_, R"({"neurons": [[0, 3]]})");
  refuses_neurons({"--neurons", list_, "--top-neurons", "3"}, {"--top-neurons", "whole"}, kWrongUse);
}

}  // namespace
}  // namespace circuit
