#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tuning/delta.h"

namespace circuit {
namespace {

TEST(DeltaScale, IsALineFromTheBaseThroughTheMaster) {
  DeltaSlice slice;
  slice.region = {"w", 0, 2, 5};
  slice.base = at::rand({3, 8}).to(at::kBFloat16);
  slice.master = slice.base.to(at::kFloat) + 0.1 * at::rand({3, 8});
  slice.master.select(0, 1).copy_(slice.base.select(0, 1).to(at::kFloat));
  slice.value = slice.master.to(at::kBFloat16);
  Delta delta;
  delta.slices = {slice};
  delta.result_sha256 = {{"w", "of the whole"}};
  for (const double scale : {-1.0, 0.0, 0.25, 1.0, 3.0}) {
    const Delta found = scaled(delta, scale);
    const at::Tensor base = slice.base.to(at::kDouble);
    const at::Tensor exact = base + scale * (slice.master.to(at::kDouble) - base);
    EXPECT_TRUE(found.slices[0].value.equal(exact.to(at::kBFloat16))) << scale;
    EXPECT_TRUE(found.slices[0].master.equal(exact.to(at::kFloat))) << scale;
    EXPECT_TRUE(found.result_sha256.empty());
  }
  EXPECT_TRUE(scaled(delta, 1).slices[0].value.equal(slice.value));
  EXPECT_TRUE(scaled(delta, 0).slices[0].value.equal(slice.base));
}

// Zeros of both signs are equal, and stay what they were.
TEST(DeltaScale, KeepsTheBytesOfWhatDidNotChange) {
  const at::Tensor base = at::zeros({2}).neg();
  EXPECT_TRUE(scaled_change(base, at::zeros({2}), 0.5).signbit().all().item<bool>());
}

}  // namespace
}  // namespace circuit
