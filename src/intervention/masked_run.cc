#include "intervention/masked_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "core/setting_name.h"
#include "model/backward.h"
#include "model/blocks/query_key_value.h"
#include "model/wide.h"

namespace circuit {
namespace {

at::Tensor flat(const at::Tensor& streams) { return streams.view({-1, streams.size(-1)}); }

// From every reader's columns of [tokens, readers, width] and its weight to the norm's output.
at::Tensor to_reader(const at::Tensor& d, int64_t i, const at::Tensor& weight) {
  return at::mm(d.select(1, i), weight.t());
}

}  // namespace

void check_masked(const Model& model, const Graph& graph, const std::string& who) {
  if (graph.routers()) fail(who, "no gradient at masks of a mixture's experts. Use another method.");
  if (graph.ungrouped())
    fail(who, "no gradient at masks of keys and values per query head: leave out {}.", setting("ungrouped"));
  for (const LayerWeights& w : model.layers()) {
    if (w.latent.defined()) fail(who, "no gradient at masks of latent attention's readers. Use another method.");
  }
}

MaskedRunner::MaskedRunner(const Model& model, const Graph& graph, const TokenBatch& batch, const NodeOutputs& ablated)
    : model_(model), graph_(graph), batch_(batch), ablated_(ablated), base_(ablated_run(model, graph, batch, ablated)) {
  cache_.rotary = make_rotary_tables(model.architecture(), batch, model.dtype());
  differences_ = at::empty({graph.n_upstream(), batch.tokens(), base_.last.size(1)}, base_.last.options());
  put(0, token_embedding(model, batch) - ablated.input);
}

at::Tensor MaskedRunner::run(const at::Tensor& mask) {
  masks_ = mask.to(differences_.options()).view({1, 1, -1});
  tokens_of_ = {at::Tensor()};
  return run_blocks();
}

at::Tensor MaskedRunner::run_spans(const at::Tensor& masks, const at::Tensor& labels) {
  masks_ = masks.to(differences_.options());
  tokens_of_.clear();
  for (int64_t s = 0; s < masks.size(0); ++s) tokens_of_.push_back(labels.eq(s).nonzero().squeeze(1));
  return run_blocks();
}

at::Tensor MaskedRunner::run_blocks() {
  cache_.layers.assign(graph_.n_layers(), {});
  attn_stats_.assign(graph_.n_layers(), {});
  mlp_stats_.assign(graph_.n_layers(), {});
  for (const AblatedBlock& block : base_.blocks) {
    block.block.kind == BlockKind::kAttention ? run_heads(block) : run_mlp(block);
  }
  return streams({{graph_.logits()}, base_.last}, kOwn)[0];
}

at::Tensor MaskedRunner::gradient(const at::Tensor& d_final) {
  d_mask_ = at::zeros_like(masks_[0][0]);
  d_outputs_ = at::zeros_like(differences_);
  back({{graph_.logits()}, base_.last}, d_final.to(differences_.scalar_type()).unsqueeze(0));
  for (auto block = base_.blocks.rbegin(); block != base_.blocks.rend(); ++block) {
    const bool heads = block->block.kind == BlockKind::kAttention;
    const LayerWeights& w = model_.layers()[block->block.layer];
    const Readers readers = readers_of(*block);
    const at::Tensor d_y = flat(heads ? heads_back(*block) : mlp_back(*block)).to(differences_.scalar_type());
    const at::Tensor x = streams(readers, kOwn);
    const NormStats& stats = (heads ? attn_stats_ : mlp_stats_)[block->block.layer];
    back(readers, norm_backward(heads ? w.attn_norm : w.mlp_norm, flat(x), stats, d_y).view(x.sizes()));
  }
  return d_mask_;
}

MaskedRunner::Readers MaskedRunner::readers_of(const AblatedBlock& block) const {
  const NodeRange range = graph_.readers(block.block);
  Readers readers{{}, block.read};
  for (int64_t i = 0; i < range.count; ++i) readers.ids.push_back(range.first + i);
  return readers;
}

at::Tensor MaskedRunner::rows_of(const Readers& readers, const at::Tensor& by_edge) const {
  std::vector<at::Tensor> rows;
  for (const int64_t v : readers.ids) rows.push_back(by_edge.narrow(0, graph_.first_edge(v), graph_.visible(v)));
  return at::stack(rows);
}

at::Tensor MaskedRunner::streams(const Readers& readers, int64_t whom) const {
  std::vector<at::Tensor> rows;
  for (int64_t where = 0; where < spans(); ++where) {
    rows.push_back(rows_of(readers, masks_[where][whom == kOwn ? where : whom]));
  }
  const int64_t visible = rows[0].size(1);
  if (model_.norms_outputs()) return normed_streams(rows, visible);
  return mixed(rows, {0, visible}).add_(readers.base);
}

at::Tensor MaskedRunner::mixed(const std::vector<at::Tensor>& rows, const NodeRange& nodes) const {
  const at::Tensor of = differences_.narrow(0, nodes.first, nodes.count);
  const int64_t n = rows[0].size(0);
  const auto at_tokens = [&](const at::Tensor& own, const at::Tensor& outputs) {
    return at::mm(own.narrow(1, nodes.first, nodes.count), outputs.reshape({nodes.count, -1}))
        .view({n, outputs.size(1), -1});
  };
  if (spans() == 1 && !tokens_of_[0].defined()) return at_tokens(rows[0], of);
  at::Tensor sum = at::empty({n, of.size(1), of.size(2)}, of.options());
  for (int64_t where = 0; where < spans(); ++where) {
    if (tokens_of_[where].size(0) == 0) continue;
    sum.index_copy_(1, tokens_of_[where], at_tokens(rows[where], of.index_select(1, tokens_of_[where])));
  }
  return sum;
}

at::Tensor MaskedRunner::normed_streams(const std::vector<at::Tensor>& rows, int64_t visible) const {
  at::Tensor x = mixed(rows, {0, 1}).add_(base_.first);
  for (const AblatedBlock& b : base_.blocks) {
    const NodeRange nodes = graph_.writers(b.block);
    if (nodes.first >= visible) break;
    const NormWeights& norm = post_norm_of(model_.layers()[b.block.layer], b.block.kind);
    x.add_(post_norm_forward(norm, mixed(rows, nodes).add_(b.written), nullptr));
  }
  return x;
}

void MaskedRunner::back(const Readers& readers, const at::Tensor& d_streams) {
  const at::Tensor rows = rows_of(readers, masks_[0][0]);
  const int64_t visible = rows.size(1);
  const at::Tensor d_rows = at::empty(rows.sizes(), rows.options());
  if (model_.norms_outputs()) {
    back_normed(rows, visible, d_streams, d_rows);
  } else {
    const at::Tensor d = d_streams.reshape({rows.size(0), -1});
    d_rows.copy_(at::mm(d, differences_.narrow(0, 0, visible).view({visible, -1}).t()));
    d_outputs_.narrow(0, 0, visible).view({visible, -1}).addmm_(rows.t(), d);
  }
  for (size_t i = 0; i < readers.ids.size(); ++i) {
    d_mask_.narrow(0, graph_.first_edge(readers.ids[i]), visible).copy_(d_rows[static_cast<int64_t>(i)]);
  }
}

void MaskedRunner::back_normed(const at::Tensor& rows, int64_t visible, const at::Tensor& d_streams,
                               const at::Tensor& d_rows) {
  const int64_t n = rows.size(0);
  const auto through = [&](const NodeRange& nodes, const at::Tensor& d) {
    const at::Tensor own = rows.narrow(1, nodes.first, nodes.count);
    const at::Tensor of = differences_.narrow(0, nodes.first, nodes.count).view({nodes.count, -1});
    d_rows.narrow(1, nodes.first, nodes.count).copy_(at::mm(d, of.t()));
    d_outputs_.narrow(0, nodes.first, nodes.count).view({nodes.count, -1}).addmm_(own.t(), d);
  };
  through({0, 1}, d_streams.reshape({n, -1}));
  for (const AblatedBlock& b : base_.blocks) {
    const NodeRange nodes = graph_.writers(b.block);
    if (nodes.first >= visible) break;
    const NormWeights& norm = post_norm_of(model_.layers()[b.block.layer], b.block.kind);
    if (!norm.defined()) {
      through(nodes, d_streams.reshape({n, -1}));
      continue;
    }
    const at::Tensor of = differences_.narrow(0, nodes.first, nodes.count).view({nodes.count, -1});
    const at::Tensor mixture =
        at::mm(rows.narrow(1, nodes.first, nodes.count), of).view(d_streams.sizes()).add_(b.written);
    NormStats stats;
    norm_forward(norm, flat(mixture), &stats);
    through(nodes, norm_backward(norm, flat(mixture), stats, flat(d_streams)).view({n, -1}));
  }
}

void MaskedRunner::put(int64_t upstream, const at::Tensor& difference) {
  differences_.select(0, upstream).copy_(difference);
}

at::Tensor MaskedRunner::gradient_at(int64_t upstream) const {
  const GraphNode node = graph_.upstream(upstream);
  const double residual = model_.architecture().layer(node.layer).residual;
  return times(d_outputs_.select(0, upstream), residual).to(model_.dtype());
}

at::Tensor MaskedRunner::attended(const AblatedBlock& block, int64_t whom) {
  const int64_t l = block.block.layer;
  const Architecture& a = model_.architecture();
  const LayerWeights& w = model_.layers()[l];
  LayerCache& kept = cache_.layers[l];
  const at::Tensor x = streams(readers_of(block), whom);
  const at::Tensor y = norm_forward(w.attn_norm, flat(x), &attn_stats_[l]).view(x.sizes()).to(model_.dtype());
  const int64_t first = graph_.readers(block.block).first;
  std::vector<at::Tensor> q, k, v;
  for (int64_t h = 0; h < a.n_heads; ++h) q.push_back(project_query(w, y[graph_.query(l, h) - first], h));
  for (int64_t g = 0; g < a.n_kv_heads; ++g) {
    k.push_back(project_key(w, y[graph_.key(l, g) - first], g));
    v.push_back(project_value(w, y[graph_.value(l, g) - first], g));
  }
  const QueryKeyValue p = normed_and_rotated(w, a.layer(l).attention, cache_.rotary.of(a, l),
                                             {at::cat(q, 1), at::cat(k, 1), at::cat(v, 1)}, &kept.qk_norm);
  return attention_forward(a, l, batch_, p.q, p.k, p.v, w.sinks, &kept.attention);
}

void MaskedRunner::run_heads(const AblatedBlock& block) {
  const int64_t l = block.block.layer;
  const Architecture& a = model_.architecture();
  const LayerWeights& w = model_.layers()[l];
  at::Tensor z = attended(block, 0);
  for (int64_t whom = 1; whom < spans(); ++whom) {
    if (tokens_of_[whom].size(0) == 0) continue;
    z.index_copy_(0, tokens_of_[whom], attended(block, whom).index_select(0, tokens_of_[whom]));
  }
  const int64_t width = a.value_width();
  for (int64_t h = 0; h < a.n_heads; ++h) {
    const at::Tensor difference = head_of(z, h, width) - head_of(ablated_.z[l], h, width);
    put(graph_.head(l, h), times(at::mm(difference, w.w_o.narrow(0, h * width, width)), a.layer(l).residual));
  }
}

at::Tensor MaskedRunner::heads_back(const AblatedBlock& block) {
  const int64_t l = block.block.layer;
  const Architecture& a = model_.architecture();
  const LayerWeights& w = model_.layers()[l];
  const int64_t width = a.value_width();
  std::vector<at::Tensor> d_z;
  for (int64_t h = 0; h < a.n_heads; ++h) {
    d_z.push_back(at::mm(gradient_at(graph_.head(l, h)), w.w_o.narrow(0, h * width, width).t()));
  }
  const AttentionGradients g =
      heads_backward(model_, batch_, cache_, l, at::cat(d_z, 1), KeyValueGradients::kGrouped, Rule::kGradient);
  const NodeRange range = graph_.readers(block.block);
  std::vector<at::Tensor> d_y(range.count);
  for (int64_t h = 0; h < a.n_heads; ++h) {
    d_y[graph_.query(l, h) - range.first] = to_reader(g.d_q, h, head_weight(w.w_q, h));
  }
  for (int64_t k = 0; k < a.n_kv_heads; ++k) {
    d_y[graph_.key(l, k) - range.first] = to_reader(g.d_k, k, head_weight(w.w_k, k));
    d_y[graph_.value(l, k) - range.first] = to_reader(g.d_v, k, head_weight(w.w_v, k));
  }
  return at::stack(d_y);
}

void MaskedRunner::run_mlp(const AblatedBlock& block) {
  const int64_t l = block.block.layer;
  const LayerSpec& spec = model_.architecture().layer(l);
  const LayerWeights& w = model_.layers()[l];
  MlpCache& kept = cache_.layers[l].mlp;
  const at::Tensor x = streams(readers_of(block), kOwn);
  const at::Tensor y = norm_forward(w.mlp_norm, flat(x), &mlp_stats_[l]).view(x.sizes()).to(model_.dtype());
  if (!graph_.splits_mlps()) {
    put(graph_.mlp(l), times(mlp_forward(spec.mlp, w, y[0], &kept), spec.residual) - ablated_.mlp[l]);
    return;
  }
  const int64_t blocks = graph_.mlp_blocks(l);
  const int64_t width = graph_.mlp_block(l);
  const auto channels = [&](const at::Tensor& weight, const at::Tensor& bias) {
    if (!weight.defined()) return at::Tensor();
    std::vector<at::Tensor> parts;
    for (int64_t j = 0; j < blocks; ++j) {
      const at::Tensor own = bias.defined() ? bias.narrow(0, j * width, width) : bias;
      parts.push_back(linear(y[j], weight.narrow(1, j * width, width), own));
    }
    return at::cat(parts, 1);
  };
  kept.in = channels(w.w_in, w.b_in);
  kept.gate = channels(w.w_gate, w.b_gate);
  kept.slopes = activation_slopes(w);
  const at::Tensor difference = mlp_hidden(spec.mlp, kept) - ablated_.mlp[l];
  for (int64_t j = 0; j < blocks; ++j) {
    const at::Tensor own = at::mm(difference.narrow(1, j * width, width), output_block(w, blocks, j));
    put(graph_.mlp(l, j), times(own, spec.residual));
  }
}

at::Tensor MaskedRunner::mlp_back(const AblatedBlock& block) {
  const int64_t l = block.block.layer;
  const MlpSpec& spec = model_.architecture().layer(l).mlp;
  const LayerWeights& w = model_.layers()[l];
  const MlpCache& kept = cache_.layers[l].mlp;
  if (!graph_.splits_mlps()) {
    return channels_to_input(w, mlp_backward(spec, w, kept, gradient_at(graph_.mlp(l)))).unsqueeze(0);
  }
  const int64_t blocks = graph_.mlp_blocks(l);
  const int64_t width = graph_.mlp_block(l);
  std::vector<at::Tensor> d_hidden;
  for (int64_t j = 0; j < blocks; ++j) {
    d_hidden.push_back(at::mm(gradient_at(graph_.mlp(l, j)), output_block(w, blocks, j).t()));
  }
  const MlpGradients g = channels_backward(spec, kept, at::cat(d_hidden, 1), Rule::kGradient);
  std::vector<at::Tensor> d_y;
  for (int64_t j = 0; j < blocks; ++j) {
    at::Tensor d = at::mm(g.d_in.narrow(1, j * width, width), w.w_in.narrow(1, j * width, width).t());
    if (g.d_gate.defined()) {
      d.addmm_(g.d_gate.narrow(1, j * width, width), w.w_gate.narrow(1, j * width, width).t());
    }
    d_y.push_back(d);
  }
  return at::stack(d_y);
}

}  // namespace circuit
