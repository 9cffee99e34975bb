#include "intervention/ablated_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "model/layer_program.h"
#include "model/mlp.h"
#include "model/wide.h"

namespace circuit {
namespace {

at::Tensor add_bias(const at::Tensor& x, const at::Tensor& bias) { return bias.defined() ? x + bias : x; }

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
    // An MLP's output was kept as it is multiplied; z and channels were not.
    const double residual = model_.architecture().layer(l_).residual;
    const at::Tensor& bias = heads ? w.b_o : w.b_out;
    const bool whole = heads || graph_.splits_mlps();
    AblatedBlock block{
        {spec.kind, l_}, x, whole ? times(add_bias(out, bias), residual) : add_bias(out, times(bias, residual))};
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

const NormWeights& post_norm_of(const LayerWeights& weights, BlockKind kind) {
  return kind == BlockKind::kAttention ? weights.attn_post_norm : weights.mlp_post_norm;
}

at::Tensor head_of(const at::Tensor& rows, int64_t h, int64_t width) { return rows.narrow(1, h * width, width); }

at::Tensor times(const at::Tensor& x, double factor) { return factor == 1 || !x.defined() ? x : x * factor; }

}  // namespace circuit
