// How a backward passes what is not linear.
#pragma once

namespace circuit {

// kRelevance replaces derivatives by the coefficients of layer-wise relevance propagation, as relevance
// patching does (Jafari et al. 2025, arXiv 2508.21258): each nonlinear part is the linear one that it was in
// this run.
//   norms (LN-rule): the scale is a constant          activations (identity rule): f(x) = x · (f(x)/x), f(x)/x constant
//   attention (AH-rule): its weights are constants,   gates (half rule): of a product a ⊙ b, a and b get half each
//   so nothing passes to queries and keys
// A soft-cap of the logits stands with the metric, whose derivative is taken as it is.
enum class Rule { kGradient, kRelevance };

}  // namespace circuit
