#include "model/onednn_products.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <limits>
#include <thread>

namespace circuit {
namespace {

using at::Tensor;

struct Product {
  const char* name;
  std::function<Tensor(const Tensor& a, const Tensor& b, const Tensor& c)> work;  // a [n, k], b [k, m], c [n, m]
};

const std::vector<Product>& products() {
  static const std::vector<Product> all{
      {"mm", [](const Tensor& a, const Tensor& b, const Tensor&) { return at::mm(a, b); }},
      {"mm of transposed ones", [](const Tensor& a, const Tensor& b, const Tensor&) { return at::mm(b.t(), a.t()); }},
      {"mm of columns of wider ones",
       [](const Tensor& a, const Tensor& b, const Tensor&) {
         const Tensor wide_a = at::cat({a, a}, 1);
         const Tensor wide_b = at::cat({b, b}, 1);
         return at::mm(wide_a.narrow(1, 0, a.size(1)), wide_b.narrow(1, b.size(1), b.size(1)));
       }},
      {"mm of one row for all",
       [](const Tensor& a, const Tensor& b, const Tensor&) {
         return at::mm(a, b.select(1, 0).unsqueeze(1).expand({-1, b.size(1)}));
       }},
      {"mm.out into a part",
       [](const Tensor& a, const Tensor& b, const Tensor& c) {
         Tensor out = at::cat({c, c}, 1);
         Tensor part = out.narrow(1, 1, c.size(1));
         at::mm_out(part, a, b);
         return out;
       }},
      {"addmm", [](const Tensor& a, const Tensor& b, const Tensor& c) { return at::addmm(c, a, b, 0.5, 2); }},
      {"addmm of a row", [](const Tensor& a, const Tensor& b, const Tensor& c) { return at::addmm(c[0], a, b); }},
      {"addmm_", [](const Tensor& a, const Tensor& b, const Tensor& c) { return c.clone().addmm_(a, b, 1, -1); }},
      {"addmm_ of part", [](const Tensor& a, const Tensor& b, const Tensor& c) { return c.clone().addmm_(a, b, 3); }},
      {"addmm_ of nothing",
       [](const Tensor& a, const Tensor& b, const Tensor& c) {
         return at::full_like(c, std::numeric_limits<double>::quiet_NaN()).addmm_(a, b, 0);
       }},
      {"bmm",
       [](const Tensor& a, const Tensor& b, const Tensor&) {
         return at::bmm(at::stack({a, a * 2, a * 3}), at::stack({b, b - 1, b}));
       }},
      {"bmm of transposed ones",
       [](const Tensor& a, const Tensor& b, const Tensor&) {
         return at::bmm(at::stack({b, b * 2}).transpose(1, 2), at::stack({a, a}).transpose(1, 2));
       }},
      {"bmm.out", [](const Tensor& a, const Tensor& b, const Tensor& c) {
         Tensor out = at::stack({c, c}).transpose(0, 1).contiguous().transpose(0, 1);
         at::bmm_out(out, at::stack({a, a}), at::stack({b, b}));
         return out.clone();
       }}};
  return all;
}

class OnednnProducts : public testing::Test {
 protected:
  // In a thread of its own: what it chooses ends with it.
  static void in_a_thread(const std::function<void()>& work) { std::thread(work).join(); }
};

TEST_F(OnednnProducts, AreTheProducts) {
  in_a_thread([] {
    use_onednn_products();
    for (const auto& [n, k, m] : {std::array<int64_t, 3>{128, 300, 96},
                                  {9, 576, 512},
                                  {7, 576, 512},
                                  {1, 900, 400},
                                  {300, 3, 500},
                                  {4, 5, 6}}) {
      const Tensor a = at::randn({n, k});
      const Tensor b = at::randn({k, m});
      const Tensor c = at::randn({n, m});
      for (const Product& p : products()) {
        const Tensor exact = p.work(a.to(at::kDouble), b.to(at::kDouble), c.to(at::kDouble));
        const Tensor found = p.work(a, b, c);
        ASSERT_EQ(found.sizes(), exact.sizes()) << p.name;
        EXPECT_LE((found - exact).abs().max().item<double>(), 4e-6 * exact.abs().max().item<double>())
            << p.name << " of " << n << " x " << k << " x " << m;
      }
    }
  });
}

// A notebook's own products are what they were, to the bit.
TEST_F(OnednnProducts, AreThisThreadsAlone) {
  const Tensor a = at::randn({128, 300});
  const Tensor b = at::randn({300, 96});
  const Tensor before = at::mm(a, b);
  bool chosen = false;
  bool equal = true;
  in_a_thread([&] {
    use_onednn_products();
    chosen = are_products_onednn();
    equal = at::mm(a, b).equal(before);
  });
  EXPECT_FALSE(are_products_onednn());
  EXPECT_TRUE(at::mm(a, b).equal(before));
  if (!chosen) GTEST_SKIP() << "not used with this libtorch on this processor";
  EXPECT_FALSE(equal) << "the same sums in another order were expected";
}

}  // namespace
}  // namespace circuit
