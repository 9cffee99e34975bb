// Scalar metrics of an example, higher = the behaviour studied or tuned is stronger (method.md §2).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/model.h"
#include "task/example.h"

namespace circuit {

struct MetricValues {
  std::vector<double> values;  // M_i, one per example
  // ∂(Σ_i M_i)/∂(the stream that `logits` reads), [tokens, d_model]; undefined when not asked for.
  at::Tensor d_final;
};

// kHeldNorm: with the final norm's scale held constant (holds_norms).
enum class MetricGradient { kNone, kStream, kHeldNorm };

inline Rule rule_of(MetricGradient gradient) {
  return gradient == MetricGradient::kHeldNorm ? Rule::kRelevance : Rule::kGradient;
}

// What a metric reads in a record: readouts, target tokens, or the answer: its readouts' `correct`, and where a
// record has no readouts its target tokens.
enum class Reads { kReadouts, kTargets, kAnswer };

// One metric: its name and what it computes from the last stream [tokens, d_model].
// Throws Error naming the record when the batch lacks what it reads.
struct Metric {
  std::string name;
  std::string help;
  MetricValues (*compute)(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final,
                          MetricGradient gradient);
  Reads reads = Reads::kReadouts;
  // It compares a run with the whole model's (ExampleBatch::full): largest at the clean input, where its gradient
  // is zero.
  bool flat_at_clean = false;
  // Its values are probabilities, which a change of the logits moves by no more than themselves.
  bool probability = false;
};

// Every metric, in the order --help lists them.
const std::vector<Metric>& metrics();
// metric.compute of a run that is only read. Throws Error naming the record whose value is not a finite number, which
// nothing may be made of.
std::vector<double> metric_values(const Model& model, const ExampleBatch& batch, const Metric& metric,
                                  const at::Tensor& x_final);

// Throws UsageError listing the known ones.
const Metric& find_metric(const std::string& name);

// A metric is one file and one line here. It is declared, and listed in this order.
#define CIRCUIT_METRICS(METHOD) \
  METHOD(logit_diff_metric)     \
  METHOD(prob_diff_metric)      \
  METHOD(log_prob_metric)       \
  METHOD(nll_metric)            \
  METHOD(kl_metric)
#define CIRCUIT_DECLARE(name) Metric name();
CIRCUIT_METRICS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

// Rows of the last stream that the metric reads: ascending, each once. [n] int64, undefined when there is none.
at::Tensor rows_read(const Metric& metric, const ExampleBatch& batch);

// The tokens of the answers of a batch (Reads::kAnswer), one entry each: of a readout any of its `correct`.
struct Answers {
  at::Tensor rows;  // [n] int64
  std::vector<std::vector<int64_t>> ids;
  std::vector<int64_t> example;
};
Answers answer_tokens(const ExampleBatch& batch);

// The logit difference of every readout as a weighted sum of logits, for token_logits: one entry per answer token.
struct AnswerWeights {
  at::Tensor owners, ids;  // [n] int64: its readout in the batch, and the token
  at::Tensor weights;      // [n] float32 at least: 1 / (correct tokens) or −1 / (wrong tokens)
};
// Throws Error naming a record whose readout lacks `correct` or `wrong`, which `who` needs.
AnswerWeights answer_weights(const Model& model, const ExampleBatch& batch, const std::string& who);

// Mean logit of `correct` − mean logit of `wrong` of every readout, in the batch's order: what accuracy
// (share above 0) and tables per verb are made of. NaN for a readout that lacks either. Throws Error naming a record
// whose difference is not finite.
std::vector<double> logit_differences(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final);

// The same of all readouts, whatever the metric.
at::Tensor readout_rows(const ExampleBatch& batch);

// Throws Error naming the record when it lacks what the metric reads.
void check_metric(const Metric& metric, const Example& example);

// Weights of the mean over an example's readouts: 1 / (its readouts), per readout. Throws Error naming the
// first example without readouts.
std::vector<double> readout_weights(const ExampleBatch& batch, const std::string& metric);

}  // namespace circuit
