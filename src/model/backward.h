// The backward pass from the last stream to the embedding. It computes activations' gradients only; who
// wants weight gradients, reader gradients or node sums looks at each layer through a visitor.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/forward.h"

namespace circuit {

// Gradients inside latent attention (model/latent.h), summed over heads where they share what it is at.
struct LatentGradients {
  at::Tensor d_q;                      // [tokens, H · d_head] at what W_UQ writes
  at::Tensor d_kv;                     // [tokens, H · (d_head − rotated + d_value)] at what W_UK and W_UV write
  at::Tensor d_q_normed, d_kv_normed;  // [tokens, q_rank], [tokens, kv_rank] at the norms' outputs
  at::Tensor d_q_down, d_kv_down;      // [tokens, q_rank], [tokens, kv_rank + rotated] at what is linear in y
};

// Gradients at one layer's attention. The q, k, v gradients are of the projections' outputs: before the q/k
// norm and the rotation.
struct AttentionBackward {
  int64_t layer = 0;
  at::Tensor d_stream;  // [tokens, d_model] at the stream after the layer's heads have written
  // Where there is a post-norm: what it normed, at `rows` only (see MlpBackward), with its statistics.
  at::Tensor rows;  // [n] int64; undefined: every token
  at::Tensor out;   // [n, d_model] z W_O + b_O; undefined: no post-norm
  NormStats out_stats;
  at::Tensor d_out;  // [tokens, d_model] at z W_O + b_O: d_stream, through the post-norm if any
  at::Tensor d_z;    // [tokens, n_heads · d_head]
  // [tokens, (H + 2 Hk) · d_head], the group sums, in the layer's QkvOrder; side by side where separate.
  at::Tensor d_qkv;  // undefined where there are latents
  LatentGradients latent;
  AttentionGradients heads;  // as AttentionGradients, but of the projections' outputs
  at::Tensor d_q_normed;     // [tokens, H, d_head] at the q norm's output, as to_normed; undefined where there is none
  at::Tensor d_k_normed;     // [tokens, Hk, d_head]
  at::Tensor d_sinks;        // [tokens, H]; undefined where there are none
  at::Tensor d_y;            // [tokens, d_model] at the norm's output
  at::Tensor d_reader;       // [tokens, d_model] at the stream the layer reads, through its norm
};

struct MlpBackward {
  int64_t layer = 0;
  at::Tensor d_stream;  // [tokens, d_model] at the stream after the MLP has written
  // In the last layer, where the gradient is zero at rows that nobody reads, the next ones are at `rows` only.
  at::Tensor rows;  // [n] int64; undefined: every token
  at::Tensor out;   // [n, d_model] what a post-norm normed, output bias included; undefined: no post-norm
  NormStats out_stats;
  at::Tensor d_out;  // [n, d_model] at the MLP's output: d_stream, through the post-norm if any
  MlpCache kept;     // what the forward kept: its channels,
  at::Tensor x;      // [n, d_model] the stream it read, and that norm's statistics
  NormStats stats;
  MlpGradients channels;
  at::Tensor d_y;       // [n, d_model] at the norm's output
  at::Tensor d_reader;  // [tokens, d_model] at the stream the MLP reads, through its norm
  at::Tensor d_router;  // [tokens, d_model] the share of it that its router reads; undefined where it has none
};

class BackwardVisitor {
 public:
  virtual ~BackwardVisitor() = default;
  // Layers come last first; in each, the MLP before the attention.
  virtual void on_mlp(const MlpBackward& gradients) = 0;
  virtual void on_attention(const AttentionBackward& gradients) = 0;
  virtual void on_embedding(const at::Tensor& d_stream) = 0;  // [tokens, d_model]
  // In place of the two above for a block that the run had replaced: the gradient at the stream after it.
  virtual void on_replaced(const Block& block, const at::Tensor& d_stream) {}
};

// What becomes of the forward's cache. kRelease frees each layer's activations once its gradients are out:
// the memory of one backward is then little more than that of its forward, but there is no second one.
enum class CacheUse { kKeep, kRelease };

// d_final: [tokens, d_model], gradient at the stream that `logits` reads. A block that the run had replaced
// passes nothing on to what it would read.
void backward(const Model& model, const TokenBatch& batch, ForwardCache& cache, const at::Tensor& d_final,
              KeyValueGradients form, CacheUse use, BackwardVisitor& visitor, Rule rule = Rule::kGradient);

// The gradients of the projections' outputs of layer l from d_z [tokens, n_heads · d_head] alone. Linear in d_z,
// so that the share of some queries is had by leaving only theirs.
AttentionGradients heads_backward(const Model& model, const TokenBatch& batch, const ForwardCache& cache, int64_t l,
                                  const at::Tensor& d_z, KeyValueGradients form, Rule rule);

}  // namespace circuit
