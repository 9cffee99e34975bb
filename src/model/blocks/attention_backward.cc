#include "model/blocks/attention_backward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>

#include "model/latent.h"
#include "model/rows.h"

namespace circuit {
namespace {

// [tokens, H, d_head] → [tokens, Hk, d_head], sum over the heads of each group.
at::Tensor sum_groups(const at::Tensor& per_head, int64_t kv_heads) {
  if (per_head.size(1) == kv_heads) return per_head;
  return per_head.view({per_head.size(0), kv_heads, -1, per_head.size(2)}).sum(2);
}

at::Tensor dot(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(-1); }

// Through the q/k norm: from the gradients at its outputs to those at what it normed.
void through_qk_norm(const LayerWeights& w, const QueryKeyNormCache& kept, Rule rule, AttentionBackward* g) {
  if (!w.q_norm.defined()) return;
  AttentionGradients& heads = g->heads;
  const int64_t d_head = w.w_k.size(-1);
  const int64_t kv_heads = w.w_k.numel() / w.w_k.size(0) / d_head;
  g->d_q_normed = to_normed(w.q_norm, heads.d_q);
  g->d_k_normed = to_normed(w.k_norm, sum_groups(heads.d_k, kv_heads));
  // Per query head, every share of a group's gradient passes the norm of the group's one k.
  const int64_t shares = heads.d_k.size(1) / kv_heads;
  const auto spread = [&](const at::Tensor& t) {
    return shares == 1 || !t.defined() ? t : t.repeat_interleave(shares, 1);
  };
  const at::Tensor k = spread(kept.k);
  const NormStats k_stats{spread(kept.k_stats.mean), spread(kept.k_stats.rstd)};
  heads.d_q = from_normed(norm_backward(w.q_norm, kept.q, kept.q_stats, g->d_q_normed, rule), d_head);
  heads.d_k = from_normed(norm_backward(w.k_norm, k, k_stats, to_normed(w.k_norm, heads.d_k), rule), d_head);
  heads.q_dot = dot(from_normed(kept.q, d_head), heads.d_q);
  heads.k_dot = dot(from_normed(k, d_head), heads.d_k);
}

// q, k, v gradients [tokens, heads, d_head] as columns in the order of the layer's tensor.
at::Tensor join_qkv(const LayerWeights& w, const at::Tensor& d_q, const at::Tensor& d_k, const at::Tensor& d_v) {
  if (w.qkv_order == QkvOrder::kByHead) return at::stack({d_q, d_k, d_v}, 2).flatten(1);
  const at::Tensor beside = at::cat({d_q.flatten(1), d_k.flatten(1), d_v.flatten(1)}, 1);
  return w.qkv_order == QkvOrder::kIndexed ? at::empty_like(beside).index_copy_(1, w.qkv_columns, beside) : beside;
}

// What was clipped has no gradient. d [tokens, heads, width] and dot [tokens, heads] of all values.
void through_clip(const at::Tensor& of_clipped, int64_t kv_heads, at::Tensor* d, at::Tensor* dot_of_all) {
  if (!of_clipped.defined()) return;
  at::Tensor values = of_clipped.view({of_clipped.size(0), kv_heads, -1});
  if (values.size(1) != d->size(1)) values = values.repeat_interleave(d->size(1) / kv_heads, 1);
  *dot_of_all = *dot_of_all - dot(values, *d);
  *d = d->masked_fill(values != 0, 0);
}

// From g->d_z to the gradients of the projections' outputs.
void through_heads(const Model& model, const TokenBatch& batch, const ForwardCache& cache, KeyValueGradients form,
                   Rule rule, AttentionBackward* g) {
  const LayerCache& kept = cache.layers[g->layer];
  g->heads = attention_backward(model.architecture(), g->layer, batch, kept.attention, g->d_z, form, rule);
  g->d_sinks = g->heads.d_sinks;
  if (rule == Rule::kRelevance) {
    for (at::Tensor* t : {&g->heads.d_q, &g->heads.d_k, &g->heads.q_dot, &g->heads.k_dot}) t->zero_();
  }
  const bool rotated_first = model.architecture().layer(g->layer).attention.rotated_first;
  if (rotated_first) through_qk_norm(model.layers()[g->layer], kept.qk_norm, rule, g);
  const RotaryTable& rotary = cache.rotary.of(model.architecture(), g->layer);
  g->heads.d_q = rotate(g->heads.d_q, rotary, Direction::kBackward);
  g->heads.d_k = rotate(g->heads.d_k, rotary, Direction::kBackward);
  const Architecture& a = model.architecture();
  through_clip(kept.qk_norm.q_clipped, a.n_heads, &g->heads.d_q, &g->heads.q_dot);
  through_clip(kept.qk_norm.k_clipped, a.n_kv_heads, &g->heads.d_k, &g->heads.k_dot);
  through_clip(kept.qk_norm.v_clipped, a.n_kv_heads, &g->heads.d_v, &g->heads.v_dot);
  if (!rotated_first) through_qk_norm(model.layers()[g->layer], kept.qk_norm, rule, g);
}

// From the gradients at every head's q, k and v to that at the norm's output.
void through_projections(const Architecture& a, const LayerWeights& w, AttentionBackward* g) {
  g->d_qkv = join_qkv(w, g->heads.d_q, sum_groups(g->heads.d_k, a.n_kv_heads), sum_groups(g->heads.d_v, a.n_kv_heads));
  if (w.w_qkv.defined()) {
    g->d_y = at::mm(g->d_qkv, w.w_qkv.t());
  } else {
    const int64_t q = a.n_heads * a.d_head;
    const int64_t kv = a.n_kv_heads * a.d_head;
    g->d_y = at::mm(g->d_qkv.narrow(1, 0, q), w.w_q.flatten(1).t());
    g->d_y.addmm_(g->d_qkv.narrow(1, q, kv), w.w_k.flatten(1).t());
    g->d_y.addmm_(g->d_qkv.narrow(1, q + kv, kv), w.w_v.flatten(1).t());
  }
}

}  // namespace

AttentionGradients heads_backward(const Model& model, const TokenBatch& batch, const ForwardCache& cache, int64_t l,
                                  const at::Tensor& d_z, KeyValueGradients form, Rule rule) {
  AttentionBackward g;
  g.layer = l;
  g.d_z = d_z;
  through_heads(model, batch, cache, form, rule, &g);
  return g.heads;
}

at::Tensor attention_backward_step(BackwardPass& pass, int64_t l, const at::Tensor& rows, const at::Tensor& d_stream) {
  const Architecture& a = pass.model.architecture();
  const LayerWeights& w = pass.model.layers()[l];
  const LayerCache& kept = pass.cache.layers[l];
  const int64_t tokens = pass.batch.tokens();
  AttentionBackward g;
  g.layer = l;
  g.d_stream = d_stream;
  // The last heads' outputs reach what is read at their own position only.
  g.rows = rows;
  at::Tensor d_out = take_rows(d_stream, g.rows);
  g.d_out = d_stream;
  if (w.attn_post_norm.defined()) {
    const at::Tensor pick = rows_of_kept(kept.attn_out, g.rows, tokens);
    g.out = take_rows(kept.attn_out, pick);
    g.out_stats = take_rows(kept.attn_post_stats, pick);
    d_out = norm_backward(w.attn_post_norm, g.out, g.out_stats, d_out, pass.rule);
    g.d_out = put_rows(d_out, g.rows, tokens);
  }
  if (const double residual = a.layer(l).residual; residual != 1) {
    d_out = d_out * residual;
    g.d_out = g.d_out * residual;
  }
  g.d_z = put_rows(at::mm(d_out, w.w_o.t()), g.rows, tokens);
  through_heads(pass.model, pass.batch, pass.cache, pass.form, pass.rule, &g);
  if (w.latent.defined()) {
    g.latent = latent_backward(w, kept.qk_norm.latent, g.heads, pass.rule);
    g.d_y = latent_to_input(w, g.latent);
  } else {
    through_projections(a, w, &g);
  }
  g.d_reader = norm_backward(w.attn_norm, kept.x_attn, kept.attn_stats, g.d_y, pass.rule);
  pass.visitor.on_attention(g);
  return g.d_reader;
}

}  // namespace circuit
