// The charts of a sweep's page as Vega-Lite specifications.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "report/sweep_page/sweep_table.h"

namespace circuit {

struct SweepChart {
  std::string id, title, caption;
  Json spec;
};

// target (up) against cost (right): a point a condition with its intervals, the front joined and labelled, the base
// model as a cross (front_chart.h). Null when no condition has finite numbers of both.
Json scatter_spec(const Sweep& sweep, const std::vector<Condition>& conditions);

// cost (up) against target (right) on the way: a line a condition with the band of its seeds. Null where none has one.
Json cost_curves_spec(const Sweep& sweep, const std::vector<Condition>& conditions);

// A chart of target and one of cost for every key but the seed: the key's values to the right, a line for every
// combination of the other keys, 95 % t intervals, the base model dashed.
std::vector<SweepChart> key_charts(const Sweep& sweep, const std::vector<Condition>& conditions);

}  // namespace circuit
