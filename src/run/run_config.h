// Everything a run is made of: each module's settings, as it declares them. config.toml, --set, --help-config and what
// run.db stores come from settings().
#pragma once

#include <circuit/api.h>

#include <string>
#include <vector>

#include "core/config.h"
#include "evaluation/evaluation_settings.h"
#include "evaluation/target.h"
#include "model/model_source.h"
#include "selection/selector.h"
#include "store/score_retention.h"
#include "task/data_settings.h"
#include "tuning/circuit_policy.h"
#include "tuning/discovery_settings.h"
#include "tuning/method.h"
#include "tuning/optimizer_settings.h"
#include "tuning/tuning_settings.h"

namespace circuit {

// The run's own folder.
struct RunSettings {
  std::string path;
  ScoreRetention::Keep keep_scores = ScoreRetention::Keep::kAll;
  int64_t keep_every = 10;
  std::vector<std::string> loggers;

  void declare(Settings* settings);
};

struct RunConfig {
  ModelSource model;
  DataSettings data;
  DiscoverySettings discovery;
  SelectionSpec selection;
  PolicySettings policy;  // of the selection, from one discovery to the next
  TargetSettings target;  // of selection.kind faithfulness
  TuningSettings tuning;
  OptimizerSettings optimizer;
  EvaluationSettings evaluation;
  RunSettings run;

  // Bound to this value: neither moves nor outlives it.
  CIRCUIT_API Settings settings();
  const TuningMethod& method() const { return find_tuning_method(tuning.method); }
};

// Whether a run that has begun may go on with another value of it: one that does not change its result.
bool is_free_on_resume(const std::string& key);

// Throws Error naming the key that is missing, or two that exclude each other.
CIRCUIT_API void check_config(const RunConfig& config, const std::string& place);

// What evaluations of a file of evaluation.files are called after: "data/blimp.jsonl" → "blimp".
std::string ability_name(const std::string& file);

}  // namespace circuit
