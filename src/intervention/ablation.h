// What replaces a node's output when it is ablated (method.md §2).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "graph/graph.h"
#include "model/forward.h"
#include "task/example.h"

namespace circuit {

enum class Ablation { kCounterfactual, kMean, kMeanPositional, kZero };

struct NamedAblation {
  std::string name;
  Ablation ablation;
};
const std::vector<NamedAblation>& ablations();

// Throws UsageError listing the known ones.
Ablation parse_ablation(const std::string& name);
const char* ablation_name(Ablation ablation);

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

// Throws Error naming the first record that `ablation` cannot take: mean-positional needs equal lengths.
void check_lengths(Ablation ablation, const std::vector<const Example*>& examples);

// Ā for any batch of a data set: what the ablations share, computed once (a pass over `reference` for the
// means, nothing for the others).
class AblatedOutputs {
 public:
  // mean: over all tokens of `reference`; mean-positional: over the tokens at each position. Throws Error
  // when mean-positional's sequences differ in length.
  AblatedOutputs(const Model& model, Ablation ablation, const std::vector<const Example*>& reference, int64_t batch,
                 MlpForm form = MlpForm::kOutput);

  // Ā_u at the tokens of `batch`, made of `examples`: per node [tokens, …], or [1, …] where every token has the
  // same. read: as forward()'s, for the counterfactual's.
  NodeOutputs of(const std::vector<const Example*>& examples, const ExampleBatch& batch,
                 const ReadRows& read = {}) const;

 private:
  const Model& model_;
  Ablation ablation_;
  MlpForm form_;
  NodeOutputs mean_;  // [1, …]; mean-positional: [pos, …]
};

}  // namespace circuit
