#include "scoring/edge_accumulator.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "model/rows.h"

namespace circuit {
namespace {

// Positions whose upstream outputs are rebuilt at a time. The weights of all layers pass through the cache
// once per tile, so a tile is large; 128 cost 62 MB at GPT-2 small.
constexpr int64_t kTileTokens = 128;
// Its readers are rebuilt a few layers at a time: enough for wide products without too many that belong to
// no edge, and little memory.
constexpr int64_t kLayersPerChunk = 4;

// Over the rows of one batch in the dtype of the computation, over batches in float64.
at::Tensor sum_rows(const at::Tensor& rows) { return rows.sum(0).to(at::kDouble); }

// out[:, h] = a[:, h] b[h]: [n, heads, d_head] × [heads, d_head, d_model] → [n, heads, d_model].
void head_products(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  for (int64_t h = 0; h < out.size(1); ++h) {
    at::Tensor target = out.select(1, h);
    at::mm_out(target, a.select(1, h), b[h]);
  }
}

// work(begin, end) over 0 … n − 1, on the CPU by as many threads as there are, on a device by one.
template <typename Work>
void for_ranges(int64_t n, bool parallel, const Work& work) {
  if (parallel) {
    at::parallel_for(0, n, 1, work);
  } else {
    work(0, n);
  }
}

}  // namespace

// Projections of one layer with the norm's constant part folded in.
struct EdgeAccumulator::FoldedLayer {
  at::Tensor q, k, v;        // [heads, d_head, d_model]: (I − 11ᵀ/d) γ ⊙ W, transposed
  at::Tensor q0, k0, v0;     // [heads, d_head]: β W + b; undefined: zero
};

// What the backward leaves of one layer, at the scored positions only (n of them).
struct EdgeAccumulator::LayerGradients {
  at::Tensor d_heads;     // [n, q + k + v readers, d_head], times rstd
  at::Tensor x_component; // [n, readers, 1], ⟨x̂, J-less gradient⟩ · rstd / d_model
  at::Tensor x;           // [n, d_model] the stream read
  NormStats stats;
  at::Tensor d_mlp;       // [n, d_model]
};

class EdgeAccumulator::Collector : public BackwardVisitor {
 public:
  Collector(EdgeAccumulator& owner, const ForwardCache& run, const NodeOutputs& outputs, at::Tensor rows)
      : layers(owner.graph_.n_layers()), owner_(owner), run_(run), outputs_(outputs), rows_(std::move(rows)) {}

  void on_mlp(const MlpBackward& g) override {
    layers[g.layer].d_mlp = take_rows(g.d_reader, rows_);
    const at::Tensor d_stream = take_rows(g.d_stream, rows_);
    owner_.direct_[owner_.graph_.mlp(g.layer)].add_((outputs_.mlp[g.layer] * d_stream).sum(at::kDouble));
    owner_.mlp_gradient_sums_[g.layer].add_(sum_rows(d_stream));
  }

  void on_attention(const AttentionBackward& g) override {
    const LayerCache& kept = run_.layers[g.layer];
    const FoldedLayer& folded = owner_.folded_[g.layer];
    LayerGradients& out = layers[g.layer];
    out.x = take_rows(kept.x_attn, rows_);
    out.stats.rstd = take_rows(kept.attn_stats.rstd, rows_);
    if (kept.attn_stats.mean.defined()) out.stats.mean = take_rows(kept.attn_stats.mean, rows_);
    const at::Tensor heads = take_rows(at::cat({g.heads.d_q, g.heads.d_k, g.heads.d_v}, 1), rows_);
    at::Tensor dots = take_rows(at::cat({g.heads.q_dot, g.heads.k_dot, g.heads.v_dot}, 1), rows_);
    if (folded.q0.defined()) {
      const at::Tensor constant = at::cat({folded.q0, folded.k0, folded.v0}, 0);
      dots = dots - (heads * constant).sum(-1);
    }
    const at::Tensor rstd = out.stats.rstd.to(heads.scalar_type());
    out.d_heads = heads * rstd.unsqueeze(-1);
    out.x_component = (dots * rstd / static_cast<double>(out.x.size(1))).unsqueeze(-1);

    const int64_t first = owner_.graph_.head(g.layer, 0);
    const int64_t n_heads = owner_.graph_.n_heads();
    const at::Tensor d_z = take_rows(g.d_z, rows_);
    const at::Tensor products = sum_rows(outputs_.z[g.layer] * d_z).view({n_heads, -1}).sum(1);
    owner_.direct_.narrow(0, first, n_heads).add_(products);
    owner_.z_gradient_sums_[g.layer].add_(sum_rows(d_z));
  }

  void on_embedding(const at::Tensor& d_stream) override {
    const at::Tensor d = take_rows(d_stream, rows_);
    owner_.direct_[0].add_((outputs_.input * d).sum(at::kDouble));
    owner_.input_gradient_sum_.add_(sum_rows(d));
  }

  std::vector<LayerGradients> layers;

 private:
  EdgeAccumulator& owner_;
  const ForwardCache& run_;
  const NodeOutputs& outputs_;  // at the scored positions
  at::Tensor rows_;
};

EdgeAccumulator::EdgeAccumulator(const Model& model, const Graph& graph, Subtract subtract, int64_t tile_tokens)
    : model_(model),
      graph_(graph),
      subtract_(subtract),
      tile_tokens_(tile_tokens > 0 ? tile_tokens : kTileTokens) {
  const Architecture& a = model.architecture();
  if (a.post_norms) fail("score", "family '{}': scores of models with post-norms are not built yet.", a.family);
  const int64_t per_kv = graph.ungrouped() ? a.heads_per_kv() : 1;
  // Head by head, so that each stays in the cache while it is worked on.
  const auto fold = [&](const at::Tensor& w, const NormWeights& norm) {
    const at::Tensor folded = at::empty({w.size(1), a.d_head, a.d_model}, w.options());
    const at::Tensor gamma = norm_scale(norm);
    const auto work = [&](int64_t begin, int64_t end) {
      for (int64_t h = begin; h < end; ++h) {
        const at::Tensor head = folded[h];
        head.copy_(w.select(1, h).t()).mul_(gamma);
        if (a.norm == NormKind::kLayerNorm) head.sub_(head.mean(1, true));
      }
    };
    for_ranges(folded.size(0), w.is_cpu(), work);
    return folded;
  };
  const auto constant = [&](const at::Tensor& w, const at::Tensor& b, const NormWeights& norm) {
    at::Tensor c = norm.bias.defined() ? at::mv(w.flatten(1).t(), norm.bias).view({-1, a.d_head})
                                       : at::zeros({w.size(1), a.d_head}, w.options());
    return b.defined() ? c.add_(b) : c;
  };
  const auto spread = [&](const at::Tensor& per_group) {
    return per_kv == 1 ? per_group : per_group.repeat_interleave(per_kv, 0);
  };
  for (const LayerWeights& w : model.layers()) {
    FoldedLayer f;
    f.q = fold(w.w_q, w.attn_norm);
    f.k = spread(fold(w.w_k, w.attn_norm));
    f.v = spread(fold(w.w_v, w.attn_norm));
    if (w.attn_norm.bias.defined() || w.b_q.defined()) {
      f.q0 = constant(w.w_q, w.b_q, w.attn_norm);
      f.k0 = spread(constant(w.w_k, w.b_k, w.attn_norm));
      f.v0 = spread(constant(w.w_v, w.b_v, w.attn_norm));
    }
    folded_.push_back(f);
    // Llama's o_proj is stored transposed; a view of it splits into heads just as well.
    output_.push_back(w.w_o.unflatten(0, {a.n_heads, a.d_head}));
    z_gradient_sums_.push_back(at::zeros({a.n_heads * a.d_head}, w.w_o.options().dtype(at::kDouble)));
    mlp_gradient_sums_.push_back(at::zeros({a.d_model}, w.w_o.options().dtype(at::kDouble)));
  }
  const auto options = model.embedding().options().dtype(at::kDouble);
  sums_ = at::zeros({graph.n_upstream(), graph.n_downstream()}, options);
  reader_sums_ = at::zeros({graph.n_downstream(), a.d_model}, options);
  direct_ = at::zeros({graph.n_upstream()}, options);
  input_gradient_sum_ = at::zeros({a.d_model}, options);
}

EdgeAccumulator::~EdgeAccumulator() = default;

void EdgeAccumulator::add(const TokenBatch& tokens, ForwardCache& run, const at::Tensor& d_final,
                          NodeOutputs outputs, const at::Tensor& rows, CacheUse use) {
  if (subtract_ == Subtract::kMean) mean_.add(outputs);
  if (rows.defined()) {
    outputs.input = take_rows(outputs.input, rows);
    for (at::Tensor& z : outputs.z) z = take_rows(z, rows);
    for (at::Tensor& m : outputs.mlp) m = take_rows(m, rows);
  }
  Collector collector(*this, run, outputs, rows);
  const auto form = graph_.ungrouped() ? KeyValueGradients::kPerQueryHead : KeyValueGradients::kGrouped;
  backward(model_, tokens, run, d_final, form, use, collector);
  const at::Tensor d_logits = take_rows(d_final, rows);
  contract(outputs, collector.layers, d_logits);
  if (subtract_ == Subtract::kMean) add_reader_sums(collector.layers, d_logits);
}

void EdgeAccumulator::contract(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                              const at::Tensor& d_logits) {
  const int64_t n = d_logits.size(0);
  const int64_t tile = std::min(tile_tokens_, n);
  const int64_t tiles = (n + tile - 1) / tile;
  // On the CPU each thread works tiles of its own, with single-threaded products: no product here is large
  // enough to be worth splitting. Sums are added in tile order, so a run repeats itself bit for bit.
  const bool parallel = d_logits.is_cpu();
  const int64_t workers = parallel ? std::min<int64_t>(at::get_num_threads(), tiles) : 1;
  std::vector<Tile> scratch(workers);
  for (Tile& t : scratch) t = make_tile(tile, d_logits.options());
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      for (int64_t i = tiles * w / workers; i < tiles * (w + 1) / workers; ++i) {
        const int64_t first = i * tile;
        contract_tile(outputs, gradients, d_logits, first, std::min(tile, n - first), &scratch[w]);
      }
    }
  };
  for_ranges(workers, parallel, work);
  for (const Tile& t : scratch) sums_.add_(t.sums);
}

EdgeAccumulator::Tile EdgeAccumulator::make_tile(int64_t tile, const at::TensorOptions& options) const {
  const int64_t d = model_.architecture().d_model;
  const int64_t readers = std::min(kLayersPerChunk, graph_.n_layers()) * graph_.readers_per_layer() + 1;
  // Sums over a batch's tiles in at least float32.
  const at::ScalarType sum_type = options.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  return {at::empty({tile, graph_.n_upstream(), d}, options), at::empty({tile * readers * d}, options),
          at::zeros({graph_.n_upstream(), graph_.n_downstream()}, options.dtype(sum_type))};
}

void EdgeAccumulator::contract_tile(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                                   const at::Tensor& d_logits, int64_t first, int64_t count, Tile* tile) const {
  const Architecture& a = model_.architecture();
  const auto rows = [&](const at::Tensor& t) { return t.narrow(0, first, count); };
  // [count, nodes, d_model]: a position's nodes stand together, so that its product reads memory in order.
  const at::Tensor up = tile->upstream.narrow(0, 0, count);
  up.select(1, 0).copy_(rows(outputs.input));
  for (int64_t l = 0; l < a.n_layers; ++l) {
    // A_u = z_h W_O[h]
    const at::Tensor z = rows(outputs.z[l]).view({count, a.n_heads, a.d_head});
    head_products(up.narrow(1, graph_.head(l, 0), a.n_heads), z, output_[l]);
    up.select(1, graph_.mlp(l)).copy_(rows(outputs.mlp[l]));
  }
  for (int64_t l0 = 0; l0 < a.n_layers; l0 += kLayersPerChunk) {
    const int64_t l1 = std::min(l0 + kLayersPerChunk, a.n_layers);
    const bool last = l1 == a.n_layers;
    const int64_t first_reader = graph_.query(l0, 0);
    const int64_t readers = (l1 - l0) * graph_.readers_per_layer() + (last ? 1 : 0);
    const int64_t visible = graph_.visible(last ? graph_.logits() : graph_.mlp_in(l1 - 1));
    at::Tensor sums = tile->sums.narrow(0, 0, visible).narrow(1, first_reader, readers);
    const at::Tensor down =
        tile->downstream.narrow(0, 0, count * readers * a.d_model).view({count, readers, a.d_model});
    for (int64_t l = l0; l < l1; ++l) {
      const int64_t base = graph_.query(l, 0) - first_reader;
      rebuild_readers(gradients[l], l, first, count, down.narrow(1, base, graph_.readers_per_layer()));
    }
    if (last) down.select(1, readers - 1).copy_(rows(d_logits));
    for (int64_t t = 0; t < count; ++t) {
      const at::Tensor a_t = up[t].narrow(0, 0, visible);
      const at::Tensor g_t = down[t].t();
      if (sums.scalar_type() == a_t.scalar_type()) {
        sums.addmm_(a_t, g_t);
      } else {
        sums.add_(at::mm(a_t, g_t));
      }
    }
  }
}

void EdgeAccumulator::rebuild_readers(const LayerGradients& g, int64_t layer, int64_t first, int64_t count,
                                     const at::Tensor& down) const {
  const auto rows = [&](const at::Tensor& t) { return t.narrow(0, first, count); };
  const at::Tensor d_heads = rows(g.d_heads);
  int64_t reader = 0;
  for (const at::Tensor* w : {&folded_[layer].q, &folded_[layer].k, &folded_[layer].v}) {
    const int64_t heads = w->size(0);
    head_products(down.narrow(1, reader, heads), d_heads.narrow(1, reader, heads), *w);
    reader += heads;
  }
  NormStats stats;
  stats.rstd = rows(g.stats.rstd);
  if (g.stats.mean.defined()) stats.mean = rows(g.stats.mean);
  const at::Tensor x_hat = norm_standardised(rows(g.x), stats).unsqueeze(1);
  down.narrow(1, 0, reader).addcmul_(rows(g.x_component), x_hat, -1);
  down.select(1, reader).copy_(rows(g.d_mlp));
}

void EdgeAccumulator::add_reader_sums(const std::vector<LayerGradients>& gradients, const at::Tensor& d_logits) {
  for (int64_t l = 0; l < graph_.n_layers(); ++l) {
    const LayerGradients& g = gradients[l];
    const at::Tensor d_heads = g.d_heads.sum(0).unsqueeze(1);
    at::Tensor sums = at::mm(g.x_component.squeeze(-1).t(), norm_standardised(g.x, g.stats)).neg_();
    int64_t reader = 0;
    for (const at::Tensor* w : {&folded_[l].q, &folded_[l].k, &folded_[l].v}) {  // sums [readers, d_model]
      sums.narrow(0, reader, w->size(0)).unsqueeze(1).baddbmm_(d_heads.narrow(0, reader, w->size(0)), *w);
      reader += w->size(0);
    }
    reader_sums_.narrow(0, graph_.query(l, 0), sums.size(0)).add_(sums);
    reader_sums_[graph_.mlp_in(l)].add_(sum_rows(g.d_mlp));
  }
  reader_sums_[graph_.logits()].add_(sum_rows(d_logits));
}

EdgeScores EdgeAccumulator::finish(int64_t examples, double* sum_rule_error) const {
  if (examples == 0) fail("scoring", "there are no examples to score on.");
  const Architecture& a = model_.architecture();
  at::Tensor sums = sums_.clone();
  at::Tensor direct = direct_.clone();
  if (subtract_ == Subtract::kMean) {
    const NodeOutputs mean = mean_.mean(at::kDouble);
    at::Tensor ablated = at::empty({graph_.n_upstream(), a.d_model}, sums.options());
    ablated[0].copy_(mean.input);
    direct[0].sub_((mean.input * input_gradient_sum_).sum());
    for (int64_t l = 0; l < a.n_layers; ++l) {
      // No more precise than the outputs it is taken from.
      const at::Tensor z = mean.z[l].view({a.n_heads, 1, a.d_head}).to(output_[l].scalar_type());
      ablated.narrow(0, graph_.head(l, 0), a.n_heads).copy_(at::bmm(z, output_[l]).squeeze(1));
      ablated[graph_.mlp(l)].copy_(mean.mlp[l]);
      direct.narrow(0, graph_.head(l, 0), a.n_heads)
          .sub_((mean.z[l] * z_gradient_sums_[l]).view({a.n_heads, a.d_head}).sum(1));
      direct[graph_.mlp(l)].sub_((mean.mlp[l] * mlp_gradient_sums_[l]).sum());
    }
    sums.sub_(at::mm(ablated, reader_sums_.t()));
  }
  sums = sums.to(at::kCPU).contiguous();
  direct = direct.to(at::kCPU);
  const auto* s = sums.data_ptr<double>();
  const int64_t width = graph_.n_downstream();
  EdgeScores scores;
  scores.values.resize(graph_.n_edges());
  std::vector<double> total(graph_.n_upstream());
  std::vector<double> magnitude(graph_.n_upstream());
  for (int64_t v = 0; v < width; ++v) {
    for (int64_t u = 0; u < graph_.visible(v); ++u) {
      const double score = s[u * width + v] / static_cast<double>(examples);
      if (!std::isfinite(score)) {
        fail("scoring", "the score of edge {} is not finite: activations overflow on this data. When tuning, lower optimizer.lr.",
             graph_.edge_name(graph_.edge_id(u, v)));
      }
      scores.values[graph_.edge_id(u, v)] = static_cast<float>(score);
      total[u] += score;
      magnitude[u] += std::fabs(score);
    }
  }
  if (sum_rule_error != nullptr) {
    *sum_rule_error = 0;
    for (int64_t u = 0; u < graph_.n_upstream(); ++u) {
      const double expected = direct.data_ptr<double>()[u] / static_cast<double>(examples);
      if (magnitude[u] == 0) continue;
      *sum_rule_error = std::max(*sum_rule_error, std::fabs(total[u] - expected) / magnitude[u]);
    }
  }
  return scores;
}

}  // namespace circuit
