#include "tuning/euclidean_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"

namespace circuit {
namespace {

at::Tensor noise(int64_t rows, int64_t columns) {
  Rng rng(3);
  const at::Tensor t = at::empty({rows, columns}, at::kDouble);
  for (int64_t i = 0; i < t.numel(); ++i) t.data_ptr<double>()[i] = rng.normal();
  return t;
}

TEST(EuclideanNorm, OfRowsColumnsAndTransposesInEveryType) {
  const at::Tensor whole = noise(300, 2'500);
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const at::Tensor t = whole.to(type);
    const double tolerance = type == at::kDouble ? 1e-13 : 1e-6;  // relative; of the values as they are rounded
    // A head's columns, ends beside a multiple of the lanes, one dimension, elements of a row apart.
    for (const at::Tensor& part : {t, t.narrow(1, 70, 64), t.narrow(0, 3, 1), t.narrow(1, 9, 1'037), t[5],
                                   t[5].narrow(0, 2, 1), t.t(), t.narrow(0, 0, 0)}) {
      const double expected = std::sqrt(part.to(at::kDouble).square().sum().item<double>());
      EXPECT_NEAR(euclidean_norm(part), expected, tolerance * expected) << part.sizes() << type;
    }
  }
}

TEST(EuclideanNorm, IsTheSameForAnyNumberOfThreads) {
  const at::Tensor t = noise(500, 700).to(at::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const double one = euclidean_norm(t);
  at::set_num_threads(2);
  EXPECT_EQ(euclidean_norm(t), one);
  at::set_num_threads(before);
}

TEST(EuclideanNorm, SaysWhatIsNotFinite) {
  const at::Tensor t = noise(3, 40);
  t[1][17] = std::nan("");
  EXPECT_TRUE(std::isnan(euclidean_norm(t)));
  t[1][17] = INFINITY;
  EXPECT_TRUE(std::isinf(euclidean_norm(t.to(at::kBFloat16))));
}

}  // namespace
}  // namespace circuit
