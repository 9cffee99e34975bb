// From a layer's norm to what its attention takes: projections, q/k norms, rotation.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/forward_cache.h"
#include "model/model.h"
#include "model/rotary.h"

namespace circuit {

// q, k, v of one layer, [tokens, heads · d_head] each; v [tokens, heads · value_width].
struct QueryKeyValue {
  at::Tensor q, k, v;
};

// As attention takes them, from the norm's output y: projected, then q and k normed where the layer has such norms and
// rotated, in the order of the spec. cache null: nothing is kept.
QueryKeyValue make_qkv(const LayerWeights& weights, const AttentionSpec& spec, const RotaryTable& rotary,
                       const at::Tensor& y, QueryKeyNormCache* cache);

// The same from projections that are already there.
QueryKeyValue normed_and_rotated(const LayerWeights& weights, const AttentionSpec& spec, const RotaryTable& rotary,
                                 QueryKeyValue projected, QueryKeyNormCache* cache);

// What one head makes of y, [tokens, d_model], before norms and rotation: [tokens, d_head], of values [tokens,
// value_width]. h: a query head; g: a key/value head.
at::Tensor project_query(const LayerWeights& weights, const at::Tensor& y, int64_t h);
at::Tensor project_key(const LayerWeights& weights, const at::Tensor& y, int64_t g);
at::Tensor project_value(const LayerWeights& weights, const at::Tensor& y, int64_t g);

// What a q or k norm is over: [tokens, heads, d_head] as they are, or where it is over all of the layer's heads
// [tokens, copies, heads · d_head]; copies: how many of each head there are (of a key head as many as read it apart).
at::Tensor to_normed(const NormWeights& norm, const at::Tensor& heads);
at::Tensor from_normed(const at::Tensor& normed, int64_t d_head);

}  // namespace circuit
