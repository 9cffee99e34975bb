#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "evaluation/evaluation.h"
#include "model/forward.h"

namespace circuit {
namespace {

double nll_sum(const Model& model, const ExampleBatch& batch, const at::Tensor& x_final) {
  const at::Tensor nll = nll_loss(model, x_final, batch.targets, LossGradient::kNone).nll.to(at::kCPU);
  double sum = 0;
  for (int64_t t = 0; t < batch.n_targets(); ++t) {
    const double value = nll.data_ptr<double>()[t];
    if (!std::isfinite(value)) {
      fail(batch.places[batch.target_example[t]],
           "the log-probability of a token is {}: the model's logits are not finite. Check its weights; in tuning, "
           "lower optimizer.lr or set optimizer.clip.",
           -value);
    }
    sum += value;
  }
  return sum;
}

}  // namespace

TaskResult evaluate_task(const Model& model, const std::vector<Example>& examples, const Metric& metric, int64_t batch,
                         const EvaluationProgress& progress) {
  TaskResult result;
  const auto total = static_cast<int64_t>(examples.size());
  // Decided once for all records, so that no result depends on which of them share a batch.
  const bool readouts =
      std::any_of(examples.begin(), examples.end(), [](const Example& e) { return !e.readouts.empty(); });
  if (readouts) {
    for (const Example& e : examples) check_metric(metric, e);
  }
  std::map<std::string, int64_t> right;
  int64_t right_all = 0;
  result.right_of.resize(total);
  result.compared_of.resize(total);
  for (int64_t first = 0; first < total; first += batch) {
    std::vector<const Example*> part;
    for (int64_t i = first; i < std::min(total, first + batch); ++i) part.push_back(&examples[i]);
    ExampleBatch b = make_example_batch(part, model.architecture(), model.device());
    const ForwardCache run = forward(model, b.tokens, Keep::kNothing);
    if (b.n_readouts() > 0) b.full = run.x_final.index_select(0, b.readout_rows);  // this is the whole model
    if (b.n_targets() > 0) {
      result.nll += nll_sum(model, b, run.x_final);
      result.target_tokens += b.n_targets();
    }
    if (readouts) {
      for (const double m : metric_values(model, b, metric, run.x_final)) result.metric += m;
      result.readouts += b.n_readouts();
    }
    if (b.n_readouts() > 0) {
      const std::vector<double> differences = logit_differences(model, b, run.x_final);
      for (int64_t r = 0; r < b.n_readouts(); ++r) {
        if (std::isnan(differences[r])) continue;
        const int64_t example = first + b.readout_example[r];
        result.right_of[example] += differences[r] > 0 ? 1 : 0;
        result.compared_of[example] += 1;
        result.logit_diff += differences[r];
        ++result.compared;
        const std::string& label = b.readouts[r].label;
        right_all += differences[r] > 0;
        if (label.empty()) continue;
        right[label] += differences[r] > 0;
        ++result.count_by[label];
      }
    }
    if (progress) progress(std::min(total, first + batch), total);
  }
  if (result.target_tokens > 0) result.nll /= static_cast<double>(result.target_tokens);
  if (result.readouts > 0) result.metric /= static_cast<double>(total);
  if (result.compared > 0) {
    result.logit_diff /= static_cast<double>(result.compared);
    result.accuracy = static_cast<double>(right_all) / static_cast<double>(result.compared);
  }
  for (const auto& [label, count] : result.count_by) {
    result.accuracy_by[label] = static_cast<double>(right[label]) / static_cast<double>(count);
  }
  return result;
}

}  // namespace circuit
