#include "intervention/circuit_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.h"
#include "model/blocks/query_key_value.h"
#include "model/experts.h"

namespace circuit {
namespace {

// The query-side view of a layer's attention over some heads, each with a key/value head of its own.
Architecture separate_heads(const Architecture& a, int64_t l, const std::vector<int64_t>& heads) {
  Architecture separate = a;
  separate.n_heads = separate.n_kv_heads = static_cast<int64_t>(heads.size());
  AttentionSpec& spec = separate.layer_kinds[a.kind_of(l)].attention;
  const std::vector<double> slopes = std::exchange(spec.alibi, {});
  if (slopes.empty()) return separate;
  for (const int64_t h : heads) spec.alibi.push_back(slopes[h]);
  return separate;
}

}  // namespace

CircuitRunner::CircuitRunner(const Model& model, const Graph& graph, const TokenBatch& batch,
                             const NodeOutputs& ablated)
    : model_(model), graph_(graph), batch_(batch), ablated_(ablated), base_(ablated_run(model, graph, batch, ablated)) {
  rotary_ = make_rotary_tables(model.architecture(), batch, model.dtype());
  embedding_ = token_embedding(model, batch);
  differences_ = at::empty({0, batch.tokens(), model.architecture().d_model}, base_.last.options());
}

at::Tensor CircuitRunner::run(const std::vector<bool>& edges) {
  try {
    return run_from(std::exchange(edges_, edges));
  } catch (...) {
    edges_.clear();  // what was worked out of it is not known: the next run begins at the bottom
    throw;
  }
}

at::Tensor CircuitRunner::run_from(const std::vector<bool>& last_edges) {
  const std::vector<bool>& edges = edges_;
  const std::vector<bool> last_needed = needed_;
  needed_.assign(graph_.n_upstream(), false);
  for (int64_t v = 0; v < graph_.n_downstream(); ++v) {
    for (int64_t u = 0; u < graph_.visible(v); ++u) {
      if (edges[graph_.edge_id(u, v)]) needed_[u] = true;
    }
  }
  place_.assign(graph_.n_upstream() + 1, 0);
  for (int64_t u = 0; u < graph_.n_upstream(); ++u) place_[u + 1] = place_[u] + (needed(u) ? 1 : 0);
  int64_t first = last_edges.empty() ? 0 : first_change(last_edges, last_needed);
  if (differences_.size(0) < place_.back()) {
    first = 0;
    differences_ = at::empty({place_.back(), batch_.tokens(), base_.last.size(1)}, base_.last.options());
  }
  if (first == 0 && needed(0)) put(0, embedding_ - ablated_.input);
  for (const AblatedBlock& b : base_.blocks) {
    if (b.block.layer >= first) run_block(b.block, b.read);
  }
  std::vector<int64_t> row_of;
  return streams({graph_.logits()}, base_.last, &row_of)[0];
}

int64_t CircuitRunner::first_change(const std::vector<bool>& last_edges, const std::vector<bool>& last_needed) const {
  const auto different = std::mismatch(edges_.begin(), edges_.end(), last_edges.begin());
  int64_t layer = graph_.n_layers();
  if (different.first != edges_.end()) {
    const int64_t reader = graph_.edge(different.first - edges_.begin()).downstream;
    if (reader != graph_.logits()) layer = graph_.downstream(reader).layer;
  }
  // A node that was not computed, or stands elsewhere in the buffer.
  const auto other = std::mismatch(needed_.begin(), needed_.end(), last_needed.begin());
  if (other.first != needed_.end()) {
    layer = std::min(layer, std::max<int64_t>(0, graph_.upstream(other.first - needed_.begin()).layer));
  }
  return layer;
}

at::Tensor CircuitRunner::streams(const std::vector<int64_t>& readers, const at::Tensor& base,
                                  std::vector<int64_t>* row_of) {
  std::map<std::vector<int64_t>, int64_t> rows;
  std::vector<const std::vector<int64_t>*> distinct;
  for (const int64_t v : readers) {
    std::vector<int64_t> sources;
    for (int64_t u = 0; u < graph_.visible(v); ++u) {
      if (edges_[graph_.edge_id(u, v)]) sources.push_back(u);
    }
    const auto [at, fresh] = rows.emplace(std::move(sources), static_cast<int64_t>(distinct.size()));
    if (fresh) distinct.push_back(&at->first);
    row_of->push_back(at->second);
  }
  const auto n = static_cast<int64_t>(distinct.size());
  const int64_t width = place_[graph_.visible(readers[0])];
  if (width == 0) return base.unsqueeze(0);
  const at::Tensor mask = at::zeros({n, width}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    for (const int64_t u : *distinct[i]) mask.data_ptr<double>()[i * width + place_[u]] = 1;
  }
  if (model_.norms_outputs()) return normed_streams(mask.to(base.options()), graph_.visible(readers[0]));
  const at::Tensor sums = at::mm(mask.to(base.options()), differences_.narrow(0, 0, width).view({width, -1}));
  return sums.view({n, base.size(0), base.size(1)}).add_(base);
}

at::Tensor CircuitRunner::normed_streams(const at::Tensor& mask, int64_t visible) const {
  const Architecture& a = model_.architecture();
  const int64_t n = mask.size(0);
  const int64_t tokens = batch_.tokens();
  // What differs from the ablated output of nodes first … first + count − 1, [n, tokens, d_model]; undefined: none.
  const auto differing = [&](int64_t first, int64_t count) {
    const int64_t places = place_[first + count] - place_[first];
    if (places == 0) return at::Tensor();
    const at::Tensor rows = differences_.narrow(0, place_[first], places).view({places, -1});
    return at::mm(mask.narrow(1, place_[first], places), rows).view({n, tokens, a.d_model});
  };
  at::Tensor x = at::zeros({n, tokens, a.d_model}, differences_.options()).add_(base_.first);
  const at::Tensor input = differing(0, 1);
  if (input.defined()) x.add_(input);
  for (const AblatedBlock& b : base_.blocks) {
    const NodeRange nodes = graph_.writers(b.block);
    if (nodes.first >= visible) break;
    const at::Tensor other = differing(nodes.first, nodes.count);
    const at::Tensor mixture = other.defined() ? other + b.written : b.written;
    x.add_(post_norm_forward(post_norm_of(model_.layers()[b.block.layer], b.block.kind), mixture, nullptr));
  }
  return x;
}

void CircuitRunner::put(int64_t upstream, const at::Tensor& difference) {
  differences_.select(0, place_[upstream]).copy_(difference);
}

void CircuitRunner::run_block(const Block& block, const at::Tensor& base) {
  if (block.kind == BlockKind::kAttention) return run_heads(block.layer, base);
  if (split_mlps()) return run_mlp_blocks(block.layer, base);
  if (needed(graph_.mlp(block.layer))) run_mlp(block.layer, base);
}

void CircuitRunner::run_heads(int64_t l, const at::Tensor& base) {
  const Architecture& a = model_.architecture();
  const LayerWeights& w = model_.layers()[l];
  std::vector<int64_t> heads;
  std::vector<int64_t> readers;
  // A norm over all heads, or with a weight for each, takes every head's reader, whichever head is wanted.
  const bool together = a.layer(l).attention.qk_norm_whole || a.layer(l).attention.qk_norm_by_head;
  bool any = false;
  for (int64_t h = 0; h < a.n_heads; ++h) any = any || needed(graph_.head(l, h));
  for (int64_t h = 0; h < a.n_heads; ++h) {
    if (!(together ? any : needed(graph_.head(l, h)))) continue;
    const int64_t kv = graph_.ungrouped() ? h : h / a.heads_per_kv();
    heads.push_back(h);
    readers.insert(readers.end(), {graph_.query(l, h), graph_.key(l, kv), graph_.value(l, kv)});
  }
  if (heads.empty()) return;
  std::vector<int64_t> row_of;
  const at::Tensor x = streams(readers, base, &row_of);
  const at::Tensor y = norm_forward(w.attn_norm, x.view({-1, a.d_model}), nullptr).view(x.sizes()).to(model_.dtype());
  const int64_t width = a.value_width();
  std::vector<at::Tensor> q;
  std::vector<at::Tensor> k;
  std::vector<at::Tensor> v;
  for (size_t i = 0; i < heads.size(); ++i) {
    const int64_t g = heads[i] / a.heads_per_kv();
    q.push_back(project_query(w, y[row_of[3 * i]], heads[i]));
    k.push_back(project_key(w, y[row_of[3 * i + 1]], g));
    v.push_back(project_value(w, y[row_of[3 * i + 2]], g));
  }
  const auto n = static_cast<int64_t>(heads.size());
  const QueryKeyValue p = normed_and_rotated(w, a.layer(l).attention, rotary_.of(a, l),
                                             {at::cat(q, 1), at::cat(k, 1), at::cat(v, 1)}, nullptr);
  const at::Tensor sinks =
      w.sinks.defined() ? w.sinks.index_select(0, at::tensor(heads, at::kLong).to(x.device())) : at::Tensor();
  const at::Tensor z = attention_forward(separate_heads(a, l, heads), l, batch_, p.q, p.k, p.v, sinks, nullptr);
  for (int64_t i = 0; i < n; ++i) {
    if (!needed(graph_.head(l, heads[i]))) continue;
    const at::Tensor z_difference = head_of(z, i, width) - head_of(ablated_.z[l], heads[i], width);
    put(graph_.head(l, heads[i]),
        times(at::mm(z_difference, w.w_o.narrow(0, heads[i] * width, width)), a.layer(l).residual));
  }
}

void CircuitRunner::run_mlp(int64_t l, const at::Tensor& base) {
  const LayerWeights& w = model_.layers()[l];
  std::vector<int64_t> row_of;
  const at::Tensor x = streams({graph_.mlp_in(l)}, base, &row_of)[0];
  const at::Tensor y = norm_forward(w.mlp_norm, x, nullptr).to(model_.dtype());
  const LayerSpec& spec = model_.architecture().layer(l);
  put(graph_.mlp(l), times(mlp_forward(spec.mlp, w, y, nullptr), spec.residual) - ablated_.mlp[l]);
}

void CircuitRunner::run_mlp_blocks(int64_t l, const at::Tensor& base) {
  const MlpSpec& spec = model_.architecture().layer(l).mlp;
  const LayerWeights& w = model_.layers()[l];
  std::vector<int64_t> blocks;
  std::vector<int64_t> readers;
  for (int64_t j = 0; j < graph_.mlp_blocks(l); ++j) {
    if (!needed(graph_.mlp(l, j))) continue;
    blocks.push_back(j);
    readers.push_back(graph_.mlp_in(l, j));
  }
  if (blocks.empty()) return;
  const bool routed = graph_.has_router(l);
  if (routed) readers.push_back(graph_.router(l));
  std::vector<int64_t> row_of;
  const at::Tensor x = streams(readers, base, &row_of);
  const at::Tensor y = norm_forward(w.mlp_norm, x.view({-1, x.size(-1)}), nullptr).view(x.sizes()).to(model_.dtype());
  at::Tensor gates;
  if (routed) gates = route(spec, w.router, y[row_of.back()]).gates;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const int64_t first = blocks[i] * graph_.mlp_block(l);
    const at::Tensor own = y[row_of[i]];
    const at::Tensor hidden = routed ? expert_channels(spec, w.experts[blocks[i]], own, gates.select(1, blocks[i]))
                                     : mlp_channels(spec, w, own, first, graph_.mlp_block(l));
    const at::Tensor difference = hidden - ablated_.mlp[l].narrow(1, first, graph_.mlp_block(l));
    put(graph_.mlp(l, blocks[i]), times(at::mm(difference, output_block(w, graph_.mlp_blocks(l), blocks[i])),
                                        model_.architecture().layer(l).residual));
  }
}

}  // namespace circuit
