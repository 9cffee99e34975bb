// What a run's film says: `circuit analyse`. An analysis is one file in analyses/ and one line in CIRCUIT_ANALYSES.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "model/model.h"
#include "scoring/scorer.h"
#include "store/recorded_run.h"

namespace circuit {

// The run's model as it was at some steps: the base (step 0) and every checkpoint that is there.
class ModelStates {
 public:
  virtual ~ModelStates() = default;
  virtual const std::vector<int64_t>& steps() const = 0;  // ascending, 0 first
  virtual const Graph& graph() const = 0;                 // the run's, with the model's own extents
  virtual const Model& base() = 0;
  virtual const Model& at(int64_t step) = 0;  // valid until the next call of at()
  // Records that the analyses measure on, with the run's metric and ablation.
  virtual const std::vector<const Example*>& examples() const = 0;
  virtual const ScoreSpec& spec() const = 0;
};

// Cells are strings, numbers, booleans or null; a number that is not finite is null.
struct AnalysisTable {
  std::string name;  // of its CSV file
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<Json>> rows;  // the most telling first
};

struct AnalysisResult {
  std::vector<std::string> findings;  // sentences with numbers
  std::vector<AnalysisTable> tables;
};

// The last discovery that is not later than a step, or the first one.
const RecordedDiscovery& discovery_of(const RecordedRun& run, int64_t step);

struct AnalysisInput {
  RecordedRun& run;
  ModelStates* states;  // null unless the analysis needs models
  uint64_t seed = 0;    // of simulations and bootstraps
};

struct Analysis {
  std::string name;
  std::string help;
  bool needs_models = false;  // the base model and the run's checkpoints, not run.db alone
  // Throws Error: the run does not hold what is needed, with what would.
  AnalysisResult (*run)(const AnalysisInput& input) = nullptr;
};

const std::vector<Analysis>& analyses();
// Those of these names, all where there are none. Throws UsageError listing the known ones; place: what took the names.
std::vector<const Analysis*> find_analyses(const std::vector<std::string>& names, const std::string& place);
// As its own run, but what a run has not enough for is a finding instead of an error.
AnalysisResult run_where_possible(const Analysis& analysis, const AnalysisInput& input);

// Declared, and listed in this order.
#define CIRCUIT_ANALYSES(METHOD)    \
  METHOD(trends_analysis)           \
  METHOD(node_strength_analysis)    \
  METHOD(overlap_analysis)          \
  METHOD(rank_correlation_analysis) \
  METHOD(half_life_analysis)        \
  METHOD(core_circuit_analysis)     \
  METHOD(change_points_analysis)    \
  METHOD(parameter_change_analysis) \
  METHOD(direct_logit_analysis)     \
  METHOD(attention_analysis)        \
  METHOD(ov_drift_analysis)         \
  METHOD(faithfulness_analysis)     \
  METHOD(node_patching_analysis)
#define CIRCUIT_DECLARE(name) Analysis name();
CIRCUIT_ANALYSES(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
