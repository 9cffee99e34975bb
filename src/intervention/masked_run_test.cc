#include "intervention/masked_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "intervention/ablation.h"
#include "intervention/circuit_run.h"
#include "intervention/per_reader.h"
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

  // The definition, node by node: what lies below a block is given, and its heads are worked for one span of queries
  // after another, each time with keys and values that read for that span.
  at::Tensor by_definition(const at::Tensor& masks, const at::Tensor& labels, const NodeOutputs& other) const {
    const std::vector<bool> all(graph_.n_edges(), true);
    std::vector<at::Tensor> outputs(graph_.n_upstream());
    PerReaderModel model(model_, graph_, other, all);
    int64_t known = 0;  // nodes that are given
    int64_t whom = 0;
    model.on_write = [&](int64_t u, const at::Tensor& output) { return u < known ? outputs[u] : output; };
    model.on_read = [&](int64_t v, const at::Tensor& stream) {
      if (graph_.visible(v) > known) return stream;  // not worked yet
      at::Tensor x = stream.clone();
      const bool split = graph_.downstream(v).kind->other_positions;
      for (int64_t t = 0; t < x.size(0); ++t) {
        const int64_t where = labels[t].item<int64_t>();
        const at::Tensor& mask = masks[where][split ? whom : where];
        for (int64_t u = 0; u < graph_.visible(v); ++u) {
          const at::Tensor ablated = model.ablated(u).expand_as(outputs[u]);
          x[t] += (outputs[u][t] - ablated[t]) * (mask[graph_.edge_id(u, v)].item<double>() - 1);
        }
      }
      return x;
    };
    model.run(batch_.tokens);
    outputs[0] = model.outputs()[0];
    known = 1;
    for (int64_t l = 0; l < graph_.n_layers(); ++l) {
      for (const BlockSpec& block : model_.architecture().layer(l).blocks) {
        const NodeRange nodes = graph_.writers({block.kind, l});
        for (const int64_t u : nodes) outputs[u] = at::zeros_like(outputs[0]);
        for (whom = 0; whom < masks.size(0); ++whom) {
          model.run(batch_.tokens);
          const at::Tensor mine = labels.eq(whom).unsqueeze(1);
          for (const int64_t u : nodes) outputs[u] = at::where(mine, model.outputs()[u], outputs[u]);
        }
        known = nodes.first + nodes.count;
        whom = 0;
      }
    }
    return model.run(batch_.tokens);
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

// Of every third edge, against central differences, at a mask that is somewhere between.
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
  for (int64_t e = 0; e < graph_.n_edges(); e += 3) {
    const at::Tensor up = mask.clone();
    const at::Tensor down = mask.clone();
    up.data_ptr<double>()[e] += kStep;
    down.data_ptr<double>()[e] -= kStep;
    const double slope = (value(up) - value(down)) / (2 * kStep);
    ASSERT_NEAR(gradient.data_ptr<double>()[e], slope, 1e-6 * scale) << graph_.edge_name(e);
  }
}

// One mask for every pair of spans is that mask; and with zeros and ones of their own for keys and values by the tokens
// they are read for, what the definition says.
TEST_P(MaskedRuns, OfSpansReadByWhereAndForWhom) {
  const NodeOutputs other = ablated("mean");
  MaskedRunner masked(model_, graph_, batch_.tokens, other);
  std::vector<int64_t> of_token;
  for (int64_t t = 0; t < batch_.tokens.tokens(); ++t) of_token.push_back((t * 7 / 3) % 3);
  const at::Tensor labels = at::tensor(of_token, at::kLong);
  const at::Tensor one = some_mask(4, 0.5);
  const at::Tensor same = one.expand({3, 3, -1}).contiguous();
  EXPECT_LT((masked.run_spans(same, labels) - masked.run(one)).abs().max().item<double>(), 1e-9);

  if (model_.norms_outputs()) return;  // what a post-norm makes of a mixture is no sum over edges
  std::vector<at::Tensor> each;
  for (uint64_t i = 0; i < 9; ++i) each.push_back(some_mask(10 + i, 1));
  const at::Tensor masks = at::stack(each).view({3, 3, -1});
  const at::Tensor run = masked.run_spans(masks, labels);
  EXPECT_LT((run - by_definition(masks, labels, other)).abs().max().item<double>(), 1e-9);
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
