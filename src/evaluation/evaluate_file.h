// A circuit file evaluated on a model and records.
#pragma once

#include <circuit/api.h>

#include <cstdint>
#include <optional>
#include <string>

#include "evaluation/evaluate_circuit.h"
#include "evaluation/recovery.h"
#include "model/compute.h"
#include "scoring/scored_records.h"

namespace circuit {

struct EvaluateRequest {
  std::string model, data, circuit;  // directory, records, circuit file
  std::string ablation_data;         // records whose mean the mean ablations take; empty: data
  std::string against;               // reference circuit; empty: none
  RecordOptions records;
  std::string metric = "logit_diff";
  const Ablation* ablation = find_ablation("counterfactual");
  int64_t batch = 16;   // records in one forward, or fewer where the memory is short
  EvaluationSpec what;  // no curve is drawn of a file without scores
  bool negate = false;  // the file's scores have the other sign: of tools where negative means support
  uint64_t seed = 0;
  ComputeSpec compute;
};

struct EvaluatedFile {
  CircuitEvaluation evaluation;
  EvaluationSpec what;  // as it was done
  std::optional<Recovery> against;
};

// Says on stderr why faithfulness is not defined, where it is not. Throws Error naming the file or the record.
CIRCUIT_API EvaluatedFile evaluate_file(const EvaluateRequest& request);
// On a model that is open already; the request's own is only a name.
CIRCUIT_API EvaluatedFile evaluate_file(const EvaluateRequest& request, const OpenModel& open);

}  // namespace circuit
