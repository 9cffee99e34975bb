#include "intervention/cross_patch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "intervention/patched_run.h"
#include "model/backward.h"
#include "model/rows.h"

namespace circuit {
namespace {

std::vector<Block> blocks_of(const Architecture& architecture) {
  std::vector<Block> blocks;
  for (int64_t l = 0; l < architecture.n_layers; ++l) {
    for (const BlockSpec& spec : architecture.layer(l).blocks) blocks.push_back({spec.kind, l});
  }
  return blocks;
}

// What the block's output matrix makes of these columns, [tokens, d_model].
at::Tensor product_of(const Model& model, const Block& block, const at::Tensor& columns) {
  const LayerWeights& w = model.layers()[block.layer];
  return block.kind == BlockKind::kAttention ? at::mm(columns, w.w_o) : hidden_to_output(w, columns);
}

// The block's output matrix, [width, d_model].
at::Tensor output_matrix(const Model& model, const Block& block) {
  const LayerWeights& w = model.layers()[block.layer];
  if (block.kind == BlockKind::kAttention) return w.w_o;
  return output_blocks(w, w.experts.empty() ? 1 : static_cast<int64_t>(w.experts.size())).flatten(0, 1);
}

class FirstOrder : public BackwardVisitor {
 public:
  FirstOrder(const Graph& graph, const TokenBatch& batch, const OwnRun& receiver, const OwnRun& donor)
      : graph_(graph), receiver_(receiver), donor_(donor) {
    std::vector<int64_t> owner;
    for (int64_t s = 0; s < batch.size(); ++s) owner.insert(owner.end(), batch.lengths[s], s);
    sequence_of_ = at::tensor(owner, at::kLong).to(batch.ids.device());
    sums_ = at::zeros({batch.size(), graph.n_upstream()}, receiver.outputs.input.options().dtype(at::kDouble));
  }
  void on_attention(const AttentionBackward& g) override { add({BlockKind::kAttention, g.layer}, g.d_out); }
  void on_mlp(const MlpBackward& g) override {
    add({BlockKind::kMlp, g.layer}, put_rows(g.d_out, g.rows, g.d_stream.size(0)));
  }
  void on_embedding(const at::Tensor& d_stream) override {
    add_nodes({0, 1}, (donor_.outputs.input - receiver_.outputs.input) * d_stream);
  }
  at::Tensor sums() const { return sums_.to(at::kCPU); }

 private:
  // d_out: at the block's product, [tokens, d_model].
  void add(const Block& block, const at::Tensor& d_out) {
    const auto share = [&](const OwnRun& run) {
      return run.outputs.of(block) * at::mm(d_out, output_matrix(run.model, block).t());
    };
    add_nodes(graph_.writers(block), share(donor_) - share(receiver_));
  }
  // by_column [tokens, nodes.count · …]
  void add_nodes(const NodeRange& nodes, const at::Tensor& by_column) {
    const at::Tensor by_node = by_column.view({by_column.size(0), nodes.count, -1}).sum(2, false, at::kDouble);
    sums_.narrow(1, nodes.first, nodes.count).index_add_(0, sequence_of_, by_node);
  }
  const Graph& graph_;
  const OwnRun& receiver_;
  const OwnRun& donor_;
  at::Tensor sequence_of_, sums_;
};

}  // namespace

OwnRun::OwnRun(const Model& of, const TokenBatch& batch)
    : model(of),
      cache(forward(of, batch, Keep::kBackwardAndNodeOutputs)),
      outputs(node_outputs(of.architecture(), cache, MlpForm::kChannels)) {}

at::Tensor CrossPatch::run(const std::vector<bool>& nodes) const {
  const Architecture& a = receiver_.model.architecture();
  std::vector<BlockPatch> patches;
  for (const Block& block : blocks_of(a)) {
    const at::Tensor& given = donor_.outputs.of(block);
    const NodeRange writers = graph_.writers(block);
    at::Tensor live = at::ones({given.size(1)}, given.options().dtype(at::kBool));
    int64_t replaced = 0;
    for (const int64_t u : writers) {
      if (!nodes[u]) continue;
      const NodeRange columns = columns_of(graph_, a, u);
      live.narrow(0, columns.first, columns.count).fill_(false);
      ++replaced;
    }
    if (replaced == 0) continue;
    const at::Tensor product = product_of(donor_.model, block, given.masked_fill(live, 0));
    if (replaced == writers.count) live = at::Tensor();
    patches.push_back({block, live, {}, product});
  }
  return run_patched(receiver_.model, batch_, receiver_.cache, patches, nodes[0] ? donor_.outputs.input : at::Tensor());
}

bool CrossPatch::is_same(int64_t u) const {
  const GraphNode node = graph_.upstream(u);
  if (node.is(kInputNode)) return receiver_.outputs.input.equal(donor_.outputs.input);
  const Block block{node.is(kHeadNode) ? BlockKind::kAttention : BlockKind::kMlp, node.layer};
  const NodeRange columns = columns_of(graph_, receiver_.model.architecture(), u);
  const auto same = [&](const at::Tensor& a, const at::Tensor& b, int64_t dim) {
    return a.narrow(dim, columns.first, columns.count).equal(b.narrow(dim, columns.first, columns.count));
  };
  return same(receiver_.outputs.of(block), donor_.outputs.of(block), 1) &&
         same(output_matrix(receiver_.model, block), output_matrix(donor_.model, block), 0);
}

at::Tensor CrossPatch::first_order(const Graph& graph, const TokenBatch& batch, OwnRun* receiver, const OwnRun& donor,
                                   const at::Tensor& d_final) {
  FirstOrder visitor(graph, batch, *receiver, donor);
  backward(receiver->model, batch, receiver->cache, d_final, KeyValueGradients::kGrouped, CacheUse::kRelease, visitor);
  return visitor.sums();
}

}  // namespace circuit
