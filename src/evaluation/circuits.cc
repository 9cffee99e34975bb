#include "evaluation/circuits.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "intervention/circuit_run.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Mean over each example's readouts; NaN for an example without any, and for all when nothing is known of them.
void append_means(const ExampleBatch& batch, const std::vector<double>& per_readout, std::vector<double>* values) {
  std::vector<double> sums(batch.examples);
  const auto known = static_cast<int64_t>(per_readout.size());
  for (int64_t r = 0; r < known; ++r) sums[batch.readout_example[r]] += per_readout[r];
  for (int64_t i = 0; i < batch.examples; ++i) {
    const int64_t n = batch.readouts_per_example[i];
    values->push_back(n == 0 || per_readout.empty() ? kNan : sums[i] / static_cast<double>(n));
  }
}

// One batch's judge: what the whole model says at the readouts is kept to compare with.
class Judge {
 public:
  Judge(const Model& model, const ExampleBatch& batch, const Metric& metric, const at::Tensor& x_full)
      : model_(model), batch_(batch), metric_(metric) {
    if (batch.n_readouts() > 0) full_ = log_probs(x_full);
  }
  void append(const at::Tensor& x_final, CircuitOutcome* outcome) const {
    const MetricValues values = metric_.compute(model_, batch_, x_final, MetricGradient::kNone);
    outcome->metric.insert(outcome->metric.end(), values.values.begin(), values.values.end());
    std::vector<double> right;
    if (has_both_answers(batch_)) {
      for (const double d : logit_differences(model_, batch_, x_final)) right.push_back(d > 0 ? 1 : 0);
    }
    append_means(batch_, right, &outcome->accuracy);
    std::vector<double> divergence;
    if (full_.defined()) {
      const at::Tensor kl = (full_.exp() * (full_ - log_probs(x_final))).sum(1).to(at::kCPU, at::kDouble);
      divergence.assign(kl.data_ptr<double>(), kl.data_ptr<double>() + kl.numel());
    }
    append_means(batch_, divergence, &outcome->kl);
  }

 private:
  at::Tensor log_probs(const at::Tensor& x_final) const {
    return at::_log_softmax(logits_of(model_, x_final, batch_.readout_rows).to(at::kFloat), 1, false);
  }
  const Model& model_;
  const ExampleBatch& batch_;
  const Metric& metric_;
  at::Tensor full_;  // [readouts, vocab]
};

}  // namespace

std::vector<CircuitOutcome> run_circuits(const Model& model, const Graph& graph,
                                         const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                         const std::vector<Circuit>& circuits, const ProgressCallback& progress) {
  if (examples.empty()) fail("evaluate", "there are no examples to run on.");
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  std::vector<CircuitOutcome> outcomes(circuits.size());
  for_batches(model, examples, spec, progress, [&](const ScoreBatch& batch) {
    const ForwardCache full = forward(model, batch.clean.tokens, Keep::kNothing);
    const Judge judge(model, batch.clean, spec.metric, full.x_final);
    const NodeOutputs outputs = ablated->of(batch.examples, batch.clean);
    CircuitRunner runner(model, graph, batch.clean.tokens, outputs);
    for (size_t c = 0; c < circuits.size(); ++c) {
      std::vector<bool> edges(graph.n_edges(), false);
      for (const int64_t id : circuits[c].edges) edges[id] = true;
      judge.append(runner.run(edges), &outcomes[c]);
    }
  });
  return outcomes;
}

}  // namespace circuit
