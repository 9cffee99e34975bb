// Where each matrix of the computation lives in the checkpoint's tensors. One description serves three
// uses: the views the forward computes with, the slices that tuning trains, the tensors a file must hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace circuit {

// A matrix or bias split into equal units (heads, or MLP channels) along one dimension of a tensor:
// unit i covers indices first + i·stride … + unit of dimension `unit_dim`.
struct TensorRef {
  std::string tensor;  // empty: the model has none
  int64_t unit_dim = 0;
  int64_t first = 0;
  int64_t stride = 0;
  int64_t unit = 0;
  int64_t units = 0;
  bool transposed = false;  // a Linear, [out, in]; false: a Conv1D, [in, out], or a bias

  bool present() const { return !tensor.empty(); }
};

struct LayerLayout {
  TensorRef w_q, w_k, w_v;  // units: query heads, key/value heads; split along the outputs
  TensorRef b_q, b_k, b_v;
  std::string q_norm, k_norm;  // [d_head], shared by the layer's heads, or of all of them; empty: none
  TensorRef w_o;               // units: query heads; split along the inputs
  TensorRef w_in, b_in;        // units: MLP channels; split along the outputs. Gated: the "up" matrix
  TensorRef w_gate, b_gate;
  TensorRef w_out;                        // units: MLP channels; split along the inputs
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
  std::string prefix;                             // may stand before every name but the unembedding's, or be absent
  std::string embedding, positions, unembedding;  // positions empty: none
  std::string unembedding_bias;                   // [vocab]; empty: none
  std::string final_norm, final_norm_bias;
  std::vector<LayerLayout> layers;
  std::vector<TensorShape> tensors;  // everything the model needs, in reading order
};

}  // namespace circuit
