#include "model/generate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>

#include <algorithm>

#include "core/error.h"
#include "model/forward.h"
#include "model/head.h"
#include "model/mlp.h"
#include "model/norm.h"
#include "model/rotary.h"
#include "model/soft_cap.h"

namespace circuit {
namespace {

// Keys and values of all positions so far, per layer: [n_kv_heads, capacity, d_head].
struct KeyValueCache {
  std::vector<at::Tensor> k, v;
  int64_t length = 0;
};

KeyValueCache make_cache(const Model& model, int64_t capacity) {
  const Architecture& a = model.architecture();
  KeyValueCache cache;
  for (int64_t l = 0; l < a.n_layers; ++l) {
    cache.k.push_back(at::empty({a.n_kv_heads, capacity, a.d_head}, model.embedding().options()));
    cache.v.push_back(at::empty_like(cache.k.back()));
  }
  return cache;
}

// [tokens, heads · d_head] → [heads, tokens, d_head]
at::Tensor by_head(const at::Tensor& rows, int64_t d_head) {
  return rows.reshape({rows.size(0), -1, d_head}).transpose(0, 1);
}

at::Tensor attend(const Model& model, int64_t l, const QueryKeyValue& p, KeyValueCache* cache) {
  const Architecture& a = model.architecture();
  const int64_t n = p.q.size(0);
  const int64_t total = cache->length + n;
  cache->k[l].narrow(1, cache->length, n).copy_(by_head(p.k, a.d_head));
  cache->v[l].narrow(1, cache->length, n).copy_(by_head(p.v, a.d_head));
  const at::Tensor k = cache->k[l].narrow(1, 0, total);
  const at::Tensor v = cache->v[l].narrow(1, 0, total);
  const at::Tensor q = by_head(p.q, a.d_head).reshape({a.n_kv_heads, a.heads_per_kv() * n, a.d_head});
  const at::Tensor scores = soft_cap(at::bmm(q, k.transpose(1, 2)).mul_(a.score_scale()), a.attn_softcap);
  // One new token may look at everything, unless a window ends before the first key.
  const std::optional<int64_t> window = a.window_of(l);
  if (n > 1 || (window && total > *window)) {
    scores.view({-1, n, total}).add_(attention_mask(window, n, total, scores.options()));
  }
  const at::Tensor z = at::bmm(at::softmax(scores, -1), v).view({a.n_heads, n, a.d_head});
  return z.transpose(0, 1).reshape({n, -1});
}

// Logits of the last of the new tokens, [1, vocab].
at::Tensor step(const Model& model, const std::vector<int64_t>& ids, KeyValueCache* cache) {
  const Architecture& a = model.architecture();
  const at::Tensor id = at::tensor(ids, at::kLong).to(model.device());
  std::vector<int64_t> at_positions(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) at_positions[i] = cache->length + static_cast<int64_t>(i);
  const at::Tensor positions = at::tensor(at_positions, at::kLong).to(model.device());
  const RotaryTables rotary = make_rotary_tables(a, positions, model.dtype());
  at::Tensor x = token_embedding(model, id);
  if (a.learned_positions) x = x + at::embedding(model.positions(), positions);
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const LayerWeights& w = model.layers()[l];
    const at::Tensor y = norm_forward(a, w.attn_norm, x, nullptr);
    const at::Tensor z = attend(model, l, make_qkv(a, w, rotary.of(a, l), y, nullptr), cache);
    const at::Tensor attention = post_norm_forward(a, w.attn_post_norm, linear(z, w.w_o, w.b_o), nullptr);
    const at::Tensor x_mlp = a.parallel_blocks ? x : x + attention;
    at::Tensor mlp = mlp_forward(a, w, norm_forward(a, w.mlp_norm, x_mlp, nullptr), nullptr);
    if (w.b_out.defined()) mlp.add_(w.b_out);
    mlp = post_norm_forward(a, w.mlp_post_norm, mlp, nullptr);
    x = a.parallel_blocks ? x + attention + mlp : x_mlp + mlp;
  }
  cache->length += static_cast<int64_t>(ids.size());
  return logits_of(model, x.narrow(0, x.size(0) - 1, 1));
}

int64_t choose(const at::Tensor& logits, const GenerateSpec& spec, Rng& rng) {
  if (spec.temperature <= 0) return logits.argmax(-1).item<int64_t>();
  at::Tensor scaled = logits.view({-1}).to(at::kCPU, at::kDouble) / spec.temperature;
  at::Tensor ids;
  if (spec.top_k > 0) std::tie(scaled, ids) = scaled.topk(std::min<int64_t>(spec.top_k, scaled.size(0)));
  const at::Tensor probs = at::softmax(scaled, -1);
  const auto* p = probs.data_ptr<double>();
  double left = rng.uniform();
  int64_t chosen = 0;
  // Rounding may leave a remainder after the last one: then the last stands.
  for (; chosen + 1 < probs.size(0); ++chosen) {
    left -= p[chosen];
    if (left < 0) break;
  }
  return ids.defined() ? ids[chosen].item<int64_t>() : chosen;
}

}  // namespace

std::vector<int64_t> generate(const Model& model, const std::vector<int64_t>& prompt, const GenerateSpec& spec,
                              Rng& rng) {
  const Architecture& a = model.architecture();
  // Same checks as any batch: ids inside the vocabulary, not empty, not too long.
  make_token_batch({prompt}, a, at::kCPU, "prompt");
  int64_t capacity = static_cast<int64_t>(prompt.size()) + spec.max_tokens;
  if (a.learned_positions) capacity = std::min(capacity, a.n_positions);
  KeyValueCache cache = make_cache(model, capacity);
  std::vector<int64_t> ids = prompt;
  std::vector<int64_t> fresh = prompt;
  while (static_cast<int64_t>(ids.size()) < capacity) {
    const int64_t next = choose(step(model, fresh, &cache), spec, rng);
    ids.push_back(next);
    fresh = {next};
    const bool end = std::find(a.eos_ids.begin(), a.eos_ids.end(), next) != a.eos_ids.end();
    if (end && spec.stop_at_eos) break;
  }
  return ids;
}

}  // namespace circuit
