// The model run with values given for parts of what its blocks write: activation patching (Wang et al. 2022,
// arXiv 2211.00593; Heimersheim & Nanda 2024, arXiv 2404.15255).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "graph/graph.h"
#include "model/forward.h"

namespace circuit {

// Columns of what a block's output matrix multiplies: of attention z, [tokens, n_heads · d_value]; of an MLP its
// channels, [tokens, d_mlp] (of experts those of all of them, their gates included).
struct BlockPatch {
  Block block;
  at::Tensor live;    // [width] bool: where the run's own value stays; undefined: nowhere
  at::Tensor values;  // [tokens, width] or [1, width]: what stands elsewhere; undefined: zero
  at::Tensor added;   // [tokens, d_model]: joins the block's product, before its bias; undefined: nothing
};

// Which of those columns are upstream node u's, which is not `input`.
NodeRange columns_of(const Graph& graph, const Architecture& architecture, int64_t u);

// The stream that `logits` reads, [tokens, d_model]; everything that no patch replaces is worked anew from what the
// patches make of its input. Where a block has a post-norm, the norm is of what the patch leaves.
// own: a run of the batch that kept a backward or streams; layers below the first patch are taken from it.
// embedding: stands for the node `input`, [tokens, d_model]; undefined: the run's own.
at::Tensor run_patched(const Model& model, const TokenBatch& batch, const ForwardCache& own,
                       const std::vector<BlockPatch>& patches, const at::Tensor& embedding = {});

}  // namespace circuit
