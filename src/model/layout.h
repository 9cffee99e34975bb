// Where each matrix of the computation lives in the checkpoint's tensors. One description serves three
// uses: the views the forward computes with, the slices that tuning trains, the tensors a file must hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace circuit {

// A matrix or bias split into equal units (heads, or MLP channels) along one dimension of a tensor:
// unit i covers `unit` indices of dimension `unit_dim` from first + i·stride on, or where units stand in groups from
// first + (i / group)·group_stride + (i mod group)·stride on.
struct TensorRef {
  std::string tensor;  // empty: the model has none
  int64_t unit_dim = 0;
  int64_t first = 0;
  int64_t stride = 0;
  int64_t unit = 0;
  int64_t units = 0;
  bool transposed = false;  // a Linear, [out, in]; false: a Conv1D, [in, out], or a bias
  int64_t group = 0;        // units of a group; 0: all are one
  int64_t group_stride = 0;

  bool present() const { return !tensor.empty(); }
  int64_t start(int64_t i) const {
    return group == 0 ? first + i * stride : first + i / group * group_stride + i % group * stride;
  }
};

// A matrix or bias of one expert: a tensor of its own, or one index of the first dimension of a tensor that holds
// all experts' (part ≥ 0), and of what is left every `step`-th of the outputs from `first` on. Of a shared expert that
// is a part of an MLP some outputs, or some inputs.
struct ExpertRef {
  std::string tensor;  // empty: the model has none
  int64_t part = -1;
  int64_t first = 0, step = 1, count = 0;  // outputs
  int64_t first_input = 0, inputs = 0;     // inputs 0: all
  bool transposed = true;                  // [out, in]; false: [in, out], or a bias

  bool present() const { return !tensor.empty(); }
};

struct ExpertLayout {
  ExpertRef w_in, b_in, w_gate, b_gate, w_out, b_out;
};

struct LayerLayout {
  TensorRef w_q, w_k, w_v;  // units: query heads, key/value heads; split along the outputs
  TensorRef b_q, b_k, b_v;
  // Latent attention: what makes the latents, one unit each; w_q, w_k and w_v then read them, and the last two stand
  // head by head in one tensor, a head's keys before its values.
  TensorRef q_down, kv_down;
  std::string q_down_bias, kv_down_bias, q_latent_norm, kv_latent_norm;  // empty: none
  std::string q_norm, k_norm;  // [d_head], shared by the layer's heads, or of all of them; empty: none
  std::string q_norm_bias, k_norm_bias;
  // By head: one tensor [heads, d_head] (q_norm, k_norm), or one [d_head] a head.
  std::vector<std::string> q_norms, k_norms;
  TensorRef w_o;         // units: query heads; split along the inputs
  TensorRef w_in, b_in;  // units: MLP channels; split along the outputs. Gated: the "up" matrix
  TensorRef w_gate, b_gate;
  TensorRef w_out;                        // units: MLP channels; split along the inputs
  std::vector<ExpertLayout> experts;      // routed ones, then shared ones; then there is no w_in … b_out
  std::string router, router_bias;        // [routed, d_model], [routed]
  std::string choice_bias;                // [routed], a constant
  std::string shared_gate;                // [1, d_model]
  TensorRef sinks;                        // [n_heads], units: heads
  std::string slope_p, slope_n;           // [1], of the activation; empty: none
  std::string b_o, b_out;                 // [d_model], shared by all heads (channels); empty: none
  std::string attn_norm, attn_norm_bias;  // [d_model]
  std::string mlp_norm, mlp_norm_bias;
  std::string attn_post_norm, mlp_post_norm;  // [d_model] on what each writes; empty: none
};

struct TensorShape {
  std::string name;
  std::vector<int64_t> shape;
};

struct Layout {
  std::string prefix;                               // may stand before every name but the unembedding's, or be absent
  std::string head_prefix;                          // stands before the unembedding's
  std::string embedding, positions, unembedding;    // positions empty: none
  std::string embedding_norm, embedding_norm_bias;  // [d_model]; empty: none
  std::string unembedding_bias;                     // [vocab]; empty: none
  std::string final_norm, final_norm_bias;
  std::vector<LayerLayout> layers;
  std::vector<TensorShape> tensors;  // every parameter of the model, in reading order
  // What it needs beside them: no parameters, which nothing trains, in float32 at least whatever the dtype.
  std::vector<TensorShape> constants;
};

}  // namespace circuit
