// The forward pass, with what a backward, a score or an ablation needs kept on request.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "model/attention.h"
#include "model/mlp.h"
#include "model/model.h"
#include "model/norm.h"
#include "model/rotary.h"
#include "model/token_batch.h"

namespace circuit {

enum class Keep {
  kNothing,      // the last stream only
  kNodeOutputs,  // what every upstream node adds: embedding, z, MLP outputs
  kBackward,     // what a backward needs
  kStreams,      // the stream before every layer: a backward makes the rest again, layer by layer
  kBackwardAndNodeOutputs,
};

// What the backward of the q/k norm needs; undefined where the architecture has none.
struct QueryKeyNormCache {
  at::Tensor q, k;  // [tokens, heads, d_head] the projections' outputs
  NormStats q_stats, k_stats;
};

struct LayerCache {
  at::Tensor x_attn;  // [tokens, d_model] stream read by q, k, v
  NormStats attn_stats;
  QueryKeyNormCache qk_norm;
  AttentionCache attention;
  at::Tensor z;         // [tokens, n_heads · d_head], input of W_O
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

// All heads of a layer, or its MLP.
struct Block {
  enum class Kind { kHeads, kMlp } kind = Kind::kHeads;
  int64_t layer = 0;
};

// A block's output given instead of computed: a constant, through which no gradient passes.
struct Replacement {
  Block block;
  at::Tensor output;  // kHeads: z, [tokens, n_heads · d_head]; kMlp: as mlp_out
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

ForwardCache forward(const Model& model, const TokenBatch& batch, Keep keep, const ReadRows& read = {});

// [tokens, d_model], the node `input`; and a forward from another one in its place.
at::Tensor token_embedding(const Model& model, const at::Tensor& ids);  // ids [tokens]
at::Tensor token_embedding(const Model& model, const TokenBatch& batch);
ForwardCache forward_from(const Model& model, const TokenBatch& batch, const at::Tensor& embedding, Keep keep,
                          const ReadRows& read = {});

// A run with one block's output replaced, worked from that block's layer up; what lies below is shared with
// `below`, a run of the same batch that kept a backward.
ForwardCache forward_replacing(const Model& model, const TokenBatch& batch, const ForwardCache& below,
                               const Replacement& replacement, Keep keep, const ReadRows& read = {});

// What kBackward would have kept of layer l, from the stream that `cache` kept before it.
void remake_layer(const Model& model, const TokenBatch& batch, int64_t l, ForwardCache* cache);

// q, k, v of one layer, [tokens, heads · d_head] each.
struct QueryKeyValue {
  at::Tensor q, k, v;
};

// As attention takes them, from the norm's output y: projected, q and k normed where the architecture says
// so, then rotated. cache null: nothing is kept.
QueryKeyValue make_qkv(const Architecture& architecture, const LayerWeights& weights, const RotaryTable& rotary,
                       const at::Tensor& y, QueryKeyNormCache* cache);

// The same from projections that are already there.
QueryKeyValue normed_and_rotated(const Architecture& architecture, const LayerWeights& weights,
                                 const RotaryTable& rotary, QueryKeyValue projected, QueryKeyNormCache* cache);

// Logits of the given rows of the last stream. rows [n] int64, undefined: all → [n, vocab].
at::Tensor logits_of(const Model& model, const at::Tensor& x_final, const at::Tensor& rows = {});

}  // namespace circuit
