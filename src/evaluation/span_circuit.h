// Circuits with positions: edges between pairs of spans (scoring/spans.h), run alone. An edge may be in the circuit
// where it is read in one span for the tokens of another, and out elsewhere (Haklay et al. 2025, arXiv 2502.04577).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/settings.h"
#include "evaluation/evaluate_circuit.h"
#include "evaluation/evaluate_file.h"
#include "scoring/spans.h"

namespace circuit {

struct SpanSpec {
  std::string file;  // scores as discover writes them
  int64_t top = 0;   // pairs that are kept: those of largest |score|

  void declare(Settings* settings);
};

struct SpanPair {
  int64_t edge = 0, where = 0, whom = 0;
};

// Those with a score that is not 0, the largest first by size; ties by edge, where and for whom.
std::vector<SpanPair> ranked_pairs(const SpanScores& scores);

// Runs every set of pairs on every example, in one pass over the data. names: of the spans, as the pairs count them,
// "rest" last. Of `spec` metric, ablation, its reference and batch count. Throws Error as check_masked does, and naming
// a record with a span of another name.
std::vector<CircuitOutcome> run_span_circuits(const Model& model, const Graph& graph,
                                              const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                              const std::vector<std::string>& names,
                                              const std::vector<std::vector<SpanPair>>& sets,
                                              const ProgressCallback& progress);

struct SpanPoint {
  double share = 0;              // of the pairs with a score, as asked for
  int64_t pairs = 0, edges = 0;  // edges: that are in for some pair
  Estimate faithfulness;
};

struct SpanEvaluation {
  std::vector<std::string> names;
  int64_t examples = 0;
  int64_t scored = 0;            // pairs with a score that is not 0
  int64_t pairs = 0, edges = 0;  // kept
  RunMeans full, empty, circuit;
  MetricRange range;  // m(full) − m(∅); what follows is set only where it is_defined()
  std::optional<Estimate> faithfulness, completeness_gap;  // the pairs; all others
  // The same edges for all pairs, and what the positions leave out of that: f(pairs) − f(edges).
  std::optional<Estimate> everywhere, less_than_everywhere;
  std::vector<SpanPoint> curve;  // empty: not asked for
};

// One pass over the examples. Throws as run_span_circuits does.
SpanEvaluation evaluate_span_circuit(const Model& model, const Graph& graph, const SpanScores& scores, int64_t top,
                                     bool curve, const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                     Rng& rng, const ProgressCallback& progress);

// On a model and records as evaluate_file has them; of the request's `what` the curve counts alone. Throws Error naming
// the file whose edges are not the model's.
CIRCUIT_API SpanEvaluation evaluate_span_circuit(const EvaluateRequest& request, const SpanSpec& spans);

// metric, ablation: their names.
Json span_circuit_json(const SpanEvaluation& evaluation, const std::string& metric, const std::string& ablation);
// Of that JSON.
std::string span_circuit_text(const Json& json);

}  // namespace circuit
