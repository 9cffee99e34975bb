#include "evaluation/circuits.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "intervention/circuit_run.h"
#include "scoring/gradient_methods.h"

namespace circuit {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool has_answers(const ExampleBatch& batch) {
  return batch.n_readouts() > 0 && std::all_of(batch.readouts.begin(), batch.readouts.end(), [](const Readout& r) {
           return !r.correct.empty() && !r.wrong.empty();
         });
}

// Mean over each example's readouts; NaN for an example without any.
void append_means(const ExampleBatch& batch, const std::vector<double>& per_readout, std::vector<double>* values) {
  std::vector<double> sums(batch.examples);
  for (int64_t r = 0; r < batch.n_readouts(); ++r) sums[batch.readout_example[r]] += per_readout[r];
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
    if (has_answers(batch_)) {
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

Faithfulness faithfulness(const CircuitOutcome& circuit, const CircuitOutcome& full, const CircuitOutcome& empty,
                          Rng& rng) {
  const auto n = static_cast<int64_t>(circuit.metric.size());
  const auto share = [&](const std::vector<int64_t>& sample) {
    const double none = mean_of(empty.metric, sample);
    return (mean_of(circuit.metric, sample) - none) / (mean_of(full.metric, sample) - none);
  };
  std::vector<int64_t> all(n);
  std::iota(all.begin(), all.end(), 0);
  return {share(all), bootstrap(n, rng, share)};
}

const std::vector<double>& curve_shares() {
  static const std::vector<double> shares{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1};
  return shares;
}

double area(const std::vector<double>& heights) {
  const std::vector<double>& x = curve_shares();
  double sum = 0;
  for (size_t i = 1; i < x.size(); ++i) sum += (x[i] - x[i - 1]) * (heights[i] + heights[i - 1]) / 2;
  return sum;
}

Recovery recovery(const Circuit& found, const EdgeScores& scores, const Circuit& reference) {
  const size_t n = scores.values.size();
  std::vector<bool> marked(n);
  for (const int64_t e : reference.edges) marked[e] = true;
  double hits = 0;
  for (const int64_t e : found.edges) hits += marked[e];
  // Rank sum (Mann-Whitney), equal scores at their mean rank.
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto strength = [&](size_t e) { return std::fabs(scores.values[e]); };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return strength(a) < strength(b); });
  double rank_sum = 0;
  for (size_t first = 0; first < n;) {
    size_t end = first;
    while (end < n && strength(order[end]) == strength(order[first])) ++end;
    const double rank = (static_cast<double>(first + 1) + static_cast<double>(end)) / 2;
    for (size_t i = first; i < end; ++i) rank_sum += marked[order[i]] ? rank : 0;
    first = end;
  }
  const auto positives = static_cast<double>(reference.edges.size());
  const double negatives = static_cast<double>(n) - positives;
  return {hits / static_cast<double>(found.edges.size()), hits / positives,
          (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)};
}

}  // namespace circuit
