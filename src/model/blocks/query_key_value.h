// From a layer's norm to what its attention takes: projections, q/k norms, rotation.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/forward_cache.h"
#include "model/model.h"
#include "model/rotary.h"

namespace circuit {

// q, k, v of one layer, [tokens, heads · d_head] each.
struct QueryKeyValue {
  at::Tensor q, k, v;
};

// As attention takes them, from the norm's output y: projected, q and k normed where the layer has such norms,
// then rotated. cache null: nothing is kept.
QueryKeyValue make_qkv(const LayerWeights& weights, const RotaryTable& rotary, const at::Tensor& y,
                       QueryKeyNormCache* cache);

// The same from projections that are already there.
QueryKeyValue normed_and_rotated(const LayerWeights& weights, const RotaryTable& rotary, QueryKeyValue projected,
                                 QueryKeyNormCache* cache);

}  // namespace circuit
