// How strongly the weights of nodes write to and read from each channel of the stream: what scores without a gradient
// are made of.
#pragma once

#include <ATen/core/Tensor.h>

#include "graph/graph.h"
#include "model/model.h"

namespace circuit {

// [upstream, d_model], float64: Σ of the squares of W_out,u to each channel. W_out: a head's rows of W_O, an MLP's
// W_out (its block's rows, with experts each one's), of `input` the embedding of every token as the node puts it out.
// A post-norm's γ and the architecture's factors are in them (output_weights.h), biases are not.
at::Tensor writer_squares(const Model& model, const Graph& graph);

// [downstream, d_model], float64: Σ of the squares of W_in,v from each channel, the norm before it folded in
// (folded_weights.h). W_in: the head's columns of W_Q, W_K or W_V (of latents the projection that its heads share), an
// MLP's W_in beside W_gate, a router's weights, of `logits` the unembedding. Biases are not in them.
at::Tensor reader_squares(const Model& model, const Graph& graph);

// A score of every edge from [upstream, downstream] float64 squares of it: their root, over `tokens` the root of their
// mean. Throws Error naming the edge of one that is not finite.
EdgeScores root_scores(const Graph& graph, const at::Tensor& squares, double tokens);

}  // namespace circuit
