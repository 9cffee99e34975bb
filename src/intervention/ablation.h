// What replaces a node's output when it is ablated (method.md §2).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/forward.h"

namespace circuit {

enum class Ablation { kCounterfactual, kMean, kZero };

// Throws UsageError listing the known ones.
Ablation parse_ablation(const std::string& name);
const char* ablation_name(Ablation ablation);

// Upstream nodes' outputs in the compact form they are kept in: a head as z (before W_O), the rest in d_model.
struct NodeOutputs {
  at::Tensor input;              // [tokens, d_model], or [d_model] when it is a mean
  std::vector<at::Tensor> z;     // per layer [tokens, n_heads · d_head] or [n_heads · d_head]
  std::vector<at::Tensor> mlp;   // per layer [tokens, d_model] or [d_model], without the output bias
};

// From a forward that kept node outputs.
NodeOutputs node_outputs(const ForwardCache& run);

// a − b for every node.
NodeOutputs difference(const NodeOutputs& a, const NodeOutputs& b);

// Mean over all tokens of all batches added, in float64 sums: independent of batch size and order.
class MeanOutputs {
 public:
  void add(const NodeOutputs& outputs);
  int64_t tokens() const { return tokens_; }
  NodeOutputs mean(at::ScalarType dtype) const;  // no token added: Error

 private:
  int64_t tokens_ = 0;
  NodeOutputs sums_;
};

}  // namespace circuit
