// A model in memory: its architecture, its parameters by checkpoint name, and the views the computation uses.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "model/checkpoint.h"
#include "model/layout.h"

namespace circuit {

struct NormWeights {
  at::Tensor weight;  // [d_model], ones where the file has none; undefined: no such norm
  at::Tensor bias;    // [d_model] or undefined
  NormSpec spec;  // γ = (weight + its offset) · its factor; read it through norm_scale, the bias through norm_shift
  bool defined() const { return weight.defined(); }
};

// How a checkpoint stores q, k and v: each in a tensor of its own, or all in one, as three blocks of heads
// or head by head (q, k, v of head 0, then of head 1, …), or in another order that LayerWeights::qkv_columns says.
enum class QkvOrder { kSeparate, kSideBySide, kByHead, kIndexed };

// One expert. Views as LayerWeights'.
struct ExpertWeights {
  at::Tensor w_in, b_in;  // [d_model, channels], [channels]; channels: the width, less one where outputs have a bias
  at::Tensor w_gate, b_gate;  // undefined: no gate
  at::Tensor w_out, b_out;    // [channels, d_model], [d_model]
};

// What a reference names of its tensor, or of its part of the first dimension: a view [in, out], or of a bias [out].
at::Tensor expert_view(const at::Tensor& tensor, const ExpertRef& ref);

struct RouterWeights {
  at::Tensor weight, bias;  // [d_model, routed], [routed]
  at::Tensor shared_gate;   // [d_model, 1]
  at::Tensor choice_bias;   // [routed], float32 at least: is added where experts are chosen, and nowhere else
};

// What makes the latents of model/latent.h. Undefined where attention has none.
struct LatentWeights {
  at::Tensor q_down, b_q_down;    // [d_model, q_rank], [q_rank]; undefined: queries have none
  at::Tensor kv_down, b_kv_down;  // [d_model, kv_rank + rotated], [kv_rank + rotated]
  NormWeights q_norm, kv_norm;    // [q_rank], [kv_rank]
  at::Tensor kv_up;               // w_k and w_v in one, [kv_rank, H · (d_head − rotated + d_value)], head by head
  bool defined() const { return kv_down.defined(); }
};

// Views on the parameters, for reading; they follow what is written through Model::writable.
// Matrices read [in, out] whatever the file's order; undefined where the model has none.
struct LayerWeights {
  // Where heads stand in groups (TensorRef::group), [.., groups, heads of a group, d_head]: read them through
  // by_heads, head_weight and head_bias.
  at::Tensor w_q;       // [d_model, n_heads, d_head]
  at::Tensor w_k, w_v;  // [d_model, n_kv_heads, d_head]
  // Of latents: w_q [q_rank, H, d_head], w_k [kv_rank, H, d_head − rotated], w_v [kv_rank, H, d_value].
  LatentWeights latent;
  at::Tensor b_q, b_k, b_v;  // [heads, d_head]
  QkvOrder qkv_order = QkvOrder::kSeparate;
  at::Tensor w_qkv, b_qkv;     // all three in that order, [d_model, (H + 2 Hk) · d_head]; undefined: separate
  at::Tensor qkv_columns;      // kIndexed: int64, where in that order the columns of q, of k and of v stand
  NormWeights q_norm, k_norm;  // [d_head]; [heads · d_head] where it is over all heads; by head [heads, d_head]
  at::Tensor w_o, b_o;         // [n_heads · value_width, d_model], [d_model]
  at::Tensor w_in, b_in;       // [d_model, d_mlp]; gated: the up projection
  at::Tensor w_gate, b_gate;   // [d_model, d_mlp]
  at::Tensor w_out, b_out;     // [d_mlp, d_model], [d_model]
  std::vector<ExpertWeights> experts;  // in place of the four above; empty: the MLP is one
  RouterWeights router;
  at::Tensor slope_p, slope_n;  // [1], of the activation before their soft-plus; undefined: it has none
  at::Tensor sinks;             // [n_heads]; undefined: none
  NormWeights attn_norm, mlp_norm;
  NormWeights attn_post_norm, mlp_post_norm;  // on what each writes, biases included; undefined: none
};

// Of w_q, w_k or w_v: [d_model, heads, d_head], a copy where heads stand in groups; head h's, [d_model, d_head].
at::Tensor by_heads(const at::Tensor& weight);
at::Tensor head_weight(const at::Tensor& weight, int64_t h);
// Of b_q, b_k or b_v: [heads, d_head]; head h's, [d_head]. Undefined where there is none.
at::Tensor biases_by_heads(const at::Tensor& bias);
at::Tensor head_bias(const at::Tensor& bias, int64_t h);

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;  // of the computation: kFloat, kDouble or kBFloat16
  at::Device device = at::kCPU;
};

class Model {
 public:
  // Throws Error naming the tensor that is missing or has another shape. Where dtype and device are the
  // file's, parameters stay on the mapped file (pages load when touched).
  static Model load(const Checkpoint& checkpoint, const LoadOptions& options);
  // For tests and benchmarks: N(0, scale) from `seed`, norms near 1, constants zero; no checkpoint behind it.
  static Model random(const Architecture& architecture, double scale, uint64_t seed, const LoadOptions& options);
  // Over tensors that are there already, by layout name; layers may share one. Throws Error naming a tensor that is
  // missing or has another shape. Constants are zero.
  static Model over(const Architecture& architecture, std::map<std::string, at::Tensor> parameters);

  const Architecture& architecture() const { return architecture_; }
  const Layout& layout() const { return layout_; }
  const std::vector<LayerWeights>& layers() const { return layers_; }
  const at::Tensor& embedding() const { return embedding_; }                // [vocab, d_model]
  const at::Tensor& positions() const { return positions_; }                // [n_positions, d_model] or undefined
  const at::Tensor& unembedding() const { return unembedding_; }            // [vocab, d_model], maybe the embedding
  const at::Tensor& unembedding_bias() const { return unembedding_bias_; }  // [vocab] or undefined
  const NormWeights& final_norm() const { return final_norm_; }
  const NormWeights& embedding_norm() const { return embedding_norm_; }  // undefined: none
  at::ScalarType dtype() const { return embedding_.scalar_type(); }
  at::Device device() const { return embedding_.device(); }

  // Whether some block writes through a norm: what a node adds to the stream then depends on its block's others.
  bool norms_outputs() const;

  // A parameter by its layout name (without the optional prefix), for reading. Throws Error for an unknown one.
  const at::Tensor& parameter(const std::string& name) const;
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }
  // The same to be written to: what is written changes what the forward computes. A tensor is a handle, which const
  // does not keep from being written to; whoever writes asks here, so that who holds a const Model cannot.
  at::Tensor writable(const std::string& name);
  // The name in the checkpoint's files.
  std::string file_name(const std::string& name) const;
  // Number of parameters, tied matrices once.
  int64_t parameter_count() const;

 private:
  void make_views();
  at::Tensor stacked(const std::vector<std::string>& names);
  LatentWeights latent_views(const LayerLayout& layer, const LatentSpec& spec) const;
  Architecture architecture_;
  Layout layout_;
  std::string prefix_;
  std::map<std::string, at::Tensor> parameters_, constants_;
  std::vector<LayerWeights> layers_;
  at::Tensor embedding_, positions_, unembedding_, unembedding_bias_;
  NormWeights embedding_norm_, final_norm_;
};

// The architecture alone, without touching the weights. Throws Error.
Architecture read_architecture(const Json& config, const std::string& place);

// Which tensors a model of this architecture holds, and where each matrix stands in them. Throws Error for an unknown
// family.
Layout layout_of(const Architecture& architecture);

// The name under which the checkpoint holds a layout tensor, given the prefix it uses.
std::string with_prefix(const Layout& layout, const std::string& prefix, const std::string& name);

}  // namespace circuit
