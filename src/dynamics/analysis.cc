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
      trends_analysis(),       node_strength_analysis(), overlap_analysis(),       rank_correlation_analysis(),
      half_life_analysis(),    core_circuit_analysis(),  change_points_analysis(), parameter_change_analysis(),
      direct_logit_analysis(), attention_analysis(),     ov_drift_analysis(),      faithfulness_analysis(),
  };
  return list;
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace circuit
