#include "scoring/edge_accumulator.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"
#include "model/rows.h"
#include "scoring/both_visitors.h"
#include "scoring/device_contraction.h"
#include "scoring/for_ranges.h"
#include "scoring/output_weights.h"

namespace circuit {
namespace {

// Positions whose upstream outputs are rebuilt at a time. The weights of all layers pass through the cache
// once per tile, so a tile is large; 128 cost 120 MB at GPT-2 small, and larger models take fewer.
constexpr int64_t kTileTokens = 128;
constexpr int64_t kTileBytes = int64_t{256} << 20;
// Its readers are rebuilt a few layers at a time: enough for wide products without too many that belong to
// no edge, and little memory.
constexpr int64_t kLayersPerChunk = 4;

// Over the rows of one batch in float32 at least, over batches in float64.
at::Tensor sum_rows(const at::Tensor& rows) {
  const bool wide = rows.scalar_type() == at::kDouble || rows.scalar_type() == at::kFloat;
  return rows.sum(0, false, wide ? rows.scalar_type() : at::kFloat).to(at::kDouble);
}

// Bytes that one position takes in a tile of `nodes` upstream nodes.
int64_t position_bytes(const Model& model, const ReaderSlots& slots, int64_t nodes) {
  const int64_t readers = slots.most(kLayersPerChunk) + 1;
  return (nodes + readers) * model.architecture().d_model *
         static_cast<int64_t>(at::elementSize(contraction_type(model)));
}

int64_t tile_positions(int64_t bytes_each) { return std::clamp<int64_t>(kTileBytes / bytes_each, 1, kTileTokens); }

}  // namespace

TileCost tile_cost(const Model& model, const Graph& graph, int64_t spans) {
  const int64_t each = position_bytes(model, ReaderSlots(graph, spans), graph.n_upstream());
  return {each, tile_positions(each)};
}

class EdgeAccumulator::Collector : public BackwardVisitor {
 public:
  Collector(EdgeAccumulator& owner, const TokenBatch& tokens, const ForwardCache& run, const NodeOutputs& outputs,
            const ScoredPart& part, std::vector<LayerGradients>* layers)
      : layers_(*layers),
        owner_(owner),
        tokens_(tokens),
        run_(run),
        outputs_(outputs),
        part_(part),
        range_(part.upstream == nullptr ? owner.all_ : *part.upstream) {}

  void on_mlp(const MlpBackward& g) override {
    LayerGradients& out = layers_[g.layer];
    if (owner_.blocks()) {
      out.mlp.add(mlp_block_readers(g, owner_.folded_[g.layer], owner_.graph_, part_.rows, owner_.spec_.rule));
    }
    if (const at::Tensor& whole = owner_.blocks() ? g.d_router : g.d_reader; whole.defined()) {
      const at::Tensor reader = take_rows(whole, part_.rows);
      out.d_mlp = out.d_mlp.defined() ? out.d_mlp + reader : reader;
    }
    // Through a post-norm the gradient at the node is another one: there the norm's scale is held.
    const bool known = owner_.blocks() && !owner_.model_.layers()[g.layer].mlp_post_norm.defined();
    const at::Tensor d = known ? take_rows(put_rows(g.channels.d_hidden, g.rows, g.d_stream.size(0)), part_.rows)
                               : owner_.direct_mlp(g.layer, take_rows(g.d_stream, part_.rows));
    add_direct(owner_.graph_.mlp(g.layer), owner_.graph_.mlp_blocks(g.layer), outputs_.mlp[g.layer], d);
    owner_.mlp_gradient_sums_[g.layer].add_(sum_rows(d));
  }

  void on_attention(const AttentionBackward& g) override {
    layers_[g.layer].attention.add(attention_readers(owner_.model_.layers()[g.layer], g, run_.layers[g.layer],
                                                     owner_.folded_[g.layer], by_query_span(g), part_.rows,
                                                     owner_.spec_.rule));
    const bool known = !owner_.model_.layers()[g.layer].attn_post_norm.defined();
    const at::Tensor d_z =
        known ? take_rows(g.d_z, part_.rows) : owner_.direct_heads(g.layer, take_rows(g.d_stream, part_.rows));
    add_direct(owner_.graph_.head(g.layer, 0), owner_.graph_.n_heads(), outputs_.z[g.layer], d_z);
    owner_.z_gradient_sums_[g.layer].add_(sum_rows(d_z));
  }

  void on_embedding(const at::Tensor& d_stream) override {
    const at::Tensor d = take_rows(d_stream, part_.rows);
    add_direct(0, 1, outputs_.input, d);
    owner_.input_gradient_sum_.add_(sum_rows(d));
  }

  void on_replaced(const Block& block, const at::Tensor& d_stream) override {
    const NodeRange nodes = owner_.graph_.writers(block);
    const at::Tensor d = owner_.direct(block, take_rows(d_stream, part_.rows));
    add_direct(nodes.first, nodes.count, outputs_.of(block), d);
  }

 private:
  // ⟨A, ∂⟩ of `nodes` nodes from `first`, which share the columns of [n, nodes · width] evenly.
  void add_direct(int64_t first, int64_t nodes, const at::Tensor& outputs, const at::Tensor& gradient) {
    if (!range_.has(first)) return;
    const at::Tensor products = outputs.to(contraction_type(owner_.model_)) * gradient;
    owner_.direct_.narrow(0, first, nodes).add_(sum_rows(products).view({nodes, -1}).sum(1));
  }

  // Keys' and values' gradients through the queries of each span alone; empty when scores are not split.
  std::vector<AttentionGradients> by_query_span(const AttentionBackward& g) const {
    std::vector<AttentionGradients> parts;
    if (!part_.labels.defined()) return parts;
    const auto form = owner_.graph_.ungrouped() ? KeyValueGradients::kPerQueryHead : KeyValueGradients::kGrouped;
    for (int64_t s = 0; s < owner_.slots_.spans(); ++s) {
      const at::Tensor mask = (part_.labels == s).to(g.d_z.device(), g.d_z.scalar_type()).unsqueeze(1);
      parts.push_back(heads_backward(owner_.model_, tokens_, run_, g.layer, g.d_z * mask, form, owner_.spec_.rule));
    }
    return parts;
  }

  std::vector<LayerGradients>& layers_;
  EdgeAccumulator& owner_;
  const TokenBatch& tokens_;
  const ForwardCache& run_;
  const NodeOutputs& outputs_;  // at the scored positions
  const ScoredPart& part_;
  const NodeRange range_;
};

EdgeAccumulator::EdgeAccumulator(const Model& model, const Graph& graph, const AccumulatorSpec& spec)
    : model_(model),
      graph_(graph),
      spec_(spec),
      slots_(graph_, std::max<int64_t>(1, static_cast<int64_t>(spec.spans.size()))),
      all_{0, graph.n_upstream()},
      folded_(fold_weights(model, graph)) {
  const Architecture& a = model.architecture();
  if (spec.subtract == Subtract::kMean && (slots_.spans() > 1 || model.norms_outputs())) {
    fail("scoring", "a mean that is not known yet cannot be split by spans, nor pass post-norms.");
  }
  const auto options = model.embedding().options().dtype(at::kDouble);
  for (int64_t l = 0; l < a.n_layers; ++l) {
    output_.push_back(head_outputs(model, l));
    if (blocks()) mlp_output_.push_back(mlp_outputs(model, graph, l));
    z_gradient_sums_.push_back(at::zeros({a.n_heads * a.value_width()}, options));
    mlp_gradient_sums_.push_back(at::zeros({blocks() ? a.mlp_channels(l) : a.d_model}, options));
  }
  sums_ = at::zeros({slots_.spans(), graph.n_upstream(), slots_.count()}, options);
  if (spec.subtract == Subtract::kMean) reader_sums_ = at::zeros({graph.n_downstream(), a.d_model}, options);
  direct_ = at::zeros({graph.n_upstream()}, options);
  input_gradient_sum_ = at::zeros({a.d_model}, options);
}

void EdgeAccumulator::add(const TokenBatch& tokens, ForwardCache& run, const at::Tensor& d_final, NodeOutputs outputs,
                          const ScoredPart& part) {
  outputs = scored(std::move(outputs), part);
  std::vector<LayerGradients> layers(graph_.n_layers());
  gather(tokens, run, d_final, outputs, part, &layers);
  contract(outputs, layers, take_rows(d_final, part.rows), part);
}

void EdgeAccumulator::add_runs(const TokenBatch& tokens, NodeOutputs outputs, const ScoredPart& part, int64_t runs,
                               const std::function<GradientRun(int64_t)>& next) {
  outputs = scored(std::move(outputs), part);
  for (int64_t first = 0; first < runs; first += kRunsAtOnce) {
    std::vector<LayerGradients> layers(graph_.n_layers());
    at::Tensor d_logits;
    for (int64_t k = first; k < std::min(runs, first + kRunsAtOnce); ++k) {
      GradientRun one = next(k);
      gather(tokens, one.run, one.d_final, outputs, part, &layers);
      const at::Tensor d = take_rows(one.d_final, part.rows);
      d_logits = d_logits.defined() ? d_logits + d : d;
    }
    contract(outputs, layers, d_logits, part);
  }
}

NodeOutputs EdgeAccumulator::scored(NodeOutputs outputs, const ScoredPart& part) {
  if (spec_.subtract == Subtract::kMean) mean_.add(outputs);
  return scored_outputs(model_, graph_, std::move(outputs), part.rows);
}

void EdgeAccumulator::gather(const TokenBatch& tokens, ForwardCache& run, const at::Tensor& d_final,
                             const NodeOutputs& outputs, const ScoredPart& part, std::vector<LayerGradients>* layers) {
  Collector collector(*this, tokens, run, outputs, part, layers);
  const auto form = graph_.ungrouped() ? KeyValueGradients::kPerQueryHead : KeyValueGradients::kGrouped;
  if (part.witness == nullptr) {
    backward(model_, tokens, run, d_final, form, part.use, collector, spec_.rule);
    return;
  }
  BothVisitors both(collector, *part.witness);
  backward(model_, tokens, run, d_final, form, part.use, both, spec_.rule);
}

void EdgeAccumulator::contract(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                               const at::Tensor& d_logits, const ScoredPart& part) {
  std::vector<int64_t> spans;
  if (part.labels.defined()) {
    const at::Tensor labels = part.rows.defined() ? part.labels.index_select(0, part.rows.to(at::kCPU)) : part.labels;
    spans.assign(labels.data_ptr<int64_t>(), labels.data_ptr<int64_t>() + labels.numel());
  }
  contract(outputs, gradients, d_logits, spans, part.upstream == nullptr ? all_ : *part.upstream);
  if (spec_.subtract == Subtract::kMean) add_reader_sums(gradients, d_logits);
}

at::Tensor EdgeAccumulator::direct_heads(int64_t layer, const at::Tensor& d_stream) const {
  return at::mm(d_stream.to(output_[layer].scalar_type()), output_[layer].flatten(0, 1).t());
}

at::Tensor EdgeAccumulator::direct_mlp(int64_t layer, const at::Tensor& d_stream) const {
  if (!blocks()) return d_stream;
  return at::mm(d_stream.to(mlp_output_[layer].scalar_type()), mlp_output_[layer].flatten(0, 1).t());
}

at::Tensor EdgeAccumulator::direct(const Block& block, const at::Tensor& d_stream) const {
  return block.kind == BlockKind::kAttention ? direct_heads(block.layer, d_stream) : direct_mlp(block.layer, d_stream);
}

int64_t EdgeAccumulator::tile_size(const NodeRange& range, int64_t positions) const {
  if (spec_.tile_tokens > 0) return std::min(spec_.tile_tokens, positions);
  const int64_t bytes = position_bytes(model_, slots_, range.count);
  return std::min(positions, model_.device().is_cpu() ? tile_positions(bytes) : tile_positions_on_device(bytes));
}

void EdgeAccumulator::contract(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                               const at::Tensor& d_logits, const std::vector<int64_t>& spans, const NodeRange& range) {
  const int64_t n = d_logits.size(0);
  const int64_t tile = tile_size(range, n);
  const int64_t tiles = (n + tile - 1) / tile;
  // On the CPU each thread works tiles of its own, with single-threaded products: no product here is large
  // enough to be worth splitting. Every tile's sums are added in tile order, so that neither a run that is repeated nor
  // one on more threads changes a bit.
  const bool parallel = d_logits.is_cpu();
  const int64_t workers = parallel ? std::min<int64_t>(at::get_num_threads(), tiles) : 1;
  std::vector<Tile> scratch(workers);
  for (Tile& t : scratch) t = make_tile(tile, range, d_logits.options());
  const at::Tensor sums = sums_.narrow(1, range.first, range.count);
  for (int64_t round = 0; round < tiles; round += workers) {
    const int64_t count = std::min(workers, tiles - round);
    const auto work = [&](int64_t begin, int64_t end) {
      for (int64_t w = begin; w < end; ++w) {
        const int64_t first = (round + w) * tile;
        const TilePart part{first, std::min(tile, n - first), spans.empty() ? nullptr : spans.data() + first};
        scratch[w].sums.zero_();
        contract_tile(outputs, gradients, d_logits, part, range, &scratch[w]);
      }
    };
    for_ranges(count, parallel, work);
    for (int64_t w = 0; w < count; ++w) sums.add_(scratch[w].sums);
  }
}

EdgeAccumulator::Tile EdgeAccumulator::make_tile(int64_t tile, const NodeRange& range,
                                                 const at::TensorOptions& options) const {
  const int64_t d = model_.architecture().d_model;
  const int64_t readers = slots_.most(kLayersPerChunk) + 1;
  const at::TensorOptions wide = options.dtype(contraction_type(model_));
  return {at::empty({tile, range.count, d}, wide), at::empty({tile * readers * d}, wide),
          at::zeros({slots_.spans(), range.count, slots_.count()}, wide)};
}

void EdgeAccumulator::rebuild_upstream(const NodeOutputs& outputs, const TilePart& part, const NodeRange& range,
                                       const at::Tensor& up) const {
  const Architecture& a = model_.architecture();
  const auto rows = [&](const at::Tensor& t) { return t.narrow(0, part.first, part.count); };
  if (range.has(0)) up.select(1, 0).copy_(rows(outputs.input));
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const int64_t heads = graph_.head(l, 0);
    if (range.has(heads)) {
      // A_u = z_h W_O[h]
      const at::Tensor z = rows(outputs.z[l]).view({part.count, a.n_heads, a.value_width()}).to(up.scalar_type());
      head_products(up.narrow(1, heads - range.first, a.n_heads), z, output_[l]);
    }
    const int64_t mlp = graph_.mlp(l);
    if (!range.has(mlp)) continue;
    if (blocks()) {
      const at::Tensor h =
          rows(outputs.mlp[l]).view({part.count, graph_.mlp_blocks(l), graph_.mlp_block(l)}).to(up.scalar_type());
      head_products(up.narrow(1, mlp - range.first, graph_.mlp_blocks(l)), h, mlp_output_[l]);
    } else {
      up.select(1, mlp - range.first).copy_(rows(outputs.mlp[l]));
    }
  }
}

void EdgeAccumulator::contract_tile(const NodeOutputs& outputs, const std::vector<LayerGradients>& gradients,
                                    const at::Tensor& d_logits, const TilePart& part, const NodeRange& range,
                                    Tile* tile) const {
  const Architecture& a = model_.architecture();
  // [count, nodes, d_model]: a position's nodes stand together, so that its product reads memory in order.
  const at::Tensor up = tile->upstream.narrow(0, 0, part.count);
  rebuild_upstream(outputs, part, range, up);
  for (int64_t l0 = 0; l0 < a.n_layers; l0 += kLayersPerChunk) {
    const int64_t l1 = std::min(l0 + kLayersPerChunk, a.n_layers);
    const bool last = l1 == a.n_layers;
    const int64_t readers = slots_.first(l1) - slots_.first(l0) + (last ? 1 : 0);
    const int64_t end = graph_.visible(last ? graph_.logits() : graph_.mlp_in(l1 - 1));
    const int64_t visible = std::min(range.count, end - range.first);
    if (visible <= 0) continue;
    const at::Tensor sums = tile->sums.narrow(1, 0, visible).narrow(2, slots_.first(l0), readers);
    const at::Tensor down =
        tile->downstream.narrow(0, 0, part.count * readers * a.d_model).view({part.count, readers, a.d_model});
    for (int64_t l = l0; l < l1; ++l) {
      const int64_t base = slots_.first(l) - slots_.first(l0);
      // Of one node, or a router's: the reader that is kept whole.
      const int64_t whole = blocks() ? (graph_.has_router(l) ? 1 : 0) : 1;
      const int64_t split = blocks() ? graph_.mlp_blocks(l) : 0;
      const int64_t attention = slots_.in_layer(l) - whole - split;
      const LayerGradients& g = gradients[l];
      rebuild_readers(g.attention, attention_weights(l), part.first, part.count, down.narrow(1, base, attention));
      if (split > 0) {
        rebuild_readers(g.mlp, {&folded_[l].mlp}, part.first, part.count, down.narrow(1, base + attention, split));
      }
      if (whole == 0) continue;
      const at::Tensor mlp = down.select(1, base + attention + split);
      if (g.d_mlp.defined()) {
        mlp.copy_(g.d_mlp.narrow(0, part.first, part.count));
      } else {
        mlp.zero_();
      }
    }
    if (last) down.select(1, readers - 1).copy_(d_logits.narrow(0, part.first, part.count));
    if (!up.is_cpu()) {
      contract_on_device(up.narrow(1, 0, visible), down, part.spans, sums);
      continue;
    }
    for (int64_t t = 0; t < part.count; ++t) {
      const at::Tensor a_t = up[t].narrow(0, 0, visible);
      const at::Tensor g_t = down[t].t();
      at::Tensor of_span = sums[part.spans == nullptr ? 0 : part.spans[t]];
      of_span.addmm_(a_t, g_t);
    }
  }
}

std::vector<const FoldedReaders*> EdgeAccumulator::attention_weights(int64_t layer) const {
  std::vector<const FoldedReaders*> weights{&folded_[layer].q};
  for (const FoldedReaders* kind : {&folded_[layer].k, &folded_[layer].v}) {
    weights.insert(weights.end(), slots_.spans(), kind);
  }
  return weights;
}

void EdgeAccumulator::add_reader_sums(const std::vector<LayerGradients>& gradients, const at::Tensor& d_logits) {
  for (int64_t l = 0; l < graph_.n_layers(); ++l) {
    const LayerGradients& g = gradients[l];
    const at::Tensor attention = sum_readers(g.attention, attention_weights(l));
    reader_sums_.narrow(0, graph_.query(l, 0), attention.size(0)).add_(attention);
    if (blocks()) {
      reader_sums_.narrow(0, graph_.mlp_in(l), graph_.mlp_blocks(l)).add_(sum_readers(g.mlp, {&folded_[l].mlp}));
    }
    if (!g.d_mlp.defined()) continue;
    reader_sums_[blocks() ? graph_.router(l) : graph_.mlp_in(l)].add_(sum_rows(g.d_mlp));
  }
  reader_sums_[graph_.logits()].add_(sum_rows(d_logits));
}

}  // namespace circuit
