// The circuit that discover selected, and what is known of it beside its scores: in the summary and in meta.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/target.h"
#include "io/json.h"

namespace circuit {

// Edges selected in at least this share of resamples are counted in the summary.
constexpr double kStableShare = 0.9;

struct Selected {
  Circuit circuit;
  std::vector<float> stability;  // per edge of the graph; empty: not measured
  int64_t resamples = 0;
  double stable = 0;  // the share that the circuit's edges were asked to have
  std::optional<TargetFound> target;
};

// The circuit's edges with kStableShare.
int64_t count_stable(const Selected& selected);
Json selection_json(const Selected& selected);                                // keys `target`, `stability`
std::map<std::string, std::string> selection_meta(const Selected& selected);  // of the circuit file

}  // namespace circuit
