#include "task/anchor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "task/readout_penalty.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

// float64: differences of the loss are good to about the root of its rounding.
constexpr double kSlope = 1e-6;

class LossTerms : public testing::TestWithParam<const char*> {
 protected:
  static Model model_of(uint64_t seed) {
    LoadOptions wide;
    wide.dtype = at::kDouble;
    return Model::random(tiny_architecture(GetParam()), 0.4, seed, wide);
  }
  Model base_ = model_of(1);
  Model model_ = model_of(2);
  std::vector<Example> examples_ = random_examples(model_.architecture(), 3);
  ExampleBatch batch_ = make_example_batch(pointers(examples_), model_.architecture(), at::kCPU);
  at::Tensor rows_ = at::tensor(std::vector<int64_t>{0, 2, 3, 7}, at::kLong);

  at::Tensor stream(const Model& model) const { return forward(model, batch_.tokens, Keep::kNothing).x_final; }

  // ∂sum/∂stream and ∂sum/∂unembedding along random directions, against differences.
  template <class Term>
  void expect_gradients(const Term& term) {
    Rng rng(3);
    const at::Tensor x = stream(model_);
    const LossTerm at_x = term(x);
    const at::Tensor d_x = head_backward(model_, at_x.head, at_x.d_y, x.size(0));
    const auto direction = [&](const at::Tensor& like) {
      std::vector<double> values(like.numel());
      for (double& v : values) v = rng.normal();
      return at::tensor(values, at::kDouble).view(like.sizes());
    };
    constexpr double kStep = 1e-5;
    const at::Tensor along = direction(x);
    const double slope = (term(x + along * kStep).sum - term(x - along * kStep).sum) / (2 * kStep);
    EXPECT_NEAR((d_x * along).sum().item<double>(), slope, kSlope * std::max(1.0, std::fabs(slope)));
    if (model_.architecture().head.tied) return;  // the embedding would move with it, and the stream
    at::Tensor u = model_.writable(model_.layout().unembedding);
    const at::Tensor turned = direction(u);
    u.add_(turned, kStep);
    const double more = term(x).sum;
    u.add_(turned, -2 * kStep);
    const double less = term(x).sum;
    u.add_(turned, kStep);
    const double of_u = (more - less) / (2 * kStep);
    EXPECT_NEAR((at_x.d_unembedding * turned).sum().item<double>(), of_u, kSlope * std::max(1.0, std::fabs(of_u)));
  }
};

TEST_P(LossTerms, AnchorIsTheDivergenceFromTheBase) {
  const at::Tensor x = stream(model_);
  const LossTerm term = anchor_term(base_, model_, batch_.tokens, x, rows_, LossGradient::kStreamAndUnembedding);
  const auto log_probs = [&](const Model& model, const at::Tensor& of) {
    return at::_log_softmax(head_logits(model, head_input(model, of, rows_).y), 1, false);
  };
  const at::Tensor p = log_probs(base_, stream(base_));
  const at::Tensor q = log_probs(model_, x);
  EXPECT_NEAR(term.sum, (p.exp() * (p - q)).sum().item<double>(), 1e-9);
  EXPECT_GT(term.sum, 0.1);
  const LossTerm none = anchor_term(base_, base_, batch_.tokens, stream(base_), rows_, LossGradient::kStream);
  EXPECT_NEAR(none.sum, 0, 1e-12);
  EXPECT_LT(none.d_y.abs().max().item<double>(), 1e-12);
}

TEST_P(LossTerms, HaveTheGradientsOfTheirSums) {
  expect_gradients([&](const at::Tensor& x) {
    return anchor_term(base_, model_, batch_.tokens, x, rows_, LossGradient::kStreamAndUnembedding);
  });
  expect_gradients(
      [&](const at::Tensor& x) { return readout_penalty(model_, batch_, x, LossGradient::kStreamAndUnembedding); });
}

INSTANTIATE_TEST_SUITE_P(Families, LossTerms, testing::Values("gpt2", "llama", "gemma2", "qwen3"));

// The head's bias is a parameter of logits like any other.
TEST(ReadoutPenalty, HasTheGradientOfTheHeadsBias) {
  Architecture a = tiny_architecture("gpt_neox");
  a.family = "phi";
  a.head.bias = true;
  LoadOptions wide;
  wide.dtype = at::kDouble;
  Model model = Model::random(a, 0.4, 2, wide);
  const std::vector<Example> examples = random_examples(a, 3);
  const ExampleBatch batch = make_example_batch(pointers(examples), a, at::kCPU);
  const at::Tensor x = forward(model, batch.tokens, Keep::kNothing).x_final;
  const LossTerm term = readout_penalty(model, batch, x, LossGradient::kStreamAndUnembedding);
  at::Tensor bias = model.writable(model.layout().unembedding_bias);
  for (int64_t id = 0; id < a.vocab; ++id) {
    constexpr double kStep = 1e-6;
    const auto at_shift = [&](double shift) {
      bias[id].add_(shift);
      return readout_penalty(model, batch, x, LossGradient::kStream).sum;
    };
    const double more = at_shift(kStep);
    const double less = at_shift(-2 * kStep);
    at_shift(kStep);
    EXPECT_NEAR(term.d_bias[id].item<double>(), (more - less) / (2 * kStep), 1e-6) << id;
  }
}

}  // namespace
}  // namespace circuit
