// Scores of MLP channels ("neurons"): what each adds to the stream, times the gradient there,
//   S(l, c) = (1/N) Σ_i Σ_{t∈P_i} (h_c − h̄_c) · ∂(Σ_i M_i)/∂h_c,     h the input of W_out.
// A layer's channels add up to the node score Σ_v S(m{l}→v) of `eap` (method.md §2).
#pragma once

#include "scoring/scorer.h"

namespace circuit {

struct ChannelScores {
  int64_t layers = 0, channels = 0;  // channels: of the widest layer
  std::vector<float> values;  // [layers, channels], metric units per example; zero past a narrower layer's channels
  double metric = 0;          // mean of M_i
};

// The gradient at the clean input. Throws Error as the scorers do.
ChannelScores score_channels(const Model& model, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                             const ProgressCallback& progress);

}  // namespace circuit
