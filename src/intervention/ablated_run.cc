#include "intervention/ablated_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "model/layer_program.h"
#include "model/mlp.h"
#include "model/wide.h"

namespace circuit {
namespace {

class AblatedLayer {
 public:
  using Written = at::Tensor;
  AblatedLayer(const Model& model, const Graph& graph, const NodeOutputs& ablated, int64_t l, AblatedRun* run)
      : model_(model), graph_(graph), ablated_(ablated), l_(l), run_(run) {}

  at::Tensor work(const BlockSpec& spec, const at::Tensor& x) const {
    const LayerWeights& w = model_.layers()[l_];
    const bool heads = spec.kind == BlockKind::kAttention;
    const at::Tensor out = heads                  ? at::mm(ablated_.z[l_], w.w_o)
                           : graph_.splits_mlps() ? hidden_to_output(w, ablated_.mlp[l_])
                                                  : ablated_.mlp[l_];
    AblatedBlock block{{spec.kind, l_}, x, {}};
    if (heads || graph_.splits_mlps()) {
      block.written = before_post_norm(model_, block.block, out);
    } else {
      // An MLP's output was kept as it is multiplied; z and channels were not.
      const at::Tensor bias = times(w.b_out, model_.architecture().layer(l_).residual);
      block.written = bias.defined() ? out + bias : out;
    }
    at::Tensor joins = post_norm_forward(post_norm_of(w, spec.kind), block.written, nullptr);
    if (!model_.norms_outputs()) block.written = at::Tensor();
    run_->blocks.push_back(std::move(block));
    return joins;
  }

  at::Tensor join(at::Tensor stream, const std::vector<at::Tensor>& written) const {
    for (const at::Tensor& w : written) stream = stream + w;
    return stream;
  }

 private:
  const Model& model_;
  const Graph& graph_;
  const NodeOutputs& ablated_;
  int64_t l_;
  AblatedRun* run_;
};

}  // namespace

AblatedRun ablated_run(const Model& model, const Graph& graph, const TokenBatch& batch, const NodeOutputs& ablated) {
  const Architecture& a = model.architecture();
  AblatedRun run;
  // Sums in float32 at least: what one edge changes is lost in a BF16 stream.
  const auto options = model.embedding().options().dtype(wide(model.dtype()));
  at::Tensor x =
      with_positions(model, at::zeros({batch.tokens(), a.d_model}, options) + ablated.input, batch.positions);
  run.first = x;
  for (int64_t l = 0; l < a.n_layers; ++l) {
    AblatedLayer engine(model, graph, ablated, l, &run);
    x = walk_layer(a.layer(l), x, engine);
  }
  run.last = x;
  return run;
}

at::Tensor head_of(const at::Tensor& rows, int64_t h, int64_t width) { return rows.narrow(1, h * width, width); }

at::Tensor times(const at::Tensor& x, double factor) { return factor == 1 || !x.defined() ? x : x * factor; }

}  // namespace circuit
