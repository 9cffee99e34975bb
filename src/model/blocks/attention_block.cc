// Attention: y = norm(x), z = attention(q, k, v of y), out = post-norm(z W_O + b_O).
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "model/blocks/attention_backward.h"
#include "model/blocks/block.h"
#include "model/rows.h"

namespace circuit {
namespace {

Written forward(const ForwardPass& pass, int64_t l, const at::Tensor& x, const at::Tensor& rows, LayerCache* cache) {
  const Architecture& a = pass.model.architecture();
  const LayerWeights& w = pass.model.layers()[l];
  const bool keeps = keeps_backward(pass.keep);
  cache->x_attn = x;
  if (const at::Tensor* z = pass.replaced({BlockKind::kAttention, l})) {
    cache->z = *z;
  } else {
    const at::Tensor y = norm_forward(w.attn_norm, x, &cache->attn_stats);
    const QueryKeyValue p =
        make_qkv(w, a.layer(l).attention, pass.rotary.of(a, l), y, keeps ? &cache->qk_norm : nullptr);
    cache->z = attention_forward(a, l, pass.batch, p.q, p.k, p.v, w.sinks, keeps ? &cache->attention : nullptr);
  }
  at::Tensor out = at::mm(take_rows(cache->z, rows), w.w_o);
  if (w.b_o.defined()) out.add_(w.b_o);
  if (a.layer(l).residual != 1) out.mul_(a.layer(l).residual);
  if (keeps && w.attn_post_norm.defined()) cache->attn_out = out;
  return {post_norm_forward(w.attn_post_norm, out, &cache->attn_post_stats), {}};
}

at::Tensor generate(const GenerationPass& pass, int64_t l, const at::Tensor& x) {
  const LayerWeights& w = pass.model.layers()[l];
  const Architecture& a = pass.model.architecture();
  const at::Tensor y = norm_forward(w.attn_norm, x, nullptr);
  const at::Tensor z = pass.attend(l, make_qkv(w, a.layer(l).attention, pass.rotary.of(a, l), y, nullptr));
  at::Tensor out = linear(z, w.w_o, w.b_o);
  const double residual = a.layer(l).residual;
  if (residual != 1) out.mul_(residual);
  return post_norm_forward(w.attn_post_norm, out, nullptr);
}

BlockCost cost(const Architecture& a, int64_t l, int64_t longest) {
  const LayerSpec& spec = a.layer(l);
  const int64_t heads = a.n_heads * std::max(a.d_head, a.value_width());
  const int64_t kv = 2 * a.n_kv_heads * a.d_head;
  BlockCost c;
  c.probs = keeps_probs(a, longest) ? a.n_heads * longest : 0;
  c.made = heads + kv + c.probs;
  // A cap's backward makes the scores again, and their slopes.
  c.slopes = spec.attention.softcap ? 2 * c.probs : 0;
  // The q/k norm keeps the projections' outputs beside what attention took.
  c.released = c.made + (spec.attention.qk_norm ? heads + kv / 2 : 0);
  if (const auto& latent = spec.attention.latent) c.released += latent->q_rank + latent->kv_rank + a.d_head;
  // The stream, z, and what a post-norm norms.
  c.kept = c.released + a.d_model + heads + (spec.post_norm(BlockKind::kAttention) ? a.d_model : 0);
  return c;
}

}  // namespace

BlockMethods attention_block() {
  return {BlockKind::kAttention, true, forward, generate, attention_backward_step, cost};
}

}  // namespace circuit
