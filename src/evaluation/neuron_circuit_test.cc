#include "evaluation/neuron_circuit.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "core/error.h"
#include "evaluation/neuron_evaluation.h"
#include "intervention/per_reader.h"
#include "scoring/finer_files.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float64: only the order of sums differs.
constexpr double kSameRun = 1e-9;

const ProgressCallback kSilent = [](int64_t, int64_t) {};

class NeuronsOf : public testing::TestWithParam<std::string> {
 protected:
  NeuronsOf() {
    spec_.metric = logit_diff_metric();
    spec_.batch = 2;
  }
  static Model random_model() {
    Architecture a = tiny_architecture(GetParam());
    // As Granite has it: what blocks write is multiplied.
    if (GetParam() == "llama") a.every_layer().residual = 0.7;
    return Model::random(a, 0.4, 3, {at::kDouble});
  }
  // mean-positional wants equal lengths.
  static std::vector<Example> equal_lengths(const Architecture& a) {
    std::vector<Example> examples = random_examples(a, 5);
    for (Example& e : examples) {
      e.ids.resize(4);
      e.counterfactual_ids.resize(4);
      e.readouts = {{4, {1, 2}, {3}, ""}};
      e.first_target = 1;
    }
    return examples;
  }
  Neurons some_neurons() const {
    Neurons neurons = no_neuron(a_);
    Rng rng(11);
    for (std::vector<bool>& layer : neurons) {
      for (size_t c = 0; c < layer.size(); ++c) layer[c] = rng.uniform() < 0.6;
    }
    return neurons;
  }
  std::vector<double> metric_of(const Model& model, const at::Tensor& x_final) const {
    return metric_values(model, all_, spec_.metric, x_final);
  }
  std::vector<double> run(const Neurons& neurons) const {
    return run_neurons(model_, examples_, spec_, {neurons}, kSilent)[0].metric;
  }
  static void expect_same(const std::vector<double>& found, const std::vector<double>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], kSameRun);
  }

  Model model_ = random_model();
  const Architecture& a_ = model_.architecture();
  std::vector<Example> data_ = equal_lengths(a_);
  std::vector<const Example*> examples_ = pointers(data_);
  ExampleBatch all_ = make_example_batch(examples_, a_, at::kCPU);
  ScoreSpec spec_;
};

TEST_P(NeuronsOf, AllOfThemAreTheModel) {
  const std::vector<double> whole = metric_of(model_, forward(model_, all_.tokens, Keep::kNothing).x_final);
  for (const Ablation& ablation : ablations()) {
    spec_.ablation = &ablation;
    expect_same(run(every_neuron(a_)), whole);
  }
}

// What a channel of value zero writes is what it writes through a row of zeros.
TEST_P(NeuronsOf, ThatAreZeroAreRowsOfZerosInTheOutputMatrix) {
  spec_.ablation = find_ablation("zero");
  for (const Neurons& kept : {some_neurons(), no_neuron(a_)}) {
    Model other = random_model();
    for (int64_t l = 0; l < a_.n_layers; ++l) {
      const LayerWeights& w = other.layers()[l];
      for (int64_t c = 0; c < a_.mlp_channels(l); ++c) {
        if (kept[l][c]) continue;
        const int64_t width = w.experts.empty() ? a_.mlp_channels(l) : a_.layer(l).mlp.experts.width;
        const at::Tensor rows = w.experts.empty() ? w.w_out : w.experts[c / width].w_out;
        rows.select(0, c % width).zero_();
      }
    }
    expect_same(run(kept), metric_of(other, forward(other, all_.tokens, Keep::kNothing).x_final));
  }
}

// The counterfactual's value is the run's own where the two texts are one.
TEST_P(NeuronsOf, ThatHaveTheirOwnValuesAreTheModel) {
  for (Example& e : data_) e.counterfactual_ids = e.ids;
  expect_same(run(some_neurons()), metric_of(model_, forward(model_, all_.tokens, Keep::kNothing).x_final));
}

TEST_P(NeuronsOf, DoNotDependOnTheBatchOrOnOtherSets) {
  spec_.ablation = find_ablation("mean");
  const std::vector<double> alone = run(some_neurons());
  spec_.batch = 5;
  expect_same(run_neurons(model_, examples_, spec_, {no_neuron(a_), some_neurons()}, kSilent)[1].metric, alone);
}

INSTANTIATE_TEST_SUITE_P(Families, NeuronsOf,
                         testing::Values("gpt2", "opt", "mistral", "llama", "gpt_neox", "gemma2", "gemma3_text",
                                         "qwen3_moe"),
                         [](const auto& each) { return each.param; });

// Of families that the run per reader knows: it has no experts and no residual factor.
class NeuronsPerReader : public NeuronsOf {};

// The definition: every channel a node of its own, whose output is replaced (intervention/per_reader.h).
TEST_P(NeuronsPerReader, EqualIt) {
  const Graph graph(a_, KeyValueNodes::kGrouped, 1);
  const std::vector<bool> edges(graph.n_edges(), true);
  for (const Ablation& ablation : ablations()) {
    spec_.ablation = &ablation;
    const auto means = ablation.prepare(model_, examples_, 2, MlpForm::kChannels);
    const NodeOutputs others = means->of(examples_, all_);
    for (const Neurons& kept : {some_neurons(), no_neuron(a_)}) {
      PerReaderModel reader(model_, graph, others, edges);
      reader.on_write = [&](int64_t u, const at::Tensor& own) {
        const GraphNode node = graph.upstream(u);
        if (!node.is(kMlpNode) || kept[node.layer][node.index]) return own;
        return reader.ablated(u).expand_as(own);
      };
      expect_same(run(kept), metric_of(model_, reader.run(all_.tokens)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, NeuronsPerReader,
                         testing::Values("gpt2", "opt", "mistral", "gpt_neox", "gemma2", "gemma3_text"),
                         [](const auto& each) { return each.param; });

Architecture two_widths() {
  Architecture a = tiny_architecture("gpt2");
  a.d_mlp = 4;
  a.change_layers({false, true}, [](LayerSpec& layer) { layer.mlp.channels = 2; });
  return a;
}

TEST(Neurons, AreRankedByTheSizeOfTheirScoresAndNeverOfAScoreOfZero) {
  const Architecture a = two_widths();
  const ChannelScores scores{2, 4, {0.5F, -2, 0, 1, 1, -3, 9, 9}, 0};  // the last two are past the second layer's
  const auto names = [&](Ranking ranking) {
    std::vector<std::pair<int64_t, int64_t>> found;
    for (const Neuron& n : ranked_neurons(a, scores, ranking)) found.emplace_back(n.layer, n.channel);
    return found;
  };
  using Names = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(names(Ranking::kMagnitude), (Names{{1, 1}, {0, 1}, {0, 3}, {1, 0}, {0, 0}}));
  EXPECT_EQ(names(Ranking::kSigned), (Names{{0, 3}, {1, 0}, {0, 0}}));
  const Neurons three = first_neurons(a, ranked_neurons(a, scores, Ranking::kMagnitude), 3);
  EXPECT_EQ(three, (Neurons{{false, true, false, true}, {false, true}}));
  EXPECT_EQ(count(complement(three)), 3);
  EXPECT_EQ(count(first_neurons(a, ranked_neurons(a, scores, Ranking::kMagnitude), 100)), 5);
}

TEST(Neurons, DrawnAreAsManyOfEveryLayerAndNested) {
  const Architecture a = tiny_architecture("gpt2");
  Neurons set = no_neuron(a);
  for (const int64_t c : {1, 5, 9}) set[0][c] = true;
  set[1][2] = true;
  Neurons larger = set;
  for (const int64_t c : {2, 3}) larger[0][c] = true;
  Rng rng(1);
  std::vector<int64_t> times(a.d_mlp);
  constexpr int64_t kDraws = 400;
  for (int64_t d = 0; d < kDraws; ++d) {
    const NeuronDraw draw(a, rng);
    const Neurons drawn = draw.like(set);
    const Neurons more = draw.like(larger);
    EXPECT_EQ(std::count(drawn[0].begin(), drawn[0].end(), true), 3);
    EXPECT_EQ(std::count(drawn[1].begin(), drawn[1].end(), true), 1);
    EXPECT_EQ(count(more), 6);
    for (int64_t c = 0; c < a.d_mlp; ++c) {
      EXPECT_TRUE(more[0][c] || !drawn[0][c]);
      times[c] += drawn[0][c];
    }
  }
  // Each of 14 with chance 3/14: five standard deviations of 400 draws.
  for (const int64_t n : times) EXPECT_NEAR(static_cast<double>(n), kDraws * 3 / 14.0, 41);
}

TEST(Neurons, OfExpertsWithOutputBiasesAreRefused) {
  Architecture a = tiny_architecture("qwen3_moe");
  a.every_layer().mlp.experts.out_bias = true;
  a.family = "gpt_oss";
  try {
    check_neurons(a);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("gpt_oss"), std::string::npos) << error.what();
  }
}

class ChannelFiles : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("circuit-channels-" + std::to_string(getpid()))).string();
};

TEST_F(ChannelFiles, AreReadAsWritten) {
  const ChannelScores scores{2, 3, {1, -2, 0.5F, 0, 3, 4}, 0};
  write_channel_scores(path_, scores);
  const ChannelScores read = read_channel_scores(path_);
  EXPECT_EQ(read.layers, 2);
  EXPECT_EQ(read.channels, 3);
  EXPECT_EQ(read.values, scores.values);
}

TEST_F(ChannelFiles, WithAScoreThatIsNoNumberAreRefused) {
  write_channel_scores(path_, {2, 3, {1, -2, 0.5F, 0, NAN, 4}, 0});
  try {
    read_channel_scores(path_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the score at [1, 1]"), std::string::npos) << error.what();
  }
}

class NeuronEvaluations : public testing::Test {
 protected:
  NeuronEvaluations() {
    spec_.metric = logit_diff_metric();
    spec_.ablation = find_ablation("mean");
    scores_ = score_channels(model_, examples_, spec_, kSilent);
  }
  NeuronEvaluation evaluate(const Neurons& kept, int64_t draws) const {
    Rng rng(2);
    return evaluate_neurons(model_, kept, &scores_, draws, examples_, spec_, rng, kSilent);
  }
  Model model_ = Model::random(tiny_architecture("mistral"), 0.4, 3, {at::kDouble});
  const Architecture& a_ = model_.architecture();
  // One example several times: a random model moves the metric of different ones in different directions.
  std::vector<Example> data_ = std::vector<Example>(5, random_examples(a_, 1)[0]);
  std::vector<const Example*> examples_ = pointers(data_);
  ScoreSpec spec_;
  ChannelScores scores_;
};

TEST_F(NeuronEvaluations, OfAllNeuronsIsFaithfulAndComplete) {
  const NeuronEvaluation all = evaluate(every_neuron(a_), 2);
  ASSERT_TRUE(all.faithfulness);
  EXPECT_NEAR(all.faithfulness->value, 1, kSameRun);
  EXPECT_NEAR(all.completeness_gap->value, 0, kSameRun);
  EXPECT_NEAR(all.random->above.value, 0, kSameRun);
  EXPECT_EQ(all.by_layer, (std::vector<int64_t>{14, 14}));
  EXPECT_EQ(all.all, 28);
  const NeuronEvaluation none = evaluate(no_neuron(a_), 0);
  EXPECT_NEAR(none.faithfulness->value, 0, kSameRun);
  EXPECT_NEAR(none.completeness_gap->value, 1, kSameRun);
  EXPECT_FALSE(none.random);
}

TEST_F(NeuronEvaluations, AreOfWhatItsRunsSay) {
  const std::vector<Neuron> order = ranked_neurons(a_, scores_, Ranking::kMagnitude);
  const Neurons kept = first_neurons(a_, order, 6);
  constexpr int64_t kDraws = 3;
  const NeuronEvaluation found = evaluate(kept, kDraws);
  ASSERT_TRUE(found.faithfulness && found.curve);
  const auto faithfulness_of = [&](const Neurons& neurons) {
    const std::vector<CircuitOutcome> runs =
        run_neurons(model_, examples_, spec_, {every_neuron(a_), no_neuron(a_), neurons}, kSilent);
    return (runs[2].metric[0] - runs[1].metric[0]) / (runs[0].metric[0] - runs[1].metric[0]);
  };
  EXPECT_NEAR(found.faithfulness->value, faithfulness_of(kept), kSameRun);
  EXPECT_NEAR(found.completeness_gap->value, faithfulness_of(complement(kept)), kSameRun);
  Rng rng(2);
  std::vector<double> random;
  std::vector<double> half;
  for (int64_t d = 0; d < kDraws; ++d) {
    const NeuronDraw draw(a_, rng);
    random.push_back(faithfulness_of(draw.like(kept)));
    half.push_back(faithfulness_of(draw.like(first_neurons(a_, order, 14))));
  }
  const auto mean = [](const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0) / kDraws; };
  EXPECT_NEAR(found.random->faithfulness.value, mean(random), kSameRun);
  EXPECT_NEAR(found.random->lowest, *std::min_element(random.begin(), random.end()), kSameRun);
  EXPECT_NEAR(found.random->highest, *std::max_element(random.begin(), random.end()), kSameRun);
  EXPECT_NEAR(found.random->above.value, faithfulness_of(kept) - mean(random), kSameRun);
  const NeuronCurve& curve = *found.curve;
  ASSERT_EQ(curve.by_magnitude.size(), curve_shares().size());
  for (size_t i = 0; i < curve_shares().size(); ++i) {
    const auto n = static_cast<int64_t>(curve_shares()[i] * 28);
    EXPECT_EQ(curve.by_magnitude[i].neurons, n);
    EXPECT_EQ(curve.random[i].neurons, n);
    EXPECT_NEAR(curve.by_magnitude[i].faithfulness.value, faithfulness_of(first_neurons(a_, order, n)), kSameRun);
  }
  EXPECT_NEAR(curve.random[8].faithfulness.value, mean(half), kSameRun);
  const Neurons positive = first_neurons(a_, ranked_neurons(a_, scores_, Ranking::kSigned), 14);
  EXPECT_NEAR(curve.by_score[8].faithfulness.value, faithfulness_of(positive), kSameRun);
  EXPECT_NEAR(curve.by_score.back().faithfulness.value, 1, kSameRun);
}

}  // namespace
}  // namespace circuit
