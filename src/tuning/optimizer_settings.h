// How parameters are updated: the rule, its rate over the run, clipping.
#pragma once

#include <string>
#include <vector>

#include "core/settings.h"
#include "graph/slices.h"
#include "tuning/optimizer.h"
#include "tuning/schedule.h"

namespace circuit {

struct OptimizerSettings {
  OptimizerSpec rule;
  Schedule schedule;               // its steps are the run's
  double clip = 1;                 // largest global gradient norm; 0: no clipping
  std::vector<std::string> rates;  // "pattern=factor" of lr by node; the last that matches counts

  void declare(Settings* settings);
  // A factor of the learning rate per slice; empty: 1 each. Throws UsageError for a rate that is none, and for a
  // pattern that no node has.
  std::vector<double> rates_of(const SliceTable& table) const;
};

}  // namespace circuit
