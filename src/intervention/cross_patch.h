// Cross-model activation patching (Prakash et al. 2024, arXiv 2402.14811, section 5): a model run with some nodes'
// outputs as another model of the same shape wrote them on the same tokens, in its own run; all other nodes are live.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "graph/graph.h"
#include "intervention/node_outputs.h"
#include "model/forward.h"

namespace circuit {

// A model's own run of a batch, with its nodes' outputs, MLPs in channels.
struct OwnRun {
  OwnRun(const Model& of, const TokenBatch& batch);
  const Model& model;
  ForwardCache cache;  // kBackwardAndNodeOutputs
  NodeOutputs outputs;
};

// What node u of a model puts out is what it adds to the stream, with its own output matrix: z_h W_O[h], h W_out of an
// MLP or of one of its blocks, the embedding of `input`. Output biases, norms and positions belong to no node and stay
// the receiver's; a post-norm norms what the patch leaves of its block.
class CrossPatch {
 public:
  // Both runs are of `batch`; all four outlive this.
  CrossPatch(const Graph& graph, const TokenBatch& batch, const OwnRun& receiver, const OwnRun& donor)
      : graph_(graph), batch_(batch), receiver_(receiver), donor_(donor) {}

  // The receiver's last stream, [tokens, d_model], with the donor's outputs of the flagged upstream nodes.
  at::Tensor run(const std::vector<bool>& nodes) const;

  // Whether node u wrote the same in both runs, to the last bit: patching it changes nothing.
  bool is_same(int64_t u) const;

  // What `run` with node u alone changes of Σ_i M_i to the first order, by the sequence it is changed in:
  //   Σ_{t of i} ⟨A_u(donor) − A_u(receiver), ∂M/∂A_u(receiver)⟩,   [sequences, upstream nodes], float64.
  // d_final: ∂M/∂(the receiver's last stream), [tokens, d_model].
  // Uses the receiver's cache up.
  static at::Tensor first_order(const Graph& graph, const TokenBatch& batch, OwnRun* receiver, const OwnRun& donor,
                                const at::Tensor& d_final);

 private:
  const Graph& graph_;
  const TokenBatch& batch_;
  const OwnRun& receiver_;
  const OwnRun& donor_;
};

}  // namespace circuit
