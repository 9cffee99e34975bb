#include "dynamics/ov_drift.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"
#include "dynamics/readout_directions.h"
#include "task/tiny_examples.h"

namespace circuit {
namespace {

constexpr int64_t kModel = 24;
constexpr int64_t kHead = 4;
constexpr double kFactorRounding = 1e-10;  // float64 factorisations of entries of size 1

at::Tensor random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  Rng rng(seed);
  at::Tensor m = at::empty({rows, columns}, at::kDouble);
  for (int64_t i = 0; i < m.numel(); ++i) m.data_ptr<double>()[i] = rng.normal();
  return m;
}

TEST(OvDrift, RecoversAChangeAlongAKnownDirection) {
  const at::Tensor v = random_matrix(kModel, kHead, 1);
  const at::Tensor o = random_matrix(kHead, kModel, 2);
  const at::Tensor direction = random_matrix(1, kModel, 3);
  at::Tensor after = o.clone();
  after.select(0, 1).add_(direction.squeeze(0), 0.7);  // channel 1 of the head writes more along it
  const OvDrift drift = ov_drift(v, o, v, after);
  const at::Tensor reads = v.select(1, 1);
  EXPECT_NEAR(drift.singular_values[0], 0.7 * reads.norm().item<double>() * direction.norm().item<double>(),
              kFactorRounding);
  EXPECT_NEAR(drift.singular_values[1], 0, kFactorRounding);
  EXPECT_NEAR(drift.share_of_top(), 1, kFactorRounding);
  EXPECT_NEAR(alignment(drift.output, direction.squeeze(0)), 1, kFactorRounding);
  EXPECT_NEAR(alignment(drift.input, reads), 1, kFactorRounding);
}

TEST(OvDrift, EqualsTheDecompositionOfTheWholeMatrix) {
  const at::Tensor v = random_matrix(kModel, kHead, 4);
  const at::Tensor o = random_matrix(kHead, kModel, 5);
  const at::Tensor v_after = v + 0.3 * random_matrix(kModel, kHead, 6);
  const at::Tensor o_after = o + 0.2 * random_matrix(kHead, kModel, 7);
  const OvDrift drift = ov_drift(v, o, v_after, o_after);
  const at::Tensor whole = at::mm(v_after, o_after) - at::mm(v, o);
  const auto [u, s, v_h] = at::linalg_svd(whole, false);
  ASSERT_EQ(drift.singular_values.size(), static_cast<size_t>(2 * kHead));
  for (int64_t i = 0; i < 2 * kHead; ++i) EXPECT_NEAR(drift.singular_values[i], s[i].item<double>(), kFactorRounding);
  EXPECT_NEAR(drift.change(), whole.norm().item<double>(), kFactorRounding);
  EXPECT_NEAR(alignment(drift.output, v_h.select(0, 0)), 1, kFactorRounding);
  EXPECT_NEAR(drift.norm, at::mm(v, o).norm().item<double>(), kFactorRounding);
}

TEST(OvDrift, OfAnUnchangedHeadIsExactlyZero) {
  const at::Tensor v = random_matrix(kModel, kHead, 8);
  const at::Tensor o = random_matrix(kHead, kModel, 9);
  EXPECT_EQ(ov_drift(v, o, v, o).change(), 0);
  EXPECT_EQ(ov_drift(v, o, v, o).share_of_top(), 0);
}

TEST(ReadoutDirections, OppositeReadoutsCancelInTheMeanNotInThePrincipal) {
  const Model model = Model::random(tiny_architecture("gpt2"), 0.3, 3, {at::kDouble});
  Example e = random_examples(model.architecture(), 1)[0];
  e.readouts = {{1, {3}, {5}, ""}, {2, {5}, {3}, ""}};
  const ReadoutDirections found = readout_directions(model, {&e});
  EXPECT_EQ(found.readouts, 2);
  EXPECT_NEAR(found.mean.norm().item<double>(), 0, kFactorRounding);
  const at::Tensor difference =
      model.final_norm().weight * (model.unembedding().select(0, 3) - model.unembedding().select(0, 5));
  EXPECT_NEAR(alignment(found.principal, difference), 1, kFactorRounding);
}

}  // namespace
}  // namespace circuit
