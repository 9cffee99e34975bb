#include "intervention/circuit_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float64: only the order of sums differs.
constexpr double kTolerance = 1e-9;

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

Model tiny_model(const std::string& family, bool parallel) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  Architecture a = tiny_architecture(family, 3);
  a.parallel_blocks = parallel;
  return Model::random(a, 0.4, 7, wide);
}

// The definition, one sequence, one reader, one node at a time: every reader's stream is a sum over nodes.
class Naive {
 public:
  Naive(const Model& model, const Graph& graph, const NodeOutputs& ablated, const std::vector<bool>& edges)
      : model_(model), graph_(graph), ablated_(ablated), edges_(edges) {}

  at::Tensor run(const TokenBatch& batch) {
    const Architecture& a = model_.architecture();
    const int64_t dh = a.d_head;
    at::Tensor constant = at::zeros({batch.tokens(), a.d_model}, model_.embedding().options());
    if (a.learned_positions) constant = constant + at::embedding(model_.positions(), batch.positions);
    outputs_ = {at::embedding(model_.embedding(), batch.ids)};
    for (int64_t l = 0; l < a.n_layers; ++l) {
      const LayerWeights& w = model_.layers()[l];
      at::Tensor after_attention = constant;
      if (w.b_o.defined()) after_attention = after_attention + w.b_o;
      for (int64_t h = 0; h < a.n_heads; ++h) {
        const int64_t g = h / a.heads_per_kv();
        const int64_t kv = graph_.ungrouped() ? h : g;
        const auto read = [&](int64_t v, const at::Tensor& matrix, const at::Tensor& bias, int64_t unit) {
          const at::Tensor y = norm_forward(a, w.attn_norm, constant + sum(v), nullptr);
          const at::Tensor out = at::mm(y, matrix.select(1, unit));
          return bias.defined() ? out + bias[unit] : out;
        };
        const RotaryTable table = make_rotary_table(a.rotary, batch.positions, model_.dtype());
        const auto turn = [&](const at::Tensor& x) {
          return table.cos.defined() ? rotate(x.unsqueeze(1), table, Direction::kForward).squeeze(1) : x;
        };
        const auto normed = [&](const at::Tensor& x, const NormWeights& norm) {
          return a.qk_norm ? norm_forward(a, norm, x, nullptr) : x;
        };
        const at::Tensor q = turn(normed(read(graph_.query(l, h), w.w_q, w.b_q, h), w.q_norm));
        const at::Tensor k = turn(normed(read(graph_.key(l, kv), w.w_k, w.b_k, g), w.k_norm));
        const at::Tensor v = read(graph_.value(l, kv), w.w_v, w.b_v, g);
        std::vector<at::Tensor> z;
        for (size_t s = 0; s < batch.lengths.size(); ++s) {
          const auto part = [&](const at::Tensor& t) { return t.narrow(0, batch.starts[s], batch.lengths[s]); };
          at::Tensor scores = at::mm(part(q), part(k).t()) / std::sqrt(static_cast<double>(dh));
          const at::Tensor never = at::full_like(scores, -std::numeric_limits<double>::infinity());
          scores = scores + never.triu(1);
          if (a.sliding_window) scores = scores + never.tril(-*a.sliding_window);
          z.push_back(at::mm(at::softmax(scores, 1), part(v)));
        }
        outputs_.push_back(at::mm(at::cat(z, 0), w.w_o.narrow(0, h * dh, dh)));
      }
      const at::Tensor seen = a.parallel_blocks ? constant : after_attention;
      const at::Tensor y = norm_forward(a, w.mlp_norm, seen + sum(graph_.mlp_in(l)), nullptr);
      outputs_.push_back(mlp_forward(a, w, y, nullptr));
      constant = after_attention;
      if (w.b_out.defined()) constant = constant + w.b_out;
    }
    return constant + sum(graph_.logits());
  }

 private:
  at::Tensor ablated(int64_t u) const {
    const UpstreamNode node = graph_.upstream(u);
    if (node.kind == UpstreamNode::Kind::kInput) return ablated_.input;
    if (node.kind == UpstreamNode::Kind::kMlp) return ablated_.mlp[node.layer];
    const int64_t dh = model_.architecture().d_head;
    return at::mm(ablated_.z[node.layer].narrow(1, node.head * dh, dh),
                  model_.layers()[node.layer].w_o.narrow(0, node.head * dh, dh));
  }
  at::Tensor sum(int64_t v) const {
    at::Tensor total = at::zeros_like(outputs_[0]);
    for (int64_t u = 0; u < graph_.visible(v); ++u) {
      total = total + (edges_[graph_.edge_id(u, v)] ? outputs_[u] : ablated(u));
    }
    return total;
  }

  const Model& model_;
  const Graph& graph_;
  const NodeOutputs& ablated_;
  const std::vector<bool>& edges_;
  std::vector<at::Tensor> outputs_;
};

struct Case {
  const char* family;
  bool parallel;
  KeyValueNodes form;
};

class Circuits : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    examples_ = random_examples(model_.architecture(), 4);
    // mean-positional wants equal lengths.
    for (Example& e : examples_) {
      e.ids.resize(4);
      e.counterfactual_ids.resize(4);
      e.readouts = {{4, {1}, {2}, ""}};
      e.first_target = 1;
    }
    batch_ = make_example_batch(pointers(examples_), model_.architecture(), at::kCPU);
  }
  NodeOutputs ablated(Ablation ablation) const {
    return AblatedOutputs(model_, ablation, pointers(examples_), 2).of(pointers(examples_), batch_);
  }
  Model model_ = tiny_model(GetParam().family, GetParam().parallel);
  Graph graph_{model_.architecture(), GetParam().form};
  std::vector<Example> examples_;
  ExampleBatch batch_;
};

constexpr Ablation kAblations[] = {Ablation::kCounterfactual, Ablation::kMean, Ablation::kMeanPositional,
                                   Ablation::kZero};

TEST_P(Circuits, OfAllEdgesIsTheModel) {
  const at::Tensor clean = forward(model_, batch_.tokens, Keep::kNothing).x_final;
  for (const Ablation ablation : kAblations) {
    const NodeOutputs other = ablated(ablation);
    CircuitRunner runner(model_, graph_, batch_.tokens, other);
    EXPECT_LT(largest_difference(runner.run(std::vector<bool>(graph_.n_edges(), true)), clean), kTolerance);
  }
}

TEST_P(Circuits, OfNoEdgesIsTheCorruptedRun) {
  const ExampleBatch corrupted =
      make_example_batch(pointers(examples_), model_.architecture(), at::kCPU, Side::kCounterfactual);
  const at::Tensor expected = forward(model_, corrupted.tokens, Keep::kNothing).x_final;
  const NodeOutputs other = ablated(Ablation::kCounterfactual);
  CircuitRunner runner(model_, graph_, batch_.tokens, other);
  EXPECT_LT(largest_difference(runner.run(std::vector<bool>(graph_.n_edges(), false)), expected), kTolerance);
}

TEST_P(Circuits, EqualTheSumPerReader) {
  Rng rng(17);
  for (const Ablation ablation : kAblations) {
    const NodeOutputs other = ablated(ablation);
    CircuitRunner runner(model_, graph_, batch_.tokens, other);
    // One runner for all: nothing of a circuit may stay for the next.
    for (const double share : {0.9, 0.02, 0.3, 0.1}) {
      std::vector<bool> edges(graph_.n_edges());
      for (size_t e = 0; e < edges.size(); ++e) edges[e] = rng.uniform() < share;
      EXPECT_LT(largest_difference(runner.run(edges), Naive(model_, graph_, other, edges).run(batch_.tokens)), kTolerance)
          << ablation_name(ablation) << " " << share;
    }
  }
}

// Layers below the first change are not worked again: whatever came before, the result is the same.
TEST_P(Circuits, DoNotDependOnTheCircuitBefore) {
  const NodeOutputs other = ablated(Ablation::kCounterfactual);
  CircuitRunner kept(model_, graph_, batch_.tokens, other);
  std::vector<bool> edges(graph_.n_edges(), true);
  Rng rng(5);
  for (int64_t e = 0; e < graph_.n_edges(); e += 3) {
    edges[e] = false;
    if (e > 30) edges[rng.below(e)] = true;
    const at::Tensor again = kept.run(edges);
    ASSERT_LT(largest_difference(again, CircuitRunner(model_, graph_, batch_.tokens, other).run(edges)), kTolerance) << e;
  }
}

TEST_P(Circuits, DoNotDependOnTheBatch) {
  const std::vector<Example> all = random_examples(model_.architecture(), 3);
  const AblatedOutputs mean(model_, Ablation::kMean, pointers(all), 2);
  Rng rng(3);
  std::vector<bool> edges(graph_.n_edges());
  for (size_t e = 0; e < edges.size(); ++e) edges[e] = rng.uniform() < 0.4;
  const auto run = [&](const std::vector<const Example*>& examples) {
    const ExampleBatch batch = make_example_batch(examples, model_.architecture(), at::kCPU);
    const NodeOutputs other = mean.of(examples, batch);
    return CircuitRunner(model_, graph_, batch.tokens, other).run(edges);
  };
  const at::Tensor together = run(pointers(all));
  int64_t first = 0;
  for (const Example& e : all) {
    const at::Tensor alone = run({&e});
    EXPECT_LT(largest_difference(alone, together.narrow(0, first, alone.size(0))), kTolerance);
    first += alone.size(0);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Circuits,
                         testing::Values(Case{"gpt2", false, KeyValueNodes::kGrouped},
                                         Case{"gpt2", true, KeyValueNodes::kGrouped},
                                         Case{"llama", false, KeyValueNodes::kGrouped},
                                         Case{"llama", false, KeyValueNodes::kUngrouped},
                                         Case{"mistral", false, KeyValueNodes::kGrouped},
                                         Case{"qwen2", false, KeyValueNodes::kGrouped},
                                         Case{"gpt_neox", true, KeyValueNodes::kGrouped},
                                         Case{"qwen3", false, KeyValueNodes::kUngrouped},
                                         Case{"opt", false, KeyValueNodes::kGrouped}),
                         [](const auto& each) {
                           return std::string(each.param.family) + (each.param.parallel ? "_parallel" : "") +
                                  (each.param.form == KeyValueNodes::kUngrouped ? "_ungrouped" : "");
                         });

TEST(MeanPositional, RefusesRecordsOfAnotherLength) {
  const Model model = tiny_model("gpt2", false);
  std::vector<Example> examples = random_examples(model.architecture(), 2);
  examples[0].ids.resize(4);
  examples[1].ids.resize(4);
  examples[1].ids.push_back(1);
  examples[0].readouts.clear();
  examples[1].readouts.clear();
  EXPECT_THROW(AblatedOutputs(model, Ablation::kMeanPositional, pointers(examples), 2), Error);
}

}  // namespace
}  // namespace circuit
