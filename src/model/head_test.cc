// The loss over a vocabulary so large that the soft-max takes several parts.
#include "model/head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include "core/rng.h"

namespace circuit {
namespace {

constexpr int64_t kVocab = 70'000;  // 16 rows at a time
constexpr int64_t kRows = 41;

Model wide_model(at::ScalarType dtype) {
  Architecture a;
  a.family = "llama";
  a.norm.kind = NormKind::kRmsNorm;
  a.n_layers = 1;
  a.n_heads = a.n_kv_heads = a.d_head = 2;
  a.d_model = 6;
  a.d_mlp = 4;
  a.vocab = kVocab;
  a.n_positions = 8;
  a.head.tied = true;
  a.head.softcap = 3.0;
  LoadOptions options;
  options.dtype = dtype;
  return Model::random(a, 0.5, 3, options);
}

at::Tensor noise(const std::vector<int64_t>& shape, at::ScalarType dtype, uint64_t seed) {
  Rng rng(seed);
  const at::Tensor t = at::empty(shape, at::kDouble);
  for (int64_t i = 0; i < t.numel(); ++i) t.data_ptr<double>()[i] = rng.normal();
  return t.to(dtype);
}

class LossOf : public testing::TestWithParam<at::ScalarType> {};

// Against the formulas in float64 over the whole, from the logits as the model rounds them.
TEST_P(LossOf, PartsIsThatOfTheWhole) {
  const at::ScalarType dtype = GetParam();
  const Model model = wide_model(dtype);
  Targets targets;
  targets.rows = at::arange(kRows, at::kLong);
  targets.ids = at::arange(kRows, at::kLong) * 1'701;
  targets.weights = noise({kRows}, dtype, 4);
  const at::Tensor x = noise({kRows, 6}, dtype, 5);
  const Loss loss = nll_loss(model, x, targets, LossGradient::kStreamAndUnembedding);

  const at::Tensor logits = head_logits(model, loss.head.y).to(at::kDouble);
  const at::Tensor log_probs = at::_log_softmax(logits, 1, false);
  const at::Tensor ids = targets.ids.unsqueeze(1);
  const bool half = dtype == at::kBFloat16;
  const double exact = dtype == at::kDouble ? 1e-12 : 1e-5;  // the soft-max of BF16 logits is float32's
  EXPECT_TRUE(loss.nll.allclose(-log_probs.gather(1, ids).squeeze(1), exact, exact));
  at::Tensor d = log_probs.exp();
  d.scatter_add_(1, ids, at::full({kRows, 1}, -1.0, at::kDouble));
  d.mul_(targets.weights.to(at::kDouble).unsqueeze(1)).mul_((logits / 3).square().neg() + 1);
  const double close = half ? 0.02 : exact;  // gradients are rounded to BF16, and so are their sums
  const at::Tensor d_y = at::mm(d, model.unembedding().to(at::kDouble));
  EXPECT_TRUE(loss.d_y.to(at::kDouble).allclose(d_y, close, close));
  const at::Tensor d_unembedding = at::mm(d.t(), loss.head.y.to(at::kDouble));
  EXPECT_TRUE(loss.d_unembedding.to(at::kDouble).allclose(d_unembedding, close, close));
  // What is only read is not rounded to BF16 on its way: the norm's output in float64, and logits of it.
  const at::Tensor read = nll_loss(model, x, targets, LossGradient::kNone).nll;
  if (!half) {
    EXPECT_TRUE(loss.nll.equal(read));
    return;
  }
  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor y = wide * (wide.square().mean(-1, true) + model.architecture().norm.eps).rsqrt() *
                       norm_scale(model.final_norm()).to(at::kDouble);
  const at::Tensor cap = (at::mm(y, model.unembedding().to(at::kDouble).t()) / 3).tanh() * 3;
  const at::Tensor expected = -at::_log_softmax(cap, 1, false).gather(1, ids).squeeze(1);
  EXPECT_TRUE(read.allclose(expected, 1e-5, 1e-5));
  EXPECT_FALSE(loss.nll.allclose(expected, 1e-5, 1e-5)) << "BF16 logits are as good: the test looks at nothing";
}

INSTANTIATE_TEST_SUITE_P(Types, LossOf, testing::Values(at::kDouble, at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace circuit
