// Scores against their definitions, edge by edge, on a model that is worked reader by reader.
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "intervention/per_reader.h"
#include "scoring/gradient_methods.h"
#include "scoring/scorer.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// Central differences of step 1e-5 in float64; scores are stored in float32.
constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-5;  // of the largest score

struct DefinitionCase {
  const char* family;
  int64_t mlp_block;
};

class Definition : public testing::TestWithParam<DefinitionCase> {
 protected:
  static Model tiny_model() {
    LoadOptions wide;
    wide.dtype = at::kDouble;
    return Model::random(tiny_architecture(GetParam().family, 2), 0.4, 7, wide);
  }
  double metric(const at::Tensor& x_final) const {
    double sum = 0;
    for (const double m : spec_.metric.compute(model_, batch_, x_final, MetricGradient::kNone).values) sum += m;
    return sum / static_cast<double>(batch_.examples);
  }
  // The logit difference is linear in the normed stream: read off without the live norm.
  double readout_metric(const at::Tensor& normed) const {
    const at::Tensor logits = head_logits(model_, normed);
    double sum = 0;
    for (int64_t r = 0; r < batch_.n_readouts(); ++r) {
      const at::Tensor row = logits[batch_.readout_rows[r].item<int64_t>()];
      const Readout& readout = batch_.readouts[r];
      double m = 0;
      for (const int64_t id : readout.correct)
        m += row[id].item<double>() / static_cast<double>(readout.correct.size());
      for (const int64_t id : readout.wrong) m -= row[id].item<double>() / static_cast<double>(readout.wrong.size());
      sum += m / static_cast<double>(batch_.readouts_per_example[batch_.readout_example[r]]);
    }
    return sum / static_cast<double>(batch_.examples);
  }
  // The outputs of the clean run, whose coefficients `model` keeps.
  std::vector<at::Tensor> recorded(PerReaderModel* model) const {
    model->mode = PerReaderModel::Coefficients::kRecord;
    model->run(batch_.tokens);
    model->mode = PerReaderModel::Coefficients::kLive;
    return model->outputs();
  }
  // dM/dε of reader v's stream moved by ε (A_u − Ā_u): the clean run's A_u, whatever `model` has in its place.
  double slope(PerReaderModel* model, const std::vector<at::Tensor>& clean, int64_t u, int64_t v) const {
    const auto at_step = [&](double step) {
      model->on_read = [&, step](int64_t reader, const at::Tensor& x) {
        return reader == v ? x + model->contribution(u, clean[u] - model->ablated(u)) * step : x;
      };
      return metric(model->run(batch_.tokens));
    };
    return (at_step(kStep) - at_step(-kStep)) / (2 * kStep);
  }
  void expect_scores(const std::string& method, const std::vector<double>& expected) const {
    const EdgeScores scores = find_scorer(method).score(model_, graph_, pointers(examples_), spec_, {}).scores;
    double scale = 0;
    for (const double e : expected) scale = std::max(scale, std::fabs(e));
    ASSERT_GT(scale, 0);
    for (int64_t id = 0; id < graph_.n_edges(); ++id) {
      ASSERT_NEAR(scores.values[id], expected[id], kTolerance * scale) << method << " " << graph_.edge_name(id);
    }
  }

  Model model_ = tiny_model();
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped, GetParam().mlp_block};
  std::vector<Example> examples_ = random_examples(model_.architecture(), 2);
  ExampleBatch batch_ = make_example_batch(pointers(examples_), model_.architecture(), at::kCPU);
  ScoreSpec spec_ = [] {
    ScoreSpec spec(logit_diff_metric());
    kIgSteps.set(&spec.own, 2);
    return spec;
  }();
  NodeOutputs ablated_ =
      spec_.ablation->prepare(model_, pointers(examples_), 2, mlp_form(graph_))->of(pointers(examples_), batch_);
  std::vector<bool> all_ = std::vector<bool>(graph_.n_edges(), true);
};

TEST_P(Definition, EapIsTheSlopeOfEveryEdge) {
  PerReaderModel model(model_, graph_, ablated_, all_);
  const std::vector<at::Tensor> clean = recorded(&model);
  std::vector<double> expected;
  for (int64_t id = 0; id < graph_.n_edges(); ++id) {
    expected.push_back(slope(&model, clean, graph_.edge(id).upstream, graph_.edge(id).downstream));
  }
  expect_scores("eap", expected);
}

TEST_P(Definition, InteractionIsTheSlopeOfTheModifiedModel) {
  if (model_.architecture().head.softcap) GTEST_SKIP() << "the last soft-cap is the metric's, which is not read here";
  PerReaderModel model(model_, graph_, ablated_, all_);
  const std::vector<at::Tensor> clean = recorded(&model);
  const at::Tensor x_final = model.run(batch_.tokens);
  model.mode = PerReaderModel::Coefficients::kRecord;
  model.norm("final", model_.final_norm(), x_final);
  model.mode = PerReaderModel::Coefficients::kInteraction;
  const auto metric_of = [&](const at::Tensor& x) {
    return readout_metric(model.norm("final", model_.final_norm(), x));
  };
  EXPECT_NEAR(metric_of(model.run(batch_.tokens)), metric(x_final), 1e-9);
  std::vector<double> expected;
  for (int64_t id = 0; id < graph_.n_edges(); ++id) {
    const int64_t u = graph_.edge(id).upstream;
    const int64_t v = graph_.edge(id).downstream;
    const auto at_step = [&](double step) {
      model.on_read = [&, step](int64_t reader, const at::Tensor& x) {
        return reader == v ? x + model.contribution(u, clean[u] - model.ablated(u)) * step : x;
      };
      return metric_of(model.run(batch_.tokens));
    };
    expected.push_back((at_step(kStep) - at_step(-kStep)) / (2 * kStep));
  }
  expect_scores("gim", expected);
}

TEST_P(Definition, ActivationsHoldOneBlockAtATime) {
  PerReaderModel model(model_, graph_, ablated_, all_);
  const std::vector<at::Tensor> clean = recorded(&model);
  const auto block_of = [&](int64_t u) {
    const GraphNode node = graph_.upstream(u);
    return node.is(kInputNode) ? 0 : 1 + 2 * node.layer + (node.is(kMlpNode));
  };
  const int64_t blocks = 1 + 2 * graph_.n_layers();
  std::vector<double> all(graph_.n_edges());
  std::vector<double> own(graph_.n_edges());
  for (int64_t b = 0; b < blocks; ++b) {
    for (const double alpha : {0.5, 1.0}) {
      model.on_write = [&](int64_t u, const at::Tensor& output) {
        return block_of(u) == b ? clean[u] * alpha + model.ablated(u) * (1 - alpha) : output;
      };
      for (int64_t id = 0; id < graph_.n_edges(); ++id) {
        const Edge e = graph_.edge(id);
        const double s = slope(&model, clean, e.upstream, e.downstream) / 2;
        all[id] += s / static_cast<double>(blocks);
        if (block_of(e.upstream) == b) own[id] += s;
      }
    }
  }
  expect_scores("eap-ig-activations", all);
  expect_scores("eap-ig-activations-own", own);
}

// With its coefficients frozen the model is linear, and cutting an edge costs exactly its score.
TEST_P(Definition, RelevanceIsExactOnTheFrozenModel) {
  if (model_.architecture().head.softcap) GTEST_SKIP() << "the last soft-cap is the metric's and stays nonlinear";
  PerReaderModel clean(model_, graph_, ablated_, all_);
  clean.mode = PerReaderModel::Coefficients::kRecord;
  const at::Tensor x_final = clean.run(batch_.tokens);
  clean.norm("final", model_.final_norm(), x_final);
  const auto metric_of = [&](PerReaderModel* model, const at::Tensor& x) {
    return readout_metric(model->norm("final", model_.final_norm(), x));
  };
  const double full = metric_of(&clean, x_final);
  EXPECT_NEAR(full, metric(x_final), 1e-9);
  std::vector<double> expected;
  for (int64_t id = 0; id < graph_.n_edges(); ++id) {
    std::vector<bool> edges = all_;
    edges[id] = false;
    PerReaderModel cut(model_, graph_, ablated_, edges);
    cut.mode = PerReaderModel::Coefficients::kFrozen;
    cut.coefficients = clean.coefficients;
    expected.push_back(full - metric_of(&cut, cut.run(batch_.tokens)));
  }
  expect_scores("relp", expected);
}

INSTANTIATE_TEST_SUITE_P(
    Families, Definition,
    testing::Values(DefinitionCase{"gemma2", 0}, DefinitionCase{"gemma2", 7}, DefinitionCase{"gemma3_text", 0},
                    DefinitionCase{"opt", 0}, DefinitionCase{"gpt2", 0}, DefinitionCase{"gpt2", 7},
                    DefinitionCase{"llama", 0}, DefinitionCase{"llama", 7}, DefinitionCase{"mistral", 0},
                    DefinitionCase{"qwen3", 0}, DefinitionCase{"gpt_neox", 0}, DefinitionCase{"gpt_neox", 2}),
    [](const auto& each) { return std::string(each.param.family) + "_" + std::to_string(each.param.mlp_block); });

}  // namespace
}  // namespace circuit
