// What nodes write to the stream through, A_u = z_h W_O[h] and h W_out[block]: a post-norm's γ (method.md §1) and the
// architecture's factor of a block's output are in the weights, a post-norm's scale of each token in the outputs.
#pragma once

#include <ATen/core/Tensor.h>

#include "graph/graph.h"
#include "intervention/node_outputs.h"
#include "model/model.h"

namespace circuit {

// Of a layer, in the dtype of the contraction: [heads, value_width, d_model]; of its MLP's nodes, one where it is not
// split, [nodes, channels, d_model]. A view where nothing is scaled or converted.
at::Tensor head_outputs(const Model& model, int64_t layer);
at::Tensor mlp_outputs(const Model& model, const Graph& graph, int64_t layer);

// Outputs as they are contracted: post-norms held at the scale of their run, at `rows` alone (undefined: all).
NodeOutputs scored_outputs(const Model& model, const Graph& graph, NodeOutputs outputs, const at::Tensor& rows);

}  // namespace circuit
