// What the nodes that write to the stream put out in one run, and means of it over runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "graph/graph.h"
#include "model/forward.h"

namespace circuit {

// What stands for an MLP: its output, or where it is split into blocks the hidden channels before W_out.
enum class MlpForm { kOutput, kChannels };
MlpForm mlp_form(const Graph& graph);

// Upstream nodes' outputs in the compact form they are kept in: a head as z (before W_O), the rest in d_model
// unless MLPs are in channels.
struct NodeOutputs {
  at::Tensor input;             // [tokens, d_model], or [d_model] when it is a mean
  std::vector<at::Tensor> z;    // per layer [tokens, n_heads · d_head] or [n_heads · d_head]
  std::vector<at::Tensor> mlp;  // per layer [tokens, d_model] or [d_model], without the output bias; or d_mlp
  at::Tensor last_stream;       // [tokens, d_model] of the run they come from; undefined when there is no one run
  // What that run's post-norms scaled each token by, per layer [tokens, 1], undefined where there is none; empty when
  // there is no one run.
  std::vector<at::Tensor> attn_scale, mlp_scale;

  const at::Tensor& of(const Block& block) const {
    return (block.kind == BlockKind::kAttention ? z : mlp)[block.layer];
  }
};

// From a forward that kept node outputs, or a backward.
NodeOutputs node_outputs(const Architecture& architecture, const ForwardCache& run, MlpForm form);

// Lets go of what a backward does not need of them.
void release_node_outputs(ForwardCache* run);

// a − b for every node, of a's run. Given away, both are freed layer by layer.
NodeOutputs difference(NodeOutputs a, NodeOutputs b);

// op on every node's tensor; a mean has neither a stream nor scales.
NodeOutputs each_node(const NodeOutputs& outputs, const std::function<at::Tensor(const at::Tensor&)>& op);

// Mean over all tokens of all batches added, in float64 sums: independent of batch size and order.
class MeanOutputs {
 public:
  void add(const NodeOutputs& outputs);
  int64_t tokens() const { return tokens_; }
  NodeOutputs mean(at::ScalarType dtype) const;  // no token added: Error
  // The sums so far, to be added to others', and nothing is added any more; and such sums as if they had been added
  // here.
  std::vector<at::Tensor> take();
  void give(std::vector<at::Tensor> sums);

 private:
  int64_t tokens_ = 0;
  NodeOutputs sums_;
};

}  // namespace circuit
