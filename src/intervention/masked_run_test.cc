#include "intervention/masked_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "intervention/ablation.h"
#include "intervention/circuit_run.h"
#include "task/metric.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

struct MaskedCase {
  const char* family;
  int64_t mlp_block = 0;
  bool parallel = false;
};

class MaskedRuns : public testing::TestWithParam<MaskedCase> {
 protected:
  static Model made() {
    LoadOptions wide;
    wide.dtype = at::kDouble;
    Architecture a = tiny_architecture(GetParam().family, 3);
    if (GetParam().parallel) a.every_layer().set_parallel(true);
    return Model::random(a, 0.4, 7, wide);
  }
  NodeOutputs ablated(const char* name) const {
    const auto pointed = pointers(examples_);
    return find_ablation(name)->prepare(model_, pointed, 2, mlp_form(graph_))->of(pointed, batch_);
  }
  at::Tensor some_mask(uint64_t seed, double share_of_ends) const {
    Rng rng(seed);
    std::vector<double> values(graph_.n_edges());
    for (double& m : values) {
      const double u = rng.uniform();
      m = rng.uniform() < share_of_ends ? (u < 0.5 ? 0 : 1) : u;
    }
    return at::tensor(values, at::kDouble);
  }

  Model model_ = made();
  Graph graph_{model_.architecture(), KeyValueNodes::kGrouped, GetParam().mlp_block};
  std::vector<Example> examples_ = random_examples(model_.architecture(), 3);
  ExampleBatch batch_ = make_example_batch(pointers(examples_), model_.architecture(), at::kCPU);
};

TEST_P(MaskedRuns, OfZerosAndOnesAreCircuits) {
  for (const char* name : {"counterfactual", "mean", "zero"}) {
    const NodeOutputs other = ablated(name);
    MaskedRunner masked(model_, graph_, batch_.tokens, other);
    CircuitRunner circuit(model_, graph_, batch_.tokens, other);
    for (const uint64_t seed : {1, 2}) {
      const at::Tensor mask = some_mask(seed, 1);
      std::vector<bool> edges(graph_.n_edges());
      for (int64_t e = 0; e < graph_.n_edges(); ++e) edges[e] = mask.data_ptr<double>()[e] == 1;
      EXPECT_LT((masked.run(mask) - circuit.run(edges)).abs().max().item<double>(), 1e-9) << name;
    }
  }
}

// Of every edge, against central differences, at a mask that is somewhere between.
TEST_P(MaskedRuns, HaveTheSlopeOfTheirMetric) {
  const NodeOutputs other = ablated("mean");
  const Metric& metric = find_metric("logit_diff");
  MaskedRunner runner(model_, graph_, batch_.tokens, other);
  const auto value = [&](const at::Tensor& mask) {
    double sum = 0;
    for (const double v : metric_values(model_, batch_, metric, runner.run(mask))) sum += v;
    return sum;
  };
  const at::Tensor mask = some_mask(3, 0.3);
  const at::Tensor stream = runner.run(mask);
  const at::Tensor d_final = metric.compute(model_, batch_, stream, MetricGradient::kStream).d_final;
  const at::Tensor gradient = runner.gradient(d_final);
  const double scale = gradient.abs().max().item<double>();
  ASSERT_GT(scale, 1e-3);
  constexpr double kStep = 1e-5;
  for (int64_t e = 0; e < graph_.n_edges(); ++e) {
    const at::Tensor up = mask.clone();
    const at::Tensor down = mask.clone();
    up.data_ptr<double>()[e] += kStep;
    down.data_ptr<double>()[e] -= kStep;
    const double slope = (value(up) - value(down)) / (2 * kStep);
    ASSERT_NEAR(gradient.data_ptr<double>()[e], slope, 1e-6 * scale) << graph_.edge_name(e);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, MaskedRuns,
                         testing::Values(MaskedCase{"gpt2"}, MaskedCase{"gpt2", 7}, MaskedCase{"gpt2", 0, true},
                                         MaskedCase{"llama"}, MaskedCase{"llama", 2}, MaskedCase{"qwen3"},
                                         MaskedCase{"mistral"}, MaskedCase{"gemma2"}, MaskedCase{"gemma2", 7},
                                         MaskedCase{"gemma3_text"}, MaskedCase{"gpt_neox"}),
                         [](const auto& each) {
                           return std::string(each.param.family) + (each.param.parallel ? "_parallel" : "") +
                                  (each.param.mlp_block > 0 ? "_blocks" + std::to_string(each.param.mlp_block) : "");
                         });

TEST(MaskedRun, RefusesKeysPerQueryHead) {
  const Model model = Model::random(tiny_architecture("llama", 2), 0.4, 7, {});
  const Graph graph(model.architecture(), KeyValueNodes::kUngrouped);
  EXPECT_THROW(check_masked(model, graph, "edge-pruning"), Error);
}

}  // namespace
}  // namespace circuit
