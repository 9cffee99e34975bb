#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "core/names.h"
#include "dynamics/analysis.h"
#include "model/attention.h"
#include "model/forward.h"
#include "store/recorder.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

constexpr double kScoreRounding = 1e-5;  // float32 scores of size 1

// Two states: the base, and the base with one head's W_O turned round.
class TwoStates : public ModelStates {
 public:
  explicit TwoStates(const std::string& family) : TwoStates(family, random_examples(tiny_architecture(family), 5)) {}
  TwoStates(const std::string& family, std::vector<Example> data)
      : base_(Model::random(tiny_architecture(family), 0.3, 3, {at::kDouble})),
        after_(Model::random(tiny_architecture(family), 0.3, 3, {at::kDouble})),
        graph_(base_.architecture(), KeyValueNodes::kGrouped),
        data_(std::move(data)) {
    const Architecture& a = base_.architecture();
    after_.layers()[1].w_o.narrow(0, kHead * a.d_head, a.d_head).neg_();
    examples_ = pointers(data_);
    spec_.metric = logit_diff_metric();
    spec_.ablation = find_ablation("mean");
  }
  static constexpr int64_t kHead = 2;
  const std::vector<int64_t>& steps() const override { return steps_; }
  const Graph& graph() const override { return graph_; }
  const Model& base() override { return base_; }
  const Model& at(int64_t step) override { return step == 0 ? base_ : after_; }
  const std::vector<const Example*>& examples() const override { return examples_; }
  const ScoreSpec& spec() const override { return spec_; }

 private:
  Model base_, after_;
  Graph graph_;
  std::vector<int64_t> steps_{0, 10};
  std::vector<Example> data_;
  std::vector<const Example*> examples_;
  ScoreSpec spec_;
};

class ModelAnalyses : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (fs::temp_directory_path() / ("circuit-model-analyses-" + std::to_string(getpid()))).string();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  AnalysisResult analyse(const std::string& name, TwoStates& states) {
    fs::remove(folder_ + "/run.db");
    const Graph& graph = states.graph();
    const Architecture& a = states.base().architecture();
    const Json shape = {{"n_layers", a.n_layers}, {"n_heads", a.n_heads}, {"n_kv_heads", a.n_kv_heads}};
    Recorder::create(folder_ + "/run.db", graph, {}, {{"graph", shape.dump()}});
    {
      Recorder recorder(folder_ + "/run.db", graph, 0);
      EdgeScores scores{std::vector<float>(graph.n_edges(), 1)};
      Circuit all;
      for (int64_t e = 0; e < graph.n_edges(); ++e) all.edges.push_back(e);
      recorder.discovery({0, scores, all, 1.0, 4, 0.0, 0.1}, 96, 200);
    }
    RecordedRun run(folder_);
    return find_named(analyses(), "test", name).run({run, &states, 0});
  }
  std::string folder_;
};

// Without biases or positions the last stream is the sum of the nodes' outputs, so their attributions add up to the
// metric.
TEST_F(ModelAnalyses, DirectLogitAttributionsAddUpToTheMetric) {
  TwoStates states("mistral");
  const AnalysisResult result = analyse("direct-logit", states);
  double sum = 0;
  for (const auto& row : result.tables[0].rows) sum += row[1].get<double>();
  double metric = 0;
  for (const Example* e : states.examples()) {
    const ExampleBatch batch = make_example_batch({e}, states.base().architecture(), at::kCPU);
    const at::Tensor logits = logits_of(states.base(), forward(states.base(), batch.tokens, Keep::kNothing).x_final);
    double mean = 0;
    for (const Readout& r : e->readouts) {
      const at::Tensor row = logits.select(0, r.position - 1);
      double difference = 0;
      for (const int64_t id : r.correct) difference += row[id].item<double>() / static_cast<double>(r.correct.size());
      for (const int64_t id : r.wrong) difference -= row[id].item<double>() / static_cast<double>(r.wrong.size());
      mean += difference / static_cast<double>(e->readouts.size());
    }
    metric += mean / static_cast<double>(states.examples().size());
  }
  EXPECT_NEAR(sum, metric, kScoreRounding);
}

// A head of the last layer that writes the opposite: its attribution changes sign but for the norm's scale.
TEST_F(ModelAnalyses, ATurnedHeadWritesTheOpposite) {
  TwoStates states("gpt2");
  const AnalysisResult result = analyse("direct-logit", states);
  for (const auto& row : result.tables[0].rows) {
    const double product = row[1].get<double>() * row[2].get<double>();
    if (row[0] == "a1.h2") {
      EXPECT_LT(product, 0);
    } else if (row[0] == "a0.h1") {
      EXPECT_GT(product, 0);
    }
  }
}

TEST_F(ModelAnalyses, OvDriftNamesTheHeadThatChangedAlone) {
  TwoStates states("gpt2");
  const AnalysisResult result = analyse("ov-drift", states);
  ASSERT_EQ(result.tables[0].rows.size(), 1U);
  EXPECT_EQ(result.tables[0].rows[0][0], "a1.h2");
  EXPECT_NEAR(result.tables[0].rows[0][1].get<double>(), 2, 1e-9);  // −OV − OV
}

TEST_F(ModelAnalyses, ParameterChangeNamesTheSlicesThatMoved) {
  TwoStates states("gpt2");
  const AnalysisResult result = analyse("parameter-change", states);
  ASSERT_EQ(result.tables[0].rows.size(), 1U);
  EXPECT_EQ(result.tables[0].rows[0][0], "a1.h2");
  EXPECT_NEAR(result.tables[0].rows[0][3].get<double>(), 2, 1e-9);
}

TEST_F(ModelAnalyses, TheWholeModelIsFaithfulToItselfAtEveryStep) {
  // One example seven times: a random model moves the metric of different ones in different directions.
  TwoStates states("gpt2", std::vector<Example>(7, random_examples(tiny_architecture("gpt2"), 1)[0]));
  const AnalysisResult result = analyse("faithfulness", states);
  for (const auto& row : result.tables[0].rows) {
    EXPECT_EQ(row[2].get<int64_t>(), states.graph().n_edges());
    ASSERT_FALSE(row[6].is_null());
    EXPECT_NEAR(row[6].get<double>(), 1, kScoreRounding);
  }
}

// All of the gain of a run that changed one head alone is at that head; the MLP after it carries what it makes of that.
TEST_F(ModelAnalyses, NodePatchingFindsAllOfTheGainAtTheHeadThatChangedAlone) {
  for (const char* family : {"gpt2", "gpt_neox", "gemma2"}) {
    TwoStates states(family, std::vector<Example>(7, random_examples(tiny_architecture(family), 1)[0]));
    const AnalysisResult result = analyse("node-patching", states);
    const AnalysisTable& nodes = result.tables[0];
    EXPECT_EQ(nodes.rows.size(), states.graph().n_upstream());
    for (const auto& row : nodes.rows) {
      EXPECT_EQ(row[11], true);
      EXPECT_EQ(row[13], true);
      EXPECT_EQ(row[12].get<double>() > 0, row[0] == "a1.h2") << family << ' ' << row[0];
      if (row[0] == "m1" && !states.graph().parallel()) continue;
      for (const size_t share : {1, 2, 3, 4, 5, 6}) {
        EXPECT_NEAR(row[share].get<double>(), row[0] == "a1.h2" ? 1 : 0, 1e-9) << family << ' ' << row[0];
      }
    }
    const AnalysisTable& together = result.tables[1];
    for (const auto& row : together.rows) {
      if (row[0] == 1 && !states.graph().parallel()) continue;
      EXPECT_NEAR(row[1].get<double>(), 1, 1e-9) << family << ' ' << row[0];
      EXPECT_NEAR(row[4].get<double>(), 1, 1e-9) << family << ' ' << row[0];
    }
    EXPECT_EQ(together.rows.back()[0], states.graph().n_upstream());
    EXPECT_EQ(result.tables[2].rows.size(), 5U);  // input, two of attention, two MLPs
  }
}

TEST_F(ModelAnalyses, NodePatchingHasNoSharesOfAGainThatIsNone) {
  std::vector<Example> data = random_examples(tiny_architecture("gpt2"), 1);
  data.push_back(data[0]);  // what the one gains the other loses
  for (Readout& readout : data[1].readouts) std::swap(readout.correct, readout.wrong);
  TwoStates states("gpt2", data);
  const AnalysisResult result = analyse("node-patching", states);
  EXPECT_NE(result.findings[1].find("no shares"), std::string::npos) << result.findings[1];
  ASSERT_EQ(result.tables.size(), 2U);
  EXPECT_TRUE(result.tables[0].rows[0][1].is_null());
}

TEST_F(ModelAnalyses, AttentionToTheFirstTokenIsThatOfTheProbabilities) {
  for (const char* family : {"gpt2", "mistral", "gemma2"}) {
    TwoStates states(family);
    const Architecture& a = states.base().architecture();
    const ExampleBatch batch = make_example_batch(states.examples(), a, at::kCPU);
    const ForwardCache cache = forward(states.base(), batch.tokens, Keep::kBackward);
    for (int64_t l = 0; l < a.n_layers; ++l) {
      const AttentionCache& kept = cache.layers[l].attention;
      ASSERT_TRUE(kept.probs.defined());
      for (int64_t s = 0; s < batch.tokens.size(); ++s) {
        const int64_t position = batch.tokens.lengths[s] - 1;
        const at::Tensor row = attention_of_query(a, l, batch.tokens, kept, s, position);
        const at::Tensor all = kept.probs.narrow(0, s * a.n_kv_heads, a.n_kv_heads)
                                   .view({a.n_heads, batch.tokens.longest, batch.tokens.longest})
                                   .select(1, position)
                                   .narrow(1, 0, position + 1);
        EXPECT_LT((row - all).abs().max().item<double>(), 1e-12) << family;
        EXPECT_NEAR(row.sum().item<double>(), static_cast<double>(a.n_heads), 1e-9);
      }
    }
  }
}

TEST_F(ModelAnalyses, AttentionSeesMarkedSpans) {
  TwoStates states("gpt2");
  const AnalysisResult result = analyse("attention", states);
  for (const auto& row : result.tables[0].rows) {
    EXPECT_GE(row[2].get<double>(), 0);
    EXPECT_LE(row[2].get<double>(), 1 + 1e-9);
  }
  EXPECT_EQ(result.tables[0].rows.size(), 2U * 8);  // two built-in spans, eight heads
}

}  // namespace
}  // namespace circuit
