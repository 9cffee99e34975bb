#include "model/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "model/soft_cap.h"

namespace circuit {
namespace {

// float64: only the order of sums differs.
constexpr double kTolerance = 1e-11;

double largest_gap(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

struct Form {
  const char* name;
  int64_t kv_heads;
  std::optional<int64_t> window;
  std::optional<double> cap;
};

Architecture shape(const Form& form) {
  Architecture a;
  a.n_layers = 2;
  a.n_heads = 4;
  a.n_kv_heads = form.kv_heads;
  a.d_head = 5;
  a.d_model = 20;
  a.vocab = 13;
  a.n_positions = 600;
  a.every_layer().attention.softcap = form.cap;
  if (!form.window) return a;
  a.layer_kinds.push_back(a.every_layer());
  a.layer_kinds.back().attention.window = form.window;
  a.kind_of_layer = {1, 0};
  return a;
}

// Sequences long enough for several tiles of queries, whose probabilities are not kept.
class Tiles : public testing::TestWithParam<Form> {
 protected:
  void SetUp() override {
    ASSERT_FALSE(keeps_probs(architecture_, 600));
    batch_ = make_token_batch({std::vector<int64_t>(600, 1), std::vector<int64_t>(301, 2)}, architecture_, at::kCPU);
    const auto rows = [&](int64_t heads) {
      return at::randn({batch_.tokens(), heads * architecture_.d_head}, at::kDouble);
    };
    q_ = rows(architecture_.n_heads);
    k_ = rows(architecture_.n_kv_heads);
    v_ = rows(architecture_.n_kv_heads);
    d_z_ = rows(architecture_.n_heads);
  }
  // As if the probabilities had been kept.
  AttentionCache with_probs(AttentionCache cache, int64_t layer) const {
    at::Tensor scores =
        soft_cap(at::bmm(cache.q, cache.k.transpose(1, 2)), architecture_.layer(layer).attention.softcap);
    const int64_t n = cache.k.size(1);
    scores.view({-1, n, n}).add_(attention_mask(architecture_.layer(layer).attention.window, n, n, scores.options()));
    cache.probs = at::softmax(scores, -1);
    return cache;
  }
  Architecture architecture_ = shape(GetParam());
  TokenBatch batch_;
  at::Tensor q_, k_, v_, d_z_;
};

TEST_P(Tiles, GiveWhatOneTileGives) {
  for (int64_t layer = 0; layer < architecture_.n_layers; ++layer) {
    AttentionCache cache;
    const at::Tensor z = attention_forward(architecture_, layer, batch_, q_, k_, v_, {}, &cache);
    ASSERT_FALSE(cache.probs.defined());
    EXPECT_EQ(largest_gap(z, attention_forward(architecture_, layer, batch_, q_, k_, v_, {}, nullptr)), 0);
    const AttentionCache whole = with_probs(cache, layer);
    // Of the first sequence, which has no padding: [Hk, R · T, c] → [T, Hk · R · c].
    const int64_t kv_heads = architecture_.n_kv_heads;
    const at::Tensor expected = at::bmm(whole.probs, whole.v)
                                    .narrow(0, 0, kv_heads)
                                    .view({architecture_.n_heads, 600, architecture_.d_head})
                                    .transpose(0, 1)
                                    .flatten(1);
    EXPECT_LT(largest_gap(z.narrow(0, 0, 600), expected), kTolerance);
    using Way = std::pair<KeyValueGradients, Rule>;
    for (const auto& [form, rule] :
         {Way{KeyValueGradients::kGrouped, Rule::kGradient}, Way{KeyValueGradients::kPerQueryHead, Rule::kGradient},
          Way{KeyValueGradients::kGrouped, Rule::kInteraction}}) {
      const AttentionGradients a = attention_backward(architecture_, layer, batch_, cache, d_z_, form, rule);
      const AttentionGradients b = attention_backward(architecture_, layer, batch_, whole, d_z_, form, rule);
      EXPECT_LT(largest_gap(a.d_q, b.d_q), kTolerance);
      EXPECT_LT(largest_gap(a.d_k, b.d_k), kTolerance);
      EXPECT_LT(largest_gap(a.d_v, b.d_v), kTolerance);
      EXPECT_LT(largest_gap(a.k_dot, b.k_dot), kTolerance);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Tiles,
                         testing::Values(Form{"plain", 4, {}, {}}, Form{"grouped", 2, {}, {}},
                                         Form{"window", 2, 70, {}}, Form{"wide_window", 1, 300, {}},
                                         Form{"cap", 2, 40, 3.0}),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace circuit
