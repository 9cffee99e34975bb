// What of a metric is rounding: the one place that says when a difference of two runs is none.
#pragma once

#include <vector>

#include "task/metric.h"

namespace circuit {

// Per example, in the metric's units: by how much two runs that are equal in exact arithmetic may differ. It is
// kRoundingUnits · ε · max_v |logit_v| where the metric reads, averaged over readouts or summed over tokens as the
// metric is; for a metric of probabilities times the answers' probability. ε: the spacing of the model's dtype at 1, of
// BF16 an eighth, since streams are summed and metrics read in float32.
constexpr double kRoundingUnits = 8;
std::vector<double> metric_rounding(const Model& model, const ExampleBatch& batch, const Metric& metric,
                                    const at::Tensor& x_final);

}  // namespace circuit
