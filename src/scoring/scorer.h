// Edge scores from model, graph and examples. A method is one file and one line in CIRCUIT_SCORERS.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/parameters.h"
#include "graph/graph.h"
#include "intervention/ablation.h"
#include "model/backward.h"
#include "model/forward.h"
#include "model/model.h"
#include "scoring/spans.h"
#include "task/example.h"
#include "task/metric.h"

namespace circuit {

// Positions that the score sums over (method.md §2).
enum class Positions { kAll, kReadout };
Positions parse_positions(const std::string& name);  // throws UsageError
const char* positions_name(Positions positions);

struct ScoreSpec {
  ScoreSpec() = default;
  explicit ScoreSpec(Metric m) : metric(std::move(m)) {}
  Metric metric;
  const Ablation* ablation = find_ablation("counterfactual");
  Positions positions = Positions::kAll;
  int64_t batch = 16;  // examples in one forward; changes memory and speed, not the scores
  uint64_t seed = 0;   // of method random
  Parameters own;      // of the method
  // Examples whose mean `mean` and `mean-positional` take; null: those that are scored.
  const std::vector<const Example*>* ablation_reference = nullptr;
  std::vector<std::string> spans;  // as span_names(): scores are also split by pairs of them; empty: not
  // Ā already worked out (by ablated_outputs), where one serves several scores; null: each works out its own.
  std::shared_ptr<const AblatedOutputs> ablated;
  int64_t tile_tokens = 0;             // positions rebuilt at a time; 0: chosen for the cache. Changes speed only
  BackwardVisitor* witness = nullptr;  // sees the backward of score_run too
};

struct ScoreResult {
  EdgeScores scores;
  double metric = 0;  // mean of M_i
  int64_t examples = 0;
  // Largest violation of method.md's sum rule, relative to Σ_v |S(u→v)| of the node, or to a thousandth of the
  // largest node's where that is more; 0 for methods without one.
  double sum_rule_error = 0;
  // Mean |M_i(clean) − M_i(counterfactual)|; none where no counterfactual was run for the metric's readouts.
  std::optional<double> metric_shift;
  std::optional<SpanScores> spans;
};

using ProgressCallback = std::function<void(int64_t done, int64_t total)>;  // examples

// What a method holds of a batch at once, for the memory plan.
struct ScoreMemory {
  int64_t caches = 1;       // forwards that keep a backward; 0: it runs circuits instead
  int64_t outputs = 1;      // copies of the node outputs beside those
  int64_t runs = 1;         // gradients contracted together
  int64_t node_copies = 0;  // of what every node adds to the stream, [nodes, tokens, d_model], float32 at least
};

struct Scorer {
  std::string name;
  std::string help;
  // Throws Error: non-finite values, a record that lacks what the metric or the ablation reads.
  ScoreResult (*score)(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                       const ScoreSpec& spec, const ProgressCallback& progress);
  bool needs_pairs = false;  // every record must have a counterfactual, whatever the ablation
  bool splits_spans = true;  // it can score by spans
  ScoreMemory memory = {};
  // The same for one batch whose forward (with backward and node outputs kept) is already there; null: the
  // method runs its own. `run` is used up.
  ScoreResult (*score_run)(const Model& model, const Graph& graph, const std::vector<const Example*>& examples,
                           const ExampleBatch& batch, ForwardCache run, const ScoreSpec& spec) = nullptr;
  ParameterList parameters = {};  // the method's own settings
};

const std::vector<Scorer>& scorers();
const Scorer& find_scorer(const std::string& name);  // throws UsageError listing the known ones

// A method is one file and one line here. It is declared, and listed in this order.
#define CIRCUIT_SCORERS(METHOD)         \
  METHOD(eap_scorer)                    \
  METHOD(eap_ig_inputs_scorer)          \
  METHOD(eap_ig_activations_scorer)     \
  METHOD(eap_ig_activations_own_scorer) \
  METHOD(relp_scorer)                   \
  METHOD(gim_scorer)                    \
  METHOD(clean_corrupted_scorer)        \
  METHOD(edge_pruning_scorer)           \
  METHOD(exact_scorer)                  \
  METHOD(magnitude_scorer)              \
  METHOD(wanda_scorer)                  \
  METHOD(random_scorer)
#define CIRCUIT_DECLARE(name) Scorer name();
CIRCUIT_SCORERS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

// Ā as the specification wants it, for a score over `examples`.
std::shared_ptr<const AblatedOutputs> ablated_outputs(const Model& model, const Graph& graph,
                                                      const std::vector<const Example*>& examples,
                                                      const ScoreSpec& spec);

}  // namespace circuit
