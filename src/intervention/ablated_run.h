// The run in which every node writes its ablated output: what circuits, whose nodes differ from it, are added to.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "graph/graph.h"
#include "intervention/block_write.h"
#include "intervention/node_outputs.h"

namespace circuit {

// A block with every node ablated, [tokens, d_model], float32 at least.
struct AblatedBlock {
  Block block;
  at::Tensor read;     // the stream that it reads
  at::Tensor written;  // what it writes, before its post-norm; kept where some block of the model has one
};

struct AblatedRun {
  std::vector<AblatedBlock> blocks;  // in the order they are worked
  at::Tensor first, last;            // the stream before the first block and after the last
};

// ablated: Ā per node, [tokens, …] or [1, …] each, MLPs in channels where the graph splits them.
AblatedRun ablated_run(const Model& model, const Graph& graph, const TokenBatch& batch, const NodeOutputs& ablated);

// Columns of head h of [rows, heads · width].
at::Tensor head_of(const at::Tensor& rows, int64_t h, int64_t width);

// x · factor, and x itself where that is 1 or x is undefined: circuits are run by the thousand.
at::Tensor times(const at::Tensor& x, double factor);

}  // namespace circuit
