#include "intervention/circuit_run.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "intervention/per_reader.h"
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
  a.every_layer().set_parallel(parallel);
  return Model::random(a, 0.4, 7, wide);
}

struct Case {
  const char* family;
  bool parallel;
  KeyValueNodes form;
  int64_t mlp_block = 0;
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
  NodeOutputs ablated(const Ablation* ablation) const {
    return ablation->prepare(model_, pointers(examples_), 2, mlp_form(graph_))->of(pointers(examples_), batch_);
  }
  Model model_ = tiny_model(GetParam().family, GetParam().parallel);
  Graph graph_{model_.architecture(), GetParam().form, GetParam().mlp_block};
  std::vector<Example> examples_;
  ExampleBatch batch_;
};

const Ablation* const kAblations[] = {find_ablation("counterfactual"), find_ablation("mean"),
                                      find_ablation("mean-positional"), find_ablation("zero")};

TEST_P(Circuits, OfAllEdgesIsTheModel) {
  const at::Tensor clean = forward(model_, batch_.tokens, Keep::kNothing).x_final;
  for (const Ablation* ablation : kAblations) {
    const NodeOutputs other = ablated(ablation);
    CircuitRunner runner(model_, graph_, batch_.tokens, other);
    EXPECT_LT(largest_difference(runner.run(std::vector<bool>(graph_.n_edges(), true)), clean), kTolerance);
  }
}

TEST_P(Circuits, OfNoEdgesIsTheCorruptedRun) {
  const ExampleBatch corrupted =
      make_example_batch(pointers(examples_), model_.architecture(), at::kCPU, Side::kCounterfactual);
  const at::Tensor expected = forward(model_, corrupted.tokens, Keep::kNothing).x_final;
  const NodeOutputs other = ablated(find_ablation("counterfactual"));
  CircuitRunner runner(model_, graph_, batch_.tokens, other);
  EXPECT_LT(largest_difference(runner.run(std::vector<bool>(graph_.n_edges(), false)), expected), kTolerance);
}

TEST_P(Circuits, EqualTheSumPerReader) {
  Rng rng(17);
  for (const Ablation* ablation : kAblations) {
    const NodeOutputs other = ablated(ablation);
    CircuitRunner runner(model_, graph_, batch_.tokens, other);
    // One runner for all: nothing of a circuit may stay for the next.
    for (const double share : {0.9, 0.02, 0.3, 0.1}) {
      std::vector<bool> edges(graph_.n_edges());
      for (size_t e = 0; e < edges.size(); ++e) edges[e] = rng.uniform() < share;
      EXPECT_LT(largest_difference(runner.run(edges), PerReaderModel(model_, graph_, other, edges).run(batch_.tokens)),
                kTolerance)
          << ablation->name << " " << share;
    }
  }
}

// Layers below the first change are not worked again: whatever came before, the result is the same.
TEST_P(Circuits, DoNotDependOnTheCircuitBefore) {
  const NodeOutputs other = ablated(find_ablation("counterfactual"));
  CircuitRunner kept(model_, graph_, batch_.tokens, other);
  std::vector<bool> edges(graph_.n_edges(), true);
  Rng rng(5);
  for (int64_t e = 0; e < graph_.n_edges(); e += 3) {
    edges[e] = false;
    if (e > 30) edges[rng.below(e)] = true;
    const at::Tensor again = kept.run(edges);
    ASSERT_LT(largest_difference(again, CircuitRunner(model_, graph_, batch_.tokens, other).run(edges)), kTolerance)
        << e;
  }
}

TEST_P(Circuits, DoNotDependOnTheBatch) {
  const std::vector<Example> all = random_examples(model_.architecture(), 3);
  const auto mean = find_ablation("mean")->prepare(model_, pointers(all), 2, mlp_form(graph_));
  Rng rng(3);
  std::vector<bool> edges(graph_.n_edges());
  for (size_t e = 0; e < edges.size(); ++e) edges[e] = rng.uniform() < 0.4;
  const auto run = [&](const std::vector<const Example*>& examples) {
    const ExampleBatch batch = make_example_batch(examples, model_.architecture(), at::kCPU);
    const NodeOutputs other = mean->of(examples, batch);
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

INSTANTIATE_TEST_SUITE_P(
    Cases, Circuits,
    testing::Values(Case{"gpt2", false, KeyValueNodes::kGrouped}, Case{"gpt2", true, KeyValueNodes::kGrouped},
                    Case{"llama", false, KeyValueNodes::kGrouped}, Case{"llama", false, KeyValueNodes::kUngrouped},
                    Case{"mistral", false, KeyValueNodes::kGrouped}, Case{"qwen2", false, KeyValueNodes::kGrouped},
                    Case{"gpt_neox", true, KeyValueNodes::kGrouped}, Case{"qwen3", false, KeyValueNodes::kUngrouped},
                    Case{"opt", false, KeyValueNodes::kGrouped}, Case{"gemma2", false, KeyValueNodes::kGrouped},
                    Case{"gemma2", false, KeyValueNodes::kUngrouped, 7},
                    Case{"gemma3_text", false, KeyValueNodes::kGrouped},
                    Case{"gpt2", false, KeyValueNodes::kGrouped, 7}, Case{"llama", false, KeyValueNodes::kGrouped, 1},
                    Case{"gpt_neox", true, KeyValueNodes::kGrouped, 2}),
    [](const auto& each) {
      return std::string(each.param.family) + (each.param.parallel ? "_parallel" : "") +
             (each.param.form == KeyValueNodes::kUngrouped ? "_ungrouped" : "") +
             (each.param.mlp_block > 0 ? "_blocks" + std::to_string(each.param.mlp_block) : "");
    });

TEST(MeanPositional, RefusesRecordsOfAnotherLength) {
  const Model model = tiny_model("gpt2", false);
  std::vector<Example> examples = random_examples(model.architecture(), 2);
  examples[0].ids.resize(4);
  examples[1].ids.resize(4);
  examples[1].ids.push_back(1);
  examples[0].readouts.clear();
  examples[1].readouts.clear();
  EXPECT_THROW(find_ablation("mean-positional")->prepare(model, pointers(examples), 2, MlpForm::kOutput), Error);
}

}  // namespace
}  // namespace circuit
