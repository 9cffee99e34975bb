// The MLP: y = norm(x), out = post-norm(mlp(y) + b_out); without a post-norm the bias is none of the node's output.
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

#include "model/blocks/block.h"
#include "model/rows.h"

namespace circuit {
namespace {

Written forward(const ForwardPass& pass, int64_t l, const at::Tensor& x, const at::Tensor& rows, LayerCache* cache) {
  const LayerWeights& w = pass.model.layers()[l];
  const int64_t tokens = pass.batch.tokens();
  const double residual = pass.model.architecture().layer(l).residual;
  cache->x_mlp = rows_of_kept(x, rows, tokens).defined() ? take_rows(x, rows) : x;
  at::Tensor out;
  if (const at::Tensor* given = pass.replaced({BlockKind::kMlp, l})) {
    out = take_rows(*given, rows);
  } else {
    const at::Tensor y = norm_forward(w.mlp_norm, cache->x_mlp, &cache->mlp_stats);
    const bool channels = pass.read.mlp_channels && pass.keep == Keep::kNodeOutputs;
    out = mlp_forward(pass.model.architecture().layer(l).mlp, w, y, keeps_backward(pass.keep) ? &cache->mlp : nullptr,
                      channels ? &cache->mlp_hidden : nullptr);
    if (residual != 1) out.mul_(residual);
  }
  if (cache->mlp_hidden.defined()) cache->mlp_hidden = put_rows(cache->mlp_hidden, rows, tokens);
  const bool node = keeps_nodes(pass.keep) && !cache->mlp_hidden.defined();
  if (node || (keeps_backward(pass.keep) && w.mlp_post_norm.defined())) cache->mlp_out = put_rows(out, rows, tokens);
  const at::Tensor bias = w.b_out.defined() && residual != 1 ? w.b_out * residual : w.b_out;
  if (!w.mlp_post_norm.defined()) return {out, bias};
  const at::Tensor whole = bias.defined() ? out + bias : out;
  return {norm_forward(w.mlp_post_norm, whole, &cache->mlp_post_stats), {}};
}

at::Tensor generate(const GenerationPass& pass, int64_t l, const at::Tensor& x) {
  const LayerWeights& w = pass.model.layers()[l];
  at::Tensor out =
      mlp_forward(pass.model.architecture().layer(l).mlp, w, norm_forward(w.mlp_norm, x, nullptr), nullptr);
  if (w.b_out.defined()) out.add_(w.b_out);
  const double residual = pass.model.architecture().layer(l).residual;
  if (residual != 1) out.mul_(residual);
  return post_norm_forward(w.mlp_post_norm, out, nullptr);
}

at::Tensor backward(BackwardPass& pass, int64_t l, const at::Tensor& rows, const at::Tensor& d_stream) {
  const LayerWeights& w = pass.model.layers()[l];
  LayerCache& kept = pass.cache.layers[l];
  const double residual = pass.model.architecture().layer(l).residual;
  MlpBackward g;
  g.layer = l;
  g.d_stream = d_stream;
  g.rows = rows;
  const at::Tensor pick = rows_of_kept(kept.x_mlp, g.rows, d_stream.size(0));
  g.kept = take_rows(kept.mlp, pick);
  g.x = take_rows(kept.x_mlp, pick);
  g.stats = take_rows(kept.mlp_stats, pick);
  g.d_out = take_rows(d_stream, g.rows);
  if (w.mlp_post_norm.defined()) {
    g.out = take_rows(kept.mlp_out, g.rows);
    if (w.b_out.defined()) g.out = g.out + w.b_out * residual;
    g.out_stats = take_rows(kept.mlp_post_stats, pick);
    g.d_out = norm_backward(w.mlp_post_norm, g.out, g.out_stats, g.d_out, pass.rule);
  }
  if (residual != 1) g.d_out = g.d_out * residual;
  g.channels = mlp_backward(pass.model.architecture().layer(l).mlp, w, g.kept, g.d_out, pass.rule);
  g.d_y = channels_to_input(w, g.channels);
  if (const at::Tensor d_router = router_to_input(w, g.channels); d_router.defined()) {
    g.d_router = put_rows(norm_backward(w.mlp_norm, g.x, g.stats, d_router, pass.rule), g.rows, d_stream.size(0));
    g.d_y.add_(d_router);
  }
  g.d_reader = put_rows(norm_backward(w.mlp_norm, g.x, g.stats, g.d_y, pass.rule), g.rows, d_stream.size(0));
  pass.visitor.on_mlp(g);
  if (pass.use == CacheUse::kRelease) {
    kept.mlp = MlpCache();
    kept.x_mlp = at::Tensor();
  }
  return g.d_reader;
}

BlockCost cost(const Architecture& a, int64_t l, int64_t) {
  const LayerSpec& spec = a.layer(l);
  const bool post_norm = spec.post_norm(BlockKind::kMlp);
  BlockCost c;
  c.made = a.mlp_channels(l) * spec.mlp.inputs_per_channel();
  c.released = c.made + a.d_model;
  // A post-norm keeps the output that it norms.
  c.kept = c.released + (post_norm ? a.d_model : 0);
  c.node_outputs = post_norm ? 0 : a.d_model;
  return c;
}

}  // namespace

BlockMethods mlp_block() { return {BlockKind::kMlp, false, forward, generate, backward, cost}; }

}  // namespace circuit
