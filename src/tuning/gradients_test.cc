#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <cmath>

#include "task/tiny_examples.h"
#include "tuning/gradient_check.h"
#include "tuning/gradients.h"

namespace circuit {
namespace {

void expect_central_differences(const Architecture& architecture) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  Model model = Model::random(architecture, 0.3, 2, wide);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  const std::vector<Example> examples = random_examples(model.architecture(), 5);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const auto loss = [&] {
    const ForwardCache run = forward(model, batch.tokens, Keep::kNothing);
    return nll_loss(model, run.x_final, batch.targets, LossGradient::kNone).nll.sum().item<double>();
  };
  SliceGradients gradients(model, table.slices());
  ForwardCache run = forward(model, batch.tokens, Keep::kBackward, {batch.targets.rows});
  weight_gradients(model, batch.tokens, run,
                   nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding), 1, gradients);
  constexpr double kEps = 1e-5;
  // Truncation error of a central difference is O(eps²) times a third derivative of order 10.
  constexpr double kTolerance = 1e-6;
  Rng rng(4);
  for (size_t i = 0; i < table.slices().size(); ++i) {
    const Slice& slice = table.slices()[i];
    ASSERT_TRUE(gradients.gradients()[i].defined()) << slice.tensor;
    ASSERT_EQ(gradients.gradients()[i].sizes(), slice_view(model, slice).sizes()) << slice.tensor;
    // Along a random direction over the whole slice: one number that every element enters.
    const at::Tensor view = writable_slice(model, slice);
    at::Tensor direction = at::empty_like(view, at::MemoryFormat::Contiguous);
    for (int64_t k = 0; k < direction.numel(); ++k) direction.data_ptr<double>()[k] = rng.normal();
    const at::Tensor kept = view.clone();
    view.add_(direction, kEps);
    const double above = loss();
    view.copy_(kept).add_(direction, -kEps);
    const double below = loss();
    view.copy_(kept);
    const double expected = (above - below) / (2 * kEps);
    const double found = (gradients.gradients()[i] * direction).sum().item<double>();
    EXPECT_NEAR(found, expected, kTolerance * std::max(1.0, std::fabs(expected))) << slice.node << " " << slice.tensor;
  }
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, EverySlicesGradientIsACentralDifference) { expect_central_differences(tiny_architecture(GetParam())); }

// Parallel and sequential blocks, with and without norms of outputs, in one model.
TEST(Layers, ThatDifferHaveTheGradientsOfTheirOwnBlocks) {
  Architecture a = tiny_architecture("gemma2", 3);
  LayerSpec parallel = a.layer(1);
  parallel.set_parallel(true);
  for (BlockSpec& block : parallel.blocks) block.post_norm = false;
  a.layer_kinds.push_back(parallel);
  a.kind_of_layer = {0, 2, 1};
  expect_central_differences(a);
}

// A loss that reads few rows: the same gradients whether the forward knew, the backward alone, or neither.
TEST_P(Families, GradientsDoNotDependOnSkippingRowsThatNobodyReads) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  Architecture a = tiny_architecture(GetParam());
  for (const bool parallel : {false, true}) {
    a.every_layer().set_parallel(parallel);
    const Model model = Model::random(a, 0.3, 2, wide);
    const Graph graph(a, KeyValueNodes::kGrouped);
    const SliceTable table(graph, model);
    std::vector<Example> examples = random_examples(a, 4);
    for (Example& e : examples) e.first_target = static_cast<int64_t>(e.ids.size()) - 1;
    const ExampleBatch batch = make_example_batch(pointers(examples), a, at::kCPU);
    ASSERT_EQ(batch.n_targets(), 4);
    const auto gradients = [&](const ReadRows& forward_reads, const at::Tensor& backward_reads) {
      ForwardCache run = forward(model, batch.tokens, Keep::kBackwardAndNodeOutputs, forward_reads);
      run.read_rows = backward_reads;
      SliceGradients all(model, table.slices());
      weight_gradients(model, batch.tokens, run,
                       nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding), 1, all);
      return all.gradients();
    };
    const at::Tensor rows = batch.targets.rows;
    const auto plain = gradients({}, {});
    constexpr double kTolerance = 1e-12;  // float64, sums in another order
    for (const auto& other : {gradients({rows}, rows), gradients({rows, true}, rows), gradients({}, rows)}) {
      for (size_t i = 0; i < plain.size(); ++i) {
        EXPECT_TRUE(plain[i].allclose(other[i], kTolerance, kTolerance)) << table.slices()[i].tensor;
      }
    }
  }
}

TEST_P(Families, GradientsOfSomeSlicesEqualThoseOfAll) {
  LoadOptions wide;
  wide.dtype = at::kDouble;
  const Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, wide);
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  const std::vector<Example> examples = random_examples(model.architecture(), 3);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const ForwardCache kept = forward(model, batch.tokens, Keep::kBackward);
  const Loss loss = nll_loss(model, kept.x_final, batch.targets, LossGradient::kStreamAndUnembedding);
  SliceGradients all(model, table.slices());
  ForwardCache run = kept;
  weight_gradients(model, batch.tokens, run, loss, 1, all);
  std::vector<Slice> some;
  std::vector<size_t> chosen;
  for (size_t i = 1; i < table.slices().size(); i += 3) {
    some.push_back(table.slices()[i]);
    chosen.push_back(i);
  }
  SliceGradients part(model, some);
  run = kept;
  weight_gradients(model, batch.tokens, run, loss, 1, part);
  constexpr double kTolerance = 1e-12;  // float64, sums in another order
  for (size_t k = 0; k < chosen.size(); ++k) {
    EXPECT_TRUE(part.gradients()[k].allclose(all.gradients()[chosen[k]], kTolerance, kTolerance)) << some[k].tensor;
  }
}

// Norms, caps and scales work in float32 in between: no step may lose or mix up a dtype.
TEST_P(Families, GradientsInBf16PointWhereThoseInFloat64Do) {
  const auto gradients = [&](at::ScalarType dtype) {
    LoadOptions options;
    options.dtype = dtype;
    const Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, options);
    const SliceTable table(Graph(model.architecture(), KeyValueNodes::kGrouped), model);
    const std::vector<Example> examples = random_examples(model.architecture(), 5);
    const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
    ForwardCache run = forward(model, batch.tokens, Keep::kBackward);
    SliceGradients all(model, table.slices());
    weight_gradients(model, batch.tokens, run,
                     nll_loss(model, run.x_final, batch.targets, LossGradient::kStreamAndUnembedding), 1, all);
    std::vector<at::Tensor> flat;
    for (const at::Tensor& g : all.gradients()) {
      // What several parts of a backward add up to (tied embeddings) is summed in float32.
      const bool summed = dtype == at::kBFloat16 && g.scalar_type() == at::kFloat;
      EXPECT_TRUE(summed || g.scalar_type() == dtype) << g.scalar_type();
      flat.push_back(g.to(at::kDouble).flatten());
    }
    return at::cat(flat);
  };
  const at::Tensor wide = gradients(at::kDouble);
  const at::Tensor half = gradients(at::kBFloat16);
  const double cosine = ((wide * half).sum() / (wide.norm() * half.norm())).item<double>();
  constexpr double kLeastCosine = 0.995;  // BF16 rounds to 3 digits, and two tiny layers amplify that
  EXPECT_GT(cosine, kLeastCosine);
}

// 256 BF16 ones are 256, and a sum in BF16 would stay there.
TEST(SliceGradients, MicroBatchesAddUpInFloat32) {
  LoadOptions options;
  options.dtype = at::kBFloat16;
  const Model model = Model::random(tiny_architecture("gpt2"), 0.3, 2, options);
  const std::string name = model.layout().final_norm;
  const int64_t width = model.parameter(name).numel();
  SliceGradients gradients(model, {{name, name, 0, 0, width, width}});
  for (int i = 0; i < 300; ++i) gradients.vector(name, 0, at::ones({1, width}, at::kBFloat16));
  EXPECT_TRUE((gradients.gradients()[0] == 300).all().item<bool>());
  EXPECT_NEAR(gradients.norms()[0], 300 * std::sqrt(static_cast<double>(width)), 1e-3);
}

TEST_P(Families, TheCheckOfOneSliceHoldsAndAWrongGradientWouldNot) {
  Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, {});
  const SliceTable table(Graph(model.architecture(), KeyValueNodes::kGrouped), model);
  const std::vector<Example> examples = random_examples(model.architecture(), 5);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const at::Tensor before = model.embedding().clone();
  const GradientCheck check = check_gradient(model, table.slices(), batch);
  EXPECT_TRUE(check.holds()) << check.slice << ": " << check.gradient << " against " << check.slope;
  EXPECT_TRUE(before.equal(model.embedding()));
  GradientCheck wrong = check;
  wrong.error = std::fabs(check.slope / (1.05 * check.gradient) - 1);  // 5 % off
  EXPECT_FALSE(wrong.holds());
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values("gpt2", "llama", "mistral", "qwen2", "gpt_neox", "qwen3", "gemma2",
                                         "gemma3_text", "opt"));

}  // namespace
}  // namespace circuit
