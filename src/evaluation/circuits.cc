#include "evaluation/circuits.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "core/error.h"
#include "intervention/circuit_run.h"
#include "scoring/gradient_methods.h"
#include "task/metric_rounding.h"

namespace circuit {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Mean over those of each example's readouts that have a value; NaN for an example without any.
void append_means(const ExampleBatch& batch, const std::vector<double>& per_readout, std::vector<double>* values) {
  std::vector<double> sums(batch.examples);
  std::vector<int64_t> counts(batch.examples);
  for (size_t r = 0; r < per_readout.size(); ++r) {
    if (std::isnan(per_readout[r])) continue;
    sums[batch.readout_example[r]] += per_readout[r];
    ++counts[batch.readout_example[r]];
  }
  for (int64_t i = 0; i < batch.examples; ++i) {
    values->push_back(counts[i] == 0 ? kNan : sums[i] / static_cast<double>(counts[i]));
  }
}

// One batch's judge: what the whole model says at the readouts is kept to compare with.
class Judge {
 public:
  Judge(const Model& model, const ExampleBatch& batch, const Metric& metric, const at::Tensor& x_full)
      : model_(model), batch_(batch), metric_(metric) {
    if (batch.n_readouts() > 0) full_ = readout_input(model, x_full, batch.readout_rows).y;
    rounding_ = metric_rounding(model, batch, metric, x_full);
  }
  void append(const at::Tensor& x_final, CircuitOutcome* outcome) const {
    const std::vector<double> values = metric_values(model_, batch_, metric_, x_final);
    outcome->metric.insert(outcome->metric.end(), values.begin(), values.end());
    outcome->rounding.insert(outcome->rounding.end(), rounding_.begin(), rounding_.end());
    std::vector<double> right;
    for (const double d : logit_differences(model_, batch_, x_final)) right.push_back(std::isnan(d) ? d : d > 0);
    append_means(batch_, right, &outcome->accuracy);
    append_means(batch_, full_.defined() ? divergences(x_final) : std::vector<double>{}, &outcome->kl);
  }

 private:
  // KL(full ‖ run) at every readout.
  std::vector<double> divergences(const at::Tensor& x_final) const {
    const at::Tensor y = readout_input(model_, x_final, batch_.readout_rows).y;
    std::vector<double> all;
    for_logit_parts(model_, batch_.n_readouts(), [&](int64_t first, int64_t count) {
      const auto log_probs = [&](const at::Tensor& of) {
        return at::_log_softmax(head_logits(model_, of.narrow(0, first, count)), 1, false);
      };
      const at::Tensor full = log_probs(full_);
      const at::Tensor kl = (full.exp() * (full - log_probs(y))).sum(1, false, at::kDouble).to(at::kCPU).contiguous();
      all.insert(all.end(), kl.data_ptr<double>(), kl.data_ptr<double>() + count);
    });
    return all;
  }
  const Model& model_;
  const ExampleBatch& batch_;
  const Metric& metric_;
  at::Tensor full_;  // [readouts, d_model] what the whole model's head reads; undefined: no readouts
  std::vector<double> rounding_;
};

// Every rank ran a share of the records: their values in the records' order.
void join_records(std::vector<CircuitOutcome>* outcomes) {
  if (world().is_alone()) return;
  std::vector<std::vector<double>*> lists;
  for (CircuitOutcome& o : *outcomes) lists.insert(lists.end(), {&o.metric, &o.accuracy, &o.kl, &o.rounding});
  std::vector<at::Tensor> own;
  for (std::vector<double>* list : lists) {
    own.push_back(at::tensor(*list, at::kDouble));
    list->clear();
  }
  for (const at::Tensor& bytes : gather(world(), "circuits' records", pack(own))) {
    const std::vector<at::Tensor> of_rank = unpack(bytes);
    for (size_t i = 0; i < lists.size(); ++i) {
      const auto* first = of_rank[i].data_ptr<double>();
      lists[i]->insert(lists[i]->end(), first, first + of_rank[i].numel());
    }
  }
}

}  // namespace

std::vector<CircuitOutcome> judge_runs(const Model& model, const std::vector<const Example*>& examples,
                                       const ScoreSpec& spec, size_t runs, const ProgressCallback& progress,
                                       const std::function<BatchRuns(const ScoreBatch& batch)>& prepare) {
  if (examples.empty()) fail("evaluate", "there are no examples to run on.");
  std::vector<CircuitOutcome> outcomes(runs);
  for_batches(model, examples, spec, progress, [&](const ScoreBatch& batch) {
    const ForwardCache full = forward(model, batch.clean.tokens, Keep::kNothing);
    const Judge judge(model, batch.clean, spec.metric, full.x_final);
    const BatchRuns run = prepare(batch);
    for (size_t i = 0; i < runs; ++i) judge.append(run(i), &outcomes[i]);
  });
  join_records(&outcomes);
  return outcomes;
}

std::vector<CircuitOutcome> run_circuits(const Model& model, const Graph& graph,
                                         const std::vector<const Example*>& examples, const ScoreSpec& spec,
                                         const std::vector<Circuit>& circuits, const ProgressCallback& progress) {
  if (examples.empty()) fail("evaluate", "there are no examples to run on.");
  const auto ablated = ablated_outputs(model, graph, examples, spec);
  struct Held {
    NodeOutputs outputs;
    std::unique_ptr<CircuitRunner> runner;
  };
  return judge_runs(model, examples, spec, circuits.size(), progress, [&](const ScoreBatch& batch) -> BatchRuns {
    const auto held = std::make_shared<Held>();
    held->outputs = ablated->of(batch.examples, batch.clean);
    held->runner = std::make_unique<CircuitRunner>(model, graph, batch.clean.tokens, held->outputs);
    return [&graph, &circuits, held](size_t c) {
      std::vector<bool> edges(graph.n_edges(), false);
      for (const int64_t id : circuits[c].edges) edges[id] = true;
      return held->runner->run(edges);
    };
  });
}

}  // namespace circuit
