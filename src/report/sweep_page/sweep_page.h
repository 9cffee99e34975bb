// A sweep as one HTML page that opens without a network.
#pragma once

#include <string>

#include "report/sweep_page/sweep_comparison.h"

namespace circuit {

// Sentences, target against cost with the Pareto front, charts of every swept key, tables of the conditions and of the
// runs. Before any run has finished: the sentences and the table of runs.
// arms: of spec, where there is a baseline; else empty.
std::string render_sweep(const Sweep& sweep, const std::vector<Arm>& arms = {}, const ComparisonSpec& spec = {});

}  // namespace circuit
