#include "tuning/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "core/rng.h"
#include "tuning/schedule.h"

namespace circuit {
namespace {

TEST(Sgd, FollowsTorchsFormula) {
  OptimizerSpec spec;
  spec.momentum = 0.9;
  SliceState state;
  const at::Tensor w = at::full({1}, 1.0, at::kDouble);
  const auto step = [&](double gradient) {
    sgd().update(spec, {0.1, 0.01}, w, at::full({1}, gradient, at::kDouble), &state);
  };
  // g = 2 + 0.01; m = g; w = 1 − 0.1 m
  step(2);
  EXPECT_NEAR(w.item<double>(), 1 - 0.1 * 2.01, 1e-12);
  // g = 1 + 0.01 w; m = 0.9·2.01 + g
  const double before = w.item<double>();
  step(1);
  EXPECT_NEAR(w.item<double>(), before - 0.1 * (0.9 * 2.01 + 1 + 0.01 * before), 1e-12);
}

TEST(AdamW, FirstStepMovesByTheLearningRateAndDecays) {
  OptimizerSpec spec;
  SliceState state;
  const at::Tensor w = at::full({1}, 2.0, at::kDouble);
  adamw().update(spec, {0.1, 0.01}, w, at::full({1}, -3.0, at::kDouble), &state);
  // Bias-corrected, the first step is lr · g / (|g| + ε); decay is decoupled: w (1 − lr λ).
  EXPECT_NEAR(w.item<double>(), 2 * (1 - 0.1 * 0.01) + 0.1, 1e-8);
  EXPECT_EQ(state.updates, 1);
}

TEST(Schedule, WarmsUpAndNeverStartsAtZero) {
  Schedule s;
  s.lr = 1;
  s.warmup = 4;
  s.steps = 14;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(s, 3), 1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 13), 1);
  s.kind = ScheduleKind::kLinear;
  EXPECT_DOUBLE_EQ(learning_rate(s, 4), 1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 9), 0.5);
  s.kind = ScheduleKind::kCosine;
  EXPECT_NEAR(learning_rate(s, 9), 0.5, 1e-12);
  s.warmup = 0;
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 1);
}

// Where a slice cannot be walked by rows (another device, another layout), the update is made of tensor operations.
TEST(Optimizers, OnePassAndOperationsAgree) {
  Rng rng(3);
  const auto noise = [&] {
    at::Tensor t = at::empty({7, 5}, at::kFloat);
    for (int64_t i = 0; i < t.numel(); ++i) t.data_ptr<float>()[i] = static_cast<float>(rng.normal());
    return t;
  };
  for (const Optimizer& optimizer : optimizers()) {
    for (const double momentum : {0.0, 0.9}) {
      OptimizerSpec spec;
      spec.momentum = momentum;
      SliceState walked;
      SliceState operated;
      const at::Tensor w = noise();
      // The same values, elements of a row apart.
      const at::Tensor strided = at::empty({5, 7}, at::kFloat).t().copy_(w);
      for (int step = 0; step < 4; ++step) {
        const at::Tensor g = noise();
        optimizer.update(spec, {0.05, 0.1, 0.7}, w, g.clone(), &walked);
        optimizer.update(spec, {0.05, 0.1, 0.7}, strided, g.clone(), &operated);
      }
      constexpr double kTolerance = 1e-5;  // float32, operations in another order
      EXPECT_TRUE(w.allclose(strided, kTolerance, kTolerance)) << optimizer.name;
    }
  }
}

// The columns of a head inside the gradient of a whole matrix, as BF16 models have them.
TEST(Optimizers, GradientsInBf16CountAsTheirValues) {
  Rng rng(4);
  const auto noise = [&](int64_t columns) {
    at::Tensor t = at::empty({7, columns}, at::kFloat);
    for (int64_t i = 0; i < t.numel(); ++i) t.data_ptr<float>()[i] = static_cast<float>(rng.normal());
    return t;
  };
  for (const Optimizer& optimizer : optimizers()) {
    OptimizerSpec spec;
    SliceState narrow;
    SliceState wide;
    const at::Tensor w = noise(5);
    const at::Tensor expected = w.clone();
    for (int step = 0; step < 3; ++step) {
      const at::Tensor g = noise(12).to(at::kBFloat16).narrow(1, 4, 5);
      optimizer.update(spec, {0.05, 0.1, 0.7}, w, g, &narrow);
      optimizer.update(spec, {0.05, 0.1, 0.7}, expected, g.to(at::kFloat), &wide);
    }
    EXPECT_TRUE(w.equal(expected)) << optimizer.name;
  }
}

}  // namespace
}  // namespace circuit
