#include "scoring/reader_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "model/latent.h"
#include "model/rows.h"

namespace circuit {
namespace {

// Readers of several kinds, [.., readers, width] each, as wide as the widest.
at::Tensor side_by_side(std::vector<at::Tensor> kinds) {
  int64_t widest = 0;
  for (const at::Tensor& kind : kinds) widest = std::max(widest, kind.size(-1));
  for (at::Tensor& kind : kinds) {
    if (kind.size(-1) < widest) kind = at::constant_pad_nd(kind, {0, widest - kind.size(-1)});
  }
  return at::cat(kinds, -2);
}

// Undefined where all are zero.
at::Tensor constants_of(const std::vector<const FoldedReaders*>& readers) {
  const auto has = [](const FoldedReaders* r) { return r->constant.defined(); };
  if (std::none_of(readers.begin(), readers.end(), has)) return {};
  std::vector<at::Tensor> constants;
  for (const FoldedReaders* r : readers) {
    const std::vector<int64_t> sizes{r->weight.size(0), r->weight.size(1)};
    constants.push_back(has(r) ? r->constant : at::zeros(sizes, r->weight.options()));
  }
  return side_by_side(constants);
}

// d, dots: [tokens, readers, width] gradients and [tokens, readers] ⟨output, gradient⟩. constants of the
// readers in order; undefined: zero.
ReaderGradients compact(const at::Tensor& d, at::Tensor dots, const at::Tensor& constant, const at::Tensor& x,
                        const NormStats& stats, Rule rule) {
  ReaderGradients out;
  if (constant.defined()) dots = dots - (d * constant).sum(-1);
  const at::Tensor rstd = stats.rstd.to(dots.scalar_type());
  out.d = (d * rstd.unsqueeze(-1)).to(d.scalar_type());
  // With the norm's scale held constant nothing is taken off along x̂.
  const bool held = holds_norms(rule) || stats.constant;
  const double share = held ? 0 : 1 / static_cast<double>(x.size(1));
  out.along.push_back({(dots * rstd * share).unsqueeze(-1), x, stats});
  return out;
}

}  // namespace

void ReaderGradients::add(ReaderGradients other) {
  if (!other.d.defined()) return;
  if (!d.defined()) {
    *this = std::move(other);
    return;
  }
  d.add_(other.d);
  for (NormComponent& component : other.along) along.push_back(std::move(component));
}

void head_products(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale) {
  if (!out.is_cpu()) {
    at::Tensor by_head = out.transpose(0, 1);
    at::bmm_out(by_head, a.transpose(0, 1), b);
    if (scale.defined()) out.mul_(scale);
    return;
  }
  for (int64_t h = 0; h < out.size(1); ++h) {
    at::Tensor target = out.select(1, h);
    at::mm_out(target, a.select(1, h), b[h]);
    // While the head's product is in the cache.
    if (scale.defined()) target.mul_(scale);
  }
}

ReaderGradients attention_readers(const LayerWeights& w, const AttentionBackward& g, const LayerCache& kept,
                                  const FoldedLayer& folded, const std::vector<AttentionGradients>& query_spans,
                                  const at::Tensor& rows, Rule rule) {
  const auto at_readers = [&](const AttentionGradients& heads) {
    return w.latent.defined() ? latent_readers(w, kept.qk_norm.latent, heads, rule) : heads;
  };
  const AttentionGradients whole = at_readers(g.heads);
  std::vector<AttentionGradients> parts;
  for (const AttentionGradients& part : query_spans) parts.push_back(at_readers(part));
  if (parts.empty()) parts.push_back(whole);
  std::vector<at::Tensor> d{whole.d_q};
  std::vector<at::Tensor> dots{whole.q_dot};
  std::vector<const FoldedReaders*> readers{&folded.q};
  for (const AttentionGradients& part : parts) {
    d.push_back(part.d_k);
    dots.push_back(part.k_dot);
    readers.push_back(&folded.k);
  }
  for (const AttentionGradients& part : parts) {
    d.push_back(part.d_v);
    dots.push_back(part.v_dot);
    readers.push_back(&folded.v);
  }
  return compact(take_rows(side_by_side(d), rows), take_rows(at::cat(dots, 1), rows), constants_of(readers),
                 take_rows(kept.x_attn, rows), take_rows(kept.attn_stats, rows), rule);
}

ReaderGradients mlp_block_readers(const MlpBackward& g, const FoldedLayer& folded, const Graph& graph,
                                  const at::Tensor& rows, Rule rule) {
  const auto everywhere = [&](const at::Tensor& t) {
    return t.defined() ? take_rows(put_rows(t, g.rows, g.d_stream.size(0)), rows) : t;
  };
  const auto blocks = [&](const at::Tensor& channels) {
    return everywhere(channels).view({-1, graph.mlp_blocks(g.layer), graph.mlp_block(g.layer)});
  };
  at::Tensor d = blocks(g.channels.d_in);
  at::Tensor outputs = blocks(g.kept.in);
  if (g.channels.d_gate.defined()) {
    d = at::cat({d, blocks(g.channels.d_gate)}, 2);
    outputs = at::cat({outputs, blocks(g.kept.gate)}, 2);
  }
  // Rows that were not worked have a zero gradient; their statistics are zero too, so nothing comes of them.
  return compact(d, (outputs * d).sum(-1), folded.mlp.constant, everywhere(g.x),
                 {everywhere(g.stats.mean), everywhere(g.stats.rstd), g.stats.constant}, rule);
}

void rebuild_readers(const ReaderGradients& g, const std::vector<const FoldedReaders*>& weights, int64_t first,
                     int64_t count, const at::Tensor& down) {
  if (!g.d.defined()) {
    down.zero_();
    return;
  }
  const auto rows = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, first, count) : t; };
  const at::ScalarType type = down.scalar_type();
  const at::Tensor d = rows(g.d).to(type);
  int64_t reader = 0;
  for (const FoldedReaders* w : weights) {
    const int64_t count_of = w->weight.size(0);
    const at::Tensor own = d.narrow(1, reader, count_of).narrow(2, 0, w->weight.size(1));
    head_products(down.narrow(1, reader, count_of), own, w->weight, w->scale);
    reader += count_of;
  }
  std::vector<at::Tensor> shares;
  std::vector<at::Tensor> x_hats;
  for (const NormComponent& c : g.along) {
    shares.push_back(rows(c.share).to(type));
    x_hats.push_back(
        norm_standardised(rows(c.x).to(type), {rows(c.stats.mean), rows(c.stats.rstd), c.stats.constant}).unsqueeze(1));
  }
  const at::Tensor all = down.narrow(1, 0, reader);
  if (shares.size() == 1) {
    all.addcmul_(shares[0], x_hats[0], -1);
  } else {
    all.baddbmm_(at::cat(shares, 2), at::cat(x_hats, 1), 1, -1);
  }
}

at::Tensor sum_readers(const ReaderGradients& g, const std::vector<const FoldedReaders*>& weights) {
  const at::ScalarType type = weights[0]->weight.scalar_type();
  const at::Tensor d = g.d.sum(0, false, type).unsqueeze(1);
  at::Tensor sums = at::zeros({g.d.size(1), g.along[0].x.size(1)}, d.options());
  for (const NormComponent& c : g.along) {
    sums.sub_(at::mm(c.share.squeeze(-1).t().to(type), norm_standardised(c.x.to(type), c.stats)));
  }
  int64_t reader = 0;
  for (const FoldedReaders* w : weights) {
    const int64_t count = w->weight.size(0);
    const at::Tensor own = d.narrow(0, reader, count).narrow(2, 0, w->weight.size(1));
    const at::Tensor products = at::bmm(own, w->weight);
    sums.narrow(0, reader, count).add_((w->scale.defined() ? products * w->scale : products).squeeze(1));
    reader += count;
  }
  return sums;
}

}  // namespace circuit
