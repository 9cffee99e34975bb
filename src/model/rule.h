// How a backward passes what is not linear.
#pragma once

namespace circuit {

// kRelevance replaces derivatives by the coefficients of layer-wise relevance propagation, as relevance
// patching does (Jafari et al. 2025, arXiv 2508.21258): each nonlinear part is the linear one that it was in
// this run.
//   norms (LN-rule): the scale is a constant          activations (identity rule): f(x) = x · (f(x)/x), f(x)/x constant
//   attention (AH-rule): its weights are constants,   gates (half rule): of a product a ⊙ b, a and b get half each
//   so nothing passes to queries and keys
// kInteraction accounts for what attention repairs (gradient interaction modifications, Edin et al. 2025, arXiv
// 2505.17630, as their package gim-explain has it): when one key is cut, soft-max gives its share to the others.
//   norms: the scale is a constant                    soft-max: derivative at scores / 2, not divided by 2
//   queries, keys: a quarter of the gradient; values: half of it: each factor of a product gets a part
//   activations, gates, an experts' router: as they are
// A soft-cap of the logits stands with the metric, whose derivative is taken as it is.
enum class Rule { kGradient, kRelevance, kInteraction };

// Whether the scale of norms counts as a constant.
inline bool holds_norms(Rule rule) { return rule != Rule::kGradient; }

}  // namespace circuit
