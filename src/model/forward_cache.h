// What a forward keeps for those who read it afterwards: a backward, a score, an ablation.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "model/attention.h"
#include "model/mlp.h"
#include "model/norm.h"
#include "model/rotary.h"

namespace circuit {

enum class Keep {
  kNothing,      // the last stream only
  kNodeOutputs,  // what every upstream node adds: embedding, z, MLP outputs
  kBackward,     // what a backward needs
  kStreams,      // the stream before every layer: a backward makes the rest again, layer by layer
  kBackwardAndNodeOutputs,
};

// What the backward of latent attention needs: what the latents' norms norm, and what rotates behind the second.
struct LatentCache {
  at::Tensor q;   // [tokens, q_rank]
  at::Tensor kv;  // [tokens, kv_rank + rotated]
  NormStats q_stats, kv_stats;
};

// What the backward of the q/k norm and of latents needs; undefined where the architecture has none.
struct QueryKeyNormCache {
  at::Tensor q, k;  // what is normed, as to_normed has it
  NormStats q_stats, k_stats;
  // Where q, k and v were clipped their values, zero elsewhere: [tokens, heads · width], before the rotation.
  at::Tensor q_clipped, k_clipped, v_clipped;
  LatentCache latent;
};

struct LayerCache {
  at::Tensor x_attn;  // [tokens, d_model] stream read by q, k, v
  NormStats attn_stats;
  QueryKeyNormCache qk_norm;
  AttentionCache attention;
  at::Tensor z;         // [tokens, n_heads · value_width], input of W_O
  at::Tensor attn_out;  // [tokens, d_model] z W_O + b_O before its post-norm; undefined where there is none
  NormStats attn_post_stats;
  at::Tensor x_mlp;  // [tokens, d_model] stream read by the MLP
  NormStats mlp_stats;
  MlpCache mlp;
  at::Tensor mlp_out;     // [tokens, d_model] without the output bias, before a post-norm
  at::Tensor mlp_hidden;  // [tokens, d_mlp] input of W_out; kept when MLP channels are nodes
  NormStats mlp_post_stats;
};

// What of a forward anyone will read. Most metrics read one token per example: the last MLP and the last
// heads' W_O are then worked at those rows alone, forward and backward.
struct ReadRows {
  at::Tensor rows;                   // [n] int64, ascending, each once; undefined: all
  bool last_mlp_everywhere = false;  // its output is wanted at every row all the same (a mean over tokens)
  bool mlp_channels = false;         // Keep::kNodeOutputs keeps mlp_hidden instead of mlp_out
};

// A block's output given instead of computed: a constant, through which no gradient passes.
struct Replacement {
  Block block;
  at::Tensor output;  // attention: z, [tokens, n_heads · d_head]; MLP: as mlp_out
};

struct ForwardCache {
  at::Tensor embedding;  // [tokens, d_model] the node `input`: scaled, without positions
  RotaryTables rotary;
  std::vector<LayerCache> layers;
  at::Tensor x_final;  // [tokens, d_model] the stream read by `logits`; zero at rows that are not read
  // As given to the forward. A backward takes the gradient at other rows to be zero. The last layer's attn_out,
  // x_mlp, mlp, mlp_stats and post-norm statistics hold these rows only, unless its MLP was wanted everywhere.
  at::Tensor read_rows;
  std::optional<Block> replaced;
  bool streams_only = false;  // kept with Keep::kStreams
};

inline bool keeps_backward(Keep keep) { return keep == Keep::kBackward || keep == Keep::kBackwardAndNodeOutputs; }
inline bool keeps_nodes(Keep keep) { return keep == Keep::kNodeOutputs || keep == Keep::kBackwardAndNodeOutputs; }

}  // namespace circuit
