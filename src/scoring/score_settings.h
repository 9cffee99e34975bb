// Which edge scores a discovery takes.
#pragma once

#include <string>

#include "core/settings.h"
#include "scoring/scorer.h"

namespace circuit {

struct ScoreSettings {
  std::string method = "eap";  // of scorers()
  std::string metric = "logit_diff";
  const Ablation* ablation = find_ablation("mean");
  Parameters own;  // of the method
  Positions positions = Positions::kAll;

  void declare(Settings* settings);
  // Throws UsageError for a metric that is not known.
  ScoreSpec spec() const;
};

}  // namespace circuit
