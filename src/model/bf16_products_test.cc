#include "model/bf16_products.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/addmv.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/rand.h>
#include <gtest/gtest.h>

#include <functional>

namespace circuit {
namespace {

using at::Tensor;

struct Product {
  const char* name;
  std::function<Tensor(const Tensor& a, const Tensor& b, const Tensor& c)>
      work;  // a [2, n, K], b [2, K, n], c [2, n, n]
};

const std::vector<Product>& products() {
  static const std::vector<Product> all{
      {"mm", [](const Tensor& a, const Tensor& b, const Tensor&) { return at::mm(a[0], b[0]); }},
      {"mm of a transposed one",
       [](const Tensor& a, const Tensor& b, const Tensor&) { return at::mm(b[0].t(), a[0].t()); }},
      {"mm.out",
       [](const Tensor& a, const Tensor& b, const Tensor&) {
         Tensor out = at::empty({0}, a.options());
         return at::mm_out(out, a[0], b[0]).clone();
       }},
      {"bmm", [](const Tensor& a, const Tensor& b, const Tensor&) { return at::bmm(a, b); }},
      {"bmm.out",
       [](const Tensor& a, const Tensor& b, const Tensor&) {
         Tensor out = at::empty({2, a.size(1), a.size(1)}, a.options());
         return at::bmm_out(out, a, b).clone();
       }},
      {"matmul", [](const Tensor& a, const Tensor& b, const Tensor&) { return at::matmul(a, b); }},
      {"linear", [](const Tensor& a, const Tensor& b, const Tensor& c) { return at::linear(a[0], b[0].t(), c[0][0]); }},
      {"addmm", [](const Tensor& a, const Tensor& b, const Tensor& c) { return at::addmm(c[0], a[0], b[0], 0.5, 2); }},
      {"addmm_", [](const Tensor& a, const Tensor& b, const Tensor& c) { return c[0].clone().addmm_(a[0], b[0]); }},
      {"baddbmm", [](const Tensor& a, const Tensor& b, const Tensor& c) { return at::baddbmm(c, a, b); }},
      {"baddbmm_", [](const Tensor& a, const Tensor& b, const Tensor& c) { return c.clone().baddbmm_(a, b, 0, 1); }},
      {"mv",
       [](const Tensor& a, const Tensor& b, const Tensor&) { return at::mv(a[0], b[0].select(1, 0).contiguous()); }},
      {"addmv",
       [](const Tensor& a, const Tensor& b, const Tensor& c) { return at::addmv(c[0][0], a[0], b[0].select(1, 0)); }},
      {"dot", [](const Tensor& a, const Tensor& b, const Tensor&) { return at::dot(a[0][0], b[0].select(1, 0)); }}};
  return all;
}

// Positive terms: a sum in BF16 stands still where it is 256 times what is added.
TEST(Bf16Products, AreSummedInFloat32) {
  sum_bf16_products_in_float32();
  constexpr double kRounding = 1.0 / 256;  // of the result to BF16
  // Small products and large ones have kernels of their own.
  for (const auto& [rows, terms] : {std::pair<int64_t, int64_t>{8, 4096}, {8, 70000}, {2, 1000}, {1, 768}}) {
    const Tensor a = at::rand({2, rows, terms}).to(at::kBFloat16);
    const Tensor b = at::rand({2, terms, rows}).to(at::kBFloat16);
    const Tensor c = at::rand({2, rows, rows}).to(at::kBFloat16);
    for (const Product& p : products()) {
      const Tensor found = p.work(a, b, c);
      EXPECT_EQ(found.scalar_type(), at::kBFloat16) << p.name;
      const Tensor exact = p.work(a.to(at::kDouble), b.to(at::kDouble), c.to(at::kDouble));
      EXPECT_LE(((found.to(at::kDouble) - exact).abs() / exact).max().item<double>(), kRounding)
          << p.name << " of " << rows << " x " << terms;
    }
  }
}

TEST(Bf16Products, LeaveOtherTypesAsTheyAre) {
  const Tensor a = at::rand({2, 8, 300});
  const Tensor b = at::rand({2, 300, 8});
  const Tensor c = at::rand({2, 8, 8});
  std::vector<Tensor> before;
  for (const Product& p : products()) before.push_back(p.work(a, b, c));
  sum_bf16_products_in_float32();
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(products()[i].work(a, b, c).equal(before[i])) << products()[i].name;
}

}  // namespace
}  // namespace circuit
