#include "dynamics/analysis.h"

#include <cmath>

namespace circuit {

Analysis trends_analysis();
Analysis node_strength_analysis();
Analysis overlap_analysis();
Analysis rank_correlation_analysis();
Analysis half_life_analysis();
Analysis core_circuit_analysis();
Analysis change_points_analysis();
Analysis parameter_change_analysis();
Analysis direct_logit_analysis();
Analysis attention_analysis();
Analysis ov_drift_analysis();
Analysis faithfulness_analysis();

const std::vector<Analysis>& analyses() {
  static const std::vector<Analysis> list = {
      trends_analysis(),           node_strength_analysis(),    overlap_analysis(),       rank_correlation_analysis(),
      half_life_analysis(),        core_circuit_analysis(),     change_points_analysis(), parameter_change_analysis(),
      direct_logit_analysis(),     attention_analysis(),        ov_drift_analysis(),      faithfulness_analysis(),
  };
  return list;
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::vector<size_t> spread_over(size_t n, size_t count) {
  std::vector<size_t> chosen;
  if (n <= count) {
    for (size_t i = 0; i < n; ++i) chosen.push_back(i);
    return chosen;
  }
  for (size_t i = 0; i < count; ++i) chosen.push_back(i * (n - 1) / (count - 1));
  return chosen;
}

}  // namespace circuit
